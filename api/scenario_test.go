package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

func trunkBody(f *fixture, name string) string {
	return fmt.Sprintf(`{"name":%q,"realm_id":%q}`, name, f.ids[sbc.KindRealm])
}

func (f *fixture) trunk() string { return "/v1/trunks/" + f.ids[sbc.KindTrunk] }

func TestErrorsAreProblemDocumentsEverywhere(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	r := start(t).do("GET", "/v1/trunks?colour=red&realm_id=x", "")
	if r.problem(400, "invalid_parameter"); !strings.Contains(string(r.body),
		"known are cursor, enabled, external_id, header_profile_id, label, limit, limit_profile_id, media_profile_id, name, "+
			"realm_id, routing_plan_id, signalling_profile_id, tenant_id") {
		t.Errorf("%s", r.body)
	}
	equal(t, r.pointers(), []string{"colour"})
}

func TestPanicIsAProblemDocument(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	f := start(t)
	plan := "/v1/routing-plans/" + f.ids[sbc.KindRoutingPlan]
	r := f.do("GET", plan, "").is(200)
	again := f.do("GET", plan, "", "If-None-Match", r.header.Get("ETag")).is(304)
	if len(again.body) != 0 || again.header.Get("ETag") != r.header.Get("ETag") {
		t.Errorf("304 with %q and ETag %q", again.body, again.header.Get("ETag"))
	}
	f.do("GET", plan, "", "If-None-Match", `"0", W/`+r.header.Get("ETag")).is(304)
	f.do("GET", plan, "", "If-None-Match", `"0"`).is(200)
	call := "/v1/calls/" + f.calls.calls[0].ID
	f.do("GET", call, "", "If-None-Match", f.do("GET", call, "").is(200).header.Get("ETag")).is(304)
}

func TestTenantMayDemandPreconditions(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	f := start(t)
	r := f.do("DELETE", f.trunk(), "")
	r.problem(409, "referenced")
	if referrers, _ := r.json()["referrers"].([]any); len(referrers) != 4 {
		t.Errorf("%s", r.body)
	}
}

func TestNameTakenIsAConflict(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("POST", "/v1/trunks", trunkBody(f, "twice")).is(201)
	r := f.do("POST", "/v1/trunks", trunkBody(f, "twice"))
	r.problem(409, "conflict")
	equal(t, r.pointers(), []string{"#/name"})
}

func TestDryRunAnswersAndKeepsNothing(t *testing.T) {
	t.Parallel()
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

func TestHangUpIsAudited(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
