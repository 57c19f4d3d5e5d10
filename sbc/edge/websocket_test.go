package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// webPeer is a client on a WebSocket.
type webPeer struct {
	t   testing.TB
	ctx context.Context
	*websocket.Conn
}

// webTo opens a WebSocket; the status is that of HTTP where it is refused.
func webTo(t testing.TB, url string, ca *authority, origin, protocol string) (*webPeer, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	o := &websocket.DialOptions{HTTPHeader: http.Header{}}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	if protocol != "" {
		o.Subprotocols = []string{protocol}
	}
	if ca != nil {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}}
		t.Cleanup(transport.CloseIdleConnections)
		o.HTTPClient = &http.Client{Transport: transport}
	}
	c, res, err := websocket.Dial(ctx, url, o)
	if err != nil {
		if res == nil {
			t.Fatalf("%s: %v", url, err)
		}
		return nil, res.StatusCode
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return &webPeer{t, ctx, c}, http.StatusSwitchingProtocols
}

func (p *webPeer) send(text string) {
	p.t.Helper()
	if err := p.Write(p.ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *webPeer) read() string {
	p.t.Helper()
	_, b, err := p.Read(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func (p *webPeer) status(want int) *msg.Message {
	p.t.Helper()
	m, err := msg.Parse([]byte(p.read()))
	if err != nil {
		p.t.Fatal(err)
	}
	if m.Status != want {
		p.t.Fatalf("got %s, want %d", m.StartLine(), want)
	}
	return m
}

// asks numbers the requests of a test.
func asks(n int) call {
	c := request("OPTIONS")
	c.branch, c.callID, c.via = fmt.Sprintf("%sw%d", c.branch, n), fmt.Sprintf("%sw%d", c.callID, n), "df7jal23ls0d.invalid"
	return c
}

// TestWebSocket: SIP in frames, both ways, in the clear and in TLS.
func TestWebSocket(t *testing.T) {
	ca := newAuthority(t)
	for _, transport := range []sbc.Transport{sbc.TransportWS, sbc.TransportWSS} {
		l := listener("web", transport, "127.0.0.1")
		l.Origins = []string{"https://phone.example"}
		s := newSecured(t, ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert), nil, l)
		p, status := webTo(t, string(transport)+"://"+bound(t, s.Edge, "web").String()+"/any", ca, "https://phone.example", "sip")
		if p == nil || p.Subprotocol() != "sip" {
			t.Fatalf("%s: HTTP %d", transport, status)
		}
		c := asks(1)
		p.send(c.text(strings.ToUpper(string(transport)) + ";rport"))
		res := p.status(200)
		if v := res.Via; v.Host != c.via || v.Received() != "127.0.0.1" {
			t.Errorf("Via %s", v)
		}
		h := s.last().Hop
		if h.Transport != transport || h.Secure != (transport == sbc.TransportWSS) || (h.Peer != nil) != h.Secure || h.Conn == 0 {
			t.Errorf("%+v", h)
		}
		w, err := p.Writer(p.ctx, websocket.MessageBinary) // in fragments
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range []byte(strings.Replace(asks(2).text("WS"), "Content-Length: 0\r\n", "", 1)) {
			if _, err := w.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		p.status(200)
		p.send("\r\n\r\n")
		if got := p.read(); got != "\r\n" {
			t.Errorf("keep-alive: %q", got)
		}
		t.Run("to the phone", func(t *testing.T) { askPhone(t, s, p, h) })
		if err := s.KeepAlive(h); err != nil {
			t.Error(err)
		}
		if st, _ := s.Status("web"); st.Connections != 1 {
			t.Errorf("%d connections", st.Connections)
		}
		_ = p.CloseNow() // it goes
		until(t, "it is gone", func() bool { return !s.Connected(h) && s.KeepAlive(h) != nil })
		if res, err := s.ask(t, h.Remote, func(to *msg.Target, _ *msg.Message) {
			to.Flow, to.Transport, to.Interfaces, to.Host = &h, transport, []string{"web"}, "df7jal23ls0d.invalid"
		}); err == nil {
			t.Errorf("somebody was reached whose connection is gone: %v", res)
		}
	}
}

// askPhone sends a request the other way.
func askPhone(t *testing.T, s *secured, p *webPeer, h msg.Hop) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		kind, b, err := p.Read(p.ctx)
		m, bad := msg.Parse(b)
		if err != nil || bad != nil || kind != websocket.MessageBinary {
			t.Errorf("%v %v %v", err, bad, kind)
			return
		}
		if !strings.Contains(m.Get("Contact"), ";transport=ws>") || m.Via.Transport != strings.ToUpper(string(h.Transport)) {
			t.Errorf("Via %s, Contact %s", m.Via, m.Get("Contact"))
		}
		p.send(string(msg.NewResponse(m, 200, "").AppendTo(nil)))
	}()
	res, err := s.ask(t, h.Remote, func(to *msg.Target, m *msg.Message) {
		to.Flow, to.Transport, to.Interfaces, to.Host = &h, h.Transport, []string{"web"}, ""
		m.SetBody("text/plain", []byte{0xff, 0xfe}) // no text
	})
	if err != nil || res.Status != 200 {
		t.Errorf("%v %v", res, err)
	}
	<-answered
}

// TestWebSocketDoor: pages of other origins, other protocols and plain HTTP stay outside.
func TestWebSocketDoor(t *testing.T) {
	l := listener("web", sbc.TransportWS, "127.0.0.1")
	l.Origins = []string{"https://phone.example"}
	s := newSecured(t, TLS{}, nil, l, listener("tcp", sbc.TransportTCP, "127.0.0.1"))
	at := bound(t, s.Edge, "web").String()
	for _, tt := range []struct {
		origin, protocol string
		want             int
	}{
		{"https://evil.example", "sip", 403}, {"https://phone.example.evil.example", "sip", 403}, {"http://phone.example", "sip", 403},
		{"null", "sip", 403}, {"https://phone.example", "", 400}, {"https://phone.example", "xmpp", 400},
		{"https://PHONE.example", "sip", 101}, {"", "sip", 101},
	} {
		if _, got := webTo(t, "ws://"+at, nil, tt.origin, tt.protocol); got != tt.want {
			t.Errorf("%q %q: HTTP %d, want %d", tt.origin, tt.protocol, got, tt.want)
		}
	}
	res, err := http.Get("http://" + at + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // nothing in it
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a browser's user: HTTP %d", res.StatusCode)
	}
	p := tcpTo(t, netip.MustParseAddrPort(at))
	p.send(request("OPTIONS").text("TCP"))
	p.closed()
	many := tcpTo(t, netip.MustParseAddrPort(at))
	many.send("GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Padding: "+strings.Repeat("x", 1000)+"\r\n", 30))
	many.closed()
	until(t, "those refused are forgotten", func() bool { st, _ := s.Status("web"); return st.Connections <= 2 })
	if n := s.owner.count(); n != 0 {
		t.Errorf("%d requests were served", n)
	}
}

