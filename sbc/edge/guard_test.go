package edge

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// guardian does what the test says, and notes what it was told.
type guardian struct {
	mu        sync.Mutex
	action    msg.Action
	seen      int
	malformed int
	refuse    netip.Addr
	patience  time.Duration
}

func (g *guardian) Packet(msg.Hop, []byte) msg.Action {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen++
	return g.action
}

func (g *guardian) Malformed(msg.Hop, []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.malformed++
}

func (g *guardian) Accept(h msg.Hop) (bool, time.Duration) {
	return h.Remote.Addr() != g.refuse, g.patience
}

func (g *guardian) set(a msg.Action) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.action = a
}

func guarded(g *guardian) func(*Options) { return func(o *Options) { o.Guard = g } }

// TestGuard: what it drops is not seen by anybody, and what it refuses is answered, so many times and never a retransmission.
func TestGuard(t *testing.T) {
	g := &guardian{action: msg.Serve}
	virtual(t, func(w *world) {
		first := request("INVITE")
		w.peer.send(first.String())
		if w.count() != 1 {
			t.Fatal("what passes is not handled")
		}
		respond(t, w.txs[0], 180)
		w.peer.status(180)

		g.set(msg.Silence)
		w.peer.send(first.String())
		w.peer.none()

		g.set(msg.Refuse)
		w.peer.send(first.String())
		w.peer.status(180) // a retransmission of what is served is no new request
		answered := 0
		for n := range 100 {
			r := request("INVITE")
			r.branch, r.callID = "z9hG4bKother"+strings.Repeat("x", n), "other"
			w.peer.send(r.String())
			if m := w.peer.next(); m != nil {
				if answered++; m.Status != 503 || m.Get("Retry-After") == "" {
					t.Fatalf("refused with %s, Retry-After %q", m.StartLine(), m.Get("Retry-After"))
				}
			}
		}
		if answered < 5 || answered > 10 {
			t.Errorf("%d of 100 were answered; ten at once are the bound", answered)
		}
		w.peer.send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n")
		w.peer.none()
		if w.count() != 1 {
			t.Errorf("%d requests were handled", w.count())
		}

		g.set(msg.Serve)
		w.peer.send("INVITE sip:bob@192.0.2.1 SIP/2.0\r\nContent-Length: many\r\n\r\n")
		if g.malformed != 1 {
			t.Errorf("the guard heard of %d malformed messages", g.malformed)
		}
		seen := g.seen
		w.peer.send("\r\n\r\n")
		w.peer.send("\x00\x00\x00\x00")
		if g.seen != seen {
			t.Error("keep-alives are counted")
		}
	}, guarded(g))
}

// TestUnauthenticatedConnections are closed in time, whatever they send; those that were trusted stay.
func TestUnauthenticatedConnections(t *testing.T) {
	g := &guardian{action: msg.Serve, patience: 10 * time.Second, refuse: netip.MustParseAddr("192.0.2.66")}
	virtual(t, func(w *world) {
		overTCP()(w)
		var last msg.Hop
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			last = m.Hop
			respond(t, tx, 401)
		}
		if took := ended(w.stream("192.0.2.66"), time.Minute); took > time.Millisecond {
			t.Errorf("a connection that the guard refuses lives for %v", took)
		}
		if took := ended(w.stream("192.0.2.50"), time.Minute); took != 10*time.Second {
			t.Errorf("a silent connection is closed after %v", took)
		}
		busy := w.stream("192.0.2.51")
		synctest.Wait()
		go func() {
			for { // pings, which are answered
				if _, err := busy.Write([]byte("\r\n\r\n")); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		if took := ended(busy, time.Minute); took != 10*time.Second {
			t.Errorf("a connection that only pings is closed after %v", took)
		}
		good := w.stream("192.0.2.52")
		go func() {
			_, err := good.Write([]byte(request("REGISTER").text("TCP")))
			if err != nil && !errors.Is(err, msg.ErrClosed) {
				t.Error(err)
			}
		}()
		synctest.Wait()
		w.edge.Trust(last)
		if took := ended(good, time.Minute); took != 0 {
			t.Errorf("a connection on which somebody has authenticated is closed after %v", took)
		}
	}, guarded(g))
}

// TestDisconnect closes what came from a network, and nothing else.
func TestDisconnect(t *testing.T) {
	virtual(t, func(w *world) {
		overTCP()(w)
		bad, good := w.stream("192.0.2.50"), w.stream("198.51.100.7")
		w.edge.Disconnect([]string{"elsewhere"}, netip.MustParsePrefix("192.0.2.0/24"))
		if took := ended(bad, time.Second); took != 0 {
			t.Error("a connection of another interface is closed")
		}
		w.edge.Disconnect([]string{"tcp"}, netip.MustParsePrefix("192.0.2.0/24"))
		if _, err := bad.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("it is not closed: %v", err)
		}
		if took := ended(good, time.Second); took != 0 {
			t.Error("another network's connection is closed")
		}
	}, func(o *Options) { o.Guard = nil })
}
