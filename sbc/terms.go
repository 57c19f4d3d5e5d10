package sbc

import (
	"fmt"
	"regexp"
	"strconv"
)

// Terms are what the calls of a counterparty are carried under: those of a trunk, or of the subscribers of a domain.
type Terms struct {
	// RoutingPlanID routes the calls that come from the counterparty; without one they get 403.
	RoutingPlanID string `json:"routing_plan_id,omitempty"`
	// MaxCalls bounds the calls in progress in both directions together; 0 is no bound.
	MaxCalls int `json:"max_calls"`
	// MaxCallsPerSecond bounds the calls that come from the counterparty; 0 is no bound.
	MaxCallsPerSecond int `json:"max_calls_per_second"`
	// NoResponseTimeoutMS is how long an attempt waits for a first answer before the next one is tried.
	NoResponseTimeoutMS int `json:"no_response_timeout_ms"`
	// RingTimeoutS is how long an attempt may ring.
	RingTimeoutS int `json:"ring_timeout_s"`
	// MaxCallDurationS ends a call that lasts longer; the smaller of both trunks counts.
	MaxCallDurationS int `json:"max_call_duration_s"`
	// FailoverCodes are the answers after which the next attempt is tried: "503", or "5xx" for a class.
	FailoverCodes []string `json:"failover_codes"`
	// PassMethods are the in-dialog requests besides those of the call itself that are carried to the other side.
	PassMethods []string `json:"pass_methods"`
	// PassHeaders are headers, besides the built-in list, that may pass to and from this trunk.
	PassHeaders []string `json:"pass_headers"`
	// MediaTimeoutS ends an answered call in which neither side sent media for so long; 0 is never.
	MediaTimeoutS int `json:"media_timeout_s"`
	// MediaHoldTimeoutS is the same while the call is on hold.
	MediaHoldTimeoutS int `json:"media_hold_timeout_s"`
	// The profiles of the trunk; without one it has that of its realm, else that of its tenant, else the defaults of the kind.
	SignallingProfileID string `json:"signalling_profile_id,omitempty"`
	MediaProfileID      string `json:"media_profile_id,omitempty"`
	HeaderProfileID     string `json:"header_profile_id,omitempty"`
	// LimitProfileIDs all bound the calls to and from the trunk.
	LimitProfileIDs []string       `json:"limit_profile_ids"`
	CallerIdentity  CallerIdentity `json:"caller_identity"`
	// NumberPlanID brings both numbers of a call that comes from the counterparty to the normal form of E.164, then DialplanID translates
	// them; EgressDialplanID translates those of a call that goes to it, before the endpoint's strip and prefix.
	NumberPlanID     string `json:"number_plan_id,omitempty"`
	DialplanID       string `json:"dialplan_id,omitempty"`
	EgressDialplanID string `json:"egress_dialplan_id,omitempty"`
	// RouteGroup is what rules know the callers by.
	RouteGroup string `json:"route_group,omitempty"`
	// CostDeckID is what calls to the counterparty cost, PriceDeckID what calls from it are charged.
	CostDeckID  string `json:"cost_deck_id,omitempty"`
	PriceDeckID string `json:"price_deck_id,omitempty"`
}

// defaults: 4 s for a first answer, 120 s of ringing, 4 hours of call, failover on 408 and 5xx, INFO and MESSAGE carried, dead
// after 60 s without media, 600 s on hold.
func (t *Terms) defaults() {
	t.NoResponseTimeoutMS, t.RingTimeoutS, t.MaxCallDurationS = 4000, 120, 14400
	t.FailoverCodes = []string{"408", "5xx"}
	t.PassMethods = []string{"INFO", "MESSAGE"}
	t.PassHeaders = []string{}
	t.MediaTimeoutS, t.MediaHoldTimeoutS = 60, 600
	t.LimitProfileIDs = []string{}
	t.CallerIdentity.defaults()
}

var (
	failoverCode = regexp.MustCompile(`^([3-6]xx|[3-6][0-9][0-9])$`)
	headerName   = regexp.MustCompile("^[A-Za-z0-9.!%*_+`'~-]{1,64}$")
)

