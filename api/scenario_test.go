package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

func trunkBody(f *fixture, name string) string {
	return fmt.Sprintf(`{"name":%q,"realm_id":%q}`, name, f.ids[sbc.KindRealm])
}

func (f *fixture) trunk() string { return "/v1/trunks/" + f.ids[sbc.KindTrunk] }

func TestErrorsAreProblemDocumentsEverywhere(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		name, key, method, path, body string
		headers                       []string
		status                        int
		code                          string
	}{
		{"unknown path", adminKey, "GET", "/v1/nonsense", "", nil, 404, "not_found"},
		{"unknown path without key", "", "GET", "/nonsense", "", nil, 404, "not_found"},
		{"wrong method", adminKey, "DELETE", "/v1/trunks", "", nil, 405, "method_not_allowed"},
		{"no key", "", "GET", "/v1/trunks", "", nil, 401, "unauthorized"},
		{"broken key", "spk_nonsense", "GET", "/v1/trunks", "", nil, 401, "unauthorized"},
		{"unknown key", token.New(), "GET", "/v1/trunks", "", nil, 401, "unauthorized"},
		{"basic authentication", "", "GET", "/v1/trunks", "", []string{"Authorization", "Basic YTpi"}, 401, "unauthorized"},
		{"scope missing", readerKey, "POST", "/v1/trunks", trunkBody(f, "x"), nil, 403, "forbidden"},
		{"unknown id", adminKey, "GET", "/v1/trunks/trk_nonsense", "", nil, 404, "not_found"},
		{"id of another kind", adminKey, "GET", "/v1/trunks/" + f.ids[sbc.KindRealm], "", nil, 404, "not_found"},
		{"unknown parameter", adminKey, "GET", "/v1/trunks?colour=red", "", nil, 400, "invalid_parameter"},
		{"limit too high", adminKey, "GET", "/v1/trunks?limit=1001", "", nil, 400, "invalid_parameter"},
		{"limit no number", adminKey, "GET", "/v1/trunks?limit=ten", "", nil, 400, "invalid_parameter"},
		{"parameter twice", adminKey, "GET", "/v1/trunks?limit=1&limit=2", "", nil, 400, "invalid_parameter"},
		{"broken query", adminKey, "GET", "/v1/trunks?name=%zz", "", nil, 400, "invalid_parameter"},
		{"unknown parameter where none is", adminKey, "GET", "/healthz?verbose=1", "", nil, 400, "invalid_parameter"},
		{"broken JSON", adminKey, "POST", "/v1/trunks", `{"name":`, nil, 400, "malformed_body"},
		{"two values", adminKey, "POST", "/v1/trunks", `{} {}`, nil, 400, "malformed_body"},
		{"huge number", adminKey, "POST", "/v1/trunks", `{"max_calls":1e999}`, nil, 400, "malformed_body"},
		{"no object", adminKey, "POST", "/v1/trunks", `[1]`, nil, 422, "invalid"},
		{"empty body", adminKey, "POST", "/v1/trunks", " ", nil, 400, "malformed_body"},
		{"wrong type", adminKey, "POST", "/v1/trunks", `<a/>`, []string{"Content-Type", "text/xml"}, 415,
			"unsupported_media_type"},
		{"too long", adminKey, "POST", "/v1/trunks", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, nil, 413,
			"payload_too_large"},
		{"cursor made up", adminKey, "GET", "/v1/trunks?cursor=nonsense", "", nil, 400, "cursor_invalid"},
		{"If-Match malformed", adminKey, "DELETE", f.trunk(), "", []string{"If-Match", "42"}, 400, "invalid_parameter"},
		{"unknown error page", "", "GET", "/docs/errors/nonsense", "", nil, 404, "not_found"},
		{"foreign call", tenantKey, "GET", "/v1/calls/" + f.calls.calls[0].ID, "", nil, 404, "not_found"},
		{"metrics for a tenant", tenantKey, "GET", "/metrics", "", nil, 403, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			r := f.as(c.key, c.method, c.path, c.body, c.headers...)
			doc := r.problem(c.status, c.code)
			if doc["instance"] != r.header.Get("X-Request-Id") || doc["instance"] == "" {
				t.Errorf("instance %v, request id %q", doc["instance"], r.header.Get("X-Request-Id"))
			}
			if c.status == 401 && r.header.Get("WWW-Authenticate") == "" {
				t.Error("WWW-Authenticate is missing")
			}
			if c.status == 405 && !strings.Contains(r.header.Get("Allow"), "GET") {
				t.Errorf("Allow: %q", r.header.Get("Allow"))
			}
			f.as("", "GET", doc["type"].(string), "").is(200)
		})
	}
}

