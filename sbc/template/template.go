package template

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/sbc"
)

//go:embed data/*.json
var files embed.FS

// Kind says what a template is for.
type Kind string

// The kinds.
const (
	KindTrunk      Kind = "trunk"
	KindNumberPlan Kind = "number_plan"
)

// Type says what a parameter's value is.
type Type string

// The types.
const (
	TypeString    Type = "string"
	TypeInteger   Type = "integer"
	TypeBoolean   Type = "boolean"
	TypeList      Type = "list"      // of strings
	TypeReference Type = "reference" // the id of a resource of the kind in Parameter.References
)

// Parameter is something that a template wants to know.
type Parameter struct {
	Name        string `json:"name"`
	Type        Type   `json:"type"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	// Default holds where the parameter is not given; nil where there is none. "${name}" is the value of a parameter before this one.
	Default any `json:"default,omitempty"`
	// Values, where there are some, are the only ones.
	Values []string `json:"values,omitempty"`
	// Pattern, where set, is an RE2 expression that a text must fit.
	Pattern string `json:"pattern,omitempty"`
	// Needs names a parameter that must be given with this one.
	Needs string `json:"needs,omitempty"`
	// References is the kind of resource that a reference names.
	References sbc.Kind `json:"references,omitempty"`
	// Secret parameters are never shown.
	Secret bool `json:"secret"`
	// Example is a value that could be given.
	Example any `json:"example,omitempty"`
}

// Item is what a template creates: one resource, or one for each entry of a list.
type Item struct {
	// Key is what later items call it by, in PartOf and as "${key.id}".
	Key  string   `json:"key"`
	Kind sbc.Kind `json:"kind"`
	// PartOf is the key of the resource that it is a part of: the trunk of an endpoint.
	PartOf string `json:"part_of,omitempty"`
	// When names a parameter without which it is not created: "username", or "number_form=digits" for one value of it.
	When string `json:"when,omitempty"`
	// ForEach names a list, of which every entry gets a resource.
	ForEach string `json:"for_each,omitempty"`
	// Body is what a client would send to create it, with placeholders.
	Body map[string]any `json:"body"`
}

// Template is one template.
type Template struct {
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Kind        Kind        `json:"kind"`
	Parameters  []Parameter `json:"parameters"`
	Creates     []Item      `json:"creates"`
}

// All gives every template, by name. They are read once and must not be changed.
var All = sync.OnceValues(func() ([]*Template, error) {
	entries, err := files.ReadDir("data")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	list := make([]*Template, 0, len(entries))
	for _, e := range entries {
		raw, err := files.ReadFile(path.Join("data", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		t, err := Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("templates: %s: %w", e.Name(), err)
		}
		if t.Name+".json" != e.Name() {
			return nil, fmt.Errorf("templates: %s calls itself %q", e.Name(), t.Name)
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *Template) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
})

// Parse reads a template and checks that its parts fit together.
func Parse(raw []byte) (*Template, error) {
	t := &Template{}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, err
	}
	if t.Name == "" || t.Title == "" || t.Description == "" || t.Kind != KindTrunk && t.Kind != KindNumberPlan || len(t.Creates) == 0 {
		return nil, fmt.Errorf("name, title, description, kind and something to create are needed")
	}
	for i := range t.Parameters {
		if err := t.Parameters[i].check(); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", t.Parameters[i].Name, err)
		}
	}
	for _, p := range t.Parameters {
		if p.Needs != "" && t.parameter(p.Needs) == nil {
			return nil, fmt.Errorf("parameter %q needs %q, which is not there", p.Name, p.Needs)
		}
	}
	made := map[string]bool{}
	for i := range t.Creates {
		if err := t.checkItem(&t.Creates[i], made); err != nil {
			return nil, fmt.Errorf("item %q: %w", t.Creates[i].Key, err)
		}
		made[t.Creates[i].Key] = t.Creates[i].ForEach == "" // of many nobody could say which one is meant
	}
	return t, nil
}

func (p *Parameter) check() error {
	switch {
	case p.Name == "" || p.Description == "":
		return fmt.Errorf("a name and a description are needed")
	case p.Required && p.Default != nil:
		return fmt.Errorf("what is required has no default")
	case p.Secret && (p.Default != nil || p.Example != nil):
		return fmt.Errorf("a secret has neither a default nor an example")
	case (p.Type == TypeReference) != (p.References != ""):
		return fmt.Errorf("a reference, and only that, says what it refers to")
	}
	if _, err := regexp.Compile(p.Pattern); err != nil {
		return err
	}
	for _, v := range []any{p.Default, p.Example} {
		if v == nil {
			continue
		}
		if f := p.faults(v); len(f) > 0 {
			return fmt.Errorf("%v %s", v, f[0].Detail)
		}
	}
	return nil
}

// checkItem checks that an item speaks only of what is there; made are the keys of the items before it.
func (t *Template) checkItem(i *Item, made map[string]bool) error {
	if _, there := made[i.Key]; i.Key == "" || there || i.Body["name"] == nil {
		return fmt.Errorf("a key of its own and a name are needed")
	}
	if i.PartOf != "" && !made[i.PartOf] {
		return fmt.Errorf("it is part of %q, which is not there", i.PartOf)
	}
	name, value, valued := strings.Cut(i.When, "=")
	if p := t.parameter(name); i.When != "" && (p == nil || valued && !slices.Contains(p.Values, value)) {
		return fmt.Errorf("when %q can never be", i.When)
	}
	if p := t.parameter(i.ForEach); i.ForEach != "" && (p == nil || p.Type != TypeList) {
		return fmt.Errorf("%q is no list", i.ForEach)
	}
	for _, word := range placeholdersIn(i.Body) {
		key, isID := strings.CutSuffix(word, ".id")
		switch {
		case isID && made[key], !isID && t.parameter(word) != nil, (word == "each" || word == "n") && i.ForEach != "":
		default:
			return fmt.Errorf("${%s} stands for nothing", word)
		}
	}
	return nil
}

func (t *Template) parameter(name string) *Parameter {
	for i := range t.Parameters {
		if t.Parameters[i].Name == name {
			return &t.Parameters[i]
		}
	}
	return nil
}
