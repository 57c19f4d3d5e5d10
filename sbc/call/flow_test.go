package call

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The flows of RFC 3665, as seen through the border.

// TestSuccessfulSession is RFC 3665 3.1.
func TestSuccessfulSession(t *testing.T) {
	run(t, nil, func(w *world) {
		start := time.Now()
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Max-Forwards: 20")
		in.want(100)
		out := w.wire.next(msg.INVITE)
		if out.req.MaxForwards != 19 {
			t.Errorf("Max-Forwards %d, want 19", out.req.MaxForwards)
		}
		if got, want := out.req.RequestURI.String(), "sip:4930123@198.51.100.10:5060"; got != want {
			t.Errorf("Request-URI %s, want %s", got, want)
		}
		if f := out.req.From; f.URI.User != "+441234" || f.URI.Host != borderB || f.Display != "Alice" {
			t.Errorf("From %s", f)
		}
		time.Sleep(2 * time.Second)
		out.reply(180)
		ring := in.want(180)
		time.Sleep(3 * time.Second)
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		if ring.To.Tag() == "" || ring.To.Tag() != ok.To.Tag() {
			t.Errorf("To tags %q and %q", ring.To.Tag(), ok.To.Tag())
		}
		if len(ok.Body) == 0 || w.wire.ackCount() != 1 {
			t.Errorf("body %q, %d ACKs", ok.Body, w.wire.ackCount())
		}
		if len(w.ledger.answered) != 1 {
			t.Errorf("%d records of the answer", len(w.ledger.answered))
		}
		a.learn(ok)
		info := w.m.List(sbc.CallFilter{})
		if len(info) != 1 || info[0].State != sbc.CallAnswered || len(info[0].Legs) != 2 {
			t.Fatalf("list %+v", info)
		}
		a.ack(a.lastInviteNumber, "")
		if !in.acked {
			t.Error("the transaction was not told of the ACK")
		}
		if i, found := w.m.Get(info[0].ID); !found || i.State != sbc.CallConfirmed || i.EndsAt == nil {
			t.Errorf("get %+v", i)
		}
		time.Sleep(10 * time.Second)
		w.end(a)
		d := w.cdr()
		if d.EndReason != sbc.EndCallerBye || d.ReleasedBy != sbc.SideCaller || d.Disposition != sbc.DispositionAnswered ||
			d.FinalCode != 200 {
			t.Errorf("end %+v", d)
		}
		if d.PDDMS != 2000 || d.SetupMS != 5000 || d.RingMS != 3000 || d.DurationMS != 10000 || d.BillableMS != 10000 ||
			d.Q850Cause != 16 {
			t.Errorf("times pdd %d setup %d ring %d duration %d billable %d", d.PDDMS, d.SetupMS, d.RingMS, d.DurationMS, d.BillableMS)
		}
		if !d.StartedAt.Equal(start) || len(d.Legs) != 2 || len(d.Attempts) != 1 || len(d.Media) == 0 || d.RuleID != "rul_1" {
			t.Errorf("record %+v", d)
		}
		if d.Caller != "+441234" || d.Callee != "4930123" || d.CalleeSent != "4930123" || d.EgressTrunkID != "trk_b" ||
			d.ConfigRevision != 7 {
			t.Errorf("record %+v", d)
		}
		ms, found := w.m.Messages(d.CallID)
		if !found || len(ms) < 13 {
			t.Errorf("ladder of %d messages", len(ms))
		}
		if _, found := w.m.Media(d.CallID); !found {
			t.Error("no media figures of the ended call")
		}
	})
}

// TestCalleeHangsUp is the other half of RFC 3665 3.1, with a wrong Request-URI and no Route: matched by tags alone.
func TestCalleeHangsUp(t *testing.T) {
	run(t, nil, func(w *world) {
		_, b, _, _ := w.talk()
		b.send(msg.BYE, "", `Reason: Q.850;cause=27;text="x"`).want(200)
		bye := w.wire.next(msg.BYE)
		if bye.target.Host != callerIP || bye.req.To.Tag() == "" {
			t.Errorf("BYE to %s", bye.target.Host)
		}
		bye.reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndCalleeBye || d.ReleasedBy != sbc.SideCallee || d.Q850Cause != 27 {
			t.Errorf("end %s by %s cause %d", d.EndReason, d.ReleasedBy, d.Q850Cause)
		}
	})
}

