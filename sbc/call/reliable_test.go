package call

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// modes gives the two trunks their modes of 100rel; "" leaves the default.
func modes(caller, callee sbc.Reliable) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Trunk:
			r.SignallingProfileID = map[string]string{"trk_a": "sgp_1", "trk_b": "sgp_2"}[id]
		case *sbc.SignallingProfile:
			if mode := map[string]sbc.Reliable{"sgp_1": caller, "sgp_2": callee}[id]; mode != "" {
				r.ReliableProvisional = mode
			}
		}
	}
}

// count is how many responses of a code were sent, repetitions included.
func (s *server) count(code int) (n int) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.res {
		if m.Status == code {
			n++
		}
	}
	return n
}

// reliably answers a request of ours with a reliable provisional response.
func (s *sent) reliably(rseq, code int, extra ...string) {
	s.w.t.Helper()
	s.reply(code, append([]string{"Require: 100rel", fmt.Sprintf("RSeq: %d", rseq)}, extra...)...)
}

// prack acknowledges a reliable response of ours.
func (p *peer) prack(res *msg.Message, body string) *server {
	p.w.t.Helper()
	if res.Get("RSeq") == "" || res.Get("Require") != "100rel" {
		p.w.t.Fatalf("not a reliable response:\n%s", res.AppendTo(nil))
	}
	p.learn(res)
	return p.send(msg.PRACK, body, fmt.Sprintf("RAck: %s %d INVITE", res.Get("RSeq"), p.lastInviteNumber))
}

// TestReliableCallee: what the callee sends reliably is acknowledged once and passed once, whatever the caller can (RFC 3262 4).
func TestReliableCallee(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		if !asks(out.req, "Supported", "100rel") || out.req.Has("Require") || !strings.Contains(out.req.Get("Allow"), "PRACK") {
			t.Fatalf("%s", out.req.AppendTo(nil))
		}
		out.reliably(776, 180)
		p := w.wire.next(msg.PRACK)
		if p.req.Get("RAck") != "776 1 INVITE" || p.req.CSeq.Seq != 2 || p.req.To.Tag() != out.tag {
			t.Errorf("PRACK %s", p.req.AppendTo(nil))
		}
		if m := in.want(180); m.Has("RSeq") || m.Has("Require") {
			t.Errorf("reliable to a caller who cannot: %s", m.AppendTo(nil))
		}
		out.reliably(776, 180)
		out.reliably(778, 183, sdp(calleeIP, 5000)) // its predecessor was lost: it will come again
		w.wire.none(msg.PRACK)
		if in.count(180) != 1 || in.count(183) != 0 {
			t.Errorf("%d and %d responses", in.count(180), in.count(183))
		}
		p.reply(200)
		out.reliably(777, 183, sdp(calleeIP, 5000))
		w.wire.next(msg.PRACK).reply(200)
		if m := in.want(183); len(m.Body) == 0 || m.Has("RSeq") {
			t.Errorf("%s", m.AppendTo(nil))
		}
		out.reply(200) // RFC 3261 13.2.1: no SDP after the answer
		ok := in.want(200)
		if !strings.Contains(string(ok.Body), "m=audio 5000") {
			t.Errorf("the caller's answer is missing: %s", ok.Body)
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		out.reliably(778, 183) // late: it changes nothing (pitfall P4)
		w.wire.none(msg.PRACK)
		w.end(a)
	})
}

// TestReliableIgnoresLaterSDP: the answer that came reliably stays, whatever the 200 repeats (RFC 3261 13.2.1).
func TestReliableIgnoresLaterSDP(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reliably(1, 183, sdp(calleeIP, 5000))
		w.wire.next(msg.PRACK).reply(200)
		out.reply(200, sdp(calleeIP, 5999))
		if ok := in.want(200); !strings.Contains(string(ok.Body), "m=audio 5000") {
			t.Errorf("%s", ok.Body)
		}
		a.learn(in.last())
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

// TestReliableCaller: a caller who supports it gets each provisional response reliably, again and again until its PRACK.
func TestReliableCaller(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		first := in.want(180)
		time.Sleep(400 * time.Millisecond)
		if in.count(180) != 1 {
			t.Error("repeated before T1")
		}
		time.Sleep(3200 * time.Millisecond) // 0.5, 1.5, 3.5
		if in.count(180) != 4 {
			t.Errorf("%d times after 3.6 s", in.count(180))
		}
		out.reply(181) // waits for the PRACK of the first
		out.reply(183, sdp(calleeIP, 5000))
		if in.count(181)+in.count(183) != 0 {
			t.Error("a second one before the first was acknowledged (RFC 3262 3)")
		}
		a.prack(first, "").want(200)
		second := in.want(181)
		a.prack(second, "").want(200)
		third := in.want(183)
		a.prack(third, "").want(200)
		var n [3]int
		for i, m := range []*msg.Message{first, second, third} {
			fmt.Sscan(m.Get("RSeq"), &n[i])
		}
		if n[1] != n[0]+1 || n[2] != n[1]+1 {
			t.Errorf("RSeq %v", n)
		}
		a.prack(third, "").want(481) // RFC 3262 3
		time.Sleep(time.Minute)
		if in.count(183) != 1 || len(third.Body) == 0 {
			t.Errorf("%d times after the PRACK", in.count(183))
		}
		w.wire.none(msg.PRACK)
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		if len(ok.Body) != 0 { // RFC 3261 13.2.1
			t.Errorf("SDP after the answer: %s", ok.Body)
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		a.prack(third, "").want(481)
		w.end(a)
	})
}

