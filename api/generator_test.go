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
	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
)

// The generator makes requests from the specification, good ones and broken ones, and sends them to a server that checks its own
// answers. Whatever comes in: no 5xx, nothing undocumented, every error a problem document, a repetition equal to the first.

// target is one operation to be shot at.
type target struct {
	path, method string
	item         *openapi3.PathItem
	o            *openapi3.Operation
}

func targets(doc *openapi3.T) []target {
	var all []target
	walk(doc, func(path, method string, item *openapi3.PathItem, o *openapi3.Operation) {
		all = append(all, target{path, method, item, o})
	})
	return all
}

func TestGeneratedRequestsNeverBreakTheServer(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	all := targets(doc)
	statuses := map[int]int{}
	rapid.Check(t, func(rt *rapid.T) {
		f.seed(doc)
		for range 12 {
			shot := rapid.SampledFrom(all).Draw(rt, "operation")
			statuses[shoot(rt, f, shot)]++
		}
	})
	for _, want := range []int{200, 201, 204, 400, 404, 422} {
		if statuses[want] == 0 {
			t.Errorf("no request led to %d: the generator is too tame: %v", want, statuses)
		}
	}
}

// shoot sends one generated request and checks what must hold of any answer.
func shoot(rt *rapid.T, f *fixture, x target) int {
	path := fillPath(rt, f, x)
	query, headers := drawParameters(rt, x)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body := drawBody(rt, f, x)
	if body != "" {
		headers = append(headers, "Content-Type", bodyType(x))
	}
	r := f.do(x.method, path, body, headers...)
	where := fmt.Sprintf("%s %s %v\n%s\n→ %d %s", x.method, path, headers, body, r.status, r.body)
	if r.status >= 500 {
		rt.Fatalf("%s", where)
	}
	if r.status >= 400 {
		if r.header.Get("Content-Type") != "application/problem+json" {
			rt.Fatalf("no problem document: %s", where)
		}
		if r.status == 422 && r.json()["code"] == "invalid" && r.json()["errors"] == nil {
			rt.Fatalf("a 422 without a pointer: %s", where)
		}
		return r.status
	}
	checkSuccess(rt, f, x, path, body, headers, r)
	return r.status
}

// checkSuccess: what was answered can be had again.
func checkSuccess(rt *rapid.T, f *fixture, x target, path, body string, headers []string, r *reply) {
	if slices.Contains(headers, "Idempotency-Key") && !strings.Contains(path, "dry_run=true") {
		again := f.do(x.method, path, body, headers...)
		if string(again.body) != string(r.body) || again.status != r.status ||
			again.header.Get("Idempotency-Replayed") != "true" {
			rt.Fatalf("the repetition differs: %s %s\n%s\n%s", x.method, path, r.body, again.body)
		}
	}
	at := r.header.Get("Location")
	if r.status != http.StatusCreated || strings.Contains(path, "dry_run=true") {
		return
	}
	got := f.do(http.MethodGet, at, "")
	if got.status != 200 || got.header.Get("ETag") != r.header.Get("ETag") {
		rt.Fatalf("made at %s with ETag %s, read %d with %s", at, r.header.Get("ETag"), got.status, got.header.Get("ETag"))
	}
	if _, resource := x.o.Extensions["x-kind"]; !resource { // a ban is made and lifted, never changed
		return
	}
	back := f.do(http.MethodPut, at, string(got.body), "If-Match", got.header.Get("ETag"))
	if back.status != 200 || back.header.Get("ETag") != got.header.Get("ETag") {
		rt.Fatalf("what was read cannot be sent back: %d %s\n%s", back.status, back.body, got.body)
	}
}

func bodyType(x target) string {
	types := slices.Sorted(maps.Keys(x.o.RequestBody.Value.Content)) // the same one, whenever asked
	if len(types) == 0 {
		return ""
	}
	return types[0]
}

