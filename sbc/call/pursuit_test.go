package call

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestTransferTargetForwards: the target of a transfer has its calls forwarded when it is busy, or does not answer in time, as for every call.
func TestTransferTargetForwards(t *testing.T) {
	for name, fails := range map[string]func(s *sent){
		"busy":      func(s *sent) { s.reply(486) },
		"its phone": func(s *sent) { s.reply(302, "Contact: <sip:49551@9.9.9.9>") },
	} {
		t.Run(name, func(t *testing.T) {
			follower(t, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
				v.bob.Subscriber.Forwarding.Busy.Target = "49551"
				a, _, _, _ := v.talk()
				id := v.m.List(sbc.CallFilter{})[0].ID
				if err := v.m.Transfer(background(), id, sbc.TransferOrder{Keep: sbc.SideCallee, Target: "49772"}); err != nil {
					t.Fatal(err)
				}
				s := v.wire.next(msg.INVITE)
				if s.target.Host != bobIP {
					t.Fatalf("went to %s", s.target.Host)
				}
				fails(s)
				v.went(calleeIP, "49551").reply(486)
				v.wire.none(msg.INVITE)
				v.end(a)
				d := v.record()
				if n := len(d.Attempts); n != 3 || d.Attempts[2].ForwardedBy != "sub_bob" {
					t.Errorf("attempts %+v", d.Attempts)
				}
			})
		})
	}
}

// TestOriginateWithin: the API calls subscribers of a domain by their names, and their phones ring.
func TestOriginateWithin(t *testing.T) {
	follower(t, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		v.book.phones["sub_carol"] = []Contact{phone("reg_2", bobIP2, 1)}
		if _, err := v.m.Originate(background(), sbc.OriginateOrder{TrunkID: "dom_1", From: "bob", To: "carol"}); err != nil {
			t.Fatal(err)
		}
		one := v.wire.next(msg.INVITE)
		one.reply(200, sdp(bobIP, 5000))
		two := v.wire.next(msg.INVITE)
		if one.target.Host != bobIP || two.target.Host != bobIP2 {
			t.Errorf("called %s and %s", one.target.Host, two.target.Host)
		}
		two.reply(486)
		v.wire.next(msg.BYE).reply(200)
		if d := v.record(); d.Attempts[0].SubscriberID != "sub_bob" || d.Attempts[1].SubscriberID != "sub_carol" {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// TestListSleeper: phones of a subscriber of a route list are woken when it is their turn, and only then; who gives up meanwhile is let go.
func TestListSleeper(t *testing.T) {
	runRules(t, func(v *village) {
		v.snap.Domain("dom_1").Push.URL = "http://push.example"
		v.book.sleeps = true
		e, err := v.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Caller: "1", Callee: "2"})
		if err != nil || e.Outcome != sbc.OutcomeRoute || v.book.waker != nil {
			t.Fatalf("explained %+v, %v", e, err)
		}
		pushed := false
		for _, s := range e.Steps {
			pushed = pushed || s.Stage == "push" && s.Subject == "sub_bob"
		}
		if !pushed {
			t.Errorf("steps %+v", e.Steps)
		}
		_, in := v.dial("2")
		v.wire.none(msg.INVITE)
		if v.book.waker == nil {
			t.Fatal("nobody is woken")
		}
		v.book.phones["sub_bob"] = []Contact{phone("reg_2", bobIP2, 1)}
		v.book.waker()
		s := v.wire.next(msg.INVITE)
		if s.target.Host != bobIP2 {
			t.Errorf("went to %s", s.target.Host)
		}
		v.book.waker()
		s.reply(486)
		v.wire.next(msg.INVITE).reply(486)
		in.want(486)

		a, in := v.dial("2")
		v.wire.none(msg.INVITE)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		v.book.waker()
		v.wire.none(msg.INVITE)
	})
}

// TestRedirectToSubscriber: a carrier sends the call to a number of ours, whose phones ring; when they fail, where that number fails over to.
func TestRedirectToSubscriber(t *testing.T) {
	runRules(t, func(v *village) {
		v.snap.Trunk("trk_b").SignallingProfileID = "sgp_3"
		_, in := v.dial("4930123")
		v.wire.next(msg.INVITE).reply(302, "Contact: <sip:51@x>, <sip:530@x>;q=0.5")
		v.went(bobIP, "secret-reg_1").reply(486)
		v.went("198.51.100.20", "51").reply(503)
		v.went("198.51.100.20", "530").reply(486)
		in.want(486)
	})
}

// TestListForwards: where a subscriber of a route list has its calls forwarded counts only where the list says so: then on the account of the
// subscriber, before the next target. Who does not want to be disturbed is passed over in both.
func TestListForwards(t *testing.T) {
	runRules(t, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		explained := func(number string) (at []string) {
			at, _ = v.explained(number)
			return at
		}
		f := &v.bob.Subscriber.Forwarding
		f.Unconditional.Target = "140"
		for number, want := range map[string][]string{
			"2": {"2@198.51.100.20"},
			"8": {"140@198.51.100.20", "8@198.51.100.10", "8@198.51.100.11"},
		} {
			if got := explained(number); !slices.Equal(got, want) {
				t.Errorf("%s: explained %q", number, got)
			}
			if got, _ := v.lived(number); !slices.Equal(got, want) {
				t.Errorf("%s: lived %q", number, got)
			}
		}
		synctest.Wait()
		for _, d := range v.ledger.ends {
			if d.Callee == "8" && d.Attempts[0].ForwardedBy != "sub_bob" {
				t.Errorf("%+v", d.Attempts)
			}
		}
		f.Unconditional.Target, v.bob.Subscriber.DoNotDisturb = "", true
		for _, number := range []string{"2", "8"} {
			want := map[string][]string{"2": {"2@198.51.100.20"}, "8": {"8@198.51.100.10", "8@198.51.100.11"}}[number]
			if got, _ := v.lived(number); !slices.Equal(got, want) || !slices.Equal(explained(number), want) {
				t.Errorf("%s: lived %q", number, got)
			}
		}
	})
}

