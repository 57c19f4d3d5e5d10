package call

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// A callee that is ourselves is a leg without a dialog and, mostly, without media of its own: the caller's offer is answered by
// the border, and an agent plays to the caller and hears it. The machine does not know it from others: whatever a peer would send
// is raised at once. It is calling while the agent looks whether it can serve, then it answers; its BYE is evCalleeBye, and ours
// to it is answered in the moment it is sent. It never rings, so nobody cancels it or takes its place, and it is not transferred.

// desk is where an agent serves the caller.
type desk struct {
	agent agent
	// mailbox is the subscriber whose mailbox it is about.
	mailbox string
	// open says that the agent is ready to serve, and has to be told the end.
	open bool
	// serving says that the caller was answered and is being served.
	serving bool
	// said counts what was played: the end of something earlier means nothing any more.
	said int
	// tx is that of a re-INVITE of the caller's, with the number seq, whose 200 has no ACK yet; x is our offer in it, nil for most.
	tx  msg.ServerTx
	seq uint32
	x   Exchange
}

// agent is somebody of ours who serves a caller. But for then, which comes from anywhere, all happens on the call's queue.
type agent interface {
	// open looks whether the caller can be served. It does not block: then is called once, soon, with why not.
	open(then func(error))
	// free says that nothing is to be billed.
	free() bool
	// begin serves: the caller was answered and hears.
	begin(c *Call)
	// key is a digit of the caller's.
	key(c *Call, digit byte)
	// waited is the end of what timerDesk was armed for.
	waited(c *Call)
	// end is the end of the call, or of the attempt; its media are still there.
	end(c *Call)
}

// hire finds who serves for an attempt; nil if this node has nobody.
func (c *Call) hire(at *route.Attempt) agent {
	switch boxes := c.m.o.Mailboxes; {
	case at.Agent == route.AgentVoicemail && boxes != nil:
		return &taker{boxes: boxes, id: at.Mailbox}
	case at.Agent == route.AgentMessages && boxes != nil:
		return &reader{boxes: boxes, id: at.Mailbox}
	case at.Agent == route.AgentConfirm:
		return &teller{sound: confirmation()}
	case at.Agent == route.AgentDecline:
		return &teller{sound: refusalTone()}
	}
	return nil
}

// served tells whether the callee is ourselves.
func (c *Call) served() bool { return c.b != nil && c.b.desk != nil }

// ready tells whether the call is up, with two parties, and nobody of them is being replaced.
func (c *Call) ready() bool { return ready(c.st) && !c.served() }

// launchAgent makes an attempt that is ourselves; false if nobody can serve.
func (c *Call) launchAgent(at *route.Attempt) bool {
	l := c.newLeg(opposite(c.a.side), at.TrunkID, c.snap.Trunk(at.TrunkID), len(c.hunt.attempts)+1)
	l.detour, l.gone = detourOf(c.hunt.detours, c.hunt.next), true
	c.hunt.attempts = append(c.hunt.attempts, sbc.CDRAttempt{
		Number: l.attempt, TrunkID: at.TrunkID, SubscriberID: at.Mailbox, Callee: at.Number, StartedAt: now(),
	})
	c.forwarded(l)
	who := c.hire(at)
	if who == nil || c.st.a != callerInviting { // in a call of ours nobody would hear it
		c.hunt.failed(l, 0, string(at.Agent), 480, sbc.EndNoAnswer)
		return false
	}
	l.desk = &desk{agent: who, mailbox: at.Mailbox}
	c.b = l
	who.open(func(err error) {
		c.post(job{kind: jobOrder, run: func() { c.opened(l, err) }})
	})
	return true
}

// opened answers in the agent's name, or goes on to the next attempt.
func (c *Call) opened(l *leg, err error) {
	l.desk.open = err == nil
	if c.b != l || c.st.ended {
		c.close(l)
		return
	}
	if c.st.b != calleeCalling { // the caller gave up meanwhile
		c.close(l)
		c.hunt.failed(l, 0, "cancelled", 0, "")
		c.raise(evFailed)
		return
	}
	kind := evAnswer
	if err == nil {
		kind, err = c.attend(l)
	}
	if err != nil {
		c.m.o.Log.Debug("the caller cannot be served", "call_id", c.id, "error", err)
		c.close(l)
		c.hunt.failed(l, 0, "unavailable", deskCode(err), sbc.EndNoAnswer)
		c.raise(evFailed)
		return
	}
	c.hunt.attempts[l.attempt-1].Code = 200
	if c.owed() {
		c.rel.held, kind = &msg.Message{}, evAnswerHeld
	}
	c.raise(kind)
}

// deskCode is why a caller is not served: 480 where it is the agent's doing, else what a fault of media counts as.
func deskCode(err error) int {
	var ours *sbc.Error
	switch {
	case errors.As(err, &ours):
		return 480
	case errors.Is(err, media.ErrNoVoice):
		return 488
	}
	return mediaCode(err)
}

// attend answers the caller's offer, or makes one where it made none.
func (c *Call) attend(l *leg) (kind eventKind, err error) {
	if !c.listening {
		c.listenToAll()
	}
	c.rec.mode = sbc.MediaRelay
	if c.hunt.offer != nil {
		c.answer, err = c.session.Attend(c.a.party, c.hunt.offer)
		return evAnswer, err
	}
	l.party = c.session.Party(c.partyOptions(l, c.invite.Hop.Local.Addr()))
	x, err := c.session.Offer(l.party, c.a.party, vacantOffer())
	if err != nil {
		return 0, err
	}
	c.exchange, c.answer = x, x.Offer()
	return evOffer, nil
}

