package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// slow is a resolver that answers when it is let.
type slow struct {
	gate  chan struct{}
	found []Address
	boom  bool
}

func (s slow) Lookup(context.Context, string, int, sbc.Transport) ([]Address, error) {
	<-s.gate
	if s.boom {
		panic("boom")
	}
	return s.found, nil
}

func TestCancelWhileResolving(t *testing.T) {
	s := slow{found: twoPeers()}
	virtual(t, func(w *world) {
		s.gate = make(chan struct{})
		w.edge.o.Resolver = s
		tx := w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		if tx.Hop() != (msg.Hop{}) || tx.Local() != (msg.Local{}) {
			t.Error("a hop before anything was sent")
		}
		tx.Cancel()
		close(s.gate)
		pass(time.Millisecond)
		w.peer.none()
		if w.heard() != "failed" || !errors.Is(w.failures[0], ErrCancel) || !errors.Is(w.failures[0], msg.ErrNoResponse) {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
	})
}

func TestResolverPanics(t *testing.T) {
	virtual(t, func(w *world) {
		s := slow{gate: make(chan struct{}), boom: true}
		close(s.gate)
		w.edge.o.Resolver = s
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		w.edge.SendACK(newRequest(msg.ACK, peerAddr), named(w.outbound(msg.ACK, peerAddr)).Target, nil, nil)
		pass(time.Millisecond)
		if w.heard() != "failed" || counter(t, w.edge.metrics.panics) != 2 {
			t.Errorf("heard %q, %v panics", w.heard(), counter(t, w.edge.metrics.panics))
		}
	})
}

func TestSendACKByName(t *testing.T) {
	virtual(t, func(w *world) {
		target := named(w.outbound(msg.ACK, peerAddr)).Target
		w.edge.SendACK(newRequest(msg.ACK, peerAddr), target, nil, nil)
		w.peer.method(msg.ACK)
		target.Interfaces = nil
		w.edge.SendACK(newRequest(msg.ACK, peerAddr), target, nil, nil)
		w.peer.none()
	}, target(twoPeers()...))
}

// TestSilentConnectionIsGivenUp: a connection of ours whose peer does not answer is not used for the next request.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		l, err := w.net.listenStream(peerAddr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			o := w.outbound(msg.INVITE, peerAddr)
			o.Target.Transport = sbc.TransportTCP
			o.Timers.NoResponse = 4 * time.Second
			w.edge.Send(o)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := msg.NewFramer(1 << 16).Next(bufio.NewReader(c)); err != nil {
				t.Fatal(err)
			}
			pass(4100 * time.Millisecond)
			if len(w.failures) != i+1 || !errors.Is(w.failures[i], msg.ErrNoResponse) {
				t.Fatalf("failures %v", w.failures)
			}
		}
	})
}

// TestBrokenConnection: a request on a connection that breaks before anything came goes to the next address; one that was
// heard waits for its answer over another connection.
func TestBrokenConnection(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		l, err := w.net.listenStream(peerAddr)
		if err != nil {
			t.Fatal(err)
		}
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := msg.NewFramer(1 << 16).Next(bufio.NewReader(c))
		if err != nil {
			t.Fatal(err)
		}
		pass(0) // a break while the request is still being written is noticed by its silence only
		_ = c.Close()
		req := w.peer.method(msg.INVITE)
		w.peer.answer(req, 200)
		if w.heard() != "200" || len(raw) == 0 {
			t.Errorf("heard %q", w.heard())
		}

		second := w.outbound(msg.INVITE, peerAddr)
		second.Target.Transport = sbc.TransportTCP
		w.edge.Send(second)
		if c, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		if raw, _, err = msg.NewFramer(1 << 16).Next(bufio.NewReader(c)); err != nil {
			t.Fatal(err)
		}
		if req, err = msg.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if _, err = c.Write(msg.NewResponse(req, 180, "").AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		pass(0)
		_ = c.Close()
		pass(time.Second)
		back := w.stream("192.0.2.99")
		if _, err = back.Write(msg.NewResponse(req, 200, "").AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		pass(0)
		if w.heard() != "200 180 200" {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
	}, target(Address{peerAddr, sbc.TransportTCP}, Address{peerAddr, sbc.TransportUDP}))
}

func TestLimiterAndLapses(t *testing.T) {
	l := newLapses(time.Hour, 2)
	for range 3 {
		l.note(peerAddr)
		l.note(peerTwo)
		l.note(edgeAddr)
	}
	if len(l.until) > 2 || !l.has(edgeAddr) {
		t.Errorf("%v", l.until)
	}
	b := newLimiter(1, 3)
	n := 0
	for range 10 {
		if b.allow(peerAddr.Addr()) {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d tokens", n)
	}
}

// deadlines remembers the last write deadline of a connection.
type deadlines struct {
	net.Conn
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	return d.Conn.SetWriteDeadline(t)
}

// TestFlushLeavesNoDeadline: what was sent while a connection was opened must not keep later messages from being sent.
func TestFlushLeavesNoDeadline(t *testing.T) {
	near, far := net.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(far, make([]byte, 5))
		read <- err
	}()
	d := &deadlines{Conn: near}
	c := &conn{nc: d, state: connOpen, queue: [][]byte{[]byte("hello")}, queued: 5, flushing: true}
	c.flush()
	if err := <-read; err != nil || !d.last.IsZero() || c.flushing || c.queued != 0 {
		t.Errorf("read %v, deadline %v, %d octets queued", err, d.last, c.queued)
	}
	if err := errors.Join(near.Close(), far.Close()); err != nil {
		t.Error(err)
	}
}
