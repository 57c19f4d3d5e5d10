package call

import "github.com/sallyport/sallyport/sbc"

// seek looks up who is called, or to whom the call is forwarded. The call waits for the answer and nobody else does; a CANCEL meanwhile
// ends it as ever.
func (c *Call) seek() {
	q := c.decision.ask
	c.m.ask(q, func(e *sbc.Entry, err error) {
		c.post(job{kind: jobOrder, run: func() { c.found(q, e, err) }})
	})
}

// found goes on with what was found.
func (c *Call) found(q *question, e *sbc.Entry, err error) {
	d := &c.decision
	switch {
	case c.st.ended || d.ask != q:
		return
	case c.st.b == calleeUnwanted: // of an attempt that a forward was to make
		d.ask = nil
		c.raise(evFailed)
		return
	case c.st.a != callerInviting || c.st.b != calleeNone && c.st.b != calleeCalling:
		return
	}
	c.m.answered(c.snap, d, q, e, err, false)
	if e != nil && err == nil && c.rec.sought == "" {
		c.rec.sought = e.Subscriber.ID
	}
	switch {
	case d.ask != nil:
		c.seek()
		return
	case c.st.b == calleeCalling:
		c.goOn()
		return
	}
	if d.code != 0 {
		c.hunt.final(d.code, d.reason, d.end)
	}
	if c.lead(d.plan.Attempts); d.code == 0 || c.announcement() != nil {
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
