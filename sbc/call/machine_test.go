package call

import (
	"fmt"
	"testing"
)

// ghost is what a perfect observer would write down beside the machine: it holds what the invariants speak of.
type ghost struct {
	left    int // attempts that may still be made
	finals  int // final answers to the caller
	owed    int // 2xx of the callee not acknowledged
	ends    int
	byeA    int
	byeB    int
	invited bool // an INVITE to the callee is out without a final answer
	heard   bool // and a provisional came for it
	dialog  bool // the callee's dialog of the attempt is confirmed and not ended
	target  target
}

type node struct {
	s state
	g ghost
}

// possible lists the events the world may bring in a state.
func possible(n node) []event {
	var es []event
	add := func(kinds ...eventKind) {
		for _, k := range kinds {
			es = append(es, event{kind: k, next: n.g.left > 0})
			if n.g.left > 0 {
				es = append(es, event{kind: k})
			}
		}
	}
	add(evStop)
	if n.s.b == calleeNone {
		add(evStart)
	}
	switch n.s.a {
	case callerInviting:
		add(evCancel, evCallerBye, evPracked, evUnpracked)
	case callerAnswered, callerLeaving:
		add(evAck, evNoAck, evCallerBye, evCancel)
	case callerUp:
		add(evCallerBye, evAck)
	case callerByeing:
		add(evCallerBye, evCallerGone, evAck)
	case callerOver:
		add(evCallerBye, evAck, evCancel)
	}
	if n.g.invited {
		add(evProvisional, evAnswer, evOffer, evUnusable, evFailed, evRungOut)
		if n.s.a == callerInviting || n.s.a == callerOver { // a PRACK may be owed
			add(evAnswerHeld)
		}
	}
	if n.g.dialog {
		add(evCalleeBye, evAnswer)
	}
	if n.s.b == calleeByeing {
		add(evCalleeGone)
	}
	return append(es, possibleTransfer(n)...)
}

// observe moves the ghost and reports what must never happen.
func observe(t *testing.T, n node, e event, to state, out []action) node {
	g := n.g
	fault := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%+v, %+v -> %+v %v: %s", n, e, to, out, fmt.Sprintf(format, args...))
	}
	if n.s.ended && len(out) > 0 {
		fault("something was done after the end")
	}
	switch {
	case isAnswer(e):
		if g.invited {
			g.invited, g.dialog = false, true
		}
		g.owed = 1
	case e.kind == evFailed:
		g.invited = false
	case e.kind == evCalleeBye, e.kind == evCalleeGone, e.kind == evTaken && e.place == placeCallee:
		g.dialog = false
	case e.kind == evProvisional:
		g.heard = true
	}
	g.target = observeTransfer(n, e, to, out, fault)
	for _, a := range out {
		switch a {
		case doTry:
			if g.invited || g.dialog {
				fault("a new attempt beside a live one")
			}
			if n.s.a != callerInviting && n.s.a != callerAway || g.left == 0 {
				fault("an attempt nobody waits for")
			}
			g.left--
			g.invited, g.heard, g.byeB = true, false, 0
		case doPickUp:
			if !g.heard || !g.invited {
				fault("nobody rings whose place could be taken")
			}
			g.invited = false
		case doAnswer, doRefuse:
			if e.kind == evAnswerHeld {
				fault("the answer did not wait for the PRACK (RFC 3262 3)")
			}
			if g.finals++; g.finals > 1 {
				fault("two final answers to the caller")
			}
		case doAck:
			g.owed = 0
		case doCancel:
			if !g.heard {
				fault("CANCEL before a provisional (RFC 3261 9.1)")
			}
		case doByeCaller:
			if g.byeA++; g.byeA > 1 {
				fault("two BYEs to the caller")
			}
			if (n.s.a == callerAnswered || n.s.a == callerLeaving) && e.kind != evAck && e.kind != evNoAck {
				fault("BYE before the ACK (RFC 3261 15)")
			}
		case doByeCallee:
			if g.byeB++; g.byeB > 1 {
				fault("two BYEs to the callee")
			}
			if g.owed > 0 {
				fault("BYE before our ACK")
			}
		case doEnd:
			if g.ends++; g.ends > 1 || g.finals != 1 && !g.target.vacant {
				fault("%d ends with %d finals", g.ends, g.finals)
			}
			if g.invited || g.dialog {
				fault("the end came while the callee was there")
			}
		}
	}
	if e.kind == evCalleeBye && !contains(out, doOKCallee) || e.kind == evCallerBye && n.s.a != callerOver && !contains(out,
		doOKCaller) {
		if !n.s.ended {
			fault("a BYE without an answer")
		}
	}
	if g.owed > 0 && to.b != calleeHeld && !n.s.ended {
		fault("a 2xx without ACK (RFC 3261 13.2.2.4)")
	}
	if over := to.a == callerOver && (to.b == calleeOver || to.b == calleeNone); to.ended != (over && to.t == targetNone &&
		to.f == formerNone) {
		fault("ended does not say what the legs say")
	}
	return node{to, g}
}

