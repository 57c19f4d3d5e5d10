package call

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// rings begins a call of Alice's that rings at Bob's.
func (w *world) rings() (a, b *peer, in *server, out *sent) {
	w.t.Helper()
	a = w.caller()
	in = a.invite(sdp(callerIP, 4000))
	out = w.wire.next(msg.INVITE)
	out.reply(180)
	in.want(180)
	return a, w.callee(out), in, out
}

// TestPickUp: RFC 3891 3, RFC 5359 2.16. A phone that rings is replaced: its INVITE is cancelled, the caller is answered and then
// offered what the other phone says, which gets its 200 when the caller agrees.
func TestPickUp(t *testing.T) {
	for _, offer := range []string{sdp(calleeIP, 8000), ""} {
		t.Run("offer of "+[]string{"the phone", "ours"}[min(1, 1-min(1, len(offer)))], func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, in, out := w.rings()
				n := w.calls()
				picks := n.invite(offer, "Replaces: "+b.named()+";early-only", "Require: replaces")
				if !out.isCancelled() || !strings.Contains(out.cancel[0].Value, "cause=200") {
					t.Errorf("it still rings: %v", out.cancel)
				}
				out.reply(487)
				a.learn(in.want(200))
				w.wire.none(msg.INVITE) // before the ACK
				picks.want(100)
				a.ack(a.lastInviteNumber, "")
				if offer == "" {
					ok := picks.want(200)
					if !strings.Contains(string(ok.Body), "4000") {
						t.Errorf("the offer is not what the caller said: %s", ok.Body)
					}
					n.learn(ok)
					w.wire.none(msg.INVITE)
					n.ack(n.lastInviteNumber, sdp(calleeIP, 8000))
				}
				re := w.wire.next(msg.INVITE)
				if re.target.Host != a.ip || !strings.Contains(string(re.req.Body), "8000") {
					t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
				}
				re.reply(200, sdp(callerIP, 4000))
				if offer != "" {
					ok := picks.want(200)
					if !strings.Contains(string(ok.Body), "4000") {
						t.Errorf("the answer is not the caller's: %s", ok.Body)
					}
					n.learn(ok)
					n.ack(n.lastInviteNumber, "")
				}
				if !picks.acked {
					t.Error("the ACK was not seen")
				}
				for _, p := range []*peer{a, n} {
					info := p.send(msg.INFO, "")
					w.wire.next(msg.INFO).reply(200)
					info.want(200)
				}
				w.end(a)
				d := w.cdr()
				if d.Disposition != sbc.DispositionAnswered || len(d.Attempts) != 1 || d.Attempts[0].Reason != "picked up elsewhere" {
					t.Errorf("record %+v", d)
				}
				if len(d.Legs) != 3 || d.Legs[2].Role != "transfer_target" {
					t.Errorf("legs %+v", d.Legs)
				}
			})
		})
	}
}

// TestPickUpCrosses: what else may happen meanwhile ends neither in two talkers nor in a call that nobody ends.
func TestPickUpCrosses(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(t *testing.T, w *world, a, n *peer, in, picks *server, out *sent)
	}{
		{"the phone that rings answers", func(t *testing.T, w *world, a, n *peer, in, picks *server, out *sent) {
			out.reply(200, sdp(calleeIP, 5000))
			bye := w.wire.next(msg.BYE)
			if bye.req.CallID != out.req.CallID || w.wire.ackCount() != 1 {
				t.Errorf("%d ACKs and %s", w.wire.ackCount(), bye.req.AppendTo(nil))
			}
			bye.reply(200)
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
			n.learn(picks.want(200))
			n.ack(n.lastInviteNumber, "")
			w.end(a)
		}},
		{"the caller hangs up before its ACK", func(_ *testing.T, w *world, a, _ *peer, in, picks *server, out *sent) {
			out.reply(487)
			a.learn(in.want(200))
			a.send(msg.BYE, "").want(200)
			picks.want(487)
		}},
		{"the caller does not say ACK", func(_ *testing.T, w *world, a, _ *peer, in, picks *server, out *sent) {
			out.reply(487)
			in.onFailed(msg.ErrTimeout)
			picks.want(487)
			w.wire.next(msg.BYE).reply(200)
		}},
		{"who picks up thinks better of it", func(_ *testing.T, w *world, a, n *peer, in, picks *server, out *sent) {
			out.reply(487)
			picks.onCancel(n.build(msg.CANCEL, n.cseq, ""))
			picks.want(487)
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.wire.next(msg.BYE).reply(200)
		}},
		{"the caller does not agree", func(_ *testing.T, w *world, a, _ *peer, in, picks *server, out *sent) {
			out.reply(487)
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.wire.next(msg.INVITE).reply(488)
			picks.want(488)
			w.wire.next(msg.BYE).reply(200)
			w.wire.none(msg.INVITE)
		}},
		{"the phone that rings is silent from then on", func(_ *testing.T, w *world, a, n *peer, in, picks *server, _ *sent) {
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
			n.learn(picks.want(200))
			n.ack(n.lastInviteNumber, "")
			time.Sleep(200 * time.Second)
			w.end(a)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, in, out := w.rings()
				n := w.calls()
				picks := n.invite(sdp(calleeIP, 8000), "Replaces: "+b.named())
				tt.play(t, w, a, n, in, picks, out)
				w.wire.none(msg.BYE)
			})
		})
	}
}

