package sbc

import (
	"fmt"
	"slices"
)

// Domain is a SIP domain whose subscribers register with the border and call through it. Its Name is the domain as it stands in
// their addresses; it is unique over all tenants.
type Domain struct {
	Meta
	// RealmID is the realm by whose interfaces the subscribers come in.
	RealmID string `json:"realm_id"`
	// Aliases are other names of the domain; a host of one of our interfaces in the realm is one as well if the realm has no other domain.
	Aliases []string `json:"aliases"`
	// AcceptSubdomains takes every name below the domain for the domain.
	AcceptSubdomains bool `json:"accept_subdomains"`
	// Terms are those of every call to and from the subscribers; the routing plan is asked for numbers that are no subscriber's.
	Terms
	Digest       DigestPolicy       `json:"digest"`
	Registration RegistrationPolicy `json:"registration"`
	KeepAlive    KeepAlivePolicy    `json:"keep_alive"`
	// AllowForeignIdentity lets a subscriber call under an identity that is not its own.
	AllowForeignIdentity bool `json:"allow_foreign_identity"`
	// NumberClasses sort dialled numbers by their longest prefix; what has none is of the class local.
	NumberClasses []ClassPrefix `json:"number_classes"`
	// DefaultGroupIDs are the permissions of subscribers that are in no group; none at all means that all is permitted.
	DefaultGroupIDs []string `json:"default_group_ids"`
	// MaxForwards bounds how often one call is forwarded.
	MaxForwards   int           `json:"max_forwards"`
	FeatureCodes  []FeatureCode `json:"feature_codes"`
	Voicemail     VoicemailBox  `json:"voicemail"`
	Authorization Authorization `json:"authorization"`
	Push          PushPolicy    `json:"push"`
}

// Kind names the kind.
func (*Domain) Kind() Kind { return KindDomain }

// Base gives the common fields.
func (d *Domain) Base() *Meta { return &d.Meta }

// Defaults are the terms of a trunk but 60 s of ringing, and the defaults of every policy.
func (d *Domain) Defaults() {
	d.Terms.defaults()
	d.RingTimeoutS = 60
	d.Aliases, d.DefaultGroupIDs = []string{}, []string{}
	d.Digest.defaults()
	d.Registration.defaults()
	d.KeepAlive.defaults()
	d.NumberClasses = DefaultNumberClasses()
	d.MaxForwards = 5
	d.FeatureCodes = DefaultFeatureCodes()
	d.Voicemail.defaults()
	d.Authorization.defaults()
	d.Push.defaults()
}

// Validate checks names, terms and policies.
func (d *Domain) Validate() []Fault {
	f := faults(d.Meta.validate())
	f.need("#/realm_id", d.RealmID)
	f.host("#/name", d.Name, true)
	f.entries("#/aliases", len(d.Aliases))
	for i, a := range d.Aliases {
		f.host(fmt.Sprintf("#/aliases/%d", i), a, true)
	}
	d.Terms.validate(&f)
	d.Digest.validate(&f, "#/digest")
	d.Registration.validate(&f, "#/registration")
	d.KeepAlive.validate(&f, "#/keep_alive")
	validateClasses(&f, "#/number_classes", d.NumberClasses)
	f.entries("#/default_group_ids", len(d.DefaultGroupIDs))
	f.between("#/max_forwards", d.MaxForwards, 0, 20)
	validateCodes(&f, "#/feature_codes", d.FeatureCodes)
	d.Voicemail.validate(&f, "#/voicemail")
	d.Authorization.validate(&f, "#/authorization")
	d.Push.validate(&f, "#/push")
	return f
}

// References lists the resources it needs.
func (d *Domain) References() []Reference {
	list := append([]Reference{
		{Pointer: "#/tenant_id", Kind: KindTenant, ID: d.TenantID},
		{Pointer: "#/realm_id", Kind: KindRealm, ID: d.RealmID},
		{Pointer: "#/registration/upstream_trunk_id", Kind: KindTrunk, ID: d.Registration.UpstreamTrunkID},
		{Pointer: "#/voicemail/greeting_announcement_id", Kind: KindAnnouncement, ID: d.Voicemail.GreetingAnnouncementID},
	}, d.Terms.references()...)
	return refs(append(list, groups("#/default_group_ids", d.DefaultGroupIDs)...)...)
}

// Trunk is the domain as a counterparty of calls: a trunk of the domain's id, with its realm and terms.
func (d *Domain) Trunk() *Trunk { return &Trunk{Meta: d.Meta, RealmID: d.RealmID, Terms: d.Terms} }