// TestForwardsToNormalForm: what a subscriber forwards to is looked for among the names of its domain as if it had dialled it: as it is, and
// in the normal form.
func TestForwardsToNormalForm(t *testing.T) {
	rows, err := rowtext.Rows("number-plan npl_1 country_code=49\nrule rul_x plan=rpl_1 prefix=+49 list=rls_1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		r.Base().TenantID = sbc.DefaultTenantID
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, func(d *sbc.Domain) { d.NumberPlanID = "npl_1" }, rows...)
		v.person("sub_carl", "carl", "+4930777")
		v.book.phones["sub_carl"] = []Contact{phone("reg_1", bobIP, 1)}
		v.bob.Subscriber.Forwarding.Unconditional.Target = "030777"
		_, in := v.dial("49772")
		v.went(bobIP, "secret-reg_1").reply(486)
		in.want(486)
		synctest.Wait()
		v.clean()
	})
}

// TestPriceOfWhatWasReached: a call is charged by the deck of whoever pays for the leg that answered, for the number that it reached: what a
// subscriber forwards is its own to pay, and where nothing is charged there, the caller pays for the number that it called.
func TestPriceOfWhatWasReached(t *testing.T) {
	for deck, want := range map[string]string{"rdk_1": "rdk_1 49551", "": "rdk_2 49772"} {
		follower(t, func(v *village) {
			v.snap.Domain("dom_1").PriceDeckID = deck
			v.snap.Trunk("dom_1").PriceDeckID = deck
			v.snap.Trunk("trk_a").PriceDeckID, v.snap.Trunk("trk_b").CostDeckID = "rdk_2", "rdk_3"
			charged := map[string]string{}
			v.m.o.Charge = func(d *sbc.RateDeck, number string, _ time.Time) *sbc.Charge {
				charged[d.ID] = d.ID + " " + number
				return &sbc.Charge{RateDeckID: d.ID, PerMinute: "0.1", Connection: "0"}
			}
			v.bob.Subscriber.Forwarding.Unconditional.Target = "49551"
			a, in := v.outside()
			v.converse(a, in, v.went(calleeIP, "49551"))
			d := v.record()
			if d.Price == nil || charged[d.Price.RateDeckID] != want || charged[d.Cost.RateDeckID] != "rdk_3 49551" {
				t.Errorf("price %+v, cost %+v, charged %q", d.Price, d.Cost, charged)
			}
		})
	}
}

// TestDomainDialplanOut: the dialplan of a domain for calls that go out translates the numbers that its phones are shown; the record has the caller's number in normal form beside that of the number called.
func TestDomainDialplanOut(t *testing.T) {
	text := `dialplan dpl_1 no_match=reject rules=[{"name":"out","field":"callee","match":"prefix","pattern":"4977","set_callee":"$1"}]`
	rows, err := rowtext.Rows(text)
	if err != nil {
		t.Fatal(err)
	}
	rows[0].Base().TenantID = sbc.DefaultTenantID
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, func(d *sbc.Domain) { d.EgressDialplanID = "dpl_1" }, rows...)
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		_, in := v.dial("49772")
		s := v.went(bobIP, "secret-reg_1")
		if s.req.To.URI.User != "2" {
			t.Errorf("To %s", s.req.To)
		}
		s.reply(486)
		in.want(486)
		if d := v.record(); d.CalleeSent != "2" || d.CallerNormalised != d.Caller || d.CallerNormalised == "" {
			t.Errorf("%+v", d)
		}
		synctest.Wait()
		v.clean()
	})
}