// upgraded opens a WebSocket by hand, for frames that no client would send.
func upgraded(t *testing.T, at string) (net.Conn, *bufio.Reader) {
	t.Helper()
	p := tcpTo(t, netip.MustParseAddrPort(at))
	p.send("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n")
	res, err := http.ReadResponse(p.r, nil)
	if err != nil || res.StatusCode != 101 {
		t.Fatalf("%v %v", res, err)
	}
	return p.Conn, p.r
}

// frame makes one of a client, whose length may be a lie.
func frame(first byte, length uint64, payload string) []byte {
	b := []byte{first, 0x80 | 127}
	b = binary.BigEndian.AppendUint64(b, length)
	return append(append(b, 0, 0, 0, 0), payload...)
}

// TestFrames: frames that lie, stop in the middle or never end cost their sender the connection, in time and without memory.
func TestFrames(t *testing.T) {
	l := listener("web", sbc.TransportWS, "127.0.0.1")
	l.MaxMessage = 4000
	s := newSecured(t, TLS{}, nil, l)
	at := bound(t, s.Edge, "web").String()
	options := asks(7).text("WS")
	for what, b := range map[string][]byte{
		"a length of half the world":   frame(0x81, 1<<62, strings.Repeat("x", 5000)),
		"a negative length":            frame(0x81, 1<<63, "x"),
		"a message beyond the limit":   frame(0x81, 5000, strings.Repeat("x", 5000)),
		"endless fragments":            bytes.Repeat(frame(0x01, 100, strings.Repeat("x", 100)), 60),
		"no mask":                      append([]byte{0x81, byte(5)}, "hello"...),
		"an opcode nobody knows":       frame(0x8b, 1, "x"),
		"a continuation of nothing":    frame(0x80, 1, "x"),
		"a reserved bit":               frame(0xc1, 1, "x"),
		"a ping that is too long":      frame(0x89, 1000, strings.Repeat("x", 1000)),
		"a ping in several fragments":  frame(0x09, 1, "x"),
		"half a message, then nothing": frame(0x81, uint64(len(options)), options[:30]),
	} {
		c, r := upgraded(t, at)
		began := time.Now()
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: still open", what)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("%s: closed after %v", what, took)
		}
	}
	until(t, "they are forgotten", func() bool { st, _ := s.Status("web"); return st.Connections == 0 })
	if n := s.owner.count(); n != 0 {
		t.Errorf("%d requests were served", n)
	}
}

