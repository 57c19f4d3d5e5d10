package sbc

import (
	"fmt"
	"time"
)

// MaxTrialCalls bounds the calls of one trial of a dialplan.
const MaxTrialCalls = 1000

// DialplanCall is a call to try a dialplan with. At is when it comes, now where it is not set.
type DialplanCall struct {
	Callee string     `json:"callee"`
	Caller string     `json:"caller,omitempty"`
	At     *time.Time `json:"at,omitempty"`
}

// DialplanResult is what a dialplan makes of a call. Rule is the last rule that was carried out, "" where none fits; Rejected says that the
// call would get 404. Steps are the rules in the order in which they were carried out.
type DialplanResult struct {
	Callee      string            `json:"callee"`
	Caller      string            `json:"caller"`
	NumberClass NumberClass       `json:"number_class,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Rule        string            `json:"rule,omitempty"`
	Rejected    bool              `json:"rejected"`
	Steps       []DialplanStep    `json:"steps"`
}

// DialplanStep is a rule that was carried out, and the numbers after it.
type DialplanStep struct {
	Rule   string `json:"rule"`
	Callee string `json:"callee"`
	Caller string `json:"caller"`
}

// ValidateTrial checks the calls of a trial.
func ValidateTrial(calls []DialplanCall) []Fault {
	var f faults
	f.atMost("#/calls", len(calls), MaxTrialCalls)
	for i, c := range calls {
		f.text(fmt.Sprintf("#/calls/%d/callee", i), c.Callee, 0, 128)
		f.text(fmt.Sprintf("#/calls/%d/caller", i), c.Caller, 0, 128)
	}
	return f
}
