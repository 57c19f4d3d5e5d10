package call

import (
	"cmp"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Call is two dialogs made one. Everything but the queue, the ladder and what is set by newCall belongs to the queue.
type Call struct {
	m       *Manager
	id      string
	tenant  string // id of the caller's
	snap    *config.Snapshot
	started time.Time
	ladder  *ladder // apart, because it outlives the call
	queue   queue
	timers  timers

	st     state
	events []event // raised and not yet stepped
	in     *msg.Message
	inTx   msg.ServerTx // of in, until it is answered

	tx       msg.ServerTx // the caller's INVITE
	invite   *msg.Message // as it came; nil once answered
	decision decision
	a        *leg // the caller
	b        *leg // the callee: the attempt under way, or the last one
	hunt     hunt
	session  Session
	exchange Exchange // of the INVITE
	answer   []byte   // the SDP last given to the caller for exchange

	up     *update // the session change under way
	parked *update // the one that waits after a 491, or for a change of ours
	// anchoring is the way of direct media to us, nil while there is none.
	anchoring *anchoring
	// proposals are the changes of ours that wait.
	proposals []*proposal
	relays    []*relay

	tr *transfer // the one under way
	// watches are the subscriptions that share the call's dialogs, watchIDs the ids that we gave them.
	watches  []*watch
	watchIDs int
	plan     *sbc.OriginateOrder // of a call that is ours
	former   *leg                // who was replaced and is still there
	// promised is what another call waits for, nil for nothing.
	promised *promise
	// transfers is how many there were, forwards the Max-Forwards of the caller's INVITE.
	transfers, forwards int

	// announced says that the caller's failure was announced, or that this was tried; announcing that it hears it now.
	announced, announcing bool
	listening             bool // the media reports digits
	digits                []signalledDigit

	rel       *reliable
	rec       record
	longest   int           // how long it may last from the answer in seconds, if the API said so
	shown     sbc.CallState // as the gauge of states counts it
	final     bool          // the caller's INVITE has its final answer
	forgotten bool          // out of the registry
	crashed   bool          // a panic ends it
	suspect   bool          // found stale once
	helping   bool          // it is one for help, as a process before this one knew
	// stored says that a record is kept for a later process, noted that it is to be written anew, looks how often that was because
	// media have not settled. sign is, of a call of an earlier process, that one's last sign of life; broken that it ended with it.
	stored, noted bool
	looks         uint8
	sign          time.Time
	broken        bool
}

// newCall makes a call of an INVITE. It sends nothing.
func newCall(m *Manager, snap *config.Snapshot, tx msg.ServerTx, req *msg.Message, d decision) *Call {
	c := &Call{
		m: m, id: sbc.NewID(sbc.PrefixCall), snap: snap, started: now(), ladder: new(ladder), tx: tx, invite: req, decision: d,
		shown: sbc.CallSetup,
	}
	c.hunt.d, c.hunt.began = &c.decision, c.started
	c.a = c.newLeg(sbc.SideCaller, d.caller.TrunkID, d.trunk, 0)
	c.a.who = d.who
	c.a.end.heard(req.Hop)
	if c.forwards = req.MaxForwards; c.forwards < 0 { // RFC 3261 16.6 step 3
		c.forwards = 70
	}
	if d.trunk != nil {
		c.tenant = d.trunk.TenantID
	}
	c.invite = c.received(c.a, req)
	c.rec.privacy, c.rec.unnamed = header.Wish(c.invite, d.trunk)
	if d.who != nil {
		c.rec.begin(req, d, d.who.Outside)
	} else {
		c.rec.begin(req, d, header.CallerOf(c.invite, d.trunk, c.trust(c.a)).Number)
	}
	c.rec.variables = d.moment.variables
	return c
}

// handle does one job.
func (c *Call) handle(j *job) {
	if o := j.owner(c); o != c { // its leg went on in another call
		o.post(*j)
		return
	}
	switch j.kind {
	case jobRun:
		j.run()
		return
	case jobOrder:
		j.run()
	case jobStart:
		c.start()
	case jobRequest:
		if c.forgotten { // it waited behind what ended the call
			c.m.late(j.tx, j.msg)
			return
		}
		c.request(j.leg, j.tx, j.msg)
	case jobAck:
		if c.forgotten {
			return
		}
		c.acked(j.leg, j.msg)
	case jobCancel:
		c.cancelled(j.tx, j.msg)
	case jobTxFailed:
		c.txFailed(j.tx, j.err)
	case jobResponse:
		c.response(j.out, j.msg)
	case jobFailed:
		c.failed(j.out, j.err)
	case jobTimer:
		if c.fired(j) {
			c.timer(j.timer)
		}
	case jobSilence:
		c.silent(c.legOf(j.party))
	case jobBroken:
		c.unkeyed(c.legOf(j.party), j.err)
	case jobHangUp:
		c.stop(j.stop)
	}
	c.run()
}

// raise notes an event; run steps it.
func (c *Call) raise(kind eventKind) {
	c.raiseAt(kind, placeNone)
}

// raiseAt notes an event that concerns one side's place.
func (c *Call) raiseAt(kind eventKind, p place) {
	c.events = append(c.events, event{kind: kind, next: c.more(), place: p})
}

// more tells whether there is another attempt to make, or something to do in its place.
func (c *Call) more() bool {
	return c.hunt.more() || c.tr.more() || c.announces() || c.leadsOn(&c.hunt.pursuit) || c.tr != nil && c.leadsOn(&c.tr.pursuit)
}

// run steps the events that were raised and carries the actions out; actions may raise others.
func (c *Call) run() {
	var room [8]action
	for len(c.events) > 0 {
		e := c.events[0]
		c.events = slices.Delete(c.events, 0, 1) // its room is used again
		var out []action
		c.st, out = step(c.st, e, room[:0])
		for _, a := range out {
			c.carry(a)
		}
		c.moved()
	}
	if c.inTx != nil { // a BYE that changed nothing is answered all the same (RFC 3261 15.1.2)
		c.replyOK()
	}
	c.in = nil
	if len(c.proposals) > 0 {
		c.advance()
		if len(c.events) > 0 {
			c.run()
		}
	}
	if c.promised != nil {
		c.keepPromise()
	}
	c.touch()
}

// carry does one action.
func (c *Call) carry(a action) {
	switch a {
	case doTry:
		c.try()
	case doRing:
		c.ring()
	case doAnswer:
		c.answerCaller()
	case doRefuse:
		c.refuseCaller()
	case doOKCaller, doOKCallee:
		c.dropUpdates()
		c.replyOK()
	case doByeCaller:
		c.dropUpdates()
		c.bye(c.a)
	case doByeCallee:
		c.dropUpdates()
		c.bye(c.b)
	case doAck:
		c.ackCallee()
	case doCancel:
		c.cancelCallee()
	case doEnd:
		c.finish()
	default:
		c.carryTransfer(a)
	}
}

// start is the INVITE's first treatment: 100 at once, then what could refuse it, then the first attempt.
func (c *Call) start() {
	c.ladder.add(sbc.SideCaller, false, 0, c.invite.Raw, c.invite.Hop)
	c.send(c.tx, msg.NewResponse(c.invite, 100, ""))
	if c.decision.trunk != nil {
		c.m.metrics.attempts.WithLabelValues(c.decision.trunk.ID, string(admit.In)).Inc()
	}
	switch {
	case !c.acceptable():
		c.admittedToHear()
	case !c.admitted():
	case c.decision.feature != nil:
		c.switchFeature()
		return
	case c.decision.ask != nil:
		c.decision.calling = c.askedBy(&c.hunt.pursuit)
		c.seek(&c.hunt.pursuit)
		return
	default:
		c.openMedia()
	}
	c.startHunt()
}

// timer is a timer of ours that ran out.
func (c *Call) timer(k timerKind) {
	if c.tr != nil && (k == timerRing || k == timerGuard) {
		c.targetTimer(k)
		return
	}
	switch k {
	case timerRing:
		c.b.eachRinging(func() { c.hunt.failed(c.b, 0, "timeout", c.hunt.rungOut(c.b), sbc.EndNoAnswer) })
		c.hunt.rangOut(c.b)
		c.raise(evRungOut)
	case timerGuard: // no final answer to a CANCEL: whatever still comes is dealt with as a stray
		if c.b != nil && c.b.invite != nil {
			c.b.eachRinging(func() { c.hunt.failed(c.b, 0, "cancelled", c.b.counts(408), sbc.EndNoAnswer) })
			c.b.detach()
			c.disarm(timerRing)
			c.release(c.b)
			c.raise(evFailed)
		}
	case timerMax:
		if c.visible() == sbc.CallTerminating {
			c.m.o.Log.Error("call does not end by itself", "call_id", c.id)
			c.abandon()
			return
		}
		c.dead("max_duration", nil)
		c.stop(stopOrder{reason: sbc.EndMaxDuration})
	case timerRetry:
		c.retry()
	case timerDigit:
		c.nextDigit()
	case timerAssure:
		c.assureAgain()
	case timerPropose: // run sends what waits
	case timerKeep:
		c.tend()
	case timerDesk:
		c.deskWaited()
	}
}

// stopNow is stop from outside a job.
func (c *Call) stopNow(o stopOrder) {
	c.stop(o)
	c.run()
}

// stop ends the call from our side.
func (c *Call) stop(o stopOrder) {
	if c.st.ended {
		return
	}
	cause, _ := stopCause(o)
	if c.rec.reason == "" && detected(o.reason) {
		c.heard() // what comes while the peers are told does not count: the call was found dead before
		c.rec.deaf = true
	}
	c.rec.ended(o.reason, sbc.SideSBC, cause)
	c.rec.text = cmp.Or(c.rec.text, o.text)
	c.rec.stop = o
	if c.st.a == callerInviting {
		c.hunt.final(stopCode(o.reason), "", o.reason)
	}
	c.raise(evStop)
}

// stopCode is what a caller still waiting is told.
func stopCode(r sbc.EndReason) int {
	switch r {
	case sbc.EndShutdown, sbc.EndDrained:
		return 503
	case sbc.EndAdmin:
		return 480
	}
	return 500
}

// txFailed is a broken server transaction: a 2xx without ACK, or a caller who cannot be reached.
func (c *Call) txFailed(tx msg.ServerTx, err error) {
	switch {
	case c.up != nil && c.up.tx == tx, c.served() && c.b.desk.tx == tx: // RFC 3261 14.2: without the ACK of a re-INVITE the dialog is terminated
		c.stop(stopOrder{reason: sbc.EndNoAck})
	case c.tr != nil && tx == c.tr.tx:
		c.raise(evTargetFailed)
	case tx != c.tx || c.st.ended:
	case c.st.a == callerInviting:
		c.m.o.Log.Debug("caller cannot be reached", "call_id", c.id, "error", err)
		c.stop(stopOrder{reason: sbc.EndError})
	case c.st.a == callerAnswered, c.st.a == callerLeaving:
		c.rec.ended(sbc.EndNoAck, sbc.SideSBC, causeRecovery)
		c.raise(evNoAck)
	}
}

// cancelled is a CANCEL; edge has answered it.
func (c *Call) cancelled(tx msg.ServerTx, cancel *msg.Message) {
	c.ladder.add(sbc.SideCaller, false, 0, cancel.Raw, cancel.Hop)
	cancel = c.received(c.a, cancel)
	switch {
	case tx == c.tx && c.st.a == callerInviting:
		c.rec.ended(sbc.EndCallerCancel, sbc.SideCaller, cmp.Or(q850(cancel), causeNormal))
		c.hunt.final(487, "", sbc.EndCallerCancel)
		c.in, c.hunt.gone = cancel, cancel
		c.raise(evCancel)
	case c.tr != nil && tx == c.tr.tx:
		c.tr.code = 487
		c.raise(evTargetCancel)
	case c.up != nil && c.up.tx == tx && c.up.out != nil && c.up.out.tx != nil: // carried on: its answer comes back
		c.up.out.tx.Cancel()
	case c.parked != nil && c.parked.tx == tx:
		c.refuseUpdate(c.parked, 487)
		c.parked = nil
		c.disarm(timerRetry)
	}
}

// acked is an ACK.
func (c *Call) acked(l *leg, ack *msg.Message) {
	c.ladder.add(l.side, false, l.attempt, ack.Raw, ack.Hop)
	ack = c.received(l, ack)
	d := l.dialogOf(ack)
	if d == nil {
		c.m.intruded(l.end, ack, badTags)
		return
	}
	d.Learn(ack.Hop)
	l.end.heard(ack.Hop)
	if c.served() && c.serveAck(ack) {
		return
	}
	if c.up != nil && c.up.from == l && c.up.req.CSeq.Seq == ack.CSeq.Seq && c.up.phase == phaseAck {
		c.updateAcked(ack)
		return
	}
	if l != c.a || ack.CSeq.Seq != c.a.inviteSeq || c.st.a != callerAnswered && c.st.a != callerLeaving {
		return
	}
	c.tx.Acked()
	c.tx = nil                // and with it the parsed INVITE
	if c.st.b == calleeHeld { // RFC 3261 13.2.1: the answer to our offer comes in the ACK
		c.lateAnswer(ack)
	}
	if l.late != nil {
		c.answeredLate(l, ack)
	}
	c.raise(evAck)
}

// visible is the state as the API shows it.
func (c *Call) visible() sbc.CallState {
	switch {
	case c.st.ended:
		return sbc.CallEnded
	case c.st.a == callerOver, c.st.a == callerByeing, c.st.a == callerLeaving, c.st.b == calleeByeing && c.st.a != callerInviting,
		c.st.b == calleeOver && c.st.a != callerInviting:
		return sbc.CallTerminating
	case c.st.a == callerAway && c.rec.answeredAt.IsZero(): // a call of ours
		if c.rec.progressAt.IsZero() {
			return sbc.CallSetup
		}
		return sbc.CallEarly
	case c.st.a == callerUp, c.st.a == callerAway:
		return sbc.CallConfirmed
	case c.st.a == callerAnswered:
		return sbc.CallAnswered
	case !c.rec.progressAt.IsZero():
		return sbc.CallEarly
	}
	return sbc.CallSetup
}

// appeared counts a new call.
func (c *Call) appeared() {
	c.m.metrics.moved("", sbc.CallSetup)
	c.m.counts.moved(c.tenant, "", sbc.CallSetup)
	c.tellState(sbc.CallSetup)
}

// moved keeps the gauge of states.
func (c *Call) moved() {
	after := c.visible()
	if after == c.shown {
		return
	}
	c.m.metrics.moved(c.shown, after)
	c.m.counts.moved(c.tenant, c.shown, after)
	c.shown = after
	if after != sbc.CallEnded { // which the record tells
		c.tellState(after)
	}
	if after == sbc.CallTerminating { // every transaction ends by itself before: this is for a fault of ours
		c.arm(timerMax, lastResort)
	}
}

// lastResort is how long a call may take to end: longer than any transaction it may wait for (a CANCEL, then a BYE).
const lastResort = 100 * time.Second
