package edge

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// stream connects to the edge's interface "tcp" in memory.
func (w *world) stream(from string) net.Conn {
	w.t.Helper()
	c, err := w.net.dialStream(w.t.Context(), netip.MustParseAddr(from), edgeAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// ended tells when the edge closes the connection, in virtual time from now; 0 if not within the limit.
func ended(c net.Conn, limit time.Duration) time.Duration {
	start := time.Now()
	if err := c.SetReadDeadline(start.Add(limit)); err != nil {
		return 0
	}
	b := make([]byte, 512)
	for {
		if _, err := c.Read(b); err != nil {
			if took := time.Since(start); took < limit {
				return max(took, 1)
			}
			return 0
		}
	}
}

func overTCP(ls ...func(*Listener)) func(w *world) {
	return func(w *world) {
		l := Listener{ID: "tcp", Transport: sbc.TransportTCP, Bind: edgeAddr}
		for _, f := range ls {
			f(&l)
		}
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr}, l)
	}
}

func TestSlowSenders(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		half := w.stream("192.0.2.50")
		if _, err := half.Write([]byte("INVITE sip:x SIP/2.0\r\nVia:")); err != nil {
			t.Fatal(err)
		}
		if took := ended(half, 10*time.Second); took == 0 || took > 5*time.Second {
			t.Errorf("half a message: closed after %v", took)
		}
		drip := w.stream("192.0.2.51") // an octet each second does not buy time
		go func() {
			for _, c := range []byte("OPTIONS sip:someone@example.org SIP/2.0\r\n") {
				if _, err := drip.Write([]byte{c}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		if took := ended(drip, 20*time.Second); took == 0 || took > 5*time.Second {
			t.Errorf("drip: closed after %v", took)
		}
		mute := w.stream("192.0.2.52")
		if took := ended(mute, time.Minute); took == 0 || took > 31*time.Second {
			t.Errorf("a stranger who says nothing: closed after %v", took)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP(func(l *Listener) { l.Idle = 2 * time.Minute })(w)
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
				t.Error(err)
			}
		}
		c := w.stream("192.0.2.50")
		if _, err := c.Write([]byte(request("OPTIONS").text("TCP"))); err != nil {
			t.Fatal(err)
		}
		if s, _ := w.edge.Status("tcp"); s.Connections != 1 {
			t.Errorf("%d connections", s.Connections)
		}
		if took := ended(c, 5*time.Minute); took < 119*time.Second || took > 121*time.Second {
			t.Errorf("closed after %v", took)
		}
		pass(0)
		if s, _ := w.edge.Status("tcp"); s.Connections != 0 {
			t.Errorf("%d connections left", s.Connections)
		}
	})
}

func TestConnectionFlood(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP(func(l *Listener) { l.MaxConns, l.MaxConnsPerSource = 60, 10 })(w)
		open := func(n int, from func(i int) string) (held int) {
			for i := range n {
				w.stream(from(i))
			}
			s, _ := w.edge.Status("tcp")
			return s.Connections
		}
		if n := open(100, func(int) string { return "192.0.2.50" }); n != 10 {
			t.Errorf("one source holds %d", n)
		}
		if n := open(100, func(i int) string { return fmt.Sprintf("10.0.0.%d", i) }); n != 60 {
			t.Errorf("all together hold %d", n)
		}
		pass(31 * time.Second) // strangers are let go soon
		if s, _ := w.edge.Status("tcp"); s.Connections != 0 {
			t.Errorf("%d connections left", s.Connections)
		}
		if n := len(w.edge.streams.sources) + len(w.edge.streams.inbound) + len(w.edge.streams.byID); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

func TestOversizeMessages(t *testing.T) {
	virtual(t, func(w *world) {
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr, MaxMessage: 2000})
		c := request("MESSAGE")
		c.body = strings.Repeat("x", 3000)
		w.peer.send(c.String())
		w.peer.status(513)
		if w.count() != 0 {
			t.Error("handled")
		}
	})
	e := onLoopback(t, answerAll(t, 200), Listener{
		ID: "tcp", Transport: sbc.TransportTCP, Bind: netip.MustParseAddrPort("127.0.0.1:0"), MaxMessage: 2000,
	})
	p := tcpTo(t, bound(t, e, "tcp"))
	c := request("MESSAGE")
	c.body = strings.Repeat("x", 3000)
	_, _ = p.Write([]byte(c.text("TCP"))) // the edge need not take it all
	p.closed()
	endless := tcpTo(t, bound(t, e, "tcp"))
	_, _ = endless.Write([]byte("OPTIONS sip:x SIP/2.0\r\nX: " + strings.Repeat("y", 200000)))
	endless.closed()
}