// TestReliableWrongPRACK: only the right numbers in the right dialog acknowledge.
func TestReliableWrongPRACK(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Require: 100rel")
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		m := in.want(180)
		a.learn(m)
		for _, bad := range []string{"", "x 101 INVITE", "1 2", m.Get("RSeq") + " 999 INVITE", "0 101 INVITE",
			m.Get("RSeq") + " 101 PRACK", "99999999999999999999 101 INVITE"} {
			a.send(msg.PRACK, "", "RAck: "+bad).want(481)
		}
		a.send(msg.PRACK, "x", "Content-Type: application/foo", "RAck: "+m.Get("RSeq")+" 101 INVITE").want(415)
		a.prack(m, "").want(200)
		out.reply(486)
		in.want(486)
	})
}

// TestReliableNoPRACK: 64*T1 without a PRACK end the attempt with a 5xx (RFC 3262 3), whether the callee has answered or not.
func TestReliableNoPRACK(t *testing.T) {
	for _, answered := range []bool{false, true} {
		t.Run(fmt.Sprint(answered), func(t *testing.T) {
			run(t, nil, func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
				out := w.wire.next(msg.INVITE)
				out.reply(183, sdp(calleeIP, 5000))
				if answered {
					out.reply(200, sdp(calleeIP, 5000))
				}
				time.Sleep(31 * time.Second)
				in.want(183)
				time.Sleep(2 * time.Second)
				in.want(504)
				if answered {
					w.wire.next(msg.BYE).reply(200)
				} else {
					if !out.isCancelled() {
						t.Error("not cancelled")
					}
					out.reply(487)
				}
				if d := w.cdr(); d.EndReason != sbc.EndNoAck || d.FinalCode != 504 || d.AnsweredAt != nil {
					t.Errorf("record %+v", d)
				}
			})
		})
	}
}

// TestReliableHeld: a 200 may not pass a provisional response with SDP that was not acknowledged (RFC 3262 3).
func TestReliableHeld(t *testing.T) {
	hold := func(w *world) (*peer, *server, *sent, *msg.Message) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		out.reply(183, sdp(calleeIP, 5000))
		early := in.want(183)
		out.reply(200, sdp(calleeIP, 5000))
		in.want(183)
		if w.wire.ackCount() != 1 {
			w.t.Error("the callee's 200 was not acknowledged")
		}
		return a, in, out, early
	}
	t.Run("the PRACK comes", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a, in, out, early := hold(w)
			time.Sleep(time.Second)
			out.reply(200, sdp(calleeIP, 5000))
			if w.wire.ackCount() != 2 {
				t.Error("the repeated 200 was not acknowledged")
			}
			a.prack(early, "").want(200)
			ok := in.want(200)
			if len(ok.Body) != 0 || ok.To.Tag() != early.To.Tag() {
				t.Errorf("%s", ok.AppendTo(nil))
			}
			a.learn(ok)
			a.ack(a.lastInviteNumber, "")
			time.Sleep(time.Second)
			w.end(a)
			if d := w.cdr(); d.DurationMS != 1000 || d.Disposition != sbc.DispositionAnswered {
				t.Errorf("record %+v", d)
			}
		})
	})
	t.Run("the caller cancels", func(t *testing.T) {
		run(t, nil, func(w *world) {
			a, in, _, _ := hold(w)
			in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
			in.want(487)
			w.wire.next(msg.BYE).reply(200)
			if d := w.cdr(); d.EndReason != sbc.EndCallerCancel || d.AnsweredAt != nil {
				t.Errorf("record %+v", d)
			}
		})
	})
	t.Run("the callee hangs up", func(t *testing.T) {
		run(t, nil, func(w *world) {
			_, in, out, _ := hold(w)
			w.callee(out).send(msg.BYE, "").want(200)
			in.want(480)
			if d := w.cdr(); d.EndReason != sbc.EndCalleeBye || d.AnsweredAt != nil {
				t.Errorf("record %+v", d)
			}
		})
	})
}

