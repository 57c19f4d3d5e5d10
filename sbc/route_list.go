package sbc

// Selection says in which order the targets of a route list, or the endpoints of a trunk, are tried.
type Selection string

// The selections. Each but weighted works among those of one priority: smaller priorities come first.
const (
	SelectWeighted   Selection = "weighted"      // by chance, as often first as the weight says (RFC 2782)
	SelectOrder      Selection = "order"         // the oldest first
	SelectRoundRobin Selection = "round_robin"   // in turn, each as often as its weight says
	SelectRandom     Selection = "random"        // by chance, whatever the weight
	SelectHashCaller Selection = "hash_caller"   // the same for the same calling number (rendezvous hashing: who goes moves only its own)
	SelectHashCallee Selection = "hash_callee"   // the same for the same number called
	SelectHashCall   Selection = "hash_call_id"  // the same for the same Call-ID
	SelectLeastCalls Selection = "least_calls"   // the fewest calls in progress on the way out, in proportion to the weight
	SelectHeadroom   Selection = "most_headroom" // the most calls left to its bound (max_calls, or of its limit profiles)
	SelectLeastCost  Selection = "least_cost"    // the cheapest by the cost decks of the trunks
	SelectQuality    Selection = "quality"       // weighted, by weights that the quality profile lowers
)

// RouteList is an ordered choice of trunks and subscribers.
type RouteList struct {
	Meta
	Selection Selection `json:"selection"`
	// MaxAttempts bounds the attempts of one call; MaxSetupS is for how long after the INVITE another attempt is begun, 0 for no bound.
	MaxAttempts int `json:"max_attempts"`
	MaxSetupS   int `json:"max_setup_s"`
	// CheckMargin leaves out trunks whose cost is not at least MinMarginPercent below the price of the call; also where one of both is not
	// known, or they are in different currencies. Emergency calls are not asked.
	CheckMargin      bool `json:"check_margin"`
	MinMarginPercent int  `json:"min_margin_percent"`
	// ReferenceDurationS is how long the call is thought to last by whose cost and price trunks are compared (CheckMargin, least_cost), in
	// seconds (0 is a minute): with the connection, the minimum and the increment of each rate, so that the cheapest minute need not be the
	// cheapest call.
	ReferenceDurationS int `json:"reference_duration_s"`
	// FollowForwarding has calls for subscribers of the list go where these have all their calls forwarded (always, while they do not want
	// to be disturbed, or are not registered), in their name and on their account. Otherwise such a subscriber is passed over, as is usual
	// in a group: who forwards means calls for itself.
	FollowForwarding bool `json:"follow_forwarding"`
	// QualityProfileID measures and weighs the trunks; "" does neither.
	QualityProfileID string `json:"quality_profile_id,omitempty"`
}

// Kind names the kind.
func (*RouteList) Kind() Kind { return KindRouteList }

// Base gives the common fields.
func (l *RouteList) Base() *Meta { return &l.Meta }

// Defaults are by weight, up to 32 attempts, and a reference call of one minute.
func (l *RouteList) Defaults() {
	l.Selection, l.MaxAttempts, l.ReferenceDurationS = SelectWeighted, 32, referenceDurationS
}

// referenceDurationS is the reference call of lists that were written before they said one.
const referenceDurationS = 60

// Reference is ReferenceDurationS, or its default.
func (l *RouteList) Reference() int {
	if l.ReferenceDurationS == 0 {
		return referenceDurationS
	}
	return l.ReferenceDurationS
}

// Validate checks enumeration and ranges.
func (l *RouteList) Validate() []Fault {
	f := faults(l.Meta.validate())
	oneOf(&f, "#/selection", l.Selection, SelectWeighted, SelectOrder, SelectRoundRobin, SelectRandom, SelectHashCaller, SelectHashCallee,
		SelectHashCall, SelectLeastCalls, SelectHeadroom, SelectLeastCost, SelectQuality)
	f.between("#/max_attempts", l.MaxAttempts, 1, 32)
	f.between("#/max_setup_s", l.MaxSetupS, 0, 600)
	f.between("#/min_margin_percent", l.MinMarginPercent, -1000, 100)
	f.between("#/reference_duration_s", l.ReferenceDurationS, 0, 86_400)
	if l.Selection == SelectQuality {
		f.need("#/quality_profile_id", l.QualityProfileID)
	}
	return f
}

// References lists the resources it needs.
func (l *RouteList) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: l.TenantID},
		Reference{Pointer: "#/quality_profile_id", Kind: KindQualityProfile, ID: l.QualityProfileID},
	)
}

// Target is a trunk, or a subscriber, in a route list. A subscriber's phones are called as if it had been called itself: those that sleep are
// woken when it is its turn (RFC 8599), its lists of blocked callers count, and its phones ring as long as those of its domain do. Who
// is not registered, or does not want to be disturbed, is passed over; what of its forwards counts says RouteList.FollowForwarding. What
// it does with unanswered calls and what its phones redirect counts for calls to itself alone: here the next target follows.
type Target struct {
	Meta
	RouteListID string `json:"route_list_id"`
	// One of TrunkID and SubscriberID is set.
	TrunkID      string `json:"trunk_id,omitempty"`
	SubscriberID string `json:"subscriber_id,omitempty"`
	// Priority: smaller is tried first. Weight: the share among equals.
	Priority int `json:"priority"`
	Weight   int `json:"weight"`
	// Public lets rules that redirect (ActionRedirect) tell callers the addresses of the trunk. Those of others are hidden: callers are told
	// to call us again, with the number as the rule made it.
	Public bool `json:"public"`
}

// Kind names the kind.
func (*Target) Kind() Kind { return KindTarget }

// Base gives the common fields.
func (t *Target) Base() *Meta { return &t.Meta }

// Defaults is weight 1.
func (t *Target) Defaults() { t.Weight = 1 }

// Validate checks references and order.
func (t *Target) Validate() []Fault {
	f := faults(t.Meta.validate())
	f.need("#/route_list_id", t.RouteListID)
	if (t.TrunkID == "") == (t.SubscriberID == "") {
		f.add("#/trunk_id", "required", "one of trunk_id and subscriber_id must be given")
	}
	f.order(t.Priority, t.Weight)
	return f
}

// References lists the resources it needs.
func (t *Target) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: t.TenantID},
		Reference{Pointer: "#/route_list_id", Kind: KindRouteList, ID: t.RouteListID, Owns: true},
		Reference{Pointer: "#/trunk_id", Kind: KindTrunk, ID: t.TrunkID},
		Reference{Pointer: "#/subscriber_id", Kind: KindSubscriber, ID: t.SubscriberID},
	)
}