// DigestAlgorithm is a hash of RFC 7616, by its name in a challenge (RFC 8760).
type DigestAlgorithm string

// The algorithms.
const (
	DigestMD5       DigestAlgorithm = "MD5"
	DigestSHA256    DigestAlgorithm = "SHA-256"
	DigestSHA512256 DigestAlgorithm = "SHA-512-256"
)

// DigestPolicy says how subscribers prove who they are (RFC 3261 22, RFC 7616, RFC 8760).
type DigestPolicy struct {
	// Realm stands in challenges and in the hashes of secrets; "" is the domain's name. Secrets of which only hashes are kept do not
	// survive a change, so it cannot change while the domain has subscribers.
	Realm string `json:"realm,omitempty"`
	// Algorithms are offered in this order, one challenge each; an answer in any of them is taken that the subscriber's hashes serve. Some
	// old phones (baresip 1.0) give up where any challenge is offered that they do not know: their domain offers MD5 alone.
	Algorithms []DigestAlgorithm `json:"algorithms"`
	// AuthInt offers the quality of protection that covers the body (auth-int) beside auth.
	AuthInt bool `json:"auth_int"`
	// AllowNoQOP takes answers without qop, as phones of RFC 2069 send them; each nonce of those is good once.
	AllowNoQOP bool `json:"allow_no_qop"`
	// AllowShortURI takes answers whose uri names the domain or the border only, whoever is called, as SIPp and some old phones write them.
	// Otherwise it must be the Request-URI, but for port and parameters (RFC 7616 3.4.6).
	AllowShortURI bool `json:"allow_short_uri"`
	// NonceLifetimeS is how long a nonce may be used with rising counts; without qop, or for the first use, 30 s.
	NonceLifetimeS int `json:"nonce_lifetime_s"`
}

func (p *DigestPolicy) defaults() {
	p.Algorithms, p.NonceLifetimeS = []DigestAlgorithm{DigestSHA256, DigestMD5}, 300
}

func (p *DigestPolicy) validate(f *faults, at string) {
	f.text(at+"/realm", p.Realm, 0, 128)
	if len(p.Algorithms) == 0 {
		f.add(at+"/algorithms", "required", "must hold at least one algorithm")
	}
	for i, a := range p.Algorithms {
		oneOf(f, fmt.Sprintf("%s/algorithms/%d", at, i), a, DigestMD5, DigestSHA256, DigestSHA512256)
		if slices.Contains(p.Algorithms[:i], a) {
			f.add(fmt.Sprintf("%s/algorithms/%d", at, i), "duplicate", fmt.Sprintf("%q stands there twice", a))
		}
	}
	f.between(at+"/nonce_lifetime_s", p.NonceLifetimeS, 30, 3600)
}

// DigestRealm is what stands in the domain's challenges.
func (d *Domain) DigestRealm() string {
	if d.Digest.Realm != "" {
		return d.Digest.Realm
	}
	return d.Name
}

// ContactOverflow says what happens to a contact too many.
type ContactOverflow string

// What happens.
const (
	OverflowReject        ContactOverflow = "reject"         // 403
	OverflowReplaceOldest ContactOverflow = "replace_oldest" // the one that was refreshed longest ago goes
)

// ContactSource says which hosts a Contact may name (features.md 13.7). A gateway's, one of ours, a loopback or link-local address and
// a scheme other than sip and sips are never taken.
type ContactSource string

// The rules.
const (
	ContactAny     ContactSource = "any"     // whatever is not forbidden
	ContactPrivate ContactSource = "private" // the source's address, or a private one behind NAT
	ContactSame    ContactSource = "same"    // the source's address only
)

// PathMode says whether a Path header (RFC 3327) is taken.
type PathMode string

// The modes.
const (
	PathOff   PathMode = "off"   // ignored: requests go to the source of the REGISTER
	PathAllow PathMode = "allow" // taken; a phone that does not list path in Supported is served all the same
	PathNeed  PathMode = "need"  // 420 where Path stands without Supported: path (RFC 3327 5.3)
)

