package account

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// TestDiskFull: what the disk does not take waits in memory, goes to the sink all the same, and is written when there is room.
func TestDiskFull(t *testing.T) {
	for name, noTruncate := range map[string]bool{"the half line is cut off": false, "it cannot be cut off": true} {
		t.Run(name, func(t *testing.T) {
			d := &disk{room: 1 << 20}
			o := quiet(t.TempDir())
			o.create = d.create
			j := mustOpen(t, o)
			s := newShop()
			answer(t, j, "a", "b")
			d.set(100, noTruncate)
			for _, err := range []error{j.End(ended("a")), j.Answered(answered("c")), j.End(ended("d"))} {
				if !errors.Is(err, ErrNotDurable) {
					t.Errorf("got %v", err)
				}
			}
			d.set(10_000, noTruncate)
			if err := j.End(ended("e")); !errors.Is(err, ErrNotDurable) { // in order: not before those that wait
				t.Errorf("got %v", err)
			}
			if n, oldest := j.Backlog(); n != 3 || oldest.IsZero() {
				t.Errorf("backlog %d since %s", n, oldest)
			}
			deliver(t, j, s)
			if got := s.ids(); !slices.Equal(got, []string{"a", "d", "e"}) {
				t.Errorf("got %v", got)
			}
			d.set(1<<20, false)
			j.flushOverflow()
			end(t, j, "f")
			crash(t, j)
			j = mustOpen(t, quiet(o.Dir))
			deliver(t, j, s)
			got := s.ids()[3:]
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, []string{"b", "c", "f"}) &&
				!slices.Equal(got, []string{"a", "b", "c", "d", "e", "f"}) {
				t.Errorf("after the crash: got %v", got)
			}
			for _, c := range s.got {
				if want := c.ID == "b" || c.ID == "c"; c.Recovered != want {
					t.Errorf("%s: recovered %v", c.ID, c.Recovered)
				}
			}
		})
	}
}

// TestDiskFullWhileTheSinkIsSlow: records that are written while they are under way come at least once and are counted right.
func TestDiskFullWhileTheSinkIsSlow(t *testing.T) {
	d := &disk{room: 1 << 20}
	o := quiet(t.TempDir())
	o.create = d.create
	j := mustOpen(t, o)
	s := newShop()
	d.set(0, false)
	for _, id := range []string{"a", "b"} {
		if err := j.End(ended(id)); !errors.Is(err, ErrNotDurable) {
			t.Fatal(err)
		}
	}
	b, err := j.next()
	if err != nil || b.overflowed != 0 && len(b.records) != 2 {
		t.Fatalf("got %+v, %v", b, err)
	}
	d.set(1<<20, false)
	j.flushOverflow()
	j.delivered(b)
	deliver(t, j, s)
	if got := s.ids(); len(got) > 2 {
		t.Errorf("got %v", got)
	}
	if n, oldest := j.Backlog(); n != 0 || !oldest.IsZero() {
		t.Errorf("backlog %d since %s", n, oldest)
	}
}

func TestMemoryIsBoundedAndLossIsCounted(t *testing.T) {
	d := &disk{}
	o := quiet(t.TempDir())
	o.create = d.create
	j := mustOpen(t, o)
	c := answered("x")
	for i, id := range names("c", maxOverflow+5) {
		c.ID = id
		want := ErrNotDurable
		if i >= maxOverflow {
			want = ErrLost
		}
		if err := j.Answered(c); !errors.Is(err, want) {
			t.Fatalf("record %d: got %v", i, err)
		}
	}
	if got := counted(t, j.metrics.lost); got != 5 {
		t.Errorf("counted %v", got)
	}
	d.set(1<<30, false)
	j.flushOverflow()
	if len(j.open) != maxOverflow {
		t.Errorf("%d calls were written", len(j.open))
	}
}

