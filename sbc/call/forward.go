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

// serves is what the services of a subscriber do: with a call all of them, with any other request those that say who may reach it.
func (d *decision) serves(s *sbc.Subscriber, call service.Call, phones int) service.Verdict {
	v := service.Arrive(s, call)
	if d.method != "" {
		v = service.Admit(s, call)
	}
	switch {
	case v.Action != service.Ring || phones > 0:
		return v
	case d.method != "":
		return service.Verdict{Action: service.Refuse, Code: 480, Detail: "no phone of the subscriber is registered"}
	}
	return service.Unanswered(s, call, 480, false)
}

// arrive asks the services of the subscriber that is called; true says that its phones are to ring.
func (m *Manager) arrive(snap *config.Snapshot, d *decision, phones int, trace bool) bool {
	s := d.dest.entry.Subscriber
	call := m.services(snap, d)
	v := d.serves(s, call, phones)
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
	if way.number = v.To.Target; v.To.Voicemail {
		way.number = t.domain.Voicemail.Target
	}
	if way.number == "" {
		way.number = t.number
		d.away(way)
		d.plan.Attempts = []route.Attempt{route.Voicemail(t.domain.ID, t.entry.Subscriber.ID, t.number)}
		return
	}
	m.turn(snap, d, way, trace)
}

// away leaves where the decision led for another way. What other systems said was of another number.
func (d *decision) away(way *detour) {
	d.way, d.dest, d.ask, d.next, d.from, d.answers = way, nil, nil, nil, nil, nil
	d.plan = route.Plan{RoutingPlanID: d.plan.RoutingPlanID, RuleID: d.plan.RuleID}
	d.code, d.reason, d.end = 0, "", ""
}

// turn has the decision look for the number of another way, as if whoever pays for it had dialled: among the names of its domain, then by
// its plan, with its permissions and lists, its number plan and dialplan.
func (m *Manager) turn(snap *config.Snapshot, d *decision, way *detour, trace bool) {
	d.away(way)
	f := d.onward(snap)
	if !f.screened(snap, f.who, way.number, trace) {
		d.take(&f)
		return
	}
	f.retranslate(snap, false)
	if f.code == 0 && (f.numbers == nil || f.screened(snap, f.who, f.caller.Number, trace)) {
		if d.ask = m.questionOf(snap, &f, nil); d.ask == nil {
			d.route(snap, trace)
			d.asks()
		}
		return
	}
	d.take(&f)
}

// onward is the decision on the number of the way, in the name of whoever pays for it: of the last that had the call forwarded, or else of
// whoever calls.
func (d *decision) onward(snap *config.Snapshot) decision {
	f := decision{method: d.method, caller: d.caller, trunk: d.trunk, who: d.who, home: d.home, moment: d.moment, next: d.next, answers: d.answers}
	f.caller.Number = d.way.number
	if by, _ := d.way.forwarder(); by != nil {
		f.caller, f.trunk, f.who, f.home = by.caller(d.way.number), snap.Trunk(by.Domain.ID), by, nil
	}
	return f
}

// take has the decision be what was decided in the name of another.
func (d *decision) take(f *decision) {
	d.steps, d.from = append(d.steps, f.steps...), f.from
	d.plan, d.code, d.reason, d.end, d.next = f.plan, f.code, f.reason, f.end, nil
	d.moment.variables = f.moment.variables
	d.way.routed = f.caller.Number
}

// routeForwarded is route for a call that goes another way.
func (d *decision) routeForwarded(snap *config.Snapshot, trace bool) {
	f := d.onward(snap)
	f.retranslate(snap, trace && f.next == nil)
	if f.code == 0 {
		f.route(snap, trace)
	}
	d.take(&f)
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
func (c *Call) unanswered(p *pursuit) (v service.Verdict, ok bool) {
	if p.d.dest == nil || !c.spent(p) {
		return v, false
	}
	code := c.bestOf(p)
	if v, ok = c.diverts(p, code); ok || code == 0 {
		return v, ok
	}
	rang := p.lapsed
	for _, a := range c.hunt.attempts[min(p.since, len(c.hunt.attempts)):] {
		rang = rang || a.ProgressAt != nil
	}
	v = service.Unanswered(p.d.dest.entry.Subscriber, c.m.services(c.snap, p.d), code, rang)
	return v, v.Action == service.Forward
}

// forwardOn goes on to where the subscriber that did not answer forwards; false if nowhere. What still comes from its phones is
// put in order as of strangers: a 2xx gets its ACK and a BYE (RFC 3261 13.2.2.4).
func (c *Call) forwardOn(p *pursuit) bool {
	if p.d == nil {
		return false
	}
	v, ok := c.unanswered(p)
	if !ok {
		return false
	}
	c.given(p)
	p.stop = false
	if h := &c.hunt; p.t == nil {
		h.code, h.reason, h.end, h.cause, h.headers, h.res, h.leg = 0, "", "", 0, nil, nil, nil
	} else {
		p.t.best = 0
	}
	c.m.forward(c.snap, p.d, v, p.t == nil)
	if p.d.ask != nil {
		c.seek(p)
		return true
	}
	c.goOn(p)
	return true
}

// ringing is how long an attempt may ring: as long as its trunk says, or until the subscriber wants the call forwarded. That time
// runs from the first alert on any of its phones.
func (c *Call) ringing(p *pursuit, l *leg) time.Duration {
	longest := time.Duration(l.trunk.RingTimeoutS) * time.Second
	if p.d == nil || p.d.dest == nil || p.d.dest.ringFor == 0 {
		return longest
	}
	left := p.d.dest.ringFor
	for _, a := range c.hunt.attempts[p.since:] {
		if a.ProgressAt != nil {
			left = min(left, p.d.dest.ringFor-now().Sub(*a.ProgressAt))
		}
	}
	return max(0, min(longest, left))
}

// rangOut notes that the phones of l rang as long as the subscriber wanted: no other is tried then.
func (p *pursuit) rangOut(l *leg) {
	if p.d == nil || p.d.dest == nil || p.d.dest.ringFor == 0 ||
		p.d.dest.ringFor > time.Duration(l.trunk.RingTimeoutS)*time.Second {
		return
	}
	p.lapsed = true
	p.next = len(p.plan)
}

// askedBy is who calls, as the services of who is called see it.
func (c *Call) askedBy(p *pursuit) service.Call {
	who, name := c.subject(p)
	if d := p.d; who != nil && d.ask != nil && who.Domain.ID == d.ask.domainID {
		name = who.Inside
	}
	if p.t != nil && (p.t.kept != c.a || c.a.number != "") {
		return service.Call{Caller: name}
	}
	anonymous := c.rec.privacy != "" || c.rec.hidden || c.rec.unnamed || who != nil && who.Anonymous
	return service.Call{Caller: cmp.Or(name, c.rec.said), Anonymous: anonymous}
}
