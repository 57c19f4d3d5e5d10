package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// agreed brings a call to where both sides have acknowledged the first answer in a 183.
func (w *world) agreed(extra ...string) (*peer, *peer, *server, *sent) {
	w.t.Helper()
	a := w.caller()
	in := a.invite(sdp(callerIP, 4000), "Require: 100rel")
	out := w.wire.next(msg.INVITE)
	out.reliably(1, 183, append(extra, sdp(calleeIP, 5000))...)
	if p := in.want(183); len(p.Body) == 0 {
		w.t.Fatal("no early media")
	}
	s := a.prack(in.last(), "")
	w.wire.next(msg.PRACK).reply(200)
	s.want(200)
	return a, w.callee(out), in, out
}

// finish answers an early call without SDP and hangs up.
func (w *world) finish(a *peer, in *server, out *sent) {
	w.t.Helper()
	out.reply(200)
	ok := in.want(200)
	if len(ok.Body) != 0 {
		w.t.Errorf("SDP after the answer: %s", ok.Body)
	}
	a.learn(ok)
	a.ack(a.lastInviteNumber, "")
	w.end(a)
}

// wantPort sees that a message speaks of a port.
func wantPort(t *testing.T, m *msg.Message, port int) {
	t.Helper()
	if !strings.Contains(string(m.Body), fmt.Sprintf("m=audio %d", port)) {
		t.Errorf("port %d is not in\n%s", port, m.AppendTo(nil))
	}
}

// TestEarlyUpdateReliable: once the first offer was answered reliably on both legs, either side may change the session before
// the 200 (RFC 3311 5.1).
func TestEarlyUpdateReliable(t *testing.T) {
	for _, mode := range []sbc.Reliable{sbc.ReliableTerminate, sbc.ReliablePass} {
		t.Run(string(mode), func(t *testing.T) {
			run(t, modes(mode, mode), func(w *world) {
				a, b, in, out := w.agreed()
				up := a.send(msg.UPDATE, sdp(callerIP, 4100))
				far := w.wire.next(msg.UPDATE)
				wantPort(t, far.req, 4100)
				b.send(msg.UPDATE, sdp(calleeIP, 5100)).want(491) // RFC 3311 5.2
				far.reply(200, sdp(calleeIP, 5100))
				wantPort(t, up.want(200), 5100)

				up = b.send(msg.UPDATE, sdp(calleeIP, 5200))
				far = w.wire.next(msg.UPDATE)
				wantPort(t, far.req, 5200)
				a.send(msg.UPDATE, sdp(callerIP, 4200)).want(491)
				far.reply(200, sdp(callerIP, 4200))
				wantPort(t, up.want(200), 4200)

				up = a.send(msg.UPDATE, sdp(callerIP, 4300))
				w.wire.next(msg.UPDATE).reply(488)
				up.want(488)
				w.finish(a, in, out)
			})
		})
	}
}

// TestEarlyUpdateTooSoon: without a reliable answer on both legs an offer cannot pass; it may be tried again (RFC 3311 5.2).
func TestEarlyUpdateTooSoon(t *testing.T) {
	for name, early := range map[string]func(w *world, in *server, out *sent, a *peer){
		"nothing was answered": func(_ *world, _ *server, out *sent, _ *peer) { out.reply(180) },
		"the PRACK is missing": func(w *world, _ *server, out *sent, _ *peer) {
			out.reliably(1, 183, sdp(calleeIP, 5000))
			w.wire.next(msg.PRACK).reply(200)
		},
		"the callee is not reliable": func(w *world, in *server, out *sent, a *peer) {
			out.reply(183, sdp(calleeIP, 5000))
			a.prack(in.want(183), "").want(200)
		},
		"the callee takes no UPDATE": func(w *world, in *server, out *sent, a *peer) {
			out.reliably(1, 183, "Allow: INVITE, ACK, BYE, CANCEL", sdp(calleeIP, 5000))
			w.wire.next(msg.PRACK).reply(200)
			a.prack(in.want(183), "").want(200)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
				out := w.wire.next(msg.INVITE)
				early(w, in, out, a)
				a.learn(in.last())
				if m := a.send(msg.UPDATE, sdp(callerIP, 4100)).want(500); m.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
				w.wire.none(msg.UPDATE)
				out.reply(486)
				in.want(486)
			})
		})
	}
}

