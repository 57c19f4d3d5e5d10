package call

import (
	"cmp"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// hunt is the search for a callee: the attempts of the plan one after the other, and the best of what they answered.
type hunt struct {
	plan  []route.Attempt
	next  int
	offer []byte // the caller's SDP, nil in an offerless INVITE
	// stop says that the last answer is not one after which another attempt is made.
	stop bool
	// code, reason and end are what the caller is told if nobody answers, fixed by final or else the best so far; res is the
	// response they come from, of leg.
	code    int
	reason  string
	end     sbc.EndReason
	cause   int
	fixed   bool
	headers []msg.Header
	res     *msg.Message
	leg     *leg
	// attempts are those made, for the record; tags are ours in their dialogs.
	attempts []sbc.CDRAttempt
	tags     []string
}

// more tells whether another attempt would be made, should the one under way end now.
func (h *hunt) more() bool { return !h.stop && !h.fixed && h.next < len(h.plan) }

// final fixes what the caller is told.
func (h *hunt) final(code int, reason string, end sbc.EndReason) {
	if h.fixed {
		return
	}
	h.code, h.reason, h.end, h.fixed, h.res, h.cause = code, reason, end, true, nil, 0
}

// failed writes down how an attempt ended. Answered is the code for the record (0 with a word where there was none), code the one
// that counts for what follows.
func (h *hunt) failed(l *leg, answered int, word string, code int, end sbc.EndReason) {
	if l == nil {
		return
	}
	a := &h.attempts[l.attempt-1]
	if a.EndedAt != nil {
		return
	}
	t := now()
	a.EndedAt, a.Code, a.Reason = &t, answered, word
	if code == 0 {
		return
	}
	h.stop = l.trunk != nil && !l.trunk.Advances(code)
	if told := translate(code); !h.fixed && better(told, h.code) {
		h.code, h.reason, h.end, h.res, h.leg, h.cause = told, "", end, nil, l, 0
	}
}

// rungOut is what an attempt counts as that rang too long: 480 if the callee was alerted, 408 if only a 100 came.
func (h *hunt) rungOut() int {
	if n := len(h.attempts); n > 0 && h.attempts[n-1].ProgressAt != nil {
		return 480
	}
	return 408
}

// try makes the next attempt. Those that cannot even be sent are passed over.
func (c *Call) try() {
	c.release(c.b)
	for c.hunt.next < len(c.hunt.plan) && !c.hunt.fixed {
		at := &c.hunt.plan[c.hunt.next]
		c.hunt.next++
		if c.launch(at) {
			return
		}
	}
	if c.hunt.code == 0 {
		c.hunt.code, c.hunt.end = 503, sbc.EndNoRoute
	}
	c.raise(evFailed)
}

// launch makes one attempt; it gives false if nothing was sent.
func (c *Call) launch(at *route.Attempt) bool {
	trunk := c.snap.Trunk(at.TrunkID)
	l := c.newLeg(sbc.SideCallee, at.TrunkID, trunk, len(c.hunt.attempts)+1)
	l.endpointID = at.EndpointID
	c.hunt.attempts = append(c.hunt.attempts, sbc.CDRAttempt{
		Number: l.attempt, TrunkID: at.TrunkID, EndpointID: at.EndpointID, Callee: at.Number, StartedAt: now(),
	})
	if trunk == nil {
		c.hunt.failed(l, 0, "out of service", 503, sbc.EndNoRoute)
		return false
	}
	release, v := c.m.o.Tally.Call(trunk, admit.Out)
	if !v.OK {
		c.hunt.failed(l, 0, "limit", v.Code, sbc.EndLimit)
		return false
	}
	l.release = release
	body, ok := c.offerTo(l)
	if !ok {
		c.release(l)
		return false
	}
	c.m.metrics.attempts.WithLabelValues(trunk.ID, string(admit.Out)).Inc()
	c.b = l
	r := c.buildInvite(l, at)
	if body != nil {
		r.req.SetBody(accepted, body)
	}
	c.hunt.attempts[l.attempt-1].SIPCallID = r.req.CallID
	c.hunt.tags = append(c.hunt.tags, l.tag)
	c.m.calls.addTag(l.tag, l.end)
	ring := time.Duration(trunk.RingTimeoutS) * time.Second
	r.send(msg.Target{
		Host: at.Address, Port: at.Port, Transport: at.Transport, Interfaces: c.snap.InterfacesOf(at.RealmID),
	}, msg.Timers{
		NoResponse: time.Duration(trunk.NoResponseTimeoutMS) * time.Millisecond,
		C:          max(msg.DefaultC, ring+5*time.Second), // our ring timer decides, not Timer C
	})
	return true
}

// offerTo gives a leg its party and the caller's offer as the callee shall see it.
func (c *Call) offerTo(l *leg) (body []byte, ok bool) {
	at := &c.hunt.plan[c.hunt.next-1]
	l.party = c.session.Party(c.partyOptions(l, literal(at.Address)))
	if c.hunt.offer == nil {
		return nil, true
	}
	x, err := c.session.Offer(c.a.party, l.party, c.hunt.offer)
	if err != nil {
		code := mediaCode(err)
		c.m.o.Log.Debug("offer not relayed", "call_id", c.id, "error", err)
		c.hunt.failed(l, 0, "media", code, sbc.EndError)
		if code == 488 { // nobody else could make more of it
			c.hunt.final(code, "", sbc.EndError)
		}
		return nil, false
	}
	c.exchange = x
	return x.Offer(), true
}

// release gives back what an attempt that is over held: its place on the trunk, its ports, its round of offer and answer.
func (c *Call) release(l *leg) {
	if l == nil {
		return
	}
	l.leave()
	if l.party != nil && c.session != nil {
		if c.exchange != nil && l == c.b {
			c.exchange.Reject()
			c.exchange, c.answer = nil, nil
		}
		c.session.Drop(l.party)
	}
	l.party = nil
}

// leave gives a leg's place on its trunk back.
func (l *leg) leave() {
	if l.release != nil {
		l.release()
		l.release = nil
	}
}

// inviteResponse is a response to the INVITE of an attempt.
func (c *Call) inviteResponse(r *request, res *msg.Message) {
	l := r.leg
	switch {
	case r.detached || l != c.b || c.st.ended:
		c.stray(r, res)
	case res.Status/100 == 2:
		c.accepted(r, res)
	case r.done:
	case res.Status >= 300:
		r.done = true
		c.refused(r, res)
	default:
		if c.timers.t[timerRing] == nil && c.st.b == calleeCalling {
			c.arm(timerRing, time.Duration(l.trunk.RingTimeoutS)*time.Second)
		}
		if res.Status > 100 {
			l.fork(res)
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

// accepted is a 2xx. The first one wins; its repetitions are acknowledged again, those of other forks acknowledged and released (RFC
// 3261 13.2.2.4).
func (c *Call) accepted(r *request, res *msg.Message) {
	l := r.leg
	if r.done {
		if l.d.RemoteTag() == res.To.Tag() {
			c.raise(evAnswer)
		} else {
			c.dismiss(r, res)
		}
		return
	}
	r.done = true
	c.disarm(timerRing)
	c.disarm(timerGuard)
	l.choose(l.fork(res))
	l.agent = res.Get("Server")
	if l.agent == "" {
		l.agent = res.Get("User-Agent")
	}
	c.in = res
	if c.st.b != calleeCalling && c.st.b != calleeRinging { // it crossed our CANCEL
		c.raise(evAnswer)
		return
	}
	c.session.Signalling(l.party, res.Hop.Remote.Addr())
	kind, ok := c.negotiate(l, res)
	if !ok {
		c.hunt.failed(l, res.Status, "media", 488, sbc.EndError)
		c.raise(evUnusable)
		return
	}
	a := &c.hunt.attempts[l.attempt-1]
	a.Code, a.Reason, a.RemoteAddress = res.Status, "", addr(res.Hop.Remote)
	c.raise(kind)
}

// negotiate completes the offer and answer of the INVITE with a 2xx: c.answer is what the caller gets.
func (c *Call) negotiate(l *leg, res *msg.Message) (kind eventKind, ok bool) {
	body, ok := sessionBody(res)
	switch {
	case !ok:
		return 0, false
	case c.hunt.offer == nil && body == nil: // RFC 3261 13.2.1: the 2xx must carry the offer
		return 0, false
	case c.hunt.offer == nil:
		x, err := c.session.Offer(l.party, c.a.party, body)
		if err != nil {
			c.m.o.Log.Debug("offer not relayed", "call_id", c.id, "error", err)
			return 0, false
		}
		c.exchange, c.answer = x, x.Offer()
		return evOffer, true
	case body == nil: // devices are found that think the SDP of their 183 was enough
		return evAnswer, c.answer != nil
	}
	answer, err := c.exchange.Answer(body)
	if err != nil {
		c.m.o.Log.Debug("answer not relayed", "call_id", c.id, "error", err)
		return 0, false
	}
	c.answer = answer
	return evAnswer, true
}

// refused is a final failure of the attempt.
func (c *Call) refused(r *request, res *msg.Message) {
	c.disarm(timerRing)
	c.disarm(timerGuard)
	l := r.leg
	a := &c.hunt.attempts[l.attempt-1]
	a.RemoteAddress = addr(res.Hop.Remote)
	if a.EndedAt == nil && (c.st.b == calleeCalling || c.st.b == calleeRinging) {
		c.hunt.failed(l, res.Status, msg.StatusText(res.Status), res.Status, endOf(res.Status))
		if c.hunt.leg == l && !c.hunt.fixed && c.hunt.code == translate(res.Status) {
			c.hunt.res, c.hunt.cause = res, q850(res)
		}
	} else {
		c.hunt.failed(l, res.Status, msg.StatusText(res.Status), 0, "")
	}
	c.release(l)
	c.raise(evFailed)
}

// inviteFailed is an attempt without a final answer.
func (c *Call) inviteFailed(r *request, err error) {
	if r.detached || r.done || r.leg != c.b || c.st.ended {
		return
	}
	// The transaction is over for edge, not for the callee: what still comes is a stray.
	r.done, r.detached = true, true
	c.disarm(timerRing)
	c.disarm(timerGuard)
	code, word := failureCode(err)
	end := sbc.EndNoAnswer
	if code == 503 {
		end = sbc.EndNoRoute
	}
	c.hunt.failed(r.leg, 0, word, code, end)
	c.release(r.leg)
	c.raise(evFailed)
}

// stray is a response for an attempt that nobody waits for: it is put in order and changes nothing (RFC 3261 13.2.2.4, RFC 5407 3.1.2).
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
		c.ack(l, d.Ack(l.inviteSeq), d.Target())
		if !known {
			c.byeFork(l, d.Request(msg.BYE), d.Target())
		}
		return
	}
	d := dialogFor(r.req, res)
	if len(l.forks) < maxForks {
		l.forks = append(l.forks, d)
	}
	c.ack(l, d.Ack(l.inviteSeq), d.Target())
	c.byeFork(l, d.Request(msg.BYE), d.Target())
}

// byeFork releases a dialog that is not the call's.
func (c *Call) byeFork(l *leg, bye *msg.Message, t msg.Target) {
	c.own(bye)
	r := &request{c: c, leg: l, kind: reqBye, req: bye, detached: true}
	r.send(t, msg.Timers{})
}

// buildInvite builds the INVITE of an attempt. Nothing is copied from the caller's: numbers stay, hosts are ours and the target's, the rest is
// what the whitelist lets pass.
func (c *Call) buildInvite(l *leg, at *route.Attempt) *request {
	in := c.invite
	req, from := inviteTo(at, in)
	l.tag, l.inviteSeq = req.From.Tag(), req.CSeq.Seq
	forwards := 70
	if in.MaxForwards >= 0 {
		forwards = in.MaxForwards - 1 // RFC 3261 16.6 step 3, carried over the border so that loops end
	}
	req.SetMaxForwards(forwards)
	r := &request{c: c, leg: l, kind: reqInvite, req: req, contact: true, from: from.WithTag(l.tag)}
	r.pass(c.snap.Header.Request(in, c.flow(c.a, l)))
	req.Append("Allow", allowFor(l.trunk))
	c.own(req)
	l.invite = r
	return r
}

// pass puts headers of the other side that may pass.
func (r *request) pass(hs []msg.Header) {
	for _, h := range hs {
		r.req.Append(h.Name, h.Value)
		if strings.Contains(h.Value, header.HostToken) {
			r.tokens = append(r.tokens, h)
		}
	}
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
	case c.in != nil && c.in.Method == msg.CANCEL:
		hs = c.snap.Header.Request(c.in, c.flow(c.a, c.b))
	case c.rec.stop.reason != "":
		hs = []msg.Header{reasonHeader(stopCause(c.rec.stop))}
	}
	c.b.invite.tx.Cancel(hs...)
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
	c.m.o.Wire.SendACK(ack, t, func(*msg.Message, msg.Local) {}, func(raw []byte, hop msg.Hop) {
		c.ladder.add(l.side, true, l.attempt, raw, hop)
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

// ring passes a provisional response on.
func (c *Call) ring() {
	res := c.in
	if res == nil || res.Status <= 100 || res.Status == 199 {
		return
	}
	if c.rec.progressAt.IsZero() {
		c.rec.progressAt = now()
	}
	out := c.dialogReply(res.Status)
	if len(res.Body) > 0 && c.exchange != nil && c.hunt.offer != nil {
		if body, _ := sessionBody(res); body != nil {
			c.session.Signalling(c.b.party, res.Hop.Remote.Addr())
			if answer, err := c.exchange.Answer(body); err == nil {
				c.answer = answer
				out.SetBody(accepted, answer)
			}
		}
	}
	c.passResponse(out, res, c.b)
	c.send(c.tx, out)
}

// dialogReply builds a response to the caller's INVITE that makes or confirms the dialog (RFC 3261 12.1.1).
func (c *Call) dialogReply(code int) *msg.Message {
	out := c.reply(c.a, c.invite, code)
	for _, rr := range c.invite.GetAll("Record-Route") {
		out.Append("Record-Route", rr)
	}
	out.Append("Contact", c.tx.Local().Contact(c.a.user))
	out.Append("Allow", allowFor(c.a.trunk))
	return out
}

// passResponse puts what passes of a callee's response on ours.
func (c *Call) passResponse(out, res *msg.Message, from *leg) {
	for _, h := range c.snap.Header.Response(res, c.flow(from, c.other(from))) {
		out.Append(h.Name, header.Fill(h.Value, bracket(c.tx.Local().Host)))
	}
}

// answerCaller sends the 200, after the record of the answer is safe.
func (c *Call) answerCaller() {
	c.rec.answeredAt = now()
	out := c.dialogReply(200)
	if c.answer != nil {
		out.SetBody(accepted, c.answer)
	}
	if c.in != nil && c.in.Status != 0 {
		c.passResponse(out, c.in, c.b)
	}
	c.rec.finalCode, c.rec.finalReason = 200, out.Reason
	c.writeAnswered()
	c.send(c.tx, out)
	c.a.d.Confirm()
	c.session.Answered()
	if d := c.maxDuration(); d > 0 {
		c.arm(timerMax, d)
	}
	c.slim()
}

// maxDuration is the shorter of what both trunks allow.
func (c *Call) maxDuration() time.Duration {
	longest := c.a.trunk.MaxCallDurationS
	if t := c.b.trunk; t != nil {
		longest = shortest(longest, t.MaxCallDurationS)
	}
	return time.Duration(longest) * time.Second
}

// slim lets go of what an answered call needs no more: the messages of its setup live on as bytes in its ladder.
func (c *Call) slim() {
	c.invite, c.hunt.res, c.hunt.plan, c.decision.plan.Attempts = nil, nil, nil, nil
	c.hunt.offer, c.hunt.next = nil, 0
	c.b.invite.tx = nil
	old := c.b.invite.req
	c.b.invite.req = &msg.Message{Method: old.Method, RequestURI: old.RequestURI, CallID: old.CallID, From: old.From, CSeq: old.CSeq}
	if c.st.b != calleeHeld {
		c.exchange, c.answer = nil, nil
	}
}

// refuseCaller sends the final failure.
func (c *Call) refuseCaller() {
	h := &c.hunt
	if h.code == 0 {
		h.code, h.end = 500, sbc.EndError
	}
	out := c.reply(c.a, c.invite, h.code, h.headers...)
	switch {
	case h.reason != "":
		out.Reason = h.reason
	case h.res != nil && h.res.Status == h.code:
		out.Reason = cmp.Or(c.snap.Header.Phrase(h.res, c.flow(h.leg, c.a)), out.Reason)
	}
	if h.res != nil && h.code != 503 { // a Retry-After of the callee's side is not ours (RFC 3261 21.5.4)
		c.passResponse(out, h.res, h.leg)
	}
	by := sbc.SideSBC
	if h.res != nil {
		by = sbc.SideCallee
	}
	c.rec.ended(h.end, by, cmp.Or(h.cause, causeOf(h.code)))
	c.rec.finalCode, c.rec.finalReason = h.code, out.Reason
	c.rec.refusedAt = now()
	c.send(c.tx, out)
}
