package api

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// effective says that all is inherited from the realm.
func (f *fixture) effective(_ sbc.Kind, id string) (sbc.EffectiveProfiles, bool) {
	p := sbc.EffectiveProfile{Origin: sbc.OriginRealm, ProfileID: "sgp_1", Values: sbc.ProfileValues{"ping_interval_s": 30}}
	return sbc.EffectiveProfiles{Signalling: p, Media: p, Header: p, Limits: []sbc.EffectiveProfile{p}}, id != "rlm_unknown"
}

func (f *fixture) diagnose(_ context.Context, trunkID string) (sbc.Diagnosis, error) {
	d := sbc.Diagnosis{TrunkID: trunkID, Verdict: sbc.DiagnosisOK}
	d.Add(sbc.DiagnosisCheck{Check: "dns", Verdict: sbc.DiagnosisSkipped, Detail: "it is an address"})
	d.Add(sbc.DiagnosisCheck{Check: "options", Verdict: sbc.DiagnosisWarning, Detail: "it answered 503"})
	return d, nil
}

// TestEffectiveIsShownOnDemand: only with expand=effective, and then whatever If-None-Match says.
func TestEffectiveIsShownOnDemand(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, path := range []string{"/v1/trunks/" + f.ids[sbc.KindTrunk], "/v1/domains/" + f.ids[sbc.KindDomain], "/v1/realms/" + f.ids[sbc.KindRealm]} {
		if plain := f.do("GET", path, "").is(200).json(); plain["effective"] != nil {
			t.Errorf("%s: %v", path, plain["effective"])
		}
		tag := f.do("GET", path, "").header.Get("ETag")
		headers := []string{"If-None-Match", tag}
		if strings.Contains(path, "trunks") { // they know no If-None-Match
			headers = nil
		}
		e, ok := f.do("GET", path+"?expand=effective", "", headers...).is(200).json()["effective"].(map[string]any)
		if !ok {
			t.Fatalf("%s: nothing effective", path)
		}
		p := e["signalling_profile"].(map[string]any)
		if p["origin"] != "realm" || p["profile_id"] != "sgp_1" || p["values"].(map[string]any)["ping_interval_s"] != 30.0 {
			t.Errorf("%s: %v", path, p)
		}
		f.do("GET", path+"?expand=everything", "").problem(400, "invalid_parameter")
	}
}

// TestDecisionsAreShownToTheirTenant: by operations of their own, and not in records.
func TestDecisionsAreShownToTheirTenant(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("GET", "/v1/cdrs/cdr_zz/decision", "").is(200)
	f.as(readerKey, "GET", "/v1/cdrs/cdr_zz/decision", "").problem(403, "forbidden") // no right to records
	if r := f.do("GET", "/v1/cdrs/cdr_zz", "").is(200); strings.Contains(string(r.body), "longest prefix") {
		t.Error(r.body)
	}
	if r := f.do("GET", "/v1/cdrs", "").is(200); strings.Contains(string(r.body), "longest prefix") {
		t.Error(r.body)
	}
	f.m.mu.Lock()
	for i := range f.m.cdrs {
		f.m.cdrs[i].Decision = nil
	}
	f.m.mu.Unlock()
	f.do("GET", "/v1/cdrs/cdr_zz/decision", "").problem(404, "not_found")
	f.do("GET", "/v1/calls/call_none/decision", "").problem(404, "not_found")
	if r := f.do("POST", "/v1/trunks/"+f.ids[sbc.KindTrunk]+"/diagnose", "").is(200).json(); r["verdict"] != "warning" {
		t.Error(r)
	}
	f.as(tenantKey, "POST", "/v1/trunks/"+f.ids[sbc.KindTrunk]+"/diagnose", "").problem(404, "not_found")
}
