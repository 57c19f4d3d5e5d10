package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func TestRequestIDIsKeptIfHarmless(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("an API without store was built")
	}
	var _ http.Handler = start(t, true).h
}
