package edge

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func TestClientNonInvite(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.OPTIONS, peerAddr))
		req := w.peer.method(msg.OPTIONS)
		if req.Via.Host != "192.0.2.1" || req.Via.Port != 5060 || req.Get("Contact") != "<sip:x@192.0.2.1:5060>" {
			t.Errorf("Via %v, Contact %q", req.Via, req.Get("Contact"))
		}
		for _, after := range []time.Duration{520, 1020, 2020, 4020, 4020} { // Timer E
			pass(after * time.Millisecond)
			w.peer.method(msg.OPTIONS)
			w.peer.none()
		}
		w.peer.answer(req, 200)
		w.peer.answer(req, 200) // Timer K absorbs
		if w.heard() != "200" {
			t.Errorf("heard %q", w.heard())
		}
		pass(6 * time.Second)
		if w.edge.Transactions() != 0 {
			t.Error("still there after Timer K")
		}
		w.peer.none()
	})
}

func TestClientNonInviteWithoutAnswer(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.BYE, peerAddr))
		pass(33 * time.Second)
		if w.heard() != "failed" || !errors.Is(w.failures[0], msg.ErrNoResponse) {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
		n := 0
		for w.peer.next() != nil {
			n++
		}
		if n != 11 { // RFC 3261 17.1.2.2
			t.Errorf("sent %d times, want 11", n)
		}
	})
}

func TestClientNonInviteTimesOutAfterProvisional(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INFO, peerAddr))
		w.peer.answer(w.peer.method(msg.INFO), 100)
		pass(33 * time.Second)
		if w.heard() != "100 failed" || !errors.Is(w.failures[0], msg.ErrTimeout) {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
	})
}

// TestClientInviteSuccess: every 2xx reaches the owner for Timer M, of any fork (RFC 6026).
func TestClientInviteSuccess(t *testing.T) {
	virtual(t, func(w *world) {
		tx := w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		w.peer.answer(req, 100)
		pass(5 * time.Second)
		w.peer.none() // no retransmission after a provisional
		w.peer.answer(req, 180)
		w.peer.answer(req, 200)
		w.peer.answer(req, 200)
		w.peer.answerTag(req, 200, "fork2")
		if w.heard() != "100 180 200 200 200" {
			t.Errorf("heard %q", w.heard())
		}
		if h := tx.Hop(); h.Remote != peerAddr || h.Interface != "a" || tx.Local().Host != "192.0.2.1" {
			t.Errorf("hop %+v local %+v", h, tx.Local())
		}
		pass(33 * time.Second)
		w.peer.answer(req, 200)
		if w.edge.Transactions() != 0 || w.heard() != "100 180 200 200 200" {
			t.Error("Timer M did not end it")
		}
		w.peer.none()
	})
}

func TestClientInviteRetransmits(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		pass(33 * time.Second)
		n := 0
		for w.peer.next() != nil {
			n++
		}
		if n != 7 || w.heard() != "failed" { // Timer A: 0, .5, 1.5, 3.5, 7.5, 15.5, 31.5
			t.Errorf("sent %d times, want 7; heard %q", n, w.heard())
		}
	})
}

func TestNoResponseTimer(t *testing.T) {
	virtual(t, func(w *world) {
		o := w.outbound(msg.INVITE, peerAddr)
		o.Timers.NoResponse = 4 * time.Second
		w.edge.Send(o)
		pass(3900 * time.Millisecond)
		if w.heard() != "" {
			t.Fatal("too early")
		}
		pass(200 * time.Millisecond)
		if !errors.Is(w.failures[0], msg.ErrNoResponse) {
			t.Fatalf("failures %v", w.failures)
		}
		req := w.peer.method(msg.INVITE)
		for w.peer.next() != nil { // retransmissions
			continue
		}
		// What comes late is not wanted: a provisional gets a CANCEL, a failure an ACK, a 2xx goes to the owner.
		w.peer.answer(req, 180)
		cancel := w.peer.method(msg.CANCEL)
		w.peer.answer(cancel, 200)
		w.peer.answer(req, 487)
		w.peer.method(msg.ACK)
		w.peer.answer(req, 200)
		if w.heard() != "failed 200" {
			t.Errorf("heard %q", w.heard())
		}
	})
}

