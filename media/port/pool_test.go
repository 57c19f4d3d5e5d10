package port

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var local = netip.MustParseAddr("127.0.0.1")

// fakeSocket counts what is open.
type fakeSocket struct {
	addr   netip.AddrPort
	open   *atomic.Int64
	closed atomic.Bool
}

func (s *fakeSocket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	s.open.Add(-1)
	return nil
}

// rig is a pool over fake sockets with a clock set by hand.
type rig struct {
	*Pool[*fakeSocket]
	now  time.Time
	open atomic.Int64
	// refuse says why a port cannot be bound.
	refuse map[uint16]error
	binds  int
}

func newRig(tb testing.TB, first, last int) *rig {
	tb.Helper()
	r := &rig{now: time.Unix(1000, 0), refuse: map[uint16]error{}}
	p, err := New(Options{Address: local, Min: first, Max: last, Now: func() time.Time { return r.now }},
		func(a netip.AddrPort) (*fakeSocket, error) {
			r.binds++
			if err := r.refuse[a.Port()]; err != nil {
				return nil, err
			}
			r.open.Add(1)
			return &fakeSocket{addr: a, open: &r.open}, nil
		})
	if err != nil {
		tb.Fatal(err)
	}
	r.Pool = p
	return r
}

func (r *rig) take(t *testing.T) *Pair[*fakeSocket] {
	t.Helper()
	p, err := r.Take()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRanges(t *testing.T) {
	for _, c := range []struct{ min, max, pairs int }{
		{30000, 30001, 1},
		{30001, 30003, 1},
		{30000, 30010, 5},
		{65534, 65535, 1},
		{30001, 30002, 0},
		{30000, 30000, 0},
		{0, 10, 0},
		{65530, 65536, 0},
		{40000, 30000, 0},
	} {
		p, err := New(Options{Address: local, Min: c.min, Max: c.max}, func(netip.AddrPort) (*fakeSocket, error) { return nil, nil })
		if c.pairs == 0 {
			if !errors.Is(err, ErrRange) {
				t.Errorf("%d-%d: error %v, want ErrRange", c.min, c.max, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d-%d: %v", c.min, c.max, err)
			continue
		}
		if s := p.Status(); s.Total != c.pairs {
			t.Errorf("%d-%d: %d pairs, want %d", c.min, c.max, s.Total, c.pairs)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, a := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("224.0.0.1")} {
		if _, err := New[*fakeSocket](Options{Address: a, Min: 30000, Max: 30001}, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%v: %v, want ErrAddress", a, err)
		}
	}
}

func TestPairIsEvenAndNext(t *testing.T) {
	r := newRig(t, 30001, 30100)
	seen := map[uint16]bool{}
	for range r.Status().Total {
		p := r.take(t)
		n := p.Local.Port()
		if n%2 != 0 || p.RTP.addr.Port() != n || p.RTCP.addr.Port() != n+1 || seen[n] {
			t.Fatalf("pair %v: %v and %v, seen before: %v", p.Local, p.RTP.addr, p.RTCP.addr, seen[n])
		}
		seen[n] = true
	}
}

func TestPortExhaustionAndReuse(t *testing.T) {
	r := newRig(t, 30000, 30003)
	a, b := r.take(t), r.take(t)
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) {
		t.Fatalf("third take: %v, want ErrExhausted", err)
	}
	a.Release()
	b.Release()
	r.now = r.now.Add(DefaultQuarantine)
	c, d := r.take(t), r.take(t)
	if c != a || d != b {
		t.Error("pairs were not reused in order of release")
	}
	if r.binds != 4 {
		t.Errorf("%d sockets opened, want 4: they stay open", r.binds)
	}
}

func TestQuarantine(t *testing.T) {
	r := newRig(t, 30000, 30001)
	p := r.take(t)
	p.Release()
	r.now = r.now.Add(DefaultQuarantine - 1)
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) {
		t.Fatalf("take in quarantine: %v, want ErrExhausted", err)
	}
	if s := r.Status(); s.Quarantined != 1 || s.InUse != 0 {
		t.Errorf("status %+v, want one in quarantine", s)
	}
	r.now = r.now.Add(1)
	if s := r.Status(); s.Quarantined != 0 {
		t.Errorf("status %+v, want none in quarantine", s)
	}
	r.take(t)
}

func TestDoubleReleaseDoesNothing(t *testing.T) {
	r := newRig(t, 30000, 30003)
	p := r.take(t)
	p.Release()
	p.Release()
	if s := r.Status(); s.InUse != 0 || s.Quarantined != 1 || s.Open != 1 {
		t.Fatalf("status %+v", s)
	}
	r.now = r.now.Add(time.Minute)
	a, b := r.take(t), r.take(t)
	if a == b {
		t.Fatal("one pair handed out twice")
	}
}

func TestForeignPortIsSteppedOverAndTriedAgain(t *testing.T) {
	r := newRig(t, 30000, 30003)
	r.refuse[30001], r.refuse[30002] = syscall.EADDRINUSE, syscall.EADDRINUSE
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("take: %v, want ErrExhausted with its cause", err)
	}
	if r.open.Load() != 0 {
		t.Errorf("%d sockets leaked", r.open.Load())
	}
	if s := r.Status(); s.Failed != 2 {
		t.Errorf("status %+v, want two failed", s)
	}
	clear(r.refuse)
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) {
		t.Fatalf("take at once: %v, want ErrExhausted", err)
	}
	r.now = r.now.Add(failedRest)
	r.take(t)
	r.take(t)
}

