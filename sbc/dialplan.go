package sbc

import (
	"fmt"
	"time"
)

// Dialplan translates the numbers of calls. Its rules are tried by rising priority, and in their order within one priority; the first
// that fits is carried out, and the ones after it only if it says Continue. A change that breaks one of Tests is refused.
type Dialplan struct {
	Meta
	Rules []DialplanRule `json:"rules"`
	Tests []DialplanTest `json:"tests"`
	// NoMatch is what becomes of a call that no rule fits.
	NoMatch NoMatch `json:"no_match"`
}

// NoMatch says what becomes of a call that no rule of a dialplan fits.
type NoMatch string

// The ways.
const (
	NoMatchPass   NoMatch = "pass"   // it goes on with its numbers as they are
	NoMatchReject NoMatch = "reject" // 404
)

// DialplanField is the number of a call that a rule looks at.
type DialplanField string

// The numbers.
const (
	DialplanCallee DialplanField = "callee"
	DialplanCaller DialplanField = "caller"
)

// MatchKind says how a pattern fits a number.
type MatchKind string

// The kinds.
const (
	MatchExact  MatchKind = "exact"  // the whole number
	MatchPrefix MatchKind = "prefix" // its beginning
	MatchRange  MatchKind = "range"  // from Pattern to RangeEnd, numbers of the same length, both included
	MatchRegex  MatchKind = "regex"  // an RE2 expression, anywhere unless it has ^ and $
)

// DialplanRule is one translation. The templates SetCallee and SetCaller may hold $0 for the number that was looked at, $1 to $9 for the
// groups of an expression (or, of a prefix, $1 for what follows it), and $$ for a dollar; "" leaves the number as it is.
type DialplanRule struct {
	Name       string        `json:"name"`
	Priority   int           `json:"priority"`
	Field      DialplanField `json:"field"`
	Match      MatchKind     `json:"match"`
	Pattern    string        `json:"pattern"`
	RangeEnd   string        `json:"range_end,omitempty"`
	IgnoreCase bool          `json:"ignore_case"`
	// TimeProfileID, where set, is when the rule holds.
	TimeProfileID string `json:"time_profile_id,omitempty"`
	SetCallee     string `json:"set_callee,omitempty"`
	SetCaller     string `json:"set_caller,omitempty"`
	// Attributes become variables of the call; NumberClass is what the number called counts as from here on.
	Attributes  map[string]string `json:"attributes,omitempty"`
	NumberClass NumberClass       `json:"number_class,omitempty"`
	Continue    bool              `json:"continue"`
	Disabled    bool              `json:"disabled"`
}

// DialplanTest is a call and what the dialplan must make of it. Of what is wanted, empty fields are not looked at.
type DialplanTest struct {
	Name   string `json:"name"`
	Callee string `json:"callee,omitempty"`
	Caller string `json:"caller,omitempty"`
	// At is when the call comes; the moment of the check where it is not set.
	At             *time.Time        `json:"at,omitempty"`
	WantCallee     string            `json:"want_callee,omitempty"`
	WantCaller     string            `json:"want_caller,omitempty"`
	WantRule       string            `json:"want_rule,omitempty"` // the name of the last rule that was carried out
	WantClass      NumberClass       `json:"want_class,omitempty"`
	WantAttributes map[string]string `json:"want_attributes,omitempty"`
	WantNoMatch    bool              `json:"want_no_match"`
}

// Bounds of a dialplan.
const (
	maxDialplanRules = 5000
	maxDialplanTests = 2000
)

// Kind names the kind.
func (*Dialplan) Kind() Kind { return KindDialplan }

// Base gives the common fields.
func (d *Dialplan) Base() *Meta { return &d.Meta }

// Defaults is no rule, and to let pass.
func (d *Dialplan) Defaults() {
	d.Rules, d.Tests, d.NoMatch = []DialplanRule{}, []DialplanTest{}, NoMatchPass
}

// Validate checks what needs no compiling; sbc/dialplan compiles patterns and templates, and runs the tests.
func (d *Dialplan) Validate() []Fault {
	f := faults(d.Meta.validate())
	oneOf(&f, "#/no_match", d.NoMatch, NoMatchPass, NoMatchReject)
	f.atMost("#/rules", len(d.Rules), maxDialplanRules)
	f.atMost("#/tests", len(d.Tests), maxDialplanTests)
	for i := range d.Rules {
		d.Rules[i].validate(&f, fmt.Sprintf("#/rules/%d", i))
	}
	for i := range d.Tests {
		d.Tests[i].validate(&f, fmt.Sprintf("#/tests/%d", i))
	}
	return f
}

func (r *DialplanRule) validate(f *faults, at string) {
	f.text(at+"/name", r.Name, 1, maxName)
	f.between(at+"/priority", r.Priority, 0, 65535)
	oneOf(f, at+"/field", r.Field, DialplanCallee, DialplanCaller)
	oneOf(f, at+"/match", r.Match, MatchExact, MatchPrefix, MatchRange, MatchRegex)
	f.text(at+"/pattern", r.Pattern, 0, 256)
	f.text(at+"/range_end", r.RangeEnd, 0, 64)
	f.text(at+"/set_callee", r.SetCallee, 0, 128)
	f.text(at+"/set_caller", r.SetCaller, 0, 128)
	if r.NumberClass != "" {
		oneOf(f, at+"/number_class", r.NumberClass, NumberClasses()...)
	}
	f.attributes(at+"/attributes", r.Attributes)
}

func (t *DialplanTest) validate(f *faults, at string) {
	f.text(at+"/name", t.Name, 1, maxName)
	f.text(at+"/callee", t.Callee, 0, 128)
	f.text(at+"/caller", t.Caller, 0, 128)
	f.text(at+"/want_callee", t.WantCallee, 0, 128)
	f.text(at+"/want_caller", t.WantCaller, 0, 128)
	f.attributes(at+"/want_attributes", t.WantAttributes)
}

// References lists the resources it needs.
func (d *Dialplan) References() []Reference {
	list := []Reference{{Pointer: "#/tenant_id", Kind: KindTenant, ID: d.TenantID}}
	for i := range d.Rules {
		list = append(list, Reference{
			Pointer: fmt.Sprintf("#/rules/%d/time_profile_id", i), Kind: KindTimeProfile, ID: d.Rules[i].TimeProfileID,
		})
	}
	return refs(list...)
}

// atMost checks the length of a list with a bound of its own.
func (f *faults) atMost(pointer string, n, most int) {
	if n > most {
		f.add(pointer, "too_many", fmt.Sprintf("has %d entries; at most %d are allowed", n, most))
	}
}
