package call

import (
	"errors"
	"strconv"

	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// INVITEs that are about another dialog than their own. With Replaces (RFC 3891) the sender takes the place of one of the
// parties of a call that is up, or of a callee that rings (pickup.go). With Join (RFC 3911) it wants to be heard beside them:
// the border mixes no media and does not list the extension, so `Require: join` gets 420, an INVITE that names a dialog of its
// sender's with us 488 (RFC 3911 4: there is nothing to join it with), and any other is a call like all others, as for whoever
// does not know the header. Neither header ever goes on to the other side.

// concerns tells whether a request names a dialog beside its own.
func concerns(req *msg.Message) bool { return req.Has("Replaces") || req.Has("Join") }

// misplaced tells whether the headers that name another dialog stand where they may not, or contradict each other: 400 (RFC
// 3891 3, RFC 3911 4). A BYE ends its call whatever it says.
func misplaced(req *msg.Message) bool {
	if req.Method == msg.BYE || req.Method == msg.ACK || req.Method == msg.CANCEL || !concerns(req) {
		return false
	}
	replaces, joins := req.GetAll("Replaces"), req.GetAll("Join")
	if req.Method != msg.INVITE || req.To.Tag() != "" || len(replaces)+len(joins) != 1 {
		return true
	}
	_, ok := parseReplaces(append(replaces, joins...)[0]) // of the same form
	return !ok
}

// takeover is an INVITE with Replaces or Join; false if it is to be served like any other.
func (m *Manager) takeover(tx msg.ServerTx, req *msg.Message, from *Origin) (taken bool) {
	switch {
	case misplaced(req):
		m.respond(tx, m.response(req, 400))
	case req.Has("Replaces"):
		m.replace(tx, req, from)
	default:
		return m.join(tx, req, from)
	}
	return true
}

// join is an INVITE with Join, see above.
func (m *Manager) join(tx msg.ServerTx, req *msg.Message, from *Origin) (taken bool) {
	r, _ := parseReplaces(req.Get("Join"))
	who, known := m.identified(m.o.Snapshot(), req, from)
	e := m.named(r)
	if asks(req, "Require", "join") || !known || e == nil || e.gone.Load() || who.TrunkID != e.trunkID && !e.knows(r) {
		return false
	}
	c := e.owner()
	c.post(job{kind: jobRun, run: func() {
		if e.owner() == c && (e.leg.named(r) != nil || e.knows(r)) {
			m.respond(tx, m.response(req, 488))
		} else {
			m.newCall(tx, req, from)
		}
	}})
	return true
}

// replace is an INVITE whose sender wants to take the place of somebody in a call of ours (RFC 3891 3). It must come from the
// trunk of that side, or name the dialog as only we could have told it.
func (m *Manager) replace(tx msg.ServerTx, req *msg.Message, from *Origin) {
	who, known := m.identified(m.o.Snapshot(), req, from)
	r, _ := parseReplaces(req.Get("Replaces"))
	e := m.named(r)
	code := 0
	switch {
	case !known:
		code = 403
	case e == nil:
		code = 481
	case e.gone.Load() || e.over.Load(): // RFC 3891 3: it was one
		code = 603
	case who.TrunkID != e.trunkID && !e.knows(r):
		code = 403
	}
	reason := ""
	if from != nil && from.Code != 0 { // whom the domain asks has said no to any call of it
		code, reason = from.Code, from.Reason
	}
	if code != 0 {
		res := m.response(req, code)
		if reason != "" {
			res.Reason = reason
		}
		m.respond(tx, res)
		return
	}
	e.owner().postReplace(e, who, from, tx, req, r)
}

// postReplace puts an INVITE with Replaces in the call's queue.
func (c *Call) postReplace(e *endpoint, who identify.Caller, from *Origin, tx msg.ServerTx, req *msg.Message, r replaces) {
	c.post(job{kind: jobRun, run: func() {
		n := c.newLeg(e.leg.side, who.TrunkID, c.snap.Trunk(who.TrunkID), 0)
		n.who = from
		if code, hs := c.replaced(e, n, tx, c.received(n, req), r); code != 0 {
			res := c.ruledFor(n, c.other(e.leg), c.reply(n, req, code, hs...))
			header.FillAll(res, tx.Local().Host)
			c.m.respond(tx, res)
		}
		c.run()
	}})
}

// named finds the leg's dialog, early or not, that somebody names; nil if it is none of them.
func (l *leg) named(r replaces) *dialog.Dialog {
	if r.names(l.d) {
		return l.d
	}
	for _, d := range l.forks {
		if r.names(d) {
			return d
		}
	}
	return nil
}

// replaceable tells by RFC 3891 3 whether a dialog may be taken over now; the code is that of a refusal.
func (c *Call) replaceable(e *endpoint, r replaces) (code int, hs []msg.Header) {
	l := e.leg
	rings := l == c.b && (c.st.b == calleeCalling || c.st.b == calleeRinging)
	switch {
	case e.owner() != c || c.st.ended || !c.present(l):
		return 481, nil
	case !e.knows(r) && !r.names(l.d) && (!rings || l.named(r) == nil):
		return 481, nil
	case l == c.a && c.st.a == callerInviting: // an early dialog that we did not begin
		return 481, nil
	case rings && c.st.a == callerInviting && c.hunt.offer == nil: // the caller waits for an offer of the one that rings
		return 488, nil
	case rings && c.pickable():
		return 0, nil
	case r.early && !rings: // it is confirmed
		return 486, nil
	case !c.ready():
		return 500, []msg.Header{{Name: "Retry-After", Value: "2"}}
	}
	return 0, nil
}

// replaced begins to put the sender of an INVITE, on the leg n, in the place of another leg. The code is a refusal.
func (c *Call) replaced(e *endpoint, n *leg, tx msg.ServerTx, req *msg.Message, r replaces) (code int, hs []msg.Header) {
	if code, hs = c.replaceable(e, r); code != 0 {
		return code, hs
	}
	offer, ok := sessionBody(req)
	bad := unsupported(req, optionTimer)
	switch {
	case c.transfers >= maxTransfers || req.MaxForwards == 0:
		return 483, nil
	case bad != "":
		return 420, []msg.Header{{Name: "Unsupported", Value: bad}}
	case !ok:
		return 415, []msg.Header{{Name: "Accept", Value: accepted}}
	case n.trunk == nil || !c.snap.ActiveTrunk(n.end.trunkID):
		return 403, nil
	case n.accept(req) != nil:
		return 400, nil
	}
	if least, small := c.timerTooSmall(n, req); small {
		return 422, []msg.Header{{Name: "Min-SE", Value: strconv.Itoa(least)}}
	}
	if v := c.takePlace(n, admit.In); !v.OK {
		return v.Code, nil
	}
	if !ready(c.st) && !c.attendCaller() {
		n.leave()
		return 488, nil
	}
	if n.number = number(req.From.URI); req.Has("Privacy") {
		n.number = anonymousUser
	}
	c.ladder.add(n.side, false, 0, req.Raw, req.Hop)
	n.sealed = req.Hop.Secure
	n.party = c.session.Party(c.partyOptions(n, req.Hop.Remote.Addr()))
	t := &transfer{place: c.placeOf(e.leg), old: e.leg, target: n, invite: req, tx: tx, by: "replaces", number: n.number}
	t.late = offer == nil
	c.begun(t)
	c.listen(n, tx, req)
	c.raiseAt(evReplace, t.place)
	return 0, nil
}

// listen ties the transaction of an INVITE to the call and makes its leg findable.
func (c *Call) listen(n *leg, tx msg.ServerTx, req *msg.Message) {
	n.end.heard(req.Hop)
	c.m.calls.addTag(n.tag, n.end)
	c.hunt.tags = append(c.hunt.tags, n.tag)
	tx.SetTag(n.tag)
	tx.OnCancel(func(cancel *msg.Message) { c.post(job{kind: jobCancel, tx: tx, msg: cancel}) })
	tx.OnFailed(func(err error) { c.post(job{kind: jobTxFailed, tx: tx, err: err}) })
	side := n.side // told from outside the queue
	tx.OnSent(func(raw []byte, hop msg.Hop) { c.ladder.add(side, true, 0, raw, hop) })
	c.send(tx, msg.NewResponse(req, 100, ""))
}

// offerTarget offers what the sender of the INVITE says to the side that stays. A sender that says nothing gets an offer instead,
// of what the side that stays said last; its answer is in the ACK (RFC 3261 13.2.1), and the side that stays hears of it then.
func (c *Call) offerTarget(t *transfer) {
	offer, _ := sessionBody(t.invite)
	p := &proposal{leg: t.kept, offer: func() (Exchange, error) {
		if c.tr != t { // its sender gave up before the turn came
			return nil, errOver
		}
		if t.late {
			x, err := c.session.Reoffer(t.kept.party, t.target.party)
			if err != nil {
				return nil, err
			}
			t.target.late, t.answer = x, x.Offer()
			return nil, errUnchanged
		}
		x, err := c.session.Offer(t.target.party, t.kept.party, offer)
		t.offered = err == nil
		return x, err
	}}
	p.done = func(err error) {
		t.offered = err == nil
		if c.tr != t {
			return
		}
		if t.late && errors.Is(err, errUnchanged) {
			c.raise(evTargetAgreed)
			return
		}
		if t.answer = p.answer; err == nil {
			c.raise(evTargetAgreed)
			return
		}
		if t.code = 488; errors.Is(err, errOver) {
			t.code = 487
		}
		var refused *refusedError
		if errors.As(err, &refused) {
			code, _ := c.snap.Signalling(t.kept.trunk).Mapped(refused.code)
			t.code = translate(code)
		}
		c.raise(evTargetFailed)
	}
	c.propose(p)
}

// answerTarget is the 200 to the INVITE with Replaces.
func (c *Call) answerTarget(t *transfer) {
	out := c.reply(t.target, t.invite, 200)
	for _, rr := range t.invite.GetAll("Record-Route") {
		out.Append("Record-Route", rr)
	}
	out.Append("Contact", c.contact(t.target, t.tx.Local()))
	out.Append("Allow", t.target.allow)
	out.SetBody(accepted, t.answer)
	c.answerTimer(t.target, t.invite, out)
	c.send(t.tx, out)
	t.target.d.Confirm()
}

// answeredLate takes the answer of a sender who was offered something in our 200 out of its ACK; without one there is no session.
func (c *Call) answeredLate(l *leg, ack *msg.Message) {
	x := l.late
	l.late = nil
	if body, _ := sessionBody(ack); body != nil {
		_, err := x.Answer(body)
		if err == nil {
			c.introduce(l, c.other(l))
			return
		}
		c.m.o.Log.Debug("late answer not taken", "call_id", c.id, "error", err)
	}
	x.Reject()
	c.raise(evAck) // before the stop, so that the BYE comes after it
	c.stop(stopOrder{reason: endError, text: "no answer in the ACK"})
}

// refuseTarget is the final failure of the INVITE with Replaces. The side that stays may have been told of its media already.
func (c *Call) refuseTarget(t *transfer) {
	if t.code == 0 {
		t.code = 487
	}
	c.send(t.tx, c.reply(t.target, t.invite, t.code))
	if t.offered && t.old.party != nil && stays(c.st) && c.present(t.old) {
		c.introduce(t.old, t.kept)
	}
}
