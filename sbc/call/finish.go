package call

import "github.com/sallyport/sallyport/sbc"

// finish is the end: everything is given back, and there is one record.
func (c *Call) finish() {
	broken := c.breakPromise()
	c.dropUpdates()
	c.dropTransfer()
	if c.plan != nil && c.rec.finalCode == 0 {
		c.unconnected()
	}
	for k := range timerCount {
		c.disarm(k)
	}
	if c.b != nil {
		c.b.leave()
	}
	c.a.leave()
	if c.former != nil {
		c.former.leave()
	}
	if c.crashed {
		c.leaveAll()
	}
	c.leaveDesk()
	stats := c.closeMedia()
	c.writeRecord(stats)
	c.m.past.add(c.id, c.ladder, stats)
	t := now()
	c.m.calls.retire(c.a.tag, t)
	for _, tag := range c.hunt.tags {
		c.m.calls.retire(tag, t)
	}
	c.shed()
	c.forgotten = true
	c.m.forget(c)
	if broken != nil {
		broken()
	}
}

// shed lets go of all that a late message needs no more. Transactions of the edge know the call for another 64*T1, and at 500
// calls a second that are 16,000 calls.
func (c *Call) shed() {
	c.tx, c.invite, c.exchange, c.answer, c.relays, c.rel = nil, nil, nil, nil, nil, nil
	c.hunt, c.decision = hunt{}, decision{}
	c.rec = record{written: true, stop: c.rec.stop}
	c.former, c.watches, c.digits, c.plan = nil, nil, nil, nil
	c.a.party, c.a.words, c.a.worded, c.a.forks = nil, nil, nil, nil
	if c.a.invite == nil { // no answer to an INVITE of ours can come late
		c.a.d = nil
	}
	if c.b != nil {
		c.b.party, c.b.words, c.b.worded = nil, nil, nil
	}
}

// closeMedia gives the ports back and reads the final figures.
func (c *Call) closeMedia() []sbc.StreamStats {
	if c.session == nil {
		return nil
	}
	c.heard()
	stats := append(c.rec.media, c.streams(c.session.Close())...)
	c.session = nil
	return stats
}

// heard notes when media came last.
func (c *Call) heard() {
	if c.session == nil || c.rec.deaf {
		return
	}
	if last := c.session.LastMedia(); last.After(c.rec.lastMedia) {
		c.rec.lastMedia = last
	}
}

// abandon writes a call off that does not end by itself: its record is written, nobody is told.
func (c *Call) abandon() {
	if c.rec.written {
		if !c.forgotten { // a fault struck between the record and the end
			c.forgotten = true
			c.m.forget(c)
		}
		return
	}
	c.rec.ended(sbc.EndShutdown, sbc.SideSBC, causeTemporary)
	c.st = state{a: callerOver, b: calleeOver, ended: true}
	c.events = nil
	c.finish()
	c.moved()
}
