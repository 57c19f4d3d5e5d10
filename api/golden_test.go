package api

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// update rewrites the golden files: go test ./api -run Golden -update
var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a transcript with the committed one. Golden files are what clients rely on: a difference is a change of the
// API, to be looked at by a human.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("%s:%d\ngot  %s\nwant %s", path, i+1, gotLines[i], wantLines[i])
		}
	}
	t.Fatalf("%s: %d lines instead of %d", path, len(gotLines), len(wantLines))
}

// transcript is a request and its answer as text. X-Request-Id is fixed by the request.
func (f *fixture) transcript(key, method, path, body string) string {
	f.t.Helper()
	r := f.as(key, method, path, body, "X-Request-Id", "golden")
	var b strings.Builder
	fmt.Fprintf(&b, "> %s %s\n", method, path)
	if body != "" {
		fmt.Fprintf(&b, "> %s\n", body)
	}
	fmt.Fprintf(&b, "%d\n", r.status)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		if name != "Content-Security-Policy" {
			fmt.Fprintf(&b, "%s: %s\n", name, r.header.Get(name))
		}
	}
	fmt.Fprintf(&b, "\n%s\n\n", strings.TrimSpace(string(r.body)))
	return b.String()
}

func TestGoldenReads(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	var b strings.Builder
	walk(doc, func(path, method string, item *openapi3.PathItem, o *openapi3.Operation) {
		// Not what names the machine, the time or the whole of another file, or has a golden file of its own.
		if method != http.MethodGet || slices.Contains([]string{"getDocumentation", "getErrorDocumentation",
			"getSpecification", "getMetrics", "getVersion", "readCertificateRequest", "listAPIKeys", "getAPIKey", "downloadAnnouncementAudio",
			"listTemplates", "getTemplate"}, o.OperationID) {
			return
		}
		b.WriteString(f.transcript(adminKey, method, examplePath(path, item), ""))
	})
	golden(t, "reads.txt", b.String())
}

func TestGoldenProblems(t *testing.T) {
	t.Parallel()
	f := start(t)
	var b strings.Builder
	for _, c := range []struct{ key, method, path, body string }{
		{"", "GET", "/v1/trunks", ""},
		{readerKey, "DELETE", f.trunk(), ""},
		{adminKey, "GET", "/v1/trunks/trk_none", ""},
		{adminKey, "GET", "/v1/trunk", ""},
		{adminKey, "PUT", "/v1/trunks", "{}"},
		{adminKey, "GET", "/v1/trunks?colour=red&limit=0", ""},
		{adminKey, "GET", "/v1/trunks?cursor=abc", ""},
		{adminKey, "POST", "/v1/trunks", `{"name":`},
		{adminKey, "POST", "/v1/trunks",
			`{"name":"","realm_id":"rlm_none","max_calls":-1,"failover_codes":["200"],"pass_headers":["Via"],"id":"x","colour":"red"}`},
		{adminKey, "POST", f.trunk() + "/identities", `{"name":"all","cidr":"::/0"}`},
		{adminKey, "POST", "/v1/realms", `{"name":"carriers"}`},
		{adminKey, "DELETE", f.trunk(), ""},
		{adminKey, "DELETE", "/v1/api-keys/key_a", ""},
		{adminKey, "DELETE", "/v1/tenants/ten_default", ""},
	} {
		b.WriteString(f.transcript(c.key, c.method, c.path, c.body))
	}
	golden(t, "problems.txt", b.String())
}
