package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func TestHangUpByFilter(t *testing.T) {
	t.Parallel()
	f := start(t)
	ours, theirs := f.calls.calls[0].ID, f.calls.calls[1].ID
	ids := func(r *reply) []any { return r.is(200).json()["call_ids"].([]any) }
	if got := ids(f.do("POST", "/v1/calls/hang-up?dry_run=true", `{"all":true}`)); len(got) != 2 || len(f.calls.hungUp) != 0 {
		t.Errorf("%v would be hung up, %v are", got, f.calls.hungUp)
	}
	if got := ids(f.do("POST", "/v1/calls/hang-up", `{"caller":"nobody"}`)); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for _, body := range []string{`{}`, `{"reason":"x"}`, `{"all":false}`, `{"all":true,"caller":"+4930111"}`} {
		r := f.do("POST", "/v1/calls/hang-up", body)
		r.problem(422, "invalid")
		equal(t, r.pointers(), []string{"#/all"})
	}
	f.as(tenantKey, "POST", "/v1/calls/hang-up", `{"tenant_id":"ten_default"}`).problem(403, "forbidden")
	f.as(readerKey, "POST", "/v1/calls/hang-up", `{"all":true}`).problem(403, "forbidden")
	got := ids(f.as(tenantKey, "POST", "/v1/calls/hang-up", `{"all":true,"reason":"closing"}`))
	if fmt.Sprint(got) != fmt.Sprint([]string{theirs}) {
		t.Errorf("%v", got)
	}
	first := f.do("POST", "/v1/calls/hang-up", `{"caller":"+4930111","reason":"credit used up"}`, "Idempotency-Key", "a")
	again := f.do("POST", "/v1/calls/hang-up", `{"caller":"+4930111","reason":"credit used up"}`, "Idempotency-Key", "a")
	if fmt.Sprint(ids(first)) != fmt.Sprint([]string{ours}) || string(again.body) != string(first.body) ||
		again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s, again %v %s", first.body, again.header, again.body)
	}
	equal(t, f.calls.hungUp, []string{theirs + ": closing", ours + ": credit used up"})
	event := f.event("hangUpCalls")
	if fmt.Sprint(event["call_ids"]) != fmt.Sprint([]string{ours}) || event["reason"] != "credit used up" || event["calls"] != 1.0 {
		t.Errorf("%v", event)
	}
}

// event is what the newest audit event of an operation says.
func (f *fixture) event(operation string) map[string]any {
	f.t.Helper()
	items := f.do("GET", "/v1/audit-events?limit=1000", "").is(200).json()["items"].([]any)
	for i := len(items) - 1; i >= 0; i-- {
		if e := items[i].(map[string]any); e["operation_id"] == operation {
			after, _ := e["after"].(map[string]any)
			return after
		}
	}
	f.t.Fatalf("no audit event of %s", operation)
	return nil
}

func TestOrdersAreForgottenOnlyWhereTheStoreIsAway(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("GET", "/v1/whoami", "").is(200)
	f.m.mu.Lock()
	f.m.fail = sbc.Errorf(sbc.CodeUnavailable, "the store is away")
	f.m.mu.Unlock()
	f.do("POST", "/v1/calls/hang-up", `{"all":true}`).is(200)
	if len(f.calls.hungUp) != 2 || !strings.Contains(f.logs.String(), "is not in the audit log") {
		t.Errorf("%v\n%s", f.calls.hungUp, f.logs.String())
	}
}
