package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// callTarget makes the next attempt to reach the target of a transfer. Those that cannot even be sent are passed over.
func (c *Call) callTarget(t *transfer) {
	if t.unsought { // it is looked up first
		t.unsought = false
		c.proceed(&t.pursuit)
		return
	}
	for t.next < len(t.plan) && !t.overdue() {
		c.releaseTargetLeg(t)
		at := &t.plan[t.next]
		t.next++
		if c.rouses(&t.pursuit, at) {
			return
		}
		if unexpanded(at) {
			first, m := c.expandInto(&t.pursuit, at)
			if m.to != nil {
				continue
			}
			if first != nil {
				at = first
			}
		}
		stop, next := t.stop, t.next
		if c.launchTarget(t, at) {
			t.stage = "calling"
			return
		}
		t.stop, t.next = stop, next // nobody said anything
	}
	if !c.pursue(&t.pursuit) {
		c.raise(evTargetFailed)
	}
}

// launchTarget makes one attempt; it gives false if nothing was sent. The target is offered what the side that stays said last.
func (c *Call) launchTarget(t *transfer, at *route.Attempt) bool {
	trunk := c.snap.Trunk(at.TrunkID)
	l := c.newLeg(t.old.side, at.TrunkID, trunk, len(c.hunt.attempts)+1)
	l.who = c.origin(at)
	l.endpointID, l.number, l.detour = at.EndpointID, t.number, detourOf(t.detours, t.next)
	c.hunt.attempts = append(c.hunt.attempts, sbc.CDRAttempt{
		Number: l.attempt, TrunkID: at.TrunkID, EndpointID: at.EndpointID, Callee: at.Number, StartedAt: now(),
		SubscriberID: at.Callee.ID(),
	})
	c.forwarded(l)
	switch {
	case unexpanded(at):
		return c.targetLost(t, l, 0, "not registered", 480)
	case at.Agent != "": // whoever transfers must not leave the other side alone with a machine of ours
		return c.targetLost(t, l, 0, string(at.Agent), 480)
	case trunk == nil:
		return c.targetLost(t, l, 0, "out of service", 503)
	}
	if v := c.takePlace(l, admit.Out); !v.OK {
		return c.targetLost(t, l, 0, "limit", v.Code)
	}
	t.target = l
	l.sealed = sealedTo(at)
	l.party = c.session.Party(c.partyOptions(l, literal(at.Address)))
	x, err := c.session.Reoffer(t.kept.party, l.party)
	if err != nil {
		c.m.o.Log.Debug("offer for the target not made", "call_id", c.id, "error", err)
		c.unsealedMedia(l, err)
		return c.targetLost(t, l, 0, mediaWord(err), mediaCode(err))
	}
	t.x = x
	c.m.metrics.attempts.WithLabelValues(trunk.ID, string(admit.Out)).Inc()
	r := c.inviteFor(l, at, t.in, t.kept)
	r.req.SetBody(accepted, x.Offer())
	c.hunt.attempts[l.attempt-1].SIPCallID = r.req.CallID
	c.varied(at)
	c.hunt.tags = append(c.hunt.tags, l.tag)
	c.m.calls.addTag(l.tag, l.end)
	if at.Callee != nil {
		c.ringPhones(r, at)
	} else {
		c.sendInvite(r, at)
	}
	return true
}

// targetLost writes down how an attempt ended. Answered is the code that came, 0 with a word where none did. It gives false.
func (c *Call) targetLost(t *transfer, l *leg, answered int, word string, code int) bool {
	if c.targetEnded(l, answered, word) {
		t.code = translate(code)
		if better(t.code, t.best) && !l.lesser(t.code, t.best) {
			t.best = t.code
		}
	}
	if t.stop = l.stops(code, t.stop); t.stop {
		t.next = len(t.plan)
	}
	return false
}

// targetEnded writes down that an attempt is over, once.
func (c *Call) targetEnded(l *leg, answered int, word string) bool {
	a := &c.hunt.attempts[l.attempt-1]
	if a.EndedAt != nil {
		return false
	}
	a.EndedAt, a.Code, a.Reason = when(now()), answered, word
	return true
}

// releaseTargetLeg gives back what an attempt that is over held.
func (c *Call) releaseTargetLeg(t *transfer) {
	l := t.target
	if t.x != nil {
		t.x.Reject()
		t.x = nil
	}
	t.attended = nil
	if l == nil {
		return
	}
	l.leave()
	if l.party != nil && c.session != nil {
		c.session.Drop(l.party)
	}
	l.party = nil
}

