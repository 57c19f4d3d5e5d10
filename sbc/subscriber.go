package sbc

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// Subscriber is an account of a domain: a person or a device that registers, calls and is called. Its Name is its Username.
type Subscriber struct {
	Meta
	DomainID string `json:"domain_id"`
	// Username is the user part of its address of record, unique in the domain.
	Username    string `json:"username"`
	DisplayName string `json:"display_name,omitempty"`
	// AuthUsername is the name in its digest; "" is Username. Names of the form user@domain are taken as well (ha1b).
	AuthUsername string `json:"auth_username,omitempty"`
	Credentials
	// GroupIDs are its permissions; none means those of the domain.
	GroupIDs []string `json:"group_ids"`
	// CallerID is what it shows on calls that leave the domain; "" shows the alias that says so, else Username.
	CallerID string `json:"caller_id,omitempty"`
	// CallerIdentities are names and numbers it may call under, besides Username and its aliases.
	CallerIdentities []string `json:"caller_identities"`
	// MaxCalls bounds its calls in progress; 0 is no bound. MaxContacts 0 is the domain's.
	MaxCalls        int        `json:"max_calls"`
	MaxContacts     int        `json:"max_contacts"`
	Forwarding      Forwarding `json:"forwarding"`
	DoNotDisturb    bool       `json:"do_not_disturb"`
	RejectAnonymous bool       `json:"reject_anonymous"`
	// IncomingListIDs and OutgoingListIDs are number lists that all have to let a call pass.
	IncomingListIDs []string `json:"incoming_list_ids"`
	OutgoingListIDs []string `json:"outgoing_list_ids"`
	// VoicemailEnabled gives it a mailbox; GreetingAnnouncementID is its own greeting.
	VoicemailEnabled       bool   `json:"voicemail_enabled"`
	GreetingAnnouncementID string `json:"greeting_announcement_id,omitempty"`
	// RouteGroup is what rules know the subscriber's calls by; "" is that of the domain.
	RouteGroup string `json:"route_group,omitempty"`
	// Custom holds what other systems keep with it, at most 32 values of 1024 characters.
	Custom map[string]any `json:"custom,omitempty"`
}

// Credentials are a secret as it may be written; only hashes are kept. Each hash is in hexadecimal, of "username:realm:password".
type Credentials struct {
	// Password is turned into all hashes and forgotten.
	Password string `json:"password,omitempty"`
	// HA1 is MD5, HA1B MD5 of "username@domain:realm:password", the others SHA-256 and SHA-512/256. None is shown by the API.
	HA1          string `json:"ha1,omitempty"`
	HA1B         string `json:"ha1b,omitempty"`
	HA1SHA256    string `json:"ha1_sha256,omitempty"`
	HA1SHA512256 string `json:"ha1_sha512_256,omitempty"`
	// Algorithms are those in which it can answer a challenge with what is kept; set by the border.
	Algorithms []DigestAlgorithm `json:"algorithms"`
}

// Forwarding sends calls elsewhere.
type Forwarding struct {
	Unconditional Forward `json:"unconditional"`
	Busy          Forward `json:"busy"`
	NoAnswer      Forward `json:"no_answer"`
	// NoAnswerAfterS is how long it rings before NoAnswer.
	NoAnswerAfterS int     `json:"no_answer_after_s"`
	Unreachable    Forward `json:"unreachable"`
	NotRegistered  Forward `json:"not_registered"`
}

// Forward is where: a number, or the mailbox; the zero Forward is nowhere.
type Forward struct {
	Target    string `json:"target,omitempty"`
	Voicemail bool   `json:"voicemail,omitempty"`
}

// Set tells whether it leads anywhere.
func (f Forward) Set() bool { return f.Target != "" || f.Voicemail }

// Kind names the kind.
func (*Subscriber) Kind() Kind { return KindSubscriber }

// Base gives the common fields.
func (s *Subscriber) Base() *Meta { return &s.Meta }

// Defaults: 20 s to answer, nothing forwarded.
func (s *Subscriber) Defaults() {
	s.GroupIDs, s.CallerIdentities, s.IncomingListIDs, s.OutgoingListIDs = []string{}, []string{}, []string{}, []string{}
	s.Algorithms = []DigestAlgorithm{}
	s.Forwarding.NoAnswerAfterS = 20
}

