package sbc

import (
	"fmt"
	"regexp"
	"slices"
)

// HeaderStage says when a header rule is applied.
type HeaderStage string

// The stages.
const (
	HeaderIn  HeaderStage = "in"  // to a message of the trunk as it came, before anything else reads its headers
	HeaderOut HeaderStage = "out" // to a message for the trunk, after everything else
)

// HeaderAction is what a header rule does.
type HeaderAction string

// The actions.
const (
	HeaderAdd     HeaderAction = "add"     // one more line
	HeaderSet     HeaderAction = "set"     // one line in place of all of that name
	HeaderRemove  HeaderAction = "remove"  // all lines of that name, or those that Pattern fits
	HeaderRename  HeaderAction = "rename"  // to To
	HeaderCopy    HeaderAction = "copy"    // to To, beside
	HeaderReplace HeaderAction = "replace" // Pattern by Value in every line of that name
)

// HeaderCondition must hold for a rule to be applied.
type HeaderCondition struct {
	// Field is a field such as "from.user" (see HeaderFields), or "header.X-Name" for the value of a header.
	Field string `json:"field"`
	// Pattern is an RE2 expression that must fit, or must not if Not is set. An absent field is the empty text.
	Pattern string `json:"pattern"`
	Not     bool   `json:"not"`
}

// HeaderRule changes the headers of a message.
type HeaderRule struct {
	Stage HeaderStage `json:"stage"`
	// Methods are those of the request, or of the request that a response answers; empty for all. Responses: "requests",
	// "responses" or "both".
	Methods    []string          `json:"methods"`
	Messages   string            `json:"messages"`
	Conditions []HeaderCondition `json:"conditions"`
	Action     HeaderAction      `json:"action"`
	Header     string            `json:"header"`
	To         string            `json:"to,omitempty"`
	Pattern    string            `json:"pattern,omitempty"`
	// Value is a template: "{from.user}" stands for the field, "{{" for a brace, and in replace "$1" for what a group held.
	Value string `json:"value,omitempty"`
}

// HeaderFields are the fields of conditions and templates, besides "header.NAME" and "var.NAME" (a variable of the call).
func HeaderFields() []string {
	return []string{
		"method", "status", "request.user", "request.host", "from.user", "from.display", "to.user", "caller", "callee", "call.id",
		"trunk.id", "trunk.name", "source.ip", "our.host",
	}
}

// HeaderProfile is an ordered list of rules. Each works on what the one before it left.
type HeaderProfile struct {
	Meta
	Rules []HeaderRule `json:"rules"`
}

// Kind names the kind.
func (*HeaderProfile) Kind() Kind { return KindHeaderProfile }

// Base gives the common fields.
func (p *HeaderProfile) Base() *Meta { return &p.Meta }

// Defaults is no rule.
func (p *HeaderProfile) Defaults() { p.Rules = []HeaderRule{} }

// Validate checks what needs no compiling; sbc/header compiles templates and expressions and says what is wrong with them.
func (p *HeaderProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.entries("#/rules", len(p.Rules))
	for i := range p.Rules {
		p.Rules[i].validate(&f, fmt.Sprintf("#/rules/%d", i))
	}
	return f
}

// validate checks one rule.
func (r *HeaderRule) validate(f *faults, at string) {
	oneOf(f, at+"/stage", r.Stage, HeaderIn, HeaderOut)
	oneOf(f, at+"/messages", r.Messages, "requests", "responses", "both")
	oneOf(f, at+"/action", r.Action, HeaderAdd, HeaderSet, HeaderRemove, HeaderRename, HeaderCopy, HeaderReplace)
	f.names(at+"/methods", r.Methods, method, "a method in capitals")
	f.header(at+"/header", r.Header)
	f.text(at+"/value", r.Value, 0, 512)
	f.expression(at+"/pattern", r.Pattern)
	switch r.Action {
	case HeaderAdd, HeaderSet:
		if r.Value == "" {
			f.add(at+"/value", "required", "must say what to write")
		}
	case HeaderRename, HeaderCopy:
		f.header(at+"/to", r.To)
	case HeaderReplace:
		if r.Pattern == "" {
			f.add(at+"/pattern", "required", "must say what to replace")
		}
	}
	f.entries(at+"/conditions", len(r.Conditions))
	for i, c := range r.Conditions {
		here := fmt.Sprintf("%s/conditions/%d", at, i)
		f.field(here+"/field", c.Field)
		f.expression(here+"/pattern", c.Pattern)
	}
}

var (
	method     = regexp.MustCompile(`^[A-Z]{3,16}$`)
	otherField = regexp.MustCompile("^(header\\.[A-Za-z0-9.!%*_+`'~-]{1,64}|var\\.[A-Za-z0-9_.-]{1,64})$")
)

// header checks the name of a header that a rule may touch.
func (f *faults) header(pointer, name string) {
	switch {
	case !headerName.MatchString(name):
		f.add(pointer, "pattern", fmt.Sprintf("%q is not a header name", name))
	case neverPassed[lower(name)]:
		f.add(pointer, "forbidden", fmt.Sprintf("%q belongs to one side's dialog: no rule may touch it", name))
	}
}

// field checks the name of a field.
func (f *faults) field(pointer, name string) {
	if !slices.Contains(HeaderFields(), name) && !otherField.MatchString(name) {
		f.add(pointer, "enum", fmt.Sprintf("is %q; must be one of %v, header.NAME or var.NAME", name, HeaderFields()))
	}
}

// expression checks a regular expression.
func (f *faults) expression(pointer, s string) {
	if len(s) > 512 {
		f.add(pointer, "too_long", "an expression may have 512 characters")
		return
	}
	if _, err := Expression(s); err != nil {
		f.add(pointer, "pattern", err.Error())
	}
}

// References lists the resources it needs.
func (p *HeaderProfile) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}