// TestWebSocketIdle: who is silent is gone after a while, before and after the upgrade, unless it is held.
func TestWebSocketIdle(t *testing.T) {
	l := listener("web", sbc.TransportWS, "127.0.0.1")
	l.Idle = 300 * time.Millisecond
	s := newSecured(t, TLS{}, nil, l)
	at := bound(t, s.Edge, "web").String()
	silent, _ := webTo(t, "ws://"+at, nil, "", "sip")
	held, _ := webTo(t, "ws://"+at, nil, "", "sip")
	held.send(asks(1).text("WS"))
	held.status(200)
	h := s.last().Hop
	s.Hold(h, time.Minute)
	if _, _, err := silent.Read(silent.ctx); err == nil || silent.ctx.Err() != nil {
		t.Errorf("the silent one: %v", err)
	}
	held.send(asks(2).text("WS"))
	held.status(200)
	if !s.Connected(h) {
		t.Error("the one that is held is gone")
	}
}

// hasty guards: who has not authenticated is gone at once.
type hasty struct{ nobody }

func (hasty) Accept(msg.Hop) (ok bool, unauthenticated time.Duration) {
	return true, 300 * time.Millisecond
}

// TestWebSocketStrangers: pings do not save who does not authenticate in time; who does stays.
func TestWebSocketStrangers(t *testing.T) {
	s := newSecured(t, TLS{}, func(o *Options) { o.Guard = hasty{} }, listener("web", sbc.TransportWS, "127.0.0.1"))
	at := bound(t, s.Edge, "web").String()
	phone, _ := webTo(t, "ws://"+at, nil, "", "sip")
	phone.send(asks(1).text("WS"))
	phone.status(200)
	h := s.last().Hop
	s.Trust(h)
	stranger, _ := webTo(t, "ws://"+at, nil, "", "sip")
	go func() {
		for stranger.Ping(stranger.ctx) == nil {
			continue
		}
	}()
	if _, _, err := stranger.Read(stranger.ctx); err == nil || stranger.ctx.Err() != nil {
		t.Errorf("the stranger: %v", err)
	}
	if !s.Connected(h) {
		t.Error("the phone is gone too")
	}
}

// TestWebSocketSlowReader: who does not read loses its connection; others hear nothing of it.
func TestWebSocketSlowReader(t *testing.T) {
	s := newSecured(t, TLS{}, nil, listener("web", sbc.TransportWS, "127.0.0.1"))
	at := bound(t, s.Edge, "web").String()
	c, _ := upgraded(t, at)
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	text := asks(1).text("WS")
	if _, err := c.Write(frame(0x81, uint64(len(text)), text)); err != nil {
		t.Fatal(err)
	}
	until(t, "it is served", func() bool { return s.owner.count() == 1 })
	h := s.last().Hop
	big := []byte(strings.Repeat("x", 60_000))
	for n := 0; s.Connected(h); n++ {
		if n > 1000 {
			t.Fatal("60 MB wait for somebody who does not read")
		}
		o := s.outbound(msg.MESSAGE, h.Remote)
		o.Target = msg.Target{Flow: &h, Transport: sbc.TransportWS, Interfaces: []string{"web"}}
		o.Request.SetBody("text/plain", big)
		began := time.Now()
		if s.Send(o); time.Since(began) > time.Second {
			t.Fatal("sending waited")
		}
	}
	other, _ := webTo(t, "ws://"+at, nil, "", "sip")
	other.send(asks(2).text("WS"))
	other.status(200)
}
