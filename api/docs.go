package api

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed page
var pages embed.FS

// documentation is the rendered documentation: pages made once from the specification, without a request to any other machine; the
// long one when it is first asked for, because it takes longer than all else at the start. The policy allows the page its own style, its own script and requests to where it came from.
type documentation struct {
	page   func() ([]byte, error)
	errors map[string][]byte
	policy string
}

// serves tells whether a path is one of the documentation's.
func (d *documentation) serves(path string) bool {
	return path == "/docs" || strings.HasPrefix(path, "/docs/")
}

// What the template of the page sees.
type (
	docPage struct {
		Title, Version string
		About          template.HTML
		Style          template.CSS
		Script         template.JS
		Groups         []docGroup
		Schemas        []docSchema
		Errors         []docError
	}
	docGroup struct {
		Name, About string
		Operations  []docOperation
	}
	docOperation struct {
		ID, Method, Class, Path, Summary, Permission, Apply, Curl string
		About                                                     template.HTML
		Parameters                                                []docField
		Body                                                      *docBody
		Answers                                                   []docAnswer
	}
	docBody   struct{ ContentType, Schema, Example string }
	docAnswer struct {
		Status, Schema string
		About          template.HTML
	}
	docField struct {
		Name, In, Type, Link string
		Required             bool
		About                template.HTML
	}
	docSchema struct {
		Name   string
		About  template.HTML
		Values []string
		Fields []docField
	}
	docError struct {
		Code, Title, Meaning, Remedy string
		Status                       int
		Retryable                    bool
		Style                        template.CSS
	}
)

// renderDocumentation makes all pages.
func renderDocumentation(spec *specification, version string, catalogue []kindOfError) (*documentation, error) {
	style, err := pages.ReadFile("page/style.css")
	if err != nil {
		return nil, fmt.Errorf("api: documentation: %w", err)
	}
	script, err := pages.ReadFile("page/script.js")
	if err != nil {
		return nil, fmt.Errorf("api: documentation: %w", err)
	}
	templates, err := template.ParseFS(pages, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("api: documentation: %w", err)
	}
	d := &documentation{errors: map[string][]byte{}}
	d.policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'", hashOf(style), hashOf(script))
	page := docPage{
		Title: spec.title, Version: version, About: spec.about, Groups: spec.groups, Schemas: spec.schemas,
		Style: template.CSS(style), Script: template.JS(script),
	}
	for _, k := range catalogue {
		e := docError{string(k.code), k.title, k.meaning, k.remedy, k.status, k.retryable, page.Style}
		page.Errors = append(page.Errors, e)
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, "error.html", e); err != nil {
			return nil, fmt.Errorf("api: documentation: %w", err)
		}
		d.errors[e.Code] = b.Bytes()
	}
	d.page = sync.OnceValues(func() ([]byte, error) {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, "docs.html", page); err != nil {
			return nil, fmt.Errorf("api: documentation: %w", err)
		}
		return b.Bytes(), nil
	})
	return d, nil
}

// hashOf is the source expression that lets one inline script or style run (CSP level 2).
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func groupsOf(doc *openapi3.T) []docGroup {
	groups := make([]docGroup, 0, len(doc.Tags))
	at := map[string]int{}
	for i, t := range doc.Tags {
		at[t.Name] = i
		groups = append(groups, docGroup{Name: t.Name, About: t.Description})
	}
	for _, path := range doc.Paths.InMatchingOrder() {
		item := doc.Paths.Value(path)
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch,
			http.MethodDelete} {
			o := item.GetOperation(method)
			if o == nil || len(o.Tags) == 0 {
				continue
			}
			g := &groups[at[o.Tags[0]]]
			g.Operations = append(g.Operations, operationOf(path, method, item, o))
		}
	}
	for i := range groups {
		slices.SortStableFunc(groups[i].Operations, func(a, b docOperation) int { return strings.Compare(a.Path, b.Path) })
	}
	return groups
}

