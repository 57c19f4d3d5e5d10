package call

// The machine of a call: a pure function from a state and an event to a state and actions. It knows nothing of sockets, clocks,
// messages or media; call.go turns what happens into events and carries the actions out, in their order.
//
// The state is what is owed to each side, not one long list of names: callerState for leg A (we are its server), calleeState for
// the attempt on leg B (we are its client). What an attempt's forks, its re-INVITEs and its media do are sub-states of the leg
// and not seen here. machine_test.go walks every order of events.

// callerState is where we are with the caller.
type callerState uint8

const (
	callerInviting callerState = iota // INVITE received, no final answer sent
	callerAnswered                    // 200 sent, ACK awaited
	callerLeaving                     // as answered, but the call is over: the ACK is awaited to send the BYE (RFC 3261 15)
	callerUp                          // ACK received
	callerByeing                      // our BYE awaits its answer
	callerOver
	callerAway // nobody is there, or not any more; a target is to come in its place (machine_target.go)
)

// calleeState is where we are with the callee of the attempt under way.
type calleeState uint8

const (
	calleeNone       calleeState = iota // before the first attempt
	calleeCalling                       // INVITE sent, nothing heard
	calleeRinging                       // a provisional response came
	calleeUnwanted                      // nobody waits any more, but a CANCEL must wait for a provisional (RFC 3261 9.1)
	calleeCancelling                    // CANCEL sent, the INVITE's final answer awaited
	calleeHeld                          // answered with an offer; its ACK waits for the caller's answer (RFC 3261 13.2.2.4)
	calleeUp                            // answered and acknowledged
	calleeByeing                        // our BYE awaits its answer
	calleeOver
	calleeAway // it has left; a target is to come in its place
)

// state is a call's. The zero value is a call whose INVITE has just come.
type state struct {
	a     callerState
	b     calleeState
	t     targetState
	f     formerState
	x     place // whose place the target is to take
	ended bool
}

// eventKind says what happened.
type eventKind uint8

const (
	evStart             eventKind = iota // routing is done; next tells whether there is an attempt to make
	evCancel                             // the caller's CANCEL
	evAck                                // the caller's ACK of our 200
	evPracked                            // the caller's PRACK of a reliable provisional response (RFC 3262)
	evUnpracked                          // 64*T1 passed without it
	evNoAck                              // 64*T1 passed without it, or its transport broke (RFC 3261 13.3.1.4)
	evCallerBye                          // BYE from the caller
	evCallerGone                         // our BYE to the caller was answered, or nobody answered it
	evProvisional                        // 1xx from the callee
	evAnswer                             // 2xx from the callee whose answer fits
	evAnswerHeld                         // as evAnswer, but the caller has yet to send its PRACK for the answer it got before
	evOffer                              // 2xx from the callee that carries the offer, to an INVITE without one
	evUnusable                           // 2xx from the callee whose SDP is of no use
	evFailed                             // final failure of the attempt, timeout, unreachable; next: another attempt may follow
	evRungOut                            // the attempt rang as long as it may
	evCalleeBye                          // BYE from the callee; next as in evFailed
	evCalleeGone                         // our BYE to the callee was answered, or nobody answered it; next as in evFailed
	evStop                               // hang-up by us: API, maximum duration, silence, shutdown, a fault
	evTaken                              // another call took the side of place
	evTransfer                           // somebody is to be called who takes place's side
	evMerge                              // somebody of another call is to take it
	evReplace                            // an INVITE came whose sender is to take it (RFC 3891)
	evTargetProvisional                  // 1xx from the target
	evTargetAnswer                       // 2xx from the target whose answer fits
	evTargetUnusable                     // 2xx from the target whose SDP is of no use
	evTargetFailed                       // there will be no target, whoever refused; next: another attempt may follow
	evTargetRungOut                      // the target rang as long as it may
	evTargetCame                         // the other call gave its leg
	evTargetAgreed                       // the side that stays answered the offer of the INVITE with Replaces
	evTargetCancel                       // the sender of that INVITE cancelled it
	evTargetGone                         // our BYE to the target was answered, or nobody answered it; next as in evTargetFailed
	evFormerTold                         // the side that was replaced knows that it was, or cannot be told
	evFormerBye                          // BYE from it
	evFormerGone                         // our BYE to it was answered, or nobody answered it
)

// event is one thing that happened.
type event struct {
	kind eventKind
	// next says that, should this end the attempt while somebody waits, there is another one to make.
	next bool
	// place says whose place is to be taken, with evTransfer, evMerge and evReplace.
	place place
}

// action is one thing to do.
type action uint8

