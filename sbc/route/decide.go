package route

import (
	"cmp"
	"maps"

	"github.com/sallyport/sallyport/sbc"
)

// maxJumps bounds how often one decision goes on in another plan.
const maxJumps = 16

// Plan decides on one call.
func (t *Table) Plan(q Query) Plan {
	p := &planner{table: t, query: q, plan: Plan{RoutingPlanID: q.PlanID}}
	if q.Next != nil {
		p.resume(q.Next)
	} else {
		p.begin(q.PlanID, q.Number)
	}
	return p.plan
}

// planner is one decision being made.
type planner struct {
	table *Table
	query Query
	plan  Plan
	// most bounds the attempts of the list that is laid out; dead are its endpoints that seem so.
	most int
	dead []dead
	// none is the refusal of a rule that had nobody to call and let the next one decide.
	none *Reject
}

// Next is a place in a decision: behind a rule, or before the route list that takes over from it.
type Next struct {
	place place
	// rule is the one that nobody took the call of. listID, where set, is tried first with number.
	rule           *node
	listID, number string
}

// place is where a search among the rules of a plan is. It is not changed once it was given away.
type place struct {
	planID, number string
	// after is the last rule that was looked at, nil before the first.
	after *node
	jumps int
	// back is where the search goes on when this plan has nothing more, nil for nowhere.
	back *place
}

// begin decides by a plan.
func (p *planner) begin(planID, number string) {
	if why := p.table.planOut(planID); why != "" {
		p.step(planID, refused, "%s", why)
		p.reject(403, "", CauseNoPlan)
		return
	}
	p.search(place{planID: planID, number: number})
}

// planOut says why a plan cannot decide, "" if it can.
func (t *Table) planOut(id string) string {
	switch row := t.plans[id]; {
	case row == nil:
		return "the routing plan does not exist"
	case !row.Enabled:
		return "the routing plan is disabled"
	}
	return ""
}

// resume goes on where a decision ended that led to nobody who took the call.
func (p *planner) resume(n *Next) {
	p.plan.RoutingPlanID, p.plan.RuleID = n.place.planID, n.rule.id
	if n.listID != "" {
		p.step(n.listID, taken, "nobody took the call: the route list for that takes over")
		on := *n
		on.listID = ""
		if p.list(n.rule, n.listID, n.number) {
			if n.rule.do.fallback {
				p.plan.Next = &on
			}
			return
		}
		if !n.rule.do.fallback {
			return
		}
		p.none, p.plan.Reject = p.plan.Reject, nil
	}
	p.step(n.rule.id, passed, "nobody took the call of this rule: the next one that fits decides")
	p.search(n.place)
}

// search carries out the rules that fit from a place on, until one decides.
func (p *planner) search(at place) {
	for {
		switch r := p.next(&at); {
		case r != nil:
			if p.act(r, &at) {
				return
			}
		case at.back != nil:
			at = *at.back
		default:
			p.nobody(at)
			return
		}
	}
}

// nobody refuses where no rule decided.
func (p *planner) nobody(at place) {
	if p.none != nil {
		p.plan.Reject = p.none
		return
	}
	p.step(at.planID, refused, "no rule that fits has a prefix of %q", at.number)
	p.reject(404, "", CauseNoRule)
}

// act carries a rule out; true says that the decision is made. at is where the rule was found, and where the search goes on.
func (p *planner) act(r *node, at *place) bool {
	do := r.do
	p.plan.RoutingPlanID, p.plan.RuleID = at.planID, r.id
	if do.more != nil {
		p.set(do.more.variables)
	}
	number := rewrite(at.number, do.strip, do.add)
	made := false
	switch do.kind {
	case sbc.ActionReject:
		p.step(r.id, refused, "the rule rejects with %d %s", do.code, do.reason)
		p.reject(do.code, do.reason, CauseRule)
		if do.more != nil {
			p.plan.Reject.AnnouncementID = do.more.announcementID
		}
		return true
	case sbc.ActionJump:
		return p.jump(r, at, number)
	case sbc.ActionSubscriber:
		p.plan.DomainID, p.plan.Number = do.domainID, number
		p.step(r.id, taken, "the rule calls the subscriber %q of domain %s", number, do.domainID)
		p.reject(404, "", CauseNobody)
		made = true
	case sbc.ActionNumber:
		made = p.ours(r, at, number)
	case sbc.ActionRedirect:
		made = p.list(r, do.listID, number) && p.redirect(r, number)
	case sbc.ActionHTTP, sbc.ActionENUM:
		var next bool
		if made, next = p.asked(r, number); next {
			return false
		}
	default:
		made = p.list(r, do.listID, number)
	}
	return p.made(r, at, made)
}

