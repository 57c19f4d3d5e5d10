package call

import (
	"cmp"
	"math/rand/v2"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// phase is how far a session change is.
type phase uint8

const (
	phaseSent   phase = iota // carried on, answer awaited
	phaseAck                 // 200 sent to a re-INVITE, ACK awaited
	phaseParked              // refused with 491, to be tried again
)

// update is a wish of one side to change the session: a re-INVITE (RFC 3261 14) or an UPDATE with an offer (RFC 3311). At most
// one is under way in a call; one more may wait after a 491 for its delay.
type update struct {
	from, to *leg
	tx       msg.ServerTx
	req      *msg.Message
	offer    []byte // nil: a re-INVITE without one, answered by the other side with an offer
	x        Exchange
	out      *request
	phase    phase
	tries    int
	// as is the method it is carried on by, "" for its own; rack is what a PRACK acknowledges (RFC 3262 7.2).
	as   msg.Method
	rack string
	// rseq is the number of the newest reliable provisional response to it, assured the answer that one of them brought.
	rseq    uint32
	assured []byte
	// own is set for a change of ours, which comes from no leg.
	own *proposal
}

// maxRetries is how often a change refused with 491 is tried again before the refusal is passed back.
const maxRetries = 2

// change is a re-INVITE or an UPDATE with an offer.
func (c *Call) change(l *leg, tx msg.ServerTx, req *msg.Message) {
	offer, ok := sessionBody(req)
	if !ok {
		c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: accepted}))
		return
	}
	if c.small(l, tx, req) {
		return
	}
	if code := c.glare(l, req.Method); code != 0 {
		var hs []msg.Header
		if code == 500 { // RFC 3261 14.2, RFC 3311 5.2: between 0 and 10 s
			hs = []msg.Header{{Name: "Retry-After", Value: strconv.Itoa(rand.IntN(11))}}
		}
		c.send(tx, c.reply(l, req, code, hs...))
		return
	}
	c.yield(l)
	u := &update{from: l, to: c.other(l), tx: tx, req: req, offer: offer}
	if c.up != nil { // ours toward the other side; this one's turn comes after it
		u.phase, c.parked = phaseParked, u
		return
	}
	c.begin(u)
}

// yield gives the change of the other side that waits after a 491 back to its peer, with that 491: what l wishes could not be
// carried to a peer that has a request of its own under way, it would refuse it (RFC 3261 14.2). The peer tries again by itself.
func (c *Call) yield(l *leg) {
	u := c.parked
	if u == nil || u.from == l {
		return
	}
	c.parked = nil
	c.disarm(timerRetry)
	c.refuseUpdate(u, 491)
}

// glare gives the code with which a change is refused for now, 0 if it may go on.
func (c *Call) glare(l *leg, method msg.Method) int {
	switch {
	case c.st.a == callerUp && c.st.b == calleeUp, c.open(c.other(l)):
	case c.st.a == callerInviting && l == c.a: // RFC 3261 14.2, RFC 3311 5.2: its INVITE's offer is not answered
		return 500
	case c.st.a == callerInviting, c.st.a == callerAnswered: // RFC 3261 14.2: our INVITE, or the ACK of one, is under way
		return 491
	case c.st.a == callerAway && c.st.b == calleeUp, c.st.a == callerUp && c.st.b == calleeAway:
		return 500 // its peer has left, the target of a transfer is not there yet: soon
	default: // a BYE is under way (RFC 5407 3.2.2)
		return 481
	}
	switch {
	case c.up == nil && l.changing != nil: // ours is under way although nobody waits for it any more
		return 491
	case c.up == nil && c.other(l).changing != nil:
		return 500
	case c.up == nil && (c.parked == nil || c.parked.from != l):
		return 0
	case c.up == nil, c.up.from == l, c.parked != nil && c.parked.from == l: // the peer's own earlier one is not answered
		return 500
	case c.up.own != nil && c.up.to != l:
		return 0
	}
	return 491 // RFC 3261 14.2: ours toward this peer is under way
}

// begin carries a change on to the other side.
func (c *Call) begin(u *update) {
	c.up = u
	u.phase = phaseSent
	var body []byte
	if u.offer != nil {
		x, err := c.session.Offer(u.from.party, u.to.party, u.offer)
		if err != nil {
			c.m.o.Log.Debug("offer not relayed", "call_id", c.id, "error", err)
			c.unsealedMedia(u.from, err)
			c.refuseUpdate(u, mediaCode(err))
			c.next()
			return
		}
		u.x, body = x, x.Offer()
	}
	method := c.carriedBy(u)
	r := c.carryAs(method, u.from, u.to, u.to.d, u.req)
	r.kind, r.contact, r.up = reqChange, method != msg.PRACK, u
	if u.rack != "" {
		r.req.Append("RAck", u.rack)
	}
	r.req.Append("Allow", u.to.allow)
	if body != nil {
		r.req.SetBody(accepted, body)
	}
	if c.st.a != callerInviting { // before that the INVITE speaks of it
		c.askTimer(u.to, r.req)
	}
	u.out = r
	if method != msg.PRACK {
		u.to.changing = r
	}
	r.send(u.to.d.Target(), msg.Timers{})
}