func TestUnknownParameterNamesTheKnownOnes(t *testing.T) {
	r := start(t).do("GET", "/v1/trunks?colour=red&realm_id=x", "")
	if r.problem(400, "invalid_parameter"); !strings.Contains(string(r.body),
		"known are cursor, enabled, external_id, header_profile_id, label, limit, limit_profile_id, media_profile_id, name, "+
			"realm_id, routing_plan_id, signalling_profile_id, tenant_id") {
		t.Errorf("%s", r.body)
	}
	equal(t, r.pointers(), []string{"colour"})
}

func TestPanicIsAProblemDocument(t *testing.T) {
	f := start(t)
	f.m.mu.Lock()
	f.m.state.resources["trk_bad"] = (*sbc.Trunk)(nil)
	f.m.mu.Unlock()
	f.do("GET", "/v1/trunks", "").problem(500, "internal")
	if !strings.Contains(f.logs.String(), "api: panic") {
		t.Error("the panic is not in the log")
	}
}

func TestAllFaultsOfABodyComeAtOnce(t *testing.T) {
	f := start(t)
	body := `{"name":"","realm_id":"rlm_nonsense","max_calls":-1,"ring_timeout_s":"soon","failover_codes":["503","200"],` +
		`"pass_headers":["Via"],"colour":"red","id":"trk_x"}`
	r := f.do("POST", "/v1/trunks", body)
	r.problem(422, "invalid")
	// Schema, sbc's own rules (Via), references and unknown fields in one answer.
	equal(t, r.pointers(), []string{"#/colour", "#/failover_codes/1", "#/id", "#/max_calls", "#/name", "#/pass_headers/0",
		"#/realm_id", "#/ring_timeout_s"})

	r = f.do("PATCH", f.trunk(), `{"max_calls":-1,"routing_plan_id":"rpl_nonsense","name":null}`, "Content-Type",
		"application/merge-patch+json")
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/max_calls", "#/name", "#/routing_plan_id"})

	r = f.do("POST", f.trunk()+"/identities",
		`{"name":"all","cidr":"0.0.0.0/0","transport":"sctp","sip_interface_id":"sif_nonsense"}`)
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/cidr", "#/sip_interface_id", "#/transport"})
}

