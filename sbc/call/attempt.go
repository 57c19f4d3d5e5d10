package call

import (
	"cmp"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// inviteResponse is a response to the INVITE of an attempt.
func (c *Call) inviteResponse(r *request, res *msg.Message) {
	l := r.leg
	l.turn(r)
	switch {
	case c.tr != nil && l == c.tr.target:
		c.targetResponse(r, res)
	case r.detached || l != c.b || c.st.ended:
		c.stray(r, res)
	case res.Status/100 == 2:
		c.accepted(r, res)
	case r.done:
	case res.Status >= 300:
		r.done = true
		if !c.askAgain(r, res) {
			c.refused(r, res)
		}
	default:
		if c.timers.t[timerRing] == nil && c.st.b == calleeCalling {
			c.arm(timerRing, c.ringing(&c.hunt.pursuit, l))
		}
		if res.Status > 100 {
			d := l.fork(res)
			if !c.inOrder(l, d, res) {
				return
			}
			if d != nil { // early media is that of the fork heard last
				l.choose(d)
			}
			c.hunt.attempts[l.attempt-1].RemoteAddress = addr(res.Hop.Remote)
			if a := &c.hunt.attempts[l.attempt-1]; a.ProgressAt == nil {
				t := now()
				a.ProgressAt = &t
			}
		}
		c.in = res
		c.raise(evProvisional)
	}
}

// accepted is a 2xx. The first one wins; its repetitions are acknowledged again, those of other forks acknowledged and released
// (RFC 3261 13.2.2.4).
func (c *Call) accepted(r *request, res *msg.Message) {
	if !c.first(r, res, evAnswer) {
		return
	}
	l := r.leg
	c.reached(l, res.Status)
	c.in = res
	if c.st.b != calleeCalling && c.st.b != calleeRinging { // it crossed our CANCEL
		c.raise(evAnswer)
		return
	}
	c.session.Signalling(l.party, res.Hop.Remote.Addr())
	c.timerAgreed(l, r.req, res)
	kind, ok := c.negotiate(l, res)
	if !ok {
		c.hunt.failed(l, res.Status, "media", 488, sbc.EndError)
		c.raise(evUnusable)
		return
	}
	a := &c.hunt.attempts[l.attempt-1]
	a.Code, a.Reason, a.RemoteAddress = res.Status, "", addr(res.Hop.Remote)
	if c.owed() {
		c.rel.held, kind = res, evAnswerHeld
	}
	c.raise(kind)
}

// first takes the first 2xx of an INVITE of ours; false for a later one, which is acknowledged by again or dismissed.
func (c *Call) first(r *request, res *msg.Message, again eventKind) bool {
	l := r.leg
	if r.done {
		if l.d.RemoteTag() == res.To.Tag() {
			c.raise(again)
		} else {
			c.dismiss(r, res)
		}
		return false
	}
	r.done = true
	c.disarm(timerRing)
	c.disarm(timerGuard)
	l.choose(l.fork(res))
	c.won(r)
	l.hears(res)
	l.agent = cmp.Or(res.Get("Server"), res.Get("User-Agent"))
	return true
}

// negotiate completes the offer and answer of the INVITE with a 2xx: c.answer is what the caller gets.
func (c *Call) negotiate(l *leg, res *msg.Message) (kind eventKind, ok bool) {
	body, ok := sessionBody(res)
	f := l.forkOf(l.d)
	body = l.firstAnswer(body)
	switch {
	case !ok:
		return 0, false
	case f != nil && f.agreed && body == nil: // it was answered in a PRACK, or changed by a later round
		return evAnswer, true
	case c.hunt.offer == nil && body == nil: // RFC 3261 13.2.1: the 2xx must carry the offer
		return 0, false
	case c.hunt.offer == nil:
		c.goDirect(l, l, body)
		x, err := c.session.Offer(l.party, c.a.party, body)
		if err != nil {
			c.m.o.Log.Debug("offer not relayed", "call_id", c.id, "error", err)
			c.unsealedMedia(l, err)
			return 0, false
		}
		c.exchange, c.answer = x, x.Offer()
		return evOffer, true
	case body == nil: // devices are found that think the SDP of their 183 was enough
		return evAnswer, c.answer != nil
	}
	answer, err := c.answerBy(l, body)
	if err != nil {
		c.m.o.Log.Debug("answer not relayed", "call_id", c.id, "error", err)
		c.unsealedMedia(l, err)
		return 0, false
	}
	c.answer = answer
	return evAnswer, true
}

// refused is a final failure of the attempt.
func (c *Call) refused(r *request, res *msg.Message) {
	l := r.leg
	if res.Status == 430 && c.nextFlow(r, 430, msg.StatusText(430)) {
		return
	}
	a := &c.hunt.attempts[l.attempt-1]
	a.RemoteAddress = addr(res.Hop.Remote)
	answered := res.Status
	c.reached(l, answered)
	res = c.mapped(l, res)
	switch waited := a.EndedAt == nil && (c.st.b == calleeCalling || c.st.b == calleeRinging); {
	case waited && c.redirected(l, res):
	case waited && c.opensUp(r, res):
		c.hunt.failed(l, answered, msg.StatusText(answered), 0, "")
	case waited:
		c.hunt.failed(l, answered, msg.StatusText(answered), l.counts(res.Status), endOf(l.counts(res.Status)))
		if c.hunt.leg == l && !c.hunt.fixed && c.hunt.code == translate(res.Status) {
			c.hunt.res, c.hunt.cause = res, q850(res)
		}
	default:
		c.hunt.failed(l, answered, msg.StatusText(answered), 0, "")
	}
	c.attemptOver(l, res.Status)
}

// inviteFailed is an attempt without a final answer.
func (c *Call) inviteFailed(r *request, err error) {
	if c.tr != nil && r.leg == c.tr.target {
		c.targetFailed(r, err)
		return
	}
	if r.detached || r.done || r.leg != c.b || c.st.ended {
		return
	}
	// The transaction is over for edge, not for the callee: what still comes is a stray.
	r.leg.turn(r)
	code, word := failureCode(err)
	c.unreached(r.leg, err, c.st.b == calleeCalling || c.st.b == calleeRinging)
	if c.nextFlow(r, 0, word) {
		return
	}
	r.done, r.detached = true, true
	end := sbc.EndNoAnswer
	if code = r.leg.counts(code); code == 503 {
		end = sbc.EndNoRoute
	}
	c.hunt.failed(r.leg, 0, word, code, end)
	c.attemptOver(r.leg, 0)
}

// stray is a response for an attempt that nobody waits for: it is put in order and changes nothing (RFC 3261 13.2.2.4, RFC 5407
// 3.1.2).
func (c *Call) stray(r *request, res *msg.Message) {
	switch {
	case res.Status/100 == 1 && !r.done, res.Status/100 == 1 && r.detached:
		if r.tx != nil {
			r.tx.Cancel()
		}
	case res.Status/100 == 2:
		c.dismiss(r, res)
	}
}

// dismiss acknowledges a 2xx nobody wants and releases its dialog, once.
func (c *Call) dismiss(r *request, res *msg.Message) {
	l, tag := r.leg, res.To.Tag()
	for _, d := range append(l.forks, l.d) {
		if d == nil || d.RemoteTag() != tag {
			continue
		}
		known := d.Confirmed()
		d.Answered(res)
		c.ack(l, d.Ack(r.sequence()), d.Target())
		if !known {
			c.byeFork(l, d.Request(msg.BYE), d.Target())
		}
		return
	}
	d := r.opens(res) // a 2xx always makes one
	if len(l.forks) < maxForks {
		l.forks = append(l.forks, d)
	}
	c.ack(l, d.Ack(r.sequence()), d.Target())
	if l.dismissed++; l.dismissed <= maxDismissed {
		c.byeFork(l, d.Request(msg.BYE), d.Target())
	}
}

// maxDismissed bounds the dialogs of one INVITE that are released with a BYE: no proxy forks that often.
const maxDismissed = 2 * maxForks

// byeFork releases a dialog that is not the call's.
func (c *Call) byeFork(l *leg, bye *msg.Message, t msg.Target) {
	c.own(bye)
	r := &request{c: c, leg: l, kind: reqBye, req: bye, detached: true}
	r.send(t, msg.Timers{})
}

// cancelCallee cancels the attempt, with the caller's reason or ours (RFC 3326).
func (c *Call) cancelCallee() {
	c.disarm(timerRing)
	wait := cancelAlone
	if c.st.a == callerInviting {
		wait = cancelWaiting
	}
	c.arm(timerGuard, wait)
	var hs []msg.Header
	switch {
	case c.hunt.gone != nil:
		hs = filled(c.snap.Header.Request(c.hunt.gone, c.flow(c.a, c.b)), c.b.invite.tx.Local().Host)
	case c.rec.stop.reason != "":
		hs = []msg.Header{reasonHeader(stopCause(c.rec.stop))}
	}
	c.b.cancel(c.ruledHeaders(c.b, hs)...)
}

const (
	// cancelWaiting is how long a caller who could be sent elsewhere waits for the end of a cancelled attempt.
	cancelWaiting = 4 * time.Second
	// cancelAlone is how long a cancelled INVITE may stay without a final answer (RFC 3261 9.1: 64*T1).
	cancelAlone = 32 * time.Second
)

// ackCallee acknowledges the callee's 2xx, again and again if need be.
func (c *Call) ackCallee() {
	l := c.b
	if l.desk != nil {
		c.serve()
		return
	}
	ack := l.d.Ack(l.inviteSeq)
	if l.ackBody != nil {
		ack.SetBody(accepted, l.ackBody)
	}
	l.acked = true
	c.ack(l, ack, l.d.Target())
}

// ack sends an ACK.
func (c *Call) ack(l *leg, ack *msg.Message, t msg.Target) {
	c.own(ack)
	ack = l.prover.repeat(c.ruled(l, ack))
	prepare := func(*msg.Message, msg.Local) {}
	if l.rules != nil {
		prepare = func(m *msg.Message, local msg.Local) { header.FillAll(m, local.Host) }
	}
	side, attempt := l.side, l.attempt // told from outside the queue
	c.m.o.Wire.SendACK(ack, t, prepare, func(raw []byte, hop msg.Hop) {
		c.ladder.add(side, true, attempt, raw, hop)
	})
}

// lateAnswer takes the caller's answer to the callee's offer out of its ACK; without one there is no session.
func (c *Call) lateAnswer(ack *msg.Message) {
	body, _ := sessionBody(ack)
	if body != nil && c.exchange != nil {
		answer, err := c.exchange.Answer(body)
		if err == nil {
			c.b.ackBody = answer
			return
		}
		c.m.o.Log.Debug("late answer not relayed", "call_id", c.id, "error", err)
	}
	c.raise(evAck) // before the stop, so that the callee gets its ACK first
	c.stop(stopOrder{reason: sbc.EndError, text: "no answer in the ACK"})
}
