package admit

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
)

// profile makes a limit profile.
func profile(id string, edit func(*sbc.LimitProfile)) *sbc.LimitProfile {
	p := &sbc.LimitProfile{}
	p.Defaults()
	p.ID = id
	edit(p)
	return p
}

// claim is a call on a trunk without limits of its own.
func claim(call string, dir Direction, bounds ...Bound) Claim {
	return Claim{Call: call, Trunk: trunk("trk_1", 0, 0), Direction: dir, Bounds: bounds}
}

func TestProfileBoundsEachWay(t *testing.T) {
	p := profile("lmp_1", func(p *sbc.LimitProfile) { p.MaxCalls, p.MaxCallsIn, p.MaxCallsOut, p.RejectCode = 4, 3, 2, 486 })
	tally, b := New(Options{}), Bound{p, "trk_1"}
	want := func(call string, dir Direction, ok bool) *Place {
		t.Helper()
		place, v := tally.Take(claim(call, dir, b))
		if v.OK != ok || (place != nil) != ok || !ok && (v.Code != 486 || v.Reason != ReasonCalls || v.Bound != b) {
			t.Errorf("%s %s: %+v", call, dir, v)
		}
		return place
	}
	first := want("call_1", In, true)
	want("call_1", Out, true)
	want("call_2", Out, true)
	want("call_3", Out, false) // the third on the way out
	want("call_3", In, true)
	want("call_4", In, true)
	want("call_5", In, false) // the fourth on the way in
	if got := tally.Usage("lmp_1"); !slices.Equal(got, []sbc.LimitUsage{{Key: "trk_1", CallsIn: 3, CallsOut: 2, RateIn: 3, RateOut: 2}}) {
		t.Errorf("%+v", got)
	}
	first.Release() // its other leg is still there, so four calls are
	want("call_5", In, false)
	want("call_1", In, true)
}

// TestAllOrNothing: a call that one limit refuses has been counted by none, neither as a call nor in a rate.
func TestAllOrNothing(t *testing.T) {
	clock := &clock{}
	tally := New(Options{Now: clock.now})
	wide := profile("lmp_wide", func(p *sbc.LimitProfile) { p.MaxCallsPerSecondIn = 2 })
	tight := profile("lmp_tight", func(p *sbc.LimitProfile) { p.MaxCalls = 1 })
	bounds := []Bound{{wide, ""}, {tight, ""}, {tight, ""}}
	place, v := tally.Take(claim("call_1", In, bounds...))
	if !v.OK {
		t.Fatalf("%+v", v)
	}
	for range 100 {
		if _, v := tally.Take(claim("call_2", In, bounds...)); v.OK || v.Bound.Profile != tight || v.Reason != ReasonCalls {
			t.Fatalf("%+v", v)
		}
	}
	if got := tally.Usage("lmp_wide"); len(got) != 1 || got[0].CallsIn != 1 || got[0].RateIn != 1 {
		t.Errorf("%+v", got)
	}
	if tally.OfTrunk("trk_1") != (Usage{In: 1}) {
		t.Errorf("%+v", tally.OfTrunk("trk_1"))
	}
	place.Release()
	if place, v = tally.Take(claim("call_2", In, bounds...)); !v.OK {
		t.Fatalf("%+v", v)
	}
	place.Release()
	if _, v = tally.Take(claim("call_3", In, bounds...)); v.OK || v.Bound.Profile != wide || v.RetryAfter != time.Second {
		t.Errorf("%+v", v)
	}
}

// TestThousandAtOnce: 1,000 attempts at once on every kind of limit of 10, through two profiles, never give 11.
func TestThousandAtOnce(t *testing.T) {
	for key, of := range map[sbc.LimitKey]string{sbc.LimitEach: "trk_1", sbc.LimitShared: "", sbc.LimitCaller: "4930", sbc.LimitCallee: "4940"} {
		tally := New(Options{})
		tenant := profile("lmp_tenant", func(p *sbc.LimitProfile) { p.MaxCalls = 20 })
		p := profile("lmp_1", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls = key, 10 })
		var live, most, taken atomic.Int64
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				place, v := tally.Take(claim(fmt.Sprint("call_", i), In, Bound{tenant, "ten_1"}, Bound{p, of}))
				if !v.OK {
					return
				}
				taken.Add(1)
				for n := live.Add(1); ; {
					if was := most.Load(); n <= was || most.CompareAndSwap(was, n) {
						break
					}
				}
				if i%3 == 0 {
					live.Add(-1)
					place.Release()
				}
			})
		}
		group.Wait()
		if most.Load() > 10 || live.Load() > 10 || taken.Load() < 10 {
			t.Errorf("%s: %d at once", key, most.Load())
		}
		got := tally.Usage("lmp_1")
		if len(got) != 1 || got[0].Key != of || got[0].CallsIn != int(live.Load()) {
			t.Errorf("%s: %+v for %d", key, got, live.Load())
		}
	}
}

