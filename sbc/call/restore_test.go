package call

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestRestored: a call goes on after a restart: it is listed, both sides may hang up or change it, it is counted, and its record is one
// from the first answer on.
func TestRestored(t *testing.T) {
	for _, through := range []bool{false, true} {
		runKeeping(t, nil, func(o *Options) { o.WriteThrough = through }, func(w *keeping) {
			a, b, _, _ := w.talk()
			if _, err := w.m.Change(background(), w.call().id, sbc.CallChange{Variables: map[string]*string{"x": ptr("y")}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			before := w.m.List(sbc.CallFilter{})[0]
			w.kill()
			time.Sleep(2 * time.Second)
			w.restart(time.Now().Add(-2 * time.Second))
			after := w.m.List(sbc.CallFilter{})
			if len(after) != 1 || after[0].State != sbc.CallConfirmed || after[0].Variables["x"] != "y" || len(after[0].Legs) != 2 ||
				after[0].ID != before.ID || !after[0].AnsweredAt.Equal(*before.AnsweredAt) || !after[0].EndsAt.Equal(*before.EndsAt) ||
				after[0].Legs[1].SIPCallID != b.callID || after[0].Legs[0].RemoteAddress != before.Legs[0].RemoteAddress {
				t.Fatalf("before %+v\nafter %+v", before, after)
			}
			if u := w.tally.OfTrunk("trk_a"); u.In != 1 {
				t.Errorf("the caller's trunk counts %+v", u)
			}
			if ladder, ok := w.m.Messages(before.ID); !ok || len(ladder) != 1 || !strings.Contains(ladder[0].Note, "restored") {
				t.Errorf("ladder %+v", ladder)
			}
			w.holds(b, true)
			w.holds(b, false)
			if s := w.m.Statistics(""); s.Active != 1 {
				t.Errorf("%+v", s)
			}
			time.Sleep(8 * time.Second)
			a.send(msg.BYE, "").want(200)
			bye := w.wire.next(msg.BYE)
			if bye.req.CallID != b.callID || bye.req.CSeq.Seq < 1000 {
				t.Errorf("BYE %s", bye.req.AppendTo(nil))
			}
			bye.reply(200)
			if d := w.cdr(); d.EndReason != sbc.EndCallerBye || d.DurationMS != 20_000 || d.Recovered || d.Variables["x"] != "y" ||
				len(d.Attempts) != 1 || d.EgressTrunkID != "trk_b" || len(d.Legs) != 2 || d.FinalCode != 200 {
				t.Errorf("%+v", d)
			}
		})
	}
}

func ptr(s string) *string { return &s }

// TestReleased: what cannot go on is released on both sides, with one record that ends where the old process did.
func TestReleased(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(string, sbc.Resource)
		away time.Duration
		harm func(w *keeping)
	}{
		"ports taken":    {harm: func(w *keeping) { w.engine.refuse = errors.New("port taken") }},
		"too long":       {away: 5 * time.Hour},
		"session timer":  {edit: signalling(func(p *sbc.SignallingProfile) { p.SessionTimer = sbc.SessionTimerRequest }), away: time.Hour},
		"trunk is gone":  {harm: func(w *keeping) { w.without("trk_b") }},
		"media is quiet": {harm: func(*keeping) {}, away: 0},
	} {
		t.Run(name, func(t *testing.T) {
			runKeeping(t, c.edit, nil, func(w *keeping) {
				a, b, _, _ := w.talk()
				time.Sleep(30 * time.Second)
				w.kill()
				sign := time.Now()
				time.Sleep(time.Second + c.away)
				if c.harm != nil {
					c.harm(w)
				}
				w.restart(sign)
				if name == "media is quiet" {
					if len(w.byes()) != 0 {
						t.Fatal("it was released at once")
					}
					w.engine.last().o.OnSilence(nil, time.Time{})
				}
				want := []string{a.callID, b.callID}
				slices.Sort(want)
				if got := w.byes(); !slices.Equal(got, want) {
					t.Errorf("BYEs in %v, want %v", got, want)
				}
				if d := w.cdr(); d.EndReason != sbc.EndNodeFailure || d.DurationMS != 30_000 || d.BillableMS != 30_000 || !d.Recovered ||
					!d.EndedAt.Equal(sign) || d.TenantID != sbc.DefaultTenantID || d.Disposition != sbc.DispositionAnswered {
					t.Errorf("%+v", d)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// without takes a trunk out of the configuration.
func (k *keeping) without(id string) {
	k.t.Helper()
	rs := slices.DeleteFunc(resources(nil), func(r sbc.Resource) bool {
		switch x := r.(type) {
		case *sbc.Trunk:
			return x.ID == id
		case *sbc.Endpoint:
			return x.TrunkID == id
		case *sbc.Identity:
			return x.TrunkID == id
		case *sbc.Target:
			return x.TrunkID == id
		}
		return false
	})
	snap, err := config.Compile(rs, 8)
	if err != nil {
		k.t.Fatal(err)
	}
	k.snap = snap
}

// TestSessionTimerGoesOn: a refresh of ours comes when it would have come.
func TestSessionTimerGoesOn(t *testing.T) {
	edit := signalling(func(p *sbc.SignallingProfile) {
		p.SessionTimer, p.SessionExpiresS, p.Refresher = sbc.SessionTimerRequest, 90, sbc.RefresherUs
	})
	runKeeping(t, edit, nil, func(w *keeping) {
		a, _, _, _ := w.talk()
		time.Sleep(40 * time.Second)
		w.kill()
		time.Sleep(2 * time.Second)
		w.restart(time.Now())
		time.Sleep(3*time.Second - time.Millisecond)
		w.wire.none(msg.INVITE)
		time.Sleep(time.Millisecond)
		for range 2 {
			re := w.wire.next(msg.INVITE)
			ip := calleeIP
			if re.target.Host == callerIP {
				ip = callerIP
			}
			re.reply(200, sdp(ip, 5000), "Session-Expires: 90;refresher=uac", "Supported: timer")
		}
		w.end(a)
	})
}

// TestEndedIsForgotten: a call whose record was written before the crash is not raised again, and what cannot be read harms nobody.
func TestEndedIsForgotten(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, _, _, _ := w.talk()
		time.Sleep(2 * time.Second)
		kept := w.shelf.all()
		w.end(a)
		w.kill()
		for id, text := range kept { // the crash came before it was taken off
			w.shelf.put(id, text)
		}
		w.shelf.put("call_other", []byte("{"))
		w.shelf.put("call_form", []byte(`{"Form":99,"ID":"call_form","A":{}}`))
		w.errors.Store(true)
		w.restart(time.Now())
		if n := len(w.m.List(sbc.CallFilter{})); n != 0 || len(w.byes()) != 0 {
			t.Errorf("%d calls", n)
		}
		w.cdr()
	})
}

// TestKilledInTransfer: a transfer that was under way is none any more, whoever asked for it is told so, and the call goes on as it was
// before it; with the transferor gone, who is left is released.
func TestKilledInTransfer(t *testing.T) {
	for _, gone := range []bool{false, true} {
		runKeeping(t, bothCall, nil, func(w *keeping) {
			a, b, _, _ := w.talk()
			b.send(msg.REFER, "", "Refer-To: <sip:49222@anywhere.example>").want(202)
			event := w.notified("100", "active").req.Get("Event")
			w.wire.next(msg.INVITE).reply(180)
			w.notified("180", "active")
			if gone {
				b.send(msg.BYE, "").want(200)
			}
			time.Sleep(5 * time.Second)
			w.kill()
			w.restart(time.Now())
			if gone {
				if got := w.byes(); len(got) != 1 || got[0] != a.callID {
					t.Errorf("BYEs in %v", got)
				}
				if d := w.cdr(); d.EndReason != sbc.EndNodeFailure || d.DurationMS != 5000 {
					t.Errorf("%+v", d)
				}
			} else {
				end := w.notified("503", "terminated")
				if end.req.Get("Event") != event || end.target.Host != b.ip {
					t.Errorf("told to %s:\n%s", end.target.Host, end.req.AppendTo(nil))
				}
				if told := w.events.of(sbc.EventCallTransfer); told[len(told)-1].Data["stage"] != "failed" {
					t.Errorf("events %+v", told)
				}
				w.holds(b, true)
				w.holds(b, false)
				b.send(msg.REFER, "", "Refer-To: <sip:49222@anywhere.example>").want(202) // once more
				w.notified("100", "active")
				w.wire.next(msg.INVITE).reply(486)
				w.notified("486", "terminated")
				w.end(a)
				w.cdr()
			}
			time.Sleep(2 * time.Second)
		})
	}
}

// TestKilledAfterMerge: of two calls that were merged one goes on, with the leg that came from the other; the other one's is released
// and says why it ended.
func TestKilledAfterMerge(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, b, c, d := w.consult()
		time.Sleep(2 * time.Second)
		a.send(msg.REFER, "", "Refer-To: <sip:4930123@"+borderA+"?Replaces="+url.QueryEscape(c.named())+">").want(202)
		w.notified("100", "active")
		re := w.wire.next(msg.INVITE)
		re.reply(200, sdp(calleeIP, 6100))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6200))
		w.kill() // the BYEs to the transferor are under way
		w.restart(time.Now())
		if got := w.byes(); len(got) != 2 || !slices.Contains(got, a.callID) || !slices.Contains(got, c.callID) {
			t.Errorf("BYEs in %v, want those of the transferor, %s and %s", got, a.callID, c.callID)
		}
		if live := w.m.List(sbc.CallFilter{}); len(live) != 1 || len(live[0].LinkedCallIDs) != 1 {
			t.Fatalf("%+v", live)
		}
		if old := w.cdr(); old.EndReason != sbc.EndTransferred || len(old.Legs) != 2 {
			t.Errorf("%+v", old)
		}
		info := b.send(msg.INFO, "")
		far := w.wire.next(msg.INFO)
		if far.req.CallID != d.callID {
			t.Errorf("INFO in %s", far.req.CallID)
		}
		far.reply(200)
		info.want(200)
		d.send(msg.BYE, "").want(200)
		w.wire.next(msg.BYE).reply(200)
		time.Sleep(2 * time.Second)
		if n := len(w.ledger.ends); n != 2 {
			t.Errorf("%d records", n)
		}
	})
}

// TestOneLegInTwoCalls: when a crash left a leg in two records, the newer one has it.
func TestOneLegInTwoCalls(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, _, c, d := w.consult()
		time.Sleep(2 * time.Second)
		stale := w.shelf.all()
		second := w.m.List(sbc.CallFilter{})[1].ID
		a.send(msg.REFER, "", "Refer-To: <sip:4930123@"+borderA+"?Replaces="+url.QueryEscape(c.named())+">").want(202)
		w.notified("100", "active")
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6200))
		w.kill()
		w.shelf.put(second, stale[second])
		w.restart(time.Now())
		if got := w.byes(); slices.Contains(got, d.callID) || !slices.Contains(got, c.callID) {
			t.Errorf("BYEs in %v", got)
		}
		d.send(msg.BYE, "").want(200)
		w.byes()
		time.Sleep(2 * time.Second)
		if n := len(w.ledger.ends); n != 2 {
			t.Errorf("%d records", n)
		}
	})
}