func TestCreateGetReplacePatchDelete(t *testing.T) {
	f := start(t)
	made := f.do("POST", "/v1/trunks", trunkBody(f, "south")).is(201)
	at := made.header.Get("Location")
	if at != "/v1/trunks/"+made.text("id") || made.header.Get("ETag") == "" || made.text("tenant_id") != sbc.DefaultTenantID {
		t.Fatalf("Location %q, ETag %q: %s", at, made.header.Get("ETag"), made.body)
	}
	if got := made.json()["ring_timeout_s"]; got != 120.0 {
		t.Errorf("the default of ring_timeout_s is %v", got)
	}
	got := f.do("GET", at, "").is(200)
	if string(got.body) != string(made.body) || got.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("made %s\nread %s", made.body, got.body)
	}

	patched := f.do("PATCH", at, `{"max_calls":7,"labels":{"region":"eu"},"ring_timeout_s":30}`, "Content-Type",
		"application/merge-patch+json", "If-Match", got.header.Get("ETag")).is(200)
	if m := patched.json(); m["max_calls"] != 7.0 || m["name"] != "south" ||
		patched.header.Get("ETag") == got.header.Get("ETag") {
		t.Errorf("%s", patched.body)
	}
	f.do("PATCH", at, `{"max_calls":8}`, "If-Match", got.header.Get("ETag")).problem(412, "precondition_failed")

	// null puts a field back to its default; labels are merged.
	patched = f.do("PATCH", at,
		`{"ring_timeout_s":null,"failover_codes":null,"labels":{"region":null,"tier":"gold"}}`).is(200)
	if m := patched.json(); m["ring_timeout_s"] != 120.0 || fmt.Sprint(m["labels"]) != "map[tier:gold]" ||
		fmt.Sprint(m["failover_codes"]) != "[408 5xx]" {
		t.Errorf("%s", patched.body)
	}

	// What was read may be sent back.
	same := f.do("PUT", at, string(patched.body)).is(200)
	if same.header.Get("ETag") != patched.header.Get("ETag") {
		t.Error("a PUT that changes nothing made a revision")
	}
	replaced := f.do("PUT", at, trunkBody(f, "south 2")).is(200)
	if m := replaced.json(); m["max_calls"] != 0.0 || m["labels"] != nil || m["created_at"] != made.json()["created_at"] {
		t.Errorf("%s", replaced.body)
	}
	f.do("PUT", at, strings.Replace(string(replaced.body), made.text("id"), "trk_other", 1)).problem(422, "invalid")
	f.do("PUT", at, strings.Replace(string(replaced.body), sbc.DefaultTenantID, f.ids[sbc.KindTenant], 1)).problem(422,
		"invalid")

	f.do("DELETE", at, "", "If-Match", `"1"`).problem(412, "precondition_failed")
	f.do("DELETE", at, "").is(204)
	f.do("GET", at, "").problem(404, "not_found")
	f.do("DELETE", at, "").problem(404, "not_found")
}

func TestConditionalGet(t *testing.T) {
	f := start(t)
	r := f.do("GET", f.trunk(), "").is(200)
	again := f.do("GET", f.trunk(), "", "If-None-Match", r.header.Get("ETag")).is(304)
	if len(again.body) != 0 || again.header.Get("ETag") != r.header.Get("ETag") {
		t.Errorf("304 with %q and ETag %q", again.body, again.header.Get("ETag"))
	}
	f.do("GET", f.trunk(), "", "If-None-Match", `"0", W/`+r.header.Get("ETag")).is(304)
	f.do("GET", f.trunk(), "", "If-None-Match", `"0"`).is(200)
	call := "/v1/calls/" + f.calls.calls[0].ID
	f.do("GET", call, "", "If-None-Match", f.do("GET", call, "").is(200).header.Get("ETag")).is(304)
}

func TestTenantMayDemandPreconditions(t *testing.T) {
	f := start(t)
	f.do("PATCH", "/v1/tenants/"+sbc.DefaultTenantID, `{"require_preconditions":true}`).is(200)
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := trunkBody(f, "north")
		if method == "DELETE" {
			body = ""
		}
		f.do(method, f.trunk(), body).problem(428, "precondition_required")
	}
	f.do("PUT", "/v1/trunks/by-external-id/crm-4712", trunkBody(f, "north")).problem(428, "precondition_required")
	f.do("PUT", "/v1/trunks/by-external-id/new", trunkBody(f, "new")).is(201)
	f.do("PATCH", f.trunk(), `{"max_calls":3}`, "If-Match", "*").is(200)
}

func TestReferencedResourceStays(t *testing.T) {
	f := start(t)
	r := f.do("DELETE", f.trunk(), "")
	r.problem(409, "referenced")
	if referrers, _ := r.json()["referrers"].([]any); len(referrers) != 3 {
		t.Errorf("%s", r.body)
	}
}

func TestNameTakenIsAConflict(t *testing.T) {
	f := start(t)
	f.do("POST", "/v1/trunks", trunkBody(f, "twice")).is(201)
	r := f.do("POST", "/v1/trunks", trunkBody(f, "twice"))
	r.problem(409, "conflict")
	equal(t, r.pointers(), []string{"#/name"})
}

