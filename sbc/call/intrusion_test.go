package call

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// unanswered counts our requests of a method that have no answer.
func (w *world) unanswered(method msg.Method) (n int) {
	w.wire.mu.Lock()
	defer w.wire.mu.Unlock()
	for _, s := range w.wire.sent {
		if s.req.Method == method && !s.heard {
			n++
		}
	}
	return n
}

// fails ends our requests of a method that have no answer, as edge does in the end.
func (w *world) fails(method msg.Method) {
	w.wire.mu.Lock()
	var open []*sent
	for _, s := range w.wire.sent {
		if s.req.Method == method && !s.heard {
			s.heard, s.taken = true, true
			open = append(open, s)
		}
	}
	w.wire.mu.Unlock()
	for _, s := range open {
		s.failed(msg.ErrTimeout)
	}
}

// TestFloodOfREFER: whoever asks again and again and answers no NOTIFY is refused soon, and may ask again later.
func TestFloodOfREFER(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		var last *server
		for range 50 {
			last = b.send(msg.REFER, "", "Refer-To: <sip:77@x.example>") // not permitted
		}
		if res := last.want(500); res.Get("Retry-After") == "" {
			t.Error("500 without Retry-After")
		}
		if n := w.unanswered(msg.NOTIFY); n > maxUntaken+2 {
			t.Errorf("%d NOTIFYs are under way", n)
		}
		w.fails(msg.NOTIFY)
		b.send(msg.REFER, "", "Refer-To: <sip:77@x.example>").want(202)
		w.fails(msg.NOTIFY)
		w.end(a)
	})
}

// TestFloodOfRinging: a target that rings in many ways is not a way to flood who asked for the transfer, nor who listens.
func TestFloodOfRinging(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
		target := w.wire.next(msg.INVITE)
		for i := range 100 {
			target.reply(180 + i%4)
		}
		if n := w.unanswered(msg.NOTIFY); n > maxUntaken {
			t.Errorf("%d NOTIFYs are under way", n)
		}
		if n := len(w.events.of(sbc.EventCallTransfer)); n != 2 {
			t.Errorf("%d events", n)
		}
		target.reply(486)
		w.fails(msg.NOTIFY)
		w.end(a)
	})
}

// TestFloodOfForks: a callee that answers as ever new forks has no more than some of them released.
func TestFloodOfForks(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, out := w.talk()
		for i := range 100 {
			out.replyAs(fmt.Sprint("fork", i), 200, sdp(calleeIP, 5000))
		}
		if n := w.unanswered(msg.BYE); n > maxDismissed {
			t.Errorf("%d BYEs are under way", n)
		}
		w.fails(msg.BYE)
		w.end(a)
	})
}

// TestFloodOfReliableRinging: a callee that does not answer our PRACKs is not believed any number of reliable responses.
func TestFloodOfReliableRinging(t *testing.T) {
	terminate := signalling(func(p *sbc.SignallingProfile) { p.ReliableProvisional = sbc.ReliableTerminate })
	run(t, terminate, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		for i := range 100 {
			out.reply(183, "Require: 100rel", fmt.Sprint("RSeq: ", i+1))
		}
		if n := w.unanswered(msg.PRACK); n == 0 || n > maxUntaken {
			t.Errorf("%d PRACKs are under way", n)
		}
		out.reply(486)
		in.want(486)
		w.fails(msg.PRACK)
	})
}

// TestForeignDialogHasNoToken: a REFER that is carried names no dialog but its sender's own; a token for another's would be a way
// into its call.
func TestForeignDialogHasNoToken(t *testing.T) {
	run(t, bothCall, func(w *world) {
		w.snap.Signalling(nil).ReferMode = sbc.ReferPass
		a, _, _, d := w.consult()
		a.send(msg.REFER, "", "Refer-To: <sip:4930123@x.example?Replaces="+url.QueryEscape(d.named())+">").want(481)
		w.wire.none(msg.REFER)
		for _, i := range w.m.List(sbc.CallFilter{}) {
			_ = w.m.HangUp(background(), i.ID, "")
		}
		w.answerAll()
	})
}

// TestMergeAcrossTenants: two customers behind one address are two customers.
func TestMergeAcrossTenants(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, c, _ := w.consult()
		e := w.m.calls.tag(tagOf(c.remote))
		other := *e.leg.trunk
		other.ID, other.TenantID = "trk_other", "ten_other"
		e.leg.trunk, e.trunkID = &other, other.ID
		a.send(msg.REFER, "", "Refer-To: <sip:4930123@x.example?Replaces="+url.QueryEscape(c.named())+">").want(202)
		w.notified("100", "active")
		w.notified("603", "terminated")
		w.end(a)
		w.end(c)
	})
}

// TestReplacesCancelledBeforeItsTurn: the offer of an INVITE with Replaces waits for a change that is under way; nobody is there
// any more when its turn comes.
func TestReplacesCancelledBeforeItsTurn(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		change := a.send(msg.INVITE, sdp(callerIP, 4002))
		out := w.wire.next(msg.INVITE)
		n := w.caller()
		in := n.invite(sdp(callerIP, 8000), "Replaces: "+a.named())
		in.want(100)
		in.onCancel(n.build(msg.CANCEL, n.cseq, ""))
		in.want(487)
		out.reply(200, sdp(calleeIP, 5002))
		change.want(200)
		a.ack(a.cseq, "")
		w.wire.none(msg.INVITE)
		w.end(a)
	})
}

// TestTransferLoop: transfers use up Max-Forwards, so that calls that run in a circle end.
func TestTransferLoop(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Max-Forwards: 2")
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		for left := 1; left >= 0; left-- {
			w.callee(out).send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
			out = w.wire.next(msg.INVITE)
			if got := out.req.MaxForwards; got != left {
				t.Errorf("Max-Forwards %d, want %d", got, left)
			}
			out.reply(200, sdp("198.51.100.30", 7000))
			w.wire.next(msg.BYE).reply(200)
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		}
		w.callee(out).send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
		w.notified("100", "active")
		w.notified("483", "terminated")
		w.wire.none(msg.INVITE)
		w.end(a)
	})
}

// TestTransferWithoutMaxForwards: devices are found that send none.
func TestTransferWithoutMaxForwards(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a := w.caller()
		req := a.build(msg.INVITE, a.cseq, sdp(callerIP, 4000))
		req.Remove("Max-Forwards")
		in := &server{t: t, req: req}
		w.m.Handle(in, req)
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.cseq, "")
		w.callee(out).send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
		target := w.wire.next(msg.INVITE)
		if target.req.MaxForwards < 60 {
			t.Errorf("Max-Forwards %d", target.req.MaxForwards)
		}
		target.reply(486)
		w.end(a)
	})
}
