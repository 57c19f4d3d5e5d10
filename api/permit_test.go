package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

func TestSecretOfANewKeyIsShownOnceAndNotStored(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	f := start(t)
	f.do("DELETE", "/v1/api-keys/key_a", "").problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"enabled":false}`).problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"expires_at":"2036-01-01T00:00:00Z"}`).problem(409, "conflict")
	f.do("PATCH", "/v1/api-keys/key_a", `{"scopes":["trunks:read"]}`).problem(409, "conflict")
	f.do("POST", "/v1/api-keys", `{"name":"second","scopes":["admin"]}`).is(201)
	f.do("DELETE", "/v1/api-keys/key_a", "").is(204)
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	f := start(t)
	f.as(tenantKey, "GET", "/v1/whoami", "").is(200)
	f.do("PATCH", "/v1/tenants/"+f.ids[sbc.KindTenant], `{"enabled":false}`).is(200)
	f.as(tenantKey, "GET", "/v1/whoami", "").problem(401, "unauthorized")
}
