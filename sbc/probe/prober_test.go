package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// world is a Prober with peers that answer as answers says: a code, 0 for none. In time is when each was asked.
type world struct {
	*Prober
	mu      sync.Mutex
	rev     int64
	sources []Source
	answers map[string]int
	in      map[string][]time.Time
	flying  int
	highest int
	events  []sbc.Event
	delay   time.Duration
	last    string
}

func (w *world) Send(o msg.Outbound) msg.ClientTx {
	w.mu.Lock()
	defer w.mu.Unlock()
	o.Owner.Prepare(o.Request, msg.Local{Host: "198.51.100.1", Port: 5060, Transport: sbc.TransportUDP})
	host := o.Target.Host
	code := w.answers[host]
	w.in[host] = append(w.in[host], time.Now())
	w.last = "OPTIONS " + o.Request.RequestURI.String() + " SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1" +
		strings.TrimPrefix(string(o.Request.AppendTo(nil)), "OPTIONS "+o.Request.RequestURI.String()+" SIP/2.0")
	w.flying++
	w.highest = max(w.highest, w.flying)
	wait := w.delay
	if code == 0 {
		wait = o.Timers.B
	}
	time.AfterFunc(wait, func() {
		w.mu.Lock()
		w.flying--
		w.mu.Unlock()
		if code == 0 {
			o.Owner.Failed(nil, msg.ErrNoResponse)
			return
		}
		o.Owner.Response(nil, msg.NewResponse(o.Request, 100, ""))
		o.Owner.Response(nil, msg.NewResponse(o.Request, code, ""))
	})
	return nil
}

func (w *world) answer(host string, code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[host] = code
}

func newWorld(t *testing.T, n int, change func(*Source)) *world {
	t.Helper()
	w := &world{answers: map[string]int{}, in: map[string][]time.Time{}, delay: 10 * time.Millisecond}
	for i := range n {
		var trunk sbc.Trunk
		trunk.Defaults()
		s := Source{ID: fmt.Sprintf("end_%d", i), TrunkID: "trk_1", TenantID: "tnt_1", Probe: trunk.Probe, Outlier: trunk.Outlier}
		s.Probe.Enabled, s.Probe.FromUser = true, "asker"
		s.URI.Scheme, s.URI.Host = "sip", fmt.Sprintf("peer%d.example", i)
		s.Target = msg.Target{Host: s.URI.Host, Transport: sbc.TransportUDP}
		if change != nil {
			change(&s)
		}
		w.sources = append(w.sources, s)
		w.answers[s.URI.Host] = 200
	}
	w.Prober = New(Options{
		Revision: func() int64 { w.mu.Lock(); defer w.mu.Unlock(); return w.rev },
		Sources:  func() []Source { w.mu.Lock(); defer w.mu.Unlock(); return append([]Source(nil), w.sources...) },
		Wire:     w, ServerName: "border",
		Events: func(e sbc.Event) { w.mu.Lock(); defer w.mu.Unlock(); w.events = append(w.events, e) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; time.Sleep(time.Minute) }) // of synctest's clock: the answers under way
	return w
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // of synctest's clock
	synctest.Wait()
}

// TestDownInTime: an endpoint that falls silent is down after three probes, is back after two, and both are told, with the reason.
func TestDownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		pass(time.Minute)
		if s, _ := w.Status("end_0"); s.State != sbc.EndpointUp || s.LastCode != 200 || s.RoundTripMS != 10 || s.LastProbeAt == nil {
			t.Fatalf("%+v", s)
		}
		w.answer("peer0.example", 0)
		began := time.Now()
		for p := 100; p > 0; p, _ = w.Endpoint("end_0") {
			pass(time.Second)
			if time.Since(began) > 95*time.Second {
				t.Fatal("not down after three probes")
			}
		}
		if p, _ := w.Endpoint("end_1"); p != 100 {
			t.Error("the other one is out, too")
		}
		w.answer("peer0.example", 200)
		pass(61 * time.Second)
		if s, _ := w.Status("end_0"); s.State != sbc.EndpointUp || s.WeightPercent != 100 {
			t.Errorf("after two answers: %+v", s)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.events) != 2 || w.events[0].Data["state"] != "down" || w.events[0].Data["endpoint_id"] != "end_0" ||
			w.events[0].Data["reason"] == "" || w.events[1].Data["state"] != "up" || w.events[1].TrunkID != "trk_1" {
			t.Errorf("events: %+v", w.events)
		}
	})
}

// TestSpread: a thousand endpoints are asked evenly over the interval, at the start as later, and no second has many more than its share.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		w := newWorld(t, n, nil)
		pass(5*time.Minute + time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		perSecond := map[int64]int{}
		for host, times := range w.in {
			if len(times) < 10 || len(times) > 11 {
				t.Errorf("%s was asked %d times in five minutes", host, len(times))
			}
			for i, at := range times {
				perSecond[at.Unix()]++
				if i > 0 && at.Sub(times[i-1]) != 30*time.Second {
					t.Errorf("%s was asked after %s", host, at.Sub(times[i-1]))
				}
			}
		}
		for second, asked := range perSecond {
			if asked > n/30+5 {
				t.Errorf("second %d: %d probes", second, asked)
			}
		}
	})
}

