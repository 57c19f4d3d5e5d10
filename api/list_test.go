package api

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func (f *fixture) many(n int) {
	f.t.Helper()
	for i := range n {
		f.do("POST", "/v1/realms", fmt.Sprintf(`{"name":"realm %02d","labels":{"even":"%v"},"enabled":%v}`, i, i%2 == 0,
			i%3 == 0)).is(201)
	}
}

// pages follows next_cursor to the end and gives the names.
func (f *fixture) pages(path string) (names []string, pages int) {
	f.t.Helper()
	for cursor := ""; ; pages++ {
		at := path
		if cursor != "" {
			at += "&cursor=" + cursor
		}
		r := f.do("GET", at, "").is(200)
		for _, item := range r.json()["items"].([]any) {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		if cursor = r.text("next_cursor"); cursor == "" {
			return names, pages + 1
		}
	}
}

func TestPagesGiveEverythingOnce(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.many(25)
	names, pages := f.pages("/v1/realms?limit=4")
	if len(names) != 26 || pages != 7 {
		t.Errorf("%d realms on %d pages", len(names), pages)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			t.Errorf("%s came twice", n)
		}
		seen[n] = true
	}
	// What is made between two pages comes later, what is deleted does not disturb.
	first := f.do("GET", "/v1/realms?limit=5", "").is(200)
	last := first.json()["items"].([]any)[4].(map[string]any)["id"].(string)
	f.do("DELETE", "/v1/realms/"+last, "").is(204)
	if got := f.do("GET", "/v1/realms?limit=100&cursor="+first.text("next_cursor"),
		"").is(200); len(got.json()["items"].([]any)) != 21 {
		t.Errorf("%s", got.body)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.many(12)
	for query, want := range map[string]int{
		"name=realm+03": 1, "name=realm": 0, "enabled=true": 5, "label=even%3Dtrue": 6,
		"label=even%3Dtrue&label=region%3Deu": 0, "enabled=false&label=even%3Dfalse": 4, "external_id=x": 0,
	} {
		if names, _ := f.pages("/v1/realms?" + query); len(names) != want {
			t.Errorf("%s gives %v, want %d", query, names, want)
		}
	}
	if names, _ := f.pages("/v1/trunks?realm_id=" + f.ids[sbc.KindRealm]); len(names) != 1 {
		t.Errorf("%v", names)
	}
	f.do("GET", "/v1/trunks?realm_id=a&routing_plan_id=b", "").problem(400, "invalid_parameter")
	f.do("GET", "/v1/realms?label=nonsense", "").problem(400, "invalid_parameter")
}

func TestCursorBelongsToItsList(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.many(5)
	cursor := f.do("GET", "/v1/realms?limit=2&enabled=false", "").is(200).text("next_cursor")
	f.do("GET", "/v1/realms?limit=3&enabled=false&cursor="+cursor, "").is(200)
	for _, path := range []string{"/v1/realms?cursor=", "/v1/realms?enabled=true&cursor=",
		"/v1/realms?enabled=false&name=x&cursor=", "/v1/trunks?enabled=false&cursor=", "/v1/calls?cursor="} {
		f.do("GET", path+cursor, "").problem(400, "cursor_mismatch")
	}
	f.as(tenantKey, "GET", "/v1/realms?limit=2&enabled=false&cursor="+cursor, "").problem(400, "cursor_mismatch")
	broken := []byte(cursor)
	broken[len(broken)-2] ^= 1
	f.do("GET", "/v1/realms?enabled=false&cursor="+url.QueryEscape(string(broken)), "").problem(400, "cursor_invalid")
}

func TestCallsInPages(t *testing.T) {
	t.Parallel()
	f := start(t)
	first := f.do("GET", "/v1/calls?limit=1", "").is(200)
	second := f.do("GET", "/v1/calls?limit=1&cursor="+first.text("next_cursor"), "").is(200)
	if first.text("next_cursor") == "" || second.text("next_cursor") != "" || string(first.body) == string(second.body) {
		t.Errorf("%s\n%s", first.body, second.body)
	}
	if got := len(f.do("GET", "/v1/calls?state=early", "").is(200).json()["items"].([]any)); got != 0 {
		t.Errorf("%d calls", got)
	}
	f.do("GET", "/v1/calls?state=sleeping", "").problem(400, "invalid_parameter")
	f.do("GET", "/v1/calls/call_forgotten/media", "").problem(404, "not_found")
	f.do("GET", "/v1/calls/call_forgotten/messages", "").problem(404, "not_found")
}

// TestFeedOfCDRs: a reader that keeps only its last cursor gets every record once, those that come later included, over a
// restart of the server too.
func TestFeedOfCDRs(t *testing.T) {
	t.Parallel()
	f := start(t)
	var seen []string
	cursor := ""
	read := func() bool {
		path := "/v1/cdrs?limit=3"
		if cursor != "" {
			path += "&after=" + cursor
		}
		r := f.do("GET", path, "").is(200)
		for _, item := range r.json()["items"].([]any) {
			seen = append(seen, item.(map[string]any)["id"].(string))
		}
		cursor = r.text("next_cursor")
		return r.json()["has_more"] == true
	}
	add := func(from, to int) {
		for i := from; i < to; i++ {
			r := f.m.cdrs[0]
			r.ID = fmt.Sprintf("cdr_%02d", i)
			if err := f.m.AppendCDRs(context.Background(), []sbc.CDR{r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(0, 5)
	for read() {
	}
	read() // nothing new: the cursor stays good
	records := f.m.cdrs
	f = start(t)
	f.m.cdrs = records
	add(5, 9)
	for read() {
	}
	if len(seen) != 11 {
		t.Errorf("%d records: %v", len(seen), seen)
	}
	unique := map[string]bool{}
	for _, id := range seen {
		unique[id] = true
	}
	if len(unique) != len(seen) {
		t.Errorf("a record came twice: %v", seen)
	}
	f.do("GET", "/v1/cdrs?caller=x&after="+cursor, "").problem(400, "cursor_mismatch")
	f.do("GET", "/v1/cdrs?started_after=yesterday", "").problem(400, "invalid_parameter")
	f.do("GET",
		"/v1/cdrs?end_reason=caller_bye&started_after=2026-11-22T00:00:00Z&started_before=2026-11-23T00:00:00%2B01:00", "").is(200)
}

func TestUpsertByExternalID(t *testing.T) {
	t.Parallel()
	f := start(t)
	for i, external := range []string{"crm-1", "a/b", "50%", "a b+c", "ümlaut", "by-external-id", "?#&=;", "..", "%2F"} {
		t.Run(external, func(t *testing.T) {
			f.t = t
			path := "/v1/trunks/by-external-id/" + url.PathEscape(external)
			if external == ".." {
				path = "/v1/trunks/by-external-id/%2E%2E"
			}
			body := trunkBody(f, fmt.Sprint("synced ", i))
			made := f.do("PUT", path, body).is(201)
			if made.text("external_id") != external || made.header.Get("Location") != "/v1/trunks/"+made.text("id") {
				t.Fatalf("%s at %s", made.body, made.header.Get("Location"))
			}
			f.do("GET", made.header.Get("Location"), "").is(200)
			again := f.do("PUT", path, body).is(200)
			if string(again.body) != string(made.body) {
				t.Errorf("a sync without a change changed\n%s\n%s", made.body, again.body)
			}
			changed := f.do("PUT", path, strings.Replace(body, "{", `{"max_calls":5,`, 1)).is(200)
			if changed.text("id") != made.text("id") || changed.json()["max_calls"] != 5.0 {
				t.Errorf("%s", changed.body)
			}
			f.do("PUT", path, body, "If-None-Match", "*").problem(412, "precondition_failed")
			f.do("PUT", path, body, "If-Match", made.header.Get("ETag")).problem(412, "precondition_failed")
		})
	}
	f.t = t
	f.do("PUT", "/v1/trunks/by-external-id/none", trunkBody(f, "x"), "If-Match", `"1"`).problem(412, "precondition_failed")
	f.do("PUT", "/v1/trunks/by-external-id/none", strings.Replace(trunkBody(f, "x"), "{", `{"external_id":"other",`,
		1)).problem(422, "invalid")
	f.do("PUT", "/v1/trunks/by-external-id/"+strings.Repeat("x", 256), trunkBody(f, "x")).problem(400, "invalid_parameter")
}

func TestUpsertOfAPartOfAnother(t *testing.T) {
	t.Parallel()
	f := start(t)
	other := f.do("POST", "/v1/trunks", trunkBody(f, "other")).is(201)
	body := `{"name":"e","address":"127.0.0.9"}`
	f.do("PUT", f.trunk()+"/endpoints/by-external-id/e1", body).is(201)
	f.do("PUT", other.header.Get("Location")+"/endpoints/by-external-id/e1", body).problem(409, "conflict")
	f.do("PUT", "/v1/trunks/trk_none/endpoints/by-external-id/e2", body).problem(404, "not_found")
	// A part is found only below its whole.
	end := f.ids[sbc.KindEndpoint]
	f.do("GET", f.trunk()+"/endpoints/"+end, "").is(200)
	f.do("GET", other.header.Get("Location")+"/endpoints/"+end, "").problem(404, "not_found")
	f.do("DELETE", other.header.Get("Location")+"/endpoints/"+end, "").problem(404, "not_found")
	f.do("PUT", f.trunk()+"/endpoints/"+end,
		`{"name":"e2","address":"127.0.0.9","trunk_id":"`+other.text("id")+`"}`).problem(422, "invalid")
	f.do("POST", f.trunk()+"/endpoints",
		`{"name":"e3","address":"127.0.0.9","trunk_id":"`+other.text("id")+`"}`).problem(422, "invalid")
}

func TestUpsertOfAKeyShowsTheSecretOnceOnly(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := `{"name":"app","scopes":["cdrs:read"]}`
	made := f.do("PUT", "/v1/api-keys/by-external-id/app", body).is(201)
	f.as(made.text("key"), "GET", "/v1/cdrs", "").is(200)
	if again := f.do("PUT", "/v1/api-keys/by-external-id/app",
		`{"name":"app 2","scopes":["cdrs:read"]}`).is(200); again.text("key") != "" {
		t.Errorf("%s", again.body)
	}
	f.as(made.text("key"), "GET", "/v1/cdrs", "").is(200)
}

func TestZeroWrittenOnPurposeStays(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.do("POST", "/v1/trunks",
		fmt.Sprintf(`{"name":"z","realm_id":%q,"media_timeout_s":0,"failover_codes":[],"enabled":false,"labels":{}}`,
			f.ids[sbc.KindRealm])).is(201)
	if m := r.json(); m["media_timeout_s"] != 0.0 || fmt.Sprint(m["failover_codes"]) != "[]" || m["enabled"] != false {
		t.Errorf("%s", r.body)
	}
	// 5.0 is an integer in JSON Schema.
	if got := f.do("POST", "/v1/trunks", fmt.Sprintf(`{"name":"five","realm_id":%q,"max_calls":5.0}`,
		f.ids[sbc.KindRealm])).is(201).json()["max_calls"]; got != 5.0 {
		t.Errorf("max_calls %v", got)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := func(source, callee string) string {
		return fmt.Sprintf(`{"source_address":%q,"sip_interface_id":%q,"callee":%q}`, source, f.ids[sbc.KindSIPInterface],
			callee)
	}
	if got := f.do("POST", "/v1/routing/explain", body("127.0.0.1", "123")).is(200).text("number"); got != "123" {
		t.Errorf("number %q", got)
	}
	r := f.do("POST", "/v1/routing/explain", `{"source_address":"localhost","sip_interface_id":"sif_none","callee":"1"}`)
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/sip_interface_id", "#/source_address"})
	f.do("POST", "/v1/routing/explain", body("127.0.0.1", "unavailable")).problem(503, "unavailable")
}

func TestStaleCallsAreListed(t *testing.T) {
	t.Parallel()
	f := start(t)
	ids := func(r *reply) (all []string) {
		for _, c := range r.is(200).json()["items"].([]any) {
			all = append(all, fmt.Sprint(c.(map[string]any)["id"], " ", c.(map[string]any)["stale"]))
		}
		return all
	}
	equal(t, ids(f.do("GET", "/v1/calls?stale=true", "")), nil)
	f.calls.calls[1].Stale = "no leg is alive"
	equal(t, ids(f.do("GET", "/v1/calls?stale=true", "")), []string{"call_zz no leg is alive"})
	if got := len(ids(f.do("GET", "/v1/calls?stale=false", ""))); got != 2 {
		t.Errorf("%d calls", got)
	}
	f.do("GET", "/v1/calls?stale=perhaps", "").problem(400, "invalid_parameter")
	if got := f.do("GET", "/v1/calls/call_zz", "").is(200).json()["opensips_state"]; got != 4.0 {
		t.Errorf("opensips_state %v", got)
	}
}
