package integration

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// signalled is a wish for trunks that both have a signalling profile.
func signalled(id string) wish {
	return wish{westTrunk: rest.Object{"signalling_profile_id": id}, eastTrunk: rest.Object{"signalling_profile_id": id}}
}

// TestSIPpSessionTimers lets SIPp ask for a timer that is too short, then for a good one, and refresh it by UPDATE; the
// callee's SIPp wants a longer one than it is asked for.
func TestSIPpSessionTimers(t *testing.T) {
	needs(t, "sipp")
	for _, transport := range []struct{ ours, sipp string }{{"udp", "u1"}, {"tcp", "t1"}} {
		t.Run(transport.ours, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			id := b.create("/signalling-profiles", rest.Object{"name": "timers", "session_timer": "request"})
			o := signalled(id)
			o.transport = transport.ours
			w := b.connect(newSides(t), o)
			sippServer(t, "callee_timer.xml", w.eastPeer, "-t", transport.sipp)
			if err := sipp(patience(t, 30*time.Second), t, "caller_timer.xml", calling(w.sides, transport.sipp, 5)...); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.cdrs(10) {
				want := sbc.EndCallerBye
				if r.FinalCode == 422 {
					want = sbc.EndError
				}
				if r.EndReason != want || r.AnsweredAt != nil && len(r.Attempts) != 1 {
					t.Errorf("record %+v", r)
				}
			}
			b.quiet()
		})
	}
}

// TestPeerDead: a device that answers nothing any more is found by the border's OPTIONS; the other one is told, and neither
// hears of the other one's timer.
func TestPeerDead(t *testing.T) {
	t.Parallel()
	s := stageWith(t, "/signalling-profiles", rest.Object{"ping_interval_s": 1, "ping_misses": 2}, signalled)
	call, rings, number := s.talk("Supported: timer", "Session-Expires: 600;refresher=uac")
	if rings.invite.Has("Session-Expires") {
		t.Errorf("the caller's timer passed: %s", rings.invite.AppendTo(nil))
	}
	for range 2 {
		call.say(call.hear(msg.OPTIONS), 200, "", "")
		if m := rings.hear(msg.OPTIONS); len(m.Body) != 0 || m.To.Tag() == "" {
			t.Errorf("%s", m.AppendTo(nil))
		}
	}
	for _, l := range []*line{call, rings} {
		bye := l.hear(msg.BYE)
		if got := bye.Get("Reason"); got != `Q.850;cause=102;text="peer dead"` {
			t.Errorf("Reason: %s", got)
		}
		l.say(bye, 200, "", "")
	}
	r := s.record(number)
	wantEnd(t, r, sbc.EndPeerDead, sbc.SideSBC, 200)
	if r.DurationMS < 2900 || r.BillableMS != 0 {
		t.Errorf("%d ms, billed %d", r.DurationMS, r.BillableMS)
	}
	s.b.quiet()
}
