package call

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// transfer is one under way: somebody, the target, is to take the place of one side, while the other side stays. The machine's part
// of it is in machine_target.go.
type transfer struct {
	place     place
	old, kept *leg
	// target is the leg under way.
	target *leg
	// pursuit is how the target is looked for, in the name of the side that is replaced; unsought says that the search has not begun.
	pursuit
	unsought bool
	// in is the INVITE that the target's is made of, as if it had come from the side that stays.
	in *msg.Message
	x  Exchange
	// attended is the target's early dialog whose offer we answered ourselves (updatedEarly), nil for most.
	attended *dialog.Dialog
	// toll is the place of the new call on the trunk of whoever asked for it.
	toll *admit.Place
	// refer is who asked by REFER, nil for others; by says who it was: a side, or "api".
	refer *refer
	by    string
	// number is whom it is about; code is what came of the attempts so far, stage how far the one under way is.
	number string
	code   int
	// best is the best final answer of whom was called last, for its services.
	best  int
	stage string
	rang  int // the provisional response that was told last
	// invite, tx and answer are those of an INVITE with Replaces; asked is where the leg of another call is asked for.
	invite *msg.Message
	tx     msg.ServerTx
	answer []byte
	// late says that the INVITE has no offer.
	late bool
	// offered tells that the side that stays was offered the media of that INVITE, and has not refused.
	offered bool
	asked   *askedLeg
}

// maxTransfers bounds how often the sides of one call may be replaced.
const maxTransfers = 10

// more tells whether there is another attempt to make, should the one under way end now.
func (t *transfer) more() bool {
	return t != nil && t.next < len(t.plan) && t.code/100 != 6 && !t.overdue()
}

// placeOf names the machine's place of a leg.
func (c *Call) placeOf(l *leg) place {
	if l == c.a {
		return placeCaller
	}
	return placeCallee
}

// present tells whether a leg is one of the two sides, and its peer has not left.
func (c *Call) present(l *leg) bool {
	return l == c.a && c.st.a != callerAway || l == c.b && c.st.b != calleeAway
}

// transferDecided begins a transfer to a number that was routed. Where a subscriber was found, its failure is told as it is.
func (c *Call) transferDecided(t *transfer) (code int) {
	d := t.d
	switch {
	case d.code != 0 && d.dest != nil:
		return d.code
	case d.code != 0:
		return 603
	}
	if c.transfers >= c.forwards { // RFC 3261 16.3 step 3
		return 483
	}
	claim := admit.Claim{Call: c.id, Trunk: t.old.trunk, Direction: admit.In}
	if len(c.snap.Rows.Limits) > 0 {
		claim.Bounds = bounds(c.snap, t.old.trunk, "", c.numberOf(t.old), t.number)
	}
	toll, v := c.m.o.Tally.Take(claim)
	if !v.OK {
		return 603
	}
	t.toll, t.began, t.since = toll, now(), len(c.hunt.attempts)
	c.lead(&t.pursuit, d.plan.Attempts) // by a way, where the target has its calls forwarded
	t.in = c.inviteFrom(t.kept, t.number)
	c.begun(t)
	c.raiseAt(evTransfer, t.place)
	return 0
}

// begun notes that a transfer is under way.
func (c *Call) begun(t *transfer) {
	t.kept, t.stage = c.other(t.old), "requested"
	c.tr = t
	c.transfers++
	c.rec.settle(c)
	c.tellTransfer("requested", 0)
}

// numberOf is the number of a side's peer.
func (c *Call) numberOf(l *leg) string {
	switch {
	case l.number != "":
		return l.number
	case l.side == sbc.SideCaller:
		return c.rec.caller
	}
	return cmp.Or(c.rec.normalised, c.rec.callee)
}

// shownNumber is the number of a side's peer as others may see it: an asserted one (RFC 3325) is for trusted realms, which hear it
// in a header of its own.
func (c *Call) shownNumber(l *leg) string {
	switch {
	case l.number != "" || l.side != sbc.SideCaller:
		return c.numberOf(l)
	case c.rec.hidden || c.rec.unnamed:
		return anonymousUser
	}
	return c.rec.said
}

