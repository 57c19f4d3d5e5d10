package api

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport"
)

// offMachine finds what would make a browser ask another machine: sources, links to load, imports, requests.
var offMachine = regexp.MustCompile(`(?i)(src|srcset|action)\s*=\s*["']?\s*(https?:)?//|<link\b|@import|url\(|` +
	`<iframe|<object|<embed|fetch\(\s*["']http`)

func TestDocumentationAsksNoOtherMachine(t *testing.T) {
	t.Parallel()
	f := start(t)
	paths := []string{"/docs"}
	for _, k := range catalogue() {
		paths = append(paths, "/docs/errors/"+string(k.code))
	}
	for _, path := range paths {
		r := f.as("", "GET", path, "").is(200)
		if found := offMachine.Find(r.body); found != nil {
			t.Errorf("%s holds %q", path, found)
		}
		policy := r.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for _, tag := range []string{"style", "script"} {
			inner := regexp.MustCompile(`(?s)<` + tag + `>(.*?)</` + tag + `>`).FindSubmatch(r.body)
			if inner == nil && tag == "script" && path != "/docs" {
				continue
			}
			if inner == nil || !strings.Contains(policy, hashOf(inner[1])) {
				t.Errorf("%s: the policy does not let its %s run", path, tag)
			}
		}
	}
}

func TestDocumentationHoldsEveryOperationSchemaAndError(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	page := string(f.as("", "GET", "/docs", "").is(200).body)
	walk(doc, func(path, _ string, _ *openapi3.PathItem, o *openapi3.Operation) {
		if !strings.Contains(page, `id="`+o.OperationID+`"`) || !strings.Contains(page, path) {
			t.Errorf("%s is not in the documentation", o.OperationID)
		}
	})
	for name := range doc.Components.Schemas {
		if !strings.Contains(page, `id="schema-`+name+`"`) {
			t.Errorf("the schema %s is not in the documentation", name)
		}
	}
	for _, k := range catalogue() {
		if !strings.Contains(page, "/docs/errors/"+string(k.code)) {
			t.Errorf("the error %s is not in the documentation", k.code)
		}
	}
}

func TestSpecificationIsServedAsItIs(t *testing.T) {
	t.Parallel()
	f := start(t)
	if r := f.as("", "GET", "/openapi.yaml", "").is(200); string(r.body) != sallyport.Specification() ||
		r.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%s, %d bytes", r.header.Get("Content-Type"), len(r.body))
	}
	if r := f.as("", "GET", "/", "").is(307); r.header.Get("Location") != "/docs" {
		t.Errorf("Location %q", r.header.Get("Location"))
	}
	if v := f.as("", "GET", "/version", "").is(200); v.text("version") != "0.1.0-test" {
		t.Errorf("%s", v.body)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	t.Parallel()
	if got := markdown("a `<b>` **c** <script>"); got != "a <code>&lt;b&gt;</code> <strong>c</strong> &lt;script&gt;" {
		t.Errorf("%s", got)
	}
}
