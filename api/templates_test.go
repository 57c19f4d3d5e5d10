package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/template"
)

const hush = "correct horse battery"

// sample gives every parameter of a template that has no default a value, the optional ones too if full.
func (f *fixture) sample(t *template.Template, full bool) map[string]any {
	given := map[string]any{}
	for _, p := range t.Parameters {
		switch {
		case p.Default != nil || !p.Required && !full:
		case p.Secret:
			given[p.Name] = hush
		case p.References != "":
			given[p.Name] = f.ids[p.References]
		default:
			given[p.Name] = p.Example
		}
	}
	given["name"] = "by " + t.Name
	return given
}

func applying(parameters map[string]any) string {
	raw, err := json.Marshal(map[string]any{"parameters": parameters})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// created are the resources that an answer names.
func (r *reply) created() []gen.TemplateCreated {
	r.t.Helper()
	var result gen.TemplateResult
	if err := json.Unmarshal(r.body, &result); err != nil || len(result.Created) == 0 {
		r.t.Fatalf("%v: %s", err, r.body)
	}
	return result.Created
}

// there are the ids in the store.
func (f *fixture) there() []string {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return slices.Sorted(maps.Keys(f.m.state.resources))
}

// TestEveryTemplateApplies: with what it needs and with everything; what is created is there, a dry run leaves nothing, and secrets are
// shown nowhere.
func TestEveryTemplateApplies(t *testing.T) {
	t.Parallel()
	all, err := template.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range all {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", tpl.Name, full), func(t *testing.T) {
				f := start(t)
				path, body := "/v1/templates/"+tpl.Name+"/apply", applying(f.sample(tpl, full))
				before := f.there()
				dry := f.do("POST", path+"?dry_run=true", body).is(201).created()
				if after := f.there(); !slices.Equal(before, after) {
					t.Fatalf("a dry run leaves %v", after)
				}
				r := f.do("POST", path, body).is(201)
				made := r.created()
				if len(dry) != len(made) || len(f.there()) != len(before)+len(made) {
					t.Errorf("%d tried, %d made, %d there", len(dry), len(made), len(f.there())-len(before))
				}
				main := f.do("GET", r.header.Get("Location"), "").is(200)
				if main.text("name") != "by "+tpl.Name {
					t.Errorf("the location is %s", r.header.Get("Location"))
				}
				for _, c := range made {
					got := f.do("GET", c.Location, "").is(200)
					if got.text("id") != c.ID || got.text("name") != c.Name || strings.Contains(string(got.body), hush) {
						t.Errorf("%+v: %s", c, got.body)
					}
				}
				for _, shown := range []*reply{r, f.do("GET", "/v1/audit-events?limit=1000", ""), f.do("GET",
					"/v1/templates/"+tpl.Name, "")} {
					if strings.Contains(string(shown.body), hush) {
						t.Errorf("a secret is shown: %s", shown.body)
					}
				}
				f.do("POST", path, body).problem(409, "conflict")
			})
		}
	}
}