var (
	userPart = regexp.MustCompile(`^[A-Za-z0-9+*#._~!'()-]{1,64}$`)
	hex32    = regexp.MustCompile(`^([0-9a-f]{32})?$`)
	hex64    = regexp.MustCompile(`^([0-9a-f]{64})?$`)
)

// Validate checks names, credentials and forwarding.
func (s *Subscriber) Validate() []Fault {
	f := faults(s.Meta.validate())
	// The name is a copy: what is wrong with it is said of the username.
	f = slices.DeleteFunc(f, func(x Fault) bool { return x.Pointer == "#/name" })
	f.need("#/domain_id", s.DomainID)
	f.user("#/username", s.Username)
	if s.Name != s.Username {
		f.add("#/name", "mismatch", "the name of a subscriber is its username")
	}
	f.text("#/display_name", s.DisplayName, 0, 128)
	f.text("#/route_group", s.RouteGroup, 0, 64)
	if s.AuthUsername != "" {
		f.text("#/auth_username", s.AuthUsername, 1, 128)
	}
	s.Credentials.validate(&f)
	f.entries("#/group_ids", len(s.GroupIDs))
	f.number("#/caller_id", s.CallerID)
	f.entries("#/caller_identities", len(s.CallerIdentities))
	for i, c := range s.CallerIdentities {
		f.user(fmt.Sprintf("#/caller_identities/%d", i), c)
	}
	f.between("#/max_calls", s.MaxCalls, 0, 100_000)
	f.between("#/max_contacts", s.MaxContacts, 0, 100)
	s.Forwarding.validate(&f, "#/forwarding")
	f.entries("#/incoming_list_ids", len(s.IncomingListIDs))
	f.entries("#/outgoing_list_ids", len(s.OutgoingListIDs))
	validateCustom(&f, s.Custom)
	return f
}

// validate checks the form of secrets; their strength is the operator's choice.
func (c *Credentials) validate(f *faults) {
	f.text("#/password", c.Password, 0, 256)
	for _, h := range []struct {
		at, value string
		form      *regexp.Regexp
	}{{"#/ha1", c.HA1, hex32}, {"#/ha1b", c.HA1B, hex32}, {"#/ha1_sha256", c.HA1SHA256, hex64}, {"#/ha1_sha512_256", c.HA1SHA512256, hex64}} {
		if !h.form.MatchString(h.value) {
			f.add(h.at, "pattern", "is not a hash in lower-case hexadecimal of the right length")
		}
	}
}

func (w *Forwarding) validate(f *faults, at string) {
	for _, x := range []struct {
		name string
		to   Forward
	}{{"unconditional", w.Unconditional}, {"busy", w.Busy}, {"no_answer", w.NoAnswer}, {"unreachable", w.Unreachable}, {"not_registered", w.NotRegistered}} {
		f.number(at+"/"+x.name+"/target", x.to.Target)
		if x.to.Voicemail && x.to.Target != "" {
			f.add(at+"/"+x.name, "conflict", "names both a target and voicemail: one of them must go")
		}
	}
	f.between(at+"/no_answer_after_s", w.NoAnswerAfterS, 1, 300)
}

// user checks the user part of an address.
func (f *faults) user(pointer, s string) {
	if !userPart.MatchString(s) {
		f.add(pointer, "pattern", fmt.Sprintf("%q is not a user name: 1 to 64 letters, digits or + * # . _ ~ ! ' ( ) -", s))
	}
}

func validateCustom(f *faults, custom map[string]any) {
	if len(custom) > 32 {
		f.add("#/custom", "too_many", "at most 32 fields are allowed")
		return
	}
	for k, v := range custom {
		if !labelKey.MatchString(k) {
			f.add("#/custom", "pattern", fmt.Sprintf("field %q: a name has 1 to 63 letters, digits, '.', '_', '/' or '-'", k))
		}
		if b, err := json.Marshal(v); err != nil || len(b) > 1024 {
			f.add("#/custom/"+k, "too_long", "is longer than 1024 characters as JSON")
		}
	}
}