// TestBounded: however many endpoints are silent, no more probes are under way than the bound.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3*most, func(s *Source) { s.Probe.IntervalS, s.Probe.TimeoutMS = 1, 30_000 })
		w.mu.Lock()
		clear(w.answers)
		w.mu.Unlock()
		pass(5 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.highest != most {
			t.Errorf("%d under way, want %d", w.highest, most)
		}
	})
}

// TestSources: settings count at once and keep what is known, another address forgets it, who is gone is not asked any more.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, func(s *Source) { s.Probe.IntervalS, s.Probe.DownAfter = 1, 1 })
		w.answer("peer0.example", 503)
		pass(10 * time.Second)
		state := func(id string) sbc.EndpointState { s, _ := w.Status(id); return s.State }
		if state("end_0") != sbc.EndpointDown {
			t.Fatalf("503: %s", state("end_0"))
		}
		change := func(f func()) {
			w.mu.Lock()
			f()
			w.rev++
			w.mu.Unlock()
			pass(2 * look)
		}
		change(func() { w.sources[0].Probe.UpAfter = 9 })
		if state("end_0") != sbc.EndpointDown {
			t.Errorf("another up_after forgot its state: %s", state("end_0"))
		}
		change(func() { w.sources[0].URI.Host, w.sources[0].Target.Host = "new.example", "new.example" })
		if state("end_0") != sbc.EndpointUnknown {
			t.Errorf("another address keeps its state: %s", state("end_0"))
		}
		change(func() { w.sources = w.sources[:1] })
		w.mu.Lock()
		before := len(w.in["peer1.example"])
		w.mu.Unlock()
		pass(5 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.in["peer1.example"]) != before {
			t.Error("who is gone is still asked")
		}
		if _, ok := w.Status("end_1"); ok {
			t.Error("who is gone has a status")
		}
	})
}

// TestAttempts: failed attempts eject an endpoint and are told; it comes back by itself, without a call or a probe.
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(s *Source) { s.Probe.Enabled = false })
		pass(time.Second)
		for _, code := range []int{0, 500, 502, 503, 504} {
			if p, _ := w.Endpoint("end_0"); p != 100 {
				t.Fatal("out too early")
			}
			w.Attempted("end_0", time.Now(), code)
		}
		if p, why := w.Endpoint("end_0"); p != 0 || why == "" {
			t.Fatalf("%d %q", p, why)
		}
		pass(31 * time.Second)
		if p, _ := w.Endpoint("end_0"); p != 100 {
			t.Error("it does not come back")
		}
		for range 4 {
			w.Attempted("end_0", time.Now(), 486) // whoever is busy is there
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.events) != 2 || w.events[0].Data["state"] != "ejected" || w.events[1].Data["state"] != "up" && w.events[1].Data["state"] != "unknown" {
			t.Errorf("events: %+v", w.events)
		}
	})
}

// TestMessage is what an endpoint is asked with.
func TestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, nil)
		pass(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		m, err := msg.Parse([]byte(w.last))
		if err != nil {
			t.Fatal(err)
		}
		if m.Method != msg.OPTIONS || m.RequestURI.String() != "sip:peer0.example" || m.From.URI.String() != "sip:asker@198.51.100.1" ||
			m.To.URI.String() != "sip:peer0.example" || m.To.Tag() != "" || m.Get("Contact") != "<sip:asker@198.51.100.1:5060>" ||
			m.Get("Accept") != "application/sdp" || m.Get("User-Agent") != "border" || m.MaxForwards != 70 {
			t.Errorf("%s", w.last)
		}
	})
}

// TestMetrics: states can be read while they change.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, func(s *Source) { s.Outlier.Failures = 1 })
		pass(time.Second)
		w.Attempted("end_1", time.Now(), 503)
		r := prometheus.NewRegistry()
		r.MustRegister(w.metrics)
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		up := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if f.GetName() == "sbc_endpoint_up" && l.GetName() == "endpoint" {
						up[l.GetValue()] = m.GetGauge().GetValue()
					}
				}
			}
		}
		if len(up) != 3 || up["end_1"] != 0 || up["end_0"] != 1 {
			t.Errorf("%v", up)
		}
	})
}

// TestCalmIsFree: what calls ask of an endpoint with which all is well costs next to nothing.
func TestCalmIsFree(t *testing.T) {
	w := &world{in: map[string][]time.Time{}}
	p := New(Options{Revision: func() int64 { return 0 }, Sources: func() []Source { return nil }, Wire: w})
	var trunk sbc.Trunk
	trunk.Defaults()
	p.set(time.Now(), []Source{{ID: "end_0", Outlier: trunk.Outlier, Probe: trunk.Probe}})
	p.Attempted("end_0", time.Now(), 200)
	began := time.Now()
	if n := testing.AllocsPerRun(1000, func() { p.Endpoint("end_0"); p.Attempted("end_0", began, 200) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}