// anonymousUser stands for a number that its owner withholds (RFC 3323 4.1.1.3).
const anonymousUser = "anonymous"

// inviteFrom is the INVITE that would have come, had the side that stays called the target. Max-Forwards gets less with each
// transfer of the call, so that those that run in a circle over several systems come to an end (RFC 3261 16.6 step 3).
func (c *Call) inviteFrom(kept *leg, number string) *msg.Message {
	var to, from msg.URI
	to.Scheme, to.User, to.Host = "sip", escape(number), anonymousHost
	from.Scheme, from.User, from.Host = "sip", escape(c.shownNumber(kept)), ownHost
	original := kept.side == sbc.SideCaller && kept.number == ""
	if original { // its wish to be nobody goes along, and is heeded by what is known of the target's trunk
		from.User = escape(c.rec.said)
	}
	if original && c.rec.hidden {
		from.Host = anonymousHost
	}
	in := msg.NewRequest(msg.INVITE, to)
	in.SetFrom(msg.NameAddr{Display: c.nameOf(kept), URI: from}.WithTag("transfer"))
	in.SetTo(msg.NameAddr{URI: to})
	in.SetCallID("transfer")
	in.SetCSeq(1, msg.INVITE)
	if original && c.rec.privacy != "" {
		in.Append("Privacy", c.rec.privacy)
	}
	in.SetMaxForwards(max(0, c.forwards-c.transfers))
	return in
}

// nameOf is the display name of a side's peer, where it is the caller.
func (c *Call) nameOf(l *leg) string {
	if l.side == sbc.SideCaller && l.number == "" {
		return c.rec.display
	}
	return ""
}

// tellTransfer tells whoever listens how far a transfer is.
func (c *Call) tellTransfer(stage string, code int) {
	t := c.tr
	if c.m.o.Events == nil || t.old.gone {
		return
	}
	data := map[string]string{"stage": stage, "by": t.by, "target": t.number}
	if code != 0 {
		data["code"] = strconv.Itoa(code)
	}
	c.event(sbc.EventCallTransfer, t.old, data)
}

// carryTransfer does an action of a transfer.
func (c *Call) carryTransfer(a action) {
	t := c.tr
	switch a {
	case doCallTarget:
		if t == nil {
			t = c.connectTo()
		}
		c.callTarget(t)
	case doAskTarget:
		c.askTarget(t)
	case doUnaskTarget:
		c.unask(t)
	case doOfferTarget:
		c.offerTarget(t)
	case doTargetRang:
		c.targetRang(t)
	case doAckTarget:
		c.ack(t.target, t.target.d.Ack(t.target.inviteSeq), t.target.d.Target())
	case doCancelTarget:
		c.disarm(timerRing)
		c.arm(timerGuard, cancelAlone)
		t.target.cancel()
	case doByeTarget:
		c.bye(t.target)
	case doPickUp:
		c.pickUp(t)
	case doAnswerTarget:
		c.answerTarget(t)
	case doRefuseTarget:
		c.refuseTarget(t)
	case doJoin:
		c.join(t)
	case doTransferFailed:
		c.transferFailed(t)
	case doByeFormer:
		c.bye(c.former)
	case doOKFormer:
		c.replyOK()
		c.former.leave()
	}
}

// targetRang tells who asked how far the target is: each code once in a row, for there may be any number of them.
func (c *Call) targetRang(t *transfer) {
	first := t.stage != "ringing"
	if !first && t.code == t.rang {
		return
	}
	t.stage, t.rang = "ringing", t.code
	c.notify(t.refer, t.code, false)
	if first {
		c.tellTransfer("ringing", t.code)
	}
}