// References lists the resources it needs.
func (s *Subscriber) References() []Reference {
	list := []Reference{
		{Pointer: "#/tenant_id", Kind: KindTenant, ID: s.TenantID},
		{Pointer: "#/domain_id", Kind: KindDomain, ID: s.DomainID, Owns: true},
		{Pointer: "#/greeting_announcement_id", Kind: KindAnnouncement, ID: s.GreetingAnnouncementID},
	}
	list = append(list, groups("#/group_ids", s.GroupIDs)...)
	list = append(list, numberLists("#/incoming_list_ids", s.IncomingListIDs)...)
	return refs(append(list, numberLists("#/outgoing_list_ids", s.OutgoingListIDs)...)...)
}

func numberLists(at string, ids []string) []Reference {
	list := make([]Reference, len(ids))
	for i, id := range ids {
		list[i] = Reference{Pointer: fmt.Sprintf("%s/%d", at, i), Kind: KindNumberList, ID: id}
	}
	return list
}

// Alias is another name or number by which a subscriber is called; its Name is that name or number, unique in the domain.
type Alias struct {
	Meta
	DomainID     string `json:"domain_id"`
	SubscriberID string `json:"subscriber_id"`
	// CallerID shows the alias on the subscriber's calls that leave the domain.
	CallerID bool `json:"caller_id"`
}

// Kind names the kind.
func (*Alias) Kind() Kind { return KindAlias }

// Base gives the common fields.
func (a *Alias) Base() *Meta { return &a.Meta }

// Defaults has nothing to set.
func (*Alias) Defaults() {}

// Validate checks the name.
func (a *Alias) Validate() []Fault {
	f := faults(a.Meta.validate())
	f.need("#/domain_id", a.DomainID)
	f.need("#/subscriber_id", a.SubscriberID)
	f.user("#/name", a.Name)
	return f
}

// References lists the resources it needs.
func (a *Alias) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: a.TenantID},
		Reference{Pointer: "#/domain_id", Kind: KindDomain, ID: a.DomainID, Owns: true},
		Reference{Pointer: "#/subscriber_id", Kind: KindSubscriber, ID: a.SubscriberID},
	)
}

// AccessRule lets a source call as a subscriber without digest: a PBX or a gateway with a fixed address.
type AccessRule struct {
	Meta
	DomainID     string `json:"domain_id"`
	SubscriberID string `json:"subscriber_id"`
	// CIDR is the source network; Port, SIPInterfaceID and Transport narrow it where they are set.
	CIDR           string    `json:"cidr"`
	Port           int       `json:"port"`
	SIPInterfaceID string    `json:"sip_interface_id,omitempty"`
	Transport      Transport `json:"transport,omitempty"`
}

// Kind names the kind.
func (*AccessRule) Kind() Kind { return KindAccessRule }

// Base gives the common fields.
func (a *AccessRule) Base() *Meta { return &a.Meta }

// Defaults has nothing to set.
func (*AccessRule) Defaults() {}

// Validate checks what an identity of a trunk must fulfil as well.
func (a *AccessRule) Validate() []Fault {
	i := a.Identity()
	f := faults(i.Validate())
	f.need("#/subscriber_id", a.SubscriberID)
	for k := range f {
		if f[k].Pointer == "#/trunk_id" {
			f[k].Pointer = "#/domain_id"
		}
	}
	return f
}

// References lists the resources it needs.
func (a *AccessRule) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: a.TenantID},
		Reference{Pointer: "#/domain_id", Kind: KindDomain, ID: a.DomainID, Owns: true},
		Reference{Pointer: "#/subscriber_id", Kind: KindSubscriber, ID: a.SubscriberID},
		Reference{Pointer: "#/sip_interface_id", Kind: KindSIPInterface, ID: a.SIPInterfaceID},
	)
}

// Identity is the rule as an identity of the domain's counterparty (Domain.Trunk).
func (a *AccessRule) Identity() *Identity {
	return &Identity{
		Meta: a.Meta, TrunkID: a.DomainID, CIDR: a.CIDR, Port: a.Port, SIPInterfaceID: a.SIPInterfaceID, Transport: a.Transport,
	}
}
