package call

import (
	"fmt"
	"testing"
)

// target is what the observer of the walk knows of transfers.
type target struct {
	may     int  // transfers that may still begin
	left    int  // attempts that may still be made
	vacant  bool // nobody was in the caller's place from the beginning
	invited bool // an INVITE to the target is out without a final answer
	heard   bool // and a provisional came for it
	owed    int  // 2xx of the target not acknowledged
	dialog  bool // the target has a dialog, and has no place yet
	bye     int  // BYEs to the target
	asks    bool // the target's own INVITE waits for an answer
	former  bool // who was replaced has a dialog
	byeF    int  // BYEs to who was replaced
	told    bool // what became of the transfer was said
}

// possibleTransfer lists the events of transfers that the world may bring.
func possibleTransfer(n node) []event {
	var es []event
	g := n.g.target
	add := func(kinds ...eventKind) {
		for _, k := range kinds {
			es = append(es, event{kind: k, next: g.left > 0})
			if g.left > 0 {
				es = append(es, event{kind: k})
			}
		}
	}
	if g.may > 0 && ready(n.s) {
		for _, p := range []place{placeCaller, placeCallee} {
			for _, k := range []eventKind{evTransfer, evMerge, evReplace, evTaken} {
				es = append(es, event{kind: k, place: p})
			}
		}
	}
	if g.may > 0 && ringsFor(n.s) {
		es = append(es, event{kind: evReplace, place: placeCallee})
	}
	if n.s.t != targetNone || n.s.f != formerNone {
		es = append(es, event{kind: evTransfer, place: placeCaller}) // another one meanwhile
	}
	if g.invited {
		add(evTargetProvisional, evTargetAnswer, evTargetUnusable, evTargetFailed, evTargetRungOut)
	}
	switch n.s.t {
	case targetAwaited, targetDeclined:
		add(evTargetCame, evTargetFailed, evTargetProvisional)
	case targetInviting:
		add(evTargetFailed, evTargetCancel)
		if n.s.x == placeCaller || n.s.a == callerUp { // it has said ACK, so it could be asked
			add(evTargetAgreed)
		}
	case targetByeing:
		add(evTargetGone, evTargetAnswer)
	}
	if g.former {
		add(evFormerBye)
	}
	switch n.s.f {
	case formerStaying:
		add(evFormerTold)
	case formerByeing:
		add(evFormerGone)
	}
	return es
}

// observeTransfer moves what is known of transfers and reports what must never happen.
func observeTransfer(n node, e event, to state, out []action, fault func(string, ...any)) target {
	g := n.g.target
	switch e.kind {
	case evTransfer, evMerge, evReplace:
		if contains(out, doCallTarget) || contains(out, doAskTarget) || contains(out, doOfferTarget) {
			g.may--
			g.told, g.byeF, g.left = false, 0, 2
			g.asks = e.kind == evReplace
		}
	case evTargetAnswer, evTargetUnusable:
		if g.invited {
			g.invited, g.dialog, g.bye = false, true, 0
		}
		g.owed = 1
	case evTargetCame:
		g.dialog, g.bye = true, 0
	case evTargetFailed:
		g.invited = false
	case evTargetGone:
		g.dialog = false
	case evTargetProvisional:
		g.heard = true
	case evFormerBye, evFormerGone:
		g.former = false
	}
	for _, a := range out {
		g.carried(n, a, fault)
	}
	if e.kind == evFormerBye && !contains(out, doOKFormer) {
		fault("a BYE without an answer")
	}
	if g.owed > 0 {
		fault("a 2xx of the target without ACK")
	}
	left := e.kind == evCallerBye && n.s.x == placeCaller || e.kind == evCalleeBye && n.s.x == placeCallee
	if left && n.s.t != targetNone && stays(n.s) && !stays(to) {
		fault("the transferor's BYE ended the call")
	}
	if to.ended && (g.invited || g.dialog || g.asks || g.former) {
		fault("the end came while the target or who was replaced was there: %+v", g)
	}
	return g
}

// carried judges one action.
func (g *target) carried(n node, a action, fault func(string, ...any)) {
	switch a {
	case doCallTarget:
		if g.invited || g.dialog || g.left == 0 {
			fault("an attempt to reach the target beside another, or too many")
		}
		g.left--
		g.invited, g.heard = true, false
	case doAckTarget:
		g.owed = 0
	case doCancelTarget:
		if !g.heard {
			fault("CANCEL before a provisional (RFC 3261 9.1)")
		}
	case doByeTarget:
		if g.bye++; g.bye > 1 || !g.dialog || g.owed > 0 {
			fault("BYE to a target that has none, or before our ACK, or twice")
		}
	case doAnswerTarget, doRefuseTarget:
		if !g.asks {
			fault("an answer nobody waits for")
		}
		g.asks = false
		g.dialog = a == doAnswerTarget
		g.told = g.told || a == doRefuseTarget
	case doJoin:
		if g.told || !g.dialog || !stays(n.s) {
			fault("nobody to take the place, or nobody to talk to")
		}
		g.told, g.dialog = true, false
		g.former = n.s.x == placeCaller && n.s.a == callerUp || n.s.x == placeCallee && n.s.b == calleeUp
	case doTransferFailed:
		if g.told && n.s.t != targetInviting {
			fault("said twice what became of it")
		}
		g.told = true
	case doByeFormer:
		if g.byeF++; g.byeF > 1 || !g.former {
			fault("BYE to who was replaced: twice, or it is gone")
		}
	}
}

