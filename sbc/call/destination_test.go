package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestCallees sees whom names and numbers reach.
func TestCallees(t *testing.T) {
	for _, tt := range []struct {
		name, callee string
		edit         func(v *village)
		want         int // 0: bob's phone rings; 1: the trunk's endpoint
	}{
		{"username", "bob", nil, 0},
		{"alias", "49772", nil, 0},
		{"a number of the plan", "4930", nil, 1},
		{"nobody", "carol", nil, 404},
		{"a number that a rule gives to a subscriber", "49772", func(v *village) { v.alice.Domain = v.snap.Domain("dom_1") }, 0},
		{"not registered", "bob", func(v *village) { delete(v.book.phones, "sub_bob") }, 480},
		{"not reachable", "bob", func(v *village) { delete(v.book.phones, "sub_bob"); v.book.lost["sub_bob"] = true }, 480},
		{"disabled", "bob", func(v *village) { v.bob.Subscriber.Enabled = false }, 404},
		{"the store is gone", "carol", func(v *village) { v.book.err = sbc.Errorf(sbc.CodeUnavailable, "x") }, 503},
		{"the store is gone, a number of the plan", "4930", func(v *village) { v.book.err = sbc.Errorf(sbc.CodeUnavailable, "x") }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
				if tt.edit != nil {
					tt.edit(v)
				}
				_, in := v.call(tt.callee)
				switch tt.want {
				case 0, 1:
					s := v.invites(1)[0]
					if got := s.target.Host == bobIP; got != (tt.want == 0) {
						t.Errorf("went to %s", s.target.Host)
					}
					if tt.want == 1 && s.req.From.URI.User != "+49771" {
						t.Errorf("outside the caller is %s", s.req.From.URI)
					}
					s.reply(486)
					in.want(486)
				default:
					in.want(tt.want)
				}
			})
		})
	}
}

// TestTrunkReachesSubscriber: a rule of a trunk's plan gives a number to a subscriber.
func TestTrunkReachesSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a := v.caller()
		a.uri = "sip:49772@" + borderA
		in := a.invite(sdp(callerIP, 4000))
		s := v.invites(1)[0]
		if s.req.RequestURI.User != "secret-reg_1" || s.req.To.URI.User != "49772" {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
		s.reply(486)
		in.want(486)
		a.uri = "sip:49779@" + borderA
		a.callID = "other"
		a.invite(sdp(callerIP, 4000)).want(404)
	})
}

// TestLookupWaits: while the store is asked the caller may give up, and nothing is called when the answer comes.
func TestLookupWaits(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		v.book.slow = make(chan struct{})
		a, in := v.call("bob")
		in.want(100)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		close(v.book.slow)
		v.wire.none(msg.INVITE)
		v.book.slow = make(chan struct{})
		_, in = v.call("bob")
		in.want(100)
		close(v.book.slow)
		v.invites(1)[0].reply(486)
		in.want(486)
	})
}

// TestPhoneIsGone: who calls a phone by a temporary address of it that is good no more hears 480, not that there never was any (RFC 5627 5.4).
func TestPhoneIsGone(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		a := v.caller()
		a.uri, a.from = "sip:tgruu-gone@example.com;gr", v.alice
		a.invite(sdp(callerIP, 4000)).want(480)
		_ = v.record()
	})
}

// TestGRUU: the address of one phone reaches that phone only (RFC 5627 5.1).
func TestGRUU(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		v.book.gruus["two"] = "reg_2"
		a := v.caller()
		a.uri, a.from = "sip:bob@example.com;gr=two", v.alice
		in := a.invite(sdp(callerIP, 4000))
		s := v.invites(1)[0]
		if s.target.Host != bobIP2 {
			t.Errorf("went to %s", s.target.Host)
		}
		s.reply(486)
		in.want(486)
		a.uri, a.callID = "sip:bob@example.com;gr=gone", "other"
		a.invite(sdp(callerIP, 4000)).want(480)
	})
}

// TestCalleeLimit: who is in as many calls as it may is busy.
func TestCalleeLimit(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.bob.Subscriber.MaxCalls = 1
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a, in := v.call("bob")
		s := v.invites(1)[0]
		s.reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		_, second := v.call("bob")
		second.want(486)
		v.wire.none(msg.INVITE)
		v.end(a)
	})
}

