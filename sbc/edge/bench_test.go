package edge

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// sink is a link that swallows; the transaction layer without the system.
type sink struct{ *socket }

func (sink) send([]byte, netip.AddrPort) error { return nil }

// quiet is an edge whose socket swallows what is sent.
func quiet(tb testing.TB, o Options) (*Edge, sink) {
	tb.Helper()
	o.Resolver = literals{}
	e := newEdge(o, newMemNet())
	c, err := e.Prepare([]Listener{{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr}})
	if err != nil {
		tb.Fatal(err)
	}
	c.Commit()
	tb.Cleanup(func() { _ = e.Close() })
	return e, sink{e.iface("a").sock}
}

func (e *Edge) feed(tb testing.TB, l link, text string) {
	m, err := msg.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	m.Hop = msg.Hop{Interface: "a", Transport: sbc.TransportUDP, Local: edgeAddr, Remote: peerAddr}
	e.receive(m, l)
}

func numbered(method string, i int) call {
	c := request(method)
	c.branch, c.callID = fmt.Sprintf("z9hG4bK%032d", i), fmt.Sprintf("%036d", i)
	c.headers = []string{"User-Agent: phone 1.0", "Contact: <sip:alice@192.0.2.99:5060>", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS"}
	return c
}

// TestMemoryOfFinishedTransactions is the bar of performance.md: under 1 KB each.
func TestMemoryOfFinishedTransactions(t *testing.T) {
	const n, bar = 5000, 1024
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	measure := func(name string, e *Edge, f func(i int)) {
		t.Helper()
		for i := range 100 {
			f(n + i)
		}
		before := heap()
		for i := range n {
			f(i)
		}
		each := (heap() - before) / n
		if kept := e.Transactions(); kept < n {
			t.Errorf("%s: only %d transactions kept", name, kept)
		}
		if each > bar {
			t.Errorf("%s keeps %d octets", name, each)
		}
		t.Logf("%s keeps %d octets", name, each)
		runtime.KeepAlive(e)
	}
	answer := func(status int) Options {
		return Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
			res := msg.NewResponse(m, status, "")
			res.Append("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, UPDATE")
			if err := tx.Respond(res); err != nil {
				t.Error(err)
			}
			if m.Method == msg.INVITE && status < 300 {
				tx.Acked()
			}
		}}
	}
	e, l := quiet(t, answer(200))
	measure("OPTIONS server", e, func(i int) { e.feed(t, l, numbered("OPTIONS", i).String()) })
	e2, l2 := quiet(t, answer(200))
	measure("INVITE 200 server", e2, func(i int) { e2.feed(t, l2, numbered("INVITE", i).String()) })
	e3, l3 := quiet(t, answer(486))
	measure("INVITE 486 server", e3, func(i int) {
		c := numbered("INVITE", i)
		e3.feed(t, l3, c.String())
		c.method = "ACK"
		e3.feed(t, l3, c.String())
	})
	for _, c := range []struct {
		method msg.Method
		status int
	}{{msg.OPTIONS, 200}, {msg.INVITE, 200}, {msg.INVITE, 486}} {
		e, l := quiet(t, Options{})
		measure(fmt.Sprintf("%s %d client", c.method, c.status), e, func(int) { exchange(t, e, l, c.method, c.status) })
	}
}

// exchange sends a request and answers it at once.
func exchange(tb testing.TB, e *Edge, l link, method msg.Method, status int) {
	var raw []byte
	first := true
	e.Send(msg.Outbound{
		Request: newRequest(method, peerAddr),
		Target:  msg.Target{Host: "192.0.2.99", Port: 5060, Interfaces: []string{"a"}},
		Owner: &msg.OwnerFuncs{
			OnResponse: func(msg.ClientTx, *msg.Message) {},
			OnSent: func(b []byte, _ msg.Hop) {
				if first {
					raw, first = b, false
				}
			},
		},
	})
	req, err := msg.Parse(raw)
	raw = nil // the owner keeps nothing
	if err != nil {
		tb.Fatal(err)
	}
	res := msg.NewResponse(req, status, "")
	res.SetToTag("x")
	res.Hop = msg.Hop{Interface: "a", Transport: sbc.TransportUDP, Local: edgeAddr, Remote: peerAddr}
	e.receive(res, l)
}

// BenchmarkOptions is a request and its answer over loopback UDP, one at a time, system calls of both sides included.
func BenchmarkOptions(b *testing.B) {
	e := New(Options{Resolver: literals{}, MaxTransactions: 1 << 30, Handle: func(tx msg.ServerTx, m *msg.Message) {
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			b.Error(err)
		}
	}})
	defer func() { _ = e.Close() }()
	c, err := e.Prepare([]Listener{listener("a", sbc.TransportUDP, "127.0.0.1")})
	if err != nil {
		b.Fatal(err)
	}
	c.Commit()
	at, _ := e.Bound("a")
	peer, err := net.Dial("udp", at.String())
	if err != nil {
		b.Fatal(err)
	}
	text := numbered("OPTIONS", 0).String()
	buf := make([]byte, 4096)
	digits := strings.Index(text, "z9hG4bK") + len("z9hG4bK")
	msgBytes := []byte(text)
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		copy(msgBytes[digits:], fmt.Sprintf("%032d", i))
		copy(msgBytes[strings.Index(text, "Call-ID: ")+9:], fmt.Sprintf("%036d", i))
		if _, err := peer.Write(msgBytes); err != nil {
			b.Fatal(err)
		}
		if _, err := peer.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu reports the processor time of the whole process, which neighbours on the machine do not stretch as they do the wall's.
func cpu(b *testing.B) func() {
	b.Helper()
	used := func() int64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkServer is the transaction layer alone: parse, match, handle, answer, keep.
func BenchmarkServer(b *testing.B) {
	e, l := quiet(b, Options{MaxTransactions: 1 << 30, Handle: func(tx msg.ServerTx, m *msg.Message) {
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			b.Error(err)
		}
	}})
	texts := make([]string, 1<<16)
	for i := range texts {
		texts[i] = numbered("OPTIONS", i).String()
	}
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		e.feed(b, l, texts[i&(1<<16-1)])
	}
}

// BenchmarkRetransmission is a request that is known already.
func BenchmarkRetransmission(b *testing.B) {
	e, l := quiet(b, Options{})
	text := numbered("OPTIONS", 1).String()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		e.feed(b, l, text)
	}
}

func BenchmarkClient(b *testing.B) {
	e, l := quiet(b, Options{MaxTransactions: 1 << 30})
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		exchange(b, e, l, msg.OPTIONS, 200)
	}
}