// inevitableTransfer tells whether an event of a transfer comes by itself. The other call, and the change of the side that stays,
// always give an answer.
func inevitableTransfer(n node, e event) bool {
	switch e.kind {
	case evFormerTold, evFormerGone, evTargetGone:
		return true
	case evTargetRungOut:
		return n.s.t == targetRinging
	case evTargetFailed:
		return n.s.t != targetRinging && n.s.t != targetNone && n.s.t != targetByeing
	}
	return false
}

// TestMachineTransfers spells some transfers out.
func TestMachineTransfers(t *testing.T) {
	up := state{a: callerUp, b: calleeUp}
	callee := func(k eventKind) event { return event{kind: k, place: placeCallee} }
	for _, tt := range []struct {
		name   string
		from   state
		events []event
		want   []action
		ends   state
	}{
		{"the callee transfers the caller, and is let go", up,
			[]event{callee(evTransfer), {kind: evTargetProvisional}, {kind: evTargetAnswer}, {kind: evFormerTold}, {kind: evFormerGone}},
			[]action{doCallTarget, doTargetRang, doAckTarget, doJoin, doByeFormer}, up},
		{"the callee transfers the caller and hangs up at once", up,
			[]event{callee(evTransfer), {kind: evCalleeBye}, {kind: evTargetProvisional}, {kind: evTargetAnswer}},
			[]action{doCallTarget, doOKCallee, doTargetRang, doAckTarget, doJoin}, up},
		{"the target is busy, the call goes on", up,
			[]event{callee(evTransfer), {kind: evTargetFailed, next: true}, {kind: evTargetFailed}},
			[]action{doCallTarget, doCallTarget, doTransferFailed}, up},
		{"the target is busy, but the transferor is gone", up,
			[]event{callee(evTransfer), {kind: evCalleeBye}, {kind: evTargetFailed}, {kind: evCallerGone}},
			[]action{doCallTarget, doOKCallee, doTransferFailed, doByeCaller, doEnd}, state{a: callerOver, b: calleeOver, ended: true}},
		{"who is transferred hangs up while the target rings", up,
			[]event{callee(evTransfer), {kind: evTargetProvisional}, {kind: evCallerBye}, {kind: evCalleeGone}, {kind: evTargetFailed}},
			[]action{doCallTarget, doTargetRang, doOKCaller, doByeCallee, doCancelTarget, doEnd},
			state{a: callerOver, b: calleeOver, ended: true}},
		{"an INVITE with Replaces takes the callee's place", up,
			[]event{callee(evReplace), {kind: evTargetAgreed}, {kind: evFormerTold}, {kind: evAck}, {kind: evFormerBye}},
			[]action{doOfferTarget, doAnswerTarget, doJoin, doByeFormer, doOKFormer}, up},
		{"an INVITE with Replaces takes the place of a callee that rings", state{b: calleeRinging},
			[]event{callee(evReplace), {kind: evAck}, {kind: evTargetAgreed}, {kind: evAck}},
			[]action{doPickUp, doAnswer, doOfferTarget, doAnswerTarget, doJoin}, up},
		{"its sender gives up before the caller's ACK", state{b: calleeRinging},
			[]event{callee(evReplace), {kind: evTargetCancel}, {kind: evAck}, {kind: evCallerGone}},
			[]action{doPickUp, doAnswer, doOfferTarget, doRefuseTarget, doTransferFailed, doByeCaller, doEnd}, state{ended: true}},
		{"the target of a call that rings comes when it answers", up,
			[]event{callee(evMerge), {kind: evTargetProvisional}, {kind: evTargetCame}, {kind: evFormerTold}, {kind: evFormerGone}},
			[]action{doAskTarget, doTargetRang, doJoin, doByeFormer}, up},
		{"a call that rings is given up by who transfers, so we call", up,
			[]event{callee(evMerge), {kind: evTargetProvisional}, {kind: evTargetFailed, next: true}, {kind: evTargetAnswer}, {kind: evFormerBye}},
			[]action{doAskTarget, doTargetRang, doCallTarget, doAckTarget, doJoin, doOKFormer}, up},
		{"who is transferred hangs up while another call rings", up,
			[]event{callee(evMerge), {kind: evTargetProvisional}, {kind: evCallerBye}, {kind: evCalleeGone}, {kind: evTargetFailed}},
			[]action{doAskTarget, doTargetRang, doOKCaller, doByeCallee, doUnaskTarget, doEnd}, state{ended: true}},
		{"a call of ours", state{a: callerAway},
			[]event{{kind: evStart, next: true}, {kind: evAnswer}, {kind: evTargetAnswer}},
			[]action{doTry, doAck, doCallTarget, doAckTarget, doJoin}, up},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, got := tt.from, []action(nil)
			for _, e := range tt.events {
				s, got = step(s, e, got)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) || s != tt.ends && !s.ended {
				t.Errorf("got %v and %+v, want %v and %+v", got, s, tt.want, tt.ends)
			}
		})
	}
}
