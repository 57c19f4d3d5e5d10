package edge

import (
	"bufio"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// deadline bounds every wait for a real socket.
const deadline = 10 * time.Second

// tcpPeer is a peer on a real TCP connection.
type tcpPeer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
	f *msg.Framer
}

func tcpTo(t *testing.T, at netip.AddrPort) *tcpPeer {
	t.Helper()
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	return newTCPPeer(t, c)
}

func newTCPPeer(t *testing.T, c net.Conn) *tcpPeer {
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	return &tcpPeer{t, c, bufio.NewReader(c), msg.NewFramer(1 << 17)}
}

func (p *tcpPeer) send(text string) {
	p.t.Helper()
	if _, err := p.Write([]byte(text)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tcpPeer) read() *msg.Message {
	p.t.Helper()
	for {
		raw, _, err := p.f.Next(p.r)
		if err != nil {
			p.t.Fatalf("reading: %v", err)
		}
		if raw == nil {
			continue
		}
		m, err := msg.Parse(raw)
		if err != nil {
			p.t.Fatal(err)
		}
		return m
	}
}

func (p *tcpPeer) status(want int) *msg.Message {
	p.t.Helper()
	m := p.read()
	if m.Status != want {
		p.t.Fatalf("got %s, want %d", m.StartLine(), want)
	}
	return m
}

// closed waits until the edge has closed the connection.
func (p *tcpPeer) closed() {
	p.t.Helper()
	for {
		if _, err := p.r.ReadByte(); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				p.t.Fatal("still open")
			}
			return
		}
	}
}

// onLoopback starts an edge on loopback sockets.
func onLoopback(t *testing.T, o Options, ls ...Listener) *Edge {
	t.Helper()
	if o.Resolver == nil {
		o.Resolver = literals{}
	}
	e := New(o)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := e.Prepare(ls)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	return e
}

func listener(id string, transport sbc.Transport, host string) Listener {
	return Listener{ID: id, Transport: transport, Bind: netip.AddrPortFrom(netip.MustParseAddr(host), 0)}
}

func bound(t *testing.T, e *Edge, id string) netip.AddrPort {
	t.Helper()
	a, ok := e.Bound(id)
	if !ok {
		t.Fatalf("no interface %s", id)
	}
	return a
}

// answerAll answers every request with a status.
func answerAll(t *testing.T, status int) Options {
	return Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
		if err := tx.Respond(msg.NewResponse(m, status, "")); err != nil {
			t.Errorf("Respond: %v", err)
		}
	}}
}