// made tells whether the decision is made by a rule, and notes how it goes on if nobody takes the call.
func (p *planner) made(r *node, at *place, made bool) bool {
	switch {
	case !r.do.fallback:
		return true
	case made:
		if p.plan.Next == nil && p.plan.Ask == nil && p.plan.Redirect == nil {
			p.plan.Next = &Next{place: *at, rule: r}
		}
		return true
	}
	p.step(r.id, passed, "the rule leads to nobody: the next one that fits decides")
	p.none, p.plan.Reject, p.plan.MaxSetupS = p.plan.Reject, nil, 0
	return false
}

// list lays out a route list; false, with the refusal for it, if it has nobody to call.
func (p *planner) list(r *node, listID, number string) bool {
	if p.lay(listID, number); len(p.plan.Attempts) == 0 {
		p.step(listID, refused, "the route list has nobody to call")
		p.reject(503, "", CauseNoTarget)
		return false
	}
	return true
}

// redirect tells the caller the attempts in place of making them (RFC 3261 21.3).
// Addresses of targets that are not public stay ours to know: in their place the caller is told to call us with the number as the rule
// made it, if that is another one.
func (p *planner) redirect(r *node, number string) bool {
	ways, ours := p.plan.Attempts, false
	p.plan.Attempts = nil
	for _, at := range ways {
		switch {
		case at.Public:
			p.plan.Redirect = append(p.plan.Redirect, at)
		case number == p.query.Number:
			p.step(at.TargetID, passed, "the target is not public, and the caller called the number here already")
		case !ours:
			ours = true
			p.plan.Redirect = append(p.plan.Redirect, Attempt{TargetID: at.TargetID, Number: number})
			p.step(at.TargetID, taken, "the target is not public: the caller is told to call %q here", number)
		}
	}
	if len(p.plan.Redirect) == 0 {
		p.step(r.id, refused, "there is no address that the caller may be told")
		p.reject(503, "", CauseNoTarget)
		return false
	}
	p.step(r.id, refused, "the rule redirects with %d", r.do.code)
	p.reject(r.do.code, "", CauseRedirect)
	return true
}

// jump goes on in another plan, at which at points then; true says that it may not.
func (p *planner) jump(r *node, at *place, number string) bool {
	to := r.do.more.jumpPlanID
	if at.jumps == maxJumps {
		p.step(r.id, refused, "the rules have led to another plan %d times: that is a circle", maxJumps)
		p.reject(482, "", CauseLoop)
		return true
	}
	if why := p.table.planOut(to); why != "" {
		p.step(to, passed, "%s", why)
		p.reject(403, "", CauseNoPlan)
		return p.made(r, at, false)
	}
	p.step(r.id, taken, "the rule goes on in plan %s with %q", to, number)
	next := place{planID: to, number: number, jumps: at.jumps + 1, back: at.back}
	if r.do.fallback {
		here := *at
		here.jumps = next.jumps
		next.back = &here
	}
	*at = next
	return false
}

// ours leads to what a number of ours says.
func (p *planner) ours(r *node, at *place, number string) bool {
	n := p.table.numbers.find(p.table.plans[at.planID].TenantID, number)
	if n == nil {
		p.step(r.id, refused, "%q is no number of ours", number)
		p.reject(404, "", CauseNobody)
		return false
	}
	if n.FailoverRouteListID != "" {
		p.plan.Next = &Next{place: *at, rule: r, listID: n.FailoverRouteListID, number: number}
	}
	if n.SubscriberID != "" {
		p.step(n.ID, taken, "the number is that of subscriber %s", n.SubscriberID)
		p.plan.SubscriberID, p.plan.Number = n.SubscriberID, number
		p.reject(404, "", CauseNobody)
		return true
	}
	p.step(n.ID, taken, "the number leads to route list %s", n.RouteListID)
	if p.list(r, n.RouteListID, number) || n.FailoverRouteListID == "" {
		return len(p.plan.Attempts) > 0
	}
	p.plan.Next, p.plan.Reject = nil, nil
	p.step(n.FailoverRouteListID, taken, "nobody can be called: the route list for that takes over")
	return p.list(r, n.FailoverRouteListID, number)
}

// asked has another system asked, or does what it said: made says that this leads somewhere, next that the next rule that fits decides.
func (p *planner) asked(r *node, number string) (made, next bool) {
	a := p.query.Answers[r.id]
	if a == nil {
		p.plan.Ask = &Ask{RuleID: r.id, HTTP: r.do.more.http, ENUMSuffix: r.do.more.enumSuffix, Number: number, PlanID: p.plan.RoutingPlanID,
			TrunkID: p.query.TrunkID, Caller: p.query.Caller, CallID: p.query.CallID, Variables: p.query.Variables}
		p.reject(503, "", CauseAsk)
		return true, false
	}
	p.step(r.id, taken, "%s", a.Why)
	p.set(a.Variables)
	switch a.Action {
	case sbc.ActionReject:
		p.reject(a.Code, a.Reason, CauseRule)
		return true, false
	case sbc.ActionRoute:
		list := cmp.Or(a.RouteListID, r.do.listID)
		if number = cmp.Or(a.Number, number); len(a.Hosts) > 0 {
			return p.hosts(r, a.Hosts, list), false
		}
		return p.list(r, list, number), false
	}
	return false, true
}

