package call

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/service"
)

// A rule may let the next one decide if nobody takes the call, and a route list may hold subscribers. So a decision goes on while the
// call is under way: it is resumed where it ended (route.Next), and subscribers of a list are looked up before the first attempt, but
// their phones are those that are there when it is their turn.

// planned takes over what the routing table said.
func (d *decision) planned(trace bool) {
	d.steps = append(d.steps, d.plan.Steps...)
	d.moment.variables = assigned(d.moment.variables, d.plan.Variables)
	switch r := d.plan.Reject; {
	case r != nil && (r.Cause == route.CauseRule || r.Cause == route.CauseRedirect):
		d.refuse(r.Code, r.Reason, sbc.EndRejected)
	case r != nil:
		d.refuse(r.Code, r.Reason, sbc.EndNoRoute)
	case len(d.plan.Attempts) == 0:
		d.refuse(404, "", sbc.EndNoRoute)
	}
}

// assigned is variables with others set; neither is changed.
func assigned(variables, others map[string]string) map[string]string {
	if len(others) == 0 {
		return variables
	}
	all := make(map[string]string, len(variables)+len(others))
	maps.Copy(all, variables)
	maps.Copy(all, others)
	return all
}

// asks notes whom the plan leads to that must be looked up first: the subscriber that a rule or number calls, or those of the route list.
func (d *decision) asks() {
	p := &d.plan
	switch {
	case d.ask != nil || d.dest != nil:
		return
	case p.Ask != nil:
		d.ask = d.consults()
	case p.DomainID != "":
		d.ask = &question{domainID: p.DomainID, name: p.Number}
	case p.SubscriberID != "":
		d.ask = &question{id: p.SubscriberID, name: p.Number, anywhere: true}
	default:
		for i := range p.Attempts {
			if at := &p.Attempts[i]; at.SubscriberID != "" {
				d.ask = &question{id: at.SubscriberID, name: at.Number, anywhere: true, target: true}
				return
			}
		}
		return
	}
	d.code, d.reason, d.end = 0, "", ""
}

// targeted goes on with what the directory said of a subscriber of the route list: it is there, or its attempts go.
func (m *Manager) targeted(snap *config.Snapshot, d *decision, q *question, e *sbc.Entry, err error, trace bool) {
	d.plan.Attempts = slices.Clone(d.plan.Attempts)
	if dom := domainOf(snap, e); err == nil && e.Subscriber.Enabled && dom != nil {
		t := &destination{domain: dom, entry: e, number: q.name}
		for i := range d.plan.Attempts {
			if at := &d.plan.Attempts[i]; at.SubscriberID == q.id {
				targetID, follow := at.TargetID, at.Follow
				*at = t.attempt()
				at.TargetID, at.Follow = targetID, follow
			}
		}
		d.step(trace, "subscriber", q.id, "taken", "the subscriber is a target of the route list")
	} else {
		d.plan.Attempts = slices.DeleteFunc(d.plan.Attempts, func(at route.Attempt) bool { return at.SubscriberID == q.id })
		d.step(trace, "subscriber", q.id, "skipped", "the subscriber is disabled, or cannot be looked up now")
	}
	if len(d.plan.Attempts) == 0 && !m.resumed(snap, d, trace) {
		d.refuse(503, "", sbc.EndNoRoute)
	}
	d.asks()
}

// domainOf is the domain of a subscriber, nil where there is none.
func domainOf(snap *config.Snapshot, e *sbc.Entry) *sbc.Domain {
	if e == nil {
		return nil
	}
	return snap.Domain(e.Subscriber.DomainID)
}

// unreached refuses a call whose callee is not there, unless another rule decides then.
func (m *Manager) unreached(snap *config.Snapshot, d *decision, code int, end sbc.EndReason, trace bool) {
	if !m.resumed(snap, d, trace) {
		d.refuse(code, "", end)
	}
}

// resumed goes on behind the rule that led to nobody; false if there is nothing to go on with.
func (m *Manager) resumed(snap *config.Snapshot, d *decision, trace bool) bool {
	if d.plan.Next == nil {
		return false
	}
	before, past := d.plan, d.past
	if trace {
		d.past = d.attempts()
	}
	d.next, d.dest, d.ask = d.plan.Next, nil, nil
	d.code, d.reason, d.end = 0, "", ""
	d.route(snap, trace)
	d.asks()
	if r := d.plan.Reject; d.ask == nil && r != nil && r.Cause != route.CauseRule && r.Cause != route.CauseRedirect {
		d.code, d.reason, d.end = 0, "", "" // what went wrong before says more than that there was nothing else
		before.Next = nil
		d.plan, d.past = before, past
		return false
	}
	return true
}

