package edge

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The faults of dependencies.md 2.1, by number: each was found in another stack, none may be found here.

func TestFault01OrderOfOneConnection(t *testing.T) {
	const n = 3000
	got := make(chan uint32, n)
	o := Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
		got <- m.CSeq.Seq
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			t.Errorf("Respond: %v", err)
		}
	}}
	e := onLoopback(t, o, listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	p := tcpTo(t, bound(t, e, "tcp"))
	go func() {
		for i := 1; i <= n; i++ {
			c := request("INFO")
			c.cseq, c.branch, c.to = i, fmt.Sprintf("z9hG4bK%d", i), c.to+";tag=x"
			if _, err := p.Write([]byte(c.text("TCP"))); err != nil {
				return
			}
		}
	}()
	for i := uint32(1); i <= n; i++ {
		if m := p.status(200); m.CSeq.Seq != i {
			t.Fatalf("answer %d is of request %d", i, m.CSeq.Seq)
		}
		if seq := <-got; seq != i {
			t.Fatalf("request %d arrived as number %d", seq, i)
		}
	}
}

func TestFault01OrderOfResponses(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		want := ""
		for i := range 200 {
			res := msg.NewResponse(req, 180+i%4, "")
			want += fmt.Sprint(res.Status, " ")
			if _, err := w.peer.c.WriteToUDPAddrPort(res.AppendTo(nil), edgeAddr); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if w.heard()+" " != want {
			t.Errorf("heard %q", w.heard())
		}
	})
}

func TestFault02LargeMessages(t *testing.T) {
	virtual(t, func(w *world) {
		body := strings.Repeat("v=0\r\n", 600)
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			res := msg.NewResponse(m, 200, "")
			res.SetBody("application/sdp", []byte(body))
			if err := tx.Respond(res); err != nil {
				t.Error(err)
			}
		}
		c := request("OPTIONS")
		c.body = body
		w.peer.send(c.String())
		if res := w.peer.status(200); len(res.Body) != len(body) {
			t.Errorf("%d octets of body", len(res.Body))
		}
		// A request goes by UDP all the same where no interface offers TCP.
		o := w.outbound(msg.INVITE, peerAddr)
		o.Request.SetBody("application/sdp", []byte(body))
		w.edge.Send(o)
		if m := w.peer.method(msg.INVITE); len(m.Body) != len(body) {
			t.Errorf("%d octets of body", len(m.Body))
		}
	})
}

// TestFault02SwitchToTCP: RFC 3261 18.1.1, with the way back to UDP where nobody takes the connection.
func TestFault02SwitchToTCP(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		large := func() msg.Outbound {
			o := w.outbound(msg.INVITE, peerAddr)
			o.Target.Transport = sbc.TransportUDP
			o.Request.SetBody("application/sdp", []byte(strings.Repeat("v=0\r\n", 300)))
			return o
		}
		w.edge.Send(large()) // refused
		m := w.peer.method(msg.INVITE)
		if m.Via.Transport != "UDP" {
			t.Errorf("Via %s", m.Via.Transport)
		}
		w.edge.Send(large()) // remembered: not tried again
		w.peer.method(msg.INVITE)
		if len(w.net.dials) != 1 {
			t.Errorf("%d connects", len(w.net.dials))
		}
		pass(11 * time.Minute)
		for w.peer.next() != nil {
			continue
		}
		l, err := w.net.listenStream(peerAddr)
		if err != nil {
			t.Fatal(err)
		}
		w.edge.Send(large())
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := msg.NewFramer(1 << 16).Next(bufio.NewReader(c))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := msg.Parse(raw); err != nil || m.Via.Transport != "TCP" || !strings.Contains(m.Get("Contact"), "transport=tcp") {
			t.Errorf("%v %s", err, raw)
		}
		w.peer.none()
		_ = c.Close()
	})
}

func TestFault03AckAtOnce(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		for _, wait := range []time.Duration{0, 500, 1000, 2000} { // the ACKs are lost, the 486 comes again
			pass(wait * time.Millisecond)
			w.peer.answer(req, 486)
			w.peer.method(msg.ACK) // no time has passed
			w.peer.none()
		}
		if w.heard() != "486" {
			t.Errorf("heard %q", w.heard())
		}
	})
}

