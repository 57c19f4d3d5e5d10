package call

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// answered brings a call to where the 200 is out and the caller's ACK is not there: the moratorium state of RFC 5407.
func (w *world) answered(extra ...string) (*peer, *peer, *server, *sent) {
	w.t.Helper()
	a := w.caller()
	in := a.invite(sdp(callerIP, 4000), extra...)
	out := w.wire.next(msg.INVITE)
	out.reply(200, sdp(calleeIP, 5000))
	a.learn(in.want(200))
	return a, w.callee(out), in, out
}

// TestRFC5407 plays the race conditions of RFC 5407 by their sections, each side of the border being what it is to its peer:
// callee to the caller, caller to the callee. 3.1.1 (the INVITE again) and the CANCEL of 3.1.2 end in the transaction layer:
// they are in integration.
func TestRFC5407(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(t *testing.T, w *world)
	}{
		{"3.1.2 our CANCEL meets the callee's 200", func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
			in.want(487)
			out.reply(200, sdp(calleeIP, 5000))
			if !out.isCancelled() || w.wire.ackCount() != 1 {
				t.Error("CANCEL and ACK are both due")
			}
			w.wire.next(msg.BYE).reply(200)
		}},
		{"3.1.3 the caller's BYE before its ACK", func(_ *testing.T, w *world) {
			a, _, _, _ := w.answered()
			a.send(msg.BYE, "").want(200)
			w.wire.next(msg.BYE).reply(200)
			a.ack(a.lastInviteNumber, "") // late: it changes nothing
			w.wire.none(msg.BYE)
		}},
		{"3.1.3 the callee's BYE before the ACK", func(_ *testing.T, w *world) {
			a, b, _, _ := w.answered()
			b.send(msg.BYE, "").want(200)
			w.wire.none(msg.BYE) // RFC 3261 15: not before the caller's ACK
			a.ack(a.lastInviteNumber, "")
			w.wire.next(msg.BYE).reply(200)
		}},
		{"3.1.4 re-INVITE before the ACK", func(_ *testing.T, w *world) {
			a, b, _, _ := w.answered()
			a.send(msg.INVITE, sdp(callerIP, 4100)).want(491)
			b.send(msg.INVITE, sdp(calleeIP, 5100)).want(491)
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
		{"3.1.5 UPDATE before the ACK", func(_ *testing.T, w *world) {
			a, b, _, _ := w.answered()
			a.send(msg.UPDATE, sdp(callerIP, 4100)).want(491)
			b.send(msg.UPDATE, sdp(calleeIP, 5100)).want(491)
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
		{"3.1.6 the ACK is lost and the caller hangs up", func(_ *testing.T, w *world) {
			a, _, _, out := w.answered()
			out.reply(200, sdp(calleeIP, 5000))
			a.send(msg.BYE, "").want(200)
			w.wire.next(msg.BYE).reply(200)
		}},
		{"3.2.1 BYE crosses BYE", func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			a.send(msg.BYE, "").want(200)
			mine := w.wire.next(msg.BYE)
			b.send(msg.BYE, "").want(200)
			mine.reply(481)
		}},
		{"3.2.2 re-INVITE crosses our BYE", func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			a.send(msg.BYE, "").want(200)
			mine := w.wire.next(msg.BYE)
			b.send(msg.INVITE, sdp(calleeIP, 5100)).want(481)
			if w.engine.last().pending != 0 {
				t.Error("a round was begun")
			}
			mine.reply(200)
		}},
		{"3.2.3 the 200 to a re-INVITE crosses our BYE", func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			re := a.send(msg.INVITE, sdp(callerIP, 4100))
			far := w.wire.next(msg.INVITE)
			b.send(msg.BYE, "").want(200)
			re.want(487) // RFC 3261 15.1.2
			acks := w.wire.ackCount()
			far.reply(200, sdp(calleeIP, 5100))
			if w.wire.ackCount() != acks+1 {
				t.Error("the 200 was not acknowledged")
			}
			w.wire.next(msg.BYE).reply(200)
		}},
		{"3.2.4 the ACK comes when the call is over", func(_ *testing.T, w *world) {
			a, b, _, _ := w.answered()
			b.send(msg.BYE, "").want(200)
			a.send(msg.BYE, "").want(200)
			a.ack(a.lastInviteNumber, "")
			w.wire.none(msg.BYE)
		}},
		{"3.3.1 re-INVITEs cross", func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			re := a.send(msg.INVITE, sdp(callerIP, 4100))
			far := w.wire.next(msg.INVITE)
			b.send(msg.INVITE, sdp(calleeIP, 5100)).want(491)
			far.reply(491)
			time.Sleep(5 * time.Second) // RFC 3261 14.1
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5200))
			re.want(200)
			a.ack(a.cseq, "")
			w.end(a)
		}},
		{"3.3.2 UPDATE crosses re-INVITE", func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			re := a.send(msg.INVITE, sdp(callerIP, 4100))
			far := w.wire.next(msg.INVITE)
			b.send(msg.UPDATE, sdp(calleeIP, 5100)).want(491)
			far.reply(200, sdp(calleeIP, 5200))
			re.want(200)
			a.ack(a.cseq, "")
			up := b.send(msg.UPDATE, sdp(calleeIP, 5300))
			w.wire.next(msg.UPDATE).reply(200, sdp(callerIP, 4300))
			up.want(200)
			w.end(a)
		}},
		{"3.3.3 REFER crosses our BYE", func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			a.send(msg.BYE, "").want(200)
			mine := w.wire.next(msg.BYE)
			b.send(msg.REFER, "", "Refer-To: <sip:4930124@"+borderB+">").want(481)
			mine.reply(200)
		}},
		{"appendix A: BYE in the early dialog", func(_ *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			a.learn(in.want(180))
			a.send(msg.BYE, "").want(200)
			in.want(487)
			out.reply(200, sdp(calleeIP, 5000)) // it crossed our CANCEL
			w.wire.next(msg.BYE).reply(200)
		}},
		{"appendix B: BYE while a re-INVITE is open", func(_ *testing.T, w *world) {
			a, _, _, _ := w.talk()
			re := a.send(msg.INVITE, sdp(callerIP, 4100))
			far := w.wire.next(msg.INVITE)
			a.send(msg.BYE, "").want(200)
			re.want(487)
			w.wire.next(msg.BYE).reply(200)
			far.reply(487)
		}},
		{"PRACK crosses 200 (RFC 3262 3)", func(_ *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
			out := w.wire.next(msg.INVITE)
			out.reliably(3, 180)
			out.reply(200, sdp(calleeIP, 5000))
			ring := in.res[len(in.res)-2]
			a.prack(ring, "").want(200)
			w.wire.next(msg.PRACK).reply(481) // the callee has forgotten: no loop (pitfall P4)
			w.wire.none(msg.PRACK)
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { run(t, nil, func(w *world) { tt.play(t, w) }) })
	}
}