// carriedBy gives the method by which a change is carried on: its own, but a re-INVITE to a peer that takes no UPDATE.
func (c *Call) carriedBy(u *update) msg.Method {
	method := cmp.Or(u.as, u.req.Method)
	if method == msg.UPDATE && u.to.updates == answerNo && c.settled(u.to) {
		return msg.INVITE
	}
	return method
}

// carryOn builds the request on one leg that stands for a request on the other.
func (c *Call) carryOn(from, to *leg, in *msg.Message, kind requestKind) *request {
	r := c.carryAs(in.Method, from, to, to.d, in)
	r.kind = kind
	return r
}

// carryAs is carryOn by another method, or in another of the leg's dialogs.
func (c *Call) carryAs(method msg.Method, from, to *leg, d *dialog.Dialog, in *msg.Message) *request {
	req := d.Request(method)
	if in.MaxForwards >= 0 {
		req.SetMaxForwards(max(0, in.MaxForwards-1))
	}
	r := &request{c: c, leg: to, req: req}
	r.pass(c.snap.Header.Request(in, c.flow(from, to)))
	c.own(req)
	return r
}

// changeResponse is a response to a change that was carried on.
func (c *Call) changeResponse(r *request, res *msg.Message) {
	u := r.up
	if res.Status >= 200 {
		r.settles()
	} else {
		c.assuredChange(r, res)
	}
	switch {
	case u != nil && u.own != nil:
		c.ownResponse(r, res)
	case res.Status < 200:
	case u == nil || c.up != u || u.out != r || u.phase == phaseParked || r.done:
		c.repeated(r, res)
	case res.Status < 300:
		r.done = true
		c.changed(u, r, res)
	case res.Status == 491 && u.tries < maxRetries && c.parked == nil: // RFC 3261 14.1
		r.done = true
		c.park(u)
	case u.tries < maxRetries && c.otherwise(u, r, res):
		r.done = true
		u.tries++
		if u.x != nil {
			u.x.Reject()
			u.x = nil
		}
		c.begin(u)
	default:
		r.done = true
		c.refusedChange(u, res)
	}
}

// otherwise tells whether a change that was refused may be tried again at once in another form: with the longer interval that a
// 422 asks for (RFC 4028 7.3), or as a re-INVITE to a peer that does not take UPDATE.
func (c *Call) otherwise(u *update, r *request, res *msg.Message) bool {
	switch {
	case res.Status == 422:
		return c.longer(u.to, r.req, res)
	case (res.Status == 405 || res.Status == 501) && r.req.Method == msg.UPDATE && u.offer != nil && c.settled(u.to):
		u.to.updates = answerNo
		return true
	}
	return false
}

// repeated is a final response to a change that has been dealt with: each 2xx to an INVITE gets its ACK (RFC 3261 13.2.2.4).
func (c *Call) repeated(r *request, res *msg.Message) {
	if res.Status/100 != 2 || r.req.Method != msg.INVITE {
		return
	}
	if held := c.up != nil && c.up.out == r && !r.acked; held && c.up.offer == nil {
		return // its ACK waits for the answer
	}
	c.ackChange(r)
}

// ackChange acknowledges the 2xx to a re-INVITE.
func (c *Call) ackChange(r *request) {
	ack := r.leg.d.Ack(r.req.CSeq.Seq)
	if r.ackBody != nil {
		ack.SetBody(accepted, r.ackBody)
	}
	r.acked = true
	c.ack(r.leg, ack, r.leg.d.Target())
}

// changed is a 2xx: the other side agrees.
func (c *Call) changed(u *update, r *request, res *msg.Message) {
	u.to.d.Refresh(res)
	u.to.d.Learn(res.Hop)
	u.to.hears(res)
	early := c.st.a == callerInviting
	if !early {
		c.timerAgreed(u.to, r.req, res)
	}
	body := u.answerIn(res)
	var answer []byte
	var err error
	switch {
	case body == nil && u.offer != nil, body == nil && u.req.Method == msg.INVITE:
		err = errNoSDP
	case u.offer == nil: // the offer came in the 2xx; the answer will come in the ACK
		if u.x, err = c.session.Offer(u.to.party, u.from.party, body); err == nil {
			answer = u.x.Offer()
		}
	default:
		answer, err = u.x.Answer(body)
	}
	if r.req.Method == msg.INVITE && (u.offer != nil || err != nil) {
		c.ackChange(r)
	}
	if err != nil { // the old session stays on our side; the peer that asked is told so
		c.m.o.Log.Debug("answer not relayed", "call_id", c.id, "error", err)
		c.refuseUpdate(u, 488)
		c.next()
		return
	}
	out := c.reply(u.from, u.req, 200)
	if u.req.Method != msg.PRACK {
		u.from.d.Refresh(u.req)
		out.Append("Contact", c.contact(u.from, u.tx.Local()))
	}
	out.Append("Allow", u.from.allow)
	c.passTo(out, res, u.to, u.tx)
	out.SetBody(accepted, answer)
	if early {
		c.reanswered()
	} else {
		c.answerTimer(u.from, u.req, out)
		c.keep()
		c.noteHold()
		c.holdAgain()
	}
	u.phase = phaseAck
	c.send(u.tx, out)
	if u.req.Method != msg.INVITE {
		c.next()
	}
}

