package sbc

import (
	"encoding/json"
	"fmt"
)

// RoutingPlan is a set of rules that finds the way for a number.
type RoutingPlan struct{ Meta }

// Kind names the kind.
func (*RoutingPlan) Kind() Kind { return KindRoutingPlan }

// Base gives the common fields.
func (p *RoutingPlan) Base() *Meta { return &p.Meta }

// Defaults has nothing to set.
func (*RoutingPlan) Defaults() {}

// Validate checks the common fields.
func (p *RoutingPlan) Validate() []Fault { return p.Meta.validate() }

// References lists the resources it needs.
func (p *RoutingPlan) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}

// Action is what a rule does with a call.
type Action string

// The actions.
const (
	ActionRoute  Action = "route"  // try the route list
	ActionReject Action = "reject" // answer with RejectCode, after an announcement where one is named
	// ActionSubscriber calls the subscriber of DomainID that has the number as username or alias.
	ActionSubscriber Action = "subscriber"
	// ActionNumber calls what a Number of the tenant says.
	ActionNumber Action = "number"
	// ActionRedirect answers RedirectCode with the addresses that the route list would lead to.
	ActionRedirect Action = "redirect"
	// ActionJump goes on in the routing plan JumpPlanID.
	ActionJump Action = "jump"
	// ActionHTTP asks another system (HTTPDecision).
	ActionHTTP Action = "http"
	// ActionENUM looks the number up in DNS (RFC 6116) and goes to the SIP address found, by the trunks of the route list.
	ActionENUM Action = "enum"
)

// Rule says where numbers with a prefix go. Among the rules of a plan that fit a call (prefix, time, groups, conditions) the one with the
// longest prefix wins, then the one that holds only at times before those that always hold, then the smallest priority, then the smallest
// id. The empty prefix is the default.
type Rule struct {
	Meta
	RoutingPlanID string `json:"routing_plan_id"`
	Prefix        string `json:"prefix"`
	Priority      int    `json:"priority"`
	// TimeProfileID, where set, is when the rule holds; RouteGroups, where not empty, are the groups of callers for which it does;
	// Conditions must all be true.
	TimeProfileID string          `json:"time_profile_id,omitempty"`
	RouteGroups   []string        `json:"route_groups,omitempty"`
	Conditions    []RuleCondition `json:"conditions,omitempty"`
	Action        Action          `json:"action"`
	RouteListID   string          `json:"route_list_id,omitempty"`
	DomainID      string          `json:"domain_id,omitempty"`
	// Fallback goes on with the next rule that fits, a shorter prefix at last, when this one has nobody to call or nobody took the call.
	Fallback bool `json:"fallback,omitempty"`
	// RejectCode and RejectReason are the answer of ActionReject; the announcement is played before it.
	RejectCode     int    `json:"reject_code"`
	RejectReason   string `json:"reject_reason,omitempty"`
	AnnouncementID string `json:"announcement_id,omitempty"`
	// RedirectCode is the answer of ActionRedirect (RFC 3261 21.3).
	RedirectCode int    `json:"redirect_code"`
	JumpPlanID   string `json:"jump_plan_id,omitempty"`
	// HTTP is whom ActionHTTP asks, ENUMSuffix the domain that ActionENUM looks in.
	HTTP       *HTTPDecision `json:"http,omitempty"`
	ENUMSuffix string        `json:"enum_suffix,omitempty"`
	// Variables are set on the call.
	Variables map[string]string `json:"variables,omitempty"`
	// Strip removes so many leading characters of the number, then AddPrefix is put before it, for all attempts.
	Strip     int    `json:"strip"`
	AddPrefix string `json:"add_prefix,omitempty"`
}

// ConditionField is what a condition of a rule looks at.
type ConditionField string

// The fields.
const (
	ConditionTrunk       ConditionField = "trunk"        // the id of the trunk, or of the domain, that the call comes from
	ConditionRouteGroup  ConditionField = "route_group"  // the caller's group
	ConditionCaller      ConditionField = "caller"       // the calling number
	ConditionNumberClass ConditionField = "number_class" // of the number called
	ConditionHeader      ConditionField = "header"       // the first line of the header Name of the INVITE
	ConditionVariable    ConditionField = "variable"     // the variable Name of the call
	ConditionPercent     ConditionField = "percent"      // true for so many of a hundred calls, by chance
)

// RuleCondition is one thing that must be so for a rule to hold.
type RuleCondition struct {
	Field ConditionField `json:"field"`
	// Name is that of the header or variable.
	Name string `json:"name,omitempty"`
	// Match says how Values are compared: exact (also where it is empty), prefix or regex (RE2). One of them must fit; no value at all asks whether there is one.
	Match  MatchKind `json:"match,omitempty"`
	Values []string  `json:"values,omitempty"`
	// Percent is that of ConditionPercent.
	Percent int  `json:"percent,omitempty"`
	Not     bool `json:"not,omitempty"`
}

// HTTPDecision asks another system where a call goes: a POST of {"type": "call.routing", "at", "tenant_id", "routing_plan_id", "rule_id",
// "trunk_id", "caller", "callee", "variables", "sip_call_id", "source"}, answered with {"action": "route" | "reject" | "next",
// "route_list_id", "number", "code", "reason", "variables"}: route tries the list (that of the rule where none is named) with the number (the
// one called where none is named), next goes on with the next rule that fits.
type HTTPDecision struct {
	Webhook
	// TimeoutMS is the time there is; a late, broken or missing answer counts as next, or as OnFailure says.
	TimeoutMS int `json:"timeout_ms"`
	// CacheS keeps an answer for calls of the same trunk, caller and callee; 0 asks every time. While the other system does not answer, an
	// answer counts for StaleS beyond that.
	CacheS    int         `json:"cache_s"`
	StaleS    int         `json:"stale_s"`
	OnFailure HTTPFailure `json:"on_failure"`
}

