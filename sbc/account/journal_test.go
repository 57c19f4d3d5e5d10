package account

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

func TestOnlyFinalRecordsAreDelivered(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	s := newShop()
	answer(t, j, "a", "b")
	end(t, j, "a", "c")
	answer(t, j, "c") // after its end: nothing is opened again
	if n, oldest := j.Backlog(); n != 2 || time.Since(oldest) > patience {
		t.Errorf("backlog %d since %s", n, oldest)
	}
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %v", got)
	}
	want := ended("a")
	got := s.got[0]
	if got.Legs[0].UserAgent != want.Legs[0].UserAgent || got.EndReason != want.EndReason || got.Media[0].Packets != 3000 {
		t.Errorf("got %+v", got)
	}
	if _, open := j.open["c"]; open || len(j.open) != 1 {
		t.Errorf("open calls: %v", j.open)
	}
}

func TestEndTwiceIsOnce(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	s := newShop()
	end(t, j, "a", "a", "b", "a")
	deliver(t, j, s)
	end(t, j, "b")
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
}

func TestRecordsKeepTheirOrderAndComeInBatches(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	s := newShop()
	want := names("c", 1000)
	end(t, j, want...)
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d in order", len(got), len(want))
	}
	if s.largest != batchSize {
		t.Errorf("the largest batch had %d records", s.largest)
	}
}

func TestCallsOfADeadProcessAreEnded(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	answer(t, j, "lost-1", "fine", "lost-2")
	end(t, j, "fine")
	alive := time.Now().Add(90 * time.Second).Truncate(time.Microsecond) // as if it had lived on
	if err := j.beat.write(fmt.Sprint(alive.UnixMicro())); err != nil {
		t.Fatal(err)
	}
	crash(t, j)

	registry := prometheus.NewPedanticRegistry()
	o := quiet(dir)
	o.Registerer = registry
	j = mustOpen(t, o)
	s := newShop()
	if n, _ := j.Backlog(); n != 3 {
		t.Errorf("backlog %d", n)
	}
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"fine", "lost-1", "lost-2"}) {
		t.Fatalf("got %v", got)
	}
	if s.got[0].Recovered || s.got[0].EndReason != sbc.EndCallerBye {
		t.Errorf("a call that had ended: %+v", s.got[0])
	}
	for _, c := range s.got[1:] {
		if !c.Recovered || c.EndReason != sbc.EndNodeFailure || c.Disposition != sbc.DispositionAnswered || c.FinalCode != 200 ||
			c.ReleasedBy != sbc.SideSBC || c.Node != "node-1" {
			t.Errorf("got %+v", c)
		}
		if !c.EndedAt.Equal(alive) || c.DurationMS != alive.Sub(*c.AnsweredAt).Milliseconds() || c.BillableMS != c.DurationMS {
			t.Errorf("ended %s (%d ms), want %s", c.EndedAt, c.DurationMS, alive)
		}
	}
	if got := counted(t, j.metrics.recovered); got != 2 {
		t.Errorf("counted %v", got)
	}
	crash(t, j) // and they are not ended again
	j = mustOpen(t, quiet(dir))
	deliver(t, j, s)
	if len(s.ids()) != 3 {
		t.Errorf("got %v", s.ids())
	}
}

// TestDurationIsNeverNegative: a heartbeat older than the answer, no heartbeat at all, no time of answer.
func TestDurationIsNeverNegative(t *testing.T) {
	for name, beat := range map[string]string{"old": "1000000", "none": "", "broken": "x"} {
		dir := t.TempDir()
		j := mustOpen(t, quiet(dir))
		future := answered("future")
		*future.AnsweredAt = time.Now().Add(time.Hour).UTC()
		bare := &sbc.CDR{ID: "bare", StartedAt: time.Now()}
		if err := errors.Join(j.Answered(future), j.Answered(bare), j.beat.write(beat), j.beat.write(beat)); err != nil {
			t.Fatal(err)
		}
		crash(t, j)
		j = mustOpen(t, quiet(dir))
		s := newShop()
		deliver(t, j, s)
		if len(s.got) != 2 {
			t.Fatalf("%s: got %v", name, s.ids())
		}
		for _, c := range s.got {
			if c.DurationMS != 0 || c.AnsweredAt == nil || c.EndedAt.Before(*c.AnsweredAt) {
				t.Errorf("%s: got %+v", name, c)
			}
		}
	}
}

