package call

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestReliableReinvite: a provisional response to a re-INVITE that wants a PRACK gets one, in its order and once, and its
// answer counts for a 2xx without. Nothing of it is told to the other side.
func TestReliableReinvite(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("ours %v", own), func(t *testing.T) {
			run(t, nil, func(w *world) {
				a, b, _, _ := w.talk()
				var in *server
				var o *outcome
				if own {
					o = w.propose(sbc.SideCallee, 7000)
				} else {
					in = a.send(msg.INVITE, sdp(callerIP, 4002))
				}
				re := w.wire.next(msg.INVITE)
				if re.req.Has("Require") || strings.Contains(re.req.Get("Supported"), "100rel") {
					t.Errorf("it is asked for:\n%s", re.req.AppendTo(nil))
				}
				re.reply(183, "Require: 100rel", "RSeq: 41", sdp(calleeIP, 5010))
				prack := w.wire.next(msg.PRACK)
				if got, want := prack.req.Get("RAck"), fmt.Sprintf("41 %d INVITE", re.req.CSeq.Seq); got != want {
					t.Errorf("RAck: %s, want %s", got, want)
				}
				re.reply(183, "Require: 100rel", "RSeq: 41", sdp(calleeIP, 5010)) // repeated
				re.reply(180, "Require: 100rel", "RSeq: 43")                      // before its turn
				w.wire.none(msg.PRACK)
				prack.reply(200)
				re.reply(180, "Require: 100rel", "RSeq: 42")
				w.wire.next(msg.PRACK).reply(200)
				re.reply(200)
				if own {
					o.want(t, 0)
				} else {
					if ok := in.want(200); !bytes.Contains(ok.Body, []byte("5010")) {
						t.Errorf("answer %s", ok.Body)
					}
					a.ack(a.cseq, "")
				}
				required := b.send(msg.INVITE, sdp(calleeIP, 5012), "Require: 100rel") // of what we send, which is none
				w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
				required.want(200)
				b.ack(b.cseq, "")
				w.end(a)
			})
		})
	}
	run(t, nil, func(w *world) { // its offer could only be answered in the PRACK
		a, _, _, _ := w.talk()
		in := a.send(msg.INVITE, "")
		re := w.wire.next(msg.INVITE)
		re.reply(183, "Require: 100rel", "RSeq: 1", sdp(calleeIP, 5010))
		w.wire.none(msg.PRACK)
		re.reply(200, sdp(calleeIP, 5010))
		in.want(200)
		a.ack(a.cseq, sdp(callerIP, 4000))
		w.end(a)
	})
}

// TestEarlyUpdateOfTarget: the target of a transfer rings and sends an UPDATE (RFC 3311). Without an offer it is answered; with
// one as soon as ours was answered reliably, and then the two sides are told of each other when it answers.
func TestEarlyUpdateOfTarget(t *testing.T) {
	for _, fits := range []bool{true, false} {
		t.Run(fmt.Sprintf("formats that we speak %v", fits), func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, _, _ := w.talk()
				b.send(msg.REFER, "", "Refer-To: <sip:4930777@x.example>").want(202)
				w.wire.next(msg.NOTIFY).reply(200)
				out := w.wire.next(msg.INVITE)
				out.reply(180)
				w.wire.next(msg.NOTIFY).reply(200)
				target := w.callee(out)
				target.send(msg.UPDATE, "").want(200)
				target.send(msg.UPDATE, sdp(calleeIP, 6002)).want(491) // RFC 3311 5.2
				out.reply(183, "Require: 100rel", "RSeq: 1", sdp(calleeIP, 6000))
				w.wire.next(msg.PRACK).reply(200)
				w.wire.next(msg.NOTIFY).reply(200)
				w.engine.last().mute = !fits
				if !fits {
					target.send(msg.UPDATE, sdp(calleeIP, 6004)).want(488)
				} else if ok := target.send(msg.UPDATE, sdp(calleeIP, 6004)).want(200); len(ok.Body) == 0 || ok.Get("Contact") == "" {
					t.Errorf("answered with\n%s", ok.AppendTo(nil))
				}
				w.engine.last().mute = false
				out.reply(200)
				port := map[bool]string{true: "6004", false: "6000"}[fits]
				re := w.wire.next(msg.INVITE)
				if re.target.Host != a.ip || !bytes.Contains(re.req.Body, []byte(port)) {
					t.Errorf("the side that stays is told\n%s", re.req.AppendTo(nil))
				}
				re.reply(200, sdp(callerIP, 4000))
				w.wire.next(msg.NOTIFY).reply(200)
				w.wire.next(msg.BYE).reply(200)
				if fits { // it knows of nobody yet
					again := w.wire.next(msg.INVITE)
					if again.target.Host != target.ip || !bytes.Contains(again.req.Body, []byte("4000")) {
						t.Errorf("the target is told\n%s", again.req.AppendTo(nil))
					}
					again.reply(200, sdp(calleeIP, 6004))
				}
				w.wire.none(msg.INVITE)
				w.end(a)
			})
		})
	}
}
