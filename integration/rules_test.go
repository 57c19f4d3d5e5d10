package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestRuleGoesOn lets SIPp call by a rule whose gateway answers 503: the rule with the shorter prefix leads to another trunk.
func TestRuleGoesOn(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	second := newSides(t).eastPeer
	trunk := b.create("/trunks", rest.Object{"name": "second", "realm_id": w.eastRealm})
	b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "second", "address": second.String(), "port": 5060})
	list := b.create("/route-lists", rest.Object{"name": "second"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": trunk})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{
		"name": "first", "prefix": "4930", "action": "route", "route_list_id": w.list, "fallback": true, "variables": rest.Object{"by": "first"},
	})
	b.patch("/routing-plans/"+w.plan+"/rules/"+w.eastRule, rest.Object{"route_list_id": list})
	sippServer(t, "callee_503.xml", w.eastPeer)
	sippServer(t, "callee.xml", second)
	if err := sipp(patience(t, 30*time.Second), t, "caller.xml", calling(w.sides, "u1", 3)...); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.cdrs(3) {
		if len(r.Attempts) != 2 || r.Attempts[0].Code != 503 || r.Attempts[1].TrunkID != trunk || r.RuleID != w.eastRule ||
			fmt.Sprint(r.Variables) != "map[by:first]" {
			t.Errorf("rule %s, variables %v, attempts %+v", r.RuleID, r.Variables, r.Attempts)
		}
	}
	b.quiet()
}

// TestRuleRedirects lets SIPp see the addresses of the route list's public targets in a 302.
func TestRuleRedirects(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true})
	for i, e := range []rest.Object{{"address": "192.0.2.7", "port": 5070}, {"address": "gw.example.net", "transport": "tcp"}} {
		e["name"], e["priority"] = fmt.Sprint(i), i
		b.create("/trunks/"+w.eastTrunk+"/endpoints", e)
	}
	public := b.create("/route-lists", rest.Object{"name": "public"})
	b.create("/route-lists/"+public+"/targets", rest.Object{"name": "east", "trunk_id": w.eastTrunk, "public": true})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{
		"name": "elsewhere", "prefix": "4930", "action": "redirect", "route_list_id": public, "add_prefix": "+",
	})
	if err := sipp(patience(t, 30*time.Second), t, "caller_redirected.xml", calling(w.sides, "u1", 3)...); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.cdrs(3) {
		if r.FinalCode != 302 || r.EndReason != sbc.EndRejected || len(r.Attempts) != 0 {
			t.Errorf("%d %s, attempts %+v", r.FinalCode, r.EndReason, r.Attempts)
		}
	}
	b.quiet()
}
