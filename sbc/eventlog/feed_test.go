package eventlog

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// next waits for the feed and reads it.
func next(t *testing.T, f sbc.EventFeed) ([]string, string) {
	t.Helper()
	select {
	case <-f.Wake():
	case <-time.After(5 * time.Second):
		t.Fatal("nothing came")
	}
	events, missed := f.Read()
	return numbers(events), missed
}

// value reads a metric.
func value(t *testing.T, c prometheus.Collector) (v float64) {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			v += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return v
}

func follow(t *testing.T, l *Log, q sbc.EventQuery) sbc.EventFeed {
	t.Helper()
	f, err := l.Follow(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(false) })
	return f
}

// TestFeed: what happens from now on is read once, in order, and only what was asked for.
func TestFeed(t *testing.T) {
	l := New(Options{})
	l.Add(event(sbc.EventCallHold, "call_1", "before"))
	f := follow(t, l, sbc.EventQuery{Type: sbc.EventCallHold, TenantID: "ten_1"})
	if got, missed := next(t, f); len(got) != 0 || missed != "" {
		t.Fatalf("at first %v %q", got, missed)
	}
	var want, got []string
	for i := range 600 { // more than a page
		want = append(want, strconv.Itoa(i))
		l.Add(event(sbc.EventCallHold, "call_1", want[i]))
		l.Add(event(sbc.EventCallDTMF, "call_1", "other type"))
		l.Add(sbc.Event{Type: sbc.EventCallHold, TenantID: "ten_2"})
	}
	for len(got) < len(want) {
		page, missed := next(t, f)
		if got = append(got, page...); missed != "" {
			t.Fatal("something was missed")
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// TestFeedGoesOn: a reader that comes back gets what happened meanwhile, or is told that some of it is gone.
func TestFeedGoesOn(t *testing.T) {
	l := New(Options{PerType: 4})
	for i := range 3 {
		l.Add(event(sbc.EventCallHold, "call_1", strconv.Itoa(i)))
	}
	all, _ := l.Query(sbc.EventQuery{})
	back := sbc.EventQuery{Type: sbc.EventCallHold, After: all[0].ID}
	if got, missed := next(t, follow(t, l, back)); !slices.Equal(got, []string{"1", "2"}) || missed != "" {
		t.Errorf("%v %q", got, missed)
	}
	for i := 3; i < 6; i++ {
		l.Add(event(sbc.EventCallHold, "call_1", strconv.Itoa(i)))
	}
	if got, missed := next(t, follow(t, l, back)); !slices.Equal(got, []string{"2", "3", "4", "5"}) || missed != all[1].ID {
		t.Errorf("%v %q", got, missed)
	}
	younger := New(Options{})
	if got, missed := next(t, follow(t, younger, back)); len(got) != 0 || missed == "" {
		t.Errorf("after a restart %v %q", got, missed)
	}
	if _, missed := younger.Query(back); !missed {
		t.Error("Query does not know of the restart")
	}
	if _, missed := next(t, follow(t, l, sbc.EventQuery{After: "evt_zzz"})); missed == "" {
		t.Error("an id that is none of ours was believed")
	}
}

// TestSlowReaderIsTold: who does not keep up learns that something is missing, and is counted; what others do is no fault of his.
func TestSlowReaderIsTold(t *testing.T) {
	reg := prometheus.NewRegistry()
	l := New(Options{PerType: 4, Registerer: reg})
	f := follow(t, l, sbc.EventQuery{Type: sbc.EventCallHold, TenantID: "ten_1"})
	next(t, f)
	for range 10 {
		l.Add(sbc.Event{Type: sbc.EventCallHold, TenantID: "ten_2"})
		if _, missed := next(t, f); missed != "" {
			t.Fatal("the events of others count as missed")
		}
	}
	for i := range 10 {
		l.Add(event(sbc.EventCallHold, "call_1", strconv.Itoa(i)))
	}
	if got, missed := next(t, f); missed == "" || !slices.Equal(got, []string{"6", "7", "8", "9"}) {
		t.Errorf("%v %q", got, missed)
	}
	f.Close(true)
	f.Close(true)
	if v := value(t, l.slow); v != 1 {
		t.Errorf("%v slow readers", v)
	}
	if v := value(t, l.followers); v != 0 || len(l.feeds) != 0 {
		t.Errorf("%v followers", v)
	}
}

// TestFeedsAreBounded: nobody else has to wait for a tenant that takes all it can get.
func TestFeedsAreBounded(t *testing.T) {
	l := New(Options{})
	for range tenantFeeds {
		follow(t, l, sbc.EventQuery{TenantID: "ten_1"})
	}
	if _, err := l.Follow(sbc.EventQuery{TenantID: "ten_1"}); sbc.CodeOf(err) != sbc.CodeUnavailable {
		t.Errorf("one more of a tenant: %v", err)
	}
	for range defaultFeeds - tenantFeeds {
		follow(t, l, sbc.EventQuery{})
	}
	if _, err := l.Follow(sbc.EventQuery{}); sbc.CodeOf(err) != sbc.CodeUnavailable {
		t.Errorf("one more: %v", err)
	}
}

// TestOnDemand: changes of state are wanted while somebody follows or reads them, and a while after; a gap is told.
func TestOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{})
		wants := func(want bool) {
			t.Helper()
			synctest.Wait()
			if l.Wants(sbc.EventCallState) != want || !l.Wants(sbc.EventCallHold) {
				t.Errorf("wanted: %v", !want)
			}
		}
		wants(false)
		l.Query(sbc.EventQuery{Type: sbc.EventCallHold})
		wants(false)
		first, _ := l.Query(sbc.EventQuery{Type: sbc.EventCallState})
		wants(true)
		l.Add(event(sbc.EventCallState, "call_1", "0"))
		if first, _ = l.Query(sbc.EventQuery{}); len(first) != 1 {
			t.Fatalf("%v", first)
		}
		time.Sleep(lease + time.Second)
		wants(false)
		if len(l.rings) != 0 {
			t.Error("what nobody wants is kept")
		}
		f, err := l.Follow(sbc.EventQuery{After: first[0].ID})
		if err != nil {
			t.Fatal(err)
		}
		if got, missed := f.Read(); len(got) != 0 || missed == "" {
			t.Errorf("after a gap %v %q", got, missed)
		}
		time.Sleep(3 * lease)
		wants(true)
		f.Close(false)
		time.Sleep(lease - time.Second)
		wants(true)
		time.Sleep(2 * time.Second)
		wants(false)
	})
}
