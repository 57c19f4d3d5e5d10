package call

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
	"github.com/sallyport/sallyport/sbc/msg"
)

// furtherRules are what the tests of rules have besides the usual provisioning: trk_c, two route lists, and rules by first digit.
const furtherRules = `
signalling-profile sgp_3 redirects=follow
trunk trk_c realm=rlm_b
endpoint end_c trunk=trk_c address=198.51.100.20
list rls_c
target tgt_c list=rls_c trunk=trk_c
list rls_bob
target tgt_b1 list=rls_bob subscriber_id=sub_bob priority=1
target tgt_b2 list=rls_bob trunk=trk_c priority=2
list rls_late max_setup_s=10
target tgt_l1 list=rls_late trunk=trk_b
plan rpl_2
rule rul_a1 plan=rpl_1 prefix=1 list=rls_1 fallback=true variables={"way":"first"}
rule rul_a2 plan=rpl_1 prefix=1 list=rls_c priority=1 variables={"second":"yes"}
rule rul_a3 plan=rpl_1 prefix=13 action=subscriber domain_id=dom_1 strip=1 fallback=true
rule rul_a4 plan=rpl_1 prefix=14 list=rls_c fallback=true
rule rul_a5 plan=rpl_1 prefix=14 action=reject code=410 reason=Moved announcement_id=ann_1 priority=1
rule rul_b1 plan=rpl_1 prefix=2 list=rls_bob
list rls_pub
target tgt_p1 list=rls_pub trunk=trk_b priority=1 public=true
target tgt_p2 list=rls_pub subscriber_id=sub_bob priority=2
rule rul_c2 plan=rpl_1 prefix=31 action=redirect list=rls_1
rule rul_c3 plan=rpl_1 prefix=32 action=redirect list=rls_pub strip=1 add=+49
list rls_fwd follow_forwarding=true
target tgt_f1 list=rls_fwd subscriber_id=sub_bob priority=1
target tgt_f2 list=rls_fwd trunk=trk_b priority=2
rule rul_b2 plan=rpl_1 prefix=8 list=rls_fwd
rule rul_c1 plan=rpl_1 prefix=3 action=redirect list=rls_1 strip=1 add=+49
rule rul_d1 plan=rpl_1 prefix=5 action=number
rule rul_e1 plan=rpl_1 prefix=6 list=rls_late
rule rul_f1 plan=rpl_1 prefix=7 action=jump jump_plan_id=rpl_2 conditions=[{"field":"header","name":"X-Tier","values":["gold"]}]
rule rul_f2 plan=rpl_2 prefix= list=rls_c
number num_1 number=51 subscriber_id=sub_bob failover_route_list_id=rls_c
number num_2 number=52 route_list_id=rls_1
number num_3 number=530 range_end=539 subscriber_id=sub_nobody failover_route_list_id=rls_c
`

// runRules is runVillage with those rules.
func runRules(t *testing.T, play func(v *village)) {
	t.Helper()
	rows, err := rowtext.Rows(furtherRules)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		r.Base().TenantID = sbc.DefaultTenantID
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, nil, rows...)
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		play(v)
		synctest.Wait()
		v.clean()
	})
}

// dial calls a number from trk_a.
func (v *village) dial(number string, headers ...string) (*peer, *server) {
	a := v.caller()
	a.uri = "sip:" + number + "@" + borderA
	return a, a.invite(sdp(callerIP, 4000), headers...)
}

// went checks where the next INVITE goes.
func (v *village) went(host, user string) *sent {
	v.t.Helper()
	s := v.wire.next(msg.INVITE)
	if s.target.Host != host || s.req.RequestURI.User != user {
		v.t.Errorf("%s at %s is called, want %s at %s", s.req.RequestURI.User, s.target.Host, user, host)
	}
	return s
}

