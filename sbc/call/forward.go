package call

import (
	"cmp"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/service"
)

// A call that a subscriber has forwarded is looked up and routed anew, as if the forwarder had dialled: by the plan of its domain,
// with its permissions and within its limit of calls. The caller stays who it is. Package service decides; here its decisions are
// carried out.

// emergency tells whether a number must be reachable whatever a subscriber's services say.
func (o *Origin) emergency(snap *config.Snapshot, number string) bool {
	return snap.Class(o.Domain, number) == sbc.ClassEmergency
}

// screened tells whether the lists of a subscriber let it call a number; else the decision is 403.
func (d *decision) screened(snap *config.Snapshot, who *Origin, number string, trace bool) bool {
	if who.unlisted(snap, number) {
		return true
	}
	d.step(trace, "service", who.subscriberID(), "refused", "a list of the subscriber blocks calls to "+number)
	d.refuse(403, "", sbc.EndRejected)
	return false
}

// services is what a subscriber's services want to know of the call.
func (m *Manager) services(snap *config.Snapshot, d *decision) service.Call {
	call := d.calling
	call.Registered = m.o.Location.Registered(d.dest.located())
	call.MaxForwards, call.Screen = d.dest.domain.MaxForwards, snap.Screen
	return call
}

// arrive asks the services of the subscriber that is called; true says that its phones are to ring.
func (m *Manager) arrive(snap *config.Snapshot, d *decision, phones int, trace bool) bool {
	s := d.dest.entry.Subscriber
	call := m.services(snap, d)
	v := service.Arrive(s, call)
	if v.Action == service.Ring && phones == 0 {
		v = service.Unanswered(s, call, 480, false)
	}
	switch v.Action {
	case service.Ring:
		d.dest.ringFor = v.RingFor
		return true
	case service.Forward:
		d.step(trace, "service", s.ID, "skipped", v.Detail)
		m.forward(snap, d, v, trace)
	default:
		d.step(trace, "service", s.ID, "refused", v.Detail)
		if v.Code/100 == 6 || !m.resumed(snap, d, trace) {
			d.refuse(v.Code, v.Phrase, endOf(v.Code))
		}
	}
	return false
}

// forward turns the decision to where the subscriber that is called has the call forwarded: to attempts, to a refusal, or to
// another question in d.ask.
func (m *Manager) forward(snap *config.Snapshot, d *decision, v service.Verdict, trace bool) {
	t := d.dest
	by := t.origin("forwarding")
	way := &detour{by: by, reason: v.Reason, before: d.way, Detour: header.Detour{
		Number: by.Outside, Cause: causeOfForward(v.Reason), Reason: service.Diversion(v.Reason),
	}}
	d.calling.Forwarders = append(slices.Clip(d.calling.Forwarders), t.entry.Subscriber.ID)
	d.way, d.dest, d.ask, d.plan = way, nil, nil, route.Plan{RoutingPlanID: d.plan.RoutingPlanID, RuleID: d.plan.RuleID}
	if way.number = v.To.Target; v.To.Voicemail {
		way.number = t.domain.Voicemail.Target
	}
	if way.number == "" {
		way.number = t.number
		d.plan.Attempts = []route.Attempt{route.Voicemail(t.domain.ID, t.entry.Subscriber.ID, t.number)}
		return
	}
	switch {
	case !d.screened(snap, by, way.number, trace):
	case by.emergency(snap, way.number):
		d.route(snap, trace)
	default:
		d.ask = &question{domainID: t.domain.ID, name: way.number, plan: true}
	}
}

// routeForwarded is route for a call on the forwarder's account.
func (d *decision) routeForwarded(snap *config.Snapshot, trace bool) {
	by := d.way.by
	f := decision{caller: by.caller(d.way.number), trunk: snap.Trunk(by.Domain.ID), who: by, moment: d.moment, next: d.next, answers: d.answers}
	if f.next == nil {
		f.retranslate(snap, trace)
	}
	if f.code == 0 {
		f.route(snap, trace)
	}
	d.steps, d.from = append(d.steps, f.steps...), f.from
	d.plan, d.code, d.reason, d.end, d.next = f.plan, f.code, f.reason, f.end, nil
	d.moment.variables = f.moment.variables
}

// causeOfForward is the reason of a forward as a SIP code (RFC 4458, RFC 7544 7).
func causeOfForward(reason string) int {
	switch reason {
	case service.Unconditional:
		return 302
	case service.Busy, service.DoNotDisturb:
		return 486
	case service.NoAnswer:
		return 408
	case service.Redirected:
		return 480
	}
	return 503
}