func TestTemplatesAreRefusedByTheirParameters(t *testing.T) {
	t.Parallel()
	f := start(t)
	carrier := func(more map[string]any) string {
		p := map[string]any{"name": "south", "realm_id": f.ids[sbc.KindRealm], "addresses": []string{"192.0.2.10", "192.0.2.11"}}
		maps.Copy(p, more)
		return applying(p)
	}
	before := f.there()
	for _, c := range []struct {
		name, body, code string
		status           int
		pointers         []string
	}{
		{"nothing given", `{"parameters":{}}`, "invalid", 422,
			[]string{"#/parameters/addresses", "#/parameters/name", "#/parameters/realm_id"}},
		{"no parameters", `{}`, "invalid", 422, []string{"#/parameters"}},
		{"another field", `{"parameters":{},"name":"x"}`, "invalid", 422, []string{"#/name"}},
		{"unknown parameter", carrier(map[string]any{"colour": "red"}), "invalid", 422, []string{"#/parameters/colour"}},
		{"wrong types", carrier(map[string]any{"port": "x", "addresses": "192.0.2.10", "probe": 1}), "invalid", 422,
			[]string{"#/parameters/addresses", "#/parameters/port", "#/parameters/probe"}},
		{"wrong values, all at once", carrier(map[string]any{
			"port": 70000, "addresses": []string{"192.0.2.10", "nonsense host"}, "realm_id": "rlm_none",
			"codecs": []string{"PCMA", "no codec"}, "tech_prefix": "no prefix"}), "invalid", 422,
			[]string{"#/parameters/addresses/1", "#/parameters/codecs/1", "#/parameters/port", "#/parameters/realm_id",
				"#/parameters/tech_prefix"}},
		{"a name that is no name", carrier(map[string]any{"name": "a\x00b"}), "invalid", 422, []string{"#/parameters/name"}},
		{"not one of the values", carrier(map[string]any{"number_form": "roman"}), "invalid", 422, []string{"#/parameters/number_form"}},
		{"an address twice", carrier(map[string]any{"addresses": []string{"192.0.2.10", "192.0.2.10"}}), "invalid", 422,
			[]string{"#/parameters/addresses/1"}},
		{"an unknown plan", carrier(map[string]any{"routing_plan_id": "rpl_none", "number_plan_id": "npl_none"}), "invalid", 422,
			[]string{"#/parameters/number_plan_id", "#/parameters/routing_plan_id"}},
		{"an unknown tenant", strings.Replace(carrier(nil), "{", `{"tenant_id":"ten_none",`, 1), "invalid", 422,
			[]string{"#/parameters/realm_id", "#/tenant_id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			r := f.do("POST", "/v1/templates/generic-carrier/apply", c.body)
			r.problem(c.status, c.code)
			equal(t, slices.Compact(r.pointers()), c.pointers)
			equal(t, f.there(), before)
		})
	}
	f.t = t
	f.do("POST", "/v1/templates/nonsense/apply", carrier(nil)).problem(404, "not_found")
	f.do("GET", "/v1/templates/nonsense", "").problem(404, "not_found")
	for template, parameters := range map[string]map[string]any{
		"twilio":         {"name": "t", "realm_id": f.ids[sbc.KindRealm], "domain": "a.pstn.twilio.com", "username": "u"},
		"number-plan-de": {"area_code": "030"},
	} {
		r := f.do("POST", "/v1/templates/"+template+"/apply", applying(parameters))
		r.problem(422, "invalid")
		want := map[string]string{"twilio": "#/parameters/password", "number-plan-de": "#/parameters/area_code"}[template]
		equal(t, r.pointers(), []string{want})
	}
	f.do("GET", "/v1/templates?kind=nonsense", "").problem(400, "invalid_parameter")
}

// TestATemplateIsAppliedWholeOrNotAtAll: the last thing that it creates has a name that is taken.
func TestATemplateIsAppliedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := applying(map[string]any{"name": "south", "realm_id": f.ids[sbc.KindRealm], "addresses": []string{"192.0.2.10"}})
	path := "/v1/templates/generic-carrier/apply"
	f.do("POST", "/v1/trunks", trunkBody(f, "south")).is(201)
	before := f.there()
	r := f.do("POST", path, body)
	r.problem(409, "conflict")
	equal(t, r.pointers(), []string{"#/parameters/name"})
	equal(t, f.there(), before)
	// A tenant's key writes into its tenant only, and needs the scopes of all that is made.
	f.as(readerKey, "POST", path, body).problem(403, "forbidden")
	f.as(syncKey, "POST", path, body).problem(403, "forbidden")
	f.as(readerKey, "GET", path[:len(path)-len("/apply")], "").is(200)
	r = f.as(tenantKey, "POST", path, body)
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/parameters/realm_id"}) // it is another tenant's
	r = f.as(tenantKey, "POST", path, strings.Replace(body, "{", `{"tenant_id":"ten_default",`, 1))
	r.problem(403, "forbidden")
	equal(t, r.pointers(), []string{"#/tenant_id"})
	equal(t, f.there(), before)
	// A repetition gets the first answer.
	again := strings.Replace(body, "south", "west", 1)
	first := f.do("POST", path, again, "Idempotency-Key", "k1").is(201)
	second := f.do("POST", path, again, "Idempotency-Key", "k1").is(201)
	if string(first.body) != string(second.body) || second.header.Get("Idempotency-Replayed") != "true" ||
		first.header.Get("Location") != second.header.Get("Location") {
		t.Errorf("%s\n%s", first.body, second.body)
	}
	made := first.created()
	equal(t, f.there(), slices.Sorted(slices.Values(append(before, idsOf(made)...))))
	// Each is in the audit log by itself.
	events := string(f.do("GET", "/v1/audit-events?limit=1000", "").body)
	for _, c := range made {
		if !strings.Contains(events, c.ID) || !strings.Contains(events, "applyTemplate") {
			t.Errorf("%+v is not in the audit log", c)
		}
	}
}

func idsOf(made []gen.TemplateCreated) (ids []string) {
	for _, c := range made {
		ids = append(ids, c.ID)
	}
	return ids
}

func TestGoldenTemplates(t *testing.T) {
	t.Parallel()
	f := start(t)
	golden(t, "templates.txt", f.transcript(adminKey, "GET", "/v1/templates", "")+
		f.transcript(adminKey, "GET", "/v1/templates?kind=number_plan", "")+f.transcript(adminKey, "GET",
		"/v1/templates/generic-carrier", ""))
}
