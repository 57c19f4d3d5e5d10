package api

import (
	"context"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sbc"
)

// The permissions of openapi.yaml that are no scopes.
const (
	permitAll = "none" // no key needed
	permitAny = "any"  // any key
)

// operation is what the specification says of one operation, in the form the middleware needs per request.
type operation struct {
	id         string
	method     string
	permission string
	systemWide bool
	kind       sbc.Kind // of resources, "" elsewhere
	streams    bool     // its body or its answer is too long for one value in memory
	path       []*parameter
	query      map[string]*parameter
	known      string // names of the query parameters, for people
	header     []*parameter
	body       *bodyRule
	responses  map[int]*openapi3.Response
}

// parameter is one declared parameter.
type parameter struct {
	name     string
	required bool
	array    bool
	schema   *openapi3.Schema // of one value
	most     uint64           // values, where it is an array
}

// bodyRule is what a request body must be.
type bodyRule struct {
	contentType string
	schema      *openapi3.Schema
}

// operations is keyed by method, space and path as echo spells it.
type operations map[string]*operation

// loadSpec parses the specification. It is checked for validity by a test, not at each start.
func loadSpec() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(sallyport.Specification()))
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return doc, nil
}

// specification is openapi.yaml made ready, once for a process: it does not change.
type specification struct {
	ops     operations
	title   string
	about   template.HTML
	groups  []docGroup
	schemas []docSchema
}

// prepared parses the specification at its first call.
var prepared = sync.OnceValues(func() (*specification, error) {
	doc, err := loadSpec()
	if err != nil {
		return nil, err
	}
	s := &specification{title: doc.Info.Title, about: markdown(doc.Info.Description), groups: groupsOf(doc),
		schemas: schemasOf(doc)}
	s.ops, err = compileOperations(doc)
	return s, err
})

// compileOperations turns the document into the table the middleware looks things up in.
func compileOperations(doc *openapi3.T) (operations, error) {
	all := operations{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for method, o := range item.Operations() {
			op, err := compileOperation(item, o)
			if err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s %s: %w", method, path, err)
			}
			op.method = method
			all[method+" "+echoPath(path)] = op
		}
	}
	for _, s := range doc.Components.Schemas {
		flatten(s.Value)
	}
	return all, nil
}

// echoPath turns /v1/trunks/{trunk_id} into /v1/trunks/:trunk_id.
func echoPath(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "{", ":"), "}", "")
}

// flatten replaces properties of the form "allOf: [one]", which OpenAPI 3.0 needs to put a description beside a reference: they
// cost validation time and hide the fault behind one of their own.
func flatten(s *openapi3.Schema) {
	for name, p := range s.Properties {
		if p.Value != nil && len(p.Value.AllOf) == 1 {
			s.Properties[name] = p.Value.AllOf[0]
		}
	}
}

func compileOperation(item *openapi3.PathItem, o *openapi3.Operation) (*operation, error) {
	op := &operation{id: o.OperationID, query: map[string]*parameter{}, responses: map[int]*openapi3.Response{}}
	op.permission, _ = o.Extensions["x-permission"].(string)
	op.systemWide, _ = o.Extensions["x-system-wide"].(bool)
	kind, _ := o.Extensions["x-kind"].(string)
	op.kind = sbc.Kind(kind)
	op.streams, _ = o.Extensions["x-streams"].(bool)
	if op.id == "" || op.permission == "" {
		return nil, fmt.Errorf("operationId and x-permission are needed")
	}
	for _, ref := range slices.Concat(item.Parameters, o.Parameters) {
		op.addParameter(ref.Value)
	}
	op.known = strings.Join(slices.Sorted(maps.Keys(op.query)), ", ")
	if o.RequestBody != nil {
		for contentType, media := range o.RequestBody.Value.Content {
			op.body = &bodyRule{contentType: contentType, schema: media.Schema.Value}
		}
	}
	for status, r := range o.Responses.Map() {
		code, err := strconv.Atoi(status)
		if err != nil {
			return nil, fmt.Errorf("response %q is not a status", status)
		}
		op.responses[code] = r.Value
	}
	return op, nil
}

func (op *operation) addParameter(p *openapi3.Parameter) {
	compiled := &parameter{name: p.Name, required: p.Required, schema: p.Schema.Value}
	if p.Schema.Value.Type.Is("array") {
		compiled.array, compiled.schema = true, p.Schema.Value.Items.Value
		if most := p.Schema.Value.MaxItems; most != nil {
			compiled.most = *most
		}
	}
	switch p.In {
	case openapi3.ParameterInPath:
		op.path = append(op.path, compiled)
	case openapi3.ParameterInQuery:
		op.query[p.Name] = compiled
	case openapi3.ParameterInHeader:
		op.header = append(op.header, compiled)
	}
}

// open tells whether the operation needs no key.
func (op *operation) open() bool { return op.permission == permitAll }

// caller is what is known of a request besides its parameters. It travels in the context, because handlers see nothing else.
type caller struct {
	requestID string
	sourceIP  string
	path      string // escaped, as it came
	op        *operation
	key       *credential // nil on open operations
	scope     string      // what a cursor of this request is bound to
	retry     *retryKey   // nil without Idempotency-Key
	ladder    []string    // values of the path parameters, in order
	body      map[string]any
	audio     []byte // a body that is no JSON
}

type callerKey struct{}

// callerOf finds the caller; middleware has put it there.
func callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{op: &operation{}, key: &credential{}}
}

// tenant is the only tenant the caller sees, "" for all.
func (c *caller) tenant() string {
	if c.key == nil {
		return ""
	}
	return c.key.tenant
}