// forwarder is the last subscriber that had the call forwarded on this way, and why; nil for none.
func (w *detour) forwarder() (by *Origin, reason string) {
	for ; w != nil; w = w.before {
		if w.by != nil {
			return w.by, w.reason
		}
	}
	return nil, ""
}

// forwarded notes in the newest line of the record on whose account the attempt is.
func (c *Call) forwarded(l *leg) {
	if by, reason := l.detour.forwarder(); by != nil {
		a := &c.hunt.attempts[len(c.hunt.attempts)-1]
		a.ForwardedBy, a.ForwardReason = by.subscriberID(), reason
	}
}

// unanswered asks the services of the subscriber whose phones all failed; false if the failure stands.
func (c *Call) unanswered() (v service.Verdict, ok bool) {
	h := &c.hunt
	if c.decision.dest == nil || h.fixed || c.st.a != callerInviting || h.more() {
		return v, false
	}
	if v, ok = c.diverts(); ok || h.code == 0 {
		return v, ok
	}
	rang := h.lapsed
	for _, a := range h.attempts[h.since:] {
		rang = rang || a.ProgressAt != nil
	}
	v = service.Unanswered(c.decision.dest.entry.Subscriber, c.m.services(c.snap, &c.decision), h.code, rang)
	return v, v.Action == service.Forward
}

// leadsOn tells whether a failure now would lead elsewhere.
func (c *Call) leadsOn() bool {
	_, ok := c.unanswered()
	return ok
}

// forwardOn goes on to where the subscriber that did not answer forwards; false if nowhere. What still comes from its phones is
// put in order as of strangers: a 2xx gets its ACK and a BYE (RFC 3261 13.2.2.4).
func (c *Call) forwardOn() bool {
	v, ok := c.unanswered()
	if !ok {
		return false
	}
	if c.b != nil && c.b.invite != nil {
		c.b.detach()
	}
	h := &c.hunt
	h.stop, h.code, h.reason, h.end, h.cause, h.headers, h.res, h.leg = false, 0, "", "", 0, nil, nil, nil
	h.since, h.lapsed, h.diverted = len(h.attempts), false, ""
	c.m.forward(c.snap, &c.decision, v, live)
	if c.decision.ask != nil {
		c.seek()
		return true
	}
	c.goOn()
	return true
}

// goOn makes the attempts that a forward led to. Should it end on the way, nobody knows anything better than its failure.
func (c *Call) goOn() {
	d, h := &c.decision, &c.hunt
	if d.code != 0 {
		c.refuseBy(d)
	}
	c.lead(d.plan.Attempts[:min(len(d.plan.Attempts), max(0, maxHunt-len(h.attempts)))])
	c.try()
}

// lead appends attempts to the plan, with the way that led to them.
func (c *Call) lead(attempts []route.Attempt) {
	h := &c.hunt
	h.plan = append(slices.Clip(h.plan[:h.next]), attempts...)
	h.until = c.until()
	if c.decision.way == nil {
		return
	}
	h.detours = h.detours[:min(len(h.detours), h.next)]
	for len(h.detours) < h.next {
		h.detours = append(h.detours, nil)
	}
	for range attempts {
		h.detours = append(h.detours, c.decision.way)
	}
}

// ringing is how long an attempt may ring: as long as its trunk says, or until the subscriber wants the call forwarded. That time
// runs from the first alert on any of its phones.
func (c *Call) ringing(l *leg) time.Duration {
	longest := time.Duration(l.trunk.RingTimeoutS) * time.Second
	if c.decision.dest == nil || c.decision.dest.ringFor == 0 {
		return longest
	}
	left := c.decision.dest.ringFor
	for _, a := range c.hunt.attempts[c.hunt.since:] {
		if a.ProgressAt != nil {
			left = min(left, c.decision.dest.ringFor-now().Sub(*a.ProgressAt))
		}
	}
	return max(0, min(longest, left))
}

// rangOut notes that the phones rang as long as the subscriber wanted: no other is tried then.
func (c *Call) rangOut() {
	t := c.decision.dest
	if t == nil || t.ringFor == 0 || t.ringFor > time.Duration(c.b.trunk.RingTimeoutS)*time.Second {
		return
	}
	c.hunt.lapsed = true
	c.hunt.next = len(c.hunt.plan)
}

// askedBy is the caller as the services of who is called see it.
func (c *Call) askedBy() service.Call {
	name := c.rec.caller
	if w := c.decision.who; w != nil && c.decision.ask != nil && w.Domain.ID == c.decision.ask.domainID {
		name = w.Inside
	}
	anonymous := c.rec.privacy != "" || c.rec.hidden || c.rec.unnamed || c.decision.who != nil && c.decision.who.Anonymous
	return service.Call{Caller: cmp.Or(name, c.rec.said), Anonymous: anonymous}
}
