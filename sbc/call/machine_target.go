package call

// The machine's third party: the target of a transfer, which is to take the place of one side while the other stays. It is called
// by us (a REFER, the API), comes from another call of ours (an attended transfer), or invites us itself (RFC 3891). Until it
// takes the place nothing changes for the two sides, but for one thing: the side whose place is to be taken may hang up meanwhile,
// and the call goes on.

// targetState is where we are with the target.
type targetState uint8

const (
	targetNone       targetState = iota
	targetCalling                // INVITE sent, nothing heard
	targetRinging                // a provisional response came
	targetUnwanted               // as calling, but nobody waits for it any more: a CANCEL must wait (RFC 3261 9.1)
	targetCancelling             // CANCEL sent, the INVITE's final answer awaited
	targetByeing                 // it answered and nobody wants it: our BYE awaits its answer
	targetAwaited                // another call was asked for its leg, which may be ringing yet
	targetDeclined               // as awaited, but nobody waits for it any more
	targetInviting               // its INVITE awaits the answer of the side that stays
)

// formerState is where we are with the side that was replaced.
type formerState uint8

const (
	formerNone    formerState = iota
	formerStaying             // it is being told
	formerByeing              // our BYE awaits its answer
)

// place names the side whose place is to be taken.
type place uint8

const (
	placeNone place = iota
	placeCaller
	placeCallee
)

// ready tells whether a transfer may begin.
func ready(s state) bool {
	return s.a == callerUp && s.b == calleeUp && s.t == targetNone && s.f == formerNone
}

// stays tells whether the side that shall stay is still there.
func stays(s state) bool {
	if s.x == placeCaller {
		return s.b == calleeUp
	} // callerAnswered: the callee was replaced while it rang
	return s.a == callerUp || s.a == callerAnswered && s.b == calleeAway
}

// stepTransfer is the machine's row for targets and those they replace.
func stepTransfer(s state, e event, out []action) (state, []action) {
	switch e.kind {
	case evTransfer, evMerge, evReplace:
		return beginTransfer(s, e, out)
	case evFormerTold:
		if s.f == formerStaying {
			s.f, out = formerByeing, append(out, doByeFormer)
		}
		return s, out
	case evFormerBye:
		if s.f != formerNone { // with formerByeing two BYEs crossed (RFC 5407 3.2.1)
			s.f, out = formerNone, append(out, doOKFormer)
		}
		return s, out
	case evFormerGone:
		if s.f == formerByeing {
			s.f = formerNone
		}
		return s, out
	}
	switch s.t {
	case targetCalling, targetRinging:
		return stepTarget(s, e, out)
	case targetUnwanted, targetCancelling:
		return stepUnwantedTarget(s, e, out)
	}
	return stepOtherTarget(s, e, out)
}

// beginTransfer begins one, if nothing else is going on.
func beginTransfer(s state, e event, out []action) (state, []action) {
	if e.kind == evReplace && e.place == placeCallee && ringsFor(s) { // RFC 3891 3: an early dialog that we began
		s.a, s.b, s.t, s.x = callerAnswered, calleeAway, targetInviting, placeCallee
		return s, append(out, doPickUp, doAnswer, doOfferTarget)
	}
	if !ready(s) {
		return s, out
	}
	s.x = e.place
	switch e.kind {
	case evTransfer:
		s.t, out = targetCalling, append(out, doCallTarget)
	case evMerge:
		s.t, out = targetAwaited, append(out, doAskTarget)
	case evReplace:
		s.t, out = targetInviting, append(out, doOfferTarget)
	}
	return s, out
}

// taken is a side that goes on in another call: nothing is owed to it here, and the other side is released.
func taken(s state, e event, out []action) (state, []action) {
	switch {
	case !ready(s):
		return s, out
	case e.place == placeCaller:
		s.a = callerOver
		return releaseCallee(s, out)
	}
	s.b = calleeOver
	return releaseCaller(s, out)
}