// TestDiskFullAtStart: the border starts, and calls are kept in memory.
func TestDiskFullAtStart(t *testing.T) {
	full := true
	o := quiet(t.TempDir())
	o.create = func(path string) (file, error) {
		if full {
			return nil, errFull
		}
		return createFile(path, true)
	}
	j := mustOpen(t, o)
	s := newShop()
	if err := j.End(ended("a")); !errors.Is(err, ErrNotDurable) {
		t.Fatal(err)
	}
	deliver(t, j, s)
	full = false
	j.flushOverflow()
	end(t, j, "b")
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
}

// TestSinkDown: nothing is lost or out of order over an outage; memory holds a bounded part, the disk the rest.
func TestSinkDown(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := quiet(dir)
		o.SegmentBytes = 200_000
		j, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		s := newShop()
		tries := 0
		s.setRefuse(func([]sbc.CDR) error {
			tries++
			return sbc.Errorf(sbc.CodeUnavailable, "gone")
		})
		stop := run(j, s)
		want := names("c", 2*maxQueue)
		end(t, j, want[:maxQueue+500]...)
		time.Sleep(10 * time.Minute) // of the bubble's clock
		synctest.Wait()
		if tries < 100 || tries > 400 {
			t.Errorf("%d tries in ten minutes", tries)
		}
		if len(j.queue) > maxQueue || !j.spilled {
			t.Errorf("%d records in memory, spilled %v", len(j.queue), j.spilled)
		}
		if n, oldest := j.Backlog(); n != maxQueue+500 || time.Since(oldest) < 10*time.Minute {
			t.Errorf("backlog %d since %s", n, time.Since(oldest))
		}
		s.setRefuse(nil)
		end(t, j, want[maxQueue+500:]...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.ids(); !slices.Equal(got, want) {
			t.Errorf("got %d records, want %d in order", len(got), len(want))
		}
		if j.spilled {
			t.Error("still reading from the disk")
		}
		end(t, j, "after")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.ids(); got[len(got)-1] != "after" || len(got) != len(want)+1 {
			t.Errorf("got %d records", len(got))
		}
		stop()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestQueueSpillsWhileTheSinkWorks: the memory runs over just while the sink takes a batch of it.
func TestQueueSpillsWhileTheSinkWorks(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	s := newShop()
	deliver(t, j, s)
	want := names("c", maxQueue+300)
	end(t, j, want[:maxQueue]...)
	b, err := j.next()
	if err != nil || b.queued != batchSize {
		t.Fatalf("got %d, %v", b.queued, err)
	}
	end(t, j, want[maxQueue:]...)
	s.got = append(s.got, b.records...)
	j.delivered(b)
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d in order", len(got), len(want))
	}
}

// TestPoison: a record that the store can never hold does not hold up the others.
func TestPoison(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	o := quiet(t.TempDir())
	o.Registerer = registry
	j := mustOpen(t, o)
	s := newShop()
	bad := map[string]bool{"c00003": true, "c00250": true}
	s.setRefuse(func(records []sbc.CDR) error {
		for _, c := range records {
			if bad[c.ID] {
				return sbc.Errorf(sbc.CodeInvalid, "cannot be held")
			}
		}
		return nil
	})
	want := names("c", 300)
	end(t, j, want...)
	stop := run(j, s)
	s.wait(t, 298)
	stop()
	want = slices.DeleteFunc(want, func(id string) bool { return bad[id] })
	if got := s.ids(); !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d in order", len(got), len(want))
	}
	b, err := os.ReadFile(filepath.Join(o.Dir, "rejected.ndjson"))
	if err != nil || strings.Count(string(b), "\n") != 2 || !strings.Contains(string(b), `"c00250"`) {
		t.Errorf("rejected: %s, %v", b, err)
	}
	for result, n := range map[string]float64{"delivered": 298, "rejected": 2} {
		if got := counted(t, j.metrics.records.WithLabelValues(result)); got != n {
			t.Errorf("%s: counted %v, want %v", result, got, n)
		}
	}
	if families, err := registry.Gather(); err != nil || len(families) < 6 {
		t.Errorf("metrics: %v, %v", families, err)
	}
}

