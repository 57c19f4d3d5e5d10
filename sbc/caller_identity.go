package sbc

import "fmt"

// IdentityField is where a caller's number stands in a message.
type IdentityField string

// The fields.
const (
	IdentityFrom IdentityField = "from"
	IdentityPAI  IdentityField = "pai"  // P-Asserted-Identity (RFC 3325)
	IdentityPPI  IdentityField = "ppi"  // P-Preferred-Identity (RFC 3325)
	IdentityRPID IdentityField = "rpid" // Remote-Party-ID
)

// PrivacyMode says what becomes of a caller's wish to stay unnamed (RFC 3323).
type PrivacyMode string

// The modes.
const (
	PrivacyPass    PrivacyMode = "pass"    // the wish and the identity both go to trusted realms, neither to others
	PrivacyEnforce PrivacyMode = "enforce" // we make the caller anonymous; only asserted identities to trusted realms stay
	PrivacyIgnore  PrivacyMode = "ignore"  // the wish is dropped (emergency trunks)
)

// NumberFormat says how numbers are written.
type NumberFormat string

// The formats.
const (
	NumberPass   NumberFormat = "pass"
	NumberPlus   NumberFormat = "plus"   // digits get a leading +
	NumberDigits NumberFormat = "digits" // a leading + is taken away
)

// CallerIdentity is how a trunk says and hears who calls. Identity headers from realms that are not trusted never pass,
// whatever stands here.
type CallerIdentity struct {
	// Accept are the fields a caller's number is read from, the first that is there; only From is read in realms of trust "access".
	Accept []IdentityField `json:"accept"`
	// Send are the fields written to the trunk besides From.
	Send []IdentityField `json:"send"`
	// FromUser and FromHost are written to the trunk in place of the caller's number and our host, where set: an account name and
	// the carrier's domain, for example.
	FromUser string       `json:"from_user,omitempty"`
	FromHost string       `json:"from_host,omitempty"`
	Privacy  PrivacyMode  `json:"privacy"`
	Format   NumberFormat `json:"number_format"`
	// UserPhone writes user=phone to URIs with a number (RFC 3261 19.1.1).
	UserPhone bool `json:"user_phone"`
}

func (c *CallerIdentity) defaults() {
	c.Accept = []IdentityField{IdentityPAI, IdentityFrom}
	c.Send = []IdentityField{IdentityPAI}
	c.Privacy, c.Format = PrivacyPass, NumberPass
}

func (c *CallerIdentity) validate(f *faults, at string) {
	for i, x := range c.Accept {
		oneOf(f, fmt.Sprintf("%s/accept/%d", at, i), x, IdentityFrom, IdentityPAI, IdentityPPI, IdentityRPID)
	}
	for i, x := range c.Send {
		oneOf(f, fmt.Sprintf("%s/send/%d", at, i), x, IdentityPAI, IdentityPPI, IdentityRPID)
	}
	f.entries(at+"/accept", len(c.Accept))
	f.entries(at+"/send", len(c.Send))
	f.number(at+"/from_user", c.FromUser)
	f.host(at+"/from_host", c.FromHost, false)
	oneOf(f, at+"/privacy", c.Privacy, PrivacyPass, PrivacyEnforce, PrivacyIgnore)
	oneOf(f, at+"/number_format", c.Format, NumberPass, NumberPlus, NumberDigits)
}