// stepTarget is a target that is called and wanted.
func stepTarget(s state, e event, out []action) (state, []action) {
	switch e.kind {
	case evTargetProvisional:
		s.t, out = targetRinging, append(out, doTargetRang)
	case evTargetAnswer: // RFC 3261 13.2.2.4
		return join(s, append(out, doAckTarget))
	case evTargetUnusable: // acknowledged, then released
		s.t, out = targetByeing, append(out, doAckTarget, doByeTarget)
	case evTargetRungOut:
		return releaseTarget(s, out)
	case evTargetFailed:
		return targetOver(s, e, out)
	}
	return s, out
}

// stepUnwantedTarget is a target that is called and not wanted any more.
func stepUnwantedTarget(s state, e event, out []action) (state, []action) {
	switch e.kind {
	case evTargetProvisional:
		if s.t == targetUnwanted { // RFC 3261 9.1
			s.t, out = targetCancelling, append(out, doCancelTarget)
		}
	case evTargetAnswer, evTargetUnusable: // RFC 5407 3.1.2: the 2xx crossed our CANCEL
		s.t, out = targetByeing, append(out, doAckTarget, doByeTarget)
	case evTargetFailed:
		return targetOver(s, e, out)
	}
	return s, out
}

// stepOtherTarget is a target that comes by itself or from another call, or one that is being released.
func stepOtherTarget(s state, e event, out []action) (state, []action) {
	switch {
	case e.kind == evTargetCame && s.t == targetAwaited:
		return join(s, out)
	case e.kind == evTargetCame && s.t == targetDeclined:
		s.t, out = targetByeing, append(out, doByeTarget)
	case e.kind == evTargetProvisional && s.t == targetAwaited: // it rings there
		out = append(out, doTargetRang)
	case e.kind == evTargetFailed && (s.t == targetAwaited || s.t == targetDeclined): // with next it is to be called from here
		return targetOver(s, e, out)
	case e.kind == evTargetAgreed && s.t == targetInviting:
		// It is our client, so it takes the place of a caller whose ACK is awaited; whoever stays is the callee from now on.
		s, out = join(s, append(out, doAnswerTarget))
		s.a, s.b = callerAnswered, calleeUp
	case (e.kind == evTargetCancel || e.kind == evTargetFailed) && s.t == targetInviting:
		return targetOver(s, event{}, append(out, doRefuseTarget))
	case e.kind == evTargetGone && s.t == targetByeing:
		return targetOver(s, e, out)
	case (e.kind == evTargetAnswer || e.kind == evTargetUnusable) && s.t == targetByeing: // RFC 3261 13.2.2.4: repeated
		out = append(out, doAckTarget)
	}
	return s, out
}

// join puts the target in its place. The side that was there is told, if it is still there, and then released.
func join(s state, out []action) (state, []action) {
	if s.x == placeCaller && s.a == callerUp || s.x == placeCallee && s.b == calleeUp {
		s.f = formerStaying
	}
	s.a, s.b = callerUp, calleeUp
	s.t, s.x = targetNone, placeNone
	return s, append(out, doJoin)
}

// targetOver follows a target that there will not be: while somebody waits, with the next attempt, or with how it was before.
func targetOver(s state, e event, out []action) (state, []action) {
	if stays(s) && e.next {
		s.t, out = targetCalling, append(out, doCallTarget)
		return s, out
	}
	waited := stays(s)
	s.t, s.x = targetNone, placeNone
	if !waited {
		return s, out
	}
	out = append(out, doTransferFailed)
	switch {
	case s.a == callerAway:
		s.a = callerOver
		return releaseCallee(s, out)
	case s.b == calleeAway:
		s.b = calleeOver
		return releaseCaller(s, out)
	}
	return s, out
}

// releaseTarget lets the target go: the side that was to stay is gone, it rang too long, or we stop.
func releaseTarget(s state, out []action) (state, []action) {
	switch s.t {
	case targetCalling: // RFC 3261 9.1: no CANCEL before a provisional
		s.t = targetUnwanted
	case targetRinging:
		s.t, out = targetCancelling, append(out, doCancelTarget)
	case targetAwaited:
		s.t, out = targetDeclined, append(out, doUnaskTarget)
	case targetInviting:
		s.t, s.x, out = targetNone, placeNone, append(out, doRefuseTarget)
	}
	return s, out
}