// TestFallback: when all of a route list failed, the next rule that fits is carried out, with the number as it was dialled.
func TestFallback(t *testing.T) {
	runRules(t, func(v *village) {
		a, in := v.dial("12")
		v.went(calleeIP, "12").reply(503)
		v.went("198.51.100.11", "12").reply(503)
		v.went("198.51.100.20", "12").reply(200, sdp("198.51.100.20", 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		v.end(a)
		d := v.cdr()
		if len(d.Attempts) != 3 || d.Attempts[2].TrunkID != "trk_c" || d.RuleID != "rul_a2" {
			t.Errorf("rule %s, attempts %+v", d.RuleID, d.Attempts)
		}
		if d.Variables["way"] != "first" || d.Variables["second"] != "yes" {
			t.Errorf("variables %v", d.Variables)
		}
	})
}

// TestFallbackNeedsAFailureThatLetsIt: a busy callee is not sought elsewhere, and an answer that was better is told.
func TestFallbackNeedsAFailureThatLetsIt(t *testing.T) {
	runRules(t, func(v *village) {
		_, in := v.dial("12")
		v.went(calleeIP, "12").reply(486)
		v.wire.none(msg.INVITE)
		in.want(486)
		if d := v.cdr(); d.RuleID != "rul_a1" || d.Variables["second"] != "" {
			t.Errorf("%+v", d)
		}
	})
}

// TestFallbackEndsAtARefusal: the next rule may refuse, with an announcement of its own.
func TestFallbackEndsAtARefusal(t *testing.T) {
	runRules(t, func(v *village) {
		_, in := v.dial("14")
		v.went("198.51.100.20", "14").reply(503)
		v.heard(in)
		if res := in.want(410); res.Reason != "Moved" {
			t.Errorf("%s", res.Reason)
		}
		v.refusedRecord(410)
	})
}

// TestFallbackFromSubscribers: a subscriber that is not there, not registered, or does not answer lets the next rule decide.
func TestFallbackFromSubscribers(t *testing.T) {
	for name, tt := range map[string]struct {
		number string
		edit   func(v *village)
		ring   int
	}{
		"nobody has the number": {"139", nil, 0},
		"disabled":              {"1349772", func(v *village) { v.bob.Subscriber.Enabled = false }, 0},
		"not registered":        {"1349772", func(v *village) { delete(v.book.phones, "sub_bob") }, 0},
		"busy":                  {"1349772", nil, 486},
		"the store is gone":     {"139", func(v *village) { v.book.err = sbc.Errorf(sbc.CodeUnavailable, "x") }, 0},
		"looked up later":       {"1349772", func(v *village) { v.book.slow = make(chan struct{}); close(v.book.slow) }, 486},
	} {
		t.Run(name, func(t *testing.T) {
			runRules(t, func(v *village) {
				v.book.entries["349772"] = v.book.entries["49772"]
				if tt.edit != nil {
					tt.edit(v)
				}
				_, in := v.dial(tt.number)
				if tt.ring != 0 {
					v.invites(1)[0].reply(tt.ring)
				}
				v.went(calleeIP, tt.number).reply(404)
				v.wire.none(msg.INVITE)
				in.want(404)
				_ = v.cdr()
			})
		})
	}
}

// TestSubscriberInARouteList: its phones ring when it is its turn, then the next target is tried; who is not there, or wants no calls, is
// passed over.
func TestSubscriberInARouteList(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(v *village)
		ring int
	}{
		"busy":           {nil, 486},
		"not registered": {func(v *village) { delete(v.book.phones, "sub_bob") }, 0},
		"disabled":       {func(v *village) { v.bob.Subscriber.Enabled = false }, 0},
		"do not disturb": {func(v *village) { v.bob.Subscriber.DoNotDisturb = true }, 0},
		"forwarded":      {func(v *village) { v.bob.Subscriber.Forwarding.Unconditional.Target = "4930" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			runRules(t, func(v *village) {
				if tt.edit != nil {
					tt.edit(v)
				}
				a, in := v.dial("2")
				if tt.ring != 0 {
					v.went(bobIP, "secret-reg_1").reply(tt.ring)
				}
				v.went("198.51.100.20", "2").reply(200, sdp("198.51.100.20", 5000))
				a.learn(in.want(200))
				a.ack(a.lastInviteNumber, "")
				v.end(a)
				if d := v.cdr(); d.Attempts[0].SubscriberID != "sub_bob" && name != "disabled" {
					t.Errorf("%+v", d.Attempts)
				}
			})
		})
	}
	t.Run("two phones, then 6xx", func(t *testing.T) {
		runRules(t, func(v *village) {
			v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 0.5)}
			_, in := v.dial("2")
			v.went(bobIP, "secret-reg_1").reply(480)
			v.went(bobIP2, "secret-reg_2").reply(603)
			v.wire.none(msg.INVITE)
			in.want(603)
			_ = v.cdr()
		})
	})
}