func TestFault04NoRequestOnForeignConnection(t *testing.T) {
	o := &owner{}
	e := onLoopback(t, o.options(), listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	at := bound(t, e, "tcp")
	a := tcpTo(t, at) // the last accepted connection
	c := request("OPTIONS")
	a.send(c.text("TCP"))
	peerB, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peerB.Close() }()
	out := o.outbound(msg.INVITE, addrPort(peerB.Addr()))
	out.Target.Transport = sbc.TransportTCP
	e.Send(out)
	nc, err := peerB.Accept()
	if err != nil {
		t.Fatal(err)
	}
	b := newTCPPeer(t, nc)
	if m := b.read(); m.Method != msg.INVITE {
		t.Fatalf("B got %s", m.StartLine())
	}
	if err := a.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if x, err := a.r.ReadByte(); err == nil {
		t.Fatalf("A got %q", x)
	}
}

// TestFault05SilentClientBlocksNobody: a client that connects and says nothing (here half of a start line) delays no other.
func TestFault05SilentClientBlocksNobody(t *testing.T) {
	e := onLoopback(t, answerAll(t, 200), listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	for range 10 {
		tcpTo(t, bound(t, e, "tcp")).send("OPTIONS sip:x")
	}
	p := tcpTo(t, bound(t, e, "tcp"))
	p.send(request("OPTIONS").text("TCP"))
	p.status(200)
}

// TestFault06KeepAlive: a ping is answered, and the message behind it is not lost.
func TestFault06KeepAlive(t *testing.T) {
	e := onLoopback(t, answerAll(t, 200), listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	p := tcpTo(t, bound(t, e, "tcp"))
	p.send("\r\n\r\n" + request("OPTIONS").text("TCP"))
	pong := make([]byte, 2)
	if _, err := p.r.Read(pong); err != nil || string(pong) != "\r\n" {
		t.Fatalf("pong %q, %v", pong, err)
	}
	p.status(200)
}

func TestFault07SourcesAreNotKept(t *testing.T) {
	virtual(t, func(w *world) {
		w.decide = func(*msg.Message) msg.Decision { return msg.Decision{} }
		in := w.net.packets[edgeAddr].in
		flood := func(n int) {
			for i := range n {
				c := request("REGISTER")
				c.branch, c.callID = fmt.Sprintf("z9hG4bK%d", i), fmt.Sprint(i)
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
				in <- memPacket{b: []byte(c.String()), from: from}
			}
			synctest.Wait()
		}
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		flood(1000)
		before := heap()
		flood(50000)
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("50,000 strangers left %d octets", grown)
		}
		if w.edge.Transactions() != 0 {
			t.Errorf("%d transactions for strangers", w.edge.Transactions())
		}
	})
}

func TestFault08BrokenMessages(t *testing.T) {
	broken := strings.Replace(request("OPTIONS").text("UDP;rport"), "Max-Forwards: 70", "Max-Forwards: many", 1)
	t.Run("udp gets 400", func(t *testing.T) {
		var log records
		virtual(t, func(w *world) {
			w.peer.send(broken)
			w.peer.status(400)
			if w.count() != 0 {
				t.Error("the broken request was handled")
			}
			w.decide = func(*msg.Message) msg.Decision { return msg.Decision{} }
			w.peer.send(broken) // strangers hear nothing
			w.peer.none()
		}, func(o *Options) { o.Log = logTo(&log) })
		if strings.Contains(log.text(), "fromtag") || strings.Contains(log.text(), "level=ERROR") {
			t.Errorf("the packet was logged: %s", log.text())
		}
	})
	t.Run("tcp goes on", func(t *testing.T) {
		e := onLoopback(t, answerAll(t, 200), listener("tcp", sbc.TransportTCP, "127.0.0.1"))
		p := tcpTo(t, bound(t, e, "tcp"))
		p.send(strings.Replace(broken, "UDP", "TCP", 1))
		p.status(400)
		p.send(request("OPTIONS").text("TCP"))
		p.status(200)
	})
}

func TestFault09Received(t *testing.T) {
	for _, c := range []struct{ name, via, flags, received, rport string }{
		{"foreign sent-by, no rport", "10.1.2.3:5060", "UDP", "192.0.2.99", ""},
		{"host name", "phone.example", "UDP", "192.0.2.99", ""},
		{"own address", "192.0.2.99:5060", "UDP", "", ""},
		{"rport", "10.1.2.3:1111", "UDP;rport", "192.0.2.99", "5060"},
		{"rport, own address", "192.0.2.99:5060", "UDP;rport", "192.0.2.99", "5060"},
		{"forged", "192.0.2.99:5060", "UDP;received=203.0.113.1;rport=9", "192.0.2.99", "5060"},
		{"forged received alone", "192.0.2.99:5060", "UDP;received=203.0.113.1", "192.0.2.99", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(w *world) {
				r := request("OPTIONS")
				r.via = c.via
				w.peer.send(r.text(c.flags))
				v := w.handled[0].Via
				rport, _ := v.Param("rport")
				if v.Received() != c.received || rport != c.rport {
					t.Errorf("Via %s", v.String())
				}
			})
		})
	}
}