// TestReferToSubscriber: alice talks to bob and sends him to carol, whose two phones ring at once.
func TestReferToSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.person("sub_carol", "carol")
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		v.book.phones["sub_carol"] = []Contact{phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 1)}
		a, in := v.call("bob")
		bob := v.invites(1)[0]
		bob.reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		a.send(msg.REFER, "", "Refer-To: <sip:carol@example.com>").want(202)
		ring := v.invites(2)
		for _, s := range ring {
			if s.req.RequestURI.User != "secret-reg_2" && s.req.RequestURI.User != "secret-reg_3" {
				t.Errorf("%s rings", s.req.RequestURI)
			}
		}
		v.notified("100", "active")
		ring[0].reply(180)
		v.notified("180", "active")
		ring[1].reply(200, sdp(bobIP3, 5000))
		if !ring[0].isCancelled() {
			t.Error("the other phone rings on")
		}
		ring[0].reply(487)
		v.notified("200", "terminated")
		v.wire.next(msg.INVITE).reply(200, sdp(bobIP, 5000)) // bob is told of carol
		v.wire.next(msg.BYE).reply(200)                      // alice is released
		carol := v.callee(ring[1])
		carol.send(msg.BYE, "").want(200)
		v.wire.next(msg.BYE).reply(200)
		if d := v.cdr(); len(d.Attempts) != 3 || d.Attempts[2].SubscriberID != "sub_carol" || d.CalleeSubscriberID != "sub_bob" {
			t.Errorf("%+v", d)
		}
	})
}

// TestReferToNobody: what becomes of a transfer to a subscriber who is not there is told, and the call goes on.
func TestReferToNobody(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.person("sub_carol", "carol")
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a, in := v.call("bob")
		v.invites(1)[0].reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		a.send(msg.REFER, "", "Refer-To: <sip:carol@example.com>").want(202)
		v.wire.next(msg.NOTIFY).reply(200)
		last := v.wire.next(msg.NOTIFY)
		if !strings.Contains(string(last.req.Body), "480") {
			t.Errorf("%s", last.req.Body)
		}
		last.reply(200)
		v.wire.none(msg.INVITE)
		v.end(a)
	})
}

// TestExplainSubscriber: the decision on a call of a subscriber is shown with every step, phone by phone, and so is its INVITE.
func TestExplainSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 0.5)}
		ask := sbc.ExplainRequest{SourceAddress: "192.0.2.77", SIPInterfaceID: "sif_a", Callee: "49772", CallerSubscriberID: "sub_alice"}
		e, err := v.m.Explain(ask)
		if err != nil || e.Outcome != sbc.OutcomeRoute || e.TrunkID != "dom_1" || len(e.Attempts) != 3 {
			t.Fatalf("%+v %v", e, err)
		}
		if a := e.Attempts; a[0].Together != 1 || a[1].Together != 1 || a[2].Together != 2 || a[1].RegistrationID != "reg_2" ||
			a[1].SubscriberID != "sub_bob" || a[1].Address != bobIP2 || a[1].Port != 5062 {
			t.Errorf("%+v", a)
		}
		if !strings.HasPrefix(e.Message, "INVITE sip:secret-reg_1@") || !strings.Contains(e.Message, "<sip:alice@example.com>") {
			t.Errorf("%s", e.Message)
		}
		for callee, want := range map[string]int{"carol": 404, "alice": 480} {
			ask.Callee = callee
			if e, err := v.m.Explain(ask); err != nil || e.RejectCode != want || len(e.Steps) < 2 {
				t.Errorf("%s: %+v %v", callee, e, err)
			}
		}
		ask.CallerSubscriberID = "sub_nobody"
		if _, err := v.m.Explain(ask); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Errorf("%v", err)
		}
		ask = sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Callee: "49772"} // of a trunk
		if e, err := v.m.Explain(ask); err != nil || len(e.Attempts) != 3 {
			t.Errorf("%+v %v", e, err)
		}
	})
}
