package call

import "github.com/sallyport/sallyport/sbc"

// seek looks up who is called. The call waits for the answer and nobody else does; a CANCEL meanwhile ends it as ever.
func (c *Call) seek() {
	q := c.decision.ask
	c.m.ask(q, func(e *sbc.Entry, err error) {
		c.post(job{kind: jobOrder, run: func() { c.found(q, e, err) }})
	})
}

// found goes on with what was found.
func (c *Call) found(q *question, e *sbc.Entry, err error) {
	if c.st.ended || c.st.a != callerInviting || c.st.b != calleeNone || c.decision.ask != q {
		return
	}
	d := &c.decision
	c.m.answered(c.snap, d, q, e, err, false)
	if d.ask != nil {
		c.seek()
		return
	}
	if d.dest != nil {
		c.rec.sought = d.dest.entry.Subscriber.ID
	}
	if d.code != 0 {
		c.hunt.final(d.code, d.reason, d.end)
	}
	if c.hunt.plan = d.plan.Attempts; d.code == 0 || c.announcement() != nil {
		c.openMedia()
	}
	c.startHunt()
}

// startHunt starts the search, when it is known where.
func (c *Call) startHunt() {
	if c.hunt.code != 0 {
		c.hunt.plan = nil
	}
	c.raise(evStart)
}
