package edge

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func counter(t testing.TB, c prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// TestTransports has one body for every transport and family.
func TestTransports(t *testing.T) {
	for _, c := range []struct {
		name, host string
		transport  sbc.Transport
	}{
		{"udp4", "127.0.0.1", sbc.TransportUDP}, {"udp6", "::1", sbc.TransportUDP},
		{"tcp4", "127.0.0.1", sbc.TransportTCP}, {"tcp6", "::1", sbc.TransportTCP},
	} {
		t.Run(c.name, func(t *testing.T) {
			callee := &owner{}
			co := callee.options()
			co.Handle = func(tx msg.ServerTx, m *msg.Message) {
				for _, status := range []int{180, 200} {
					if err := tx.Respond(msg.NewResponse(m, status, "")); err != nil {
						t.Error(err)
					}
				}
			}
			acked := make(chan *msg.Message, 1)
			co.Ack = func(m *msg.Message) { acked <- m }
			b := onLoopback(t, co, listener("a", c.transport, c.host))
			a := onLoopback(t, Options{}, listener("a", c.transport, c.host))
			to := bound(t, b, "a")
			got := make(chan *msg.Message, 8)
			o := callee.outbound(msg.INVITE, to)
			o.Target.Transport = c.transport
			funcs(o).OnResponse = func(_ msg.ClientTx, m *msg.Message) { got <- m }
			tx := a.Send(o)
			for _, want := range []int{180, 200} {
				select {
				case m := <-got:
					if m.Status != want {
						t.Fatalf("got %d, want %d", m.Status, want)
					}
				case <-time.After(deadline):
					t.Fatalf("no %d", want)
				}
			}
			if h := tx.Hop(); h.Remote != to || h.Transport != c.transport || (h.Conn != 0) != (c.transport == sbc.TransportTCP) {
				t.Errorf("hop %+v", h)
			}
			a.SendACK(newRequest(msg.ACK, to), o.Target, nil, nil)
			select {
			case <-acked:
			case <-time.After(deadline):
				t.Fatal("no ACK")
			}
		})
	}
}

func TestPrepareIsTwoPhase(t *testing.T) {
	virtual(t, func(w *world) {
		a := Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr}
		b := Listener{ID: "b", Transport: sbc.TransportUDP, Bind: netip.MustParseAddrPort("192.0.2.1:5070")}
		c, err := w.edge.Prepare([]Listener{a, b})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := w.edge.Status("b"); ok {
			t.Error("served before Commit")
		}
		c.Abort()
		c.Abort()
		c.Commit()
		if _, ok := w.edge.Status("b"); ok || w.net.packets[b.Bind] != nil {
			t.Error("Abort left something")
		}
		taken := w.phone(netip.MustParseAddrPort("192.0.2.1:5080"))
		_, err = w.edge.Prepare([]Listener{a, b, {ID: "c", Transport: sbc.TransportUDP, Bind: taken.addr}})
		var be *BindError
		if !errors.As(err, &be) || be.ID != "c" || !strings.Contains(be.Error(), "c") {
			t.Fatalf("error %v", err)
		}
		if w.net.packets[b.Bind] != nil {
			t.Error("a failed Prepare left a socket")
		}
		for _, bad := range []Listener{{}, {ID: "x", Transport: "sctp"}, {ID: "x", Transport: sbc.TransportUDP}} {
			if _, err := w.edge.Prepare([]Listener{bad}); err == nil {
				t.Errorf("%+v was accepted", bad)
			}
		}
		w.peer.send(request("OPTIONS").String()) // a never stopped
		if w.count() != 1 {
			t.Error("the old interface is gone")
		}
	})
}

// TestChangeWhileCallsRun: what keeps its address keeps its socket, under a new id too; what goes is closed with its calls.
func TestChangeWhileCallsRun(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INVITE").String())
		sock := w.edge.iface("a").sock
		w.listen(Listener{ID: "renamed", Transport: sbc.TransportUDP, Bind: edgeAddr, AdvertisedHost: "sbc.example.net"})
		if w.edge.iface("renamed").sock != sock || w.edge.iface("a") != nil {
			t.Fatal("the socket was not kept")
		}
		respond(t, w.txs[0], 180)
		w.peer.status(180)
		var failed error
		w.txs[0].OnFailed(func(err error) { failed = err })
		w.listen()
		if err := w.txs[0].Respond(msg.NewResponse(w.txs[0].Request(), 200, "")); !errors.Is(err, msg.ErrClosed) {
			t.Errorf("Respond: %v", err)
		}
		if !errors.Is(failed, msg.ErrClosed) {
			t.Errorf("failed: %v", failed)
		}
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr}) // the address is free again
		c := request("OPTIONS")
		c.callID, c.branch = "after", "z9hG4bKafter"
		w.peer.send(c.String())
		if w.count() != 2 {
			t.Error("not served after coming back")
		}
	})
}

func TestSwapAddresses(t *testing.T) {
	virtual(t, func(w *world) {
		one, two := edgeAddr, netip.MustParseAddrPort("192.0.2.1:5070")
		ls := func(a, b netip.AddrPort) []Listener {
			return []Listener{{ID: "a", Transport: sbc.TransportUDP, Bind: a}, {ID: "b", Transport: sbc.TransportUDP, Bind: b}}
		}
		w.listen(ls(one, two)...)
		w.listen(ls(two, one)...)
		w.peer.send(request("OPTIONS").String())
		if w.handled[0].Hop.Interface != "b" {
			t.Errorf("came in by %s", w.handled[0].Hop.Interface)
		}
	})
}

