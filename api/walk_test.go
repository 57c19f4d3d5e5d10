package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
)

// methods in the order in which a path's operations are walked.
func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
}

// walk visits every operation of the specification.
func walk(doc *openapi3.T, visit func(path, method string, item *openapi3.PathItem, o *openapi3.Operation)) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for _, method := range methods() {
			if o := doc.Paths.Value(path).GetOperation(method); o != nil {
				visit(path, method, doc.Paths.Value(path), o)
			}
		}
	}
}

func TestEveryOperationIsServedAndEveryRouteIsSpecified(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	specified := map[string]bool{}
	walk(doc, func(path, method string, _ *openapi3.PathItem, _ *openapi3.Operation) {
		specified[method+" "+echoPath(path)] = true
	})
	served := map[string]bool{}
	for _, r := range f.h.(handler).Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		served[r.Method+" "+r.Path] = true
	}
	for op := range specified {
		if !served[op] {
			t.Errorf("%s is specified and not served", op)
		}
	}
	for op := range served {
		if !specified[op] {
			t.Errorf("%s is served and not specified", op)
		}
	}
}

// TestExamplesOfTheSpecificationWork sends the example of every operation to the running server. The server checks its own
// answers; each has to be a success.
func TestExamplesOfTheSpecificationWork(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	walk(doc, func(path, method string, item *openapi3.PathItem, o *openapi3.Operation) {
		t.Run(o.OperationID, func(t *testing.T) {
			f.t = t
			f.seed(doc)
			if method == http.MethodDelete {
				kind, _ := o.Extensions["x-kind"].(string)
				f.orphan(f.ids[sbc.Kind(kind)])
			}
			if method == http.MethodPost && o.Extensions["x-kind"] != nil {
				f.rename()
			}
			body, contentType := exampleBody(t, o)
			if r := f.do(method, examplePath(path, item)+exampleQuery(o), body, "Content-Type", contentType); r.status >= 400 {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		})
	})
}

// examplePath fills the path parameters with their examples.
func examplePath(path string, item *openapi3.PathItem) string {
	for _, p := range item.Parameters {
		if s, ok := p.Value.Example.(string); ok {
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(s))
		}
	}
	return path
}

// exampleQuery gives the required query parameters their examples.
func exampleQuery(o *openapi3.Operation) string {
	q := url.Values{}
	for _, p := range o.Parameters {
		if p.Value.In == openapi3.ParameterInQuery && p.Value.Required {
			q.Set(p.Value.Name, fmt.Sprint(p.Value.Example))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func exampleBody(t *testing.T, o *openapi3.Operation) (body, contentType string) {
	t.Helper()
	if o.RequestBody == nil {
		return "", "application/json"
	}
	for contentType, media := range o.RequestBody.Value.Content {
		if contentType == "audio/wav" {
			return wav("beep"), contentType
		}
		if text, ok := exampleOf(media).(string); ok {
			return text, contentType
		}
		raw, err := json.Marshal(exampleOf(media))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), contentType
	}
	return "", ""
}

// orphan takes away everything that refers to a resource, and what refers to that, so that it can be deleted.
func (f *fixture) orphan(id string) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	all := f.m.state.resources
	dangling := func(_ string, r sbc.Resource) bool {
		return r.Base().ID != id && slices.ContainsFunc(r.References(), func(ref sbc.Reference) bool {
			return ref.ID == id || all[ref.ID] == nil
		})
	}
	for before := -1; before != len(all); {
		before = len(all)
		maps.DeleteFunc(all, dangling)
	}
}

// rename gives the seeded resources other names, networks and addresses than the examples of what is made.
func (f *fixture) rename() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	for _, r := range f.m.state.resources {
		r.Base().Name += " (seeded)"
		r.Base().ExternalID = ""
	}
}