// HTTPFailure says what a decision that did not come counts as.
type HTTPFailure string

// The ways.
const (
	HTTPFailNext   HTTPFailure = "next"   // the next rule that fits
	HTTPFailRoute  HTTPFailure = "route"  // the rule's own route list
	HTTPFailReject HTTPFailure = "reject" // 503
)

// Kind names the kind.
func (*Rule) Kind() Kind { return KindRule }

// Base gives the common fields.
func (r *Rule) Base() *Meta { return &r.Meta }

// Defaults: route; a rejected call gets 404, a redirected one 302.
func (r *Rule) Defaults() { r.Action, r.RejectCode, r.RedirectCode = ActionRoute, 404, 302 }

// Validate checks that the action has what it needs.
func (r *Rule) Validate() []Fault {
	f := faults(r.Meta.validate())
	f.need("#/routing_plan_id", r.RoutingPlanID)
	f.number("#/prefix", r.Prefix)
	f.between("#/priority", r.Priority, 0, 65535)
	oneOf(&f, "#/action", r.Action, ActionRoute, ActionReject, ActionSubscriber, ActionNumber, ActionRedirect, ActionJump, ActionHTTP,
		ActionENUM)
	f.between("#/redirect_code", r.RedirectCode, 300, 302)
	r.needs(&f)
	f.text("#/reject_reason", r.RejectReason, 0, 64)
	f.between("#/strip", r.Strip, 0, 32)
	f.number("#/add_prefix", r.AddPrefix)
	f.entries("#/route_groups", len(r.RouteGroups))
	for i, g := range r.RouteGroups {
		f.text(fmt.Sprintf("#/route_groups/%d", i), g, 1, 64)
	}
	f.atMost("#/conditions", len(r.Conditions), 16)
	for i := range r.Conditions {
		r.Conditions[i].validate(&f, fmt.Sprintf("#/conditions/%d", i))
	}
	f.attributes("#/variables", r.Variables)
	return f
}

// needs checks what one action alone needs.
func (r *Rule) needs(f *faults) {
	switch r.Action {
	case ActionRoute, ActionENUM:
		f.need("#/route_list_id", r.RouteListID)
	case ActionSubscriber:
		f.need("#/domain_id", r.DomainID)
	case ActionReject:
		f.between("#/reject_code", r.RejectCode, 400, 699)
	case ActionRedirect:
		f.need("#/route_list_id", r.RouteListID)
	case ActionJump:
		f.need("#/jump_plan_id", r.JumpPlanID)
	case ActionHTTP:
		switch h := r.HTTP; {
		case h == nil || h.URL == "":
			f.add("#/http/url", "required", "must be the address of the system to ask")
		case h.OnFailure == HTTPFailRoute:
			f.need("#/route_list_id", r.RouteListID)
		}
	}
	if r.Action == ActionENUM {
		f.host("#/enum_suffix", r.ENUMSuffix, true)
	}
	if h := r.HTTP; h != nil {
		h.Webhook.validate(f, "#/http")
		f.between("#/http/timeout_ms", h.TimeoutMS, 50, 5000)
		f.between("#/http/cache_s", h.CacheS, 0, 86_400)
		f.between("#/http/stale_s", h.StaleS, 0, 86_400)
		oneOf(f, "#/http/on_failure", h.OnFailure, HTTPFailNext, HTTPFailRoute, HTTPFailReject)
	}
}

// UnmarshalJSON reads a decision; fields left out have their defaults: 300 ms, five minutes of stale answers, and the next rule.
func (h *HTTPDecision) UnmarshalJSON(b []byte) error {
	type plain HTTPDecision
	p := plain{TimeoutMS: 300, StaleS: 300, OnFailure: HTTPFailNext}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*h = HTTPDecision(p)
	return nil
}

// validate checks what needs no compiling; sbc/route compiles expressions.
func (c *RuleCondition) validate(f *faults, at string) {
	oneOf(f, at+"/field", c.Field, ConditionTrunk, ConditionRouteGroup, ConditionCaller, ConditionNumberClass, ConditionHeader,
		ConditionVariable, ConditionPercent)
	switch c.Field {
	case ConditionPercent:
		f.between(at+"/percent", c.Percent, 0, 100)
		return
	case ConditionHeader:
		if !headerName.MatchString(c.Name) {
			f.add(at+"/name", "pattern", fmt.Sprintf("%q is not a header name", c.Name))
		}
	case ConditionVariable:
		f.text(at+"/name", c.Name, 1, 64)
	}
	oneOf(f, at+"/match", c.Match, "", MatchExact, MatchPrefix, MatchRegex)
	f.atMost(at+"/values", len(c.Values), 256)
	for i, v := range c.Values {
		f.text(fmt.Sprintf("%s/values/%d", at, i), v, 0, 256)
	}
}

// References lists the resources it needs.
func (r *Rule) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: r.TenantID},
		Reference{Pointer: "#/routing_plan_id", Kind: KindRoutingPlan, ID: r.RoutingPlanID, Owns: true},
		Reference{Pointer: "#/route_list_id", Kind: KindRouteList, ID: r.RouteListID},
		Reference{Pointer: "#/domain_id", Kind: KindDomain, ID: r.DomainID},
		Reference{Pointer: "#/time_profile_id", Kind: KindTimeProfile, ID: r.TimeProfileID},
		Reference{Pointer: "#/announcement_id", Kind: KindAnnouncement, ID: r.AnnouncementID},
		Reference{Pointer: "#/jump_plan_id", Kind: KindRoutingPlan, ID: r.JumpPlanID},
	)
}
