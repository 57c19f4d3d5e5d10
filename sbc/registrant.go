package sbc

import (
	"fmt"
	"time"
)

// Registrant is a registration of ours at a carrier, so that it sends us calls (RFC 3261 10.2). It is a part of the trunk.
type Registrant struct {
	Meta
	TrunkID string `json:"trunk_id"`
	// Registrar is the host of the Request-URI and, unless the trunk has an outbound proxy, where the REGISTER goes; a name is looked up
	// by RFC 3263 unless Port is set.
	Registrar string    `json:"registrar"`
	Port      int       `json:"port"`
	Transport Transport `json:"transport"`
	// AORUser at AORDomain is the address that is registered; AORDomain "" is Registrar. ContactUser "" is one that nobody can guess.
	AORUser     string `json:"aor_user"`
	AORDomain   string `json:"aor_domain,omitempty"`
	ContactUser string `json:"contact_user,omitempty"`
	// Credentials answer challenges; an empty Username is AORUser.
	Credentials ClientCredentials `json:"credentials"`
	// SIPInterfaceID is where it goes out; "" is any of the trunk's realm with the transport.
	SIPInterfaceID string `json:"sip_interface_id,omitempty"`
	// ExpiresS is asked for; after RefreshPercent of what was granted it is refreshed.
	ExpiresS       int `json:"expires_s"`
	RefreshPercent int `json:"refresh_percent"`
	// RetryS is the wait after the first failure; it doubles with each that follows, up to MaxRetryS (RetryS, if that is more).
	RetryS    int `json:"retry_s"`
	MaxRetryS int `json:"max_retry_s"`
	// KeepAlive keeps the way open by which the carrier's calls come.
	KeepAlive FlowKeepAlive `json:"keep_alive"`
}

// FlowKeepAlive says how the connection or NAT binding is kept open by which a registration of ours went (RFC 5626 4.4), every
// IntervalS seconds. On a stream that is CRLF, unless Mode is off. A zero Mode is off.
type FlowKeepAlive struct {
	Mode      KeepAliveMode `json:"mode"`
	IntervalS int           `json:"interval_s"`
}

func (k *FlowKeepAlive) validate(f *faults, at string) {
	oneOf(f, at+"/mode", k.Mode, KeepAliveOff, KeepAliveOptions, KeepAliveUDP)
	f.between(at+"/interval_s", k.IntervalS, 5, 3600)
}

// ClientCredentials are ours at somebody else's: what answers a digest challenge (RFC 7616, RFC 8760). The password is needed as it is,
// for realms are the other side's choice; it is never shown.
type ClientCredentials struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	// Realm, where set, is the only one that is answered.
	Realm string `json:"realm,omitempty"`
}

// Given tells whether there is anything to answer with.
func (c *ClientCredentials) Given() bool { return c.Password != "" }

func (c *ClientCredentials) validate(f *faults, at string) {
	f.text(at+"/username", c.Username, 0, 128)
	f.text(at+"/password", c.Password, 0, 256)
	f.text(at+"/realm", c.Realm, 0, 128)
}

// RegistrantState is how far a registration of ours is.
type RegistrantState string

// The states.
const (
	RegistrantDisabled         RegistrantState = "disabled"
	RegistrantRegistering      RegistrantState = "registering"
	RegistrantRegistered       RegistrantState = "registered"
	RegistrantRejected         RegistrantState = "rejected"          // refused; tried again after a while, unless by 403 or 404
	RegistrantWrongCredentials RegistrantState = "wrong_credentials" // not tried again until something is changed
	RegistrantUnreachable      RegistrantState = "unreachable"       // no answer; tried again after a while
	RegistrantUnregistering    RegistrantState = "unregistering"
)

// RegistrantStatus is the runtime state of a registrant.
type RegistrantStatus struct {
	State RegistrantState `json:"state"`
	Since time.Time       `json:"since"`
	// Reason says it in a sentence; Code is the last final answer, 0 where there was none.
	Reason string `json:"reason,omitempty"`
	Code   int    `json:"code"`
	// ExpiresAt is until when the carrier keeps it, NextAt when the next REGISTER goes out.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	NextAt    *time.Time `json:"next_at,omitempty"`
	// Contact is what is registered.
	Contact string `json:"contact,omitempty"`
}

// Kind names the kind.
func (*Registrant) Kind() Kind { return KindRegistrant }

// Base gives the common fields.
func (r *Registrant) Base() *Meta { return &r.Meta }

// Defaults: UDP, an hour, refreshed at 85 percent, 30 s to 15 minutes between tries, kept alive with four octets every 25 s.
func (r *Registrant) Defaults() {
	r.Transport, r.ExpiresS, r.RefreshPercent, r.RetryS, r.MaxRetryS = TransportUDP, 3600, 85, 30, 900
	r.KeepAlive = FlowKeepAlive{Mode: KeepAliveUDP, IntervalS: 25}
}

// Validate checks names and ranges.
func (r *Registrant) Validate() []Fault {
	f := faults(r.Meta.validate())
	f.need("#/trunk_id", r.TrunkID)
	f.host("#/registrar", r.Registrar, true)
	f.host("#/aor_domain", r.AORDomain, false)
	f.between("#/port", r.Port, 0, 65535)
	oneOf(&f, "#/transport", r.Transport, TransportUDP, TransportTCP, TransportTLS)
	for _, u := range []struct {
		at, user string
		needed   bool
	}{{"#/aor_user", r.AORUser, true}, {"#/contact_user", r.ContactUser, false}} {
		if !dialled.MatchString(u.user) || u.needed && u.user == "" {
			f.add(u.at, "pattern", fmt.Sprintf("%q may hold 1 to 32 of + digits letters * # . _ -", u.user))
		}
	}
	r.Credentials.validate(&f, "#/credentials")
	f.between("#/expires_s", r.ExpiresS, 60, 86_400)
	f.between("#/refresh_percent", r.RefreshPercent, 10, 95)
	f.between("#/retry_s", r.RetryS, 1, 3600)
	f.between("#/max_retry_s", r.MaxRetryS, 1, 86_400)
	r.KeepAlive.validate(&f, "#/keep_alive")
	return f
}

// References lists the resources it needs.
func (r *Registrant) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: r.TenantID},
		Reference{Pointer: "#/trunk_id", Kind: KindTrunk, ID: r.TrunkID, Owns: true},
		Reference{Pointer: "#/sip_interface_id", Kind: KindSIPInterface, ID: r.SIPInterfaceID},
	)
}
