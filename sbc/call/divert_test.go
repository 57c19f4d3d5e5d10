package call

import (
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// follower is a village whose phones may redirect, and whose domain has a plan of its own: it leads from 4955 to the carrier, where that of
// the trunk leads from 49.
func follower(t *testing.T, play func(v *village)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		follow := &sbc.SignallingProfile{Meta: meta("sgp_3")}
		follow.Defaults()
		follow.Redirects, follow.MaxRedirects = sbc.RedirectFollow, 3
		rule := &sbc.Rule{Meta: meta("rul_55")}
		rule.Defaults()
		rule.RoutingPlanID, rule.Prefix, rule.RouteListID = "rpl_2", "4955", "rls_1"
		list := &sbc.NumberList{Meta: meta("nls_1")}
		list.Defaults()
		list.Entries = []sbc.NumberEntry{{Prefix: "49559", Verdict: sbc.ListDeny}}
		none := &sbc.Group{Meta: meta("grp_none")}
		none.Defaults()
		none.Classes = []sbc.NumberClass{}
		v := newVillage(t, func(d *sbc.Domain) { d.RoutingPlanID, d.SignallingProfileID = "rpl_2", "sgp_3" },
			follow, rule, list, none, &sbc.RoutingPlan{Meta: meta("rpl_2")},
			&sbc.RateDeck{Meta: meta("rdk_1"), Currency: "EUR"}, &sbc.RateDeck{Meta: meta("rdk_2"), Currency: "EUR"},
			&sbc.RateDeck{Meta: meta("rdk_3"), Currency: "EUR"})
		v.carol()
		play(v)
		synctest.Wait()
		v.clean()
	})
}

// outside lets the carrier call bob.
func (v *village) outside() (*peer, *server) {
	a := v.caller()
	a.uri = "sip:49772@" + borderA
	return a, a.invite(sdp(callerIP, 4000))
}

// TestPhoneRedirects: what a phone redirects is routed by the plan of its own domain, whoever calls, and is on its subscriber's account.
func TestPhoneRedirects(t *testing.T) {
	follower(t, func(v *village) {
		a, in := v.outside()
		v.wire.next(msg.INVITE).reply(302, "Contact: <sip:49551@9.9.9.9:99>")
		out := v.wire.next(msg.INVITE)
		if out.target.Host != calleeIP || out.req.RequestURI.User != "49551" {
			t.Errorf("INVITE to %s for %s", out.target.Host, out.req.RequestURI)
		}
		v.converse(a, in, out)
		d := v.record()
		if len(d.Attempts) != 2 || d.Attempts[0].Code != 302 {
			t.Fatalf("attempts %+v", d.Attempts)
		}
		by(t, d.Attempts[1], "sub_bob", "redirected")
	})
}

// TestPhoneRedirectsWithin: a number that somebody of the domain has is that one's.
func TestPhoneRedirectsWithin(t *testing.T) {
	follower(t, func(v *village) {
		a, in := v.outside()
		v.wire.next(msg.INVITE).reply(302, "Contact: <sip:49772@9.9.9.9>, <sip:carol@9.9.9.9>;q=0.5")
		out := v.wire.next(msg.INVITE)
		if out.target.Host != bobIP3 {
			t.Errorf("INVITE to %s", out.target.Host)
		}
		v.converse(a, in, out)
		d := v.record()
		if d.CalleeSubscriberID != "sub_carol" {
			t.Errorf("record %+v", d)
		}
		by(t, d.Attempts[1], "sub_bob", "redirected")
	})
}

