package call

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// semi is a transferor with two calls: a talks with b, and c, the transferor too, calls somebody who has not answered.
type semi struct {
	*world
	a, b, c *peer
	in      *server
	out     *sent
	calls   []sbc.CallInfo
}

// halfConsult brings them up. The second callee rings already, or has said nothing yet.
func (w *world) halfConsult(rings bool) *semi {
	w.t.Helper()
	x := &semi{world: w, c: w.caller()}
	x.a, x.b, _, _ = w.talk()
	x.in = x.c.invite(sdp(callerIP, 4000))
	x.out = w.wire.next(msg.INVITE)
	if rings {
		x.out.reply(180)
		x.c.learn(x.in.want(180))
	} else {
		x.c.remote = "<sip:4930123@" + borderA + ">;tag=" + x.in.tag
	}
	x.calls = w.m.List(sbc.CallFilter{})
	return x
}

// refer asks to connect the two others, and sees what is told.
func (x *semi) refer(told ...string) {
	x.t.Helper()
	x.a.send(msg.REFER, "", "Refer-To: <sip:4930123@"+borderA+"?Replaces="+url.QueryEscape(x.c.named())+">").want(202)
	for _, code := range told {
		x.notified(code, "active")
	}
	x.wire.none(msg.NOTIFY)
}

// cancel is the transferor's CANCEL of its second call.
func (x *semi) cancel() {
	x.in.onCancel(x.c.build(msg.CANCEL, x.c.cseq, ""))
}

// connected sees that two peers are one call.
func (x *semi) connected(b, d *peer) {
	x.t.Helper()
	for _, p := range [][2]*peer{{b, d}, {d, b}} {
		info := p[0].send(msg.INFO, "")
		far := x.wire.next(msg.INFO)
		if far.req.CallID != p[1].callID {
			x.t.Errorf("INFO went to %s", far.req.CallID)
		}
		far.reply(200)
		info.want(200)
	}
}

// records gives those of the first and of the second call.
func (x *semi) records() (first, second *sbc.CDR) {
	x.t.Helper()
	x.ledger.mu.Lock()
	defer x.ledger.mu.Unlock()
	for _, d := range x.ledger.ends {
		switch d.CallID {
		case x.calls[0].ID:
			first = d
		case x.calls[1].ID:
			second = d
		}
	}
	if first == nil || second == nil {
		x.t.Fatalf("%d records", len(x.ledger.ends))
	}
	return first, second
}

// TestSemiAttendedTransfer: the REFER names a dialog of the transferor that rings. When it is answered the two others are
// connected, and both of the transferor's legs are let go; each call has its record.
func TestSemiAttendedTransfer(t *testing.T) {
	for _, rings := range []bool{true, false} {
		run(t, nil, func(w *world) {
			x := w.halfConsult(rings)
			if rings {
				x.refer("100", "180")
			} else {
				x.refer("100")
				x.out.reply(180)
				x.in.want(180)
				w.notified("180", "active")
			}
			w.wire.none(msg.BYE)
			if i := w.m.List(sbc.CallFilter{}); i[0].Transfer != "ringing" {
				t.Errorf("transfer is %q", i[0].Transfer)
			}
			x.out.reply(200, sdp(calleeIP, 5200))
			x.c.learn(x.in.want(200))
			w.wire.none(msg.BYE) // its ACK is not there
			x.c.ack(x.c.lastInviteNumber, "")
			d := w.callee(x.out)
			for _, want := range []string{x.c.callID, x.a.callID} {
				if want == x.a.callID {
					w.notified("200", "terminated")
				}
				if bye := w.wire.next(msg.BYE); bye.req.CallID != want {
					t.Errorf("BYE %s", bye.req.AppendTo(nil))
				} else {
					bye.reply(200)
				}
			}
			for _, want := range []string{x.b.callID, d.callID} {
				re := w.wire.next(msg.INVITE)
				if re.req.CallID != want {
					t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
				}
				re.reply(200, sdp(calleeIP, 5300))
			}
			x.connected(x.b, d)
			w.end(x.b)
			first, second := x.records()
			if second.EndReason != sbc.EndTransferred || second.AnsweredAt == nil || second.LinkedCallIDs[0] != first.CallID {
				t.Errorf("record of the call that rang: %+v", second)
			}
			if len(first.Legs) != 3 || first.Legs[0].Role != "transferor" || first.Legs[2].Role != "transfer_target" ||
				first.Legs[2].SIPCallID != d.callID || first.LinkedCallIDs[0] != second.CallID {
				t.Errorf("record of the call that went on: %+v", first)
			}
		})
	}
}

