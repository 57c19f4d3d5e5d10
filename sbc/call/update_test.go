package call

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestReinvite carries hold and resume from both sides (RFC 3665 3.7's mechanics), answers and ACKs across.
func TestReinvite(t *testing.T) {
	for _, side := range []string{"caller", "callee"} {
		t.Run(side, func(t *testing.T) {
			run(t, nil, func(w *world) {
				a, b, _, out := w.talk()
				from, farIP, ownIP := a, calleeIP, callerIP
				if side == "callee" {
					from, farIP, ownIP = b, callerIP, calleeIP
				}
				for round := range 2 {
					re := from.send(msg.INVITE, sdp(ownIP, 6000+round))
					re.want(100)
					far := w.wire.next(msg.INVITE)
					if len(far.req.Body) == 0 || far.req.To.Tag() == "" || far.target.Host != farIP {
						t.Fatalf("re-INVITE %s to %s", far.req.AppendTo(nil), far.target.Host)
					}
					if side == "caller" && far.req.CSeq.Seq <= out.req.CSeq.Seq {
						t.Errorf("CSeq %d", far.req.CSeq.Seq)
					}
					acks := w.wire.ackCount()
					far.reply(200, sdp(farIP, 6100+round))
					ok := re.want(200)
					if len(ok.Body) == 0 || w.wire.ackCount() != acks+1 {
						t.Errorf("200 with %q, %d ACKs", ok.Body, w.wire.ackCount()-acks)
					}
					far.reply(200, sdp(farIP, 6100+round))
					if w.wire.ackCount() != acks+2 {
						t.Error("the repeated 200 was not acknowledged")
					}
					from.ack(from.cseq, "")
					if !re.acked {
						t.Error("the transaction was not told of the ACK")
					}
				}
				w.end(a)
			})
		})
	}
}

// TestReinviteRefused: non-2xx answers to re-INVITE are passed back, and the call goes on (pitfall, jambonz sbc-inbound #132).
func TestReinviteRefused(t *testing.T) {
	for _, code := range []int{488, 415, 500, 603} {
		run(t, nil, func(w *world) {
			a, _, _, _ := w.talk()
			re := a.send(msg.INVITE, sdp(callerIP, 6000))
			w.wire.next(msg.INVITE).reply(code)
			re.want(code)
			if w.engine.last().rejected != 1 {
				t.Error("the round was not rejected")
			}
			re = a.send(msg.INVITE, sdp(callerIP, 6000))
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
			re.want(200)
			a.ack(a.cseq, "")
			w.end(a)
		})
	}
}

// TestReinviteDialogGone: 481 or silence ends the call (RFC 3261 12.2.1.2, RFC 5057).
func TestReinviteDialogGone(t *testing.T) {
	for name, answer := range map[string]func(*sent){
		"481": func(s *sent) { s.reply(481) }, "408": func(s *sent) { s.reply(408) },
		"silence": func(s *sent) { s.failed(msg.ErrTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				a, _, _, _ := w.talk()
				re := a.send(msg.INVITE, sdp(callerIP, 6000))
				answer(w.wire.next(msg.INVITE))
				if m := re.last(); m.Status < 400 {
					t.Errorf("answered with %d", m.Status)
				}
				w.wire.next(msg.BYE).reply(200)
				w.wire.next(msg.BYE).reply(481)
				if d := w.cdr(); d.EndReason != sbc.EndError || d.ReleasedBy != sbc.SideCallee {
					t.Errorf("end %s by %s", d.EndReason, d.ReleasedBy)
				}
			})
		})
	}
}

// TestReinviteGlare: both sides at once. The second one gets 491, the first one's 491 is tried again after the delay of RFC
// 3261 14.1.
func TestReinviteGlare(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		far := w.wire.next(msg.INVITE)
		b.send(msg.INVITE, sdp(calleeIP, 6100)).want(491)
		far.reply(491)
		if m := re.last(); m.Status != 100 {
			t.Fatalf("the caller heard %d", m.Status)
		}
		time.Sleep(2 * time.Second)
		w.wire.none(msg.INVITE)
		time.Sleep(3 * time.Second)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6102))
		re.want(200)
		a.ack(a.cseq, "")
		w.end(a)
	})
}