const (
	doTry       action = iota // make the next attempt
	doRing                    // pass the provisional response to the caller
	doAnswer                  // 200 to the caller
	doRefuse                  // final failure to the caller
	doOKCaller                // 200 to the caller's BYE
	doByeCaller               // BYE to the caller
	doAck                     // ACK to the callee, again for a repeated 2xx
	doCancel                  // CANCEL to the callee
	doOKCallee                // 200 to the callee's BYE
	doByeCallee               // BYE to the callee
	doEnd                     // everything is over: media closed, one CDR

	doCallTarget     // make the next attempt to reach the target
	doAskTarget      // ask the other call for its leg
	doUnaskTarget    // take that back
	doOfferTarget    // offer the SDP of the INVITE with Replaces to the side that stays
	doTargetRang     // tell who asked for the transfer that the target rings
	doAckTarget      // ACK to the target
	doCancelTarget   // CANCEL to the target
	doByeTarget      // BYE to the target
	doPickUp         // the callee that rings is given up: another one answers in its place
	doAnswerTarget   // 200 to the INVITE with Replaces
	doRefuseTarget   // its final failure
	doJoin           // the target takes the place; who asked is told, and so is the side that stays
	doTransferFailed // who asked is told that nothing came of it
	doByeFormer      // BYE to the side that was replaced
	doOKFormer       // 200 to its BYE
)

// step is the machine. Actions are appended to out, whose room the caller provides so that nothing is allocated.
func step(s state, e event, out []action) (state, []action) {
	if s.ended {
		return s, out
	}
	switch e.kind {
	case evStart:
		s, out = next(s, e, out)
	case evStop:
		s, out = releaseCaller(s, out)
		s, out = releaseCallee(s, out)
	case evTaken:
		s, out = taken(s, e, out)
	case evCancel, evAck, evPracked, evUnpracked, evNoAck, evCallerBye, evCallerGone:
		s, out = stepCaller(s, e, out)
	case evProvisional, evAnswer, evAnswerHeld, evOffer, evUnusable, evFailed, evRungOut, evCalleeBye, evCalleeGone:
		s, out = stepCallee(s, e, out)
	default:
		s, out = stepTransfer(s, e, out)
	}
	if s.t != targetNone && !stays(s) {
		s, out = releaseTarget(s, out)
	}
	if s.a == callerOver && (s.b == calleeOver || s.b == calleeNone) && s.t == targetNone && s.f == formerNone {
		s.ended = true
		out = append(out, doEnd)
	}
	return s, out
}

// stepCaller is the machine's row for what the caller does.
func stepCaller(s state, e event, out []action) (state, []action) {
	switch {
	case e.kind == evCancel && s.a == callerInviting: // RFC 3261 9.2: 487 (edge answered the CANCEL itself)
		s.a, out = callerOver, append(out, doRefuse)
		return releaseCallee(s, out)
	case e.kind == evPracked && s.a == callerInviting && s.b == calleeUp: // RFC 3262 3: only now may we say 200
		s.a, out = callerAnswered, append(out, doAnswer)
	case e.kind == evUnpracked && s.a == callerInviting: // RFC 3262 3
		s.a, out = callerOver, append(out, doRefuse)
		return releaseCallee(s, out)
	case e.kind == evAck && s.a == callerAnswered: // RFC 3261 13.3.1.4
		s.a = callerUp
		if s.b == calleeHeld { // RFC 3261 13.2.2.4: the ACK carries the answer on
			s.b, out = calleeUp, append(out, doAck)
		}
	case e.kind == evAck && s.a == callerLeaving, // RFC 3261 15: only now may we say BYE
		e.kind == evNoAck && s.a == callerLeaving:
		s.a, out = callerByeing, append(out, doByeCaller)
	case e.kind == evNoAck && s.a == callerAnswered: // RFC 3261 13.3.1.4: the session is terminated with a BYE
		s.a, out = callerByeing, append(out, doByeCaller)
		return releaseCallee(s, out)
	case e.kind == evCallerBye:
		return callerHungUp(s, out)
	case e.kind == evCallerGone && s.a == callerByeing: // RFC 3261 15.1.1: over whatever the answer was
		s.a = callerOver
	}
	return s, out
}

// callerHungUp is the caller's BYE (RFC 3261 15.1.2).
func callerHungUp(s state, out []action) (state, []action) {
	switch {
	case s.a == callerOver:
		return s, out
	case s.a == callerAway:
		return s, append(out, doOKCaller)
	case s.a == callerUp && s.t != targetNone && s.x == placeCaller: // the target comes in its place all the same
		s.a, out = callerAway, append(out, doOKCaller)
		return s, out
	case s.a == callerInviting: // RFC 3261 15: allowed on an early dialog; the pending INVITE gets 487
		s.a, out = callerOver, append(out, doOKCaller, doRefuse)
	default: // with callerByeing two BYEs crossed (RFC 5407 3.2.1)
		s.a, out = callerOver, append(out, doOKCaller)
	}
	return releaseCallee(s, out)
}

