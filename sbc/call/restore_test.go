package call

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// shelf is a LiveJournal in memory.
type shelf struct {
	mu     sync.Mutex
	kept   map[string][]byte
	writes int // of records
	synced int
	err    error
	dead   bool
}

func (s *shelf) Write(changes []sbc.LiveChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, c := range changes {
		switch {
		case s.dead:
		case c.Record == nil:
			delete(s.kept, c.ID)
		default:
			s.writes++
			s.kept[c.ID] = c.Record
		}
	}
	return nil
}

func (s *shelf) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced++
	return nil
}

// written is how many records were.
func (s *shelf) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// put puts something there by hand.
func (s *shelf) put(id string, record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = record
}

// all copies what is there.
func (s *shelf) all() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.kept)
}

// fails makes it refuse, or with nil no more.
func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) records() (list []sbc.LiveChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.kept)) {
		list = append(list, sbc.LiveChange{ID: id, Record: s.kept[id]})
	}
	return list
}

// keeping makes the world one whose calls are kept.
type keeping struct {
	*world
	shelf *shelf
	edit  func(o *Options)
	stop  func()
}

func runKeeping(t *testing.T, edit func(string, sbc.Resource), options func(o *Options), play func(w *keeping)) {
	t.Helper()
	run(t, edit, func(w *world) {
		k := &keeping{world: w, shelf: &shelf{kept: map[string][]byte{}}, edit: options}
		k.begin()
		play(k)
		k.stop()
		if n := len(k.shelf.records()); n != 0 {
			t.Errorf("%d calls are kept that are over", n)
		}
	})
}

// begin starts a process.
func (k *keeping) begin() {
	snap := k.snap
	o := Options{
		Snapshot: func() *config.Snapshot { return snap }, Wire: k.wire, Engine: k.engine, Ledger: k.ledger, Tally: k.tally,
		Node: "node-1", Events: k.events.add, Log: slog.New(&complaints{w: k.world, TextHandler: slog.NewTextHandler(io.Discard, nil)}),
		Live: k.shelf,
	}
	if k.edit != nil {
		k.edit(&o)
	}
	k.m = New(o)
	ctx, cancel := context.WithCancel(background())
	done := make(chan struct{})
	m := k.m
	go func() { defer close(done); m.Keep(ctx) }()
	k.stop = func() { cancel(); <-done }
}

// kill ends the process: nothing it does afterwards counts.
func (k *keeping) kill() {
	k.t.Helper()
	synctest.Wait()
	k.shelf.mu.Lock()
	k.shelf.dead = true
	k.shelf.mu.Unlock()
	for _, c := range k.m.calls.all("") {
		c.look(func() {
			for kind := range timerCount {
				c.disarm(kind)
			}
		})
	}
	k.stop()
	k.wire.mu.Lock()
	k.wire.sent, k.wire.acks = nil, nil
	k.wire.mu.Unlock()
	k.tally, k.engine = admit.New(admit.Options{}), &engine{bomb: &k.bomb}
}

// restart begins another process, which finds what is kept. The last sign of life of the other one was at sign.
func (k *keeping) restart(sign time.Time) {
	k.t.Helper()
	k.shelf.mu.Lock()
	k.shelf.dead = false
	k.shelf.mu.Unlock()
	k.begin()
	k.m.Restore(k.shelf.records(), sign, func(id string) bool {
		return slices.ContainsFunc(k.ledger.ends, func(d *sbc.CDR) bool { return d.ID == id })
	})
	synctest.Wait()
}

// byes answers every BYE that waits, and gives their Call-IDs in order.
func (k *keeping) byes() (ids []string) {
	synctest.Wait()
	k.wire.mu.Lock()
	all := slices.Clone(k.wire.sent)
	k.wire.mu.Unlock()
	for _, s := range all {
		if s.req.Method == msg.BYE && !s.taken {
			s.taken = true
			s.reply(200)
			ids = append(ids, s.req.CallID)
		}
	}
	slices.Sort(ids)
	return ids
}

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

// TestShortCallsCostNothing: what ends within the interval is never written.
func TestShortCallsCostNothing(t *testing.T) {
	runKeeping(t, nil, func(o *Options) { o.KeepEvery = 10 * time.Second }, func(w *keeping) {
		a, _, _, _ := w.talk()
		time.Sleep(9 * time.Second)
		w.end(a)
		time.Sleep(20 * time.Second)
		if n := w.shelf.written(); n != 0 {
			t.Errorf("%d records were written", n)
		}
		a, _, _, _ = w.talk()
		time.Sleep(60 * time.Second)
		if n := w.shelf.written(); n != 1 {
			t.Errorf("a call that does not change was written %d times", n)
		}
		w.end(a)
	})
}

// TestUnsettledIsWrittenAgain: while the source of a stream is not known, the call is looked at again, not for ever.
func TestUnsettledIsWrittenAgain(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		w.engine.unsettled.Store(true)
		a, _, _, _ := w.talk()
		time.Sleep(3*time.Second + time.Millisecond)
		if n := w.shelf.written(); n != 3 {
			t.Errorf("%d writes in 3 s", n)
		}
		time.Sleep(50 * time.Second)
		if n := w.shelf.written(); n != keepLooks+1 {
			t.Errorf("%d writes in 53 s", n)
		}
		w.end(a)
	})
}

// TestDiskIsFull: a journal that takes nothing holds up no call, and is tried again.
func TestDiskIsFull(t *testing.T) {
	for _, through := range []bool{false, true} {
		runKeeping(t, nil, func(o *Options) { o.WriteThrough = through }, func(w *keeping) {
			w.errors.Store(true)
			w.shelf.fails(errors.New("no space left on device"))
			a, _, _, _ := w.talk()
			over, _, _, _ := w.talk()
			time.Sleep(5 * time.Second)
			w.end(over)
			w.shelf.fails(nil)
			time.Sleep(2 * time.Second)
			if n := len(w.shelf.records()); n != 1 {
				t.Errorf("%d calls are kept", n)
			}
			w.end(a)
		})
	}
}

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

// TestKilledInTransfer: a transfer that was under way is none any more, and the call goes on as it was before it; with the transferor
// gone, who is left is released.
func TestKilledInTransfer(t *testing.T) {
	for _, gone := range []bool{false, true} {
		runKeeping(t, bothCall, nil, func(w *keeping) {
			a, b, _, _ := w.talk()
			b.send(msg.REFER, "", "Refer-To: <sip:49222@anywhere.example>").want(202)
			w.wire.next(msg.INVITE).reply(180)
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