// fillPath takes the fixture's ids, now and then something else.
func fillPath(rt *rapid.T, f *fixture, x target) string {
	path := examplePath(x.path, x.item)
	for _, p := range x.item.Parameters {
		if strings.Contains(x.path, "{"+p.Value.Name+"}") && rapid.IntRange(0, 5).Draw(rt, "other id") == 0 {
			path = strings.ReplaceAll(x.path, "{"+p.Value.Name+"}", url.PathEscape(rapid.StringN(1, 20, 80).Draw(rt, "id")))
			path = examplePath(path, x.item)
		}
	}
	return path
}

func drawParameters(rt *rapid.T, x target) (url.Values, []string) {
	query := url.Values{}
	var headers []string
	for _, p := range x.o.Parameters {
		if rapid.IntRange(0, 3).Draw(rt, p.Value.Name) != 0 {
			continue
		}
		value := fmt.Sprint(plain(drawValue(rt, p.Value.Schema.Value, 3)))
		if rapid.IntRange(0, 4).Draw(rt, "broken parameter") == 0 {
			value = rapid.StringMatching(`[ -~]{0,12}`).Draw(rt, "value")
		}
		if p.Value.In == openapi3.ParameterInHeader {
			headers = append(headers, p.Value.Name, value)
			continue
		}
		query.Add(p.Value.Name, value)
	}
	if rapid.IntRange(0, 15).Draw(rt, "unknown parameter") == 0 {
		query.Add("colour", "red")
	}
	return query, headers
}

