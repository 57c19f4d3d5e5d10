package guard

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

var lone = [3]int{1, 1, 1}

func second(s float64) int64 { return int64(s * 1e6) }

// TestThirtyFirst is features.md 13.3: 31 within 2 s and the 31st is dropped, wherever the units of a clock begin; 29, never.
func TestThirtyFirst(t *testing.T) {
	b := bound{kindInvite, 30, second(2)}
	for phase := range 200 {
		w := newWindows(64)
		a := netip.MustParseAddr("192.0.2.1")
		for n := 1; n <= 90; n++ {
			now := second(100) + int64(phase)*10_000 + int64(n)*(second(2)/91)
			if o := w.arrive(1, a, b, 1000, lone, now); o.over != (n > 30) {
				t.Fatalf("phase %d: request %d of 90 within 2 s: over is %v", phase, n, o.over)
			}
		}
		w = newWindows(64)
		for n := range 1000 { // 29 in every 2 s, for a minute
			if o := w.arrive(1, a, b, 1000, lone, second(100)+int64(phase)*10_000+int64(n)*second(2)/29); o.over {
				t.Fatalf("phase %d: at 29 in 2 s request %d is dropped", phase, n)
			}
		}
	}
}

// TestWindowIsExact compares with a list of all times, for random arrivals, limits and windows, with few and many sources.
func TestWindowIsExact(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWindows(64 * 64)
		limit, window := 1+r.IntN(60), second(0.1+r.Float64()*5)
		sources := make([][]int64, 1+r.IntN(20))
		now := second(5000 * r.Float64()) // across the wrap of 32 bits, too
		for range 5000 {
			now += int64(r.ExpFloat64() * float64(window) / float64(limit) / float64(len(sources)))
			if r.IntN(2000) == 0 {
				now += second(4300) // longer than 32 bits of microseconds
			}
			x := r.IntN(len(sources))
			recent := 0
			for _, at := range sources[x] {
				if now-at < window {
					recent++
				}
			}
			sources[x] = append(sources[x], now)
			b := bound{kindOther, limit, window}
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(x)})
			if o := w.arrive(7, a, b, 1<<30, lone, now); o.over != (recent >= limit) {
				t.Fatalf("seed %d: %d came within the window, the limit is %d, over is %v", seed, recent, limit, o.over)
			}
		}
	}
}

// TestLargeWindow: groups drop a thousandth early at most, and never late.
func TestLargeWindow(t *testing.T) {
	const limit = 50_000
	w, a := newWindows(64*64), netip.MustParseAddr("192.0.2.1")
	b := bound{kindOther, limit, second(60)}
	for n := 1; n <= 2*limit; n++ {
		over := w.arrive(1, a, b, 1<<30, lone, second(10)+int64(n)*100).over
		if over && n <= limit-limit/1000-1 || !over && n > limit {
			t.Fatalf("request %d of %d: over is %v", n, limit, over)
		}
	}
}

// TestIPv6IsCountedByNetwork: addresses of one /64 share twice the budget of one, those of a /48 eight times.
func TestIPv6IsCountedByNetwork(t *testing.T) {
	b := bound{kindInvite, 30, second(2)}
	count := func(address func(n int) string) (passed int, last outcome) {
		w := newWindows(64 * 512)
		for n := range 1000 {
			o := w.arrive(1, netip.MustParseAddr(address(n)), b, 1000, [3]int{1, 2, 8}, second(9))
			if !o.over {
				passed++
			}
			last = o
		}
		return passed, last
	}
	for name, c := range map[string]struct {
		address func(int) string
		passed  int
		width   width
	}{
		"one address": {func(int) string { return "2001:db8::1" }, 30, wide128},
		"one /64":     {func(n int) string { return fmt.Sprintf("2001:db8::%x", n) }, 60, wide64},
		"one /48":     {func(n int) string { return fmt.Sprintf("2001:db8:0:%x::1", n) }, 240, wide48},
		"many":        {func(n int) string { return fmt.Sprintf("2001:db8:%x::1", n) }, 1000, wide128},
	} {
		if passed, last := count(c.address); passed != c.passed || last.over && last.width != c.width {
			t.Errorf("%s: %d passed, %d were expected; the width that is over is %d", name, passed, c.passed, last.width)
		}
	}
}