// neverPassed are headers that identify or steer one side's dialog: no list of PassHeaders can let them through.
var neverPassed = map[string]bool{
	"via": true, "v": true, "from": true, "f": true, "to": true, "t": true, "call-id": true, "i": true, "cseq": true, "contact": true, "m": true,
	"route": true, "record-route": true, "max-forwards": true, "content-length": true, "l": true, "path": true,
	"service-route": true, "authorization": true, "proxy-authorization": true, "www-authenticate": true,
	"proxy-authenticate": true, "user-agent": true, "server": true,
}

// validate checks ranges and lists.
func (t *Terms) validate(f *faults) {
	f.between("#/max_calls", t.MaxCalls, 0, 1_000_000)
	f.between("#/max_calls_per_second", t.MaxCallsPerSecond, 0, 100_000)
	f.between("#/no_response_timeout_ms", t.NoResponseTimeoutMS, 100, 32_000)
	f.between("#/ring_timeout_s", t.RingTimeoutS, 1, 600)
	f.between("#/max_call_duration_s", t.MaxCallDurationS, 1, 86_400)
	f.between("#/media_timeout_s", t.MediaTimeoutS, 0, 86_400)
	f.between("#/media_hold_timeout_s", t.MediaHoldTimeoutS, 0, 86_400)
	if len(t.FailoverCodes) > 64 {
		f.add("#/failover_codes", "too_many", "at most 64 codes are allowed")
	}
	for i, c := range t.FailoverCodes {
		if !failoverCode.MatchString(c) {
			f.add(fmt.Sprintf("#/failover_codes/%d", i), "pattern", fmt.Sprintf("%q is neither a final code such as \"503\" nor a class such as \"5xx\"", c))
		}
	}
	for i, m := range t.PassMethods {
		oneOf(f, fmt.Sprintf("#/pass_methods/%d", i), m, "INFO", "MESSAGE")
	}
	f.entries("#/limit_profile_ids", len(t.LimitProfileIDs))
	t.CallerIdentity.validate(f, "#/caller_identity")
	f.text("#/route_group", t.RouteGroup, 0, 64)
	if len(t.PassHeaders) > 64 {
		f.add("#/pass_headers", "too_many", "at most 64 headers are allowed")
	}
	for i, h := range t.PassHeaders {
		switch p := fmt.Sprintf("#/pass_headers/%d", i); {
		case !headerName.MatchString(h):
			f.add(p, "pattern", fmt.Sprintf("%q is not a header name", h))
		case neverPassed[lower(h)]:
			f.add(p, "forbidden", fmt.Sprintf("%q belongs to one side's dialog and never passes", h))
		}
	}
}

// references lists the resources they need.
func (t *Terms) references() []Reference {
	list := []Reference{
		{Pointer: "#/routing_plan_id", Kind: KindRoutingPlan, ID: t.RoutingPlanID},
		{Pointer: "#/signalling_profile_id", Kind: KindSignallingProfile, ID: t.SignallingProfileID},
		{Pointer: "#/media_profile_id", Kind: KindMediaProfile, ID: t.MediaProfileID},
		{Pointer: "#/header_profile_id", Kind: KindHeaderProfile, ID: t.HeaderProfileID},
		{Pointer: "#/number_plan_id", Kind: KindNumberPlan, ID: t.NumberPlanID},
		{Pointer: "#/dialplan_id", Kind: KindDialplan, ID: t.DialplanID},
		{Pointer: "#/egress_dialplan_id", Kind: KindDialplan, ID: t.EgressDialplanID},
		{Pointer: "#/cost_deck_id", Kind: KindRateDeck, ID: t.CostDeckID},
		{Pointer: "#/price_deck_id", Kind: KindRateDeck, ID: t.PriceDeckID},
	}
	return append(list, limits(t.LimitProfileIDs)...)
}

// limits are the references to limit profiles.
func limits(ids []string) []Reference {
	list := make([]Reference, len(ids))
	for i, id := range ids {
		list[i] = Reference{Pointer: fmt.Sprintf("#/limit_profile_ids/%d", i), Kind: KindLimitProfile, ID: id}
	}
	return list
}

// Advances tells whether the next attempt is tried after a final code.
func (t *Terms) Advances(code int) bool {
	exact, class := strconv.Itoa(code), strconv.Itoa(code/100)+"xx"
	for _, c := range t.FailoverCodes {
		if c == exact || c == class {
			return true
		}
	}
	return false
}
