package call

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// carol adds the subscriber to whom bob's calls are forwarded, and lets all their phones be there.
func (v *village) carol() *sbc.Entry {
	e := v.person("sub_carol", "carol")
	v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
	v.book.phones["sub_carol"] = []Contact{phone("reg_3", bobIP3, 1)}
	return e
}

// talk answers an INVITE, and ends the call.
func (v *village) converse(a *peer, in *server, out *sent) {
	v.t.Helper()
	out.reply(200, sdp(out.target.Host, 5000))
	a.learn(in.want(200))
	a.ack(a.lastInviteNumber, "")
	v.end(a)
}

// record takes the record of the call that ended.
func (v *village) record() *sbc.CDR {
	v.t.Helper()
	d := v.cdr()
	v.ledger.mu.Lock()
	defer v.ledger.mu.Unlock()
	v.ledger.ends = nil
	return d
}

// by sees on whose account a line of the record is, and why.
func by(t *testing.T, a sbc.CDRAttempt, forwarder, reason string) {
	t.Helper()
	if a.ForwardedBy != forwarder || a.ForwardReason != reason {
		t.Errorf("attempt %d is forwarded by %q for %q, want %q, %q", a.Number, a.ForwardedBy, a.ForwardReason, forwarder, reason)
	}
}

// TestRFC5359CallForwardingUnconditional is RFC 5359 2.7.
func TestRFC5359CallForwardingUnconditional(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.Unconditional.Target = "carol"
		a, in := v.call("bob")
		out := v.wire.next(msg.INVITE)
		if out.target.Host != bobIP3 || out.req.From.URI.User != "alice" || out.req.To.URI.User != "carol" {
			t.Errorf("INVITE to %s:\n%s", out.target.Host, out.req.AppendTo(nil))
		}
		v.converse(a, in, out)
		d := v.record()
		if d.CalleeSubscriberID != "sub_carol" || len(d.Attempts) != 1 || d.Callee != "bob" {
			t.Fatalf("record %+v", d)
		}
		by(t, d.Attempts[0], "sub_bob", "unconditional")
	})
}

// TestRFC5359CallForwardingBusy is RFC 5359 2.8.
func TestRFC5359CallForwardingBusy(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.Busy.Target = "carol"
		a, in := v.call("bob")
		v.wire.next(msg.INVITE).reply(486)
		v.converse(a, in, v.wire.next(msg.INVITE))
		d := v.record()
		if len(d.Attempts) != 2 || d.Attempts[0].Code != 486 || d.Attempts[0].ForwardedBy != "" {
			t.Fatalf("attempts %+v", d.Attempts)
		}
		by(t, d.Attempts[1], "sub_bob", "busy")
	})
}

// TestRFC5359CallForwardingNoAnswer is RFC 5359 2.9: after 20 s and not before; a 200 that comes too late gets ACK and BYE.
func TestRFC5359CallForwardingNoAnswer(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.book.phones["sub_bob"] = append(v.book.phones["sub_bob"], phone("reg_2", bobIP2, 0.5)) // not tried any more
		v.bob.Subscriber.Forwarding.NoAnswer.Target = "carol"
		a, in := v.call("bob")
		bob := v.wire.next(msg.INVITE)
		bob.reply(180)
		in.want(180)
		time.Sleep(20*time.Second - time.Millisecond)
		synctest.Wait()
		if bob.isCancelled() {
			t.Fatal("cancelled before 20 s")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if !bob.isCancelled() {
			t.Fatal("not cancelled after 20 s")
		}
		bob.reply(200, sdp(bobIP, 5000)) // it crossed the CANCEL
		v.wire.next(msg.BYE).reply(200)
		out := v.wire.next(msg.INVITE)
		if out.target.Host != bobIP3 || v.wire.ackCount() != 1 {
			t.Errorf("INVITE to %s after %d ACKs", out.target.Host, v.wire.ackCount())
		}
		v.converse(a, in, out)
		by(t, v.record().Attempts[1], "sub_bob", "no_answer")
	})
}