// TestReinviteGlareYields: while the caller's change waits after a 491, the callee's own retry comes. It must not meet the
// caller's request, which the caller would have to answer with 491 (RFC 3261 14.2): that one gets its 491 first.
func TestReinviteGlareYields(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		far := w.wire.next(msg.INVITE)
		b.send(msg.INVITE, sdp(calleeIP, 6100)).want(491)
		far.reply(491)
		time.Sleep(time.Second)
		mine := b.send(msg.INVITE, sdp(calleeIP, 6100))
		re.want(491)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 6002))
		mine.want(200)
		b.ack(b.cseq, "")
		time.Sleep(5 * time.Second)
		w.wire.none(msg.INVITE)
		again := a.send(msg.INVITE, sdp(callerIP, 6004))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6102))
		again.want(200)
		a.ack(a.cseq, "")
		w.end(a)
	})
}

// TestGlareForEver: the far side refuses again and again; the caller hears of it.
func TestGlareForEver(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		for range maxRetries {
			w.wire.next(msg.INVITE).reply(491)
			time.Sleep(5 * time.Second)
		}
		w.wire.next(msg.INVITE).reply(491)
		re.want(491)
		w.end(a)
	})
}

// TestOwnOverlap: a second re-INVITE before the first was answered gets 500 with Retry-After (RFC 3261 14.2).
func TestOwnOverlap(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		if res := a.send(msg.INVITE, sdp(callerIP, 6002)).want(500); res.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		re.want(200)
		a.ack(a.cseq-1, "")
		w.end(a)
	})
}

// TestOfferlessReinvite: from either side the offer comes from the far one, the answer in the ACK.
func TestOfferlessReinvite(t *testing.T) {
	for _, side := range []sbc.Side{sbc.SideCaller, sbc.SideCallee} {
		t.Run(string(side), func(t *testing.T) {
			run(t, nil, func(w *world) {
				a, b, _, _ := w.talk()
				from, ownIP, farIP := a, callerIP, calleeIP
				if side == sbc.SideCallee {
					from, ownIP, farIP = b, calleeIP, callerIP
				}
				re := from.send(msg.INVITE, "")
				far := w.wire.next(msg.INVITE)
				if len(far.req.Body) != 0 || far.target.Host != farIP {
					t.Errorf("to %s: %s", far.target.Host, far.req.AppendTo(nil))
				}
				acks := w.wire.ackCount()
				far.reply(200, sdp(farIP, 6100))
				if ok := re.want(200); len(ok.Body) == 0 || w.wire.ackCount() != acks {
					t.Fatalf("200 with %q, %d ACKs", ok.Body, w.wire.ackCount()-acks)
				}
				from.ack(from.cseq, sdp(ownIP, 6000))
				if w.wire.ackCount() != acks+1 || len(w.wire.acks[acks].Body) == 0 {
					t.Fatal("the answer did not pass")
				}
				far.reply(200, sdp(farIP, 6100)) // our ACK was lost: the same again, answer and all (RFC 3261 13.2.2.4)
				if w.wire.ackCount() != acks+2 || !bytes.Equal(w.wire.acks[acks+1].Body, w.wire.acks[acks].Body) {
					t.Fatal("the repeated 200 got another ACK")
				}
				w.end(a)
			})
		})
	}
}

// TestOfferlessReinviteHolds: an offer of the far side that holds is told, as any other.
func TestOfferlessReinviteHolds(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.INVITE, "")
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100)+"a=sendonly\r\n")
		a.ack(a.cseq, sdp(callerIP, 6000))
		if got := w.holding(); got != "caller true" {
			t.Errorf("events %q", got)
		}
		w.end(a)
	})
}

// TestOfferlessReinviteUnanswered: an ACK without the answer leaves the session as it was, and the far side gets its ACK.
func TestOfferlessReinviteUnanswered(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.INVITE, "")
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		acks := w.wire.ackCount()
		a.ack(a.cseq, "")
		if w.wire.ackCount() != acks+1 || w.engine.last().rejected != 1 {
			t.Errorf("%d ACKs, %d rounds rejected", w.wire.ackCount()-acks, w.engine.last().rejected)
		}
		w.end(a)
	})
}

// TestReinviteCancelled: the CANCEL is carried on, the far side's answer comes back.
func TestReinviteCancelled(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		far := w.wire.next(msg.INVITE)
		re.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		if !far.isCancelled() {
			t.Fatal("not cancelled")
		}
		far.reply(487)
		re.want(487)
		w.end(a)
	})
}

// TestReinviteWithoutAck: RFC 3261 14.2 wants the dialog ended.
func TestReinviteWithoutAck(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		re.want(200)
		re.onFailed(msg.ErrNoAck)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndNoAck {
			t.Errorf("end %s", d.EndReason)
		}
	})
}