// TestPickUpRefused: what may not be picked up goes on ringing, and is answered as if nothing had been asked.
func TestPickUpRefused(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, in, out := w.rings()
		n := w.caller() // the caller's dialog is early, and not one that we began
		a.learn(in.want(180))
		n.invite(sdp(callerIP, 8000), "Replaces: "+a.named()).want(481)
		n.invite(sdp(callerIP, 8000), "Replaces: "+b.named()).want(403)
		other := *b
		other.local = "<sip:x@x>;tag=another"
		p := w.calls()
		p.invite(sdp(calleeIP, 8000), "Replaces: "+other.named()).want(481)
		w.engine.last().mute = true // nothing that we speak
		p.invite(sdp(calleeIP, 8000), "Replaces: "+b.named()).want(488)
		w.engine.last().mute = false
		if out.isCancelled() {
			t.Fatal("it rings no more")
		}
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
	run(t, bothCall, func(w *world) { // RFC 3261 13.2.1: the caller waits for an offer
		a := w.caller()
		in := a.invite("")
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		w.calls().invite(sdp(calleeIP, 8000), "Replaces: "+w.callee(out).named()).want(488)
		out.reply(486)
		in.want(486)
	})
	run(t, bothCall, func(w *world) { // RFC 3262 3: our 200 would have to wait
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		out.reply(183, "Require: 100rel", "RSeq: 1", sdp(calleeIP, 5000))
		in.want(183)
		wantHeader(t, w.calls().invite(sdp(calleeIP, 8000), "Replaces: "+w.callee(out).named()).want(500), "Retry-After", "2")
		out.reply(486)
		in.want(486)
	})
}

// TestReplacesWithoutOffer: RFC 3261 13.2.1. Who takes a place and offers nothing is offered what the side that stays said
// last, and that side hears of its answer, which the ACK brings.
func TestReplacesWithoutOffer(t *testing.T) {
	for _, answer := range []string{sdp(calleeIP, 8000), ""} {
		run(t, bothCall, func(w *world) {
			a, b, _, _ := w.talk()
			n := w.calls()
			in := n.invite("", "Replaces: "+b.named())
			ok := in.want(200)
			if !strings.Contains(string(ok.Body), "4000") {
				t.Errorf("offer %s", ok.Body)
			}
			n.learn(ok)
			w.wire.next(msg.BYE).reply(200) // to who was replaced
			w.wire.none(msg.INVITE)
			n.ack(n.lastInviteNumber, answer)
			if answer == "" {
				for range 2 { // to both: there is no session
					w.wire.next(msg.BYE).reply(200)
				}
				return
			}
			re := w.wire.next(msg.INVITE)
			if re.target.Host != a.ip || !strings.Contains(string(re.req.Body), "8000") {
				t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
			}
			re.reply(200, sdp(callerIP, 4000))
			w.end(n)
		})
	}
	run(t, bothCall, func(w *world) { // the media has nothing to offer
		a, b, _, _ := w.talk()
		s := w.engine.last()
		said := s.said
		s.said = map[*media.Party][]byte{}
		w.calls().invite("", "Replaces: "+b.named()).want(488)
		s.said = said
		w.end(a)
	})
}