// refuseBy fixes what the caller is told by the decision.
func (c *Call) refuseBy(d *decision) {
	c.hunt.final(d.code, d.reason, d.end)
	if len(d.plan.Redirect) > 0 && c.hunt.code == d.code && c.hunt.fixed && c.tx != nil {
		c.hunt.headers = elsewhere(d.plan.Redirect, c.tx.Local())
	} else if hs := d.later(); hs != nil && c.hunt.code == d.code {
		c.hunt.headers = hs
	}
}

// elsewhere are the Contacts of a redirection, the one to try first with the greatest q (RFC 3261 8.1.3.4): the addresses that the caller may
// be told, and our own.
func elsewhere(attempts []route.Attempt, local msg.Local) (hs []msg.Header) {
	for i, at := range attempts {
		q := ";q=" + strconv.FormatFloat(1-float64(i)/(2*route.MaxAttempts), 'f', 3, 64)
		if at.Address == "" {
			hs = append(hs, msg.Header{Name: "Contact", Value: local.Contact(at.Number) + q})
			continue
		}
		host := at.Address
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if at.Port != 0 {
			host = net.JoinHostPort(at.Address, strconv.Itoa(at.Port))
		}
		uri := "sip:" + escape(at.Number) + "@" + host
		if at.Transport != "" && at.Transport != sbc.TransportUDP {
			uri += ";transport=" + string(at.Transport)
		}
		hs = append(hs, msg.Header{Name: "Contact", Value: "<" + uri + ">" + q})
	}
	return hs
}

// member is a subscriber of a route list whose turn it is: the attempts that ring its phones, or why there are none. Where its forwards count,
// to is where it has the call forwarded.
type member struct {
	t        *destination
	attempts []route.Attempt
	code     int
	why      string
	to       *service.Verdict
}

// expand finds the phones of a subscriber of a route list that there are now, if its services let them ring.
func (m *Manager) expand(snap *config.Snapshot, d *decision, at *route.Attempt) member {
	dom := snap.Domain(at.TrunkID)
	if dom == nil || m.o.Location == nil || !snap.ActiveTrunk(dom.ID) {
		return member{code: 480, why: "out of service"}
	}
	if d.method == msg.PUBLISH {
		return member{code: 404, why: "a PUBLISH is for a server, not for phones"}
	}
	t := &destination{domain: dom, entry: at.Callee.Entry, number: at.Number}
	on := decision{dest: t, calling: d.calling}
	call, phones := m.services(snap, &on), m.phones(t)
	v := d.serves(t.entry.Subscriber, call, len(phones))
	switch {
	case v.Action == service.Ring:
	case v.Action == service.Forward && at.Follow:
		return member{t: t, to: &v}
	case v.Action == service.Forward && t.entry.Subscriber.Forwarding.Unconditional.Set():
		return member{code: 480, why: "forwarded"}
	case len(phones) == 0:
		return member{code: 480, why: "not registered"}
	default:
		return member{code: cmp.Or(v.Code, 480), why: "service"}
	}
	attempts := t.attempts(phones)
	if !d.display(snap, t, attempts, false) {
		return member{code: 404, why: "dialplan"}
	}
	for i := range attempts {
		attempts[i].TargetID = at.TargetID
	}
	return member{t: t, attempts: attempts}
}

// unexpanded tells whether an attempt is for a subscriber of a route list whose phones are not known yet.
func unexpanded(at *route.Attempt) bool { return at.Callee != nil && len(at.Callee.Phones) == 0 }

// expandInto puts the phones of a subscriber of a route list in the place of its attempt, the last one taken; nil where there is nobody to ring.
// Where it has the call forwarded, that is next.
func (c *Call) expandInto(p *pursuit, at *route.Attempt) (first *route.Attempt, m member) {
	m = c.m.expand(c.snap, p.d, at)
	if m.to != nil {
		p.forwards(m)
	}
	attempts := m.attempts
	if len(attempts) == 0 {
		return nil, m
	}
	here := p.next - 1
	if n := len(attempts) - 1; n > 0 && here < len(p.detours) {
		p.detours = slices.Insert(slices.Clip(p.detours), here, slices.Repeat(p.detours[here:here+1], n)...)
	}
	p.plan = slices.Replace(slices.Clip(p.plan), here, p.next, attempts...)
	return &p.plan[here], m
}

// ringTarget is launch for a subscriber of a route list.
func (c *Call) ringTarget(at *route.Attempt) bool {
	h := &c.hunt
	number, trunkID, callee := at.Number, at.TrunkID, at.Callee.ID()
	first, m := c.expandInto(&h.pursuit, at)
	if first != nil {
		return c.launch(first)
	}
	if m.to == nil {
		l := c.newLeg(opposite(c.a.side), trunkID, c.snap.Trunk(trunkID), len(h.attempts)+1)
		h.attempts = append(h.attempts, sbc.CDRAttempt{Number: l.attempt, TrunkID: trunkID, Callee: number, StartedAt: now(),
			SubscriberID: callee})
		h.failed(l, 0, m.why, m.code, endOf(m.code))
	}
	return false
}
