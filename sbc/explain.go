package sbc

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// ExplainRequest describes a call that has not happened: where an INVITE would come from, and whom it would call.
type ExplainRequest struct {
	SourceAddress  string    `json:"source_address"`
	SourcePort     int       `json:"source_port"`
	SIPInterfaceID string    `json:"sip_interface_id"`
	Transport      Transport `json:"transport"` // "" is the interface's
	// TLSName is a name in the certificate that the peer would show by TLS.
	TLSName string `json:"tls_name,omitempty"`
	// Method is that of a request outside of calls that would come instead of an INVITE: MESSAGE, SUBSCRIBE or PUBLISH; "" is a call.
	Method string `json:"method,omitempty"`
	Caller string `json:"caller"`
	Callee string `json:"callee"`
	// CallerSubscriberID is who calls, as if it had proved that; "" is a call of a trunk.
	CallerSubscriberID string `json:"caller_subscriber_id,omitempty"`
	// At is the moment of the call, the zero time for now. CallID is that of the INVITE, Headers are more of its headers, Variables the
	// call's.
	At        time.Time         `json:"at,omitzero"`
	CallID    string            `json:"call_id,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
}

// Validate checks the headers: those of the dialog itself are made by where the call comes from.
func (r *ExplainRequest) Validate() []Fault {
	var f faults
	if !slices.Contains([]string{"", "INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH"}, r.Method) {
		f.add("#/method", "enum", "must be INVITE, MESSAGE, SUBSCRIBE or PUBLISH")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		switch {
		case !headerName.MatchString(name):
			f.add("#/headers", "pattern", fmt.Sprintf("%q is not a header name", name))
		case neverPassed[lower(name)]:
			f.add("#/headers", "forbidden", fmt.Sprintf("%q belongs to the dialog and cannot be given", name))
		}
	}
	return f
}

// Outcome says what a decision comes to.
type Outcome string

// The outcomes.
const (
	OutcomeRoute  Outcome = "route"  // attempts are made
	OutcomeReject Outcome = "reject" // answered with RejectCode
	OutcomeSilent Outcome = "silent" // a stranger in a realm that does not answer strangers
)

// Explanation is the decision on a call, with every step that led to it.
type Explanation struct {
	Outcome       Outcome `json:"outcome"`
	TrunkID       string  `json:"trunk_id,omitempty"`
	IdentityID    string  `json:"identity_id,omitempty"`
	Number        string  `json:"number,omitempty"`
	RoutingPlanID string  `json:"routing_plan_id,omitempty"`
	RuleID        string  `json:"rule_id,omitempty"`
	RejectCode    int     `json:"reject_code,omitempty"`
	RejectReason  string  `json:"reject_reason,omitempty"`
	// Steps are in the order in which they were taken.
	Steps    []DecisionStep    `json:"steps"`
	Attempts []DecisionAttempt `json:"attempts"`
	// Message is the INVITE of the first attempt as it would be sent, without SDP; tags and branches are examples.
	Message string `json:"message,omitempty"`
}

// DecisionStep is one thing considered: a rule, a target, an endpoint, a limit.
type DecisionStep struct {
	// Stage is identify, number, admit, route, attempt, subscriber, service, permit or location; Subject is the id of what was considered.
	Stage   string `json:"stage"`
	Subject string `json:"subject,omitempty"`
	// Verdict is taken, skipped or refused, or conditional for what would be done if the attempts failed; Detail says why in a sentence.
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
}

// DecisionAttempt is one address that would be tried.
type DecisionAttempt struct {
	TrunkID    string `json:"trunk_id"`
	TargetID   string `json:"target_id,omitempty"`
	EndpointID string `json:"endpoint_id"`
	// SubscriberID and RegistrationID are whom and which phone it would ring. Attempts of the same number Together, which is not 0, are
	// made at once.
	SubscriberID   string    `json:"subscriber_id,omitempty"`
	RegistrationID string    `json:"registration_id,omitempty"`
	Together       int       `json:"together,omitempty"`
	Number         string    `json:"number"`
	Address        string    `json:"address"`
	Port           int       `json:"port"`
	Transport      Transport `json:"transport"`
	// SRTP says whether media with it would be encrypted: a mode, or SRTPNoKeys.
	SRTP SRTPMode `json:"srtp,omitempty"`
}
