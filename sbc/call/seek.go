package call

import "github.com/sallyport/sallyport/sbc"

// seek looks up what the decision of a pursuit asks. The call waits for the answer and nobody else does; a CANCEL meanwhile ends it as ever.
func (c *Call) seek(p *pursuit) {
	q := p.d.ask
	p.d.wakes = true
	c.m.ask(q, func(e *sbc.Entry, err error) {
		c.post(job{kind: jobOrder, run: func() { c.found(p, q, e, err) }})
	})
}

// found goes on with what was found.
func (c *Call) found(p *pursuit, q *question, e *sbc.Entry, err error) {
	d := p.d
	if d == nil || d.ask != q {
		return
	}
	if d.ask = nil; !c.waits(p) {
		return
	}
	c.m.answered(c.snap, d, q, e, err, p.t == nil)
	if p.t == nil && e != nil && err == nil && c.rec.sought == "" {
		c.rec.sought = e.Subscriber.ID
	}
	c.assign(p)
	c.proceed(p)
}

// waits tells whether the call still wants to know whom a pursuit leads to.
func (c *Call) waits(p *pursuit) bool {
	if p.t != nil {
		return c.targetAwaited(p.t)
	}
	switch {
	case c.st.ended:
		return false
	case c.st.b == calleeUnwanted: // of an attempt that a forward was to make
		c.raise(evFailed)
		return false
	}
	return (c.st.a == callerInviting || c.st.a == callerAway) && (c.st.b == calleeNone || c.st.b == calleeCalling)
}

// proceed goes on with the decision as far as it is made.
func (c *Call) proceed(p *pursuit) {
	d := p.d
	switch {
	case d.ask != nil:
		c.seek(p)
	case d.dest != nil && d.dest.asleep:
		c.wake(p)
	case p.t != nil && p.t != c.tr:
		c.decidedTarget(p.t)
	case p.t != nil || c.st.b == calleeCalling:
		c.goOn(p)
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
	if c.lead(&c.hunt.pursuit, d.plan.Attempts); d.code == 0 || c.announcement() != nil {
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
