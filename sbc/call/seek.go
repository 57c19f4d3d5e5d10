package call

import "github.com/sallyport/sallyport/sbc"

// seek looks up who is called, or to whom the call is forwarded. The call waits for the answer and nobody else does; a CANCEL meanwhile
// ends it as ever.
func (c *Call) seek() {
	q := c.decision.ask
	c.decision.wakes = true
	c.m.ask(q, func(e *sbc.Entry, err error) {
		c.post(job{kind: jobOrder, run: func() { c.found(q, e, err) }})
	})
}

// found goes on with what was found.
func (c *Call) found(q *question, e *sbc.Entry, err error) {
	d := &c.decision
	if d.ask != q {
		return
	}
	if d.ask = nil; !c.waits() {
		return
	}
	c.m.answered(c.snap, d, q, e, err, live)
	if e != nil && err == nil && c.rec.sought == "" {
		c.rec.sought = e.Subscriber.ID
	}
	c.assign()
	c.proceed()
}

// waits tells whether the call still wants to know whom it leads to.
func (c *Call) waits() bool {
	switch {
	case c.st.ended:
		return false
	case c.st.b == calleeUnwanted: // of an attempt that a forward was to make
		c.raise(evFailed)
		return false
	}
	return c.st.a == callerInviting && (c.st.b == calleeNone || c.st.b == calleeCalling)
}

// proceed goes on with the decision as far as it is made.
func (c *Call) proceed() {
	d := &c.decision
	switch {
	case d.ask != nil:
		c.seek()
	case d.dest != nil && d.dest.asleep:
		c.wake()
	case c.st.b == calleeCalling:
		c.goOn()
	default:
		c.sought()
	}
}

// sought starts the search for whom the decision leads to.
func (c *Call) sought() {
	d := &c.decision
	if d.code != 0 {
		c.refuseBy(d)
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
