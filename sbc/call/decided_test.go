package call

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// spelled is a trace in lines, for comparison.
func spelled(steps []sbc.DecisionStep) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s %s %s: %s\n", s.Stage, s.Subject, s.Verdict, s.Detail)
	}
	return b.String()
}

// TestDecisionOfACall: the trace of a call in progress begins as Explain says it would, names its limits and its attempts, and its record
// ends with the same.
func TestDecisionOfACall(t *testing.T) {
	run(t, nil, func(w *world) {
		foreseen, err := w.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SourcePort: 5060, SIPInterfaceID: "sif_a", Caller: "+441234",
			Callee: "4930123"})
		if err != nil {
			t.Fatal(err)
		}
		in := w.caller().invite(sdp(callerIP, 4000))
		in.want(100)
		w.wire.next(msg.INVITE).reply(503)
		second := w.wire.next(msg.INVITE)
		id := w.m.List(sbc.CallFilter{})[0].ID
		during, ok := w.m.Decision(id)
		if !ok || during.Outcome != sbc.OutcomeRoute || during.RuleID != foreseen.RuleID || len(during.Attempts) != len(foreseen.Attempts) {
			t.Errorf("%v %+v", ok, during)
		}
		for _, want := range []string{"identify", "route", "admit trk_a taken: no limit", "attempt end_1 refused: it answered with 503",
			"taken: it has not answered yet"} {
			if !strings.Contains(spelled(during.Steps), want) {
				t.Errorf("%q is not in\n%s", want, spelled(during.Steps))
			}
		}
		common := 0
		for common < len(foreseen.Steps) && foreseen.Steps[common].Stage != "admit" {
			common++
		}
		if spelled(during.Steps[:common]) != spelled(foreseen.Steps[:common]) {
			t.Errorf("live\n%sexplained\n%s", spelled(during.Steps), spelled(foreseen.Steps))
		}
		second.reply(486)
		in.want(486)
		if _, ok := w.m.Decision(id); ok {
			t.Error("a call that is over is in progress")
		}
		kept := w.ledger.last().Decision
		if kept == nil || !strings.Contains(spelled(kept.Steps), "it answered with 486") || len(kept.Attempts) != len(during.Attempts) {
			t.Errorf("%+v", kept)
		}
	})
}

// TestDecisionOfARefusedCall: why is in its record.
func TestDecisionOfARefusedCall(t *testing.T) {
	run(t, limited("trk_a", func(p *sbc.LimitProfile) { p.MaxCalls, p.RejectCode = 1, 486 }), func(w *world) {
		first, _, _, _ := w.talk()
		w.caller().invite(sdp(callerIP, 4000)).want(486)
		kept := w.ledger.last().Decision
		if kept == nil || !strings.Contains(spelled(kept.Steps), "admit lmp_1 refused: call limit reached") {
			t.Errorf("%+v", kept)
		}
		w.end(first)
		answered := w.ledger.last().Decision
		if answered == nil || len(answered.Attempts) == 0 || !strings.Contains(spelled(answered.Steps), "it answered with 200") {
			t.Errorf("%+v", answered)
		}
	})
}