// TestSemiAttendedTransferGivenUp: the transferor thinks that it is done, ends its first call or not, and cancels the second. The
// target is called again from the call that goes on, when it is free, in the place that the second call had on the transferor's trunk.
func TestSemiAttendedTransferGivenUp(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		run(t, func(_ string, r sbc.Resource) {
			if t, ok := r.(*sbc.Trunk); ok {
				t.MaxCalls = 2
			}
		}, func(w *world) {
			x := w.halfConsult(true)
			x.refer("100", "180")
			if leaves {
				x.a.send(msg.BYE, "").want(200)
			}
			x.cancel()
			x.in.want(487)
			if !x.out.isCancelled() {
				t.Fatal("the callee of the second call still rings")
			}
			w.wire.none(msg.INVITE)
			x.out.reply(487)
			again := w.wire.next(msg.INVITE)
			if again.req.RequestURI.User != "4930123" || again.target.Host != x.out.target.Host || again.req.CallID == x.out.req.CallID {
				t.Errorf("INVITE %s", again.req.AppendTo(nil))
			}
			if u := w.tally.OfTrunk("trk_a"); u.In != 2 {
				t.Errorf("the transferor's trunk counts %+v", u)
			}
			again.reply(180)
			again.reply(200, sdp(calleeIP, 5200))
			if leaves {
				w.wire.next(msg.NOTIFY).reply(481)
			} else {
				w.notified("180", "active")
				w.notified("200", "terminated")
				w.wire.next(msg.BYE).reply(200)
			}
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
			x.connected(x.b, w.callee(again))
			w.end(x.b)
			first, second := x.records()
			if second.EndReason != sbc.EndCallerCancel || second.FinalCode != 487 || second.LinkedCallIDs[0] != first.CallID {
				t.Errorf("record of the call that rang: %+v", second)
			}
			if len(first.Legs) != 3 || len(first.Attempts) != 2 || first.LinkedCallIDs[0] != second.CallID ||
				first.Legs[2].SIPCallID != again.req.CallID || first.EndReason != sbc.EndCalleeBye {
				t.Errorf("record of the call that went on: %+v", first)
			}
		})
	}
}

// TestSemiAttendedTransferFails: the first call goes on as it was, and the transferor hears of it.
func TestSemiAttendedTransferFails(t *testing.T) {
	for name, tt := range map[string]struct {
		play func(x *semi)
		code string
	}{
		"the target is busy": {func(x *semi) {
			x.out.reply(486)
			x.in.want(486)
		}, "486"},
		"the second call is hung up": {func(x *semi) {
			if err := x.m.HangUp(background(), x.calls[1].ID, ""); err != nil {
				x.t.Error(err)
			}
			x.in.want(480)
			x.out.reply(487)
		}, "480"},
		"the target hangs up before the ACK": {func(x *semi) {
			x.out.reply(200, sdp(calleeIP, 5200))
			x.c.learn(x.in.want(200))
			x.callee(x.out).send(msg.BYE, "").want(200)
			x.c.ack(x.c.lastInviteNumber, "")
			x.wire.next(msg.BYE).reply(200)
		}, "481"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				x := w.halfConsult(true)
				x.refer("100", "180")
				tt.play(x)
				w.notified(tt.code, "terminated")
				x.connected(x.a, x.b)
				w.end(x.a)
				if first, second := x.records(); len(first.LinkedCallIDs)+len(second.LinkedCallIDs) != 0 {
					t.Errorf("linked: %+v\n%+v", first, second)
				}
			})
		})
	}
}

