package call

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// proposal is a session change of our own on one leg: a re-INVITE (RFC 3261 14) or an UPDATE (RFC 3311). It waits its turn with
// the changes of the peers and is tried again after a 491.
type proposal struct {
	leg *leg
	// offer is made when the turn comes; nil refreshes the session without changing it.
	offer func() (Exchange, error)
	// method is what is sent; "" is UPDATE where the peer allows it and no body is needed, else INVITE. An INVITE without an
	// offer says again what was said last.
	method msg.Method
	// done hears nil once the peer agreed, or why not: a refusedError, errOver if the call ended first, or a fault of media. It
	// runs on the call's queue and may be nil.
	done func(err error)
	// answer is what the peer's answer became for the other side, when done hears nil.
	answer []byte

	// lost is the reason of the call's end if the peer turns out not to be there; "" is EndError.
	lost sbc.EndReason

	tries int
	after time.Time // not to be sent before, zero for at once
}

// maxProposals bounds the changes of ours that wait in one call.
const maxProposals = 16

// maxProposalTries is how often a change of ours is tried again that met one of the peer's.
const maxProposalTries = 6

// Why a change of ours came to nothing.
var (
	errOver = errors.New("call: the call is over")
	errFull = errors.New("call: too many changes wait")
)

// refusedError is a final answer that is not a 2xx; code is 408 where none came.
type refusedError struct{ code int }

func (e *refusedError) Error() string { return fmt.Sprintf("call: the peer answered %d", e.code) }

// propose puts a change of ours in the queue. It is sent before the job ends, if nothing else is under way.
func (c *Call) propose(p *proposal) {
	switch {
	case c.st.ended:
		p.finish(errOver)
	case len(c.proposals) >= maxProposals:
		p.finish(errFull)
	default:
		c.proposals = append(c.proposals, p)
	}
}

// finish tells whoever asked for the change.
func (p *proposal) finish(err error) {
	if p.done != nil {
		p.done(err)
	}
}

// settled tells whether a leg's dialog is there on both sides, with its INVITE acknowledged: only then is a change of ours
// allowed.
func (c *Call) settled(l *leg) bool {
	switch l {
	case c.a:
		return c.st.a == callerUp
	case c.b:
		return c.st.b == calleeUp && l.desk == nil
	}
	return false
}

// advance sends the first change of ours whose turn it is. While a peer's own change waits after a 491 there is none: both
// peers have a request of theirs under way and would refuse ours (RFC 3261 14.2).
func (c *Call) advance() {
	for c.up == nil && c.parked == nil && c.advanceOne() {
	}
}

// advanceOne takes one change off the queue; false if none may be sent now.
func (c *Call) advanceOne() bool {
	t := now()
	var soonest time.Time
	for i, p := range c.proposals {
		switch {
		case !c.settled(p.leg), p.leg.changing != nil: // RFC 3261 14.1: one at a time
		case p.after.After(t):
			soonest = earliest(soonest, p.after)
		default:
			c.proposals = slices.Delete(c.proposals, i, i+1)
			c.offerOwn(p)
			return true
		}
	}
	if !soonest.IsZero() && c.timers.t[timerPropose] == nil {
		c.arm(timerPropose, soonest.Sub(t))
	}
	return false
}

// offerOwn sends a change of ours.
func (c *Call) offerOwn(p *proposal) {
	u := &update{to: p.leg, own: p}
	method, offer := p.method, p.offer
	if method == "" {
		method = msg.INVITE
		if offer == nil && p.leg.updates == answerYes {
			method = msg.UPDATE
		}
	}
	if offer == nil && method == msg.INVITE { // RFC 4028 7.4: one that changes nothing
		offer = func() (Exchange, error) { return c.session.Renew(p.leg.party, media.Unchanged) }
	}
	if offer != nil {
		x, err := offer()
		if err != nil {
			c.m.o.Log.Debug("offer not made", "call_id", c.id, "error", err)
			p.finish(err)
			return
		}
		u.x = x
	}
	c.up = u
	r := &request{c: c, leg: p.leg, kind: reqChange, req: p.leg.d.Request(method), contact: true, up: u}
	c.own(r.req)
	r.req.Append("Allow", p.leg.allow)
	if u.x != nil {
		r.req.SetBody(accepted, u.x.Offer())
	}
	c.askTimer(p.leg, r.req)
	u.out, p.leg.changing = r, r
	r.send(p.leg.d.Target(), msg.Timers{})
}