// updateAcked is the ACK of the re-INVITE under way: it may carry the answer to the other side's offer.
func (c *Call) updateAcked(ack *msg.Message) {
	u := c.up
	u.tx.Acked()
	if u.offer == nil {
		if body, _ := sessionBody(ack); body != nil {
			answer, err := u.x.Answer(body)
			if err != nil {
				c.m.o.Log.Debug("late answer not relayed", "call_id", c.id, "error", err)
				u.x.Reject()
			}
			u.out.ackBody = answer
			c.noteHold()
			c.holdAgain()
		} else {
			u.x.Reject()
		}
		c.ackChange(u.out)
	}
	c.next()
}

// refusedChange passes a failure back, as the trunk it comes from has it mapped. What it means for the dialog is what was said:
// after 481 and 408 that is gone (RFC 3261 12.2.1.2, RFC 5057 5.1).
func (c *Call) refusedChange(u *update, res *msg.Message) {
	out := c.failure(u.from, u.to, u.req, c.mapped(u.to, res))
	c.passTo(out, res, u.to, u.tx)
	c.endUpdate(u)
	c.send(u.tx, out)
	if res.Status == 481 || res.Status == 408 {
		c.lost(u.to)
		return
	}
	c.next()
}

// failure is the response to a request of one leg that stands for a failure of the other.
func (c *Call) failure(l, other *leg, req, res *msg.Message) *msg.Message {
	code := translate(res.Status)
	out := c.reply(l, req, code)
	if code == res.Status {
		out.Reason = cmp.Or(c.snap.Header.Phrase(res, c.flow(other, l)), msg.StatusText(code))
	}
	return out
}

// changeFailed is a change without an answer: as 408 (RFC 3261 12.2.1.2).
func (c *Call) changeFailed(r *request, err error) {
	u := r.up
	r.settles()
	if u != nil && u.own != nil {
		c.ownFailed(r, err)
		return
	}
	if u == nil || c.up != u || u.out != r || r.done {
		return
	}
	r.done = true
	code, _ := failureCode(err)
	c.refuseUpdate(u, code)
	c.lost(u.to)
}

// lost ends the call because one side does not know its dialog any more, or is silent.
func (c *Call) lost(l *leg) {
	if c.st.ended {
		return
	}
	if c.st.a == callerInviting { // an early dialog: what becomes of it, the INVITE's final answer tells
		c.next()
		return
	}
	c.rec.ended(sbc.EndError, l.side, causeRecovery)
	c.stop(stopOrder{reason: sbc.EndError, text: "dialog lost"})
}

// passTo puts what passes of a response on ours.
func (c *Call) passTo(out, res *msg.Message, from *leg, tx msg.ServerTx) {
	for _, h := range c.snap.Header.Response(res, c.flow(from, c.other(from))) {
		out.Append(h.Name, fill(h.Value, tx.Local().Host))
	}
}

// park lets a change wait after a 491, for as long as RFC 3261 14.1 says.
func (c *Call) park(u *update) {
	if u.x != nil {
		u.x.Reject()
		u.x = nil
	}
	u.phase = phaseParked
	u.tries++
	c.up, c.parked = nil, u
	c.arm(timerRetry, glareWait(u.to))
}

// retry tries a parked change again, unless another is under way: then when that is over.
func (c *Call) retry() {
	u := c.parked
	if u == nil || c.up != nil {
		return
	}
	c.parked = nil
	if (c.st.a != callerUp || c.st.b != calleeUp) && !c.open(u.to) {
		c.refuseUpdate(u, 481)
		return
	}
	c.begin(u)
}

// next makes room for the change that waits.
func (c *Call) next() {
	c.up = nil
	if c.parked != nil && c.timers.t[timerRetry] == nil {
		c.retry()
	}
}

// refuseUpdate answers a change with a failure of ours.
func (c *Call) refuseUpdate(u *update, code int) {
	c.endUpdate(u)
	if u.phase != phaseAck {
		c.send(u.tx, c.reply(u.from, u.req, code))
	}
}

// endUpdate forgets the round of a change that failed.
func (c *Call) endUpdate(u *update) {
	if u.x != nil {
		u.x.Reject()
		u.x = nil
	}
	if c.up == u {
		c.up = nil
	}
}
