package call

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The machine sees one callee where many phones ring: its walk is carried on here, with two phones and all that can come of each, in every
// order, and with what the caller, the clock or the API does before, between and after.

// outcomes are what can come of a phone.
func outcomes() map[string]func(*sent) {
	return map[string]func(*sent){
		"answers":   func(s *sent) { s.reply(200, sdp(s.target.Host, 5000)) },
		"unusable":  func(s *sent) { s.reply(200) },
		"busy":      answers(486),
		"declines":  answers(603),
		"redirects": func(s *sent) { s.reply(302, "Contact: <sip:49551@x>") },
		"silent":    breaks(msg.ErrNoResponse),
	}
}

// others are what can happen beside the phones.
func others(v *village, a *peer, in *server) map[string]func() {
	return map[string]func(){
		"nothing": func() {},
		"cancel": func() {
			if res := in.last(); res != nil && res.Status < 200 {
				in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
			}
		},
		"the ring time": func() { time.Sleep(61 * time.Second) },
		"hang-up": func() {
			for _, i := range v.m.List(sbc.CallFilter{}) {
				if err := v.m.HangUp(background(), i.ID, "walk"); err != nil {
					v.t.Error(err)
				}
			}
		},
	}
}

// TestForkWalk: whatever comes of two phones in whatever order, the caller has one final answer, no phone is left ringing or talking, and
// the call ends with one record.
func TestForkWalk(t *testing.T) {
	began, n := time.Now(), 0
	kinds := []string{"answers", "unusable", "busy", "declines", "redirects", "silent"}
	for _, rings := range []bool{false, true} {
		for _, one := range kinds {
			for _, two := range kinds {
				for _, other := range []string{"nothing", "cancel", "the ring time", "hang-up"} {
					for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
						if other == "nothing" && order[2] != 2 {
							continue
						}
						n++
						walkFork(t, rings, one, two, other, order)
						if t.Failed() {
							t.Fatalf("one %s, two %s, %s, in the order %v, ringing %v", one, two, other, order, rings)
						}
					}
				}
			}
		}
	}
	t.Logf("%d orders in %s", n, time.Since(began))
}

func walkFork(t *testing.T, rings bool, one, two, other string, order []int) {
	t.Helper()
	follower(t, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		a, in := v.outside()
		ring := v.invites(2)
		c := &chaos{w: v.world, a: a, in: in, done: map[*sent]bool{}}
		if rings {
			ring[0].reply(180)
			ring[1].reply(183)
		}
		all := outcomes()
		events := []func(){
			func() { c.done[ring[0]] = true; all[one](ring[0]) }, func() { c.done[ring[1]] = true; all[two](ring[1]) },
			others(v, a, in)[other],
		}
		for _, i := range order {
			events[i]()
			synctest.Wait()
			for _, s := range ring { // one that was not heard yet is cancelled when it is (RFC 3261 9.1)
				if res := in.last(); res != nil && (res.Status == 200 || rings && res.Status > 200) && !c.done[s] && !s.isCancelled() {
					t.Errorf("%s still rings when the caller has %d", s.target.Host, res.Status)
				}
			}
		}
		if res := in.last(); res != nil && res.Status == 200 {
			a.learn(res)
			a.ack(a.lastInviteNumber, "")
			v.talking()
		}
		c.settle()
		if res := in.last(); res == nil || res.Status < 200 {
			t.Errorf("the caller has %v", res)
		}
		if d := v.cdr(); d.DurationMS < 0 || slices.ContainsFunc(d.Attempts, func(a sbc.CDRAttempt) bool { return a.EndedAt == nil }) {
			t.Errorf("record %+v", d)
		}
		v.ledger.mu.Lock()
		if len(v.ledger.ends) != 1 {
			t.Errorf("%d records", len(v.ledger.ends))
		}
		v.ledger.mu.Unlock()
	})
}

// talking sees that nobody who answered is released twice, nor all.
func (v *village) talking() {
	v.t.Helper()
	synctest.Wait()
	v.wire.mu.Lock()
	defer v.wire.mu.Unlock()
	byes := map[string]int{}
	for _, s := range v.wire.sent {
		if s.req.Method == msg.BYE && s.target.Host != callerIP {
			byes[s.target.Host]++
		}
	}
	for host, n := range byes {
		if n > 1 {
			v.t.Errorf("%d BYEs to %s", n, host)
		}
	}
}