func TestNoDescriptorsLeftCostsNoPort(t *testing.T) {
	r := newRig(t, 30000, 30099)
	for n := range uint16(100) {
		r.refuse[30000+n] = syscall.EMFILE
	}
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) || !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("take: %v", err)
	}
	if r.binds != 1 {
		t.Errorf("%d ports tried, want 1", r.binds)
	}
	clear(r.refuse)
	for range 50 {
		r.take(t)
	}
}

// 100 files: 64 are not for media; of 36, the last 9 are for RTP alone.
func TestBudgetPrefersCallsToRTCP(t *testing.T) {
	var open atomic.Int64
	now := time.Unix(1000, 0)
	budget := NewBudget(100)
	p, err := New(Options{Address: local, Min: 30000, Max: 30999, Budget: budget, Now: func() time.Time { return now }},
		func(a netip.AddrPort) (*fakeSocket, error) {
			open.Add(1)
			return &fakeSocket{addr: a, open: &open}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	var pairs []*Pair[*fakeSocket]
	for {
		pair, err := p.Take()
		if err != nil {
			if !errors.Is(err, ErrFiles) || !errors.Is(err, ErrExhausted) {
				t.Fatal(err)
			}
			break
		}
		if pair.Bare != (pair.RTCP == nil) {
			t.Fatalf("%+v", pair)
		}
		pairs = append(pairs, pair)
	}
	st := p.Status()
	if len(pairs) != 13+10 || st.Bare != 10 || open.Load() != 36 || budget.Open() != 36 {
		t.Fatalf("%d pairs, %d sockets (%d counted), status %+v", len(pairs), open.Load(), budget.Open(), st)
	}
	// A bare pair gets its RTCP when there is room again.
	other, err := New(Options{Address: local, Min: 31000, Max: 31001, Budget: budget}, p.open)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Take(); !errors.Is(err, ErrFiles) {
		t.Errorf("another pool of the same budget: %v", err)
	}
	budget.open.Add(-20)
	last := pairs[len(pairs)-1]
	last.Release()
	now = now.Add(time.Minute)
	if again, err := p.Take(); err != nil || again != last || again.Bare || again.RTCP.addr.Port() != again.Local.Port()+1 {
		t.Errorf("%+v, %v", again, err)
	}
	budget.open.Add(20)
	for _, pair := range pairs {
		pair.Release()
	}
	p.Close()
	if open.Load() != 0 || budget.Open() != 0 {
		t.Errorf("%d sockets, %d counted after close", open.Load(), budget.Open())
	}
}

func TestNoDescriptorForRTCPLeavesABarePair(t *testing.T) {
	r := newRig(t, 30000, 30001)
	r.refuse[30001] = syscall.EMFILE
	if p := r.take(t); !p.Bare {
		t.Error("the pair claims to have RTCP")
	}
	if s := r.Status(); s.Bare != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestCloseDrains(t *testing.T) {
	r := newRig(t, 30000, 30007)
	kept, idle := r.take(t), r.take(t)
	idle.Release()
	r.Close()
	r.Close()
	if r.open.Load() != 2 {
		t.Errorf("%d sockets open, want the two in use", r.open.Load())
	}
	if _, err := r.Take(); !errors.Is(err, ErrClosed) {
		t.Errorf("take: %v, want ErrClosed", err)
	}
	select {
	case <-r.Drained():
		t.Fatal("drained while a pair is in use")
	default:
	}
	kept.Release()
	kept.Release()
	<-r.Drained()
	if r.open.Load() != 0 {
		t.Errorf("%d sockets leaked", r.open.Load())
	}
}

func TestCloseOfIdlePoolIsDrained(t *testing.T) {
	r := newRig(t, 30000, 30007)
	r.Close()
	<-r.Drained()
}

func TestTakersAtOnce(t *testing.T) {
	p, err := New(Options{Address: local, Min: 30000, Max: 30199, Quarantine: -1}, func(a netip.AddrPort) (*fakeSocket, error) {
		return &fakeSocket{addr: a, open: new(atomic.Int64)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var owners sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				pair, err := p.Take()
				if err != nil {
					t.Error(err)
					return
				}
				if _, taken := owners.LoadOrStore(pair.Local, true); taken {
					t.Errorf("%v has two owners", pair.Local)
				}
				owners.Delete(pair.Local)
				pair.Release()
			}
		})
	}
	wg.Wait()
	if s := p.Status(); s.InUse != 0 {
		t.Errorf("status %+v: leak", s)
	}
}

func TestPortsComeInRandomOrder(t *testing.T) {
	r := newRig(t, 30000, 31999)
	next := 0
	last := r.take(t).Local.Port()
	for range 100 {
		p := r.take(t).Local.Port()
		if p == last+2 || p+2 == last {
			next++
		}
		last = p
	}
	if next > 10 {
		t.Errorf("%d of 100 pairs follow their predecessor: a stranger can guess", next)
	}
}

func TestProbe(t *testing.T) {
	var open atomic.Int64
	err := Probe(local, func(a netip.AddrPort) (*fakeSocket, error) {
		open.Add(1)
		return &fakeSocket{addr: a, open: &open}, nil
	})
	if err != nil || open.Load() != 0 {
		t.Errorf("probe: %v, %d open", err, open.Load())
	}
	err = Probe(local, func(netip.AddrPort) (*fakeSocket, error) { return nil, syscall.EADDRNOTAVAIL })
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("probe: %v", err)
	}
}

func TestRaiseFileLimit(t *testing.T) {
	n, err := RaiseFileLimit(256)
	if err != nil || n < 256 {
		t.Errorf("limit %d, %v", n, err)
	}
}

// BenchmarkReuse is the bar of 1 µs for a pair.
func BenchmarkReuse(b *testing.B) {
	p, err := New(Options{Address: local, Min: 30000, Max: 39999, Quarantine: time.Nanosecond},
		func(a netip.AddrPort) (*fakeSocket, error) { return &fakeSocket{addr: a, open: new(atomic.Int64)}, nil })
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		pair, err := p.Take()
		if err != nil {
			b.Fatal(err)
		}
		pair.Release()
	}
}
