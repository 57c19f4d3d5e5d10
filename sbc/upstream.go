package sbc

import (
	"strings"
	"time"
)

// RegistrationMode says who keeps the contacts of a domain.
type RegistrationMode string

// The modes. In all but the first the accounts are those of an upstream registrar (a mid-registrar, features.md 2.2): it is
// told of contacts of ours in place of the phones', its challenges and answers are the phones', and the phones' contacts are
// kept here.
const (
	RegistrationLocal RegistrationMode = "local" // the border is the registrar
	// RegistrationMirror carries every REGISTER upstream.
	RegistrationMirror RegistrationMode = "mirror"
	// RegistrationThrottleContact asks for more time than the phones do, and answers refreshes itself while that lasts.
	RegistrationThrottleContact RegistrationMode = "throttle_contact"
	// RegistrationThrottleAOR does so with one contact for all phones of an address of record.
	RegistrationThrottleAOR RegistrationMode = "throttle_aor"
)

// Upstream tells whether the accounts of the domain are those of an upstream registrar.
func (d *Domain) Upstream() bool {
	return d.Registration.Mode != RegistrationLocal && d.Registration.Mode != ""
}

// guestScheme begins the id of who has no row: no id of a row holds a colon.
const guestScheme = "sip:"

// Guest is a subscriber that only the domain's upstream registrar knows: all that is known here is its address of record. Its
// id is that address as a SIP URI, "sip:user@domain".
func (d *Domain) Guest(username string) *Entry {
	s := &Subscriber{}
	s.Defaults()
	s.ID, s.TenantID, s.Name, s.Enabled = guestScheme+username+"@"+d.Name, d.TenantID, username, true
	s.DomainID, s.Username = d.ID, username
	return &Entry{Subscriber: s}
}

// IsGuest tells whether an id is that of a Guest, of whom the store knows nothing.
func IsGuest(subscriberID string) bool { return strings.HasPrefix(subscriberID, guestScheme) }

// Located is the id under which the contacts of a subscriber are kept: its own, or that of a Guest where the accounts are
// upstream.
func (d *Domain) Located(s *Subscriber) string {
	if d.Upstream() && !IsGuest(s.ID) {
		return guestScheme + s.Username + "@" + d.Name
	}
	return s.ID
}

// UpstreamState says how it stands with a contact at an upstream registrar.
type UpstreamState string

// The states.
const (
	UpstreamRegistered UpstreamState = "registered" // the last answer was a 200
	UpstreamFailing    UpstreamState = "failing"    // the last refresh failed; what was registered lasts until its end
)

// UpstreamRegistration is what an upstream registrar knows in place of a contact, or of all contacts of an address of record.
type UpstreamRegistration struct {
	TrunkID string        `json:"trunk_id"`
	State   UpstreamState `json:"state"`
	// Status is its last answer; 408 where there was none in time, 503 where it could not be reached (RFC 3261 8.1.3.1).
	Status int `json:"status"`
	// ExpiresAt is when it forgets the contact unless it is told again.
	ExpiresAt time.Time `json:"expires_at"`
}