func contains(out []action, a action) bool {
	for _, x := range out {
		if x == a {
			return true
		}
	}
	return false
}

// TestMachineWalk goes through every order of events from the first INVITE and checks the invariants of architecture.md 6.
func TestMachineWalk(t *testing.T) {
	start := node{g: ghost{left: 2, target: target{left: 2, may: 1}}}
	ours := start // a call that we make has nobody in the caller's place
	ours.s.a, ours.g.target.vacant = callerAway, true
	seen := map[node]bool{start: true, ours: true}
	states := map[state]bool{}
	var ways []node
	edges := map[node][]node{}
	transitions := 0
	for todo := []node{start, ours}; len(todo) > 0; {
		n := todo[0]
		todo = todo[1:]
		ways = append(ways, n)
		states[n.s] = true
		for _, e := range possible(n) {
			to, out := step(n.s, e, nil)
			transitions++
			m := observe(t, n, e, to, out)
			if inevitable(n, e) {
				edges[n] = append(edges[n], m)
			}
			if !seen[m] {
				seen[m] = true
				todo = append(todo, m)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d machine states, %d with the observer, %d transitions", len(states), len(seen), transitions)
	if plain := 0; true {
		for s := range states {
			if s.t == targetNone && s.f == formerNone && s.a != callerAway && s.b != calleeAway {
				plain++
			}
		}
		if plain != 18 || len(states) != 101 {
			t.Errorf("%d states were reached, %d without a transfer: the picture in doc.go has 101 and 18", len(states), plain)
		}
	}
	checkWayOut(t, ways, edges)
}

// inevitable tells whether an event comes by itself: by a timer of ours or of a transaction, without anybody's goodwill.
func inevitable(n node, e event) bool {
	switch e.kind {
	case evStart, evNoAck, evCallerGone, evCalleeGone:
		return true
	case evUnpracked: // 64*T1 without the PRACK that the answer waits for
		return n.s.a == callerInviting && n.s.b == calleeUp
	case evRungOut: // the ring timer runs from the first provisional on
		return n.s.b == calleeRinging
	case evFailed: // Timer B, no response, or the guard of a CANCEL
		return n.s.b == calleeCalling || n.s.b == calleeUnwanted || n.s.b == calleeCancelling
	case evStop: // maximum duration
		return n.s.a == callerUp && n.s.b == calleeUp && n.s.t == targetNone && n.s.f == formerNone
	}
	return inevitableTransfer(n, e)
}

// checkWayOut sees that the end can be reached from everywhere by inevitable events alone.
func checkWayOut(t *testing.T, ways []node, edges map[node][]node) {
	out := map[node]bool{}
	for changed := true; changed; {
		changed = false
		for _, n := range ways {
			if out[n] {
				continue
			}
			ok := n.s.ended
			for _, m := range edges[n] {
				ok = ok || out[m]
			}
			if ok {
				out[n], changed = true, true
			}
		}
	}
	for _, n := range ways {
		if !out[n] {
			t.Errorf("no way out of %+v", n)
		}
	}
}

// TestMachineOrders spells some orders out, so that a reader sees the machine at work.
func TestMachineOrders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []event
		want   []action
	}{
		{"answered, caller hangs up",
			[]event{{kind: evStart, next: true}, {kind: evProvisional}, {kind: evAnswer}, {kind: evAck}, {kind: evCallerBye}, {kind: evCalleeGone}},
			[]action{doTry, doRing, doAck, doAnswer, doOKCaller, doByeCallee, doEnd}},
		{"refused, next attempt answers, callee hangs up",
			[]event{{kind: evStart, next: true}, {kind: evFailed, next: true}, {kind: evAnswer}, {kind: evAck}, {kind: evCalleeBye}, {kind: evCallerGone}},
			[]action{doTry, doTry, doAck, doAnswer, doOKCallee, doByeCaller, doEnd}},
		{"no route", []event{{kind: evStart}}, []action{doRefuse, doEnd}},
		{"cancelled before anything was heard",
			[]event{{kind: evStart, next: true}, {kind: evCancel}, {kind: evProvisional}, {kind: evFailed}},
			[]action{doTry, doRefuse, doCancel, doEnd}},
		{"CANCEL crosses the 200",
			[]event{{kind: evStart, next: true}, {kind: evProvisional}, {kind: evCancel}, {kind: evAnswer}, {kind: evCalleeGone}},
			[]action{doTry, doRing, doRefuse, doCancel, doAck, doByeCallee, doEnd}},
		{"callee hangs up before the caller's ACK",
			[]event{{kind: evStart, next: true}, {kind: evAnswer}, {kind: evCalleeBye}, {kind: evAck}, {kind: evCallerGone}},
			[]action{doTry, doAck, doAnswer, doOKCallee, doByeCaller, doEnd}},
		{"the 200 waits for a PRACK",
			[]event{{kind: evStart, next: true}, {kind: evProvisional}, {kind: evAnswerHeld}, {kind: evPracked}, {kind: evAck}, {kind: evCallerBye},
				{kind: evCalleeGone}},
			[]action{doTry, doRing, doAck, doAnswer, doOKCaller, doByeCallee, doEnd}},
		{"the PRACK never comes",
			[]event{{kind: evStart, next: true}, {kind: evProvisional}, {kind: evAnswerHeld}, {kind: evUnpracked}, {kind: evCalleeGone}},
			[]action{doTry, doRing, doAck, doRefuse, doByeCallee, doEnd}},
		{"two BYEs cross",
			[]event{{kind: evStart, next: true}, {kind: evAnswer}, {kind: evAck}, {kind: evCallerBye}, {kind: evCalleeBye}, {kind: evCalleeGone}},
			[]action{doTry, doAck, doAnswer, doOKCaller, doByeCallee, doOKCallee, doEnd}},
		{"offerless INVITE",
			[]event{{kind: evStart, next: true}, {kind: evOffer}, {kind: evAck}, {kind: evCallerBye}, {kind: evCalleeGone}},
			[]action{doTry, doAnswer, doAck, doOKCaller, doByeCallee, doEnd}},
		{"no ACK for an offerless one",
			[]event{{kind: evStart, next: true}, {kind: evOffer}, {kind: evNoAck}, {kind: evCallerGone}, {kind: evCalleeGone}},
			[]action{doTry, doAnswer, doByeCaller, doAck, doByeCallee, doEnd}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s state
			var got []action
			for _, e := range tt.events {
				s, got = step(s, e, got)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if !s.ended {
				t.Errorf("not ended: %+v", s)
			}
		})
	}
}

func BenchmarkMachine(b *testing.B) {
	b.ReportAllocs()
	events := []event{{kind: evStart, next: true}, {kind: evProvisional}, {kind: evAnswer}, {kind: evAck}, {kind: evCallerBye},
		{kind: evCalleeGone}}
	var room [8]action
	for b.Loop() {
		var s state
		for _, e := range events {
			s, _ = step(s, e, room[:0])
		}
	}
}
