package call

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// bothCall lets the callee's trunk call, too.
func bothCall(_ string, r sbc.Resource) {
	if t, ok := r.(*sbc.Trunk); ok {
		t.RoutingPlanID = "rpl_1"
	}
}

// notified takes the next NOTIFY and sees what it says.
func (w *world) notified(code, state string) *sent {
	w.t.Helper()
	n := w.wire.next(msg.NOTIFY)
	if !strings.HasPrefix(string(n.req.Body), "SIP/2.0 "+code) || !strings.HasPrefix(n.req.Get("Subscription-State"), state) {
		w.t.Fatalf("NOTIFY is not %s, %s:\n%s", code, state, n.req.AppendTo(nil))
	}
	n.reply(200)
	return n
}

// TestBlindTransfer: RFC 5359 2.4, RFC 5589 6.1, by either side: 202, a NOTIFY for each stage, the target takes the place of the
// transferor, the other side is told of the target's media.
func TestBlindTransfer(t *testing.T) {
	for _, by := range []string{"caller", "callee"} {
		t.Run(by, func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, _, _ := w.talk()
				from, stays := b, a
				if by == "caller" {
					from, stays = a, b
				}
				res := from.send(msg.REFER, "", "Refer-To: <sip:49222@anywhere.example>", "Referred-By: <sip:me@secret.example>").want(202)
				if res.Get("Contact") == "" {
					t.Error("202 without Contact")
				}
				first := w.notified("100", "active;expires=")
				if e := first.req.Get("Event"); !strings.HasPrefix(e, "refer;id=") || first.target.Host != from.ip {
					t.Errorf("NOTIFY with Event %q to %s", e, first.target.Host)
				}
				target := w.wire.next(msg.INVITE)
				if target.req.To.Tag() != "" || target.req.RequestURI.User != "49222" || len(target.req.Body) == 0 {
					t.Fatalf("INVITE %s", target.req.AppendTo(nil))
				}
				if by == "callee" && (target.req.From.URI.User != "+441234" || target.req.From.Display != "Alice") {
					t.Errorf("the target sees %s", target.req.From)
				}
				target.reply(180)
				w.notified("180", "active")
				if i := w.m.List(sbc.CallFilter{}); i[0].Transfer != "ringing" {
					t.Errorf("transfer is %q", i[0].Transfer)
				}
				acks := w.wire.ackCount()
				target.reply(200, sdp("198.51.100.30", 7000))
				if w.wire.ackCount() != acks+1 {
					t.Error("the target was not acknowledged")
				}
				re := w.wire.next(msg.INVITE)
				if re.target.Host != stays.ip || re.req.To.Tag() == "" || !strings.Contains(string(re.req.Body), "7000") {
					t.Errorf("re-INVITE to %s: %s", re.target.Host, re.req.AppendTo(nil))
				}
				w.wire.none(msg.BYE)
				w.notified("200", "terminated;reason=noresource")
				bye := w.wire.next(msg.BYE)
				if bye.target.Host != from.ip || bye.req.To.Tag() != first.req.To.Tag() {
					t.Errorf("BYE to %s", bye.target.Host)
				}
				bye.reply(200)
				re.reply(200, sdp(stays.ip, 7100))
				w.callee(target).send(msg.BYE, "").want(200)
				last := w.wire.next(msg.BYE)
				if last.target.Host != stays.ip {
					t.Errorf("BYE to %s", last.target.Host)
				}
				last.reply(200)
				d := w.cdr()
				if len(d.Legs) != 3 || len(d.Attempts) != 2 || d.Legs[2].Role != "transfer_target" || d.Legs[2].JoinedAt == nil ||
					string(d.Legs[2].Side) != by || d.CalleeSent != "4930123" {
					t.Errorf("record %+v", d)
				}
				for _, l := range d.Legs[:2] {
					if (string(l.Side) == by) != (l.Role == "transferor") || (l.LeftAt != nil) != (l.Role == "transferor") {
						t.Errorf("leg %+v", l)
					}
				}
			})
		})
	}
}

// TestTransferorHangsUp: the transferor's BYE in the middle does not end the call, and the target takes the vacant place; or, if the
// target does not come, the call ends.
func TestTransferorHangsUp(t *testing.T) {
	for _, answers := range []bool{true, false} {
		run(t, bothCall, func(w *world) {
			a, b, _, _ := w.talk()
			b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
			w.notified("100", "active")
			target := w.wire.next(msg.INVITE)
			b.send(msg.BYE, "").want(200)
			w.wire.none(msg.BYE)
			a.send(msg.INVITE, sdp(callerIP, 4002)).want(500)
			a.send(msg.INFO, "").want(480)
			b.send(msg.INFO, "").want(481)
			b.send(msg.BYE, "").want(200)
			if !answers {
				target.reply(486)
				w.wire.next(msg.NOTIFY).reply(481)
				w.wire.next(msg.BYE).reply(200)
				if d := w.cdr(); d.EndReason != sbc.EndBusy || d.Disposition != sbc.DispositionAnswered {
					t.Errorf("record %+v", d)
				}
				return
			}
			target.reply(200, sdp("198.51.100.30", 7000))
			w.wire.next(msg.NOTIFY).reply(481)
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
			a.send(msg.INFO, "").last()
			w.wire.next(msg.INFO).reply(200)
			w.end(a)
		})
	}
}