// TestByeDuringReinvite is RFC 5407 3.2.2: the pending request gets 487 (RFC 3261 15.1.2), a 200 that crosses is acknowledged.
func TestByeDuringReinvite(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		far := w.wire.next(msg.INVITE)
		a.send(msg.BYE, "").want(200)
		re.want(487)
		acks := w.wire.ackCount()
		far.reply(200, sdp(calleeIP, 6100))
		if w.wire.ackCount() != acks+1 {
			t.Error("the crossing 200 was not acknowledged")
		}
		a.send(msg.INVITE, sdp(callerIP, 6002)).want(481)
		w.wire.next(msg.BYE).reply(200)
	})
}

// TestUpdate is RFC 3311 in the confirmed dialog, both ways, with and without an offer.
func TestUpdate(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		up := a.send(msg.UPDATE, sdp(callerIP, 6000))
		w.wire.next(msg.UPDATE).reply(200, sdp(calleeIP, 6100))
		if ok := up.want(200); len(ok.Body) == 0 {
			t.Error("no answer")
		}
		up = b.send(msg.UPDATE, sdp(calleeIP, 6102))
		w.wire.next(msg.UPDATE).reply(504)
		up.want(504)
		up = b.send(msg.UPDATE, "")
		w.wire.next(msg.UPDATE).reply(200)
		if ok := up.want(200); len(ok.Body) != 0 || ok.Get("Contact") == "" {
			t.Errorf("%s", ok.AppendTo(nil))
		}
		w.end(a)
	})
}

// TestUpdateGlare: 491 against an offer of ours, 500 against its own (RFC 3311 5.2).
func TestUpdateGlare(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		up := a.send(msg.UPDATE, sdp(callerIP, 6000))
		far := w.wire.next(msg.UPDATE)
		b.send(msg.UPDATE, sdp(calleeIP, 6100)).want(491)
		a.send(msg.UPDATE, sdp(callerIP, 6002)).want(500)
		far.reply(200, sdp(calleeIP, 6100))
		up.want(200)
		w.end(a)
	})
}

// TestEarlyUpdate: an UPDATE without offer passes in the early dialog both ways; one with an offer must wait (RFC 3311 5.1: no
// reliable answer was given).
func TestEarlyUpdate(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(183, sdp(calleeIP, 5000))
		a.learn(in.want(183))
		b := w.callee(out)
		up := a.send(msg.UPDATE, "")
		w.wire.next(msg.UPDATE).reply(200)
		up.want(200)
		up = b.send(msg.UPDATE, "")
		w.wire.next(msg.UPDATE).reply(200)
		up.want(200)
		a.send(msg.UPDATE, sdp(callerIP, 4002)).want(500)
		b.send(msg.UPDATE, sdp(calleeIP, 5002)).want(491)
		out.reply(200, sdp(calleeIP, 5000))
		in.want(200)
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

// TestInfo carries DTMF by INFO where both trunks pass it, and refuses what nobody can vouch for.
func TestInfo(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		info := a.send(msg.INFO, "Signal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay")
		far := w.wire.next(msg.INFO)
		if !strings.Contains(string(far.req.Body), "Signal=5") || far.req.Get("Content-Type") != "application/dtmf-relay" {
			t.Errorf("%s", far.req.AppendTo(nil))
		}
		far.reply(200)
		info.want(200)
		text := b.send(msg.MESSAGE, "hello", "Content-Type: text/plain;charset=utf-8")
		w.wire.next(msg.MESSAGE).reply(202)
		text.want(202)
		b.send(msg.INFO, "x", "Content-Type: application/x-own").want(415)
		a.send(msg.INFO, sdp(callerIP, 1), "Content-Type: application/sdp").want(415)
		silent := a.send(msg.INFO, "")
		w.wire.next(msg.INFO).failed(msg.ErrNoResponse)
		silent.want(408)
		w.end(a)
	})
	none := func(id string, r sbc.Resource) {
		if id == "trk_b" {
			r.(*sbc.Trunk).PassMethods = nil
		}
	}
	run(t, none, func(w *world) {
		a, b, _, _ := w.talk()
		a.send(msg.INFO, "").want(405)
		if res := b.send(msg.INFO, "").want(405); strings.Contains(res.Get("Allow"), "INFO") {
			t.Errorf("Allow %q", res.Get("Allow"))
		}
		w.end(a)
	})
}

// TestRelayPending: what waits for the far side is answered when the call ends, and nobody can pile up requests.
func TestRelayPending(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		var pending []*server
		for range maxRelays {
			pending = append(pending, a.send(msg.INFO, ""))
		}
		a.send(msg.INFO, "").want(500)
		w.end(a)
		for _, p := range pending {
			p.want(487)
		}
	})
}