// TestTornLastLine cuts a journal within its last line, at its ends to the byte.
func TestTornLastLine(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	answer(t, j, "a")
	whole := j.last().size
	end(t, j, "a")
	path := filepath.Join(dir, segmentName(j.last().number))
	crash(t, j)
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := whole; n <= int64(len(all)); n += max(1, min(37, int64(len(all))-2-n)) {
		cut := t.TempDir()
		if err := os.WriteFile(filepath.Join(cut, segmentName(7)), all[:n], private); err != nil {
			t.Fatal(err)
		}
		j := mustOpen(t, quiet(cut))
		s := newShop()
		deliver(t, j, s)
		if len(s.got) != 1 || s.got[0].Recovered != (n < int64(len(all))) {
			t.Fatalf("cut at %d of %d: got %+v", n, len(all), s.got)
		}
		end(t, j, "b") // and what follows is not hurt
		deliver(t, j, s)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBrokenLineInTheMiddle: a bad sector costs the lines in it and no others.
func TestBrokenLineInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	end(t, j, "a")
	first := j.last().size
	end(t, j, "b", "c")
	path := filepath.Join(dir, segmentName(j.last().number))
	crash(t, j)
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all[first+100] ^= 1
	if err := os.WriteFile(path, all, private); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, quiet(dir))
	s := newShop()
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %v", got)
	}
	if got := counted(t, j.metrics.broken); got != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	o := quiet(t.TempDir())
	o.Registerer = prometheus.NewPedanticRegistry()
	j := mustOpen(t, o)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, o) // the same registry, too
}

func TestClosed(t *testing.T) {
	j := mustOpen(t, quiet(t.TempDir()))
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	if err := j.End(ended("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := j.Answered(answered("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestOpenSaysWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, private); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(quiet(path)); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// TestNotANumber: an estimate of quality that came out as not-a-number does not cost the record.
func TestNotANumber(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	c := ended("a")
	c.Media[0].MOS, c.Media[0].JitterMS, c.Media[0].RoundTripMS = math.NaN(), math.Inf(1), 7
	if err := j.End(c); err != nil {
		t.Fatal(err)
	}
	s := newShop()
	deliver(t, j, s)
	crash(t, j) // as it is read from the disk; in memory the store spells it the same way
	o := quiet(dir)
	o.boot = "boot-2"
	s = newShop()
	deliver(t, mustOpen(t, o), s)
	if m := s.got[0].Media[0]; m.MOS != 0 || m.JitterMS != 0 || m.RoundTripMS != 7 || m.Packets != 3000 {
		t.Errorf("got %+v", m)
	}
	if !math.IsNaN(c.Media[0].MOS) {
		t.Error("the caller's record was changed")
	}
}

func TestManyAtOnce(t *testing.T) {
	o := quiet(t.TempDir())
	o.Heartbeat, o.Sync, o.SegmentBytes, o.keep = time.Millisecond, time.Millisecond, 20_000, time.Nanosecond
	o.volatile = false
	j := mustOpen(t, o)
	s := newShop()
	stop := run(j, s)
	const workers, calls = 8, 150
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for _, id := range names(fmt.Sprint(w, "-"), calls) {
				if err := errors.Join(j.Answered(answered(id)), j.End(ended(id)), j.End(ended(id))); err != nil {
					t.Error(err)
				}
				j.Backlog()
			}
		})
	}
	wg.Wait()
	s.wait(t, workers*calls)
	stop()
	got := s.ids()
	slices.Sort(got)
	if n := len(slices.Compact(got)); n != workers*calls || len(s.ids()) != n {
		t.Errorf("got %d records, %d different", len(s.ids()), n)
	}
}

func TestLineRoundTrip(t *testing.T) {
	e, _ := encoders.Get().(*encoder)
	defer e.release()
	at := time.Now().UTC().Truncate(time.Microsecond)
	b := e.encode(kindEnd, at, ended("a"))
	l, err := parseLine(b)
	if err != nil || l.kind != kindEnd || !l.at.Equal(at) {
		t.Errorf("got %+v, %v", l, err)
	}
	for i := range b { // no single bit may go unnoticed
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, err := parseLine(b); err == nil {
				t.Fatalf("a flipped bit at %d was not seen: %s", i, b)
			}
			b[i] ^= 1 << bit
		}
	}
}

func TestSlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slots")
	s, got, err := openSlots(path)
	if err != nil || got != "" {
		t.Fatalf("got %q, %v", got, err)
	}
	for i := range 5 {
		if err := s.write(fmt.Sprint("content ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.write(strings.Repeat("x", slotLen)); err == nil {
		t.Error("a slot took more than it can hold")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b { // whatever byte breaks, one of the last two is read
		broken := slices.Clone(b)
		broken[i] ^= 4
		if err := os.WriteFile(path, broken, private); err != nil {
			t.Fatal(err)
		}
		again, got, err := openSlots(path)
		if err != nil || got != "content 4" && got != "content 3" {
			t.Fatalf("byte %d: got %q, %v", i, got, err)
		}
		_ = again.f.Close()
	}
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRing(t *testing.T) {
	r := newRing(3)
	for _, id := range []string{"a", "b", "a", "c", "d"} {
		r.add(id)
	}
	got := map[string]bool{"a": r.has("a"), "b": r.has("b"), "c": r.has("c"), "d": r.has("d")}
	if want := (map[string]bool{"a": false, "b": true, "c": true, "d": true}); !reflect.DeepEqual(got, want) || len(r.known) != 3 {
		t.Errorf("got %v", got)
	}
}

// TestCallsThatMayGoOn: what is spared is left alone until it is settled, dated by the old sign of life, and what goes on has one record.
func TestCallsThatMayGoOn(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	answer(t, j, "goes-on", "does-not", "lost", "over")
	end(t, j, "over")
	alive := time.Now().Add(90 * time.Second).Truncate(time.Microsecond)
	if err := j.beat.write(fmt.Sprint(alive.UnixMicro())); err != nil {
		t.Fatal(err)
	}
	crash(t, j)

	o := quiet(dir)
	o.Spare = []string{"goes-on", "does-not", "over", "never-heard-of"}
	for range 2 { // a crash before they are settled changes nothing
		j = mustOpen(t, o)
		if err := j.heartbeat(); err != nil {
			t.Fatal(err)
		}
		if !j.LastSign().Equal(alive) || !j.Ended("over") || j.Ended("goes-on") || j.Ended("never-heard-of") {
			t.Errorf("%v", j.LastSign())
		}
		crash(t, j)
	}
	j = mustOpen(t, o)
	s := newShop()
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"over", "lost"}) {
		t.Errorf("before they are settled: %v", got)
	}
	if err := j.Settle(func(id string) bool { return id == "goes-on" }); err != nil {
		t.Fatal(err)
	}
	end(t, j, "goes-on")
	deliver(t, j, s)
	if got := s.ids(); !slices.Equal(got, []string{"over", "lost", "does-not", "goes-on"}) {
		t.Fatalf("got %v", got)
	}
	if c := s.got[2]; !c.Recovered || !c.EndedAt.Equal(alive) {
		t.Errorf("%+v", c)
	}
	if c := s.got[3]; c.Recovered || c.EndReason != sbc.EndCallerBye {
		t.Errorf("%+v", c)
	}
	crash(t, j)
	j = mustOpen(t, quiet(dir))
	deliver(t, j, s)
	if len(s.ids()) != 4 {
		t.Errorf("got %v", s.ids())
	}
}

// TestCallsOfADeadProcessAreBilled: a call whose node died is charged for as long as the journal knows that it lived, by the rates of its answer.
func TestCallsOfADeadProcessAreBilled(t *testing.T) {
	dir := t.TempDir()
	j := mustOpen(t, quiet(dir))
	answered := time.Now().Truncate(time.Microsecond)
	rate := &sbc.Charge{Amount: "0.000000000", Currency: "EUR", PerMinute: "0.600000000", Connection: "0.010000000", MinimumS: 30, IncrementS: 6}
	if err := j.Answered(&sbc.CDR{ID: "cdr_1", CallID: "cal_1", StartedAt: answered, AnsweredAt: &answered, Cost: rate}); err != nil {
		t.Fatal(err)
	}
	if err := j.beat.write(fmt.Sprint(answered.Add(61 * time.Second).UnixMicro())); err != nil {
		t.Fatal(err)
	}
	crash(t, j)
	j = mustOpen(t, quiet(dir))
	s := newShop()
	deliver(t, j, s)
	if c := s.got[0]; c.BillableMS != 61_000 || c.Cost == nil || c.Cost.BilledS != 66 || c.Cost.Amount != "0.670000000" || c.Price != nil {
		t.Errorf("billed %d ms: cost %+v, price %+v", c.BillableMS, c.Cost, c.Price)
	}
}
