package admit

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
)

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time           { return time.Unix(0, c.at.Load()) }
func (c *clock) forward(by time.Duration) { c.at.Add(int64(by)) }

func trunk(id string, calls, rate int) *sbc.Trunk {
	t := &sbc.Trunk{Terms: sbc.Terms{MaxCalls: calls, MaxCallsPerSecond: rate}}
	t.ID = id
	return t
}

// take counts a call if there is room.
func take(w *window, now time.Duration, limit int) time.Duration {
	wait := w.wait(now, limit)
	if wait == 0 {
		w.add(now)
	}
	return wait
}

// call takes a place on a trunk alone.
func (t *Tally) call(trunk *sbc.Trunk, dir Direction) (release func(), v Verdict) {
	p, v := t.Take(Claim{Call: "call_1", Trunk: trunk, Direction: dir})
	return p.Release, v
}

func TestLimitIsOfBothDirections(t *testing.T) {
	tally := New(Options{})
	tr := trunk("trk_1", 3, 0)
	var releases []func()
	for i, dir := range []Direction{In, Out, In} {
		release, v := tally.call(tr, dir)
		if !v.OK {
			t.Fatalf("call %d: %+v", i, v)
		}
		releases = append(releases, release)
	}
	for _, dir := range []Direction{In, Out} {
		release, v := tally.call(tr, dir)
		if v.OK || v.Code != 503 || v.Reason != ReasonCalls || v.RetryAfter != 0 {
			t.Errorf("the fourth call: %+v", v)
		}
		release() // gives back nothing
	}
	if u := tally.OfTrunk("trk_1"); u != (Usage{2, 1}) {
		t.Errorf("%+v", u)
	}
	if _, v := tally.call(trunk("trk_2", 3, 0), In); !v.OK {
		t.Error("another trunk is bound by this one's limit")
	}
	releases[1]()
	if _, v := tally.call(tr, Out); !v.OK {
		t.Error("the place given back is not given")
	}
}

// TestReleaseCountsOnce: counters never become negative or too low (OpenSIPS #1937, #2102, #3294).
func TestReleaseCountsOnce(t *testing.T) {
	tally := New(Options{})
	tr := trunk("trk_1", 2, 0)
	first, _ := tally.call(tr, In)
	second, _ := tally.call(tr, In)
	var group sync.WaitGroup
	for range 50 {
		group.Go(first)
	}
	group.Wait()
	if u := tally.OfTrunk("trk_1"); u.In != 1 {
		t.Errorf("%d calls after one of two ended", u.In)
	}
	second()
	second()
	first()
	if u := tally.OfTrunk("trk_1"); u != (Usage{}) {
		t.Errorf("%+v", u)
	}
	if len(tally.counts) > 0 || tally.places != nil {
		t.Error("a trunk without calls is remembered")
	}
}

// TestBurstNeverPassesTheLimit: 1,000 attempts at once on a limit of 10 (features.md 8.6).
func TestBurstNeverPassesTheLimit(t *testing.T) {
	tally := New(Options{})
	tr := trunk("trk_1", 10, 0)
	var admitted, most, live atomic.Int64
	var group sync.WaitGroup
	for i := range 1000 {
		group.Go(func() {
			dir := In
			if i%2 == 0 {
				dir = Out
			}
			release, v := tally.call(tr, dir)
			if !v.OK {
				return
			}
			admitted.Add(1)
			if n := live.Add(1); n > most.Load() {
				most.Store(n)
			}
			live.Add(-1)
			release()
		})
	}
	group.Wait()
	if most.Load() > 10 || admitted.Load() < 10 {
		t.Errorf("%d at once, %d admitted", most.Load(), admitted.Load())
	}
	held := 0
	for range 1000 {
		if _, v := tally.call(tr, In); v.OK {
			held++
		}
	}
	if held != 10 || tally.OfTrunk("trk_1") != (Usage{In: 10}) {
		t.Errorf("%d held, %+v", held, tally.OfTrunk("trk_1"))
	}
}