// TestMisplaced: RFC 3891 3, RFC 3911 4: headers that name a dialog where they may not, or that contradict each other.
func TestMisplaced(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		named := b.named()
		for _, headers := range [][]string{
			{"Replaces: x"}, {"Replaces: x;to-tag=1"}, {"Replaces:  "}, {"Join: x"}, {"Join: x;from-tag=1"},
			{"Replaces: " + named, "Join: " + named}, {"Join: " + named, "Join: " + named}, // two Replaces do not get past the parser
		} {
			w.calls().invite(sdp(calleeIP, 1), headers...).want(400)
		}
		w.calls().send(msg.OPTIONS, "", "Replaces: "+named).want(400)
		for _, m := range []msg.Method{msg.INVITE, msg.UPDATE, msg.REFER, msg.INFO} {
			b.send(m, "", "Replaces: "+named, "Refer-To: <sip:1@x>").want(400)
			a.send(m, "", "Join: "+named).want(400)
		}
		w.wire.none(msg.INVITE)
		a.send(msg.BYE, "", "Replaces: "+named).want(200) // it ends all the same
		w.wire.next(msg.BYE).reply(200)
	})
}

// TestJoin: RFC 3911. Who demands it is told that we have it not, who names a dialog of its own that nobody can be mixed into
// it, and all others are heard like any caller. The header goes nowhere.
func TestJoin(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		wantHeader(t, w.calls().invite(sdp(calleeIP, 1), "Join: x@y;to-tag=1;from-tag=2", "Require: join").want(420), "Unsupported", "join")
		w.wire.none(msg.INVITE)
		w.calls().invite(sdp(calleeIP, 1), "Join: "+b.named()).want(488)
		w.calls().invite(sdp(calleeIP, 1), "Join: "+b.named(), "Supported: join").want(488)
		for _, foreign := range []string{a.named(), "x@y;to-tag=1;from-tag=2"} {
			n := w.calls()
			in := n.invite(sdp(calleeIP, 7000), "Join: "+foreign)
			out := w.wire.next(msg.INVITE)
			if raw := string(out.req.AppendTo(nil)); strings.Contains(strings.ToLower(raw), "join") {
				t.Errorf("it went on:\n%s", raw)
			}
			out.reply(486)
			in.want(486)
		}
		if got := w.calls().send(msg.OPTIONS, "").want(200).Get("Supported"); strings.Contains(got, "join") || !strings.Contains(got, "replaces") {
			t.Errorf("Supported: %s", got)
		}
		w.end(a)
	})
}

// TestReplacesRules: the header rules of its trunk are applied to an INVITE with Replaces before anything reads it, and to what
// it is answered with.
func TestReplacesRules(t *testing.T) {
	run(t, nil, func(w *world) {
		ruledBy(w, bothCall, map[string][]sbc.HeaderRule{"trk_b": {
			{Stage: sbc.HeaderIn, Messages: "requests", Action: sbc.HeaderRemove, Header: "Require"},
			{Stage: sbc.HeaderOut, Messages: "responses", Action: sbc.HeaderSet, Header: "X-Border", Value: "{our.host}"},
		}})
		a, b, _, _ := w.talk()
		n := w.calls()
		in := n.invite(sdp(calleeIP, 8000), "Replaces: "+b.named(), "Require: something")
		w.wire.next(msg.INVITE).reply(488)
		wantHeader(t, in.want(488), "X-Border", borderB)
		in = n.invite(sdp(calleeIP, 8000), "Replaces: "+b.named()+";early-only")
		wantHeader(t, in.want(486), "X-Border", borderB)
		in = n.invite(sdp(calleeIP, 8000), "Replaces: "+b.named())
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		ok := in.want(200)
		wantHeader(t, ok, "X-Border", borderB)
		n.learn(ok)
		n.ack(n.lastInviteNumber, "")
		w.wire.next(msg.BYE).reply(200)
		w.end(a)
	})
}
