package eventlog

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

func event(t sbc.EventType, call, n string) sbc.Event {
	return sbc.Event{Type: t, TenantID: "ten_1", CallID: call, Data: map[string]string{"n": n}}
}

func numbers(events []sbc.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Data["n"])
	}
	return out
}

// TestPages: a reader that keeps the last id it saw sees every event once, in order, whatever its type.
func TestPages(t *testing.T) {
	l := New(Options{})
	types := sbc.EventTypes()
	var want, got []string
	for i := range 100 {
		want = append(want, strconv.Itoa(i))
		l.Add(event(types[i%len(types)], "call_1", want[i]))
	}
	after := ""
	for {
		page, missed := l.Query(sbc.EventQuery{After: after, Limit: 7})
		if missed {
			t.Fatal("something was missed")
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if e.ID <= after || e.At.IsZero() {
				t.Fatalf("%+v after %s", e, after)
			}
			after = e.ID
		}
		got = append(got, numbers(page)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestFilters(t *testing.T) {
	l := New(Options{})
	l.Add(event(sbc.EventCallHold, "call_1", "0"))
	l.Add(event(sbc.EventCallDTMF, "call_1", "1"))
	l.Add(event(sbc.EventCallHold, "call_2", "2"))
	other := event(sbc.EventCallHold, "call_2", "3")
	other.TenantID = "ten_2"
	l.Add(other)
	for _, tt := range []struct {
		q    sbc.EventQuery
		want []string
	}{
		{sbc.EventQuery{}, []string{"0", "1", "2", "3"}},
		{sbc.EventQuery{Type: sbc.EventCallHold}, []string{"0", "2", "3"}},
		{sbc.EventQuery{CallID: "call_1"}, []string{"0", "1"}},
		{sbc.EventQuery{TenantID: "ten_1", CallID: "call_2"}, []string{"2"}},
		{sbc.EventQuery{Limit: 2}, []string{"0", "1"}},
		{sbc.EventQuery{Type: sbc.EventCallStale}, nil},
	} {
		if got, _ := l.Query(tt.q); !slices.Equal(numbers(got), tt.want) {
			t.Errorf("%+v: %v", tt.q, numbers(got))
		}
	}
}

// TestFloodPushesOutItsOwnKind: a bounded memory, an honest reader, and the other kinds are left alone.
func TestFloodPushesOutItsOwnKind(t *testing.T) {
	registry := prometheus.NewRegistry()
	l := New(Options{PerType: 10, Registerer: registry})
	l.Add(event(sbc.EventCallHold, "call_1", "hold"))
	l.Add(event(sbc.EventSecurityDialog, "call_1", "first"))
	first, _ := l.Query(sbc.EventQuery{Type: sbc.EventSecurityDialog})
	for i := range 1000 {
		l.Add(event(sbc.EventSecurityDialog, "call_1", strconv.Itoa(i)))
	}
	flood, missed := l.Query(sbc.EventQuery{Type: sbc.EventSecurityDialog, After: first[0].ID})
	if want := []string{"990", "991", "992", "993", "994", "995", "996", "997", "998", "999"}; !slices.Equal(numbers(flood), want) || !missed {
		t.Errorf("%v, missed %v", numbers(flood), missed)
	}
	if _, missed := l.Query(sbc.EventQuery{After: flood[0].ID}); missed {
		t.Error("nothing after the oldest one was missed")
	}
	if held, _ := l.Query(sbc.EventQuery{Type: sbc.EventCallHold, After: "evt_"}); len(held) != 1 {
		t.Errorf("the other kind: %v", numbers(held))
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			count[name] = m.GetCounter().GetValue()
		}
	}
	if count["sbc_events_total security.dialog"] != 1001 || count["sbc_events_dropped_total security.dialog"] != 991 {
		t.Errorf("%v", count)
	}
}

// TestIDsRiseWithOrder: whoever has seen an id has seen all below it, though many add at once.
func TestIDsRiseWithOrder(t *testing.T) {
	l := New(Options{PerType: 10_000})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 500 {
				l.Add(event(sbc.EventCallDTMF, "call_1", ""))
			}
		})
	}
	seen, after := 0, ""
	for seen < 4000 {
		page, _ := l.Query(sbc.EventQuery{After: after})
		for _, e := range page {
			if e.ID <= after {
				t.Fatal("an id came late")
			}
			after = e.ID
		}
		seen += len(page)
	}
	group.Wait()
	if rest, _ := l.Query(sbc.EventQuery{After: after}); len(rest) != 0 {
		t.Errorf("%d more", len(rest))
	}
}

// TestValuesAreBounded: what strangers send is kept in part only, and never with the message it is a piece of.
func TestValuesAreBounded(t *testing.T) {
	l := New(Options{})
	method := strings.Repeat("M", 10_000)
	data := map[string]string{"method": method, "side": "caller"}
	l.Add(sbc.Event{Type: sbc.EventSecurityDialog, Data: data})
	events, _ := l.Query(sbc.EventQuery{})
	got := events[0].Data
	if len(got["method"]) != maxText || got["side"] != "caller" || data["method"] != method {
		t.Errorf("%d octets, %q", len(got["method"]), got["side"])
	}
	if unsafe.StringData(got["method"]) == unsafe.StringData(method) {
		t.Error("the message is kept")
	}
}