func TestRateIsASlidingWindow(t *testing.T) {
	c := &clock{}
	tally := New(Options{Now: c.now})
	tr := trunk("trk_1", 0, 2)
	call := func() Verdict { _, v := tally.call(tr, In); return v }
	if !call().OK {
		t.Fatal("the first")
	}
	c.forward(600 * time.Millisecond)
	if !call().OK {
		t.Fatal("the second")
	}
	c.forward(399 * time.Millisecond)
	if v := call(); v.OK || v.Code != 503 || v.Reason != ReasonRate || v.RetryAfter != time.Second {
		t.Errorf("the third within a second: %+v", v)
	}
	if _, v := tally.call(tr, Out); !v.OK {
		t.Error("the rate of calls from the trunk bound one to it")
	}
	c.forward(time.Millisecond) // one second after the first
	if !call().OK {
		t.Error("the first is still counted")
	}
	if call().OK {
		t.Error("the second is not counted any more: that is a window that jumps")
	}
	tr.MaxCallsPerSecond = 0
	for range 100 {
		if !call().OK {
			t.Fatal("no limit limits")
		}
	}
}

func TestLimitsFollowTheTrunk(t *testing.T) {
	c := &clock{}
	tally := New(Options{Now: c.now})
	for range 5 {
		tally.call(trunk("trk_1", 5, 5), In)
	}
	if _, v := tally.call(trunk("trk_1", 2, 0), Out); v.OK {
		t.Error("a lowered limit of calls")
	}
	if _, v := tally.call(trunk("trk_1", 9, 3), In); v.OK || v.RetryAfter != time.Second {
		t.Errorf("a lowered rate: %+v", v)
	}
	if _, v := tally.call(trunk("trk_1", 9, 6), In); !v.OK {
		t.Error("a raised one")
	}
}

// TestWindowIsExact compares the ring with a list of all times.
func TestWindowIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		var admitted []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now += time.Duration(rapid.IntRange(0, 300).Draw(t, "after")) * time.Millisecond
			limit := rapid.IntRange(1, 20).Draw(t, "limit")
			recent := slices.DeleteFunc(slices.Clone(admitted), func(at time.Duration) bool { return now-at >= span })
			wait := take(&w, now, limit)
			if (wait == 0) != (len(recent) < limit) {
				t.Fatalf("at %v with %d of %d: wait %v", now, len(recent), limit, wait)
			}
			if wait == 0 {
				admitted = append(admitted, now)
				continue
			}
			// After the wait, and not before, there is room.
			left := func(at time.Duration) int {
				n := 0
				for _, x := range recent {
					if at-x < span {
						n++
					}
				}
				return n
			}
			if left(now+wait) >= limit || left(now+wait-1) < limit {
				t.Fatalf("wait %v is not what it takes", wait)
			}
		}
	})
}

func TestWindowGivesMemoryBack(t *testing.T) {
	var w window
	for range 5000 {
		take(&w, 0, 10_000)
	}
	if w.count(2*time.Second) != 0 || w.ring != nil {
		t.Errorf("%d places kept", len(w.ring))
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	tally := New(Options{Registerer: registry})
	tally.call(trunk("trk_1", 1, 0), In)
	tally.call(trunk("trk_1", 1, 0), In)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{"sbc_trunk_calls in trk_1": 1, "sbc_trunk_calls out trk_1": 0, "sbc_calls_limited_total calls": 1}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func BenchmarkCall(b *testing.B) {
	tally := New(Options{})
	trunks := make([]*sbc.Trunk, 100)
	for i := range trunks {
		trunks[i] = trunk(string(rune('a'+i)), 1000, 1_000_000)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		i := rand.IntN(100)
		for pb.Next() {
			release, _ := tally.call(trunks[i%100], Out)
			release()
			i++
		}
	})
}

// TestOfEndpoint: calls are counted on the endpoint that they go to, also those of an earlier process, and it is forgotten with the last.
func TestOfEndpoint(t *testing.T) {
	tally := New(Options{})
	c := claim("call_1", Out)
	c.Trunk, c.EndpointID = trunk("trk", 0, 0), "end_1"
	first, _ := tally.Take(c)
	c.Call = "call_2"
	second, _ := tally.Take(c)
	if n := tally.OfEndpoint("end_1"); n != 2 || tally.OfEndpoint("end_2") != 0 {
		t.Fatalf("%d", n)
	}
	later := New(Options{})
	kept := later.Restore("call_1", first.State())
	if n := later.OfEndpoint("end_1"); n != 1 {
		t.Errorf("restored: %d", n)
	}
	for _, p := range []*Place{first, second, first, kept, kept} {
		p.Release()
	}
	if tally.OfEndpoint("end_1") != 0 || later.OfEndpoint("end_1") != 0 || len(tally.counts[ofEndpoint]) != 0 {
		t.Error("not given back, or not forgotten")
	}
}