func operationOf(path, method string, item *openapi3.PathItem, o *openapi3.Operation) docOperation {
	permission, _ := o.Extensions["x-permission"].(string)
	apply, _ := o.Extensions["x-apply"].(string)
	d := docOperation{
		ID: o.OperationID, Method: method, Class: strings.ToLower(method), Path: path, Permission: permission, Apply: apply,
		Summary: strings.TrimSuffix(o.Summary, "."), About: markdown(o.Description),
	}
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		d.Parameters = append(d.Parameters, docField{
			Name: p.Value.Name, In: p.Value.In, Required: p.Value.Required,
			Type: typeOf(p.Value.Schema), About: markdown(p.Value.Description),
		})
	}
	if o.RequestBody != nil {
		for contentType, media := range o.RequestBody.Value.Content {
			d.Body = &docBody{contentType, refName(media.Schema.Ref), indented(exampleOf(media))}
		}
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses.Map())) {
		r := o.Responses.Value(status).Value
		a := docAnswer{Status: status, About: markdown(*r.Description)}
		for _, media := range r.Content {
			a.Schema = refName(media.Schema.Ref)
		}
		d.Answers = append(d.Answers, a)
	}
	d.Curl = curlOf(d)
	return d
}

// exampleOf is the first example of a body.
func exampleOf(media *openapi3.MediaType) any {
	for _, name := range slices.Sorted(maps.Keys(media.Examples)) {
		return media.Examples[name].Value.Value
	}
	return media.Example
}

func indented(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

func curlOf(d docOperation) string {
	var b strings.Builder
	b.WriteString("curl")
	if d.Method != http.MethodGet {
		b.WriteString(" -X " + d.Method)
	}
	if d.Permission != permitAll {
		b.WriteString(` -H "Authorization: Bearer $SALLYPORT_API_KEY"`)
	}
	fmt.Fprintf(&b, " \\\n  'http://127.0.0.1:8080%s'", d.Path)
	if d.Body != nil {
		quoted := strings.ReplaceAll(d.Body.Example, "'", `'\''`)
		fmt.Fprintf(&b, " \\\n  -H 'Content-Type: %s' \\\n  -d '%s'", d.Body.ContentType, quoted)
	}
	return b.String()
}

func schemasOf(doc *openapi3.T) []docSchema {
	all := make([]docSchema, 0, len(doc.Components.Schemas))
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name].Value
		d := docSchema{Name: name, About: markdown(s.Description)}
		for _, v := range s.Enum {
			d.Values = append(d.Values, fmt.Sprint(v))
		}
		for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
			p := s.Properties[field]
			d.Fields = append(d.Fields, docField{
				Name: field, Required: slices.Contains(s.Required,
					field), Type: typeOf(p), Link: linkOf(p), About: markdown(p.Value.Description),
			})
		}
		all = append(all, d)
	}
	return all
}

func refName(ref string) string { return strings.TrimPrefix(ref, "#/components/schemas/") }

// linkOf is the schema a field leads to.
func linkOf(p *openapi3.SchemaRef) string {
	switch {
	case p.Ref != "":
		return refName(p.Ref)
	case len(p.Value.AllOf) == 1:
		return refName(p.Value.AllOf[0].Ref)
	case p.Value.Items != nil && p.Value.Items.Ref != "":
		return refName(p.Value.Items.Ref)
	}
	return ""
}

// typeOf words a schema: integer 1 to 65535, default 5060.
func typeOf(p *openapi3.SchemaRef) string {
	s := p.Value
	name := linkOf(p)
	if name == "" {
		name = strings.Join(s.Type.Slice(), " or ")
	}
	if s.Type.Is("array") {
		name = "array of " + strings.TrimPrefix(typeOf(s.Items), "array of ")
	}
	if s.Min != nil && s.Max != nil {
		name += fmt.Sprintf(" %.0f to %.0f", *s.Min, *s.Max)
	}
	if s.MaxLength != nil {
		name += fmt.Sprintf(", at most %d characters", *s.MaxLength)
	}
	if s.Nullable {
		name += " or null"
	}
	if s.Default != nil {
		b, err := json.Marshal(s.Default)
		if err == nil {
			name += ", default " + string(b)
		}
	}
	return name
}

var (
	inlineCode = regexp.MustCompile("`([^`]+)`")
	bold       = regexp.MustCompile(`\*\*([^*]+)\*\*`)
)

// markdown renders the little of it that the specification uses: paragraphs, code and bold.
func markdown(text string) template.HTML {
	safe := template.HTMLEscapeString(text)
	safe = bold.ReplaceAllString(inlineCode.ReplaceAllString(safe, "<code>$1</code>"), "<strong>$1</strong>")
	return template.HTML(strings.ReplaceAll(strings.TrimSpace(safe), "\n\n", "</p><p>")) // escaped above
}