// TestBusy is RFC 3665 3.9.
func TestBusy(t *testing.T) {
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(486, "Retry-After: 5")
		in.want(486)
		w.wire.none(msg.INVITE)
		if d := w.cdr(); d.EndReason != sbc.EndBusy || d.Disposition != sbc.DispositionBusy || d.FinalCode != 486 ||
			d.Q850Cause != 17 ||
			d.ReleasedBy != sbc.SideCallee || d.Attempts[0].Code != 486 {
			t.Errorf("record %+v", d)
		}
	})
}

// TestNoAnswer is RFC 3665 3.8: the attempt rings too long, is cancelled, and there is no other that 480 would advance to.
func TestNoAnswer(t *testing.T) {
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		time.Sleep(119 * time.Second)
		if out.isCancelled() {
			t.Fatal("cancelled too early")
		}
		time.Sleep(2 * time.Second)
		if !out.isCancelled() {
			t.Fatal("not cancelled after 120 s")
		}
		out.reply(487)
		in.want(480)
		if d := w.cdr(); d.EndReason != sbc.EndNoAnswer || d.Disposition != sbc.DispositionNoAnswer || d.ReleasedBy != sbc.SideSBC {
			t.Errorf("record %+v", d)
		}
	})
}

// TestDeafCancel: the callee never answers the cancelled INVITE; nobody waits for it for ever.
func TestDeafCancel(t *testing.T) {
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		time.Sleep(121 * time.Second)
		time.Sleep(5 * time.Second)
		in.want(480)
		w.cdr()
		out.reply(200, sdp(calleeIP, 5000)) // it comes after all (RFC 5407 3.1.2)
		if w.wire.ackCount() != 1 {
			t.Error("a late 2xx was not acknowledged")
		}
		w.wire.next(msg.BYE).reply(200)
	})
}

// TestCancel is RFC 3665 3.8's other half: the caller gives up.
func TestCancel(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onCancel(a.build(msg.CANCEL, a.cseq, "", "Reason: SIP;cause=200"))
		in.want(487)
		if !out.isCancelled() {
			t.Error("not cancelled")
		}
		out.reply(487)
		d := w.cdr()
		if d.EndReason != sbc.EndCallerCancel || d.Disposition != sbc.DispositionCanceled || d.FinalCode != 487 ||
			d.ReleasedBy != sbc.SideCaller {
			t.Errorf("record %+v", d)
		}
		if d.Attempts[0].Code != 487 {
			t.Errorf("attempt %+v", d.Attempts[0])
		}
	})
}

// TestCancelBeforeProvisional: nothing may be sent before the callee was heard (RFC 3261 9.1).
func TestCancelBeforeProvisional(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		in.want(487)
		if out.isCancelled() {
			t.Fatal("CANCEL before a provisional")
		}
		out.reply(100)
		if !out.isCancelled() {
			t.Fatal("no CANCEL after the provisional")
		}
		out.reply(487)
		w.cdr()
	})
}

// TestCancelCrosses200 is RFC 5407 3.1.2: the callee answered while we cancelled.
func TestCancelCrosses200(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		in.want(487)
		out.reply(200, sdp(calleeIP, 5000))
		if w.wire.ackCount() != 1 {
			t.Error("no ACK")
		}
		out.reply(200, sdp(calleeIP, 5000))
		if w.wire.ackCount() != 2 {
			t.Error("the repeated 200 was not acknowledged")
		}
		w.wire.next(msg.BYE).reply(200)
		w.wire.none(msg.BYE)
		if d := w.cdr(); d.EndReason != sbc.EndCallerCancel || d.AnsweredAt != nil {
			t.Errorf("record %+v", d)
		}
	})
}

// TestByesCross is RFC 5407 3.2.1.
func TestByesCross(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		a.send(msg.BYE, "").want(200)
		bye := w.wire.next(msg.BYE)
		b.send(msg.BYE, "").want(200)
		bye.reply(481)
		d := w.cdr()
		if d.EndReason != sbc.EndCallerBye {
			t.Errorf("end %s", d.EndReason)
		}
		a.send(msg.BYE, "").want(200) // late, again: not 481 (pitfall P13)
		time.Sleep(40 * time.Second)
	})
}

