package edge

import (
	"bufio"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// streamPeer listens in memory and hands out its connections.
type streamPeer struct {
	t *testing.T
	w *world
	l net.Listener
}

func (w *world) streamPeer() *streamPeer {
	w.t.Helper()
	w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr},
		Listener{ID: "tcp", Transport: sbc.TransportTCP, Bind: edgeAddr})
	l, err := w.net.listenStream(peerAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	return &streamPeer{w.t, w, l}
}

// next is the next connection and the first request on it.
func (p *streamPeer) next(want msg.Method) (net.Conn, *msg.Message) {
	p.t.Helper()
	c, err := p.l.Accept()
	if err != nil {
		p.t.Fatal(err)
	}
	return c, p.read(c, want)
}

func (p *streamPeer) read(c net.Conn, want msg.Method) *msg.Message {
	p.t.Helper()
	raw, _, err := msg.NewFramer(1 << 16).Next(bufio.NewReader(c))
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := msg.Parse(raw)
	if err != nil || m.Method != want {
		p.t.Fatalf("got %v, %v; want %s", m.StartLine(), err, want)
	}
	return m
}

func (p *streamPeer) answer(c net.Conn, req *msg.Message) {
	p.t.Helper()
	if _, err := c.Write(msg.NewResponse(req, 200, "").AppendTo(nil)); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
}

func (p *streamPeer) close(c net.Conn) {
	p.t.Helper()
	if err := c.Close(); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) overTCP(method msg.Method) msg.Outbound {
	o := w.outbound(method, peerAddr)
	o.Target.Transport = sbc.TransportTCP
	return o
}

// TestRedialDeadConnection: a connection that served before and breaks under a request costs the owner nothing; the request goes
// out again as it was, over a fresh one.
func TestRedialDeadConnection(t *testing.T) {
	virtual(t, func(w *world) {
		p := w.streamPeer()
		w.edge.Send(w.overTCP(msg.OPTIONS))
		c, req := p.next(msg.OPTIONS)
		p.answer(c, req)
		w.edge.Send(w.overTCP(msg.INVITE))
		lost := p.read(c, msg.INVITE)
		p.close(c)
		c, req = p.next(msg.INVITE)
		if req.Via.Branch() != lost.Via.Branch() || req.CallID != lost.CallID {
			t.Errorf("branch %s became %s", lost.Via.Branch(), req.Via.Branch())
		}
		p.answer(c, req)
		if w.heard() != "200 200" {
			t.Errorf("heard %q", w.heard())
		}
		p.close(c)
	})
}

// brokenPipe is a connection whose peer is gone.
type brokenPipe struct{ syscall.RawConn }

func (brokenPipe) Write(func(uintptr) bool) error { return syscall.EPIPE }

// TestRedialWhatCannotBeWritten: nobody has noticed yet that the connection is gone; the write tells.
func TestRedialWhatCannotBeWritten(t *testing.T) {
	virtual(t, func(w *world) {
		p := w.streamPeer()
		w.edge.Send(w.overTCP(msg.OPTIONS))
		c, req := p.next(msg.OPTIONS)
		p.answer(c, req)
		w.edge.streams.mu.Lock()
		for _, dead := range w.edge.streams.out {
			dead.mu.Lock()
			dead.raw = brokenPipe{}
			dead.mu.Unlock()
		}
		w.edge.streams.mu.Unlock()
		w.edge.Send(w.overTCP(msg.INVITE))
		second, req := p.next(msg.INVITE)
		p.answer(second, req)
		if w.heard() != "200 200" {
			t.Errorf("heard %q", w.heard())
		}
		p.close(second)
	})
}

// TestRedialOnce: a peer that closes every connection gets a request twice and no more, one that never took any once.
func TestRedialOnce(t *testing.T) {
	virtual(t, func(w *world) {
		p := w.streamPeer()
		w.edge.Send(w.overTCP(msg.OPTIONS))
		c, req := p.next(msg.OPTIONS)
		p.answer(c, req)
		w.edge.Send(w.overTCP(msg.INVITE))
		p.read(c, msg.INVITE)
		p.close(c)
		c, _ = p.next(msg.INVITE)
		p.close(c)
		if w.heard() != "200 failed" || !errors.Is(w.failures[0], msg.ErrTransport) {
			t.Errorf("heard %q, %v", w.heard(), w.failures)
		}
		dials := len(w.net.dials)
		if err := p.l.Close(); err != nil {
			t.Error(err)
		}
		w.edge.Send(w.overTCP(msg.INVITE))
		pass(time.Second)
		if n := len(w.net.dials) - dials; n > 2 || w.heard() != "200 failed failed" {
			t.Errorf("%d dials, heard %q", n, w.heard())
		}
	})
}

// TestForeignResponse: the right branch does not help who was not asked, but the peer may answer from another port.
func TestForeignResponse(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		stranger := w.phone(peerTwo)
		for _, status := range []int{100, 180, 200, 486} {
			stranger.answer(req, status)
		}
		if n := counter(t, w.edge.metrics.drops.WithLabelValues("foreign_response")); w.heard() != "" || n != 4 {
			t.Errorf("heard %q, %v counted", w.heard(), n)
		}
		w.phone(netip.AddrPortFrom(peerAddr.Addr(), 5099)).answer(req, 486)
		if w.heard() != "486" {
			t.Errorf("heard %q", w.heard())
		}
	})
}