// set notes variables.
func (p *planner) set(variables map[string]string) {
	if len(variables) == 0 {
		return
	}
	if p.plan.Variables == nil {
		p.plan.Variables = make(map[string]string, len(variables))
	}
	maps.Copy(p.plan.Variables, variables)
	q := make(map[string]string, len(p.query.Variables)+len(variables)) // what follows may look at them
	maps.Copy(q, p.query.Variables)
	maps.Copy(q, variables)
	p.query.Variables = q
}

// hosts lays out the addresses that were found for a number, each by every trunk of a route list: by others nothing leaves.
func (p *planner) hosts(r *node, found []Host, listID string) bool {
	p.lay(listID, cmp.Or(found[0].Number, p.query.Number))
	ways := p.plan.Attempts
	p.plan.Attempts = nil
	for _, h := range found {
		seen := map[string]bool{}
		for _, at := range ways {
			if at.TrunkID == "" || seen[at.TrunkID] || len(p.plan.Attempts) == p.most {
				continue
			}
			seen[at.TrunkID] = true
			at.EndpointID, at.Number, at.Address, at.Port, at.Transport = "", h.Number, h.Address, h.Port, h.Transport
			at.Supplied = true
			p.plan.Attempts = append(p.plan.Attempts, at)
			p.step(r.id, taken, "attempt %d: %s to %s port %d by trunk %s", len(p.plan.Attempts), h.Number, h.Address, h.Port, at.TrunkID)
		}
	}
	if len(p.plan.Attempts) == 0 {
		p.reject(503, "", CauseNoTarget)
	}
	return len(p.plan.Attempts) > 0
}

func (p *planner) reject(code int, reason string, cause Cause) {
	p.plan.Reject = &Reject{Code: code, Reason: reason, Cause: cause}
}

// next finds the rule that decides from a place on, and moves the place behind it; nil for none.
func (p *planner) next(at *place) *node {
	root := p.table.tries[at.planID]
	if root == nil {
		return nil
	}
	if at.after == nil && !p.query.Trace {
		if r := root.find(at.number); r == nil || !r.is(picky) {
			at.after = r
			return r
		}
	}
	var room [maxPath]*node
	var depths [maxPath]int
	nodes, lengths := root.path(at.number, room[:0], depths[:0])
	passing := at.after
	for i, n := range nodes {
		for r := range n.each {
			if passing != nil {
				if passing.id == r.id {
					passing = nil
				}
				continue
			}
			if p.fits(r, at.number[:lengths[i]]) {
				p.considered(r, at, nodes[i:], lengths[i:])
				at.after = r
				return r
			}
		}
	}
	return nil
}

// fits tells whether a rule whose prefix fits holds for the call.
func (p *planner) fits(r *node, prefix string) bool {
	if !r.is(enabled) {
		p.step(r.id, passed, "prefix %q matches, but the rule is disabled", prefix)
		return false
	}
	if !r.is(picky) {
		return true
	}
	ok, why := r.do.more.terms.hold(&p.query, r.id, p.table.times)
	if !ok {
		p.step(r.id, passed, "prefix %q matches, but %s", prefix, why)
	}
	return ok
}

// considered says in the trace which rule decides, and which come after it; nodes are those from the rule's on.
func (p *planner) considered(found *node, at *place, nodes []*node, lengths []int) {
	if !p.query.Trace {
		return
	}
	how := "the longest"
	if at.after != nil {
		how = "the next"
	}
	p.sayRule(found.id, at.number[:lengths[0]], how, at.number)
	if found.do.fallback || len(nodes) == 1 && !nodes[0].is(several) {
		return // they are looked at when it comes to that, or there are none
	}
	after := false
	for i, n := range nodes {
		prefix := at.number[:lengths[i]]
		for r := range n.each {
			switch {
			case r.id == found.id:
				after = true
			case !after:
			case !r.is(enabled):
				p.step(r.id, passed, "prefix %q matches, but the rule is disabled", prefix)
			case i > 0 || found.priority == r.priority || found.is(timed) != r.is(timed):
				p.step(r.id, passed, "prefix %q matches, but rule %s comes before it", prefix, found.id)
			default:
				p.step(r.id, passed, "prefix %q matches, but priority %d comes after %d", prefix, r.priority, found.priority)
			}
		}
	}
}
