package sbc

import "time"

// DNSLookup is what a name comes to as a place that SIP is sent to (RFC 3263).
type DNSLookup struct {
	Name      string    `json:"name"`
	Port      int       `json:"port"`      // 0: none was named
	Transport Transport `json:"transport"` // TransportAuto: none was named
	// Candidates are the addresses in the order in which a request would try them now.
	Candidates []DNSCandidate `json:"candidates"`
	// Questions are what was asked for it.
	Questions []DNSQuestion `json:"questions"`
	// Reason says why there is no candidate.
	Reason string `json:"reason,omitempty"`
}

// DNSCandidate is one address of a name.
type DNSCandidate struct {
	Address   string    `json:"address"`
	Port      int       `json:"port"`
	Transport Transport `json:"transport"`
	// Silent: it did not answer within the last half minute, and comes after those that are not.
	Silent bool `json:"silent"`
}

// DNSState is how good an answer is.
type DNSState string

// The states.
const (
	DNSFresh  DNSState = "fresh"  // its time to live has not run out
	DNSStale  DNSState = "stale"  // it has, but no server answers
	DNSFailed DNSState = "failed" // no server answers, and nothing is known from before
)

// DNSQuestion is one question, with its answer.
type DNSQuestion struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"` // NAPTR, SRV, A or AAAA
	State   DNSState `json:"state"`
	Records []string `json:"records"` // as in a zone file, without name, class and type; empty: there are none
	// ExpiresAt is when it is asked again.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}