func TestSinkPanics(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	s := newShop()
	first := true
	s.setRefuse(func([]sbc.CDR) error {
		if first {
			first = false
			panic("a bug of the sink's")
		}
		return nil
	})
	stop := run(j, s)
	end(t, j, "a")
	s.wait(t, 1)
	stop()
}

// TestRestartGoesOnAtTheCursor: what was delivered is not delivered again, unless the machine itself went down: then the store
// may have lost it.
func TestRestartGoesOnAtTheCursor(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	s := newShop()
	end(t, j, "a", "b")
	deliver(t, j, s)
	end(t, j, "c")
	crash(t, j)
	j = mustOpen(t, quiet(dir))
	if n, oldest := j.Backlog(); n != 1 || oldest.IsZero() {
		t.Errorf("backlog %d since %s", n, oldest)
	}
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %v", got)
	}
	crash(t, j)
	o := quiet(dir)
	o.boot = "boot-2"
	j = mustOpen(t, o)
	s = newShop()
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("after the machine went down: got %v", got)
	}
}

// TestSegmentsAreRemoved: the disk needed stays in proportion to the calls that go on, whose records survive the removal.
func TestSegmentsAreRemoved(t *testing.T) {
	o := quiet(t.TempDir())
	o.SegmentBytes, o.keep = 10_000, time.Nanosecond
	j := mustOpen(t, o)
	s := newShop()
	long := names("long", 20)
	answer(t, j, long...)
	for _, id := range names("c", 500) {
		answer(t, j, id)
		end(t, j, id)
	}
	before := len(segmentFiles(t, o.Dir))
	if err := j.clean(); err != nil || len(segmentFiles(t, o.Dir)) != before {
		t.Errorf("segments were removed before they were delivered: %v", err)
	}
	deliver(t, j, s)
	if err := j.clean(); err != nil {
		t.Fatal(err)
	}
	if after := len(segmentFiles(t, o.Dir)); before < 50 || after > 10 {
		t.Errorf("%d segments of %d are left", after, before)
	}
	end(t, j, long[:10]...)
	crash(t, j)
	j = mustOpen(t, quiet(o.Dir))
	deliver(t, j, s)
	recovered := 0
	for _, c := range s.got[500:] {
		if c.Recovered {
			recovered++
		}
	}
	if len(s.got) != 520 || recovered != 10 {
		t.Errorf("got %d records, %d recovered", len(s.got), recovered)
	}
}

// TestLivingSegmentsAreLeft: calls are not copied round and round while most of the journal is alive.
func TestLivingSegmentsAreLeft(t *testing.T) {
	o := quiet(t.TempDir())
	o.SegmentBytes, o.keep = 10_000, time.Nanosecond
	j := mustOpen(t, o)
	answer(t, j, names("long", 200)...)
	before := len(segmentFiles(t, o.Dir))
	deliver(t, j, newShop())
	for range 3 {
		if err := j.clean(); err != nil {
			t.Fatal(err)
		}
	}
	if after := len(segmentFiles(t, o.Dir)); after != before {
		t.Errorf("%d segments became %d", before, after)
	}
}

// TestDeliveredSegmentsStayAWhile: the store may lose with the power what it confirmed a moment ago.
func TestDeliveredSegmentsStayAWhile(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := quiet(dir)
		o.SegmentBytes, o.Heartbeat = 5000, time.Second
		j, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		s := newShop()
		stop := run(j, s)
		end(t, j, names("c", 100)...)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if n := len(segmentFiles(t, dir)); n < 10 || len(s.ids()) != 100 {
			t.Errorf("%d segments after 50 s, %d delivered", n, len(s.ids()))
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := len(segmentFiles(t, dir)); n != 1 {
			t.Errorf("%d segments after 65 s", n)
		}
		stop()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}
