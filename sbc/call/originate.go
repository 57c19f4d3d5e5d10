package call

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Originate makes a call of our own (RFC 3725): From is called, and when it answers, To, who takes the place that was vacant until
// then. It returns when From is being called. Errors: CodeInvalid, CodeConflict if the trunk may not call these numbers, is at its
// limits, or the node takes no calls.
func (m *Manager) Originate(_ context.Context, o sbc.OriginateOrder) (sbc.CallInfo, error) {
	if err := sbc.Invalid(o.Validate()); err != nil {
		return sbc.CallInfo{}, err
	}
	snap := m.o.Snapshot()
	trunk := snap.Trunk(o.TrunkID)
	if trunk == nil || o.TenantID != "" && trunk.TenantID != o.TenantID {
		return sbc.CallInfo{}, sbc.Invalid([]sbc.Fault{{Pointer: "#/trunk_id", Code: "reference", Detail: "there is no such trunk"}})
	}
	if a := snap.Announcement(o.AnnouncementID); o.AnnouncementID != "" && (a == nil || !a.HasAudio()) {
		return sbc.CallInfo{}, sbc.Invalid([]sbc.Fault{{Pointer: "#/announcement_id", Code: "reference", Detail: "there is none with audio"}})
	}
	d := m.decideOwn(snap, trunk, o.From, cmp.Or(o.Caller, o.To), o.Variables, live)
	to := m.asking().decideOwn(snap, trunk, o.To, cmp.Or(o.Caller, o.From), o.Variables, false)
	if d.code != 0 || to.code != 0 {
		return sbc.CallInfo{}, sbc.Errorf(sbc.CodeConflict, "the plan of trunk %s does not permit a call to %s", o.TrunkID,
			map[bool]string{true: "from", false: "to"}[d.code != 0])
	}
	c := newCall(m, snap, nil, originalInvite(o), d)
	c.vacate(&o)
	if m.stopped() || !m.calls.addCall(c, m.o.MaxCalls) {
		return sbc.CallInfo{}, sbc.Errorf(sbc.CodeConflict, "the node takes no calls")
	}
	c.appeared()
	var err error
	c.order(func() { err = c.launchOwn() })
	if err != nil {
		return sbc.CallInfo{}, err
	}
	if m.stopped() { // Close may have looked for calls just before this one was there
		c.post(job{kind: jobHangUp, stop: stopOrder{reason: sbc.EndShutdown}})
	}
	return c.info(), nil
}

// originalInvite is the INVITE that To would have sent to call From: what From sees.
func originalInvite(o sbc.OriginateOrder) *msg.Message {
	var to, from msg.URI
	to.Scheme, to.User, to.Host = "sip", escape(o.From), ownHost
	from.Scheme, from.User, from.Host = "sip", escape(o.To), ownHost
	in := msg.NewRequest(msg.INVITE, to)
	in.SetFrom(msg.NameAddr{URI: from}.WithTag("originate"))
	in.SetTo(msg.NameAddr{URI: to})
	in.SetCallID("originate")
	in.SetCSeq(1, msg.INVITE)
	in.SetMaxForwards(70)
	return in
}

// ownHost stands for us in messages that nobody sent.
const ownHost = "border.invalid"

// vacate makes a call one of ours: nobody is in the caller's place, and the one who comes there is the callee, because whom we call
// first is the caller.
func (c *Call) vacate(o *sbc.OriginateOrder) {
	c.plan, c.longest = o, o.MaxDurationS
	c.st.a = callerAway
	c.a.side, c.a.gone = sbc.SideCallee, true
	c.rec.caller, c.rec.callee, c.rec.normalised, c.rec.display = cmp.Or(o.Caller, o.From), o.To, o.To, ""
	c.rec.said, c.rec.callerNormal = c.rec.caller, c.rec.caller
	if t := c.decision.numbers; t != nil {
		c.rec.callerNormal = t.number(c.rec.caller)
	}
	c.rec.from, c.rec.to, c.rec.ruri, c.rec.sipCallID = "", "", "", ""
	c.rec.variables = maps.Clone(o.Variables)
}

