package call

import (
	"cmp"
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
)

// promise is a leg that another call asked for before it was answered (the semi-attended transfer: phones send a REFER with
// Replaces while their second call rings still). The call goes on until its callee answers and the transferor has said ACK, and
// then gives the leg, as in an attended transfer (RFC 5589 7). Should the transferor give up its call in the meantime, because it
// thinks that it has done its part, the other call calls the number by itself.
type promise struct {
	asked *askedLeg
	to    *Call
	media Session
	t     *transfer
	// rang tells that the other call knows that the callee rings.
	rang bool
}

// promiseLeg notes that another call waits for a leg of this one; it gives false if the call is not on its way to an answer.
func (c *Call) promiseLeg(p *promise) bool {
	if c == p.to || c.st.ended || c.promised != nil || c.st.t != targetNone || c.st.f != formerNone {
		return false
	}
	l := p.asked.beside(c)
	if l == nil || c.other(l) == nil || !c.present(l) {
		return false
	}
	switch {
	case c.st.a == callerInviting && l == c.a:
	case c.st.a == callerAnswered && (c.st.b == calleeUp || c.st.b == calleeHeld): // only the ACK is missing
	default:
		return false
	}
	c.promised = p
	c.keepPromise()
	return true
}

// keepPromise does what can be done by now about the leg that was promised.
func (c *Call) keepPromise() {
	p := c.promised
	switch {
	case c.ready():
		c.promised = nil
		if !c.handOver(p.asked, p.to, p.media) {
			p.to.notComing(p.t, 481)
		}
	case !p.rang && c.st.b == calleeRinging && !c.rec.progressAt.IsZero():
		p.rang = true
		p.to.aboutTransfer(p.t, func() {
			p.t.code = 180
			p.to.raise(evTargetProvisional)
		})
	}
}

// breakPromise is the end of a call whose leg was promised. It gives what is to be done about it once the call has given back
// all it held, nil for nothing.
func (c *Call) breakPromise() func() {
	p, h := c.promised, &c.hunt
	if p == nil {
		return nil
	}
	c.promised = nil
	switch {
	case !c.rec.answeredAt.IsZero():
		return func() { p.to.notComing(p.t, 481) }
	case h.next == 0 || c.rec.reason != sbc.EndCallerCancel && c.rec.reason != sbc.EndCallerBye:
		code := cmp.Or(h.code, 480)
		return func() { p.to.notComing(p.t, code) }
	}
	// The place that the transferor's trunk had for this call is the new call's: it was admitted once.
	t, toll, id := p.t, c.a.place, c.id
	c.a.place = nil
	toll.MoveTo(p.to.id)
	c.rec.links = append(c.rec.links, p.to.id)
	decided, number := c.decision, c.decision.caller.Number
	search := pursuit{d: &decided, t: t, plan: slices.Clone(h.plan[h.next-1:]), began: h.began, until: h.until, followed: h.followed,
		redirects: h.redirects, aside: h.aside}
	if h.next <= len(h.detours) {
		search.detours = slices.Clone(h.detours[h.next-1:])
	}
	return func() {
		p.to.post(job{kind: jobRun, run: func() { p.to.takeOver(t, search, number, toll, id) }})
	}
}

// takeOver goes on with a call that its caller, the transferor, gave up while it rang: the number is called from here.
func (c *Call) takeOver(t *transfer, search pursuit, number string, toll *admit.Place, from string) {
	if c.tr != t {
		toll.Release()
		return
	}
	c.rec.links = append(c.rec.links, from)
	t.pursuit, t.toll, t.number, t.asked = search, toll, number, nil
	t.since = len(c.hunt.attempts)
	t.in = c.inviteFrom(t.kept, number)
	c.fail(t, 487)
	c.run()
}

// unask takes back that a leg of another call is awaited: nobody needs it any more. That call goes on by itself.
func (c *Call) unask(t *transfer) {
	other := t.asked.call
	other.post(job{kind: jobRun, run: func() {
		if other.promised != nil && other.promised.t == t {
			other.promised = nil
			c.notComing(t, 487)
		}
	}})
}

// notComing tells a call that the leg that it awaits does not come. It may be called from another call's queue.
func (c *Call) notComing(t *transfer, code int) {
	c.aboutTransfer(t, func() { c.fail(t, code) })
}

// aboutTransfer has a call do something about a transfer, if that is still under way. It may be called from another call's queue.
func (c *Call) aboutTransfer(t *transfer, f func()) {
	c.post(job{kind: jobRun, run: func() {
		if c.tr == t {
			f()
			c.run()
		}
	}})
}

// fail is the end of waiting for a leg of another call.
func (c *Call) fail(t *transfer, code int) {
	t.code = code
	c.raise(evTargetFailed)
}