// stepCallee is the machine's row for what becomes of the attempt.
func stepCallee(s state, e event, out []action) (state, []action) {
	switch s.b {
	case calleeCalling, calleeRinging:
		return stepWanted(s, e, out)
	case calleeUnwanted, calleeCancelling:
		return stepUnwanted(s, e, out)
	}
	switch {
	case isAnswer(e) && (s.b == calleeUp || s.b == calleeByeing): // RFC 3261 13.2.2.4: each repeated 2xx is acknowledged
		out = append(out, doAck)
	case e.kind == evCalleeBye && s.b == calleeAway:
		out = append(out, doOKCallee)
	case e.kind == evCalleeBye && s.b == calleeUp && s.t != targetNone && s.x == placeCallee:
		s.b, out = calleeAway, append(out, doOKCallee) // the target comes in its place all the same
	case e.kind == evCalleeBye && s.b == calleeUp:
		s.b, out = calleeOver, append(out, doOKCallee)
		return releaseCaller(s, out)
	case e.kind == evCalleeBye && s.b == calleeHeld: // it gave up waiting for the ACK
		s.b, out = calleeOver, append(out, doAck, doOKCallee)
		return releaseCaller(s, out)
	case e.kind == evCalleeBye && s.b == calleeByeing: // RFC 5407 3.2.1: two BYEs crossed
		return next(s, e, append(out, doOKCallee))
	case e.kind == evCalleeGone && s.b == calleeByeing:
		return next(s, e, out)
	}
	return s, out
}

// stepWanted is an attempt the caller waits for.
func stepWanted(s state, e event, out []action) (state, []action) {
	switch e.kind {
	case evProvisional:
		s.b = calleeRinging
		if s.a == callerInviting {
			out = append(out, doRing)
		}
	case evAnswer: // RFC 3261 13.2.2.4
		if s.a == callerAway { // the call is ours (RFC 3725): now whoever takes the caller's place is called
			s.b, s.t, s.x, out = calleeUp, targetCalling, placeCaller, append(out, doAck, doCallTarget)
			return s, out
		}
		s.a, s.b, out = callerAnswered, calleeUp, append(out, doAck, doAnswer)
	case evAnswerHeld: // RFC 3262 3: our 200 must wait
		s.b, out = calleeUp, append(out, doAck)
	case evOffer:
		s.a, s.b, out = callerAnswered, calleeHeld, append(out, doAnswer)
	case evUnusable: // RFC 3261 13.2.2.4: acknowledged, then released
		s.b, out = calleeByeing, append(out, doAck, doByeCallee)
	case evRungOut:
		return releaseCallee(s, out)
	case evFailed:
		return next(s, e, out)
	}
	return s, out
}

// stepUnwanted is an attempt that nobody waits for any more.
func stepUnwanted(s state, e event, out []action) (state, []action) {
	switch {
	case e.kind == evProvisional && s.b == calleeUnwanted: // RFC 3261 9.1
		s.b, out = calleeCancelling, append(out, doCancel)
	case isAnswer(e): // RFC 5407 3.1.2: the 2xx crossed our CANCEL
		s.b, out = calleeByeing, append(out, doAck, doByeCallee)
	case e.kind == evFailed:
		return next(s, e, out)
	}
	return s, out
}

// isAnswer tells whether the event is a 2xx of any kind.
func isAnswer(e event) bool {
	return e.kind == evAnswer || e.kind == evAnswerHeld || e.kind == evOffer || e.kind == evUnusable
}

// next follows an attempt that is over: while the caller waits, with another one or with the final failure.
func next(s state, e event, out []action) (state, []action) {
	s.b = calleeOver
	switch {
	case s.a != callerInviting && s.a != callerAway:
	case e.next:
		s.b, out = calleeCalling, append(out, doTry)
	case s.a == callerAway: // there is nobody to be told
		s.a = callerOver
	default:
		s.a, out = callerOver, append(out, doRefuse)
	}
	return s, out
}

// releaseCaller lets the caller go: the callee is gone, or we stop.
func releaseCaller(s state, out []action) (state, []action) {
	switch s.a {
	case callerInviting:
		s.a, out = callerOver, append(out, doRefuse)
	case callerAnswered: // RFC 3261 15: no BYE before the ACK
		s.a = callerLeaving
	case callerUp:
		s.a, out = callerByeing, append(out, doByeCaller)
	case callerAway:
		s.a = callerOver
	}
	return s, out
}

// releaseCallee lets the callee go: the caller is gone, the callee rang too long, or we stop.
func releaseCallee(s state, out []action) (state, []action) {
	switch s.b {
	case calleeNone, calleeAway:
		s.b = calleeOver
	case calleeCalling: // RFC 3261 9.1: no CANCEL before a provisional
		s.b = calleeUnwanted
	case calleeRinging:
		s.b, out = calleeCancelling, append(out, doCancel)
	case calleeHeld: // RFC 3261 13.2.2.4: acknowledged, then released
		s.b, out = calleeByeing, append(out, doAck, doByeCallee)
	case calleeUp:
		s.b, out = calleeByeing, append(out, doByeCallee)
	}
	return s, out
}