// transferFailed is a transfer of which nothing came: the call goes on as it was, if both sides are still there.
func (c *Call) transferFailed(t *transfer) {
	code := cmp.Or(t.code, 503)
	c.tellTransfer("failed", code)
	c.notify(t.refer, code, true)
	if c.st.a == callerOver || c.st.b == calleeOver { // nobody is left to talk to
		c.rec.ended(endOf(code), t.old.side, causeOf(code))
		if c.rec.finalCode == 0 {
			c.rec.finalCode, c.rec.finalReason, c.rec.refusedAt = code, msg.StatusText(code), now()
		}
	}
	c.dropTransfer()
}

// dropTransfer forgets the transfer under way and gives back what it holds.
func (c *Call) dropTransfer() {
	t := c.tr
	if t == nil {
		return
	}
	c.tr = nil
	if t.target != nil {
		c.releaseTargetLeg(t)
	}
	t.toll.Release()
}

// join puts the target in its place. The other side hears it from now on, and is told so.
func (c *Call) join(t *transfer) {
	l, old, now := t.target, t.old, now()
	c.disarm(timerRing)
	c.disarm(timerGuard)
	c.tellTransfer("completed", 200)
	c.tr = nil
	c.giveUp()
	t.kept.paused, l.paused = false, false // a hold by the API ends with the side that it was about
	if old.gone {
		c.connected(l)
	} else {
		old.role, l.role, l.joined = "transferor", "transfer_target", now
	}
	l.side, l.toll = old.side, t.toll
	if !slices.Contains(c.hunt.tags, c.a.tag) { // it may be the caller's no more when the call ends
		c.hunt.tags = append(c.hunt.tags, c.a.tag)
	}
	c.leaves(old, now)
	if c.former = nil; c.st.f == formerStaying {
		c.former = old
	} else {
		old.leave()
	}
	switch {
	case t.invite != nil: // our client: the caller's place is for those, and the callee's for who stays
		c.a, c.b = l, t.kept
		c.tx = t.tx
	case t.place == placeCaller:
		c.a = l
	default:
		c.b = l
	}
	if told := c.notify(t.refer, 200, true); !told && c.former != nil {
		c.raise(evFormerTold)
	}
	if t.invite == nil {
		c.introduce(l, t.kept)
	}
	if t.asked != nil || t.attended != nil { // it was told of somebody else, too
		c.introduce(t.kept, l)
	}
	c.noteMode()
	c.limitDuration()
	c.keep()
	c.m.keeper.hurry()
}

// introduce tells the peer of one leg of the media of the other's.
func (c *Call) introduce(who, to *leg) {
	c.propose(&proposal{leg: to, offer: func() (Exchange, error) { return c.session.Reoffer(who.party, to.party) }})
}

// leaves writes down a leg that goes before the call ends, and gives its ports back.
func (c *Call) leaves(l *leg, at time.Time) {
	if !l.gone {
		d := c.legRecord(l)
		d.LeftAt = when(at)
		c.rec.legs = append(c.rec.legs, d)
	}
	c.unwatchLeg(l)
	if l.party == nil || c.session == nil {
		return
	}
	for _, s := range c.session.Stats() {
		if s.From == l.party {
			c.rec.media = append(c.rec.media, stream(&s, l.side))
		}
	}
	c.session.Drop(l.party)
	l.party = nil
}

// referTo reads whom a REFER is about: the number, and the URI with its headers (RFC 3515 2.1). A code is the refusal.
func referTo(req *msg.Message) (u msg.URI, to string, code int) {
	values := req.GetAll("Refer-To")
	if len(values) != 1 {
		return u, "", 400
	}
	n, err := msg.ParseNameAddr(values[0])
	if u = n.URI; err != nil && !strings.Contains(values[0], "<") { // devices are found that leave the brackets out and have headers
		u, err = msg.ParseURI(strings.TrimSpace(values[0]))
	}
	if err != nil {
		return u, "", 400
	}
	if !u.IsSIP() && !u.IsTel() {
		return u, "", 416
	}
	if m, ok := u.Param("method"); ok && !strings.EqualFold(m, string(msg.INVITE)) {
		return u, "", 603
	}
	if to = number(u); to == "" {
		return u, "", 484
	}
	return u, to, 0
}