func TestDryRunAnswersAndKeepsNothing(t *testing.T) {
	f := start(t)
	before := f.snapshot()
	r := f.do("POST", "/v1/trunks?dry_run=true", trunkBody(f, "south"), "Idempotency-Key", "k").is(201)
	f.do("GET", r.header.Get("Location"), "").is(404)
	f.do("PUT", f.trunk()+"?dry_run=true", trunkBody(f, "north 2")).is(200)
	f.do("PATCH", f.trunk()+"?dry_run=true", `{"max_calls":1}`).is(200)
	f.do("DELETE", "/v1/identities?dry_run=true", "").is(404)
	f.do("DELETE", f.trunk()+"/identities/"+f.ids[sbc.KindIdentity]+"?dry_run=true", "").is(204)
	f.do("PUT", "/v1/trunks/by-external-id/x?dry_run=true", trunkBody(f, "x")).is(201)
	f.do("POST", "/v1/trunks?dry_run=true", `{"name":""}`).problem(422, "invalid")
	f.do("DELETE", "/v1/calls/"+f.calls.calls[0].ID+"?dry_run=true", "").is(204)
	if after := f.snapshot(); after != before || len(f.calls.hungUp) > 0 {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// snapshot is the state of the store in text.
func (f *fixture) snapshot() string {
	f.t.Helper()
	raw, err := json.Marshal(f.m.state.resources)
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("%d %d %d %s", f.m.state.revision, len(f.m.state.audit), len(f.m.state.replies), raw)
}

func TestIdempotencyKey(t *testing.T) {
	f := start(t)
	body := trunkBody(f, "once")
	first := f.do("POST", "/v1/trunks", body, "Idempotency-Key", "k1").is(201)
	again := f.do("POST", "/v1/trunks", body, "Idempotency-Key", "k1").is(201)
	if string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" ||
		first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first %s\nagain %s", first.body, again.body)
	}
	for _, h := range []string{"ETag", "Location", "Content-Type"} {
		if first.header.Get(h) != again.header.Get(h) {
			t.Errorf("%s: %q, then %q", h, first.header.Get(h), again.header.Get(h))
		}
	}
	f.do("POST", "/v1/trunks", trunkBody(f, "other"), "Idempotency-Key", "k1").problem(422, "idempotency_key_reused")
	f.do("POST", "/v1/trunks", trunkBody(f, "other"), "Idempotency-Key", "k2").is(201)
	// Keys of different API keys do not meet.
	f.as(syncKey, "POST", "/v1/trunks", trunkBody(f, "third"), "Idempotency-Key", "k1").is(201)
	// A refused request is not remembered.
	f.do("POST", "/v1/trunks", trunkBody(f, "once"), "Idempotency-Key", "k3").problem(409, "conflict")
	f.do("POST", "/v1/trunks", trunkBody(f, "fourth"), "Idempotency-Key", "k3").is(201)
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	f := start(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	slow := func(tx sbc.Tx) error { close(inside); <-leave; return nil }
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.m.update(true, slow) })
	<-inside // the store is busy: the next write waits in it
	wg.Go(func() { f.do("POST", "/v1/trunks", trunkBody(f, "slow"), "Idempotency-Key", "k") })
	wg.Go(func() { f.do("POST", "/v1/trunks", trunkBody(f, "slow"), "Idempotency-Key", "k") })
	close(leave)
	wg.Wait()
	// Whoever came second was told to wait or got the first one's answer: there is one trunk.
	if got := len(f.do("GET", "/v1/trunks?name=slow", "").is(200).json()["items"].([]any)); got != 1 {
		t.Errorf("%d trunks", got)
	}
}

func TestMarksOfFlights(t *testing.T) {
	fl := &flights{keys: map[string]bool{}}
	if !fl.begin("a") || fl.begin("a") || !fl.begin("b") {
		t.Error("a mark was given twice or refused")
	}
	fl.end("a")
	if !fl.begin("a") {
		t.Error("the mark was not given back")
	}
}