func TestWildcardAdvertisesTheFacingAddress(t *testing.T) {
	virtual(t, func(w *world) {
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: netip.MustParseAddrPort("0.0.0.0:5060")})
		w.edge.Send(w.outbound(msg.OPTIONS, peerAddr))
		if m := w.peer.method(msg.OPTIONS); m.Via.Host != "192.0.2.250" {
			t.Errorf("Via %s", m.Via.String())
		}
	})
}

// TestResponseOverNewConnection: RFC 3261 18.2.2, when the connection of the request is gone.
func TestResponseOverNewConnection(t *testing.T) {
	got := make(chan msg.ServerTx, 1)
	e := onLoopback(t, Options{Handle: func(tx msg.ServerTx, _ *msg.Message) { got <- tx }},
		listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	home, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = home.Close() }()
	p := tcpTo(t, bound(t, e, "tcp"))
	c := request("OPTIONS")
	c.via = home.Addr().String()
	p.send(c.text("TCP"))
	tx := <-got
	conn := e.streams.flow(&tx.Request().Hop)
	_ = p.Close()
	for until := time.Now().Add(deadline); conn.alive() && time.Now().Before(until); {
		<-time.After(time.Millisecond)
	}
	if err := tx.Respond(msg.NewResponse(tx.Request(), 200, "")); err != nil {
		t.Fatal(err)
	}
	nc, err := home.Accept()
	if err != nil {
		t.Fatal(err)
	}
	newTCPPeer(t, nc).status(200)
}

// TestFlowIsReused: a target with a flow goes back over the connection the peer opened; without one, or when it is gone, not.
func TestFlowIsReused(t *testing.T) {
	got := make(chan *msg.Message, 1)
	e := onLoopback(t, Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			t.Error(err)
		}
		got <- m
	}}, listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	p := tcpTo(t, bound(t, e, "tcp"))
	p.send(request("OPTIONS").text("TCP"))
	p.status(200)
	m := <-got
	o := (&owner{}).outbound(msg.BYE, m.Hop.Remote)
	o.Target.Flow = &m.Hop
	e.Send(o)
	if m := p.read(); m.Method != msg.BYE {
		t.Errorf("got %s", m.StartLine())
	}
	other := m.Hop
	other.Remote = peerAddr
	if e.streams.flow(&other) != nil {
		t.Error("a flow of another peer was found")
	}
}

func TestConnectionRefused(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		o := w.outbound(msg.INVITE, peerAddr)
		o.Target.Transport = sbc.TransportTCP
		w.edge.Send(o)
		pass(time.Millisecond)
		if len(w.failures) != 1 || !errors.Is(w.failures[0], msg.ErrTransport) {
			t.Fatalf("heard %q %v", w.heard(), w.failures)
		}
		w.net.silent[peerAddr] = true
		o = w.outbound(msg.INVITE, peerAddr)
		o.Target.Transport = sbc.TransportTCP
		w.edge.Send(o)
		pass(2100 * time.Millisecond)
		if len(w.failures) != 2 || !errors.Is(w.failures[1], msg.ErrTransport) {
			t.Fatalf("heard %q %v", w.heard(), w.failures)
		}
	})
}

// TestSlowReader: a peer that does not read costs at most 1 MiB and its connection.
func TestSlowReader(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		l, err := w.net.listenStream(peerAddr)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			o := w.outbound(msg.MESSAGE, peerAddr)
			o.Target.Transport = sbc.TransportTCP
			o.Request.SetBody("text/plain", []byte(strings.Repeat("x", 100_000)))
			w.edge.Send(o)
		}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Second)
		if n := w.edge.count(sbc.TransportTCP); n != 0 {
			t.Errorf("%d connections left", n)
		}
		if len(w.failures) != 20 {
			t.Errorf("%d of 20 failed", len(w.failures))
		}
	})
}

// TestStorm calls everything at once; the race detector watches.
func TestStorm(t *testing.T) {
	b := onLoopback(t, answerAll(t, 200), listener("a", sbc.TransportUDP, "127.0.0.1"),
		listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	reg := prometheus.NewRegistry()
	a := onLoopback(t, Options{Registerer: reg}, listener("a", sbc.TransportUDP, "127.0.0.1"),
		listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	var wg sync.WaitGroup
	for i := range 400 {
		id, transport := "a", sbc.TransportUDP
		if i%2 == 1 {
			id, transport = "tcp", sbc.TransportTCP
		}
		o := (&owner{}).outbound([]msg.Method{msg.INVITE, msg.OPTIONS}[i/2%2], bound(t, b, id))
		o.Target.Transport = transport
		wg.Add(1)
		once := sync.OnceFunc(wg.Done)
		funcs(o).OnResponse = func(tx msg.ClientTx, m *msg.Message) {
			if m.Status >= 200 {
				once()
			}
		}
		funcs(o).OnFailed = func(_ msg.ClientTx, err error) { t.Error(err); once() }
		tx := a.Send(o)
		if i%5 == 0 {
			tx.Cancel()
		}
		if i%50 == 0 {
			c, err := a.Prepare([]Listener{
				{ID: "a", Transport: sbc.TransportUDP, Bind: netip.MustParseAddrPort("127.0.0.1:0"), MaxMessage: 60000 + i},
				{ID: "tcp", Transport: sbc.TransportTCP, Bind: netip.MustParseAddrPort("127.0.0.1:0")},
			})
			if err != nil {
				t.Fatal(err)
			}
			c.Commit()
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(deadline):
		t.Fatal("not all ended")
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "sbc_sip_") {
			t.Errorf("metric %s", f.GetName())
		}
	}
}