// targetResponse is a response to the INVITE of the attempt to reach the target.
func (c *Call) targetResponse(r *request, res *msg.Message) {
	t, l := c.tr, r.leg
	switch {
	case r.detached || c.st.ended:
		c.stray(r, res)
	case res.Status/100 == 2:
		c.targetAccepted(t, r, res)
	case r.done:
	case res.Status >= 300:
		if r.done = true; c.askAgain(r, res) || res.Status == 430 && c.nextFlow(r, 430, msg.StatusText(430)) {
			return
		}
		c.hunt.attempts[l.attempt-1].RemoteAddress = addr(res.Hop.Remote)
		c.reached(l, res.Status)
		if counts := c.mapped(l, res); !c.targetRedirected(t, l, counts) {
			c.targetLost(t, l, res.Status, msg.StatusText(res.Status), l.counts(counts.Status))
		}
		c.targetOver(l, res.Status)
	default:
		if c.timers.t[timerRing] == nil && c.st.t == targetCalling {
			c.arm(timerRing, c.ringing(&t.pursuit, l))
		}
		if res.Status > 100 {
			d := l.fork(res)
			if !c.inOrder(l, d, res) {
				return
			}
			l.heardFrom(d, res, c.reliableSeq(l, res))
			a := &c.hunt.attempts[l.attempt-1]
			a.RemoteAddress = addr(res.Hop.Remote)
			if a.ProgressAt == nil {
				a.ProgressAt = when(now())
			}
		}
		t.code = res.Status
		c.raise(evTargetProvisional)
	}
}

// targetAccepted is a 2xx of the target: the side that stays hears it at once, if it is wanted.
func (c *Call) targetAccepted(t *transfer, r *request, res *msg.Message) {
	if !c.first(r, res, evTargetAnswer) {
		return
	}
	l := r.leg
	c.reached(l, res.Status)
	if c.st.t != targetCalling && c.st.t != targetRinging { // it crossed our CANCEL
		c.raise(evTargetAnswer)
		return
	}
	c.session.Signalling(l.party, res.Hop.Remote.Addr())
	c.timerAgreed(l, r.req, res)
	body, ok := sessionBody(res)
	body = l.firstAnswer(body)
	if !ok || !c.targetAgrees(t, l, body) {
		c.targetLost(t, l, res.Status, "media", 488)
		c.raise(evTargetUnusable)
		return
	}
	a := &c.hunt.attempts[l.attempt-1]
	a.Code, a.RemoteAddress = res.Status, addr(res.Hop.Remote)
	t.x = nil
	l.slim()
	c.raise(evTargetAnswer)
}

// targetAgrees completes the round of the target's INVITE; false if there is no answer that is of use.
func (c *Call) targetAgrees(t *transfer, l *leg, body []byte) bool {
	if t.attended == l.d && l.d != nil { // a later round was completed in this dialog already
		return true
	}
	t.attended = nil
	err := errNoSDP
	if body != nil && t.x == nil { // another dialog had a later round
		t.x, err = c.session.Reoffer(t.kept.party, l.party)
	}
	if body != nil && t.x != nil {
		_, err = t.x.Answer(body)
	}
	if err != nil {
		c.m.o.Log.Debug("answer of the target not taken", "call_id", c.id, "error", err)
	}
	return err == nil
}

// updatedEarly is an UPDATE of a target that rings (RFC 3311). Whom it will talk to is not asked yet: its offer is answered by
// ourselves, if ours was answered reliably before (RFC 3311 5.2: else 491), and when it has answered both sides are told of each
// other.
func (c *Call) updatedEarly(l *leg, d *dialog.Dialog, tx msg.ServerTx, req *msg.Message) {
	t := c.tr
	offer, ok := sessionBody(req)
	out := c.reply(l, req, 200)
	if f := l.forkOf(d); ok && offer != nil {
		if f == nil || !f.agreed {
			c.send(tx, c.reply(l, req, 491))
			return
		}
		if t.x != nil {
			t.x.Reject()
			t.x = nil
		}
		answer, err := c.session.Attend(l.party, offer)
		if err != nil { // the next 2xx begins the round anew with what was agreed
			c.m.o.Log.Debug("offer of the target not answered", "call_id", c.id, "error", err)
			c.send(tx, c.reply(l, req, 488))
			return
		}
		t.attended = d
		out.SetBody(accepted, answer)
	} else if !ok {
		c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: accepted}))
		return
	}
	d.Refresh(req)
	out.Append("Contact", c.contact(l, tx.Local()))
	out.Append("Allow", l.allow)
	c.send(tx, out)
}

// slim lets go of what an answered leg needs no more of its INVITE.
func (l *leg) slim() {
	r := l.invite
	if r == nil || r.req == nil {
		return
	}
	uri := r.req.RequestURI
	r.tx, r.req, r.settled, r.plain, r.bare, l.uri = nil, nil, nil, nil, nil, &uri
}

// targetFailed is an attempt without a final answer.
func (c *Call) targetFailed(r *request, err error) {
	if r.detached || r.done || c.st.ended {
		return
	}
	r.leg.turn(r)
	code, word := failureCode(err)
	c.unreached(r.leg, err, c.st.t == targetCalling || c.st.t == targetRinging)
	if c.nextFlow(r, 0, word) {
		return
	}
	r.done, r.detached = true, true
	c.targetLost(c.tr, r.leg, 0, word, r.leg.counts(code))
	c.targetOver(r.leg, 0)
}

// targetTimer is the ring timer, or the guard of a CANCEL, while a target is called.
func (c *Call) targetTimer(k timerKind) {
	t := c.tr
	if k == timerRing {
		t.target.eachRinging(func() { c.targetLost(t, t.target, 0, "timeout", 480) })
		t.rangOut(t.target)
		c.raise(evTargetRungOut)
		return
	}
	t.target.detach()
	c.raise(evTargetFailed)
}
