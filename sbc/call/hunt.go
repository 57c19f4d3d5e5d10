package call

import (
	"errors"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// hunt is the search for the callee: a pursuit, and the best of what was answered.
type hunt struct {
	pursuit
	offer []byte // the caller's SDP, nil in an offerless INVITE
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
	// gone is the caller's CANCEL, or its BYE instead of one: the callee is told its reason, however late (RFC 3326).
	gone *msg.Message
	// attempts are those made, for the record; tags are ours in their dialogs.
	attempts []sbc.CDRAttempt
	tags     []string
	// unsealed is the number of the attempt, from 1, that is made again without encryption; 0 for none.
	unsealed int
}

// more tells whether another attempt would be made, should the one under way end now.
func (h *hunt) more() bool { return !h.stop && !h.fixed && h.next < len(h.plan) && !h.overdue() }

// final fixes what the caller is told.
func (h *hunt) final(code int, reason string, end sbc.EndReason) {
	if h.fixed {
		return
	}
	h.code, h.reason, h.end, h.fixed, h.res, h.cause, h.headers = code, reason, end, true, nil, 0, nil
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
	h.stop = l.stops(code, h.stop)
	if told := translate(code); !h.fixed && better(told, h.code) && !l.lesser(told, h.code) {
		h.code, h.reason, h.end, h.res, h.leg, h.cause, h.headers = told, "", end, nil, l, 0, nil
	}
}

// rungOut is what an attempt counts as that rang too long: 480 if the callee was alerted, 408 if only a 100 came.
func (h *hunt) rungOut(l *leg) int {
	if h.attempts[l.attempt-1].ProgressAt != nil {
		return 480
	}
	return l.counts(408)
}

// try makes the next attempt. Those that cannot even be sent are passed over.
func (c *Call) try() {
	c.release(c.b)
	for more := c.hunt.more(); more && c.hunt.next < len(c.hunt.plan) && !c.hunt.fixed; {
		at := &c.hunt.plan[c.hunt.next]
		c.hunt.next++
		stop := c.hunt.stop
		if c.rouses(&c.hunt.pursuit, at) || c.launch(at) {
			return
		}
		c.hunt.stop = stop // nobody said anything
	}
	if c.pursue(&c.hunt.pursuit) {
		return
	}
	if c.hunt.code == 0 {
		c.hunt.code, c.hunt.end = 503, sbc.EndNoRoute
	}
	if !c.announce() {
		c.raise(evFailed)
	}
}

// launch makes one attempt; it gives false if nothing was sent.
func (c *Call) launch(at *route.Attempt) bool {
	switch {
	case at.Agent != "":
		return c.launchAgent(at)
	case unexpanded(at):
		return c.ringTarget(at)
	}
	trunk := c.snap.Trunk(at.TrunkID)
	l := c.newLeg(opposite(c.a.side), at.TrunkID, trunk, len(c.hunt.attempts)+1)
	l.who = c.origin(at)
	l.endpointID, l.detour = at.EndpointID, detourOf(c.hunt.detours, c.hunt.next)
	c.hunt.attempts = append(c.hunt.attempts, sbc.CDRAttempt{
		Number: l.attempt, TrunkID: at.TrunkID, EndpointID: at.EndpointID, Callee: at.Number, StartedAt: now(),
		SubscriberID: at.Callee.ID(),
	})
	c.forwarded(l)
	if trunk == nil {
		c.hunt.failed(l, 0, "out of service", 503, sbc.EndNoRoute)
		return false
	}
	if v := c.takePlace(l, admit.Out); !v.OK {
		c.hunt.failed(l, 0, "limit", v.Code, sbc.EndLimit)
		return false
	}
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

// sendInvite hands the INVITE of an attempt to the wire.
func (c *Call) sendInvite(r *request, at *route.Attempt) {
	host, port := r.leg.trunk.NextHop(at.Address, at.Port)
	to := msg.Target{
		Host: host, Port: port, Transport: at.Transport, Interfaces: c.snap.InterfacesOf(at.RealmID),
		Supplied: at.Supplied && host == at.Address, TLSProfile: r.leg.trunk.TLSProfileID, Secure: c.sips(),
	}
	c.m.routed(r.req, at, &to)
	c.sendInviteTo(r, to)
}

func (c *Call) sendInviteTo(r *request, to msg.Target) { r.send(to, inviteTimers(r.leg.trunk)) }

// inviteTimers are those of an INVITE to a trunk.
func inviteTimers(t *sbc.Trunk) msg.Timers {
	ring := time.Duration(t.RingTimeoutS) * time.Second
	return msg.Timers{
		NoResponse: time.Duration(t.NoResponseTimeoutMS) * time.Millisecond,
		C:          max(msg.DefaultC, ring+5*time.Second), // our ring timer decides, not Timer C
	}
}

// offerTo gives a leg its party and the caller's offer as the callee shall see it.
func (c *Call) offerTo(l *leg) (body []byte, ok bool) {
	at := &c.hunt.plan[c.hunt.next-1]
	l.sealed, l.unsealed = sealedTo(at), c.hunt.unsealed == c.hunt.next
	l.party = c.session.Party(c.partyOptions(l, literal(at.Address)))
	c.rec.mode = sbc.MediaRelay
	switch {
	case c.unanswerable(l):
		c.hunt.failed(l, 0, "100rel", 488, sbc.EndError)
		return nil, false
	case c.hunt.offer == nil:
		return nil, true
	}
	c.goDirect(c.a, l, c.hunt.offer)
	x, err := c.session.Offer(c.a.party, l.party, c.hunt.offer)
	if err != nil {
		code := mediaCode(err)
		c.m.o.Log.Debug("offer not relayed", "call_id", c.id, "error", err)
		c.hunt.failed(l, 0, mediaWord(err), code, sbc.EndError)
		c.offerRefused(l, err)
		return nil, false
	}
	c.exchange = x
	return x.Offer(), true
}

// offerRefused ends the hunt where nobody else could make more of the caller's offer.
func (c *Call) offerRefused(l *leg, err error) {
	switch {
	case errors.Is(err, media.ErrPlain):
		c.unsealedMedia(c.a, err)
		c.hunt.final(488, "Encrypted Media Required", sbc.EndError)
	case errors.Is(err, media.ErrNoKeys):
		c.unsealedMedia(l, err)
	case mediaCode(err) == 488 && !errors.Is(err, media.ErrBarred):
		c.hunt.final(488, "", sbc.EndError)
	}
}

// release gives back what an attempt that is over held: its place on the trunk, its ports, its round of offer and answer.
func (c *Call) release(l *leg) {
	if l == nil {
		return
	}
	l.leave()
	if l == c.b && c.st.a == callerInviting && (c.up != nil || c.parked != nil) { // changes before the answer
		c.dropUpdates()
	}
	if l.party != nil && c.session != nil {
		if c.exchange != nil && l == c.b {
			c.exchange.Reject()
			c.exchange, c.answer = nil, nil
		}
		c.session.Drop(l.party)
	}
	l.party = nil
}

// buildInvite builds the INVITE of an attempt. Nothing is copied from the caller's: numbers stay, hosts are ours and the
// target's, the rest is what the whitelist lets pass.
func (c *Call) buildInvite(l *leg, at *route.Attempt) *request {
	return c.inviteFor(l, at, c.invite, c.a)
}

// inviteFor is buildInvite for any INVITE that stands for one from a leg.
func (c *Call) inviteFor(l *leg, at *route.Attempt, in *msg.Message, caller *leg) *request {
	shown := c.numbered(introduced(in, caller, l), caller, l, at)
	from := c.callerTo(l, shown, caller)
	if caller.who != nil && caller.who.Anonymous {
		from = anonymous()
	}
	if at.Callee != nil && from.URI.Host == "" { // so that its phone can call back
		from.URI.Host = at.Address
	}
	req := inviteTo(at, from, l.trunk != nil && l.trunk.CallerIdentity.UserPhone)
	c.m.preload(req, at)
	l.tag, l.inviteSeq = req.From.Tag(), req.CSeq.Seq
	if id := c.callIDFor(l, caller); id != "" {
		req.SetCallID(id)
	}
	forwards := 70
	if in.MaxForwards >= 0 {
		forwards = in.MaxForwards - 1 // RFC 3261 16.6 step 3, carried over the border so that loops end
	}
	req.SetMaxForwards(forwards)
	r := &request{c: c, leg: l, kind: reqInvite, req: req, contact: true, from: from.WithTag(l.tag)}
	r.pass(c.snap.Header.Request(shown, c.flow(caller, l)))
	if in == c.invite || l.detour != nil {
		c.retargeted(r, at, in, caller)
	}
	req.Append("Allow", l.allow)
	c.own(req)
	c.askTimer(l, req)
	c.offerReliable(req, l)
	l.invite = r
	return r
}
