package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func TestAudioIsUploadedKeptAndGivenBack(t *testing.T) {
	t.Parallel()
	f := start(t)
	made := f.do("POST", "/v1/announcements", `{"name":"closed","language":"de"}`).is(201)
	at := made.header.Get("Location")
	if made.json()["duration_ms"] != 0.0 {
		t.Errorf("%s", made.body)
	}
	audio := strings.Repeat("ab", 8*1500)
	f.do("GET", at+"/audio", "").problem(404, "not_found")
	upload := func(path, body string, headers ...string) *reply {
		return f.do("PUT", path, body, append([]string{"Content-Type", "audio/x-wav"}, headers...)...)
	}
	if r := upload(at+"/audio?dry_run=true", wav(audio)).is(200); r.json()["duration_ms"] != 1500.0 {
		t.Errorf("%s", r.body)
	}
	if got := f.do("GET", at, "").is(200); got.json()["duration_ms"] != 0.0 {
		t.Error("a dry run was kept")
	}
	f.do("GET", at+"/audio", "").problem(404, "not_found")
	r := upload(at+"/audio", wav(audio), "If-Match", made.header.Get("ETag")).is(200)
	if r.json()["duration_ms"] != 1500.0 || r.header.Get("ETag") == made.header.Get("ETag") {
		t.Errorf("%s %s", r.header.Get("ETag"), r.body)
	}
	kept := func() string {
		t.Helper()
		got := f.do("GET", at+"/audio", "").is(200)
		if got.header.Get("Content-Type") != "audio/wav" {
			t.Errorf("the audio comes as %q", got.header.Get("Content-Type"))
		}
		return strings.TrimPrefix(string(got.body), "RIFF")
	}
	// Other writes leave the audio as it is, and may send back its length.
	f.do("PUT", at, string(f.do("GET", at, "").body)).is(200)
	f.do("PUT", at, `{"name":"closed today"}`).is(200)
	f.do("PATCH", at, `{"language":"de-CH"}`).is(200)
	if got := f.do("GET", at, "").is(200); kept() != audio || got.json()["duration_ms"] != 1500.0 {
		t.Errorf("%d octets kept: %s", len(kept()), got.body)
	}
	f.do("PATCH", at, `{"duration_ms":1}`).problem(422, "invalid")
	f.do("PATCH", at, `{"audio":"YWJj"}`).problem(422, "invalid")
	for _, path := range []string{at, "/v1/announcements", "/v1/audit-events?resource_id=" + made.text("id")} {
		if got := f.do("GET", path, "").is(200); strings.Contains(string(got.body), `"audio`) {
			t.Errorf("%s shows the audio", path)
		}
	}
	again := upload(at+"/audio", wav(audio)).is(200) // the same once more changes nothing
	if got := f.do("GET", at, "").is(200); got.header.Get("ETag") != again.header.Get("ETag") {
		t.Error("the same audio made a revision")
	}
	f.do("GET", at+"/audio", "", "If-None-Match", again.header.Get("ETag")).is(304)
	f.as(readerKey, "GET", at+"/audio", "").problem(403, "forbidden")
	f.as(tenantKey, "GET", at+"/audio", "").problem(404, "not_found")
	if upload(at+"/audio", wav("other")).is(200); kept() != "other" {
		t.Error("the audio was not replaced")
	}
	f.do("DELETE", at, "").is(204)
	f.do("GET", at+"/audio", "").problem(404, "not_found")
}

func TestBadUploadsAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := "/v1/announcements/" + f.ids[sbc.KindAnnouncement] + "/audio"
	for _, c := range []struct {
		path, contentType, body string
		status                  int
		code                    string
	}{
		{at, "audio/wav", "ID3", 422, "invalid"},
		{at, "audio/wav", wav(strings.Repeat("x", sbc.MaxAnnouncementBytes+1)), 422, "invalid"},
		{at, "audio/wav", strings.Repeat("x", maxAudio+1), 413, "payload_too_large"},
		{at, "application/json", wav("beep"), 415, "unsupported_media_type"},
		{"/v1/announcements/ann_none/audio", "audio/wav", wav("beep"), 404, "not_found"},
	} {
		f.do("PUT", c.path, c.body, "Content-Type", c.contentType).problem(c.status, c.code)
	}
	f.as(readerKey, "PUT", at, wav("beep"), "Content-Type", "audio/wav").problem(403, "forbidden")
	f.as(tenantKey, "PUT", at, wav("beep"), "Content-Type", "audio/wav").problem(404, "not_found")
}

func TestProfilesAreReferredTo(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("DELETE", "/v1/signalling-profiles/"+f.ids[sbc.KindSignallingProfile], "").problem(409, "referenced")
	r := f.do("PATCH", f.trunk(), `{"limit_profile_ids":["lmp_none"],"signalling_profile_id":"sgp_none"}`)
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/limit_profile_ids/0", "#/signalling_profile_id"})
	for field, kind := range map[string]sbc.Kind{
		"signalling_profile_id": sbc.KindSignallingProfile, "media_profile_id": sbc.KindMediaProfile,
		"limit_profile_id": sbc.KindLimitProfile,
	} {
		for id, n := range map[string]int{f.ids[kind]: 1, "other": 0} {
			if got := f.do("GET", "/v1/trunks?"+field+"="+id, "").is(200).json()["items"].([]any); len(got) != n {
				t.Errorf("%s=%s: %d trunks", field, id, len(got))
			}
		}
	}
	f.do("GET", "/v1/trunks?media_profile_id=a&realm_id=b", "").problem(400, "invalid_parameter")
}

