package call

import (
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/service"
)

// asleep tells whether phones of the callee must be woken before it is called (RFC 8599 5.6.2): where its services let them ring.
func (m *Manager) asleep(snap *config.Snapshot, d *decision, trace bool) bool {
	t := d.dest
	s := t.entry.Subscriber
	if !d.wakes && !trace || t.woken || t.domain.Push.URL == "" || !m.o.Location.Asleep(t.domain, t.located()) ||
		d.serves(s, m.services(snap, d), 1).Action != service.Ring {
		return false
	}
	d.step(trace, "push", s.ID, "taken", "phones of the subscriber are woken first, and the call waits for them")
	t.asleep = d.wakes // who only wants to know does not wait
	return t.asleep
}

// wake has the callee's phones woken. The call waits as it does for the directory: a CANCEL ends it as ever.
func (c *Call) wake(p *pursuit) {
	t := p.d.dest
	c.rouse(p, t, func() { c.woken(p, t) })
}

// rouse has the phones of a subscriber woken; then is called on the call's queue.
func (c *Call) rouse(p *pursuit, t *destination, then func()) {
	who, caller := c.subject(p)
	if who != nil && who.Domain.ID == t.domain.ID {
		caller = who.Inside
	}
	if c.rec.privacy != "" || c.rec.hidden || who != nil && who.Anonymous { // who wakes phones is not told either
		caller = anonymousUser
	}
	c.m.o.Location.Wake(t.domain, t.entry.Subscriber, c.id, caller, func() {
		c.post(job{kind: jobOrder, run: then})
	})
}

// woken goes on with the phones that there are now.
func (c *Call) woken(p *pursuit, t *destination) {
	if p.d == nil || p.d.dest != t || !t.asleep {
		return
	}
	if t.asleep, t.woken = false, true; !c.waits(p) {
		return
	}
	c.m.reach(c.snap, p.d, p.t == nil)
	c.proceed(p)
}

// sleeper is the subscriber of a route list whose turn it is, if its phones must be woken before they can be rung; else nil.
func (m *Manager) sleeper(snap *config.Snapshot, d *decision, at *route.Attempt) *destination {
	if !unexpanded(at) || m.o.Location == nil {
		return nil
	}
	dom := snap.Domain(at.TrunkID)
	if dom == nil || dom.Push.URL == "" || !snap.ActiveTrunk(dom.ID) {
		return nil
	}
	t := &destination{domain: dom, entry: at.Callee.Entry, number: at.Number}
	on := decision{dest: t, calling: d.calling}
	if !m.o.Location.Asleep(dom, t.located()) || d.serves(t.entry.Subscriber, m.services(snap, &on), 1).Action != service.Ring {
		return nil
	}
	return t
}

// rouses has the phones of a subscriber of a route list woken before they are rung, once; false if it is not waited for any.
func (c *Call) rouses(p *pursuit, at *route.Attempt) bool {
	if p.woken == p.next {
		return false
	}
	t := c.m.sleeper(c.snap, p.d, at)
	if t == nil {
		return false
	}
	p.woken = p.next
	p.next-- // its turn comes again
	c.rouse(p, t, func() {
		if p.d != nil && p.woken == p.next+1 && c.waits(p) {
			c.tryOn(p)
		}
	})
	return true
}