// TestPRACKCrosses200: without SDP the 200 need not wait; the PRACK that crossed it is answered all the same (RFC 3262 3, P4).
func TestPRACKCrosses200(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		ring := in.want(180)
		out.reply(200, sdp(calleeIP, 5000))
		if ok := in.want(200); len(ok.Body) == 0 {
			t.Error("no SDP")
		}
		a.prack(ring, "").want(200)
		a.prack(ring, "").want(481)
		a.ack(a.lastInviteNumber, "")
		time.Sleep(time.Minute)
		if in.count(180) != 1 {
			t.Errorf("repeated %d times after the 200", in.count(180))
		}
		w.end(a)
	})
}

// TestReliableAnotherAnswer: the caller has an answer that cannot be taken back. Another fork's, or another attempt's, reaches it
// in a dialog of its own (RFC 3261 12.1, 13.2.2.4).
func TestReliableAnotherAnswer(t *testing.T) {
	for _, how := range []string{"fork", "attempt", "unacknowledged"} {
		t.Run(how, func(t *testing.T) {
			run(t, nil, func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), "Supported: 100rel")
				out := w.wire.next(msg.INVITE)
				out.replyAs("fork1", 183, sdp(calleeIP, 5001))
				one := in.want(183)
				if how != "unacknowledged" {
					a.prack(one, "").want(200)
				}
				switch how {
				case "attempt":
					out.reply(503)
					out = w.wire.next(msg.INVITE)
				default:
					out.replyAs("fork2", 183, sdp(calleeIP, 5002))
				}
				out.replyAs("fork3", 200, sdp(calleeIP, 5003))
				ok := in.want(200)
				if ok.To.Tag() == one.To.Tag() || !strings.Contains(string(ok.Body), "m=audio 5003") {
					t.Errorf("%s", ok.AppendTo(nil))
				}
				if how == "unacknowledged" {
					a.prack(one, "").want(200) // in the dialog of old
				}
				a.learn(ok)
				a.ack(a.lastInviteNumber, "")
				b := w.callee(out)
				b.local = strings.Replace(b.local, out.tag, "fork3", 1)
				b.send(msg.BYE, "").want(200)
				bye := w.wire.next(msg.BYE)
				if bye.req.From.Tag() != ok.To.Tag() {
					t.Errorf("BYE in dialog %s", bye.req.From.Tag())
				}
				bye.reply(200)
			})
		})
	}
}

// TestForksEarlyMedia: each fork is a dialog of its own with its own numbers; the caller hears who spoke last, and then who
// answered, though its 200 has no SDP any more.
func TestForksEarlyMedia(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		fork := func(tag string, rseq, port int) {
			t.Helper()
			out.replyAs(tag, 183, "Require: 100rel", fmt.Sprintf("RSeq: %d", rseq), sdp(calleeIP, port))
			p := w.wire.next(msg.PRACK)
			if p.req.To.Tag() != tag || p.req.Get("RAck") != fmt.Sprintf("%d 1 INVITE", rseq) {
				t.Errorf("PRACK %s", p.req.AppendTo(nil))
			}
			p.reply(200)
			if m := in.want(183); !strings.Contains(string(m.Body), fmt.Sprintf("m=audio %d", port)) {
				t.Errorf("fork %s: %s", tag, m.Body)
			}
		}
		fork("one", 10, 5001)
		fork("two", 900, 5002)
		out.replyAs("one", 183, "Require: 100rel", "RSeq: 11")
		w.wire.next(msg.PRACK).reply(200)
		out.replyAs("one", 200)
		ok := in.want(200)
		if !strings.Contains(string(ok.Body), "m=audio 5001") {
			t.Errorf("%s", ok.Body)
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		out.replyAs("two", 200) // the other fork answered too: acknowledged and released
		if w.wire.ackCount() != 2 {
			t.Errorf("%d ACKs", w.wire.ackCount())
		}
		lost := w.wire.next(msg.BYE)
		if lost.req.To.Tag() != "two" {
			t.Errorf("BYE to %s", lost.req.To.Tag())
		}
		lost.reply(200)
		w.end(a)
	})
}