// serve begins to serve a caller that was answered.
func (c *Call) serve() {
	if !c.served() || c.b.desk.serving || !c.final || c.st.b != calleeUp {
		return
	}
	c.b.desk.serving = true
	c.rec.free = c.b.desk.agent.free()
	c.b.desk.agent.begin(c)
}

// say plays to the caller that is served; then comes when it was heard, unless something else is played meanwhile.
func (c *Call) say(a *media.Audio, then func()) {
	l := c.b
	l.desk.said++
	n := l.desk.said
	err := c.session.Play(c.a.party, a, 1, func() {
		c.post(job{kind: jobOrder, run: func() {
			if c.serving(l) && l.desk.said == n {
				then()
			}
		}})
	})
	if err != nil {
		c.m.o.Log.Debug("nothing can be played to the caller", "call_id", c.id, "error", err)
		c.dismissCaller()
	}
}

// serving tells whether a desk still serves.
func (c *Call) serving(l *leg) bool {
	return c.b == l && c.st.b == calleeUp && !c.st.ended && l.desk.serving
}

// dismissCaller hangs up in the agent's name.
func (c *Call) dismissCaller() {
	c.rec.ended(byeOf(c.b.side), c.b.side, causeNormal)
	c.raise(evCalleeBye)
}

// keyed is a digit of the caller that is served.
func (c *Call) keyed(digit byte) {
	if c.serving(c.b) {
		c.b.desk.agent.key(c, digit)
	}
}

// deskWaited is the end of what the agent waited for.
func (c *Call) deskWaited() {
	if c.served() && c.serving(c.b) {
		c.b.desk.agent.waited(c)
	}
}

// close tells the agent that it serves no more.
func (c *Call) close(l *leg) {
	if l.desk.open {
		l.desk.open = false
		l.desk.agent.end(c)
	}
}

// leaveDesk is the end of the call.
func (c *Call) leaveDesk() {
	if c.served() {
		c.close(c.b)
	}
}

// serveRequest takes a request of a caller that is served; false leaves it to dispatch.
func (c *Call) serveRequest(l *leg, tx msg.ServerTx, req *msg.Message) bool {
	switch req.Method {
	case msg.BYE, msg.OPTIONS, msg.PRACK:
		return false
	case msg.INVITE:
		tx.OnFailed(func(err error) { c.post(job{kind: jobTxFailed, tx: tx, err: err}) })
		c.send(tx, msg.NewResponse(req, 100, ""))
		c.serveChange(l, tx, req)
	case msg.UPDATE:
		c.serveChange(l, tx, req)
	case msg.INFO:
		digit, _, ok := readDigit(req)
		if !ok {
			c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: "application/dtmf-relay, application/dtmf"}))
			return true
		}
		c.send(tx, c.reply(l, req, 200))
		if l.signalled = (heardDigit{digit: digit, at: now()}); c.session == nil || !c.session.SentDigits(l.party) {
			c.keyed(digit)
		}
	case msg.REFER: // nobody else is there
		c.send(tx, c.reply(l, req, 603))
	default:
		c.send(tx, c.reply(l, req, 405, msg.Header{Name: "Allow", Value: l.allow}))
	}
	return true
}

// serveChange is a session change of a caller that is served: we agree, as far as we can speak what it wants.
func (c *Call) serveChange(l *leg, tx msg.ServerTx, req *msg.Message) {
	d := c.b.desk
	offer, ok := sessionBody(req)
	if !ok {
		c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: accepted}))
		return
	}
	if c.small(l, tx, req) {
		return
	}
	code := c.glare(l, req.Method)
	if code == 0 && d.tx != nil {
		code = 500
	}
	var hs []msg.Header
	if code == 500 { // RFC 3261 14.2, RFC 3311 5.2: between 0 and 10 s
		hs = []msg.Header{{Name: "Retry-After", Value: strconv.Itoa(rand.IntN(11))}}
	}
	var body []byte
	if code == 0 {
		var err error
		if body, err = c.servedBody(l, req.Method, offer); err != nil {
			code = deskCode(err)
		}
	}
	if code != 0 {
		c.send(tx, c.reply(l, req, code, hs...))
		return
	}
	l.d.Refresh(req)
	out := c.reply(l, req, 200)
	out.Append("Contact", c.contact(l, tx.Local()))
	out.Append("Allow", l.allow)
	if body != nil {
		out.SetBody(accepted, body)
	}
	c.answerTimer(l, req, out)
	if req.Method == msg.INVITE {
		d.tx, d.seq = tx, req.CSeq.Seq
	}
	c.send(tx, out)
	c.keep()
}

// servedBody is what we say to a session change: the answer, an offer of ours where a re-INVITE brings none, nil to an empty UPDATE.
func (c *Call) servedBody(l *leg, method msg.Method, offer []byte) ([]byte, error) {
	switch {
	case offer != nil:
		return c.session.Attend(l.party, offer)
	case method == msg.UPDATE:
		return nil, nil
	}
	x, err := c.session.Renew(l.party, media.Unchanged)
	if err != nil {
		return nil, err
	}
	c.b.desk.x = x
	return x.Offer(), nil
}

// serveAck is the ACK of our 200 to a re-INVITE; false for another.
func (c *Call) serveAck(ack *msg.Message) bool {
	d := c.b.desk
	if d.tx == nil || ack.CSeq.Seq != d.seq {
		return false
	}
	d.tx.Acked()
	x := d.x
	d.tx, d.x = nil, nil
	if x == nil {
		return true
	}
	body, _ := sessionBody(ack)
	if _, err := x.Answer(body); err != nil {
		c.m.o.Log.Debug("late answer not taken", "call_id", c.id, "error", err)
		x.Reject()
	}
	return true
}

// deskWait bounds what timerDesk is armed for.
func (c *Call) deskWait(d time.Duration) { c.arm(timerDesk, max(d, 10*time.Millisecond)) }
