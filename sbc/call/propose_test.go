package call

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// call gives the only call in progress.
func (w *world) call() *Call {
	w.t.Helper()
	cs := w.m.calls.all("")
	if len(cs) != 1 {
		w.t.Fatalf("%d calls", len(cs))
	}
	return cs[0]
}

// outcome is what became of a proposal.
type outcome struct {
	p     *proposal
	err   error
	heard int
}

// propose makes a re-INVITE of ours on one side, with an offer that comes from the other one.
func (w *world) propose(side sbc.Side, port int) *outcome {
	w.t.Helper()
	o := &outcome{}
	c := w.call()
	c.order(func() {
		l := c.a
		if side == sbc.SideCallee {
			l = c.b
		}
		o.p = &proposal{
			leg: l,
			offer: func() (Exchange, error) {
				return c.session.Offer(c.other(l).party, l.party, []byte(sdp("203.0.113.9", port)))
			},
			done: func(err error) { o.err, o.heard = err, o.heard+1 },
		}
		c.propose(o.p)
	})
	return o
}

// want sees how a proposal ended: code 0 is well.
func (o *outcome) want(t *testing.T, code int) {
	t.Helper()
	var refused *refusedError
	switch {
	case o.heard != 1:
		t.Fatalf("heard of %d times", o.heard)
	case code == 0 && o.err != nil:
		t.Errorf("ended with %v", o.err)
	case code != 0 && (!errors.As(o.err, &refused) || refused.code != code):
		t.Errorf("ended with %v, want %d", o.err, code)
	}
}

// TestPropose sends a re-INVITE of ours to either side: it is acknowledged, again for a repeated 2xx, and the answer is there.
func TestPropose(t *testing.T) {
	for _, side := range []sbc.Side{sbc.SideCaller, sbc.SideCallee} {
		run(t, nil, func(w *world) {
			a, _, _, _ := w.talk()
			o := w.propose(side, 7000)
			re := w.wire.next(msg.INVITE)
			if re.req.To.Tag() == "" || !bytes.Contains(re.req.Body, []byte("7000")) || re.req.Get("Contact") == "" {
				t.Fatalf("%s", re.req.AppendTo(nil))
			}
			acks := w.wire.ackCount()
			re.reply(100)
			re.reply(200, sdp(calleeIP, 7002))
			re.reply(200, sdp(calleeIP, 7002))
			if n := w.wire.ackCount(); n != acks+2 {
				t.Errorf("%d ACKs", n-acks)
			}
			o.want(t, 0)
			if !bytes.Contains(o.p.answer, []byte("7002")) {
				t.Errorf("answer %q", o.p.answer)
			}
			w.end(a)
		})
	}
}

// TestProposeEarly: what is proposed before the ACK waits for it (RFC 3261 14.1).
func TestProposeEarly(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		o := w.propose(sbc.SideCaller, 7000)
		w.wire.none(msg.INVITE)
		a.ack(a.lastInviteNumber, "")
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 7002))
		o.want(t, 0)
		w.end(a)
	})
}

// TestProposeGlare: ours met the peer's own. The peer's gets 491, ours is tried again after the delay of RFC 3261 14.1; the
// peer's retry in between passes.
func TestProposeGlare(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		o := w.propose(sbc.SideCallee, 7000)
		ours := w.wire.next(msg.INVITE)
		b.send(msg.INVITE, sdp(calleeIP, 6100)).want(491)
		ours.reply(491)
		time.Sleep(2 * time.Second)
		w.wire.none(msg.INVITE)
		theirs := b.send(msg.INVITE, sdp(calleeIP, 6100)) // its own wait was shorter: the Call-ID is ours
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 6000))
		theirs.want(200)
		time.Sleep(3 * time.Second)
		w.wire.none(msg.INVITE) // the ACK is awaited
		b.ack(b.cseq, "")
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 7002))
		o.want(t, 0)
		w.end(a)
	})
}

// TestProposeWhileOther: the other side's re-INVITE waits for ours and is carried on then.
func TestProposeWhileOther(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		o := w.propose(sbc.SideCallee, 7000)
		second := w.propose(sbc.SideCaller, 7100)
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		re.want(100)
		a.send(msg.INVITE, sdp(callerIP, 6002)).want(500)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 7002))
		o.want(t, 0)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		re.want(200)
		w.wire.none(msg.INVITE)
		a.ack(a.cseq-1, "")
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 7102))
		second.want(t, 0)
		w.end(a)
	})
}