// RegistrationPolicy bounds registrations (RFC 3261 10.3).
type RegistrationPolicy struct {
	Mode RegistrationMode `json:"mode"`
	// UpstreamTrunkID is the registrar of every mode but local: its endpoints are told of contacts of ours, and calls of this trunk to
	// those reach the phones. UpstreamExpiresS is what it is asked for when throttling, in seconds.
	UpstreamTrunkID  string `json:"upstream_trunk_id,omitempty"`
	UpstreamExpiresS int    `json:"upstream_expires_s"`
	// DefaultExpiresS is for contacts that name none; less than MinExpiresS gets 423, more than MaxExpiresS is cut.
	DefaultExpiresS int `json:"default_expires_s"`
	MinExpiresS     int `json:"min_expires_s"`
	MaxExpiresS     int `json:"max_expires_s"`
	// JitterPercent shortens what is granted by a random share up to this, so that phones do not refresh all at once.
	JitterPercent int `json:"jitter_percent"`
	// MaxContacts bounds the contacts of a subscriber; MaxContactsPolicy says what happens beyond.
	MaxContacts       int             `json:"max_contacts"`
	MaxContactsPolicy ContactOverflow `json:"max_contacts_policy"`
	ContactSource     ContactSource   `json:"contact_source"`
	// GRUU gives contacts with an instance id a public address of their own (RFC 5627); Outbound keeps several flows of one phone
	// (RFC 5626).
	GRUU     bool     `json:"gruu"`
	Outbound bool     `json:"outbound"`
	Path     PathMode `json:"path"`
	// Serial tries contacts one after the other by q; else those of the same q ring at once, then those of the next.
	Serial bool `json:"serial"`
}

func (p *RegistrationPolicy) defaults() {
	p.Mode, p.UpstreamExpiresS = RegistrationLocal, 3600
	p.DefaultExpiresS, p.MinExpiresS, p.MaxExpiresS, p.JitterPercent = 3600, 60, 7200, 5
	p.MaxContacts, p.MaxContactsPolicy, p.ContactSource = 10, OverflowReject, ContactPrivate
	p.GRUU, p.Outbound, p.Path = true, true, PathOff
}

func (p *RegistrationPolicy) validate(f *faults, at string) {
	oneOf(f, at+"/mode", p.Mode, RegistrationLocal, RegistrationMirror, RegistrationThrottleContact, RegistrationThrottleAOR)
	if p.Mode != RegistrationLocal {
		f.need(at+"/upstream_trunk_id", p.UpstreamTrunkID)
	}
	f.between(at+"/upstream_expires_s", p.UpstreamExpiresS, 60, 86_400)
	f.between(at+"/min_expires_s", p.MinExpiresS, 10, 86_400)
	f.between(at+"/max_expires_s", p.MaxExpiresS, p.MinExpiresS, 604_800)
	f.between(at+"/default_expires_s", p.DefaultExpiresS, p.MinExpiresS, p.MaxExpiresS)
	f.between(at+"/jitter_percent", p.JitterPercent, 0, 50)
	f.between(at+"/max_contacts", p.MaxContacts, 1, 100)
	oneOf(f, at+"/max_contacts_policy", p.MaxContactsPolicy, OverflowReject, OverflowReplaceOldest)
	oneOf(f, at+"/contact_source", p.ContactSource, ContactAny, ContactPrivate, ContactSame)
	oneOf(f, at+"/path", p.Path, PathOff, PathAllow, PathNeed)
}

// KeepAliveMode says how a NAT binding is kept open, of a contact or towards a carrier.
type KeepAliveMode string

// The modes. On streams a keep-alive is always CRLF (RFC 5626 4.4.1).
const (
	KeepAliveOff     KeepAliveMode = "off"
	KeepAliveOptions KeepAliveMode = "options" // OPTIONS, whose answer also shows that the phone is there and how far away
	KeepAliveUDP     KeepAliveMode = "udp"     // four octets that nobody answers; the next REGISTER shows whether it is there
)

// KeepAlivePolicy says when contacts are pinged. The pings of all contacts are spread evenly over the interval.
type KeepAlivePolicy struct {
	Mode      KeepAliveMode `json:"mode"`
	IntervalS int           `json:"interval_s"`
	// NATOnly pings only contacts that are behind NAT or on a stream.
	NATOnly bool `json:"nat_only"`
	// MaxMisses is after how many pings without an answer a contact counts as unreachable: it is not called before it answers or
	// registers again, and, with RemoveUnreachable, taken away.
	MaxMisses         int  `json:"max_misses"`
	RemoveUnreachable bool `json:"remove_unreachable"`
}

func (p *KeepAlivePolicy) defaults() {
	p.Mode, p.IntervalS, p.NATOnly, p.MaxMisses = KeepAliveOptions, 25, true, 3
}

func (p *KeepAlivePolicy) validate(f *faults, at string) {
	oneOf(f, at+"/mode", p.Mode, KeepAliveOff, KeepAliveOptions, KeepAliveUDP)
	f.between(at+"/interval_s", p.IntervalS, 5, 3600)
	f.between(at+"/max_misses", p.MaxMisses, 1, 20)
}