// TestByeBeforeAck: the callee hangs up before the caller's ACK came (RFC 5407 3.1.3): our BYE waits for it (RFC 3261 15).
func TestByeBeforeAck(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		w.callee(out).send(msg.BYE, "").want(200)
		w.wire.none(msg.BYE)
		a.ack(a.lastInviteNumber, "")
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndCalleeBye {
			t.Errorf("end %s", d.EndReason)
		}
	})
}

// TestNoAck: 64*T1 without ACK ends both legs (RFC 3261 13.3.1.4).
func TestNoAck(t *testing.T) {
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		in.want(200)
		in.onFailed(msg.ErrNoAck)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		if d := w.cdr(); d.EndReason != sbc.EndNoAck || d.ReleasedBy != sbc.SideSBC {
			t.Errorf("end %s by %s", d.EndReason, d.ReleasedBy)
		}
	})
}

// TestCallerByeWhileRinging: RFC 3261 15 lets the caller say BYE on an early dialog; the INVITE gets 487.
func TestCallerByeWhileRinging(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		a.learn(in.want(180))
		a.send(msg.BYE, "").want(200)
		in.want(487)
		out.reply(487)
		if d := w.cdr(); d.EndReason != sbc.EndCallerBye || d.Disposition != sbc.DispositionCanceled {
			t.Errorf("record %+v", d)
		}
	})
}

// TestRepeated200 is RFC 3261 13.2.2.4: each repeated 2xx is acknowledged, nothing else happens.
func TestRepeated200(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, out := w.talk()
		out.reply(200, sdp(calleeIP, 5000))
		out.reply(200, sdp(calleeIP, 5000))
		if n := w.wire.ackCount(); n != 3 {
			t.Errorf("%d ACKs, want 3", n)
		}
		w.end(a)
	})
}

// TestForks: several provisionals and two 2xx of one target. The caller sees one dialog; the loser gets ACK and BYE.
func TestForks(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.replyAs("one", 183, sdp(calleeIP, 5000))
		first := in.want(183)
		out.replyAs("two", 180)
		second := in.want(180)
		if first.To.Tag() != second.To.Tag() || len(first.Body) == 0 {
			t.Errorf("tags %q %q, body %q", first.To.Tag(), second.To.Tag(), first.Body)
		}
		out.replyAs("two", 200, sdp(calleeIP, 5002))
		a.learn(in.want(200))
		out.replyAs("one", 200, sdp(calleeIP, 5000))
		out.replyAs("one", 200, sdp(calleeIP, 5000))
		if n := w.wire.ackCount(); n != 3 {
			t.Errorf("%d ACKs, want 3", n)
		}
		bye := w.wire.next(msg.BYE)
		if bye.req.To.Tag() != "one" {
			t.Errorf("BYE for %q", bye.req.To.Tag())
		}
		bye.reply(200)
		w.wire.none(msg.BYE)
		a.ack(a.lastInviteNumber, "")
		a.send(msg.BYE, "").want(200)
		bye = w.wire.next(msg.BYE)
		if bye.req.To.Tag() != "two" {
			t.Errorf("BYE for %q", bye.req.To.Tag())
		}
		bye.reply(200)
	})
}

// TestOfferless is RFC 3261 13.2.1: the offer comes in the 200, the answer in the ACK, across the border.
func TestOfferless(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite("")
		out := w.wire.next(msg.INVITE)
		if len(out.req.Body) != 0 {
			t.Error("an offer from nowhere")
		}
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		if len(ok.Body) == 0 || w.wire.ackCount() != 0 {
			t.Fatalf("body %q, %d ACKs", ok.Body, w.wire.ackCount())
		}
		out.reply(200, sdp(calleeIP, 5000)) // repeated while we wait
		a.learn(ok)
		a.ack(a.lastInviteNumber, sdp(callerIP, 4000))
		if w.wire.ackCount() != 1 || len(w.wire.acks[0].Body) == 0 {
			t.Fatal("the answer did not arrive in the ACK")
		}
		w.end(a)
	})
}

// TestOfferlessWithoutAnswer: no answer in the ACK: no session.
func TestOfferlessWithoutAnswer(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite("")
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		if w.wire.ackCount() != 1 {
			t.Error("no ACK")
		}
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndError {
			t.Errorf("end %s", d.EndReason)
		}
	})
}