// TestProposeRefused: the call goes on after a refusal, and ends when the dialog is gone.
func TestProposeRefused(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		o := w.propose(sbc.SideCaller, 7000)
		w.wire.next(msg.INVITE).reply(488)
		o.want(t, 488)
		if n := w.engine.last().rejected; n != 1 {
			t.Errorf("%d rounds rejected", n)
		}
		o = w.propose(sbc.SideCaller, 7000)
		for range maxProposalTries {
			w.wire.next(msg.INVITE).reply(500, "Retry-After: 3")
			time.Sleep(3 * time.Second)
		}
		w.wire.next(msg.INVITE).reply(491)
		o.want(t, 491)
		w.end(a)
	})
	for name, answer := range map[string]func(*sent){
		"481": func(s *sent) { s.reply(481) }, "silence": func(s *sent) { s.failed(msg.ErrTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				w.talk()
				w.propose(sbc.SideCallee, 7000)
				answer(w.wire.next(msg.INVITE))
				w.wire.next(msg.BYE).reply(200)
				w.wire.next(msg.BYE).reply(481)
				if d := w.cdr(); d.EndReason != sbc.EndError || d.ReleasedBy != sbc.SideCallee {
					t.Errorf("end %s by %s", d.EndReason, d.ReleasedBy)
				}
			})
		})
	}
}

// TestProposeOver: a BYE ends what is under way and what waits; the 200 that crosses is acknowledged.
func TestProposeOver(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		first, second := w.propose(sbc.SideCallee, 7000), w.propose(sbc.SideCaller, 7000)
		re := w.wire.next(msg.INVITE)
		w.end(a)
		acks := w.wire.ackCount()
		re.reply(200, sdp(calleeIP, 7002))
		if w.wire.ackCount() != acks+1 {
			t.Error("the crossing 200 was not acknowledged")
		}
		for _, o := range []*outcome{first, second} {
			if o.heard != 1 || !errors.Is(o.err, errOver) {
				t.Errorf("heard %d times: %v", o.heard, o.err)
			}
		}
	})
}

// TestProposeAfterDropped: a re-INVITE to the side that stays was on its way when the other side was replaced. It is cancelled, and the
// next one waits for its end (RFC 3261 14.1), however it ends.
func TestProposeAfterDropped(t *testing.T) {
	for name, end := range map[string]func(*sent){
		"487": func(s *sent) { s.reply(487) }, "200": func(s *sent) { s.reply(200, sdp(callerIP, 4000)) },
		"silence": func(s *sent) { s.failed(msg.ErrTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, _, _ := w.talk()
				b.send(msg.REFER, "", "Refer-To: <sip:4930777@x.example>").want(202)
				w.wire.next(msg.NOTIFY).reply(200)
				target := w.wire.next(msg.INVITE)
				change := b.send(msg.INVITE, sdp(calleeIP, 5002))
				old := w.wire.next(msg.INVITE)
				old.reply(100)
				target.reply(200, sdp(calleeIP, 6000))
				change.want(487)
				if !old.isCancelled() {
					t.Error("the first re-INVITE was not cancelled")
				}
				w.wire.none(msg.INVITE)
				a.send(msg.INVITE, sdp(callerIP, 4010)).want(491)
				w.callee(target).send(msg.INVITE, sdp(calleeIP, 6002)).want(500)
				acks := w.wire.ackCount()
				end(old)
				if n := w.wire.ackCount() - acks; n != map[string]int{"200": 1}[name] {
					t.Errorf("%d ACKs", n)
				}
				re := w.wire.next(msg.INVITE)
				if re.target.Host != a.ip || !bytes.Contains(re.req.Body, []byte("6000")) {
					t.Errorf("%s", re.req.AppendTo(nil))
				}
				re.reply(200, sdp(callerIP, 4000))
				w.wire.next(msg.NOTIFY).reply(200)
				w.wire.next(msg.BYE).reply(200)
				w.wire.none(msg.INVITE)
				w.end(a)
			})
		})
	}
}
