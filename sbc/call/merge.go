package call

import (
	"cmp"
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// askedLeg is a leg of another call that is to come into this one: the one beside the leg of end, whose dialog r names.
type askedLeg struct {
	call *Call
	end  *endpoint
	r    replaces
	// side, instead of end and r, names the leg itself, for the API.
	side sbc.Side
}

// beside finds the leg that ends where the asked one goes; nil if there is no such leg.
func (a *askedLeg) beside(c *Call) *leg {
	switch {
	case a.end != nil && (a.end.owner() != c || !a.r.names(a.end.leg.d) && !a.end.knows(a.r)):
		return nil
	case a.end != nil:
		return a.end.leg
	case c.a.side == a.side:
		return c.b
	}
	return c.a
}

// merge begins an attended transfer (RFC 5589 7): the REFER names a dialog that the transferor has with us in another call, and its
// two other parties shall talk. A code is the refusal.
func (c *Call) merge(t *transfer, r replaces) (code int) {
	e := c.m.calls.tag(r.toTag)
	if e == nil || e.gone.Load() || e.owner() == c {
		return 481
	}
	if !t.old.end.disposes(e) {
		return 603
	}
	t.asked = &askedLeg{call: e.owner(), end: e, r: r}
	c.begun(t)
	c.raiseAt(evMerge, t.place)
	return 0
}

// askTarget asks the other call for its leg. The two calls never wait for each other: each goes on with its own work meanwhile.
func (c *Call) askTarget(t *transfer) {
	t.stage = "calling"
	a, s := t.asked, c.session
	other := a.call
	other.post(job{kind: jobRun, run: func() {
		promised := false
		defer func() { // also if a fault strikes there
			if !promised {
				c.notComing(t, 481)
			}
		}()
		promised = other.handOver(a, c, s) || other.promiseLeg(&promise{asked: a, to: c, media: s, t: t})
	}})
}

// handOver gives the leg that was asked for to another call, and ends this one. It gives false if that cannot be.
func (c *Call) handOver(a *askedLeg, to *Call, s Session) bool {
	if c == to || !c.ready() {
		return false
	}
	l := a.beside(c)
	if l == nil || !c.present(l) {
		return false
	}
	m := c.other(l)
	c.giveUp()
	c.rec.settle(c)
	record := c.legRecord(m)
	record.LeftAt = when(now())
	for _, st := range c.session.Stats() {
		if st.From == m.party {
			c.rec.media = append(c.rec.media, stream(&st, m.side))
		}
	}
	if err := s.Take(m.party, c.session); err != nil {
		c.m.o.Log.Debug("media not handed over", "call_id", c.id, "error", err)
		c.stopNow(stopOrder{reason: sbc.EndError})
		return false
	}
	c.rec.legs, c.rec.links = append(c.rec.legs, record), append(c.rec.links, to.id)
	l.role = "transferor"
	c.hunt.tags = slices.DeleteFunc(c.hunt.tags, func(tag string) bool { return tag == m.tag })
	c.digits = nil // and with them what waits for either leg
	c.disarm(timerDigit)
	husk := c.newLeg(m.side, m.end.trunkID, m.trunk, m.attempt)
	husk.agent, husk.gone = m.agent, true
	p := c.placeOf(m)
	if p == placeCaller {
		c.a = husk
	} else {
		c.b = husk
	}
	c.rec.ended(sbc.EndTransferred, l.side, causeNormal)
	c.touch()
	number, id := c.shownNumber(m), c.id
	to.post(job{kind: jobRun, run: func() { to.adopt(m, number, id); to.run() }})
	m.end.call.Store(to) // what comes for the leg from now on comes after it
	c.raiseAt(evTaken, p)
	c.run()
	return true
}

// adopt takes a leg of another call, which is over.
func (c *Call) adopt(m *leg, number, id string) {
	t := c.tr
	if c.st.ended || t == nil || t.asked == nil { // nobody waits for it: a fault of ours
		m.party = nil
		m.leave()
		c.byeFork(m, m.d.Request(msg.BYE), m.d.Target())
		c.m.calls.retire(m.tag, now())
		return
	}
	m.place.MoveTo(c.id)
	m.toll.MoveTo(c.id)
	m.number, m.attempt = cmp.Or(m.number, number), 0
	c.hunt.tags = append(c.hunt.tags, m.tag)
	c.rec.links = append(c.rec.links, id)
	t.target = m
	c.listenFor(c.snap.Media(m.trunk))
	if m.playing.order != 0 { // the call that wanted it is over
		c.stopPlaying(m)
	}
	c.raise(evTargetCame)
}