// ownResponse is a response to a change of ours.
func (c *Call) ownResponse(r *request, res *msg.Message) {
	u := r.up
	switch {
	case res.Status < 200:
		return
	case c.up != u || r.done:
		if res.Status/100 == 2 && r.req.Method == msg.INVITE { // RFC 3261 13.2.2.4: each 2xx gets its ACK
			c.ackChange(r)
		}
		return
	}
	r.done = true
	if res.Status < 300 {
		c.agreed(u, r, res)
		return
	}
	c.endUpdate(u)
	wait, again := c.againAfter(u, r, res)
	if again && u.own.tries < maxProposalTries {
		u.own.tries++
		u.own.after = now().Add(wait)
		c.proposals = slices.Insert(c.proposals, 0, u.own)
		c.next()
		return
	}
	u.own.finish(&refusedError{code: res.Status})
	if res.Status == 481 || res.Status == 408 { // RFC 3261 12.2.1.2, RFC 5057 5.1
		c.notThere(u)
		return
	}
	c.next()
}

// againAfter tells whether a refused change of ours is worth another try, and how long to wait for it.
func (c *Call) againAfter(u *update, r *request, res *msg.Message) (wait time.Duration, again bool) {
	switch code := res.Status; {
	case code == 491:
		return glareWait(u.to), true
	case code == 500: // RFC 3261 14.2: the peer has not answered an earlier one
		s, err := strconv.Atoi(res.Get("Retry-After"))
		return time.Duration(max(s, 1)) * time.Second, err == nil && s <= 10
	case code == 422:
		return 0, c.longer(u.to, r.req, res)
	case (code == 405 || code == 501) && r.req.Method == msg.UPDATE && u.own.method == "":
		u.to.updates = answerNo
		return 0, true
	}
	return 0, false
}

// glareWait is how long a change refused with 491 waits (RFC 3261 14.1): 2.1 to 4 s if the Call-ID is ours, else up to 2 s.
func glareWait(l *leg) time.Duration {
	if l.d.Owner() {
		return 2100*time.Millisecond + time.Duration(rand.IntN(191))*10*time.Millisecond
	}
	return time.Duration(rand.IntN(201)) * 10 * time.Millisecond
}

// agreed is a 2xx to a change of ours.
func (c *Call) agreed(u *update, r *request, res *msg.Message) {
	u.to.d.Refresh(res)
	u.to.d.Learn(res.Hop)
	u.to.hears(res)
	c.timerAgreed(u.to, r.req, res)
	if r.req.Method == msg.INVITE {
		c.ackChange(r)
	}
	var err error
	if u.x != nil {
		if body := u.answerIn(res); body == nil {
			err = errNoSDP
		} else {
			u.own.answer, err = u.x.Answer(body)
		}
	}
	if err != nil {
		c.m.o.Log.Debug("answer to an offer of ours not taken", "call_id", c.id, "error", err)
		c.endUpdate(u)
	}
	c.up = nil
	if err == nil {
		c.noteHold()
		if u.x != nil && u.x.Moved() {
			c.reroute(u.to, c.other(u.to), true, nil)
		}
	}
	u.own.finish(err)
	c.keep()
	c.next()
}

// ownFailed is a change of ours without an answer: as 408 (RFC 3261 12.2.1.2).
func (c *Call) ownFailed(r *request, err error) {
	u := r.up
	if c.up != u || r.done {
		return
	}
	r.done = true
	c.endUpdate(u)
	code, _ := failureCode(err)
	u.own.finish(&refusedError{code: code})
	c.notThere(u)
}

// notThere ends the call after a change of ours that found nobody.
func (c *Call) notThere(u *update) {
	if u.own.lost == sbc.EndSessionTimer {
		c.expire(detectorTimer, u.to, u.own.lost)
		return
	}
	c.lost(u.to)
}

// dropProposals gives up the changes of ours on one leg, or on all with nil: their dialogs end.
func (c *Call) dropProposals(l *leg) {
	dropped := c.proposals
	c.proposals = nil
	for _, p := range dropped {
		if l != nil && p.leg != l {
			c.proposals = append(c.proposals, p)
			continue
		}
		p.finish(errOver)
	}
	if u := c.up; u != nil && u.own != nil && (l == nil || u.to == l) {
		c.endUpdate(u)
		u.own.finish(errOver)
	}
	if len(c.proposals) == 0 {
		c.disarm(timerPropose)
	}
}