// TestRFC3665 plays the sessions of RFC 3665 by their sections, with the border where that RFC has its proxies. Its registrations
// (section 2) are TestRFC3665 in integration.
func TestRFC3665(t *testing.T) {
	type end struct {
		reason sbc.EndReason
		code   int
	}
	for _, tt := range []struct {
		name string
		want end
		play func(t *testing.T, w *world)
	}{
		{"3.1, 3.2 session established", end{sbc.EndCalleeBye, 200}, func(t *testing.T, w *world) {
			_, b, _, out := w.talk()
			if w.wire.ackCount() != 1 || out.req.MaxForwards != 69 {
				t.Errorf("%d ACKs, Max-Forwards %d", w.wire.ackCount(), out.req.MaxForwards)
			}
			b.send(msg.BYE, "").want(200)
			w.wire.next(msg.BYE).reply(200)
		}},
		{"3.3 the callee's side wants credentials", end{sbc.EndRejected, 403}, func(t *testing.T, w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(407, `Proxy-Authenticate: Digest realm="b", nonce="1"`)
			if m := in.want(403); m.Has("Proxy-Authenticate") { // nobody's credentials travel
				t.Errorf("%s", m.AppendTo(nil))
			}
		}},
		{"3.4 the first target fails", end{sbc.EndCallerBye, 200}, func(_ *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).failed(msg.ErrNoResponse)
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			in.want(180)
			out.reply(200, sdp("198.51.100.11", 5000))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
		{"3.5 our addresses stand in the descriptions", end{sbc.EndCallerBye, 200}, func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			if got := string(out.req.Body); got != sdp(borderB, 4000) {
				t.Errorf("offer\n%s", got)
			}
			out.reply(200, sdp(calleeIP, 5000))
			ok := in.want(200)
			if got := string(ok.Body); got != sdp(borderA, 5000) {
				t.Errorf("answer\n%s", got)
			}
			a.learn(ok)
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
		{"3.6 redirection, and the answer in the ACK", end{sbc.EndCallerBye, 200}, func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite("")
			w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49222@elsewhere.example>")
			out := w.wire.next(msg.INVITE)
			if out.req.RequestURI.User != "49222" || len(out.req.Body) != 0 {
				t.Errorf("INVITE %s", out.req.AppendTo(nil))
			}
			out.reply(180)
			in.want(180)
			out.reply(200, sdp(calleeIP, 5000))
			ok := in.want(200)
			wantPort(t, ok, 5000)
			a.learn(ok)
			a.ack(a.lastInviteNumber, sdp(callerIP, 4000))
			if n := w.wire.ackCount(); n != 1 {
				t.Fatalf("%d ACKs", n)
			}
			wantPort(t, w.wire.acks[0], 4000)
			w.end(a)
		}},
		{"3.7 re-INVITE with another address", end{sbc.EndCallerBye, 200}, func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			re := b.send(msg.INVITE, sdp(calleeIP, 5100))
			far := w.wire.next(msg.INVITE)
			wantPort(t, far.req, 5100)
			far.reply(200, sdp(callerIP, 4100))
			wantPort(t, re.want(200), 4100)
			b.ack(b.cseq, "")
			w.end(a)
		}},
		{"3.8 nobody answers, the caller cancels", end{sbc.EndCallerCancel, 487}, func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			in.want(180)
			in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
			in.want(487)
			if !out.isCancelled() {
				t.Error("not cancelled")
			}
			out.reply(487)
		}},
		{"3.9 busy", end{sbc.EndBusy, 486}, func(_ *testing.T, w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(486)
			in.want(486)
		}},
		{"3.10 no response", end{sbc.EndNoAnswer, 408}, func(_ *testing.T, w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).failed(msg.ErrNoResponse)
			w.wire.next(msg.INVITE).failed(msg.ErrNoResponse)
			in.want(408)
		}},
		{"3.11 temporarily unavailable", end{sbc.EndNoAnswer, 480}, func(_ *testing.T, w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			out.reply(480)
			in.want(480)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, profiled(follows), func(w *world) {
				tt.play(t, w)
				if d := w.cdr(); d.EndReason != tt.want.reason || d.FinalCode != tt.want.code {
					t.Errorf("end %s with %d, want %+v", d.EndReason, d.FinalCode, tt.want)
				}
			})
		})
	}
}
