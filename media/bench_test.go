package media

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// phoneSDP is what a desk phone says.
func phoneSDP(host string, port int, extra ...string) []byte {
	s := "v=0\r\no=- 20518 0 IN IP4 " + host + "\r\ns=call\r\nc=IN IP4 " + host + "\r\nt=0 0\r\n" +
		fmt.Sprintf("m=audio %d RTP/AVP 8 0 9 18 101\r\n", port) +
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\n" +
		"a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
	for _, l := range extra {
		s += l + "\r\n"
	}
	if len(extra) == 0 {
		s += "a=sendrecv\r\n"
	}
	return []byte(s)
}

func testEngine(tb testing.TB, o Options, pools ...Pool) *Engine {
	tb.Helper()
	e, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	c, err := e.Prepare(pools)
	if err != nil {
		tb.Fatal(err)
	}
	c.Commit()
	return e
}

var (
	loop1 = netip.MustParseAddr("127.0.0.1")
	loop2 = netip.MustParseAddr("127.0.0.2")
	loop3 = netip.MustParseAddr("127.0.0.3")
)

// setUp is a call's media up to the answer.
func setUp(tb testing.TB, e *Engine, offer, answer []byte) *Session {
	s := e.Open(SessionOptions{Silence: time.Minute, HoldSilence: 10 * time.Minute, OnSilence: func(*Party, time.Time) {}})
	a := s.Party(PartyOptions{Pools: []string{"p"}, Signalling: loop2})
	b := s.Party(PartyOptions{Pools: []string{"p"}, Signalling: loop3})
	x, err := s.Offer(a, b, offer)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err = x.Answer(answer); err != nil {
		tb.Fatal(err)
	}
	s.Answered()
	return s
}

func BenchmarkCall(b *testing.B) {
	e := testEngine(b, Options{Quarantine: time.Nanosecond}, Pool{ID: "p", Address: loop1, PortMin: 41000, PortMax: 41999})
	offer, answer := phoneSDP("127.0.0.2", 5004), phoneSDP("127.0.0.3", 5006)
	setUp(b, e, offer, answer).Close()
	b.ReportAllocs()
	for b.Loop() {
		setUp(b, e, offer, answer).Close()
	}
}

// BenchmarkHeld reports the memory that a held call keeps.
func BenchmarkHeld(b *testing.B) {
	const calls = 2000
	e := testEngine(b, Options{Quarantine: time.Nanosecond}, Pool{ID: "p", Address: loop1, PortMin: 42000, PortMax: 51999})
	offer, answer := phoneSDP("127.0.0.2", 5004), phoneSDP("127.0.0.3", 5006)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		held := make([]*Session, 0, calls)
		begin := time.Now()
		for range calls {
			held = append(held, setUp(b, e, offer, answer))
		}
		b.ReportMetric(float64(time.Since(begin).Microseconds())/calls, "first-µs/call")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/calls, "heap-B/call")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/calls, "objects/call")
		for _, s := range held {
			s.Close()
		}
	}
}

// A held call keeps at most 15 KB, sockets and descriptions included.
func TestMemoryPerHeldCall(t *testing.T) {
	const calls, limit = 200, 15 << 10
	e := testEngine(t, Options{}, poolOf("p", "127.0.0.1", 2*calls))
	offer, answer := phoneSDP("127.0.0.2", 5004), phoneSDP("127.0.0.3", 5006)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	held := make([]*Session, 0, calls)
	for range calls {
		held = append(held, setUp(t, e, offer, answer))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := int64(after.HeapAlloc-before.HeapAlloc) / calls; n > limit {
		t.Errorf("%d octets per call, at most %d wanted", n, limit)
	}
	for _, s := range held {
		s.Close()
	}
}