// TestLateAnswerAfterForward: a 200 that comes when the call is with somebody else gets ACK and BYE.
func TestLateAnswerAfterForward(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.NoAnswer.Target = "carol"
		a, in := v.call("bob")
		bob := v.wire.next(msg.INVITE)
		bob.reply(180)
		in.want(180)
		time.Sleep(25 * time.Second) // and the CANCEL is never answered
		out := v.wire.next(msg.INVITE)
		bob.reply(200, sdp(bobIP, 5000))
		bye := v.wire.next(msg.BYE)
		if bye.target.Host != bobIP {
			t.Errorf("BYE to %s", bye.target.Host)
		}
		bye.reply(200)
		v.converse(a, in, out)
	})
}

// TestForwardUnreachable: a phone that says nothing, and nobody registered, lead elsewhere for reasons of their own.
func TestForwardUnreachable(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.Unreachable.Target, v.bob.Subscriber.Forwarding.NotRegistered.Target = "carol", "carol"
		a, in := v.call("bob")
		v.wire.next(msg.INVITE).failed(msg.ErrNoResponse)
		v.converse(a, in, v.wire.next(msg.INVITE))
		by(t, v.record().Attempts[1], "sub_bob", "unreachable")
		v.book.phones["sub_bob"], v.book.lost["sub_bob"] = nil, true
		a, in = v.call("bob")
		v.converse(a, in, v.wire.next(msg.INVITE))
		by(t, v.record().Attempts[0], "sub_bob", "unreachable")
		delete(v.book.lost, "sub_bob")
		a, in = v.call("bob")
		v.converse(a, in, v.wire.next(msg.INVITE))
		by(t, v.record().Attempts[0], "sub_bob", "not_registered")
	})
}

// TestForwardToTrunk: a number outside is routed by the domain's plan; the trunk is told who diverted the call and why.
func TestForwardToTrunk(t *testing.T) {
	for mode, want := range map[sbc.Retargeting]string{
		sbc.RetargetDiversion: "Diversion: <sip:49772@", sbc.RetargetHistory: ";cause=486",
	} {
		runVillage(t, nil, func(v *village) {
			v.carol()
			v.bob.Subscriber.CallerID = "49772"
			v.snap.Trunk("trk_b").SignallingProfileID = "sgp_1"
			v.snap.Signalling(v.snap.Trunk("trk_b")).Retargeting = mode
			v.bob.Subscriber.Forwarding.Busy.Target = "4930123"
			a, in := v.call("bob")
			v.wire.next(msg.INVITE).reply(486)
			out := v.wire.next(msg.INVITE)
			text := string(out.req.AppendTo(nil))
			if out.target.Host != calleeIP || out.req.RequestURI.User != "4930123" || !strings.Contains(text, want) ||
				out.req.From.URI.User != "+49771" {
				t.Errorf("%s: INVITE\n%s", mode, text)
			}
			if mode == sbc.RetargetDiversion && !strings.Contains(text, "reason=user-busy") {
				t.Errorf("no reason in\n%s", text)
			}
			v.converse(a, in, out)
			d := v.record()
			by(t, d.Attempts[1], "sub_bob", "busy")
			if d.EgressTrunkID != "trk_b" {
				t.Errorf("record %+v", d)
			}
		})
	}
}

// TestForwardLoop: a circle ends with 482, a chain that is too long with 480 (RFC 3261 21.4.20).
func TestForwardLoop(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		carol := v.carol()
		v.bob.Subscriber.Forwarding.Unconditional.Target = "carol"
		carol.Subscriber.Forwarding.Unconditional.Target = "bob"
		_, in := v.call("bob")
		in.want(482)
		if d := v.record(); d.FinalCode != 482 || d.CalleeSubscriberID != "sub_bob" {
			t.Errorf("record %+v", d)
		}
	})
	runVillage(t, func(d *sbc.Domain) { d.MaxForwards = 1 }, func(v *village) {
		carol := v.carol()
		v.bob.Subscriber.Forwarding.Unconditional.Target = "carol"
		carol.Subscriber.Forwarding.Unconditional.Target = "4930123"
		_, in := v.call("bob")
		in.want(480)
		_ = v.record()
	})
}