func TestTimerC(t *testing.T) {
	virtual(t, func(w *world) {
		o := w.outbound(msg.INVITE, peerAddr)
		o.Timers.C = time.Minute
		w.edge.Send(o)
		req := w.peer.method(msg.INVITE)
		w.peer.answer(req, 180)
		pass(50 * time.Second)
		w.peer.answer(req, 183) // starts Timer C again (16.7 step 2)
		pass(50 * time.Second)
		w.peer.none()
		pass(11 * time.Second)
		w.peer.answer(w.peer.method(msg.CANCEL), 200)
		pass(33 * time.Second)
		if w.heard() != "180 183 failed" || !errors.Is(w.failures[0], msg.ErrTimeout) {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
	})
}

func TestCancelWaitsForProvisional(t *testing.T) {
	virtual(t, func(w *world) {
		tx := w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		tx.Cancel(msg.Header{Name: "Reason", Value: "SIP;cause=200"})
		tx.Cancel()
		w.peer.none() // 9.1
		w.peer.answer(req, 100)
		cancel := w.peer.method(msg.CANCEL)
		w.peer.none()
		if cancel.Via.Branch() != req.Via.Branch() || cancel.CSeq.Seq != req.CSeq.Seq || cancel.To.Tag() != "" ||
			cancel.Get("Reason") != "SIP;cause=200" || cancel.RequestURI.String() != req.RequestURI.String() {
			t.Errorf("CANCEL %s", cancel.AppendTo(nil))
		}
		pass(520 * time.Millisecond)
		w.peer.method(msg.CANCEL) // it is a transaction of its own
		w.peer.answer(cancel, 200)
		w.peer.answer(req, 487)
		ack := w.peer.method(msg.ACK)
		if ack.Via.Branch() != req.Via.Branch() || ack.To.Tag() != "peertag" || ack.CSeq.Seq != req.CSeq.Seq {
			t.Errorf("ACK %s", ack.AppendTo(nil))
		}
		if w.heard() != "100 487" {
			t.Errorf("heard %q", w.heard())
		}
		if len(w.sent) != 3 {
			t.Errorf("sent %v", w.sent)
		}
		w.peer.answer(req, 200) // it crossed the CANCEL: the owner must acknowledge it and hang up
		if w.heard() != "100 487 200" {
			t.Errorf("heard %q", w.heard())
		}
	})
}

func TestCancelledButSilent(t *testing.T) {
	virtual(t, func(w *world) {
		tx := w.edge.Send(w.outbound(msg.INVITE, peerAddr))
		req := w.peer.method(msg.INVITE)
		w.peer.answer(req, 180)
		tx.Cancel()
		w.peer.answer(w.peer.method(msg.CANCEL), 200)
		pass(33 * time.Second) // 9.1: 64*T1 after the CANCEL
		if w.heard() != "180 failed" || !errors.Is(w.failures[0], msg.ErrTimeout) {
			t.Errorf("heard %q %v", w.heard(), w.failures)
		}
	})
}

func TestTimersPerTransaction(t *testing.T) {
	virtual(t, func(w *world) {
		o := w.outbound(msg.OPTIONS, peerAddr)
		o.Timers = msg.Timers{T1: 50 * time.Millisecond, B: time.Second}
		w.edge.Send(o)
		pass(990 * time.Millisecond)
		if w.heard() != "" {
			t.Fatal("too early")
		}
		pass(40 * time.Millisecond)
		if w.heard() != "failed" {
			t.Fatal("B of the transaction was not heeded")
		}
	})
}

// group resolves any name to the same addresses.
type group []Address

func target(found ...Address) func(*Options) {
	return func(o *Options) { o.Resolver = group(found) }
}

func twoPeers() []Address {
	return []Address{{peerAddr, sbc.TransportUDP}, {peerTwo, sbc.TransportUDP}}
}

func named(o msg.Outbound) msg.Outbound {
	o.Target.Host, o.Target.Port = "carrier.example", 0
	return o
}

func TestFailoverAfterSilence(t *testing.T) {
	virtual(t, func(w *world) {
		second := w.phone(peerTwo)
		o := named(w.outbound(msg.INVITE, peerAddr))
		o.Timers.NoResponse = 4 * time.Second
		w.edge.Send(o)
		first := w.peer.method(msg.INVITE)
		pass(1800 * time.Millisecond) // under two seconds
		req := second.method(msg.INVITE)
		if req.Via.Branch() == first.Via.Branch() || len(req.GetAll("Via")) != 1 {
			t.Errorf("Via of the second try: %v", req.GetAll("Via"))
		}
		second.answer(req, 180)
		w.peer.next()
		w.peer.next()
		w.peer.answer(first, 180) // the first one wakes up: not wanted any more
		w.peer.method(msg.CANCEL)
		second.answer(req, 200)
		if w.heard() != "180 200" {
			t.Errorf("heard %q", w.heard())
		}
	}, target(twoPeers()...))
}

func TestFailoverAfter503(t *testing.T) {
	virtual(t, func(w *world) {
		second := w.phone(peerTwo)
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		w.peer.answer(w.peer.method(msg.INVITE), 503)
		w.peer.method(msg.ACK)
		req := second.method(msg.INVITE)
		second.answer(req, 503)
		second.method(msg.ACK)
		if w.heard() != "503" { // the last one is told
			t.Errorf("heard %q", w.heard())
		}
	}, target(twoPeers()...))
}

func TestNoFailoverAfterOtherFailures(t *testing.T) {
	virtual(t, func(w *world) {
		second := w.phone(peerTwo)
		w.edge.Send(named(w.outbound(msg.OPTIONS, peerAddr)))
		w.peer.answer(w.peer.method(msg.OPTIONS), 500)
		second.none()
		if w.heard() != "500" {
			t.Errorf("heard %q", w.heard())
		}
	}, target(twoPeers()...))
}

// choosy is an owner that lets a request fail over on other codes than 503.
type choosy struct{ msg.Owner }

func (choosy) Next(code int) bool { return code == 486 }

// TestFailoverByOwner: which answers lead to the next address is the owner's to say, 503 too.
func TestFailoverByOwner(t *testing.T) {
	for code, next := range map[int]bool{486: true, 503: false} {
		virtual(t, func(w *world) {
			second := w.phone(peerTwo)
			o := named(w.outbound(msg.INVITE, peerAddr))
			o.Owner = choosy{o.Owner}
			w.edge.Send(o)
			w.peer.answer(w.peer.method(msg.INVITE), code)
			w.peer.method(msg.ACK)
			if !next {
				second.none()
				return
			}
			second.answer(second.method(msg.INVITE), 200)
			if w.heard() != "200" {
				t.Errorf("heard %q", w.heard())
			}
		}, target(twoPeers()...))
	}
}

// TestSilentAddressComesLast: an address of a name that did not answer is not waited for again, until half a minute has gone by.
func TestSilentAddressComesLast(t *testing.T) {
	virtual(t, func(w *world) {
		second := w.phone(peerTwo)
		send := func() {
			o := named(w.outbound(msg.OPTIONS, peerAddr))
			o.Timers.B = 4 * time.Second
			w.edge.Send(o)
		}
		send()
		w.peer.method(msg.OPTIONS)
		pass(1800 * time.Millisecond)
		second.answer(second.method(msg.OPTIONS), 200)
		w.peer.next()
		w.peer.next()
		send()
		second.answer(second.method(msg.OPTIONS), 200)
		w.peer.none()
		pass(31 * time.Second)
		send()
		w.peer.answer(w.peer.method(msg.OPTIONS), 200)
		if w.heard() != "200 200 200" {
			t.Errorf("heard %q", w.heard())
		}
	}, target(twoPeers()...))
}

func TestLateAnswerOfGivenUpAddress(t *testing.T) {
	virtual(t, func(w *world) {
		second := w.phone(peerTwo)
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
		first := w.peer.method(msg.INVITE)
		pass(1800 * time.Millisecond)
		req := second.method(msg.INVITE)
		second.answer(req, 180)
		w.peer.answer(first, 200)
		second.answer(second.method(msg.CANCEL), 200)
		if w.heard() != "180 200" {
			t.Errorf("heard %q", w.heard())
		}
	}, target(twoPeers()...))
}

// TestLateAnswerStopsEveryOther: whatever the next addresses are doing when one that was given up answers, none goes on ringing.
func TestLateAnswerStopsEveryOther(t *testing.T) {
	t.Run("not heard of yet", func(t *testing.T) {
		virtual(t, func(w *world) {
			second := w.phone(peerTwo)
			w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
			first := w.peer.method(msg.INVITE)
			pass(1800 * time.Millisecond)
			req := second.method(msg.INVITE)
			w.peer.answer(first, 200)
			pass(2 * time.Second)
			second.none() // neither a CANCEL before a provisional (RFC 3261 9.1) nor the INVITE again
			second.answer(req, 180)
			second.answer(second.method(msg.CANCEL), 200)
			second.answer(req, 487)
			second.method(msg.ACK)
			if w.heard() != "200" {
				t.Errorf("heard %q", w.heard())
			}
		}, target(twoPeers()...))
	})
	t.Run("answers too", func(t *testing.T) {
		virtual(t, func(w *world) {
			second := w.phone(peerTwo)
			w.edge.Send(named(w.outbound(msg.INVITE, peerAddr)))
			first := w.peer.method(msg.INVITE)
			pass(1800 * time.Millisecond)
			req := second.method(msg.INVITE)
			second.answer(req, 180)
			w.peer.answer(first, 200)
			second.method(msg.CANCEL)
			second.answerTag(req, 200, "second") // to be acknowledged and released by the owner
			if w.heard() != "180 200 200" {
				t.Errorf("heard %q", w.heard())
			}
		}, target(twoPeers()...))
	})
	t.Run("about to be tried", func(t *testing.T) {
		virtual(t, func(w *world) {
			second := w.phone(peerTwo)
			o := named(w.outbound(msg.INVITE, peerAddr))
			prepare, tries := funcs(o).OnPrepare, 0
			var first atomic.Pointer[msg.Message]
			funcs(o).OnPrepare = func(m *msg.Message, l msg.Local) {
				if prepare != nil {
					prepare(m, l)
				}
				if tries++; tries < 2 {
					return
				}
				res := msg.NewResponse(first.Load(), 200, "")
				res.SetToTag("first")
				if _, err := w.peer.c.WriteToUDPAddrPort(res.AppendTo(nil), edgeAddr); err != nil {
					t.Error(err)
				}
				<-time.After(time.Millisecond)
			}
			w.edge.Send(o)
			first.Store(w.peer.method(msg.INVITE))
			pass(1800 * time.Millisecond)
			pass(time.Second)
			second.none()
			if tries != 2 || w.heard() != "200" {
				t.Errorf("%d tries, heard %q", tries, w.heard())
			}
		}, target(twoPeers()...))
	})
}

func TestNoAddress(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(named(w.outbound(msg.INVITE, peerAddr))) // literals cannot resolve names
		o := w.outbound(msg.INVITE, peerAddr)
		o.Target.Host, o.Target.Port = "2001:db8::1", 5060 // no IPv6 interface
		w.edge.Send(o)
		o = w.outbound(msg.INVITE, peerAddr)
		o.Target.Interfaces = []string{"nobody"}
		w.edge.Send(o)
		pass(time.Millisecond)
		if len(w.failures) != 3 {
			t.Fatalf("heard %q", w.heard())
		}
		for _, err := range w.failures {
			if !errors.Is(err, msg.ErrTransport) {
				t.Errorf("%v is not ErrTransport", err)
			}
		}
	})
}

