package call

import (
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// crowded brings up calls in which every tenth has a variable.
func crowded(t testing.TB, calls int) *lean {
	l := newLean(t)
	for range calls {
		l.up(t)
	}
	for i, c := range l.m.calls.all("") {
		if i%10 == 0 {
			c.look(func() { c.rec.variables = map[string]string{"account": strconv.Itoa(i % 100)} })
		}
	}
	go func() { // on a slow machine calls are asked whether they still are there, and somebody has to take that
		for {
			select {
			case <-l.wire.sent:
			case <-t.Context().Done():
				return
			}
		}
	}()
	return l
}

// pages reads the list of the calls to its end and gives how many there were and what the slowest page cost.
func pages(l *lean, f sbc.CallFilter) (calls int, slowest time.Duration) {
	for {
		begun := time.Now()
		page := l.m.List(f)
		slowest = max(slowest, time.Since(begun))
		if calls += len(page); len(page) < f.Limit {
			return calls, slowest
		}
		f.After = page[len(page)-1].ID
	}
}

// TestListManyCalls: 10,000 calls are listed by pages of 1,000, each in less than 100 ms, and so is a filter that lets few
// through. Under the race detector only what is listed counts; tools/test.sh runs it without.
func TestListManyCalls(t *testing.T) {
	const calls = 10_000
	l := crowded(t, calls)
	for name, c := range map[string]struct {
		f    sbc.CallFilter
		want int
	}{
		"all":         {sbc.CallFilter{Limit: 1000}, calls},
		"a variable":  {sbc.CallFilter{Limit: 1000, Variable: "account", Value: "30"}, calls / 100},
		"no variable": {sbc.CallFilter{Limit: 1000, Variable: "account", Value: "31"}, 0},
		"no name":     {sbc.CallFilter{Limit: 1000, Variable: "accounts"}, 0},
	} {
		best := time.Hour
		for range 3 { // what else runs on the machine is not measured
			n, slowest := pages(l, c.f)
			if best = min(best, slowest); n != c.want {
				t.Fatalf("%s: %d calls, want %d", name, n, c.want)
			}
		}
		t.Logf("%s: %v a page", name, best)
		if best > 100*time.Millisecond && !underRace {
			t.Errorf("%s: a page costs %v", name, best)
		}
	}
}

// spent is the processor time of this thread, so that what else runs on the machine is not measured; the clock's where that is unknown.
func spent() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD of Linux
	var used syscall.Rusage
	if syscall.Getrusage(thisThread, &used) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestListWholly: all of 10,000 calls are listed by cursor, page after page, in less than 100 ms, by rising id.
func TestListWholly(t *testing.T) {
	const calls = 10_000
	l := crowded(t, calls)
	best := time.Hour
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 5 {
		begun, seen := spent(), 0
		f := sbc.CallFilter{Limit: 1000}
		for page := l.m.List(f); len(page) > 0; page = l.m.List(f) {
			for _, c := range page {
				if c.ID <= f.After {
					t.Fatalf("%s after %s", c.ID, f.After)
				}
				f.After = c.ID
			}
			seen += len(page)
		}
		if best = min(best, spent()-begun); seen != calls {
			t.Fatalf("%d calls", seen)
		}
	}
	t.Logf("%v for %d calls", best, calls)
	if best > 100*time.Millisecond && !underRace {
		t.Errorf("%d calls take %v", calls, best)
	}
	if stale := l.m.List(sbc.CallFilter{Stale: true}); len(stale) != 0 {
		t.Errorf("%d stale calls", len(stale))
	}
}

// BenchmarkList is one page of 1,000 out of 10,000 calls.
func BenchmarkList(b *testing.B) {
	l := crowded(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if len(l.m.List(sbc.CallFilter{Limit: 1000})) != 1000 {
			b.Fatal("a page has another size")
		}
	}
}

// BenchmarkDrain is one look at 10,000 calls of which none is concerned: what it costs each second while a call for help goes on
// over a trunk whose deadline has passed; without such a trunk nobody looks.
func BenchmarkDrain(b *testing.B) {
	l := crowded(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if l.m.Drain(map[string]string{"trk_drained": "over"}) != 0 {
			b.Fatal("a call was ended")
		}
	}
}
