package call

import (
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// A subscriber may have many phones, and an attempt rings all of them at once. Each has an INVITE of its own, a branch; all of them
// have the same Call-ID and the same tag of ours, as if one INVITE had been forked on its way (RFC 3261 16.6), so that the leg's
// dialogs are what they are for forks of others. The machine sees one callee: it hears of a provisional response of any branch, of
// the first 2xx, and of a failure when no branch is left.

// maxPhones bounds the phones of one attempt.
const maxPhones = 32

// completedElsewhere tells phones that another one answered, so that they show no missed call (RFC 3326 3.1).
const completedElsewhere = `SIP;cause=200;text="Call completed elsewhere"`

// ringPhones sends the INVITE of an attempt to all phones of a subscriber.
func (c *Call) ringPhones(base *request, at *route.Attempt) {
	l, phones := base.leg, at.Callee.Phones
	phones = phones[:min(len(phones), maxPhones)]
	l.branches = make([]*request, 0, len(phones))
	first := l.attempt
	for i := range phones {
		if i > 0 {
			c.anotherAttempt(l)
		}
		c.invitePhone(base, &phones[i])
	}
	l.attempt = first
	l.invite = l.branches[0]
}

// anotherAttempt begins another line of the record for a leg.
func (c *Call) anotherAttempt(l *leg) {
	a := sbc.CDRAttempt{Number: len(c.hunt.attempts) + 1, StartedAt: now()}
	before := &c.hunt.attempts[l.attempt-1]
	a.TrunkID, a.Callee, a.SubscriberID = before.TrunkID, before.Callee, before.SubscriberID
	a.ForwardedBy, a.ForwardReason = before.ForwardedBy, before.ForwardReason
	c.hunt.attempts = append(c.hunt.attempts, a)
	l.attempt = a.Number
}

// invitePhone sends a branch, which is the base but for whom it is for. The line of the record is the leg's newest.
func (c *Call) invitePhone(base *request, p *route.Phone) {
	l := base.leg
	req := *base.req
	req.Headers = slices.Clone(req.Headers)
	r := &request{
		c: c, leg: l, kind: reqInvite, req: &req, contact: true, from: base.from, open: slices.Clone(base.open), flows: p.Others,
	}
	r.toPhone(p)
	if base.settled != nil { // the rules were applied to it
		r.settled = r.req
	}
	a := &c.hunt.attempts[l.attempt-1]
	a.RegistrationID, a.SIPCallID = p.RegistrationID, req.CallID
	l.branches = append(l.branches, r)
	to := p.Target
	to.Secure = c.sips()
	c.sendInviteTo(r, to)
}

// toPhone makes an INVITE one for a phone.
func (r *request) toPhone(p *route.Phone) {
	r.req.Remove("Via")
	r.req.Remove("Route")
	r.req.RequestURI = p.URI
	for _, by := range p.Routes {
		r.req.Append("Route", by)
	}
}

// turn makes the branch that was just heard the one that the leg is about.
func (l *leg) turn(r *request) {
	if l.branches == nil || r.detached {
		return
	}
	l.invite, l.attempt, l.inviteSeq = r, r.attempt, r.req.CSeq.Seq
}

// rings tells whether a branch is left that may still answer.
func (l *leg) rings() bool {
	return slices.ContainsFunc(l.branches, func(r *request) bool { return !r.done && !r.detached })
}

// awaits tells whether somebody waits for the leg to answer.
func (c *Call) awaits(l *leg) bool {
	if c.tr != nil && l == c.tr.target {
		return c.st.t == targetCalling || c.st.t == targetRinging
	}
	return l == c.b && (c.st.b == calleeCalling || c.st.b == calleeRinging)
}

// nextFlow tries the next flow of a phone whose flow failed; false if it has none, or nobody waits (RFC 5626 5.3).
func (c *Call) nextFlow(r *request, answered int, word string) bool {
	l := r.leg
	if len(r.flows) == 0 || !c.awaits(l) {
		return false
	}
	c.attemptEnded(r.attempt, answered, word)
	r.done, r.detached = true, true
	l.attempt = r.attempt
	c.anotherAttempt(l)
	next := r.flows[0]
	next.Others = r.flows[1:]
	c.invitePhone(r, &next)
	return true
}

// attemptEnded notes that an attempt is over, if it is not.
func (c *Call) attemptEnded(number, answered int, word string) {
	if a := &c.hunt.attempts[number-1]; a.EndedAt == nil {
		a.EndedAt, a.Code, a.Reason = when(now()), answered, word
	}
}

// won makes the branch whose 2xx came first the leg's INVITE. The others are cancelled; what still comes of them is put in order as of
// strangers (RFC 3261 13.2.2.4).
func (c *Call) won(r *request) {
	l := r.leg
	branches := l.branches
	l.branches = nil
	word := "answered elsewhere"
	if !c.awaits(l) {
		word = "cancelled"
	}
	for _, b := range branches {
		if b == r || b.detached {
			continue
		}
		c.attemptEnded(b.attempt, 0, word)
		if !b.done {
			b.tx.Cancel(c.ruledHeaders(l, []msg.Header{{Name: "Reason", Value: completedElsewhere}})...)
		}
		b.detached = true
	}
}

// cancel cancels what of the leg's INVITE has no final answer.
func (l *leg) cancel(hs ...msg.Header) {
	if l.branches == nil {
		l.invite.tx.Cancel(hs...)
		return
	}
	for _, b := range l.branches {
		if !b.done && !b.detached {
			b.tx.Cancel(hs...)
		}
	}
}

// detach gives the leg's INVITE up: what still comes for it is a stray.
func (l *leg) detach() {
	l.invite.detached = true
	for _, b := range l.branches {
		b.detached = true
	}
}

// eachRinging runs f with the leg turned to each branch that has no final answer; once for an attempt that has no branches.
func (l *leg) eachRinging(f func()) {
	if l.branches == nil {
		f()
		return
	}
	for _, b := range l.branches {
		if !b.done && !b.detached {
			l.turn(b)
			f()
		}
	}
}

// stops tells whether a failure of the leg ends the search. Of the phones of a subscriber only 6xx speaks for all (RFC 3261 16.7 step 5).
func (l *leg) stops(code int, before bool) bool {
	if l.branches != nil {
		return before || code/100 == 6
	}
	return l.trunk != nil && !l.trunk.Advances(code)
}

// counts gives the code as which a failure of one phone counts: for a caller it makes no difference that its way there is broken, and
// that two contacts lead to the same phone (RFC 3261 8.2.2.2) concerns nobody.
func (l *leg) counts(code int) int {
	if l.branches != nil && (code == 503 || code == 430 || code == 482 || code == 408) {
		return 480
	}
	return code
}

// lesser tells whether a failure of a phone says less than that of one before: that one is not there, where another one is busy.
func (l *leg) lesser(code, best int) bool {
	return l.branches != nil && code == 480 && best/100 == 4 && best != 408
}

// attemptOver follows the end of the leg's attempt, or of a branch of it.
func (c *Call) attemptOver(l *leg, code int) {
	switch {
	case !l.rings():
		c.disarm(timerRing)
		c.disarm(timerGuard)
		c.release(l)
		c.raise(evFailed)
	case code/100 == 6 && c.awaits(l): // RFC 3261 16.7 step 5: nobody else need answer
		l.eachRinging(func() { c.attemptEnded(l.attempt, 0, "cancelled") })
		c.raise(evRungOut)
	}
}

// targetOver is attemptOver for the target of a transfer.
func (c *Call) targetOver(l *leg, code int) {
	switch {
	case !l.rings():
		c.disarm(timerRing)
		c.disarm(timerGuard)
		c.raise(evTargetFailed)
	case code/100 == 6 && c.awaits(l):
		l.eachRinging(func() { c.attemptEnded(l.attempt, 0, "cancelled") })
		c.raise(evTargetRungOut)
	}
}