// plain takes one element for an array: a parameter that may be repeated.
func plain(v any) any {
	if list, ok := v.([]any); ok {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	return v
}

// drawBody makes a body from the schema, with references that exist most of the time, and breaks it now and then.
func drawBody(rt *rapid.T, f *fixture, x target) string {
	if x.o.RequestBody == nil {
		return ""
	}
	if bodyType(x) == "audio/wav" {
		return rapid.SampledFrom([]string{wav(""), wav("beep"), "no audio", "\x00"}).Draw(rt, "audio")
	}
	if t := bodyType(x); t == "text/csv" || t == "application/x-ndjson" {
		return rapid.SampledFrom([]string{
			"username,password\nalice,secret\n", "username\n\"", "{\"username\":\"bob\"}\n", "{", "\x00", "", "prefix,per_minute\n49,1\n", "prefix,per_minute\nx,1\n",
		}).Draw(rt, "rows")
	}
	media := x.o.RequestBody.Value.Content[bodyType(x)]
	body, _ := drawValue(rt, media.Schema.Value, 0).(map[string]any)
	for name := range body {
		if id, ok := f.byField(name); ok && rapid.IntRange(0, 9).Draw(rt, "bad reference") != 0 {
			body[name] = id
		}
	}
	if _, ok := body["cidr"]; ok {
		body["cidr"] = rapid.SampledFrom([]string{"10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "::/0",
			"nonsense"}).Draw(rt, "cidr")
	}
	for _, name := range []string{"address", "bind_address", "advertised_address", "source_address"} {
		if _, ok := body[name]; ok {
			body[name] = rapid.SampledFrom([]string{"127.0.0.9", "2001:db8::1", "0.0.0.0", "sip.example.com", "-",
				"ff02::1"}).Draw(rt, name)
		}
	}
	switch rapid.IntRange(0, 9).Draw(rt, "break") {
	case 0:
		mutate(rt, body)
	case 1:
		raw, _ := json.Marshal(body)
		return string(raw[:rapid.IntRange(1, len(raw)).Draw(rt, "cut")])
	}
	raw, err := json.Marshal(body)
	if err != nil {
		rt.Fatal(err)
	}
	return string(raw)
}

// byField is the id that a reference should hold.
func (f *fixture) byField(name string) (string, bool) {
	if name == "tenant_id" {
		return sbc.DefaultTenantID, true
	}
	kind, ok := strings.CutSuffix(name, "_id")
	id, known := f.ids[sbc.Kind(strings.ReplaceAll(kind, "_", "-"))]
	return id, ok && known
}

// mutate breaks one field.
func mutate(rt *rapid.T, body map[string]any) {
	names := append(slices.Sorted(maps.Keys(body)), "colour", "id", "revision", "__proto__")
	body[rapid.SampledFrom(names).Draw(rt, "field")] = rapid.SampledFrom([]any{
		nil, true, -1.0, 1e18, 0.5, "", "\x00", strings.Repeat("x",
			2000), []any{}, []any{nil}, map[string]any{}, map[string]any{"a": nil}, "😀", "\u2028",
	}).Draw(rt, "junk")
}

// drawValue makes a value of a schema.
func drawValue(rt *rapid.T, s *openapi3.Schema, depth int) any {
	if s.Nullable && rapid.IntRange(0, 4).Draw(rt, "null") == 0 {
		return nil
	}
	switch {
	case len(s.AllOf) > 0:
		return drawValue(rt, s.AllOf[0].Value, depth)
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(rt, "enum")
	case s.Type.Is("boolean"):
		return rapid.Bool().Draw(rt, "bool")
	case s.Type.Is("integer"), s.Type.Is("number"):
		low, high := 0.0, 1000.0
		if s.Min != nil {
			low = *s.Min
		}
		if s.Max != nil {
			high = *s.Max
		}
		return float64(rapid.IntRange(int(low), int(high)).Draw(rt, "number"))
	case s.Type.Is("array"):
		n := rapid.IntRange(int(s.MinItems), int(s.MinItems)+2).Draw(rt, "items")
		list := []any{}
		for range n {
			list = append(list, drawValue(rt, s.Items.Value, depth+1))
		}
		return list
	case s.Type.Is("object"):
		return drawObject(rt, s, depth)
	}
	return drawString(rt, s)
}

func drawObject(rt *rapid.T, s *openapi3.Schema, depth int) any {
	m := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if slices.Contains(s.Required, name) || rapid.Bool().Draw(rt, name) {
			m[name] = drawValue(rt, s.Properties[name].Value, depth+1)
		}
	}
	if extra := s.AdditionalProperties.Schema; extra != nil && depth < 3 {
		for _, key := range rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9./-]{0,8}`), 0, 2).Draw(rt, "keys") {
			m[key] = drawValue(rt, extra.Value, depth+1)
		}
	}
	return m
}

func drawString(rt *rapid.T, s *openapi3.Schema) string {
	most := 24
	if s.MaxLength != nil {
		most = min(most, int(*s.MaxLength))
	}
	switch {
	case s.Format == "date-time":
		return rapid.SampledFrom([]string{"2027-01-01T00:00:00Z", "2026-11-22T09:30:00.123+01:00",
			"9999-12-31T23:59:59Z"}).Draw(rt, "time")
	case s.Pattern != "" && !strings.HasPrefix(s.Pattern, `^[^`):
		return rapid.StringMatching(s.Pattern).Draw(rt, "pattern")
	}
	return rapid.StringMatching(fmt.Sprintf(`[ -~äöü€]{%d,%d}`, s.MinLength, most)).Draw(rt, "string")
}

// FuzzCreateTrunk throws bytes at a body: whatever they are, the answer is documented.
func FuzzCreateTrunk(f *testing.F) {
	x := start(f)
	for _, seed := range []string{trunkBody(x, "a"), `{}`, `[]`, `{"name":1e999}`, `{"labels":{"a":{"b":null}}}`, "\xff",
		`{"name":"a","name":"b"}`, `{"max_calls":5.0}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		x.t = t
		if r := x.do("POST", "/v1/trunks?dry_run=true", string(body)); r.status >= 500 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if r := x.do("PATCH", x.trunk()+"?dry_run=true", string(body)); r.status >= 500 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	})
}

// FuzzCursor: a cursor from outside never opens for another list and never panics.
func FuzzCursor(f *testing.F) {
	f.Add(makeCursor("a", "trk_1"))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		after, err := openCursor("b", &text)
		if err == nil && text != "" && makeCursor("b", after) != text {
			// base64 has no second spelling in the strict alphabet except in its last, unused bits.
			if again := makeCursor("b", after); len(again) != len(text) {
				t.Errorf("%q opens as %q", text, after)
			}
		}
	})
}
