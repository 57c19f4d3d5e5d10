package edge

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestTLS: requests go both ways, on one connection, and both sides know what the other's certificate says.
func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	west := newSecured(t, ca.profile(ca.issue("west.example"), tls.RequireAndVerifyClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	east := newSecured(t, ca.profile(ca.issue("east.example", "pbx.example"), tls.RequireAndVerifyClientCert), nil,
		listener("tls", sbc.TransportTLS, "127.0.0.1"))
	res, err := west.ask(t, bound(t, east.Edge, "tls"), func(to *msg.Target, _ *msg.Message) { to.Name = "EAST.example." })
	if err != nil || res.Status != 200 {
		t.Fatalf("%v %v", res, err)
	}
	if h := res.Hop; !h.Secure || h.Transport != sbc.TransportTLS || !h.Peer.Holds("pbx.example") || h.Peer.Name != "east.example" ||
		h.Peer.Version != "TLS 1.3" || h.Peer.Cipher == "" {
		t.Errorf("west knows %+v %+v", h, h.Peer)
	}
	m := east.last()
	if h := m.Hop; !h.Secure || !h.Peer.Holds("West.Example") || h.Peer.Holds("east.example") || h.Peer.Name != "" {
		t.Errorf("east knows %+v %+v", h, h.Peer)
	}
	if m.Via.Transport != "TLS" || !strings.HasSuffix(m.Get("Contact"), ";transport=tls>") {
		t.Errorf("Via %s, Contact %s", m.Via, m.Get("Contact"))
	}
	back, err := east.ask(t, m.Hop.Remote, func(to *msg.Target, _ *msg.Message) { to.Flow = &m.Hop })
	if err != nil || back.Status != 200 || back.Hop.Conn != m.Hop.Conn {
		t.Errorf("on the connection that stands: %v %v", back, err)
	}
}

// TestWrongName: a request is not sent to who cannot show the name that was asked for (RFC 5922), nor to a stranger's certificate.
func TestWrongName(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	east := newSecured(t, ca.profile(ca.issue("east.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	west := newSecured(t, ca.profile(ca.issue("west.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	west.profiles.set("stranger", other.profile(other.issue("west.example"), tls.NoClientCert))
	at := bound(t, east.Edge, "tls")
	for what, change := range map[string]func(*msg.Target, *msg.Message){
		"another name":      func(to *msg.Target, _ *msg.Message) { to.Name = "west.example" },
		"the address":       nil,
		"another authority": func(to *msg.Target, _ *msg.Message) { to.Name, to.TLSProfile = "east.example", "stranger" },
		"no such profile":   func(to *msg.Target, _ *msg.Message) { to.Name, to.TLSProfile = "east.example", "nobody" },
	} {
		if res, err := west.ask(t, at, change); !errors.Is(err, msg.ErrTransport) {
			t.Errorf("%s: %v %v", what, res, err)
		}
	}
	if n := east.owner.count(); n != 0 {
		t.Errorf("%d requests came", n)
	}
}

// TestOwnership: what is for one name never goes over the connection of another, though both are behind one address.
func TestOwnership(t *testing.T) {
	ca := newAuthority(t)
	east := newSecured(t, ca.profile(ca.issue("a.example", "b.example"), tls.RequestClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	west := newSecured(t, ca.profile(ca.issue("west.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	west.profiles.set("q", ca.profile(ca.issue("other.example"), tls.NoClientCert))
	at := bound(t, east.Edge, "tls")
	seen := map[uint64]string{}
	for _, w := range []struct{ name, profile string }{{"a.example", ""}, {"b.example", ""}, {"a.example", "q"}, {"a.example", "p"}} {
		res, err := west.ask(t, at, func(to *msg.Target, _ *msg.Message) { to.Name, to.TLSProfile = w.name, w.profile })
		if err != nil {
			t.Fatal(err)
		}
		profile := w.profile
		if profile == "" {
			profile = "p"
		}
		id := w.name + " by " + profile
		if was, used := seen[res.Hop.Conn]; used && was != id {
			t.Errorf("%s went over the connection of %s", id, was)
		}
		seen[res.Hop.Conn] = id
	}
	if len(seen) != 3 {
		t.Errorf("connections: %v", seen)
	}
}

// TestAlias: a connection made to us carries our requests to the names that its certificate holds, if that was asked for (RFC 5923), and
// nobody else's.
func TestAlias(t *testing.T) {
	ca := newAuthority(t)
	west := newSecured(t, ca.profile(ca.issue("west.example"), tls.RequireAndVerifyClientCert), nil,
		listener("tls", sbc.TransportTLS, "127.0.0.1"))
	for _, wants := range []bool{false, true} {
		c, err := tls.Dial("tcp", bound(t, west.Edge, "tls").String(), &tls.Config{
			RootCAs: ca.pool, ServerName: "west.example", Certificates: []tls.Certificate{ca.issue("a.example")},
		})
		if err != nil {
			t.Fatal(err)
		}
		a := newTCPPeer(t, c)
		q := request("OPTIONS")
		q.via, q.branch, q.callID = "127.0.0.1:1", fmt.Sprint(q.branch, wants), fmt.Sprint(q.callID, wants)
		flags := "TLS;rport"
		if wants {
			flags += ";alias"
		}
		a.send(q.text(flags))
		a.status(200)
		to := func(name string) error {
			done := make(chan struct{})
			if name == "a.example" && wants {
				go func() {
					defer close(done)
					m := a.read()
					a.send(string(msg.NewResponse(m, 200, "").AppendTo(nil)))
				}()
			} else {
				close(done)
			}
			_, err := west.ask(t, netip.MustParseAddrPort("127.0.0.1:1"), func(to *msg.Target, _ *msg.Message) { to.Name = name })
			if err == nil {
				<-done
			}
			return err
		}
		if err := to("b.example"); !errors.Is(err, msg.ErrTransport) {
			t.Errorf("what is for b went by a's connection: %v", err)
		}
		if err := to("a.example"); (err == nil) != wants {
			t.Errorf("alias %v: %v", wants, err)
		}
		_ = a.Close() // it goes, and with it the alias
		until(t, "it is forgotten", func() bool { s, _ := west.Status("tls"); return s.Connections == 0 })
	}
	if err := func() error {
		_, err := west.ask(t, netip.MustParseAddrPort("127.0.0.1:1"), func(to *msg.Target, _ *msg.Message) { to.Name = "a.example" })
		return err
	}(); err == nil {
		t.Error("a connection that is gone was used")
	}
}

// TestStalledHandshakes: who says nothing delays nobody, counts among the connections of its source, and is gone in time.
func TestStalledHandshakes(t *testing.T) {
	ca := newAuthority(t)
	for _, transport := range []sbc.Transport{sbc.TransportTLS, sbc.TransportWSS} {
		p := ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert)
		p.Handshake = time.Second
		l := listener("tls", transport, "127.0.0.1")
		l.MaxConnsPerSource = 61
		east := newSecured(t, p, nil, l)
		at := bound(t, east.Edge, "tls")
		var silent []net.Conn
		for range 60 {
			c, err := net.Dial("tcp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			silent = append(silent, c)
		}
		until(t, "60 connections", func() bool { s, _ := east.Status("tls"); return s.Connections == 60 })
		began := time.Now()
		c, err := tls.Dial("tcp", at.String(), &tls.Config{RootCAs: ca.pool})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: the good one waited for %v", transport, took)
		}
		if _, err := tls.Dial("tcp", at.String(), &tls.Config{RootCAs: ca.pool}); err == nil {
			t.Errorf("%s: one source got 62 connections", transport)
		}
		began = time.Now()
		for _, s := range silent {
			if err := s.SetReadDeadline(time.Now().Add(deadline)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Read(make([]byte, 1)); err == nil || errors.Is(err, errors.ErrUnsupported) {
				t.Error("a silent one was answered")
			}
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: the silent ones stayed for %v", transport, took)
		}
		until(t, "they are forgotten", func() bool { s, _ := east.Status("tls"); return s.Connections <= 1 })
		_ = c.Close() // the test is over
	}
}

// TestPoorTLS: old versions, garbage and half a handshake end at once or in time; the interface goes on.
func TestPoorTLS(t *testing.T) {
	ca := newAuthority(t)
	p := ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert)
	p.Handshake = 300 * time.Millisecond
	east := newSecured(t, p, nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	at := bound(t, east.Edge, "tls").String()
	old := &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if _, err := tls.Dial("tcp", at, old); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	for what, bytes := range map[string]string{
		"SIP in the clear": request("OPTIONS").text("TLS"), "half a greeting": "\x16\x03\x01\x02\x00\x01\x00\x01",
		"a record that lies": "\x16\x03\x01\xff\xff" + strings.Repeat("x", 100), "noise": strings.Repeat("\xff\x00", 400),
	} {
		c := tcpTo(t, netip.MustParseAddrPort(at))
		c.send(bytes)
		began := time.Now()
		if c.closed(); time.Since(began) > 2*time.Second {
			t.Errorf("%s: closed after %v", what, time.Since(began))
		}
	}
	c, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	good := newTCPPeer(t, c)
	good.send(request("OPTIONS").text("TLS"))
	good.status(200)
	if n := east.owner.count(); n != 1 {
		t.Errorf("%d requests were served", n)
	}
}

// TestBrokenTLS: a connection that the peer has closed meanwhile is made anew, for the same name; a request that waits for one that cannot be
// made hears of it.
func TestBrokenTLS(t *testing.T) {
	ca := newAuthority(t)
	east := newSecured(t, ca.profile(ca.issue("east.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	west := newSecured(t, ca.profile(ca.issue("west.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	named := func(to *msg.Target, _ *msg.Message) { to.Name = "east.example" }
	first := uint64(0)
	for i := range 3 {
		res, err := west.ask(t, bound(t, east.Edge, "tls"), named)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if res.Hop.Conn == first || res.Hop.Peer.Name != "east.example" {
			t.Errorf("request %d: %+v", i, res.Hop)
		}
		first = res.Hop.Conn
		east.Disconnect(nil, netip.MustParsePrefix("127.0.0.0/8"))
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }() // the test is over
	p := ca.profile(ca.issue("west.example"), tls.NoClientCert)
	p.Handshake = 100 * time.Millisecond
	west.profiles.set("p", p)
	if _, err := west.ask(t, addrPort(silent.Addr()), named); !errors.Is(err, msg.ErrTransport) {
		t.Errorf("a handshake nobody answers: %v", err)
	}
}

// TestFreshCertificate: a certificate that is changed is shown to the next; who is connected stays.
func TestFreshCertificate(t *testing.T) {
	ca := newAuthority(t)
	east := newSecured(t, ca.profile(ca.issue("one.example"), tls.NoClientCert), nil, listener("tls", sbc.TransportTLS, "127.0.0.1"))
	at := bound(t, east.Edge, "tls").String()
	dial := func(name string) (*tcpPeer, error) {
		c, err := tls.Dial("tcp", at, &tls.Config{RootCAs: ca.pool, ServerName: name})
		if err != nil {
			return nil, err
		}
		return newTCPPeer(t, c), nil
	}
	before, err := dial("one.example")
	if err != nil {
		t.Fatal(err)
	}
	east.profiles.set("p", ca.profile(ca.issue("two.example"), tls.NoClientCert))
	after, err := dial("two.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial("one.example"); err == nil {
		t.Error("the old certificate is still shown")
	}
	for i, p := range []*tcpPeer{before, after} {
		c := request("OPTIONS")
		c.branch, c.callID = c.branch+string(rune('a'+i)), c.callID+string(rune('a'+i))
		p.send(c.text("TLS"))
		p.status(200)
	}
}

// TestAnotherTransport: an interface changes its transport and keeps its port; given up, the change leaves it as it was.
func TestAnotherTransport(t *testing.T) {
	ca := newAuthority(t)
	s := newSecured(t, ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert), nil, listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	at := bound(t, s.Edge, "tcp")
	l := Listener{ID: "tcp", Transport: sbc.TransportTLS, Bind: at, TLSProfileID: "p"}
	for _, commit := range []bool{false, true} {
		c, err := s.Prepare([]Listener{l})
		if err != nil {
			t.Fatal(err)
		}
		q := asks(1)
		if !commit {
			c.Abort()
			p := tcpTo(t, at)
			p.send(q.text("TCP"))
			p.status(200)
			continue
		}
		c.Commit()
		nc, err := tls.Dial("tcp", at.String(), &tls.Config{RootCAs: ca.pool})
		if err != nil {
			t.Fatal(err)
		}
		q = asks(2)
		p := newTCPPeer(t, nc)
		p.send(q.text("TLS"))
		p.status(200)
	}
	if h := s.last().Hop; h.Transport != sbc.TransportTLS || bound(t, s.Edge, "tcp") != at {
		t.Errorf("%+v", h)
	}
}

// TestSips: what is for a sips URI is served and sent by TLS alone (RFC 5630).
func TestSips(t *testing.T) {
	ca := newAuthority(t)
	ls := []Listener{listener("tls", sbc.TransportTLS, "127.0.0.1"), listener("tcp", sbc.TransportTCP, "127.0.0.1"),
		listener("a", sbc.TransportUDP, "127.0.0.1")}
	east := newSecured(t, ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert), nil, ls...)
	west := newSecured(t, ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert), nil, slices.Clone(ls)...)
	c := request("OPTIONS")
	c.uri = "sips:bob@192.0.2.1"
	clear := tcpTo(t, bound(t, east.Edge, "tcp"))
	clear.send(c.text("TCP"))
	if m := clear.status(480); !strings.HasPrefix(m.Get("Warning"), "380 ") {
		t.Errorf("Warning: %q", m.Get("Warning"))
	}
	for _, transport := range []sbc.Transport{sbc.TransportUDP, sbc.TransportTCP, ""} {
		_, err := west.ask(t, bound(t, east.Edge, "tcp"), func(to *msg.Target, m *msg.Message) {
			to.Interfaces, to.Transport, m.RequestURI.Scheme = []string{"a", "tcp"}, transport, "sips"
		})
		if !errors.Is(err, msg.ErrTransport) {
			t.Errorf("by %q: %v", transport, err)
		}
		res, err := west.ask(t, bound(t, east.Edge, "tls"), func(to *msg.Target, m *msg.Message) {
			to.Interfaces, to.Transport, m.RequestURI.Scheme = []string{"a", "tcp", "tls"}, transport, "sips"
		})
		if err != nil || res.Status != 200 || east.last().Via.Transport != "TLS" || !strings.HasPrefix(east.last().Get("Contact"), "<sips:") {
			t.Errorf("by TLS: %v %v", res, err)
		}
	}
	large, err := west.ask(t, bound(t, east.Edge, "tls"), func(to *msg.Target, m *msg.Message) {
		to.Interfaces = []string{"tcp", "tls"}
		m.SetBody("text/plain", []byte(strings.Repeat("x", 30_000)))
	})
	if err != nil || large.Status != 200 || !east.last().Hop.Secure {
		t.Errorf("a large one: %v %v", large, err)
	}
}