// TestKilledOriginating: a call of ours of which only one side had answered is released, with a record; one that is up goes on.
func TestKilledOriginating(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		if _, err := w.clickToDial(nil); err != nil {
			t.Fatal(err)
		}
		one := w.wire.next(msg.INVITE)
		one.reply(200, sdp(calleeIP, 5000))
		w.wire.next(msg.INVITE).reply(180)
		time.Sleep(5 * time.Second)
		w.kill()
		w.restart(time.Now())
		if got := w.byes(); len(got) != 1 || got[0] != one.req.CallID {
			t.Errorf("BYEs in %v", got)
		}
		if d := w.cdr(); d.EndReason != sbc.EndNodeFailure || d.AnsweredAt != nil || !d.Recovered || d.Caller != "49111" {
			t.Errorf("%+v", d)
		}
		time.Sleep(2 * time.Second)
	})
	runKeeping(t, nil, nil, func(w *keeping) {
		if _, err := w.clickToDial(func(o *sbc.OriginateOrder) { o.MaxDurationS = 60 }); err != nil {
			t.Fatal(err)
		}
		one := w.wire.next(msg.INVITE)
		one.reply(200, sdp(calleeIP, 5000))
		two := w.wire.next(msg.INVITE)
		two.reply(200, sdp("198.51.100.30", 7000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		time.Sleep(5 * time.Second)
		w.kill()
		w.restart(time.Now())
		if live := w.m.List(sbc.CallFilter{}); len(live) != 1 || live[0].Legs[0].SIPCallID != one.req.CallID || live[0].MaxDurationS != 60 {
			t.Fatalf("%+v", live)
		}
		time.Sleep(55 * time.Second)
		if got := w.byes(); len(got) != 2 {
			t.Errorf("BYEs in %v after its time", got)
		}
		if d := w.cdr(); d.EndReason != sbc.EndMaxDuration || d.DurationMS != 60_000 || d.Variables["x"] != "y" || len(d.Legs) != 2 {
			t.Errorf("%+v", d)
		}
	})
}

// TestKilledWhileEnding: a call that was ending ends for the reason that it had.
func TestKilledWhileEnding(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, b, _, _ := w.talk()
		time.Sleep(10 * time.Second)
		a.send(msg.BYE, "").want(200)
		time.Sleep(2 * time.Second) // the callee does not answer ours
		w.kill()
		w.restart(time.Now())
		if got := w.byes(); len(got) != 1 || got[0] != b.callID {
			t.Errorf("BYEs in %v", got)
		}
		if d := w.cdr(); d.EndReason != sbc.EndCallerBye || d.DurationMS != 10_000 || d.Recovered {
			t.Errorf("%+v", d)
		}
		time.Sleep(2 * time.Second)
	})
}