// TestNumbersLeaveNothingBehind: a count is forgotten with its last call and its last second, so that made-up numbers fill
// nothing.
func TestNumbersLeaveNothingBehind(t *testing.T) {
	clock := &clock{}
	tally := New(Options{Now: clock.now})
	p := profile("lmp_1", func(p *sbc.LimitProfile) { p.Key, p.MaxCallsPerSecondIn = sbc.LimitCaller, 5 })
	for i := range 10_000 {
		place, v := tally.Take(claim("call", In, Bound{p, strconv.Itoa(i)}))
		if !v.OK {
			t.Fatalf("%+v", v)
		}
		place.Release()
		clock.forward(time.Millisecond)
	}
	if n := len(tally.counts["lmp_1"]); n > 1001 {
		t.Errorf("%d numbers are known after a second each", n)
	}
	clock.forward(time.Second)
	if got := tally.Usage("lmp_1"); len(got) != 0 || len(tally.counts) != 0 || len(tally.fading) != 0 {
		t.Errorf("%d counts, %d fading, %v", len(tally.counts), len(tally.fading), got)
	}
}

// TestReconcile: places of calls that are no more are given back; those of others, and moved ones, stay.
func TestReconcile(t *testing.T) {
	tally := New(Options{})
	p := profile("lmp_1", func(p *sbc.LimitProfile) { p.MaxCalls = 2 })
	lost, _ := tally.Take(claim("call_lost", In, Bound{p, ""}))
	moved, _ := tally.Take(claim("call_lost", Out, Bound{p, ""}))
	kept, _ := tally.Take(claim("call_kept", In, Bound{p, ""}))
	moved.MoveTo("call_kept")
	alive := func(call string) bool { return call == "call_kept" }
	if n := tally.Reconcile(alive); n != 1 {
		t.Errorf("%d places were given back", n)
	}
	if n := tally.Reconcile(alive); n != 0 {
		t.Errorf("%d more", n)
	}
	lost.Release() // late, and for nothing
	if got := tally.Usage("lmp_1"); got[0].CallsIn != 1 || got[0].CallsOut != 1 {
		t.Errorf("%+v", got)
	}
	kept.Release()
	if _, v := tally.Take(claim("call_3", In, Bound{p, ""})); !v.OK {
		t.Error("one call is there, and no second one may come")
	}
	moved.Release()
	if tally.places == nil || tally.places.call != "call_3" || tally.places.next != nil {
		t.Error("the list of places is wrong")
	}
}

// TestCountsAreRight compares with a plain list whatever the order of calls, releases and moves.
func TestCountsAreRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := &clock{}
		tally := New(Options{Now: clock.now})
		p := profile("lmp_1", func(p *sbc.LimitProfile) { p.MaxCalls, p.MaxCallsIn, p.MaxCallsOut = 3, 2, 2 })
		type held struct {
			place *Place
			call  string
			dir   Direction
		}
		var list []held
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock.forward(time.Duration(rapid.IntRange(0, 700).Draw(t, "after")) * time.Millisecond)
			call := fmt.Sprint("call_", rapid.IntRange(1, 4).Draw(t, "call"))
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0, 1:
				dir := rapid.SampledFrom([]Direction{In, Out}).Draw(t, "direction")
				same, calls, known := 0, map[string]bool{}, false
				for _, h := range list {
					calls[h.call] = true
					known = known || h.call == call
					if h.dir == dir {
						same++
					}
				}
				place, v := tally.Take(claim(call, dir, Bound{p, "k"}))
				if want := same < 2 && (known || len(calls) < 3); v.OK != want {
					t.Fatalf("%s %s with %+v: %+v", call, dir, list, v)
				}
				if v.OK {
					list = append(list, held{place, call, dir})
				}
			case 2:
				if len(list) > 0 {
					i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
					list[i].place.Release()
					list = slices.Delete(list, i, i+1)
				}
			case 3:
				if len(list) > 0 {
					list[0].place.MoveTo(call)
					list[0].call = call
				}
			}
		}
		for _, h := range list {
			h.place.Release()
		}
		clock.forward(2 * time.Second)
		if tally.Usage("lmp_1"); len(tally.counts) != 0 || tally.places != nil {
			t.Fatalf("%+v is left", tally.counts)
		}
	})
}