// TestTransferFails: the call goes on as it was.
func TestTransferFails(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "").want(400)
		b.send(msg.REFER, "", "Refer-To: <mailto:x@y.example>").want(416)
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x;method=BYE>").want(603)
		b.send(msg.REFER, "", "Refer-To: <tel:49-222>").want(202)
		w.notified("100", "active")
		b.send(msg.REFER, "", "Refer-To: <tel:49-333>").want(500)
		w.wire.next(msg.INVITE).reply(503)
		second := w.wire.next(msg.INVITE)
		second.reply(183, sdp("198.51.100.30", 7000))
		w.notified("183", "active")
		second.reply(486)
		w.notified("486", "terminated")
		re := a.send(msg.INVITE, sdp(callerIP, 6000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		re.want(200)
		a.ack(a.cseq, "")
		w.end(a)
		if d := w.cdr(); len(d.Legs) != 2 || len(d.Attempts) != 3 || d.EndReason != sbc.EndCallerBye {
			t.Errorf("record %+v", d)
		}
	})
}

// TestTransferNotPermitted: a REFER needs the permission of a new call: the transferor's trunk, its plan and its limits decide.
func TestTransferNotPermitted(t *testing.T) {
	for name, edit := range map[string]func(string, sbc.Resource){
		"no plan": nil,
		"limit": func(id string, r sbc.Resource) {
			bothCall(id, r)
			if t, ok := r.(*sbc.Trunk); ok && id == "trk_b" {
				t.MaxCalls = 1
			}
		},
		"rule": bothCall,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, edit, func(w *world) {
				a, b, _, _ := w.talk()
				number := "49222"
				if name == "rule" {
					number = "490099" // a premium number
				}
				b.send(msg.REFER, "", "Refer-To: <sip:"+number+"@x.example>").want(202)
				w.notified("100", "active")
				w.notified("603", "terminated")
				w.wire.none(msg.INVITE)
				w.end(a)
			})
		})
	}
}

// TestTransferRejected: the profile says so.
func TestTransferRejected(t *testing.T) {
	run(t, nil, func(w *world) {
		w.snap.Signalling(nil).ReferMode = sbc.ReferReject
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(603)
		w.wire.none(msg.NOTIFY)
		w.end(a)
	})
}

// TestTransferSilent: RFC 4488: no NOTIFY where the transferor wants none.
func TestTransferSilent(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		res := b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false", "Require: norefersub").want(202)
		if res.Get("Refer-Sub") != "false" {
			t.Error("202 without Refer-Sub")
		}
		w.wire.next(msg.INVITE).reply(200, sdp("198.51.100.30", 7000))
		w.wire.none(msg.NOTIFY)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		w.end(a)
	})
}

// TestTransferredHangsUp: who is transferred, or we, end the call while the target rings.
func TestTransferredHangsUp(t *testing.T) {
	for _, ringing := range []bool{true, false} {
		run(t, bothCall, func(w *world) {
			a, b, _, _ := w.talk()
			b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
			w.notified("100", "active")
			target := w.wire.next(msg.INVITE)
			if ringing {
				target.reply(180)
				w.notified("180", "active")
			}
			a.send(msg.BYE, "").want(200)
			w.notified("487", "terminated")
			w.wire.next(msg.BYE).reply(200)
			if ringing {
				if !target.isCancelled() {
					t.Error("the target was not cancelled")
				}
				target.reply(487)
				return
			}
			target.reply(200, sdp("198.51.100.30", 7000)) // it crosses
			w.wire.next(msg.BYE).reply(200)
		})
	}
}

// TestTargetRings too long: cancelled, then the next one.
func TestTargetRingsTooLong(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
		w.notified("100", "active")
		target := w.wire.next(msg.INVITE)
		target.reply(180)
		w.notified("180", "active")
		time.Sleep(121 * time.Second)
		if !target.isCancelled() {
			t.Error("the target was not cancelled")
		}
		target.reply(487)
		w.notified("480", "terminated")
		w.end(a)
	})
}

// TestTransferChain: a side that came by a transfer may transfer, until there were too many; nothing is left of all of them.
func TestTransferChain(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		for range maxTransfers {
			b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
			target := w.wire.next(msg.INVITE)
			target.reply(200, sdp("198.51.100.30", 7000))
			w.wire.next(msg.BYE).reply(200)
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
			b = w.callee(target)
		}
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(603)
		synctest.Wait()
		if u := w.tally.OfTrunk("trk_b"); u.In != 1 || u.Out != 1 {
			t.Errorf("trunk counts %+v: one call out, and one in whose toll is still paid", u)
		}
		w.end(a)
	})
}
