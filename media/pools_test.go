package media

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestPrepareRefuses(t *testing.T) {
	good := poolOf("good", "127.0.0.1", 4)
	e := testEngine(t, Options{}, good)
	for name, c := range map[string]struct {
		pools []Pool
		id    string
	}{
		"foreign address": {[]Pool{good, {ID: "x", Address: netip.MustParseAddr("192.0.2.1"), PortMin: 3000, PortMax: 3100}}, "x"},
		"no address":      {[]Pool{{ID: "x", PortMin: 3000, PortMax: 3100}}, "x"},
		"no pair":         {[]Pool{{ID: "x", Address: loop1, PortMin: 3001, PortMax: 3002}}, "x"},
		"overlap":         {[]Pool{good, {ID: "x", Address: loop1, PortMin: good.PortMax, PortMax: good.PortMax + 9}}, "x"},
		"id twice":        {[]Pool{good, {ID: "good", Address: loop2, PortMin: 3000, PortMax: 3100}}, "good"},
	} {
		_, err := e.Prepare(c.pools)
		var p *PoolError
		if !errors.As(err, &p) || p.ID != c.id || p.Err == nil || !strings.Contains(err.Error(), c.id) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st, ok := e.PoolStatus("good"); !ok || st.Total != 4 || st.State != "ready" {
		t.Errorf("a refused change changed something: %+v", st)
	}
}

func TestSameRangeOnTwoAddresses(t *testing.T) {
	e := testEngine(t, Options{})
	c, err := e.Prepare([]Pool{
		{ID: "a", Address: loop1, PortMin: 19100, PortMax: 19110},
		{ID: "b", Address: loop2, PortMin: 19100, PortMax: 19110},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	if _, ok := e.PoolStatus("a"); ok {
		t.Error("an aborted change has a pool")
	}
}

// Removing a pool leaves calls their ports; a change of what is advertised moves nothing.
func TestChangeOfPoolsWhileCallsRun(t *testing.T) {
	p, q := poolOf("p", "127.0.0.1", 4), poolOf("q", "127.0.0.1", 4)
	r := newRig(t, "127.0.0.2", "127.0.0.3", p)
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	commit := func(pools ...Pool) {
		t.Helper()
		c, err := r.e.Prepare(pools)
		if err != nil {
			t.Fatal(err)
		}
		c.Commit()
	}
	p.Advertised = netip.MustParseAddr("198.51.100.1")
	commit(p)
	if st, _ := r.e.PoolStatus("p"); st.InUse != 2 {
		t.Errorf("status %+v", st)
	}
	commit(q)
	if st, ok := r.e.PoolStatus("p"); !ok || st.State != "draining" || st.InUse != 2 {
		t.Errorf("status %+v", st)
	}
	talk(t, r.A, r.B, doorA, doorB)
	s := r.e.Open(SessionOptions{})
	x, err := s.Offer(s.Party(PartyOptions{Pools: []string{"p"}}), s.Party(PartyOptions{Pools: []string{"p"}}), r.A.sdp())
	if !errors.Is(err, ErrNoPorts) {
		t.Errorf("a removed pool serves: %v, %v", x, err)
	}
	s.Close()
	r.s.Close()
	if st, ok := r.e.PoolStatus("p"); ok {
		t.Errorf("drained pool is still there: %+v", st)
	}
	commit(q, Pool{ID: "p", Address: p.Address, PortMin: p.PortMin, PortMax: p.PortMax})
	if len(r.e.draining) != 0 {
		t.Error("drained pools are kept")
	}
}

func TestQuarantineIsCounted(t *testing.T) {
	e := testEngine(t, Options{Quarantine: time.Hour}, poolOf("p", "127.0.0.1", 4))
	setUp(t, e, phoneSDP("127.0.0.2", 5004), phoneSDP("127.0.0.3", 5006)).Close()
	if st, _ := e.PoolStatus("p"); st.InUse != 0 || st.Quarantined != 2 || st.Total != 4 {
		t.Errorf("status %+v", st)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	e := testEngine(t, Options{Registerer: reg}, poolOf("p", "127.0.0.1", 4))
	s := setUp(t, e, phoneSDP("127.0.0.2", 5004), phoneSDP("127.0.0.3", 5006))
	defer s.Close()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += "," + l.GetValue()
			}
			found[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for key, want := range map[string]float64{
		"sbc_media_ports,p,in_use": 2, "sbc_media_ports,p,free": 2, "sbc_media_ports,p,quarantined": 0,
		"sbc_media_sessions": 1, "sbc_rtp_packets_total,out": 0, "sbc_rtp_dropped_total,wrong_source": 0,
		"sbc_media_silences_total": 0, "sbc_media_panics_total": 0,
	} {
		if got, ok := found[key]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", key, got, ok, want)
		}
	}
	if _, err := New(Options{Registerer: reg}); err == nil {
		t.Error("two engines share one registry")
	}
}