// TestNotYetIntroduced: two sides that had just been put together, and not told of each other, are told after the restart.
func TestNotYetIntroduced(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, b, _, _ := w.talk()
		time.Sleep(2 * time.Second)
		w.kill()
		w.engine.apart = true
		w.restart(time.Now())
		for _, p := range []*peer{b, a} {
			re := w.wire.next(msg.INVITE)
			if re.req.CallID != p.callID {
				t.Errorf("re-INVITE in %s", re.req.CallID)
			}
			re.reply(200, sdp(p.ip, 5000))
		}
		w.end(a)
	})
}

// TestFaultWhileRestoring: a fault in one call keeps neither the others nor the process from going on.
func TestFaultWhileRestoring(t *testing.T) {
	for after := 1; after < 8; after++ {
		runKeeping(t, nil, nil, func(w *keeping) {
			w.talk()
			a, b, _, _ := w.talk()
			time.Sleep(2 * time.Second)
			w.kill()
			w.errors.Store(true)
			w.bomb.left.Store(int64(after))
			w.restart(time.Now())
			w.bomb.left.Store(0)
			w.byes()
			time.Sleep(2 * time.Second)
			for range w.m.List(sbc.CallFilter{}) {
				if s, _ := a.try(msg.BYE, ""); s != nil {
					w.byes()
				}
				if s, _ := b.try(msg.BYE, ""); s != nil {
					w.byes()
				}
			}
			for _, c := range w.m.calls.all("") { // the first of them has no peer here
				if err := w.m.HangUp(background(), c.id, ""); err != nil {
					t.Error(err)
				}
			}
			w.byes()
			time.Sleep(2 * time.Second)
			if n := len(w.ledger.ends); n != 2 {
				t.Errorf("%d: %d records", after, n)
			}
		})
	}
}

// TestKilledBeforeTheACK: a call that was answered goes on, whether or not the caller's ACK had come.
func TestKilledBeforeTheACK(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		time.Sleep(2 * time.Second)
		w.kill()
		w.restart(time.Now())
		a.ack(a.lastInviteNumber, "")
		b := w.callee(out)
		w.holds(b, true)
		w.holds(b, false)
		w.end(a)
	})
}
