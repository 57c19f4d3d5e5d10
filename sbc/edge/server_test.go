package edge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func TestServerNonInvite(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("OPTIONS").String())
		if w.count() != 1 {
			t.Fatalf("handled %d", w.count())
		}
		w.peer.send(request("OPTIONS").String()) // Trying: absorbed without an answer (17.2.2)
		w.peer.none()
		respond(t, w.txs[0], 200)
		first := w.peer.status(200)
		if first.To.Tag() == "" {
			t.Error("no To tag")
		}
		w.peer.send(request("OPTIONS").String())
		if again := w.peer.status(200); again.To.Tag() != first.To.Tag() {
			t.Error("the retransmission has another To tag")
		}
		if w.count() != 1 {
			t.Errorf("handled %d times", w.count())
		}
		if err := w.txs[0].Respond(msg.NewResponse(w.txs[0].Request(), 200, "")); !errors.Is(err, ErrDone) {
			t.Errorf("second final: %v", err)
		}
		pass(31 * time.Second)
		if w.edge.Transactions() != 1 {
			t.Error("gone before Timer J")
		}
		pass(2 * time.Second)
		if w.edge.Transactions() != 0 {
			t.Error("still there after Timer J")
		}
	})
}

func TestServerForgottenNonInviteEnds(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INFO").String())
		pass(33 * time.Second)
		if w.edge.Transactions() != 0 {
			t.Error("kept although no answer is of use any more (RFC 4320)")
		}
	})
}

func TestServerTryingAfter200ms(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INVITE").String())
		pass(150 * time.Millisecond)
		w.peer.none()
		pass(100 * time.Millisecond)
		if m := w.peer.status(100); m.To.Tag() != "" {
			t.Error("100 has a To tag")
		}
		w.peer.send(request("INVITE").String())
		w.peer.status(100)
		respond(t, w.txs[0], 180)
		w.peer.status(180)
		w.peer.send(request("INVITE").String())
		w.peer.status(180)
		respond(t, w.txs[0], 486)
		w.peer.status(486)
	})
}

func TestServerProvisionalEachMinute(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INVITE").String())
		respond(t, w.txs[0], 180)
		w.peer.status(180)
		for range 3 { // RFC 3261 13.3.1.1
			pass(61 * time.Second)
			w.peer.status(180)
		}
		respond(t, w.txs[0], 480)
	})
}

func TestServerForgottenInviteGets500(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INVITE").String())
		pass(time.Hour + time.Second)
		w.peer.status(100)
		w.peer.status(500)
	})
}

// TestServerFailure walks timers G, H and I.
func TestServerFailure(t *testing.T) {
	virtual(t, func(w *world) {
		var failed error
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnFailed(func(err error) { failed = err }) }
		c := request("INVITE")
		w.peer.send(c.String())
		respond(t, w.txs[0], 486)
		res := w.peer.status(486)
		pass(50 * time.Millisecond)
		for _, after := range []time.Duration{500, 1000, 2000, 4000, 4000} {
			pass(after*time.Millisecond - 100*time.Millisecond)
			w.peer.none()
			pass(100 * time.Millisecond)
			w.peer.status(486)
		}
		w.peer.send(c.String())
		w.peer.status(486)
		w.peer.send(c.ackOf(res))
		pass(time.Second)
		w.peer.none()
		w.peer.send(c.ackOf(res)) // Confirmed: absorbed
		w.peer.send(c.String())
		w.peer.none()
		if len(w.acks) != 0 {
			t.Error("the ACK of a failure reached the TU")
		}
		pass(5 * time.Second)
		if w.edge.Transactions() != 0 {
			t.Error("still there after Timer I")
		}
		if failed != nil {
			t.Errorf("failed: %v", failed)
		}
	})
}

func TestServerFailureNeverAcked(t *testing.T) {
	virtual(t, func(w *world) {
		var failed error
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnFailed(func(err error) { failed = err }) }
		w.peer.send(request("INVITE").String())
		respond(t, w.txs[0], 486)
		pass(33 * time.Second)
		if !errors.Is(failed, msg.ErrNoAck) || w.edge.Transactions() != 0 {
			t.Errorf("failed %v, %d transactions", failed, w.edge.Transactions())
		}
	})
}