// TestPhoneRedirectsToll: a phone leads nobody where its subscriber may not call, be it the caller's plan that has a way there.
func TestPhoneRedirectsToll(t *testing.T) {
	for _, tt := range []struct {
		name, contact string
		set           func(s *sbc.Subscriber)
		want          int
	}{
		{"a number of the caller's plan", "4930123", nil, 404},
		{"a class its groups do not permit", "49551", func(s *sbc.Subscriber) { s.GroupIDs = []string{"grp_none"} }, 403},
		{"a number on its list", "495591", func(s *sbc.Subscriber) { s.OutgoingListIDs = []string{"nls_1"} }, 480},
		{"to itself", "49772", nil, 480},
		{"to its other name, and again", "bob", nil, 480},
	} {
		t.Run(tt.name, func(t *testing.T) {
			follower(t, func(v *village) {
				if tt.set != nil {
					tt.set(v.bob.Subscriber)
				}
				_, in := v.outside()
				v.wire.next(msg.INVITE).reply(302, "Contact: <sip:"+tt.contact+"@9.9.9.9>")
				if tt.contact == "bob" {
					v.wire.next(msg.INVITE).reply(302, "Contact: <sip:bob@9.9.9.9>")
				}
				in.want(tt.want)
				v.wire.none(msg.INVITE)
				_ = v.record()
			})
		})
	}
}

// TestPhoneRedirectsLimit: it takes a call of the subscriber's.
func TestPhoneRedirectsLimit(t *testing.T) {
	follower(t, func(v *village) {
		v.bob.Subscriber.MaxCalls = 1
		a, in := v.outside()
		v.wire.next(msg.INVITE).reply(302, "Contact: <sip:49551@x>")
		out := v.wire.next(msg.INVITE)
		_, other := v.outside()
		other.want(486)
		_ = v.record()
		v.converse(a, in, out)
	})
}

// TestPhonesRedirect: where many ring, one that redirects is heard when no other answers, and the first of them counts.
func TestPhonesRedirect(t *testing.T) {
	for _, tt := range []struct {
		name   string
		other  func(*sent)
		target string
		want   int
	}{
		{"the other answers", answers(200), "", 200},
		{"the other is busy", answers(486), calleeIP, 200},
		{"the other declines for all", answers(603), "", 603},
		{"the other is silent", breaks(msg.ErrNoResponse), calleeIP, 200},
		{"the other redirects elsewhere", func(s *sent) { s.reply(302, "Contact: <sip:49552@x>") }, calleeIP, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			follower(t, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_4", "192.0.2.53", 0.1)}
				a, in := v.outside()
				ring := v.invites(2)
				ring[0].reply(302, "Contact: <sip:49551@x>")
				v.wire.none(msg.INVITE)
				switch {
				case tt.want == 200 && tt.target == "":
					v.converse(a, in, ring[1])
				case tt.target == "":
					tt.other(ring[1])
					in.want(tt.want)
				default:
					tt.other(ring[1])
					out := v.wire.next(msg.INVITE)
					if out.target.Host != tt.target || out.req.RequestURI.User != "49551" {
						t.Errorf("INVITE to %s for %s", out.target.Host, out.req.RequestURI)
					}
					v.converse(a, in, out)
				}
				_ = v.record()
			})
		})
	}
}

// TestForwardRedirected: where a carrier redirects what a subscriber forwarded, the subscriber's plan and permissions count, and not
// the caller's.
func TestForwardRedirected(t *testing.T) {
	follower(t, func(v *village) {
		v.snap.Trunk("trk_b").SignallingProfileID = "sgp_3"
		v.bob.Subscriber.Forwarding.Unconditional.Target = "49551"
		a, in := v.outside()
		v.wire.next(msg.INVITE).reply(302, "Contact: <sip:4930123@x>, <sip:49552@x>;q=0.1")
		out := v.wire.next(msg.INVITE)
		if out.req.RequestURI.User != "49552" {
			t.Errorf("INVITE for %s", out.req.RequestURI)
		}
		v.converse(a, in, out)
		by(t, v.record().Attempts[1], "sub_bob", "unconditional")
	})
}

// TestTransferToForwarder: what the target of a transfer has forwarded is on its account.
func TestTransferToForwarder(t *testing.T) {
	follower(t, func(v *village) {
		v.person("sub_dora", "dora").Subscriber.Forwarding.Unconditional.Target = "49551"
		a, in := v.outside()
		out := v.wire.next(msg.INVITE)
		out.reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		b := v.callee(out)
		b.send(msg.REFER, "", "Refer-To: <sip:dora@example.com>").want(202)
		v.notified("100", "active")
		v.wire.next(msg.INVITE).reply(486)
		v.notified("486", "terminated")
		v.end(a)
		by(t, v.record().Attempts[1], "sub_dora", "unconditional")
	})
}
