package integration

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestAttendedTransferByAPIIsHeard: bob talks to alice in one call and to carol in another; an order of the API joins those two.
// They hear each other, bob is let go in both calls, and the records are linked.
func TestAttendedTransferByAPIIsHeard(t *testing.T) {
	t.Parallel()
	x := newThreePhones(t)
	close(x.answer)
	ctx := patience(t, 20*time.Second)
	alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	bob := <-x.toBob
	hearsNow(t, alice, 1000)
	consulting, err := x.bob.Dial("49771", netip.AddrPortFrom(x.w.east, 5060))
	if err != nil {
		t.Fatal(err)
	}
	carol := <-x.toCarol
	hearsNow(t, carol, 1000)
	hearsNow(t, consulting, 600)
	live, err := rest.Until(ctx, x.b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 2 })
	if err != nil {
		t.Fatal(err)
	}
	first, second := live.Items[0].ID, live.Items[1].ID // by their beginning
	if live.Items[0].Callee != "4930" {
		t.Fatalf("calls %+v", live.Items)
	}
	x.b.do("POST", "/calls/"+first+"/transfer", rest.Object{"keep": "caller", "call_id": second, "with": "callee"}, nil)
	hearsNow(t, alice, 600)
	hearsNow(t, carol, 800)
	<-bob.Ended()
	<-consulting.Ended()
	before, sent := alice.Heard(), carol.Heard()
	waitFor(t, func() bool {
		return alice.Heard().Packets >= before.Packets+50 && carol.Heard().Packets >= sent.Packets+50
	}, "a second of audio both ways")
	if a, c := alice.Heard(), carol.Heard(); a.Now != 600 || c.Now != 800 || a.Lost != before.Lost || c.Lost != sent.Lost {
		t.Errorf("alice hears %+v, carol hears %+v", a, c)
	}
	left, err := rest.Until(ctx, x.b.Client, "/v1/calls", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil || left.Items[0].ID != first || len(left.Items[0].Legs) != 2 {
		t.Fatalf("%+v, %v", left.Items, err)
	}
	if err := alice.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-carol.Ended()
	for _, r := range x.b.cdrs(2) {
		switch {
		case len(r.LinkedCallIDs) != 1:
			t.Errorf("record %+v", r)
		case r.CallID == first && (r.LinkedCallIDs[0] != second || r.EndReason != sbc.EndCallerBye || len(r.Legs) != 3):
			t.Errorf("the call that goes on: %+v", r)
		case r.CallID == second && (r.LinkedCallIDs[0] != first || r.EndReason != sbc.EndTransferred):
			t.Errorf("the call that ended: %+v", r)
		}
	}
	x.b.quiet()
}