// launchOwn begins a call of ours. An error is why it does not begin; the call is over then.
func (c *Call) launchOwn() error {
	if v := c.takePlace(c.a, admit.In); !v.OK {
		c.hunt.final(v.Code, "", sbc.EndLimit)
		c.raise(evStart)
		return sbc.Errorf(sbc.CodeConflict, "trunk %s is at its limits", c.a.end.trunkID)
	}
	c.hunt.offer = vacantOffer()
	if c.decision.ask != nil {
		c.decision.calling = c.askedBy(&c.hunt.pursuit)
		c.seek(&c.hunt.pursuit)
		return nil
	}
	c.sought()
	return nil
}

// decideOwn decides on a call of ours to a number, as if the trunk, or somebody of the domain, had dialled it: by its number plan, dialplan and
// routing plan, after the names of the domain.
func (m *Manager) decideOwn(
	snap *config.Snapshot, trunk *sbc.Trunk, dialled, caller string, variables map[string]string, trace bool,
) decision {
	d := decision{trunk: trunk, home: snap.Domain(trunk.ID), moment: m.moment(snap, nil, nil, nil)}
	d.moment.caller, d.moment.variables = caller, variables
	d.caller.TrunkID, d.caller.Number, d.caller.Reason = trunk.ID, dialled, "the call is ours, in the name of the trunk"
	d.step(trace, "identify", trunk.ID, "taken", d.caller.Reason)
	if d.translate(snap, trace); d.code != 0 {
		return d
	}
	if d.ask = m.questionOf(snap, &d, nil); d.ask == nil {
		d.route(snap, trace)
		d.asks()
	}
	return d
}

// vacantOffer is what the vacant place says: it speaks G.711 and hears nothing (RFC 3264 8.4's address of nobody).
func vacantOffer() []byte {
	id := strconv.FormatUint(rand.Uint64()>>2, 10)
	return []byte("v=0\r\no=- " + id + " 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 9 RTP/AVP 8 0 101\r\n" +
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n")
}

// connectTo begins to call To: From has answered.
func (c *Call) connectTo() *transfer {
	c.slim()
	d := c.m.decideOwn(c.snap, c.a.trunk, c.plan.To, c.rec.caller, c.rec.variables, false)
	d.wakes = true
	c.rec.normalised, c.rec.callerNormal = d.caller.Number, d.moment.caller
	t := &transfer{place: placeCaller, old: c.a, kept: c.b, by: "api", number: c.plan.To, unsought: true}
	t.begin(&d, t)
	t.since = len(c.hunt.attempts)
	t.in = c.inviteFrom(t.kept, c.plan.To)
	t.stage = "calling"
	c.tr = t
	if a := c.m.sound(c.snap.Announcement(c.plan.AnnouncementID)); a != nil {
		if err := c.session.Play(t.kept.party, a, 0, nil); err != nil {
			c.m.o.Log.Debug("announcement not played", "call_id", c.id, "error", err)
		}
	}
	return t
}

// connected is the moment in which a call of ours is answered: To has.
func (c *Call) connected(to *leg) {
	c.rec.egress, c.rec.sent, c.rec.reached = to.end.trunkID, c.hunt.attempts[to.attempt-1].Callee, to.who.subscriberID()
	c.rec.answeredAt, c.rec.finalCode, c.rec.finalReason = now(), 200, msg.StatusText(200)
	c.final = true
	c.charge(to)
	c.session.StopPlaying(c.b.party) // what was played to From meanwhile
	c.writeAnswered()
	c.session.Answered()
	c.limitDuration()
}

// unconnected notes how a call of ours ended in which From did not answer.
func (c *Call) unconnected() {
	h := &c.hunt
	c.rec.finalCode = cmp.Or(h.code, 480)
	c.rec.finalReason, c.rec.refusedAt = msg.StatusText(c.rec.finalCode), now()
	if h.code != 0 {
		c.rec.ended(h.end, opposite(c.a.side), cmp.Or(h.cause, causeOf(h.code)))
	}
}