func TestSecretOfANewKeyIsShownOnceAndNotStored(t *testing.T) {
	f := start(t)
	r := f.do("POST", "/v1/api-keys", `{"name":"app","scopes":["cdrs:read"]}`, "Idempotency-Key", "k").is(201)
	key := r.text("key")
	if token.Check(key) != nil || r.text("hint") != token.Hint(key) {
		t.Fatalf("%s", r.body)
	}
	for _, path := range []string{r.header.Get("Location"), "/v1/api-keys", "/v1/audit-events"} {
		got := f.do("GET", path, "").is(200)
		if strings.Contains(string(got.body), key) || strings.Contains(string(got.body), token.Sum(key).String()) {
			t.Errorf("%s shows the key or its hash", path)
		}
	}
	for _, reply := range f.m.state.replies {
		if strings.Contains(string(reply.Body), key) {
			t.Error("the key lies readable among the remembered answers")
		}
	}
	if again := f.do("POST", "/v1/api-keys", `{"name":"app","scopes":["cdrs:read"]}`, "Idempotency-Key",
		"k").is(201); again.text("key") != key {
		t.Error("the repetition did not give the key")
	}
	if strings.Contains(f.logs.String(), key) || strings.Contains(f.logs.String(), adminKey) {
		t.Error("a key is in the log")
	}
	f.as(key, "GET", "/v1/cdrs", "").is(200)
	f.as(key, "GET", "/v1/trunks", "").problem(403, "forbidden")
	if at := f.do("GET", r.header.Get("Location"), "").json()["status"]; at.(map[string]any)["last_used_at"] == nil {
		t.Errorf("status %v", at)
	}
	// Switched off, it is out with the next request.
	f.do("PATCH", r.header.Get("Location"), `{"enabled":false}`).is(200)
	f.as(key, "GET", "/v1/cdrs", "").problem(401, "unauthorized")
	f.do("PATCH", r.header.Get("Location"), `{"enabled":true,"expires_at":"2020-01-01T00:00:00Z"}`).is(200)
	f.as(key, "GET", "/v1/cdrs", "").problem(401, "unauthorized")
	f.do("PUT", r.header.Get("Location"), `{"name":"app","scopes":["cdrs:read"]}`).is(200)
	f.as(key, "GET", "/v1/cdrs", "").is(200)
	f.do("DELETE", r.header.Get("Location"), "").is(204)
	f.as(key, "GET", "/v1/cdrs", "").problem(401, "unauthorized")
}