func TestTenThousandHeaders(t *testing.T) {
	many := request("OPTIONS")
	for range 3000 {
		many.headers = append(many.headers, "X-A: b")
	}
	virtual(t, func(w *world) {
		w.peer.send(many.String())
		if m := w.peer.next(); m == nil || m.Status < 400 || m.Status >= 600 {
			t.Errorf("got %v", m)
		}
		w.peer.send(request("OPTIONS").String())
		if w.count() != 1 {
			t.Error("the next request is not served")
		}
	})
	e := onLoopback(t, answerAll(t, 200), listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	for range 7000 {
		many.headers = append(many.headers, "X-A: b")
	}
	p := tcpTo(t, bound(t, e, "tcp"))
	_, _ = p.Write([]byte(many.text("TCP")))
	p.closed()
}

func TestGarbage(t *testing.T) {
	virtual(t, func(w *world) {
		noise := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			b := make([]byte, noise.IntN(1500))
			for i := range b {
				b[i] = byte(noise.Uint32())
			}
			w.peer.send(string(b))
		}
		for _, s := range []string{
			"", "\r\n", "\r\n\r\n", "\x00\x00\x00\x00", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n",
			strings.Repeat("INVITE ", 5000),
		} {
			w.peer.send(s)
		}
		w.peer.none()
		w.peer.send(request("OPTIONS").String())
		if w.count() != 1 {
			t.Error("the next request is not served")
		}
	})
}

// TestMutations: whatever is cut or changed in a request, the edge lives on and serves the next one.
func TestMutations(t *testing.T) {
	virtual(t, func(w *world) {
		noise := rand.New(rand.NewPCG(3, 4))
		whole := []byte(request("INVITE").String())
		for i := range 3000 {
			b := append([]byte(nil), whole[:len(whole)-noise.IntN(len(whole))/(1+i%4)]...)
			for range noise.IntN(4) {
				if len(b) > 0 {
					b[noise.IntN(len(b))] = byte(noise.Uint32())
				}
			}
			if _, err := w.peer.c.WriteToUDPAddrPort(b, edgeAddr); err != nil {
				t.Fatal(err)
			}
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		before := w.count()
		c := request("OPTIONS")
		c.branch, c.callID = "z9hG4bKlast", "last"
		w.peer.send(c.String())
		if w.count() != before+1 {
			t.Error("the next request is not served")
		}
	})
}

func TestLoopAndSpiral(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		sent := w.peer.method(msg.INVITE)
		back := func(uri string) {
			c := request("INVITE")
			c.uri, c.branch, c.callID = uri, "z9hG4bK"+uri[4:8], uri
			c.headers = []string{"Via: " + sent.Via.String()}
			w.peer.send(c.String())
		}
		back(sent.RequestURI.String())
		w.peer.status(482)
		back("sip:carol@192.0.2.1") // a spiral is lawful
		if w.count() != 1 {
			t.Error("the spiral was refused")
		}
	})
}

func TestProtocolChecks(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *call) string
		want   int
	}{
		{"max-forwards 0", func(c *call) string { return strings.Replace(c.String(), "Forwards: 70", "Forwards: 0", 1) }, 483},
		{"version", func(c *call) string { return strings.Replace(c.String(), " SIP/2.0\r\nVia", " SIP/7.0\r\nVia", 1) }, 505},
		{"scheme", func(c *call) string { c.uri = "nobodyKnowsThisScheme:totallyopaquecontent"; return c.String() }, 416},
		{"contact", func(c *call) string { c.headers = []string{"Contact: \"x <sip:a@b>"}; return c.String() }, 400},
		{"cseq method", func(c *call) string { return strings.Replace(c.String(), "CSeq: 1 INVITE", "CSeq: 1 BYE", 1) }, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(w *world) {
				r := request("INVITE")
				text := c.change(&r)
				w.peer.send(text)
				first := w.peer.status(c.want)
				w.peer.send(text)
				if again := w.peer.status(c.want); again.To.Tag() != first.To.Tag() {
					t.Error("a stateless answer has two tags (8.2.7)")
				}
				if w.count() != 0 || w.edge.Transactions() != 0 {
					t.Error("it was handled")
				}
				w.decide = func(*msg.Message) msg.Decision { return msg.Decision{} }
				w.peer.send(text)
				w.peer.none() // strangers hear nothing
			})
		})
	}
}

