package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestSIPpNumbers: a call that SIPp makes as people dial in Germany reaches SIPp as its trunk wants numbers to be, the caller's too; the
// record has what became of it, explain shows how, and a change that breaks a test of the dialplan is refused.
func TestSIPpNumbers(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	ctx := patience(t, 40*time.Second)
	hours := b.create("/time-profiles", rest.Object{"name": "always", "time_zone": "Europe/Berlin",
		"windows": []rest.Object{{"start": "2020-01-01T00:00:00", "duration_s": 86400, "rrule": "FREQ=DAILY"}}})
	germany := b.create("/number-plans", rest.Object{"name": "Germany", "country_code": "49", "area_code": "30"})
	rules := []rest.Object{{"name": "office", "field": "callee", "match": "regex", "pattern": `^\+49(30.*)$`, "set_callee": "49$1",
		"time_profile_id": hours, "attributes": rest.Object{"site": "berlin"}}}
	in := b.create("/dialplans", rest.Object{"name": "in", "rules": rules, "no_match": "reject", "tests": []rest.Object{
		{"name": "by day", "callee": "+4930123", "at": "2026-07-01T12:00:00Z", "want_callee": "4930123", "want_rule": "office"}}})
	out := b.create("/dialplans", rest.Object{"name": "out", "rules": []rest.Object{
		{"name": "national", "field": "callee", "match": "prefix", "pattern": "49", "set_callee": "0$1", "continue": true},
		{"name": "caller", "field": "caller", "match": "prefix", "pattern": "+4930", "set_caller": "030$1"}}})
	w := b.connect(newSides(t), wish{westTrunk: rest.Object{"number_plan_id": germany, "dialplan_id": in},
		eastTrunk: rest.Object{"egress_dialplan_id": out}})

	sippServer(t, "callee_national.xml", w.eastPeer, "-t", "u1")
	if err := sipp(ctx, t, "caller_national.xml", calling(w.sides, "u1", 3, "-s", "123456")...); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.cdrs(3) {
		if r.Callee != "123456" || r.CalleeNormalised != "4930123456" || r.CalleeSent != "030123456" || r.Variables["site"] != "berlin" {
			t.Errorf("the record has %s, %s, %s and %v", r.Callee, r.CalleeNormalised, r.CalleeSent, r.Variables)
		}
	}

	var e sbc.Explanation
	b.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": w.westPeer.String(), "sip_interface_id": w.westInterface,
		"caller": "030444", "callee": "123456"}, &e)
	if len(e.Attempts) != 1 || e.Attempts[0].Number != "030123456" || !strings.Contains(e.Message, "sip:030444@") {
		t.Errorf("explain: %+v", e)
	}
	told := map[string]bool{}
	for _, s := range e.Steps {
		told[s.Subject] = true
	}
	if !told[germany] || !told[in] || !told[out] {
		t.Errorf("explain does not tell of all that changed the numbers: %+v", e.Steps)
	}

	var trial struct{ Results []sbc.DialplanResult }
	b.do(http.MethodPost, "/dialplans/"+in+"/test", rest.Object{"calls": []rest.Object{{"callee": "+4930123"}, {"callee": "+4989123"}}}, &trial)
	if r := trial.Results; len(r) != 2 || r[0].Callee != "4930123" || r[0].Rule != "office" || r[0].Rejected || !r[1].Rejected {
		t.Errorf("trial: %+v", r)
	}
	var check sbc.TimeCheck
	b.do(http.MethodGet, "/time-profiles/"+hours+"/check?at=2019-12-31T22:59:59Z", nil, &check)
	if check.Within || check.Reason == "" {
		t.Errorf("before the profile begins: %+v", check)
	}

	err := b.Client.Do(ctx, http.MethodPatch, "/v1/time-profiles/"+hours, rest.Object{"windows": []rest.Object{
		{"start": "2020-01-01T00:00:00", "duration_s": 3600, "rrule": "FREQ=DAILY"}}}, nil)
	if err == nil || !strings.Contains(err.Error(), "by day") || !strings.Contains(err.Error(), "422") {
		t.Errorf("a time profile that breaks a test: %v", err)
	}
	rules[0]["set_callee"] = "0049$1"
	err = b.Client.Do(ctx, http.MethodPatch, "/v1/dialplans/"+in, rest.Object{"rules": rules}, nil)
	if err == nil || !strings.Contains(err.Error(), "#/tests/0") {
		t.Errorf("a rule that breaks a test: %v", err)
	}
	b.quiet()
}