// TestMalformedStopsAll: who has sent ten messages that cannot be read is not read on.
func TestMalformedStopsAll(t *testing.T) {
	w, a := newWindows(64), netip.MustParseAddr("192.0.2.1")
	for range 10 {
		w.arrive(1, a, bound{kindMalformed, 10, second(2)}, 10, lone, second(1))
	}
	if !w.arrive(1, a, bound{kindInvite, 30, second(2)}, 10, lone, second(1)).over {
		t.Error("after ten malformed messages an INVITE is read")
	}
	if w.arrive(1, a, bound{kindInvite, 30, second(2)}, 10, lone, second(3.1)).over {
		t.Error("two seconds later it is not")
	}
}

// TestMemoryIsFlat sends from a million sources: nothing is allocated after the tables, and each list stays whole.
func TestMemoryIsFlat(t *testing.T) {
	w := newWindows(1024)
	b := bound{kindInvite, 30, second(2)}
	flood := func(n, from int) {
		for i := range n {
			n := from + i
			w.arrive(1, netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), b, 10, lone, int64(from+i))
		}
	}
	flood(100_000, 0)
	if n := testing.AllocsPerRun(5, func() { flood(100_000, 500_000) }); n > 0 {
		t.Errorf("a flood allocates %v times", n)
	}
	for i := range w.shards {
		s := &w.shards[i]
		used := 0
		for x := s.newest; x != 0; x = s.sources[x].older {
			for k := range s.sources[x].logs {
				for c := s.sources[x].logs[k].head; c != 0; c = s.chunks[c].next {
					used++
				}
			}
		}
		free := 0
		for c := s.freeChunk; c != 0; c = s.chunks[c].next {
			free++
		}
		if used+free != int(s.usedChunks) {
			t.Errorf("shard %d: %d chunks are used and %d free of %d", i, used, free, s.usedChunks)
		}
	}
}

// TestTrustedTakeNoRoom: of sources that are exempt nothing is kept in the windows, and room is taken as it is needed.
func TestTrustedTakeNoRoom(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	for n := range 50_000 {
		h := hop("udp", "192.0.2.1")
		h.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5060)
		send(g, h, request("REGISTER", "phone"), 2)
		g.Authenticated(h, "sub_1")
	}
	for i := range g.windows.shards {
		if s := &g.windows.shards[i]; s.newest != 0 || len(s.sources) > 2 || len(s.chunks) > 2 {
			t.Fatalf("shard %d has room for %d sources and %d chunks, the newest is %d", i, len(s.sources)-1, len(s.chunks)-1, s.newest)
		}
	}
}

// TestPacketDoesNotAllocate on any of its ways.
func TestPacketDoesNotAllocate(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	invite := []byte(request("INVITE", "phone"))
	for name, c := range map[string]struct {
		h   msg.Hop
		raw []byte
	}{
		"no rules":  {hop("elsewhere", "192.0.2.1"), invite},
		"counted":   {hop("udp", "192.0.2.1"), invite},
		"IPv6":      {hop("udp", "2001:db8::1"), invite},
		"scanner":   {hop("udp", "192.0.2.2"), []byte(request("INVITE", "friendly-scanner"))},
		"malformed": {hop("udp", "192.0.2.3"), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
	} {
		for range 100 {
			g.Packet(c.h, c.raw)
		}
		if n := testing.AllocsPerRun(200, func() { g.Packet(c.h, c.raw) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkPacket(b *testing.B) {
	g := guardOf(b, Options{}, profile(func(p *sbc.FloodProfile) { p.Invite = 1 << 19 }))
	raw, h := []byte(request("INVITE", "phone")), hop("udp", "192.0.2.1")
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		h.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5060)
		g.Packet(h, raw)
	}
}