// TestSpecificationHoldsItsRules checks what product.md and interfaces.md demand of every operation.
func TestSpecificationHoldsItsRules(t *testing.T) {
	t.Parallel()
	doc := parsed(t)
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	if doc.OpenAPI != "3.0.3" {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	ids := map[string]bool{}
	walk(doc, func(path, method string, item *openapi3.PathItem, o *openapi3.Operation) {
		t.Run(o.OperationID, func(t *testing.T) {
			if o.OperationID == "" || ids[o.OperationID] || o.Summary == "" || len(o.Tags) != 1 {
				t.Error("operationId (once), summary and one tag are needed")
			}
			ids[o.OperationID] = true
			permission, _ := o.Extensions["x-permission"].(string)
			if permission != permitAll && permission != permitAny && !slices.Contains(sbc.Scopes(), sbc.Scope(permission)) {
				t.Errorf("x-permission %q is no scope", permission)
			}
			if open := o.Security != nil && len(*o.Security) == 0; open != (permission == permitAll) {
				t.Error("security and x-permission contradict each other")
			}
			apply, _ := o.Extensions["x-apply"].(string)
			if !slices.Contains([]string{"none", "immediate", "new_calls", "reconnect"}, apply) {
				t.Errorf("x-apply %q", apply)
			}
			checkParameters(t, method, o)
			checkAnswers(t, method, permission, o)
			checkBody(t, o)
		})
	})
	for _, s := range sbc.Scopes() {
		if !slices.Contains(doc.Components.Schemas["Scope"].Value.Enum, any(string(s))) {
			t.Errorf("the scope %s is not in the specification", s)
		}
	}
}

func checkParameters(t *testing.T, method string, o *openapi3.Operation) {
	t.Helper()
	names := map[string]bool{}
	for _, p := range o.Parameters {
		names[p.Value.Name] = true
		if p.Value.Description == "" || p.Value.Schema == nil {
			t.Errorf("parameter %s is not described", p.Value.Name)
		}
	}
	apply := o.Extensions["x-apply"]
	if (apply != "none") != names["dry_run"] {
		t.Error("writes, and only they, have dry_run")
	}
	if method == http.MethodPost && apply != "none" && !names["Idempotency-Key"] {
		t.Error("a POST that makes something needs Idempotency-Key")
	}
	if _, resource := o.Extensions["x-kind"]; resource && apply != "none" && method != http.MethodPost && !names["If-Match"] {
		t.Error("a change of a resource needs If-Match")
	}
}

func checkAnswers(t *testing.T, method, permission string, o *openapi3.Operation) {
	t.Helper()
	for status, r := range o.Responses.Map() {
		if r.Value.Description == nil || *r.Value.Description == "" {
			t.Errorf("%s is not described", status)
		}
		if status >= "4" && r.Value.Content["application/problem+json"] == nil {
			t.Errorf("%s is no problem document", status)
		}
		for contentType, media := range r.Value.Content {
			if media.Example == nil && len(media.Examples) == 0 {
				t.Errorf("%s %s has no example", status, contentType)
			}
		}
	}
	need := []string{"400", "500"}
	if permission != permitAll {
		need = append(need, "401", "403", "503")
	}
	if o.RequestBody != nil {
		need = append(need, "413", "415", "422")
	}
	if method == http.MethodDelete || method == http.MethodPatch {
		need = append(need, "404")
	}
	for _, status := range need {
		if o.Responses.Value(status) == nil {
			t.Errorf("%s is missing", status)
		}
	}
}

func checkBody(t *testing.T, o *openapi3.Operation) {
	t.Helper()
	if o.RequestBody == nil {
		return
	}
	for contentType, media := range o.RequestBody.Value.Content {
		if exampleOf(media) == nil {
			t.Errorf("%s has no example", contentType)
		}
		allowed := media.Schema.Value.AdditionalProperties.Has
		if media.Schema.Value.Type.Is("object") && (allowed == nil || *allowed) {
			t.Error("the body takes unknown fields")
		}
	}
}

// TestEverySchemaIsNamedAndDescribed: objects have names of their own, properties a type, a description and an example.
func TestEverySchemaIsNamedAndDescribed(t *testing.T) {
	t.Parallel()
	doc := parsed(t)
	for name, s := range doc.Components.Schemas {
		if s.Value.Description == "" {
			t.Errorf("%s is not described", name)
		}
		for field, p := range s.Value.Properties {
			v := p.Value
			if v.Description == "" {
				t.Errorf("%s.%s is not described", name, field)
			}
			if p.Ref == "" && v.Type == nil && len(v.AllOf) == 0 {
				t.Errorf("%s.%s has no type", name, field)
			}
			if v.Type.Is("object") && len(v.Properties) > 0 {
				t.Errorf("%s.%s is an object without a name", name, field)
			}
			if v.Example == nil && len(v.AllOf) == 0 && v.Items == nil {
				t.Errorf("%s.%s has no example", name, field)
			}
			if v.Example != nil {
				if err := v.VisitJSON(v.Example); err != nil {
					t.Errorf("%s.%s: its example is wrong: %v", name, field, err)
				}
			}
		}
	}
}
