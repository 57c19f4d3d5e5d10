package call

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
	"github.com/sallyport/sallyport/sbc/msg"
)

// chance makes provisioning.
type chance struct{ *rand.Rand }

func (c chance) one(of ...string) string { return of[c.IntN(len(of))] }

// digits are some of a few, so that prefixes meet.
func (c chance) digits(least, most int) string {
	var b strings.Builder
	for range least + c.IntN(most-least+1) {
		b.WriteByte("123"[c.IntN(3)])
	}
	return b.String()
}

// rule is any rule of a plan; those of rpl_n jump to plans with a greater n only.
func (c chance) rule(id string, plan int) string {
	s := fmt.Sprintf("rule %s plan=rpl_%d prefix=%s priority=%d list=%s domain_id=dom_1", id, plan, c.digits(0, 3), c.IntN(3),
		c.one("rls_1", "rls_2", "rls_3", "rls_4", "rls_5"))
	switch action := c.one("route", "route", "route", "reject", "subscriber", "number", "redirect", "jump"); {
	case action == "jump" && plan == 3:
	case action == "jump":
		s += fmt.Sprintf(" action=jump jump_plan_id=rpl_%d", plan+1+c.IntN(3-plan))
	default:
		s += " action=" + action
	}
	s += fmt.Sprintf(" strip=%d add=%s fallback=%t code=%d", c.IntN(2), c.digits(0, 1), c.IntN(2) == 0, 400+10*c.IntN(5))
	s += c.one("", "", "", " disabled", ` route_groups=["gold"]`, " time_profile_id=tim_1", " time_profile_id=tim_2")
	s += c.one("", "", "", ` conditions=[{"field":"caller","match":"prefix","values":["+44"]}]`,
		` conditions=[{"field":"variable","name":"v","values":["1"],"not":true}]`, ` conditions=[{"field":"percent","percent":100}]`,
		` conditions=[{"field":"trunk","values":["trk_b"]}]`)
	return s + c.one("", "", ` variables={"v":"1"}`, ` variables={"v":"2"}`) + "\n"
}

// rows are a whole provisioning beside the usual one.
func (c chance) rows() string {
	s := `
time-profile tim_1 windows=[{"start":"1999-01-01T00:00:00","duration_s":86400,"rrule":"FREQ=DAILY"}]
time-profile tim_2 windows=[{"start":"1999-01-01T00:00:00","duration_s":60}]
trunk trk_c realm=rlm_b selection=order
endpoint end_c1 trunk=trk_c address=198.51.100.20 priority=1 strip=` + c.one("0", "1") + `
endpoint end_c2 trunk=trk_c address=198.51.100.21 priority=2 prefix=` + c.digits(0, 2) + `
plan rpl_2
plan rpl_3
list rls_2 max_attempts=` + c.one("1", "2", "32") + ` follow_forwarding=` + c.one("true", "false") + `
list rls_3 follow_forwarding=true
list rls_4
list rls_5 disabled
target tgt_21 list=rls_2 trunk=trk_c priority=1
target tgt_22 list=rls_2 subscriber_id=` + c.one("sub_bob", "sub_gone", "sub_carl") + ` priority=2
target tgt_23 list=rls_2 trunk=trk_b priority=3
target tgt_31 list=rls_3 subscriber_id=sub_bob priority=1
target tgt_32 list=rls_3 trunk=trk_c priority=2` + c.one("", " disabled") + "\n"
	s += "signalling-profile sgp_9 redirects=follow\n"
	ours := map[string]bool{}
	for i := range 6 {
		number := c.digits(2, 3)
		for ours[number] {
			number = c.digits(2, 3)
		}
		ours[number] = true
		s += fmt.Sprintf("number num_%d number=%s", i, number)
		s += c.one(" subscriber_id=sub_bob", " subscriber_id=sub_carl", " subscriber_id=sub_gone", " route_list_id=rls_2", " route_list_id=rls_4")
		s += c.one("", " failover_route_list_id=rls_3", " failover_route_list_id=rls_4") + "\n"
	}
	for i := range 4 + c.IntN(20) {
		s += c.rule(fmt.Sprintf("rul_x%02d", i), 1+c.IntN(3))
	}
	return s
}

// TestExplainEqualsLive: for thousands of calls by provisionings that nobody thought of, what an explanation says is what happens to a call
// that nobody takes: the same attempts in the same order, and the same refusal where there is none. It is so, too, for the numbers that
// the API calls, to which somebody is transferred, a carrier redirects and a subscriber forwards.
func TestExplainEqualsLive(t *testing.T) {
	worlds, calls := 150, 20
	if testing.Short() {
		worlds = 15
	}
	routed, refusals := 0, 0
	for seed := range worlds {
		c := chance{rand.New(rand.NewPCG(uint64(seed), 5))}
		text := c.rows()
		rows, err := rowtext.Rows(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			r.Base().TenantID, r.Base().Revision = sbc.DefaultTenantID, 1
		}
		synctest.Test(t, func(t *testing.T) {
			v := newVillage(t, nil, rows...)
			v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 0.5)}
			v.person("sub_carl", "carl", "1", "12", "213")
			v.bob.Subscriber.DoNotDisturb = c.IntN(8) == 0
			v.bob.Subscriber.Forwarding.Unconditional.Target = c.one("", "", c.digits(2, 4))
			for range calls {
				number := c.one(c.digits(1, 4), c.digits(1, 4), c.digits(1, 4), "49772")
				explained, code := v.explained(number)
				if c.IntN(3) == 0 {
					how := c.one(slices.Sorted(maps.Keys(entries))...)
					if lived := entries[how](v, number); !slices.Equal(explained, lived) {
						t.Errorf("seed %d, %s by %s: explained %q %d, lived %q\n%s", seed, number, how, explained, code, lived, text)
						return
					}
					continue
				}
				lived, answer := v.lived(number)
				if !slices.Equal(explained, lived) || code != 0 && code != answer {
					t.Errorf("seed %d, %s: explained %q %d, lived %q %d\n%s", seed, number, explained, code, lived, answer, text)
					return
				}
				if code == 0 {
					routed++
				} else {
					refusals++
				}
			}
			synctest.Wait()
			v.clean()
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d calls routed, %d refused", routed, refusals)
	if routed < worlds*calls/10 || refusals < worlds*calls/10 {
		t.Error("the provisionings are not of many kinds")
	}
}

// explained are the attempts by the explanation, and the code of a refusal.
func (v *village) explained(number string) (attempts []string, code int) {
	e, err := v.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SourcePort: 5060, SIPInterfaceID: "sif_a", Caller: "+441234",
		Callee: number})
	if err != nil {
		v.t.Fatal(err)
	}
	for _, a := range e.Attempts {
		if a.SubscriberID != "" {
			a.Number = "secret-" + a.RegistrationID
		}
		attempts = append(attempts, a.Number+"@"+a.Address)
	}
	return attempts, e.RejectCode
}

// lived are the attempts of a call each of which fails, and its final code.
func (v *village) lived(number string) (attempts []string, code int) {
	_, in := v.dial(number)
	for {
		synctest.Wait()
		if res := in.last(); res != nil && res.Status >= 200 {
			return attempts, res.Status
		}
		s := v.wire.next(msg.INVITE)
		attempts = append(attempts, s.req.RequestURI.User+"@"+s.target.Host)
		s.reply(503)
	}
}