func TestFault10OneToTag(t *testing.T) {
	virtual(t, func(w *world) {
		c := request("INVITE")
		w.peer.send(c.String())
		w.txs[0].SetTag("ours")
		respond(t, w.txs[0], 180)
		w.peer.send(request("CANCEL").String())
		respond(t, w.txs[0], 487) // by the owner, when it likes
		for _, status := range []int{180, 200, 487} {
			if tag := w.peer.status(status).To.Tag(); tag != "ours" {
				t.Errorf("%d has tag %q", status, tag)
			}
		}
		pass(0)
		w.peer.none()
	})
}

// TestFault11OwnTimers: T1, B, NoResponse and C belong to the transaction. See also TestTimerC and TestNoResponseTimer.
func TestFault11OwnTimers(t *testing.T) {
	virtual(t, func(w *world) {
		quick, slow := w.outbound(msg.INVITE, peerAddr), w.outbound(msg.INVITE, peerAddr)
		quick.Timers = msg.Timers{T1: 100 * time.Millisecond, NoResponse: 300 * time.Millisecond}
		w.edge.Send(quick)
		w.edge.Send(slow)
		pass(350 * time.Millisecond)
		if w.heard() != "failed" {
			t.Errorf("heard %q", w.heard())
		}
		pass(30 * time.Second)
		if w.heard() != "failed" {
			t.Errorf("the other one has the same timers: %q", w.heard())
		}
	})
}

func TestFault12SRVFailover(t *testing.T) {
	zone := newZone(t)
	zone.add("_sip._udp.carrier.example. 60 IN SRV 10 1 5060 dead.carrier.example.",
		"_sip._udp.carrier.example. 60 IN SRV 20 1 5060 live.carrier.example.",
		"dead.carrier.example. 60 IN A 192.0.2.98", "live.carrier.example. 60 IN A 192.0.2.99")
	found, err := zone.resolver(t).Lookup(context.Background(), "carrier.example", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	virtual(t, func(w *world) {
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		pass(1900 * time.Millisecond)
		w.peer.answer(w.peer.method(msg.INVITE), 180)
		if w.heard() != "180" {
			t.Errorf("heard %q", w.heard())
		}
	}, target(found...))
}

// TestFault13OwnConnectionPerInterface: what goes out by one interface never uses a connection of another one, even to the
// same peer; its properties (later its TLS identity) are its own.
func TestFault13OwnConnectionPerInterface(t *testing.T) {
	o := &owner{}
	e := onLoopback(t, o.options(), listener("one", sbc.TransportTCP, "127.0.0.1"), listener("two", sbc.TransportTCP, "127.0.0.3"))
	peer, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	for _, c := range []struct{ id, host string }{{"one", "127.0.0.1"}, {"two", "127.0.0.3"}} {
		out := o.outbound(msg.OPTIONS, addrPort(peer.Addr()))
		out.Target.Transport, out.Target.Interfaces = sbc.TransportTCP, []string{c.id}
		e.Send(out)
		nc, err := peer.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from := addrPort(nc.RemoteAddr()).Addr().String(); from != c.host {
			t.Errorf("%s connected from %s", c.id, from)
		}
		p := newTCPPeer(t, nc)
		if m := p.read(); m.Via.Host != c.host {
			t.Errorf("%s: Via %s", c.id, m.Via.Host)
		}
	}
}

func TestFault14ReadErrorsAndManyPorts(t *testing.T) {
	virtual(t, func(w *world) {
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
				t.Error(err)
			}
		}
		other := netip.MustParseAddrPort("192.0.2.1:5062")
		six := netip.MustParseAddrPort("[2001:db8::1]:5060")
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr},
			Listener{ID: "b", Transport: sbc.TransportUDP, Bind: other},
			Listener{ID: "c", Transport: sbc.TransportUDP, Bind: six})
		for range 50 {
			w.net.packets[edgeAddr].in <- memPacket{err: fmt.Errorf("a filter said no")}
		}
		pass(5 * time.Second)
		for i, to := range []netip.AddrPort{edgeAddr, other, six} {
			w.peer.to = to
			c := request("OPTIONS")
			c.branch = fmt.Sprint("z9hG4bK", i)
			c.callID = fmt.Sprint(i)
			w.peer.send(c.String())
			w.peer.status(200)
		}
		if s, ok := w.edge.Status("a"); !ok || s.State != "listening" {
			t.Errorf("status %+v", s)
		}
	})
}
