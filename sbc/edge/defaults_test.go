package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestZeroOptions: an edge with nothing set answers 501 and resolves.
func TestZeroOptions(t *testing.T) {
	e := New(Options{})
	defer func() { _ = e.Close() }()
	c, err := e.Prepare([]Listener{listener("tcp", sbc.TransportTCP, "0.0.0.0")})
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	at := bound(t, e, "tcp")
	p := tcpTo(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()))
	p.send(request("PUBLISH").text("TCP"))
	p.status(501)
	if a, err := e.o.Resolver.Lookup(context.Background(), "192.0.2.1", 0, ""); err != nil || len(a) != 1 {
		t.Errorf("%v %v", a, err)
	}
	if l := e.localFor(e.iface("tcp"), netip.MustParseAddrPort("127.0.0.1:9")); l.Host != "127.0.0.1" {
		t.Errorf("local %+v", l)
	}
	if _, ok := e.Bound("nobody"); ok {
		t.Error("an interface nobody made")
	}
	if _, ok := e.Status("nobody"); ok {
		t.Error("an interface nobody made")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Prepare(nil); !errors.Is(err, msg.ErrClosed) {
		t.Errorf("Prepare after Close: %v", err)
	}
	if _, err := (literals{}).Lookup(context.Background(), "a.test", 0, ""); !errors.Is(err, ErrNoAddress) {
		t.Errorf("%v", err)
	}
}

func TestBindErrorNamesTheInterface(t *testing.T) {
	e := onLoopback(t, Options{}, listener("a", sbc.TransportUDP, "127.0.0.1"))
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, err = e.Prepare([]Listener{{ID: "b", Transport: sbc.TransportUDP, Bind: addrPort(taken.LocalAddr())}})
	var be *BindError
	var op *net.OpError
	if !errors.As(err, &be) || be.ID != "b" || !errors.As(err, &op) {
		t.Errorf("error %v", err)
	}
}

// TestDownInterface: a socket that was taken away shows in the status, and the next change binds it again.
func TestDownInterface(t *testing.T) {
	virtual(t, func(w *world) {
		_ = w.edge.iface("a").sock.packets.Close()
		pass(time.Millisecond)
		if s, _ := w.edge.Status("a"); s.State != "down" || s.Reason == "" {
			t.Fatalf("status %+v", s)
		}
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr})
		w.peer.send(request("OPTIONS").String())
		if s, _ := w.edge.Status("a"); s.State != "listening" || w.count() != 1 {
			t.Errorf("status %+v, handled %d", s, w.count())
		}
	})
}

// TestCutAtEveryOctet: streams that end anywhere disturb nobody (reliability.md, gates).
func TestCutAtEveryOctet(t *testing.T) {
	e := onLoopback(t, answerAll(t, 200), Listener{
		ID: "tcp", Transport: sbc.TransportTCP, Bind: netip.MustParseAddrPort("127.0.0.1:0"), MaxConnsPerSource: 4096,
	})
	whole := request("OPTIONS").text("TCP")
	for i := 1; i < len(whole); i++ {
		c, err := net.Dial("tcp", bound(t, e, "tcp").String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = io.WriteString(c, whole[:i]); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	p := tcpTo(t, bound(t, e, "tcp"))
	p.send(whole)
	p.status(200)
	if counter(t, e.metrics.panics) != 0 {
		t.Error("a panic was caught")
	}
}

// TestSuccessOverStreams: the 2xx is repeated over streams too, on a new connection when the old one is gone.
func TestSuccessOverStreams(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		home, err := w.net.listenStream(peerAddr)
		if err != nil {
			t.Fatal(err)
		}
		c := w.stream("192.0.2.99")
		r := request("INVITE")
		if _, err := c.Write([]byte(r.text("TCP"))); err != nil {
			t.Fatal(err)
		}
		pass(0)
		respond(t, w.txs[0], 200)
		b := make([]byte, 2048)
		if n, err := c.Read(b); err != nil || n == 0 {
			t.Fatal(err)
		}
		_ = c.Close()
		pass(600 * time.Millisecond)
		back, err := home.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := back.Read(b); err != nil || n == 0 {
			t.Fatal(err)
		}
		w.txs[0].Acked()
	})
}

func TestDenialTTL(t *testing.T) {
	soa, err := dns.NewRR("test. 30 IN SOA a. b. 1 2 3 4 20")
	if err != nil {
		t.Fatal(err)
	}
	if d := denialTTL(&dns.Msg{Ns: []dns.RR{soa}}); d != 20*time.Second {
		t.Errorf("%v", d)
	}
	if d := denialTTL(new(dns.Msg)); d != time.Minute {
		t.Errorf("%v", d)
	}
}

func TestHostsFileChanges(t *testing.T) {
	h := newHostsFile(fmt.Sprintf("%s/none", t.TempDir()))
	if h.lookup("x") != nil {
		t.Error("found in a file that is not there")
	}
}