// TestSemiAttendedTransferUnwanted: who is transferred hangs up; the transferor's second call is a call as any other.
func TestSemiAttendedTransferUnwanted(t *testing.T) {
	run(t, nil, func(w *world) {
		x := w.halfConsult(true)
		x.refer("100", "180")
		x.b.send(msg.BYE, "").want(200)
		w.notified("487", "terminated")
		w.wire.next(msg.BYE).reply(200)
		x.out.reply(200, sdp(calleeIP, 5200))
		x.c.learn(x.in.want(200))
		x.c.ack(x.c.lastInviteNumber, "")
		w.wire.none(msg.BYE)
		x.connected(x.c, w.callee(x.out))
		w.end(x.c)
	})
}

// TestSemiAttendedTransferOnce: a leg is promised once, and only the transferor's own.
func TestSemiAttendedTransferOnce(t *testing.T) {
	run(t, nil, func(w *world) {
		x := w.halfConsult(true)
		e, _, _, _ := w.talk()
		x.refer("100", "180")
		for _, named := range []string{x.c.named(), w.callee(x.out).named()} {
			e.send(msg.REFER, "", "Refer-To: <sip:4930123@x?Replaces="+url.QueryEscape(named)+">").want(202)
			w.notified("100", "active")
			n := w.wire.next(msg.NOTIFY)
			if got := string(n.req.Body[:11]); got != "SIP/2.0 481" && got != "SIP/2.0 603" {
				t.Errorf("NOTIFY %s", n.req.Body)
			}
			n.reply(200)
		}
		x.out.reply(486)
		x.in.want(486)
		w.notified("486", "terminated")
		w.end(x.a)
		w.end(e)
	})
}

// TestSemiAttendedTransferCrosses: whatever crosses, in whatever order, each call ends once and nothing is left.
func TestSemiAttendedTransferCrosses(t *testing.T) {
	steps := []func(x *semi){
		func(x *semi) { x.sends(x.a.build(msg.BYE, x.a.cseq+10, "")) },
		func(x *semi) { x.sends(x.b.build(msg.BYE, x.b.cseq+10, "")) },
		(*semi).cancel,
		func(x *semi) { x.out.reply(200, sdp(calleeIP, 5200)) },
		func(x *semi) { x.m.Ack(x.c.build(msg.ACK, x.c.lastInviteNumber, "")) },
		func(x *semi) {
			to := "Refer-To: <sip:4930123@x?Replaces=" + url.QueryEscape(x.c.named()) + ">"
			x.sends(x.a.build(msg.REFER, x.a.cseq+5, "", to))
		},
	}
	for n := range 6 * 5 * 4 * 3 {
		order, left := []int(nil), []int{0, 1, 2, 3, 4, 5}
		for k, m := 6, n; k > 2; k-- {
			order = append(order, left[m%k])
			left = append(left[:m%k:m%k], left[m%k+1:]...)
			m /= k
		}
		run(t, nil, func(w *world) {
			x := w.halfConsult(true)
			for _, i := range order {
				steps[i](x)
			}
			if x.out.isCancelled() && !slices.Contains(order, 3) {
				x.out.reply(487)
			}
			for range 8 {
				time.Sleep(time.Second)
				w.answerAll()
			}
			steps[4](x) // it comes in the end
			for _, i := range w.m.List(sbc.CallFilter{}) {
				_ = w.m.HangUp(background(), i.ID, "")
			}
			if x.out.isCancelled() && !slices.Contains(order, 3) && !slices.Contains(order, 2) {
				x.out.reply(487)
			}
			for range 8 {
				time.Sleep(time.Second)
				w.answerAll()
			}
			if len(w.m.calls.all("")) != 0 {
				t.Errorf("a call is left after %v", order)
			}
		})
	}
}

// sends hands a request over, as edge does, without waiting for anything.
func (x *semi) sends(req *msg.Message) {
	x.m.Handle(&server{t: x.t, req: req}, req)
}