func TestSendACK(t *testing.T) {
	virtual(t, func(w *world) {
		ack := newRequest(msg.ACK, peerAddr)
		sent := 0
		w.edge.SendACK(ack, w.outbound(msg.ACK, peerAddr).Target, nil, func([]byte, msg.Hop) { sent++ })
		m := w.peer.method(msg.ACK)
		if sent != 1 || m.Via.Branch() == "" {
			t.Errorf("sent %d, Via %v", sent, m.Via)
		}
	})
}

func TestStrayResponsesAreDropped(t *testing.T) {
	virtual(t, func(w *world) {
		w.edge.Send(w.outbound(msg.OPTIONS, peerAddr))
		req := w.peer.method(msg.OPTIONS)
		forged := msg.NewResponse(req, 200, "")
		via := req.Via
		via.Params = msg.SetParam(via.Params, "branch", "z9hG4bKguess-a")
		forged.SetTopVia(via)
		w.peer.send(string(forged.AppendTo(nil)))
		behind := msg.NewResponse(req, 200, "") // for somebody behind us (8.1.3.3)
		behind.Append("Via", "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKx")
		w.peer.send(string(behind.AppendTo(nil)))
		if w.heard() != "" {
			t.Errorf("heard %q", w.heard())
		}
		w.peer.answer(req, 200)
		if w.heard() != "200" {
			t.Errorf("heard %q", w.heard())
		}
	})
}

// TestOwnerMayCallBack: the owner may use the transaction from within what it hears.
func TestOwnerMayCallBack(t *testing.T) {
	virtual(t, func(w *world) {
		o := w.outbound(msg.INVITE, peerAddr)
		hear := funcs(o).OnResponse
		funcs(o).OnResponse = func(tx msg.ClientTx, m *msg.Message) {
			hear(tx, m)
			tx.Cancel()
			_ = tx.Hop()
			w.edge.Send(w.outbound(msg.OPTIONS, peerTwo))
		}
		w.edge.Send(o)
		req := w.peer.method(msg.INVITE)
		w.peer.answer(req, 180)
		w.peer.method(msg.CANCEL)
		w.peer.answer(req, 487)
		if w.heard() != "180 487" {
			t.Errorf("heard %q", w.heard())
		}
	})
}
