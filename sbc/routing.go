package sbc

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
	ActionReject Action = "reject" // answer with RejectCode
	// ActionSubscriber calls the subscriber of DomainID that has the number as username or alias.
	ActionSubscriber Action = "subscriber"
)

// Rule says where numbers with a prefix go. Among the rules of a plan the longest prefix wins, then the smallest priority, then
// the smallest id. The empty prefix is the default.
type Rule struct {
	Meta
	RoutingPlanID string `json:"routing_plan_id"`
	Prefix        string `json:"prefix"`
	Priority      int    `json:"priority"`
	Action        Action `json:"action"`
	RouteListID   string `json:"route_list_id,omitempty"`
	DomainID      string `json:"domain_id,omitempty"`
	// RejectCode and RejectReason are the answer of ActionReject.
	RejectCode   int    `json:"reject_code"`
	RejectReason string `json:"reject_reason,omitempty"`
	// Strip removes so many leading characters of the number, then AddPrefix is put before it, for all attempts.
	Strip     int    `json:"strip"`
	AddPrefix string `json:"add_prefix,omitempty"`
}

// Kind names the kind.
func (*Rule) Kind() Kind { return KindRule }

// Base gives the common fields.
func (r *Rule) Base() *Meta { return &r.Meta }

// Defaults: route; a rejected call gets 404.
func (r *Rule) Defaults() { r.Action, r.RejectCode = ActionRoute, 404 }

// Validate checks that the action has what it needs.
func (r *Rule) Validate() []Fault {
	f := faults(r.Meta.validate())
	f.need("#/routing_plan_id", r.RoutingPlanID)
	f.number("#/prefix", r.Prefix)
	f.between("#/priority", r.Priority, 0, 65535)
	oneOf(&f, "#/action", r.Action, ActionRoute, ActionReject, ActionSubscriber)
	switch r.Action {
	case ActionRoute:
		f.need("#/route_list_id", r.RouteListID)
	case ActionSubscriber:
		f.need("#/domain_id", r.DomainID)
	case ActionReject:
		f.between("#/reject_code", r.RejectCode, 400, 699)
	}
	f.text("#/reject_reason", r.RejectReason, 0, 64)
	f.between("#/strip", r.Strip, 0, 32)
	f.number("#/add_prefix", r.AddPrefix)
	return f
}

// References lists the resources it needs.
func (r *Rule) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: r.TenantID},
		Reference{Pointer: "#/routing_plan_id", Kind: KindRoutingPlan, ID: r.RoutingPlanID, Owns: true},
		Reference{Pointer: "#/route_list_id", Kind: KindRouteList, ID: r.RouteListID},
		Reference{Pointer: "#/domain_id", Kind: KindDomain, ID: r.DomainID},
	)
}

// RouteList is an ordered choice of trunks.
type RouteList struct{ Meta }

// Kind names the kind.
func (*RouteList) Kind() Kind { return KindRouteList }

// Base gives the common fields.
func (l *RouteList) Base() *Meta { return &l.Meta }

// Defaults has nothing to set.
func (*RouteList) Defaults() {}

// Validate checks the common fields.
func (l *RouteList) Validate() []Fault { return l.Meta.validate() }

// References lists the resources it needs.
func (l *RouteList) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: l.TenantID})
}

// Target is a trunk in a route list.
type Target struct {
	Meta
	RouteListID string `json:"route_list_id"`
	TrunkID     string `json:"trunk_id"`
	// Priority: smaller is tried first. Weight: the share among equals.
	Priority int `json:"priority"`
	Weight   int `json:"weight"`
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
	f.need("#/trunk_id", t.TrunkID)
	f.order(t.Priority, t.Weight)
	return f
}

// References lists the resources it needs.
func (t *Target) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: t.TenantID},
		Reference{Pointer: "#/route_list_id", Kind: KindRouteList, ID: t.RouteListID, Owns: true},
		Reference{Pointer: "#/trunk_id", Kind: KindTrunk, ID: t.TrunkID},
	)
}