// TestNumbersOfOurs: a number of ours leads to its subscriber or route list, and to its failover list if nobody there takes the call.
func TestNumbersOfOurs(t *testing.T) {
	runRules(t, func(v *village) {
		_, in := v.dial("51")
		v.went(bobIP, "secret-reg_1").reply(486)
		v.went("198.51.100.20", "51").reply(404)
		in.want(404)
		_ = v.cdr()
	})
	runRules(t, func(v *village) {
		_, in := v.dial("535")
		v.went("198.51.100.20", "535").reply(404)
		in.want(404)
		_ = v.cdr()
	})
	runRules(t, func(v *village) {
		_, in := v.dial("52")
		v.went(calleeIP, "52").reply(404)
		in.want(404)
		_ = v.cdr()
	})
	runRules(t, func(v *village) {
		_, in := v.dial("54")
		in.want(404)
		_ = v.cdr()
	})
}

// TestRuleRedirects: the caller gets the addresses of the targets that are public, the first one with the greatest q, and ours in place of the
// others, with the number as the rule made it; where that is the one that it called here, there is nothing to tell.
func TestRuleRedirects(t *testing.T) {
	runRules(t, func(v *village) {
		for number, want := range map[string]string{
			"30":  "<sip:+490@" + borderA + ":5060>;q=1.000",
			"320": "<sip:+4920@198.51.100.10:5060>;q=1.000, <sip:+4920@198.51.100.11:5060>;q=0.984, <sip:+4920@" + borderA + ":5060>;q=0.969",
		} {
			_, in := v.dial(number)
			if got := strings.Join(in.want(302).Values("Contact"), ", "); got != want {
				t.Errorf("%s: Contact: %s", number, got)
			}
		}
		_, in := v.dial("310")
		if in.want(503).Has("Contact") {
			t.Error("a Contact in a refusal")
		}
		_, in = v.dial("330")
		in.want(302)
		v.ledger.mu.Lock()
		v.ledger.ends = v.ledger.ends[3:]
		v.ledger.mu.Unlock()
		v.wire.none(msg.INVITE)
		if d := v.cdr(); d.FinalCode != 302 || d.RuleID != "rul_c1" {
			t.Errorf("%+v", d)
		}
	})
}

// TestMaxSetup: no attempt is begun later than the route list says.
func TestMaxSetup(t *testing.T) {
	for late, want := range map[time.Duration]int{3 * time.Second: 2, 11 * time.Second: 1} {
		runRules(t, func(v *village) {
			_, in := v.dial("6")
			one := v.went(calleeIP, "6")
			time.Sleep(late) // of the bubble's clock
			one.reply(503)
			if want == 2 {
				v.went("198.51.100.11", "6").reply(503)
			}
			v.wire.none(msg.INVITE)
			in.want(503)
			if d := v.cdr(); len(d.Attempts) != want {
				t.Errorf("after %v: %d attempts", late, len(d.Attempts))
			}
		})
	}
}

// TestRulesSeeHeaders: a condition looks at the INVITE as it came.
func TestRulesSeeHeaders(t *testing.T) {
	runRules(t, func(v *village) {
		_, in := v.dial("7", "X-Tier: gold")
		v.went("198.51.100.20", "7").reply(404)
		in.want(404)
		_ = v.cdr()
	})
	runRules(t, func(v *village) {
		_, in := v.dial("7", "X-Tier: tin")
		in.want(404)
		v.wire.none(msg.INVITE)
		_ = v.cdr()
	})
}

// TestExplainFollowsRules: what would come if nobody took the call is shown, too.
func TestExplainFollowsRules(t *testing.T) {
	runRules(t, func(v *village) {
		ask := sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a"}
		for callee, want := range map[string]string{
			"12": "end_1 end_2 end_c", "2": "sub_bob end_c", "51": "sub_bob end_c", "535": "end_c", "139": "end_1 end_2 end_c", "14": "end_c",
		} {
			ask.Callee = callee
			e, err := v.m.Explain(ask)
			var got []string
			for _, a := range e.Attempts {
				got = append(got, a.EndpointID+a.SubscriberID)
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s: %v %v, want %s", callee, got, err, want)
			}
		}
		ask.Callee = "3"
		if e, err := v.m.Explain(ask); err != nil || e.Outcome != sbc.OutcomeReject || e.RejectCode != 302 {
			t.Errorf("%+v %v", e, err)
		}
	})
}