// TestServicesRefuse holds what callers are told that a subscriber does not want.
func TestServicesRefuse(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(v *village, bob *sbc.Subscriber)
		want int
	}{
		{"do not disturb", func(_ *village, s *sbc.Subscriber) { s.DoNotDisturb = true }, 486},
		{"anonymous", func(v *village, s *sbc.Subscriber) { s.RejectAnonymous, v.alice.Anonymous = true, true }, 433},
		{"blocked", func(v *village, s *sbc.Subscriber) { s.IncomingListIDs = []string{"nls_1"} }, 603},
		{"blocked by the caller's own list", func(v *village, _ *sbc.Subscriber) {
			v.alice.Entry.Subscriber.OutgoingListIDs = []string{"nls_2"}
		}, 403},
		{"busy, nowhere to go to", func(v *village, s *sbc.Subscriber) { s.Forwarding.Busy.Target, s.DoNotDisturb = "bob", true }, 482},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				list := func(id, pattern string) sbc.Resource {
					l := &sbc.NumberList{Meta: meta(id)}
					l.Defaults()
					l.Entries = []sbc.NumberEntry{{Prefix: pattern, Verdict: sbc.ListDeny}}
					return l
				}
				v := newVillage(t, nil, list("nls_1", "alice"), list("nls_2", "bob"))
				v.carol()
				tt.set(v, v.bob.Subscriber)
				_, in := v.call("bob")
				in.want(tt.want)
				_ = v.record()
				v.wire.none(msg.INVITE)
				synctest.Wait()
				v.clean()
			})
		})
	}
}

// TestForwardLimit: a forward beyond the forwarder's calls is refused, and its permissions hold.
func TestForwardLimit(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.Unconditional.Target, v.bob.Subscriber.MaxCalls = "carol", 1
		a, in := v.call("bob")
		first := v.wire.next(msg.INVITE)
		_, other := v.call("bob")
		other.want(486)
		_ = v.record()
		v.converse(a, in, first)
	})
}

// TestCancelWhileForwarding: the caller gives up while it is looked up where the call goes on.
func TestCancelWhileForwarding(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.carol()
		v.bob.Subscriber.Forwarding.Busy.Target = "carol"
		a, in := v.call("bob")
		bob := v.wire.next(msg.INVITE)
		v.book.slow = make(chan struct{})
		bob.reply(486)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		close(v.book.slow)
		synctest.Wait()
		v.wire.none(msg.INVITE)
		if d := v.record(); d.EndReason != sbc.EndCallerCancel || len(d.Attempts) != 1 {
			t.Errorf("record %+v", d)
		}
	})
}

// switches is Features in memory.
type switches struct {
	list []string
	err  error
}

func (s *switches) Switch(id string, f sbc.Feature, argument string, then func(error)) {
	s.list = append(s.list, id+" "+string(f)+" "+argument)
	go then(s.err)
}

// TestFeatureCodes: a code changes the subscriber and is confirmed by a tone, then BYE; nothing of it is billed.
func TestFeatureCodes(t *testing.T) {
	for dialled, want := range map[string]string{
		"*72100": "sub_alice forward_unconditional_on 100", "*78": "sub_alice do_not_disturb_on ", "*72": "",
	} {
		runVillage(t, nil, func(v *village) {
			s := &switches{}
			v.m.o.Features = s
			a, in := v.call(dialled)
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			synctest.Wait()
			v.hears()
			v.wire.next(msg.BYE).reply(200)
			if got := strings.Join(s.list, "|"); got != want {
				t.Errorf("%s switched %q, want %q", dialled, got, want)
			}
			if d := v.record(); d.Disposition != sbc.DispositionAnswered || d.BillableMS != 0 || len(d.Attempts) != 1 {
				t.Errorf("record %+v", d)
			}
		})
	}
	runVillage(t, nil, func(v *village) {
		v.m.o.Features = &switches{err: sbc.Errorf(sbc.CodeUnavailable, "the store is away")}
		_, in := v.call("*78")
		in.want(503)
		_ = v.record()
	})
}