// TestEarlyUpdateEnds: what is under way when the attempt fails is answered, and the next attempt is none the worse.
func TestEarlyUpdateEnds(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, in, out := w.agreed()
		up := a.send(msg.UPDATE, sdp(callerIP, 4100))
		far := w.wire.next(msg.UPDATE)
		out.reply(503)
		up.want(487)
		two := w.wire.next(msg.INVITE)
		wantPort(t, two.req, 4000)
		far.reply(200, sdp(calleeIP, 5100)) // late
		two.reply(200, sdp("198.51.100.11", 5555))
		ok := in.want(200)
		wantPort(t, ok, 5555)
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

// TestEarlyUpdateLost: a fork that does not know an early dialog ends no call; what becomes of it the INVITE tells.
func TestEarlyUpdateLost(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, in, out := w.agreed()
		up := a.send(msg.UPDATE, sdp(callerIP, 4100))
		w.wire.next(msg.UPDATE).failed(msg.ErrTimeout)
		up.want(408)
		w.finish(a, in, out)
	})
}

// TestEarlyUpdateOfFork: each fork is a dialog of its own (RFC 3261 12.1): the one that changes its session is the one heard.
func TestEarlyUpdateOfFork(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, in, out := w.agreed()
		out.replyAs("other", 183, "Require: 100rel", "RSeq: 7", sdp(calleeIP, 6000))
		w.wire.next(msg.PRACK).reply(200)
		second := in.want(183)
		wantPort(t, second, 6000)
		a.prack(second, "").want(200)
		up := b.send(msg.UPDATE, sdp(calleeIP, 5100)) // the first fork
		far := w.wire.next(msg.UPDATE)
		if far.req.From.Tag() != second.To.Tag() {
			t.Errorf("in dialog %q, the caller's newest is %q", far.req.From.Tag(), second.To.Tag())
		}
		far.reply(200, sdp(callerIP, 4100))
		wantPort(t, up.want(200), 4100)
		out.reply(200)
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

// TestOfferInPRACK: a PRACK may bring a new offer (RFC 3262 5). It goes on in the PRACK to the callee if there is one to send,
// else as UPDATE; where neither is possible it is refused, and the response counts as acknowledged.
func TestOfferInPRACK(t *testing.T) {
	start := func(w *world, reliably bool) (*peer, *server, *sent) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		if reliably {
			out.reliably(1, 183, sdp(calleeIP, 5000))
		} else {
			out.reply(183, sdp(calleeIP, 5000))
		}
		in.want(183)
		return a, in, out
	}
	t.Run("terminate", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a, in, out := start(w, true)
			w.wire.next(msg.PRACK).reply(200)
			p := a.prack(in.last(), sdp(callerIP, 4100))
			up := w.wire.next(msg.UPDATE)
			wantPort(t, up.req, 4100)
			up.reply(200, sdp(calleeIP, 5100))
			m := p.want(200)
			wantPort(t, m, 5100)
			if m.Has("Contact") {
				t.Error("a PRACK refreshes no target")
			}
			w.finish(a, in, out)
		})
	})
	t.Run("pass", func(t *testing.T) {
		run(t, modes(sbc.ReliablePass, sbc.ReliablePass), func(w *world) {
			a, in, out := start(w, true)
			w.wire.none(msg.PRACK)
			p := a.prack(in.last(), sdp(callerIP, 4100))
			far := w.wire.next(msg.PRACK)
			wantPort(t, far.req, 4100)
			if far.req.Get("RAck") != "1 1 INVITE" || far.req.Has("Contact") {
				t.Errorf("%s", far.req.AppendTo(nil))
			}
			w.wire.none(msg.UPDATE)
			far.reply(200, sdp(calleeIP, 5100))
			wantPort(t, p.want(200), 5100)
			w.finish(a, in, out)
		})
	})
	t.Run("refused by the callee", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a, in, out := start(w, true)
			w.wire.next(msg.PRACK).reply(200)
			p := a.prack(in.last(), sdp(callerIP, 4100))
			w.wire.next(msg.UPDATE).reply(488)
			p.want(488)
			time.Sleep(time.Minute)
			if in.count(183) != 1 {
				t.Errorf("%d times", in.count(183))
			}
			w.finish(a, in, out)
		})
	})
	t.Run("the callee is not reliable", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a, in, out := start(w, false)
			a.prack(in.last(), sdp(callerIP, 4100)).want(488)
			w.wire.none(msg.UPDATE)
			out.reply(200, sdp(calleeIP, 5000))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		})
	})
}

