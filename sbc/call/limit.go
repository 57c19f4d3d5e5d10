package call

import (
	"fmt"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
)

// takePlace takes a leg's place on its trunk and in every limit profile that bounds it there: in all of them or in none.
func (c *Call) takePlace(l *leg, dir admit.Direction) admit.Verdict {
	claim := admit.Claim{Call: c.id, Trunk: l.trunk, Direction: dir, EndpointID: l.endpointID}
	if len(c.snap.Rows.Limits) > 0 {
		callee := c.rec.normalised
		switch {
		case l.detour != nil: // a redirection led here: it is that number which is called
			callee = l.detour.number
		case dir == admit.Out && l.number != "": // the target of a transfer
			callee = l.number
		}
		claim.Bounds = bounds(c.snap, l.trunk, l.endpointID, c.rec.caller, callee)
	}
	if l.who != nil {
		claim.Bounds = append(claim.Bounds, l.who.bound(dir)...)
	}
	if by, _ := l.detour.forwarder(); by != nil { // the call goes on by its doing
		claim.Bounds = append(claim.Bounds, by.bound(dir)...)
	}
	place, v := c.m.o.Tally.Take(claim)
	if !v.OK && c.decision.helps(c.snap) {
		claim.Always = true
		place, v = c.m.o.Tally.Take(claim)
	}
	c.decision.admittedBy(l, dir, &claim, v)
	l.place = place
	return v
}

// leave gives a leg's place on its trunk back.
func (l *leg) leave() {
	l.place.Release()
	l.toll.Release()
	l.place, l.toll = nil, nil
}

// bounds lists the limit profiles of a trunk, of the endpoint a call goes to ("" for none) and of the tenant, each with the key
// that the call has there.
func bounds(snap *config.Snapshot, t *sbc.Trunk, endpointID, caller, callee string) (list []admit.Bound) {
	add := func(p *sbc.LimitProfile, each string) {
		if p == nil {
			return
		}
		b := admit.Bound{Profile: p, Key: each}
		switch p.Key {
		case sbc.LimitShared:
			b.Key = ""
		case sbc.LimitCaller:
			b.Key = caller
		case sbc.LimitCallee:
			b.Key = callee
		}
		list = append(list, b)
	}
	snap.EachLimit(t, func(p *sbc.LimitProfile) { add(p, t.ID) })
	if e := snap.Endpoint(endpointID); e != nil {
		for _, id := range e.LimitProfileIDs {
			add(snap.Limit(id), e.ID)
		}
	}
	for _, p := range snap.TenantLimits(t.TenantID) {
		add(p, t.TenantID)
	}
	return list
}

// limitSteps show a trunk's own limit and its limit profiles, and what is used of them now. A call that helps is bound by none, a request
// outside of calls by rates only.
func (m *Manager) limitSteps(snap *config.Snapshot, d *decision, caller string) []sbc.DecisionStep {
	t := d.trunk
	if d.helps(snap) {
		return []sbc.DecisionStep{{Stage: "admit", Subject: t.ID, Verdict: "taken", Detail: neverRefused}}
	}
	s := sbc.DecisionStep{Stage: "admit", Subject: t.ID, Verdict: "taken", Detail: "requests outside of calls take no place"}
	if u := m.o.Tally.OfTrunk(t.ID); d.method == "" {
		s.Detail = fmt.Sprintf("%d calls in progress, no limit", u.In+u.Out)
		if t.MaxCalls > 0 {
			s.Detail = fmt.Sprintf("%d of %d calls in progress", u.In+u.Out, t.MaxCalls)
		}
		if t.MaxCalls > 0 && u.In+u.Out >= t.MaxCalls {
			s.Verdict = "refused"
			s.Detail += ": now it would get 503"
		}
	}
	steps := []sbc.DecisionStep{s}
	for _, b := range bounds(snap, t, "", caller, d.caller.Number) {
		s := sbc.DecisionStep{Stage: "admit", Subject: b.Profile.ID, Verdict: "taken", Detail: "within the limits"}
		claim := admit.Claim{Trunk: t, Direction: admit.In, Bounds: []admit.Bound{b}, Request: d.method != ""}
		if v := m.o.Tally.Look(claim); !v.OK && v.Bound == b {
			s.Verdict, s.Detail = "refused", fmt.Sprintf("%s: now it would get %d", v.Reason, v.Code)
		}
		if b.Key != "" {
			s.Detail += ", counted for " + b.Key
		}
		steps = append(steps, s)
	}
	return steps
}
