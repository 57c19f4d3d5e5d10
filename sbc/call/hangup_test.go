package call

import (
	"context"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestHangUpAll ends the calls that pass the filter and no other, or only says which they are.
func TestHangUpAll(t *testing.T) {
	run(t, nil, func(w *world) {
		var up []string
		for range 3 {
			w.talk()
		}
		rings := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(180)
		for _, i := range w.m.List(sbc.CallFilter{State: sbc.CallConfirmed}) {
			up = append(up, i.ID)
		}
		all := func(ctx context.Context, f sbc.CallFilter, dry bool, want []string) {
			t.Helper()
			got, err := w.m.HangUpAll(ctx, f, "maintenance", dry)
			if err != ctx.Err() || !slices.Equal(got, want) {
				t.Errorf("%+v: %v, %v; want %v", f, got, err, want)
			}
		}
		confirmed := sbc.CallFilter{State: sbc.CallConfirmed, IngressTrunkID: "trk_a", EgressTrunkID: "trk_b", Callee: "4930123"}
		all(background(), confirmed, true, up)
		all(background(), sbc.CallFilter{TenantID: "ten_other"}, false, []string{})
		all(background(), sbc.CallFilter{Caller: "4999"}, false, []string{})
		all(background(), sbc.CallFilter{State: sbc.CallConfirmed, Limit: 2}, true, up[:2])
		gone, cancel := context.WithCancel(background())
		cancel()
		all(gone, confirmed, false, []string{})
		if n := len(w.m.List(confirmed)); n != 3 {
			t.Fatalf("%d of 3 calls are left after dry runs", n)
		}
		w.wire.none(msg.BYE)
		all(background(), sbc.CallFilter{State: sbc.CallConfirmed, After: up[0]}, false, up[1:])
		all(background(), sbc.CallFilter{Callee: "4930123", State: sbc.CallConfirmed}, false, up[:1])
		for range 6 {
			if r := w.wire.next(msg.BYE); r.req.Get("Reason") != `Q.850;cause=16;text="maintenance"` {
				t.Errorf("%s", r.req.Get("Reason"))
			} else {
				r.reply(200)
			}
		}
		rings.want(180)
		all(background(), sbc.CallFilter{}, false, []string{w.m.List(sbc.CallFilter{})[0].ID})
		rings.want(480)
		for s := w.newest(msg.INVITE); s != nil; s = w.newest(msg.INVITE) {
			s.reply(487)
		}
		for _, s := range w.wire.sent {
			if s.req.Method == msg.INVITE && s.cancelled {
				s.reply(487)
			}
		}
	})
}