// TestLateOfferReliable: the callee's offer comes in a reliable 183 and the caller's answer in its PRACK (RFC 3262 5); the 2xx
// has no SDP. It needs both: a caller who cannot gets the offer in the 2xx.
func TestLateOfferReliable(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite("", "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		if !asks(out.req, "Supported", "100rel") {
			t.Error("100rel is not offered")
		}
		out.reliably(1, 180)
		w.wire.next(msg.PRACK).reply(200)
		a.prack(in.want(180), "").want(200)
		out.reliably(2, 183, sdp(calleeIP, 5000))
		early := in.want(183)
		wantPort(t, early, 5000)
		w.wire.none(msg.PRACK)                    // it waits for the answer
		out.reliably(2, 183, sdp(calleeIP, 5000)) // and so the callee repeats itself
		if in.count(183) != 1 {
			t.Error("a repetition was passed on")
		}
		a.prack(early, "").want(488) // no answer
		p := a.prack(early, sdp(callerIP, 4000))
		far := w.wire.next(msg.PRACK)
		wantPort(t, far.req, 4000)
		if far.req.Get("RAck") != "2 1 INVITE" {
			t.Errorf("RAck %s", far.req.Get("RAck"))
		}
		far.reply(200)
		p.want(200)
		up := a.send(msg.UPDATE, sdp(callerIP, 4100))
		w.wire.next(msg.UPDATE).reply(200, sdp(calleeIP, 5100))
		up.want(200)
		w.finish(a, in, out)
	})
	t.Run("a caller without PRACK", func(t *testing.T) {
		run(t, nil, func(w *world) {
			in := w.caller().invite("")
			out := w.wire.next(msg.INVITE)
			if asks(out.req, "Supported", "100rel") {
				t.Error("100rel is offered")
			}
			out.reply(486)
			in.want(486)
		})
		run(t, modes("", sbc.ReliableRequire), func(w *world) {
			in := w.caller().invite("")
			w.wire.none(msg.INVITE)
			in.want(488)
		})
	})
	t.Run("another attempt", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a := w.caller()
			in := a.invite("", "Supported: 100rel")
			out := w.wire.next(msg.INVITE)
			out.reliably(1, 183, sdp(calleeIP, 5000))
			early := in.want(183)
			out.reply(503)
			two := w.wire.next(msg.INVITE)
			a.prack(early, sdp(callerIP, 4000)).want(200) // the offer of an attempt that is over
			w.wire.none(msg.PRACK)
			two.reply(200, sdp("198.51.100.11", 5555))
			ok := in.want(200)
			wantPort(t, ok, 5555)
			if ok.To.Tag() == early.To.Tag() {
				t.Error("a second offer in the same dialog")
			}
			a.learn(ok)
			a.ack(a.lastInviteNumber, sdp(callerIP, 4002))
			w.end(a)
		})
	})
	t.Run("an offer that cannot be used", func(t *testing.T) {
		run(t, nil, func(w *world) {
			in := w.caller().invite("", "Supported: 100rel")
			out := w.wire.next(msg.INVITE)
			w.engine.refuse = media.ErrBadSDP
			out.reliably(1, 183, sdp(calleeIP, 5000))
			if !out.isCancelled() {
				t.Error("not cancelled")
			}
			out.reply(487)
			in.want(488)
		})
	})
}

// TestReliableTarget: the target of a transfer may send reliably like any callee, and its 200 may leave out what it said before.
func TestReliableTarget(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "Refer-To: <sip:49222@anywhere.example>").want(202)
		w.notified("100", "active;expires=")
		target := w.wire.next(msg.INVITE)
		if !asks(target.req, "Supported", "100rel") {
			t.Errorf("%s", target.req.AppendTo(nil))
		}
		target.reliably(40, 183, sdp("198.51.100.30", 7000))
		p := w.wire.next(msg.PRACK)
		if p.req.Get("RAck") != "40 1 INVITE" || p.req.To.Tag() != target.tag {
			t.Errorf("%s", p.req.AppendTo(nil))
		}
		p.reply(200)
		w.notified("183", "active")
		target.reply(200)
		re := w.wire.next(msg.INVITE)
		wantPort(t, re.req, 7000)
		re.reply(200, sdp(callerIP, 4000))
		w.notified("200", "terminated;reason=noresource")
		w.wire.next(msg.BYE).reply(200)
		w.end(a)
	})
}