// TestServerSuccess repeats the 2xx until it is acknowledged (RFC 3261 13.3.1.4) and absorbs INVITEs for Timer L (RFC 6026).
func TestServerSuccess(t *testing.T) {
	virtual(t, func(w *world) {
		c := request("INVITE")
		w.peer.send(c.String())
		respond(t, w.txs[0], 200)
		w.peer.status(200)
		w.peer.send(c.String())
		w.peer.none()
		for _, after := range []time.Duration{520, 1020, 2020} {
			pass(after * time.Millisecond)
			w.peer.status(200)
		}
		ack := request("ACK")
		ack.branch, ack.to = "z9hG4bKother", ack.to+";tag=x"
		w.peer.send(ack.String())
		if len(w.acks) != 1 {
			t.Fatalf("%d ACKs", len(w.acks))
		}
		w.txs[0].Acked()
		pass(20 * time.Second)
		w.peer.none()
		w.peer.send(c.String())
		w.peer.none()
		if w.count() != 1 {
			t.Error("a late INVITE began another call")
		}
		pass(10 * time.Second)
		if w.edge.Transactions() != 0 {
			t.Error("still there after Timer L")
		}
	})
}

func TestServerSuccessNeverAcked(t *testing.T) {
	virtual(t, func(w *world) {
		heard := make(chan error, 10)
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnFailed(func(err error) { heard <- err }) }
		w.peer.send(request("INVITE").String())
		respond(t, w.txs[0], 200)
		pass(31 * time.Second)
		if len(heard) != 0 {
			t.Fatal("failed too early")
		}
		pass(2 * time.Second)
		var failed []error
		for len(heard) > 0 {
			failed = append(failed, <-heard)
		}
		if len(failed) != 1 || !errors.Is(failed[0], msg.ErrNoAck) {
			t.Errorf("failed: %v", failed)
		}
		n := 0
		for w.peer.next() != nil {
			n++
		}
		if n != 11 { // 0, .5, 1.5, 3.5, 7.5, then every 4 s
			t.Errorf("%d times 200, want 11", n)
		}
	})
}

func TestCancelMatchesAndComesOnce(t *testing.T) {
	virtual(t, func(w *world) {
		cancelled := 0
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnCancel(func(*msg.Message) { cancelled++ }) }
		w.peer.send(request("INVITE").String())
		w.peer.send(request("CANCEL").String())
		w.peer.status(200)
		w.peer.send(request("CANCEL").String())
		w.peer.status(200)
		if cancelled != 1 {
			t.Fatalf("heard %d times", cancelled)
		}
		respond(t, w.txs[0], 487)
		w.peer.status(487)
		w.peer.send(request("CANCEL").String()) // after the final: 200, no effect (9.2)
		w.peer.status(200)
		if cancelled != 1 {
			t.Fatalf("heard %d times", cancelled)
		}
	})
}

func TestCancelBeforeItsListener(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("INVITE").String())
		w.peer.send(request("CANCEL").String())
		w.peer.status(200)
		heard := false
		w.txs[0].OnCancel(func(*msg.Message) { heard = true })
		if !heard {
			t.Error("the CANCEL was lost")
		}
	})
}

func TestCancelOfNothing(t *testing.T) {
	virtual(t, func(w *world) {
		w.peer.send(request("CANCEL").String())
		w.peer.status(481)
		w.decide = func(*msg.Message) msg.Decision { return msg.Decision{} }
		w.peer.send(request("CANCEL").String())
		w.peer.none()
	})
}

// TestForeignCancelAndAck: who did not send the INVITE cannot cancel or acknowledge it, even with the right branch.
func TestForeignCancelAndAck(t *testing.T) {
	virtual(t, func(w *world) {
		cancelled := false
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnCancel(func(*msg.Message) { cancelled = true }) }
		stranger := w.phone(peerTwo)
		w.peer.send(request("INVITE").String())
		stranger.send(request("CANCEL").String())
		stranger.status(481)
		if cancelled {
			t.Fatal("a stranger cancelled the call")
		}
		respond(t, w.txs[0], 486)
		res := w.peer.status(486)
		stranger.send(request("INVITE").ackOf(res))
		pass(600 * time.Millisecond)
		w.peer.status(486) // still unacknowledged
	})
}