func TestRefusal(t *testing.T) {
	virtual(t, func(w *world) {
		w.decide = func(*msg.Message) msg.Decision {
			return msg.Decision{Action: msg.Refuse, Status: 403, Headers: []msg.Header{{Name: "Warning", Value: "399 x \"y\"\r\nz"}}}
		}
		w.peer.send(request("INVITE").String())
		m := w.peer.status(403)
		if m.Get("Server") != "Sallyport" || m.Get("Warning") == "" || m.To.Tag() == "" {
			t.Errorf("%s", m.AppendTo(nil))
		}
		pass(5 * time.Second)
		w.peer.none() // never sent again
		if w.edge.Transactions() != 0 {
			t.Error("a stranger made state")
		}
	}, func(o *Options) { o.ServerName = "Sallyport" })
}

// TestFlood: reliability.md, gates: at most 32 answers to 6,000 requests a second of one address, others served.
func TestFlood(t *testing.T) {
	virtual(t, func(w *world) {
		good := w.phone(peerTwo)
		w.decide = func(m *msg.Message) msg.Decision {
			if m.Hop.Remote == peerAddr {
				return msg.Decision{Action: msg.Refuse, Status: 403}
			}
			return msg.Decision{Action: msg.Serve}
		}
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
				t.Error(err)
			}
		}
		answers := 0
		for i := range 25 {
			for j := range 600 {
				c := request("REGISTER")
				c.branch = fmt.Sprintf("z9hG4bK%d-%d", i, j)
				if _, err := w.peer.c.WriteToUDPAddrPort([]byte(c.String()), edgeAddr); err != nil {
					t.Fatal(err)
				}
			}
			c := request("OPTIONS")
			c.branch, c.callID = fmt.Sprintf("z9hG4bKgood%d", i), fmt.Sprint(i)
			good.send(c.String())
			good.status(200)
			pass(100 * time.Millisecond)
			for w.peer.next() != nil {
				answers++
			}
		}
		if answers == 0 || answers > 32 {
			t.Errorf("%d answers", answers)
		}
	})
}

func TestTooManyTransactions(t *testing.T) {
	virtual(t, func(w *world) {
		for i, want := range []int{0, 0, 0, 503} {
			c := request("INVITE")
			c.branch, c.callID = fmt.Sprint("z9hG4bK", i), fmt.Sprint(i)
			w.peer.send(c.String())
			if want == 0 {
				w.peer.none()
				continue
			}
			if m := w.peer.status(want); m.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		w.peer.send(request("OPTIONS").String())
		w.peer.none()
		for _, tx := range w.txs {
			respond(t, tx, 486)
		}
		if w.count() != 3 {
			t.Errorf("handled %d", w.count())
		}
	}, func(o *Options) { o.MaxTransactions = 3 })
}

// TestReflection: answers go to the packet's source, whatever Via says; only the port may be that of Via (18.2.2).
func TestReflection(t *testing.T) {
	virtual(t, func(w *world) {
		victim := w.phone(peerTwo)
		for i, flags := range []string{"UDP", "UDP;maddr=192.0.2.98", "UDP;received=192.0.2.98", "UDP;rport=5060;received=192.0.2.98"} {
			c := request("OPTIONS")
			c.via, c.branch, c.callID = peerTwo.String(), fmt.Sprint("z9hG4bK", i), fmt.Sprint(i)
			w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
				if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
					t.Error(err)
				}
			}
			w.peer.send(c.text(flags))
			w.peer.status(200)
			victim.none()
		}
	})
}

// FuzzEdge feeds datagrams to a whole edge.
func FuzzEdge(f *testing.F) {
	f.Add([]byte(request("INVITE").String()))
	f.Add([]byte(request("CANCEL").String()))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKa-a\r\n\r\n"))
	n := newMemNet()
	e := newEdge(Options{Resolver: literals{}, MaxTransactions: 1000}, n)
	c, err := e.Prepare([]Listener{{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr}})
	if err != nil {
		f.Fatal(err)
	}
	c.Commit()
	f.Cleanup(func() { _ = e.Close() })
	s := e.iface("a").sock
	f.Fuzz(func(t *testing.T, b []byte) {
		e.datagram(s, b, peerAddr)
		if counter(t, e.metrics.panics) != 0 {
			t.Fatal("a panic was caught")
		}
	})
}
