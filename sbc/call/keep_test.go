package call

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// pinged asks every 30 s and gives up after two misses.
func pinged() func(string, sbc.Resource) {
	return signalling(func(p *sbc.SignallingProfile) { p.PingIntervalS, p.PingMisses = 30, 2 })
}

// TestPing: both peers of an answered call are asked; one that does not answer twice in a row, or does not know the call, ends
// it.
func TestPing(t *testing.T) {
	for name, deaf := range map[string]func(*sent){
		"silence": func(s *sent) { s.failed(msg.ErrTimeout) }, "unreachable": func(s *sent) { s.failed(msg.ErrTransport) },
		"481": func(s *sent) { s.reply(481) }, "408": func(s *sent) { s.reply(408) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, pinged(), func(w *world) {
				w.talk()
				round := func(callee func(*sent)) {
					t.Helper()
					time.Sleep(30*time.Second - time.Millisecond)
					w.wire.none(msg.OPTIONS)
					time.Sleep(time.Millisecond)
					a, b := w.wire.next(msg.OPTIONS), w.wire.next(msg.OPTIONS)
					if a.target.Host != callerIP || b.target.Host != calleeIP || b.req.To.Tag() == "" {
						t.Fatalf("to %s and %s: %s", a.target.Host, b.target.Host, b.req.AppendTo(nil))
					}
					a.reply(405) // it is there
					callee(b)
				}
				round(func(s *sent) { s.reply(200) })
				round(deaf)
				round(func(s *sent) { s.reply(503) })
				round(deaf)
				w.wire.none(msg.BYE)
				w.engine.last().last = time.Now().Add(-50 * time.Second)
				round(deaf)
				w.wire.next(msg.BYE).reply(200)
				w.wire.next(msg.BYE).failed(msg.ErrTimeout)
				d := w.cdr()
				if d.EndReason != sbc.EndPeerDead || d.ReleasedBy != sbc.SideSBC || d.DurationMS != 150_000 || d.BillableMS != 70_000 {
					t.Errorf("%s by %s, %d ms, billed %d", d.EndReason, d.ReleasedBy, d.DurationMS, d.BillableMS)
				}
				e := w.events.of(sbc.EventCallDead)
				if len(e) != 1 || e[0].Data["detector"] != "options_ping" || e[0].Data["side"] != "callee" || e[0].TrunkID != "trk_b" {
					t.Errorf("events %+v", e)
				}
				if d.LastMediaAt == nil || d.EndedAt.Sub(*d.LastMediaAt) != 80*time.Second {
					t.Errorf("ended %v, last media %v", d.EndedAt, d.LastMediaAt)
				}
			})
		})
	}
}

// TestPingOff: interval 0 asks nobody.
func TestPingOff(t *testing.T) {
	run(t, signalling(func(p *sbc.SignallingProfile) { p.PingIntervalS = 0 }), func(w *world) {
		a, _, _, _ := w.talk()
		time.Sleep(time.Hour)
		w.wire.none(msg.OPTIONS)
		w.end(a)
	})
}

// TestPingLadder: a ladder keeps what matters of a long call, and the questions that were not answered.
func TestPingLadder(t *testing.T) {
	run(t, pinged(), func(w *world) {
		a, _, _, _ := w.talk()
		c := w.call()
		before := len(c.ladder.messages())
		for range 100 {
			time.Sleep(30 * time.Second)
			w.wire.next(msg.OPTIONS).reply(200)
			w.wire.next(msg.OPTIONS).reply(200)
		}
		if n := len(c.ladder.messages()); n != before {
			t.Errorf("%d messages more", n-before)
		}
		time.Sleep(30 * time.Second)
		w.wire.next(msg.OPTIONS).failed(msg.ErrTimeout)
		time.Sleep(30 * time.Second)
		w.wire.next(msg.OPTIONS).reply(200)
		w.wire.next(msg.OPTIONS).reply(200)
		if n := len(c.ladder.messages()); n != before+2 {
			t.Errorf("%d messages more, want 2", n-before)
		}
		w.end(a)
	})
}
