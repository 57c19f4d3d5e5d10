package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestWhyACallWentWhereItWent: of two SIPp gateways the first is silent. Diagnosis says so beforehand; the call goes to the second, and its
// record knows why. The profile of the east trunk is that of its realm, and shown as such.
func TestWhyACallWentWhereItWent(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	profile := b.create("/signalling-profiles", rest.Object{"name": "of the realm", "ping_interval_s": 77})
	w := b.connect(newSides(t), wish{
		noEndpoint: true, eastRealm: rest.Object{"signalling_profile_id": profile},
		eastTrunk: rest.Object{"selection": "order", "no_response_timeout_ms": 200},
	})
	at := "/trunks/" + w.eastTrunk + "/endpoints"
	silent := b.create(at, rest.Object{"name": "silent", "address": newSides(t).eastPeer.String(), "port": 5060, "priority": 1})
	alive := b.create(at, rest.Object{"name": "alive", "address": w.eastPeer.String(), "port": 5060, "priority": 2})
	sippServer(t, "gateway.xml", w.eastPeer, "-t", "u1")

	var shown struct {
		Effective sbc.EffectiveProfiles `json:"effective"`
	}
	if err := b.Get(t.Context(), "/v1/trunks/"+w.eastTrunk+"?expand=effective", &shown); err != nil {
		t.Fatal(err)
	}
	if p := shown.Effective.Signalling; p.Origin != sbc.OriginRealm || p.ProfileID != profile || p.Values["ping_interval_s"] != 77.0 {
		t.Errorf("%+v", p)
	}
	var found sbc.Diagnosis
	if err := b.Do(patience(t, 15*time.Second), "POST", "/v1/trunks/"+w.eastTrunk+"/diagnose", nil, &found); err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]sbc.DiagnosisVerdict{}
	for _, c := range found.Checks {
		verdicts[c.Check+" "+c.EndpointID] = c.Verdict
	}
	if found.Verdict != sbc.DiagnosisFailed || verdicts["options "+silent] != sbc.DiagnosisFailed || verdicts["options "+alive] != sbc.DiagnosisOK ||
		verdicts["udp_size "+alive] != sbc.DiagnosisOK || verdicts["dns "+alive] != sbc.DiagnosisSkipped {
		t.Errorf("%+v", found)
	}

	if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 1, "-d", "10")...); err != nil {
		t.Fatal(err)
	}
	record := b.cdrs(1)[0]
	var why sbc.Explanation
	if err := b.Get(t.Context(), "/v1/cdrs/"+record.ID+"/decision", &why); err != nil {
		t.Fatal(err)
	}
	var attempts []string
	for _, s := range why.Steps {
		if s.Stage == "attempt" && (strings.HasPrefix(s.Detail, "no answer") || strings.HasPrefix(s.Detail, "it answered")) {
			attempts = append(attempts, s.Subject+" "+s.Verdict)
		}
	}
	if why.RuleID != record.RuleID || len(why.Attempts) != 2 || len(attempts) != 2 || attempts[0] != silent+" refused" || attempts[1] != alive+" taken" {
		t.Errorf("%+v", why)
	}
	if record.Decision != nil {
		t.Error("the list of records shows decisions")
	}
}