func TestMergedRequest(t *testing.T) {
	virtual(t, func(w *world) {
		one, two := request("INVITE"), request("INVITE")
		two.branch = "z9hG4bKbranch2"
		w.peer.send(one.String())
		w.peer.send(two.String())
		w.peer.status(482) // 8.2.2.2
		respond(t, w.txs[0], 503)
		w.peer.status(503)
		w.peer.send(two.String()) // a new try after the failure is no merge (RFC 3263 4.3)
		if w.count() != 2 {
			t.Errorf("handled %d, want 2", w.count())
		}
	})
}

func TestInDialogRequestIsNeverMerged(t *testing.T) {
	virtual(t, func(w *world) {
		one, two := request("INFO"), request("INFO")
		one.to += ";tag=x"
		two.to, two.branch = one.to, "z9hG4bKbranch2"
		w.peer.send(one.String())
		w.peer.send(two.String())
		if w.count() != 2 {
			t.Errorf("handled %d, want 2", w.count())
		}
	})
}

func TestOldPeersWithoutCookie(t *testing.T) {
	virtual(t, func(w *world) { // RFC 2543
		c := request("INVITE")
		c.branch = "1"
		w.peer.send(c.String())
		w.peer.send(c.String())
		if w.count() != 1 {
			t.Fatalf("handled %d", w.count())
		}
		w.peer.status(100)
		respond(t, w.txs[0], 404)
		w.peer.send(c.ackOf(w.peer.status(404)))
		pass(time.Second)
		w.peer.none()
		other := c
		other.callID = "call-2"
		w.peer.send(other.String())
		if w.count() != 2 {
			t.Errorf("another call with the same branch was absorbed")
		}
	})
}

func TestHandlerPanics(t *testing.T) {
	var log records
	virtual(t, func(w *world) {
		w.onHandle = func(msg.ServerTx, *msg.Message) { panic("boom") }
		w.peer.send(request("OPTIONS").String())
		w.peer.status(500)
		w.onHandle = nil
		c := request("OPTIONS")
		c.branch, c.callID = "z9hG4bKnext", "next"
		w.peer.send(c.String())
		if w.count() != 2 {
			t.Error("the reader died")
		}
	}, func(o *Options) { o.Log = logTo(&log) })
	if !strings.Contains(log.text(), "boom") {
		t.Error("the panic was not logged")
	}
}

func TestServerLocalAndSent(t *testing.T) {
	virtual(t, func(w *world) {
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr,
			AdvertisedHost: "sbc.example.net", AdvertisedPort: 5070})
		var hops []msg.Hop
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) {
			tx.SetTag("mine")
			tx.OnSent(func(_ []byte, h msg.Hop) { hops = append(hops, h) })
		}
		w.peer.send(request("INVITE").String())
		if l := w.txs[0].Local(); l.Host != "sbc.example.net" || l.Port != 5070 || l.Interface != "a" {
			t.Errorf("Local %+v", l)
		}
		respond(t, w.txs[0], 180)
		respond(t, w.txs[0], 486)
		pass(3 * time.Second)
		if w.peer.status(180).To.Tag() != "mine" {
			t.Error("SetTag was not heeded")
		}
		if len(hops) != 2 || hops[0].Remote != peerAddr || hops[0].Local != edgeAddr || hops[0].Interface != "a" {
			t.Errorf("sent %+v", hops)
		}
	})
}

func TestOwnersHearTheClose(t *testing.T) {
	virtual(t, func(w *world) {
		var failed error
		w.onHandle = func(tx msg.ServerTx, _ *msg.Message) { tx.OnFailed(func(err error) { failed = err }) }
		w.peer.send(request("INVITE").String())
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		if err := w.edge.Close(); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(failed, msg.ErrClosed) || len(w.failures) != 1 || !errors.Is(w.failures[0], msg.ErrClosed) {
			t.Errorf("server %v, client %v", failed, w.failures)
		}
		w.edge.Send(w.outbound(msg.OPTIONS, peerAddr))
		pass(time.Millisecond)
		if len(w.failures) != 2 {
			t.Error("Send after Close said nothing")
		}
	})
}
