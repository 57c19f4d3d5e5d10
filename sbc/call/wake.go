package call

import (
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/service"
)

// asleep tells whether phones of the callee must be woken before it is called (RFC 8599 5.6.2): where its services let them ring.
func (m *Manager) asleep(snap *config.Snapshot, d *decision, trace bool) bool {
	t := d.dest
	s := t.entry.Subscriber
	if !d.wakes && !trace || t.woken || t.domain.Push.URL == "" || !m.o.Location.Asleep(t.domain, t.located()) ||
		service.Arrive(s, m.services(snap, d)).Action != service.Ring {
		return false
	}
	d.step(trace, "push", s.ID, "taken", "phones of the subscriber are woken first, and the call waits for them")
	t.asleep = d.wakes // who only wants to know does not wait
	return t.asleep
}

// wake has the callee's phones woken. The call waits as it does for the directory: a CANCEL ends it as ever.
func (c *Call) wake() {
	t := c.decision.dest
	caller, who := c.rec.caller, c.decision.who
	if who != nil && who.Domain.ID == t.domain.ID {
		caller = who.Inside
	}
	if c.rec.privacy != "" || c.rec.hidden || who != nil && who.Anonymous { // who wakes phones is not told either
		caller = anonymousUser
	}
	c.m.o.Location.Wake(t.domain, t.entry.Subscriber, c.id, caller, func() {
		c.post(job{kind: jobOrder, run: func() { c.woken(t) }})
	})
}

// woken goes on with the phones that there are now.
func (c *Call) woken(t *destination) {
	if c.decision.dest != t || !t.asleep {
		return
	}
	if t.asleep, t.woken = false, true; !c.waits() {
		return
	}
	c.m.reach(c.snap, &c.decision, live)
	c.proceed()
}