// TestPartsOfAnIdentityPolicyKeepTheirDefaults: a body may say one word of caller_identity and leave the others.
func TestPartsOfAnIdentityPolicyKeepTheirDefaults(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := fmt.Sprintf(`{"name":"x","realm_id":%q,"caller_identity":{"from_user":"4711"}}`, f.ids[sbc.KindRealm])
	made := f.do("POST", "/v1/trunks", body).is(201)
	f.do("PATCH", made.header.Get("Location"), `{"caller_identity":{"privacy":"enforce","accept":["from"]}}`).is(200)
	got := f.do("PATCH", made.header.Get("Location"), `{"caller_identity":{"accept":null}}`).is(200).json()["caller_identity"]
	want := "map[accept:[pai from] from_user:4711 number_format:pass privacy:enforce send:[pai] user_phone:false]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestEventsAreAFeed(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i := 1; i <= 5; i++ {
		tenant := sbc.DefaultTenantID
		if i == 3 {
			tenant = f.ids[sbc.KindTenant]
		}
		f.events = append(f.events, sbc.Event{ID: fmt.Sprintf("evt_%d", i), Type: sbc.EventCallHold, At: f.m.now, TenantID: tenant,
			CallID: "call_1", Data: map[string]string{"side": "caller", "held": "true"}})
	}
	ids := func(r *reply) (all []string) {
		for _, e := range r.is(200).json()["items"].([]any) {
			all = append(all, e.(map[string]any)["id"].(string))
		}
		return all
	}
	first := f.do("GET", "/v1/events?limit=1", "")
	equal(t, ids(first), []string{"evt_1"})
	second := f.do("GET", "/v1/events?limit=2&after="+first.text("next_cursor"), "")
	equal(t, ids(second), []string{"evt_2", "evt_3"})
	if doc := second.json(); doc["has_more"] != true || doc["missed"] != true {
		t.Errorf("%s", second.body)
	}
	last := f.do("GET", "/v1/events?after="+second.text("next_cursor"), "")
	equal(t, ids(last), []string{"evt_4", "evt_5"})
	none := f.do("GET", "/v1/events?after="+last.text("next_cursor"), "")
	if equal(t, ids(none), nil); none.text("next_cursor") != last.text("next_cursor") || none.json()["has_more"] != false {
		t.Errorf("%s", none.body)
	}
	equal(t, ids(f.as(tenantKey, "GET", "/v1/events", "")), []string{"evt_3"})
	equal(t, ids(f.do("GET", "/v1/events?type=call.dead", "")), nil)
	f.do("GET", "/v1/events?type=call.born", "").problem(400, "invalid_parameter")
	f.do("GET", "/v1/events?call_id=call_1&after="+last.text("next_cursor"), "").problem(400, "cursor_mismatch")
	f.as(readerKey, "GET", "/v1/events", "").problem(403, "forbidden")
}

func TestLimitUsageComesInPages(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, key := range []string{"+493", "+491", "+492"} {
		f.usage = append(f.usage, sbc.LimitUsage{Key: key, CallsIn: 1, RateOut: 2})
	}
	at := "/v1/limit-profiles/" + f.ids[sbc.KindLimitProfile] + "/usage"
	var keys []string
	cursor := ""
	for page := at + "?limit=2"; page != ""; {
		r := f.do("GET", page, "").is(200)
		for _, u := range r.json()["items"].([]any) {
			keys = append(keys, u.(map[string]any)["key"].(string))
		}
		page = ""
		if cursor = r.text("next_cursor"); cursor != "" {
			page = at + "?limit=2&cursor=" + cursor
		}
	}
	equal(t, keys, []string{"+491", "+492", "+493"})
	f.do("GET", "/v1/limit-profiles/lmp_none/usage", "").problem(404, "not_found")
	f.as(tenantKey, "GET", at, "").problem(404, "not_found")
}

func TestHeaderRulesAreTried(t *testing.T) {
	t.Parallel()
	f := start(t)
	const message = `"INVITE sip:1@x SIP/2.0\r\n"`
	rule := `{"stage":"out","messages":"requests","action":"set","header":"X-A","value":"{trunk.name}"}`
	try := func(body string) *reply { return f.do("POST", "/v1/header-profiles/test", body) }
	r := try(`{"rules":[` + rule + `],"stage":"out","message":` + message + `,"fields":{"trunk.name":"north"}}`).is(200)
	if r.text("after") != r.text("before")+"X-A: north\r\n" || fmt.Sprint(r.json()["applied"]) != "[0]" {
		t.Errorf("%s", r.body)
	}
	stored := `{"header_profile_id":"` + f.ids[sbc.KindHeaderProfile] + `","stage":"out","message":` + message + `}`
	if r := try(stored).is(200); !strings.Contains(r.text("after"), "X-Account: ") {
		t.Errorf("%s", r.body)
	}
	f.as(tenantKey, "POST", "/v1/header-profiles/test", stored).problem(422, "invalid")
	f.as(readerKey, "POST", "/v1/header-profiles/test", stored).problem(403, "forbidden")
	for body, want := range map[string]string{
		`{"stage":"out","message":` + message + `}`:                                                          "#/header_profile_id",
		`{"rules":[` + strings.Replace(rule, "X-A", "Via", 1) + `],"stage":"out","message":` + message + `}`: "#/rules/0/header",
		`{"rules":[],"stage":"out","message":"hello"}`:                                                       "#/message",
	} {
		r := try(body)
		r.problem(422, "invalid")
		equal(t, r.pointers(), []string{want})
	}
}