func TestNobodyGivesARightHeDoesNotHave(t *testing.T) {
	f := start(t)
	f.as(syncKey, "POST", "/v1/api-keys", `{"name":"a","scopes":["trunks:read"]}`).is(201)
	f.as(syncKey, "POST", "/v1/api-keys", `{"name":"b","scopes":["admin"]}`).problem(403, "forbidden")
	f.as(syncKey, "PATCH", "/v1/api-keys/key_d", `{"scopes":["admin"]}`).problem(403, "forbidden")
	f.as(syncKey, "DELETE", "/v1/api-keys/key_a", "").problem(403, "forbidden")
	r := f.as(tenantKey, "POST", "/v1/api-keys", `{"name":"c","scopes":["admin"]}`).is(201)
	if r.text("tenant_id") != f.ids[sbc.KindTenant] {
		t.Errorf("a tenant's key made a key of %q", r.text("tenant_id"))
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	f := start(t)
	f.do("DELETE", "/v1/api-keys/key_a", "").problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"enabled":false}`).problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"expires_at":"2036-01-01T00:00:00Z"}`).problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"scopes":["trunks:read"]}`).problem(409, "conflict")
	f.do("POST", "/v1/api-keys", `{"name":"second","scopes":["admin"]}`).is(201)
	f.do("DELETE", "/v1/api-keys/key_a", "").is(204)
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	f := start(t)
	mine := f.ids[sbc.KindTenant]
	realm := f.as(tenantKey, "POST", "/v1/realms", `{"name":"carriers"}`).is(201)
	if realm.text("tenant_id") != mine {
		t.Fatalf("%s", realm.body)
	}
	f.as(tenantKey, "GET", f.trunk(), "").problem(404, "not_found")
	f.as(tenantKey, "PUT", f.trunk(), trunkBody(f, "stolen")).problem(404, "not_found")
	f.as(tenantKey, "DELETE", f.trunk(), "").problem(404, "not_found")
	f.as(tenantKey, "GET", f.trunk()+"/endpoints", "").problem(404, "not_found")
	f.as(tenantKey, "POST", f.trunk()+"/endpoints", `{"name":"e","address":"127.0.0.1"}`).problem(404, "not_found")
	// A reference into another tenant is a reference to nothing.
	r := f.as(tenantKey, "POST", "/v1/trunks", trunkBody(f, "mine"))
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/realm_id"})
	f.as(tenantKey, "POST", "/v1/realms", `{"name":"x","tenant_id":"ten_default"}`).problem(403, "forbidden")
	f.as(tenantKey, "GET", "/v1/realms?tenant_id=ten_default", "").problem(403, "forbidden")
	f.as(tenantKey, "PUT", "/v1/trunks/by-external-id/crm-4712", `{"name":"mine","realm_id":"`+realm.text("id")+`"}`).is(201)
	for path, want := range map[string]int{"/v1/tenants": 1, "/v1/realms": 1, "/v1/trunks": 1, "/v1/api-keys": 1,
		"/v1/calls": 1, "/v1/cdrs": 1, "/v1/audit-events": 2} {
		if got := len(f.as(tenantKey, "GET", path, "").is(200).json()["items"].([]any)); got != want {
			t.Errorf("%s shows %d, want %d", path, got, want)
		}
	}
	f.as(tenantKey, "GET", "/v1/tenants/"+mine, "").is(200)
	f.as(tenantKey, "GET", "/v1/tenants/ten_default", "").problem(404, "not_found")
	f.as(tenantKey, "POST", "/v1/tenants", `{"name":"new"}`).problem(403, "forbidden")
	f.as(tenantKey, "DELETE", "/v1/tenants/"+mine, "").problem(403, "forbidden")
	f.as(tenantKey, "PATCH", "/v1/tenants/"+mine, `{"description":"ours"}`).is(200)
	call, record := "/v1/calls/"+f.calls.calls[0].ID, "/v1/cdrs/"+f.m.cdrs[0].ID
	for _, path := range []string{call, call + "/messages", call + "/media", record} {
		f.as(tenantKey, "GET", path, "").problem(404, "not_found")
	}
	f.as(tenantKey, "DELETE", call, "").problem(404, "not_found")
	f.as(tenantKey, "GET", "/v1/calls/call_zz/messages", "").is(200)
	f.as(tenantKey, "POST", "/v1/routing/explain",
		fmt.Sprintf(`{"source_address":"127.0.0.1","sip_interface_id":%q,"callee":"1"}`,
			f.ids[sbc.KindSIPInterface])).problem(422, "invalid")
	// A system-wide key chooses.
	if got := f.do("POST", "/v1/realms", `{"name":"theirs","tenant_id":"`+mine+`"}`).is(201).text("tenant_id"); got != mine {
		t.Errorf("tenant %s", got)
	}
	if got := len(f.do("GET", "/v1/realms?tenant_id="+mine, "").is(200).json()["items"].([]any)); got != 2 {
		t.Errorf("%d realms", got)
	}
}

func TestKeysOfASwitchedOffTenantAreOut(t *testing.T) {
	f := start(t)
	f.as(tenantKey, "GET", "/v1/whoami", "").is(200)
	f.do("PATCH", "/v1/tenants/"+f.ids[sbc.KindTenant], `{"enabled":false}`).is(200)
	f.as(tenantKey, "GET", "/v1/whoami", "").problem(401, "unauthorized")
}

func TestHangUpIsAudited(t *testing.T) {
	f := start(t)
	id := f.calls.calls[0].ID
	f.do("DELETE", "/v1/calls/"+id+"?reason=credit+used+up", "", "X-Request-Id", "crm.1").is(204)
	equal(t, f.calls.hungUp, []string{id + ": credit used up"})
	event := f.do("GET", "/v1/audit-events?resource_id="+id, "").is(200).json()["items"].([]any)[0].(map[string]any)
	if event["operation_id"] != "hangUpCall" || event["actor"] != "key_a" || event["request_id"] != "crm.1" ||
		event["source_ip"] != "192.0.2.1" {
		t.Errorf("%v", event)
	}
	f.do("DELETE", "/v1/calls/"+id, "").problem(404, "not_found")
}

func TestHangUpWorksWhileTheStoreIsAway(t *testing.T) {
	f := start(t)
	f.do("GET", "/v1/whoami", "").is(200) // the keys are loaded
	f.m.mu.Lock()
	f.m.fail = sbc.Errorf(sbc.CodeUnavailable, "the store is away")
	f.m.mu.Unlock()
	f.do("DELETE", "/v1/calls/"+f.calls.calls[0].ID, "").is(204)
	if !strings.Contains(f.logs.String(), "is not in the audit log") {
		t.Error("nothing in the log")
	}
	r := f.do("POST", "/v1/trunks", trunkBody(f, "x"))
	if r.problem(503, "unavailable"); r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestWritesAreAudited(t *testing.T) {
	f := start(t)
	made := f.do("POST", "/v1/trunks", trunkBody(f, "audited")).is(201)
	f.do("PATCH", made.header.Get("Location"), `{"max_calls":9}`).is(200)
	f.do("DELETE", made.header.Get("Location"), "").is(204)
	events := f.do("GET", "/v1/audit-events?kind=trunk&resource_id="+made.text("id"), "").is(200).json()["items"].([]any)
	var got []string
	for _, e := range events {
		m := e.(map[string]any)
		_, before := m["before"]
		_, after := m["after"]
		got = append(got, fmt.Sprintf("%v %v %v", m["operation_id"], before, after))
	}
	equal(t, got, []string{"createTrunk false true", "updateTrunk true true", "deleteTrunk true false"})
}

func TestRequestIDIsKeptIfHarmless(t *testing.T) {
	f := start(t)
	if got := f.do("GET", "/healthz", "", "X-Request-Id", "abc-1.2_3").header.Get("X-Request-Id"); got != "abc-1.2_3" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"a b", strings.Repeat("x", 65), "<script>"} {
		if got := f.do("GET", "/healthz", "", "X-Request-Id", bad).header.Get("X-Request-Id"); !strings.HasPrefix(got,
			"req_") {
			t.Errorf("%q was kept as %q", bad, got)
		}
	}
}

func TestReadiness(t *testing.T) {
	f := start(t)
	f.as("", "GET", "/readyz", "").is(200)
	f.node.ready = append(f.node.ready, sbc.Condition{Type: "sip_interfaces", Detail: "carriers is down"})
	r := f.as("", "GET", "/readyz", "")
	if doc := r.problem(503, "not_ready"); len(doc["conditions"].([]any)) != 2 ||
		doc["detail"] != "sip_interfaces: carriers is down" {
		t.Errorf("%s", r.body)
	}
	f.as("", "GET", "/healthz", "").is(200)
}

func TestMetricsOfTheAPI(t *testing.T) {
	f := start(t)
	f.do("GET", "/v1/trunks", "").is(200)
	f.as("", "GET", "/nonsense", "").is(404)
	got := string(f.do("GET", "/metrics", "").is(200).body)
	for _, want := range []string{`sbc_http_requests_total{code="200",operation_id="listTrunks"} 1`,
		`sbc_http_requests_total{code="404",operation_id="none"} 1`, "sbc_http_request_duration_seconds_bucket"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	f.as("", "GET", "/metrics", "").problem(401, "unauthorized")
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("an API without store was built")
	}
	var _ http.Handler = start(t, true).h
}
