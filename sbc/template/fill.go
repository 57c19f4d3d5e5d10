package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// Made is one resource as a template wants it.
type Made struct {
	Item *Item
	// body is what a client would send, but for the ids of other resources of the template, which are links.
	body map[string]any
	// sources says which parameter a value came from: pointers into the body and into the parameters.
	sources map[string]string
	secrets map[string]bool // pointers of secrets
}

// link stands for the id of the resource of an item.
type link string

// Body is what a client would send to create the resource; ids are those of the resources made so far, by key, others are empty.
func (m *Made) Body(ids map[string]string) map[string]any {
	body, _ := walk(m.body, func(v any) any {
		if l, ok := v.(link); ok {
			return ids[string(l)]
		}
		return v
	}).(map[string]any)
	return body
}

// walk copies a value, with each leaf as change makes it.
func walk(v any, change func(any) any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = walk(member, change)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, entry := range v {
			out[i] = walk(entry, change)
		}
		return out
	}
	return change(v)
}

// Fault says a fault of the resource in terms of the parameter that it comes from.
func (m *Made) Fault(f sbc.Fault) sbc.Fault {
	at := f.Pointer
	for at != "" && at != "#" {
		if source, there := m.sources[at]; there {
			f.Pointer = source
			if m.secrets[at] {
				f.Detail = "is not a value that can be taken" // whatever the detail would quote
			}
			return f
		}
		at = at[:max(strings.LastIndexByte(at, '/'), 0)]
	}
	name, _ := m.body["name"].(string)
	f.Detail = fmt.Sprintf("the %s %q of the template: %s %s", strings.ReplaceAll(string(m.Item.Kind), "-", " "), name, f.Pointer, f.Detail)
	f.Pointer = Root
	return f
}

// Root is the pointer of the parameters in a request.
const Root = "#/parameters"

// Fill makes the resources of a template, in order. Faults point into "#/parameters".
func (t *Template) Fill(given map[string]any) ([]*Made, []sbc.Fault) {
	values, faults := t.values(given)
	if len(faults) > 0 {
		return nil, faults
	}
	var list []*Made
	for i := range t.Creates {
		item := &t.Creates[i]
		if !wanted(item.When, values) {
			continue
		}
		if item.ForEach == "" {
			list = append(list, t.make(item, values, "", 0))
			continue
		}
		entries, _ := values[item.ForEach].([]any)
		for n := range entries {
			list = append(list, t.make(item, values, item.ForEach, n))
		}
	}
	return list, nil
}

// wanted tells whether the parameter that an item depends on is given, and not false.
func wanted(when string, values map[string]any) bool {
	if when == "" {
		return true
	}
	name, value, valued := strings.Cut(when, "=")
	v, there := values[name]
	if valued {
		return there && v == value
	}
	return there && v != false
}

// values are the parameters with their defaults; what is null or an empty text is not given.
func (t *Template) values(given map[string]any) (map[string]any, []sbc.Fault) {
	values, faults := map[string]any{}, []sbc.Fault(nil)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if t.parameter(name) == nil {
			faults = append(faults, sbc.Fault{Pointer: pointer(Root, name), Code: "unknown_field",
				Detail: "is not a parameter of this template; it has " + t.names()})
		}
	}
	for i := range t.Parameters {
		p := &t.Parameters[i]
		v, there := given[p.Name]
		if !there || v == nil || v == "" {
			v = p.Default
			if m := placeholder.FindStringSubmatch(textOf(v)); m != nil {
				v = values[m[1]] // the value of a parameter before this one
			}
		}
		switch {
		case v == nil && p.Required:
			faults = append(faults, sbc.Fault{Pointer: pointer(Root, p.Name), Code: "required", Detail: "must be given"})
		case v != nil:
			faults = append(faults, p.faults(v)...)
			values[p.Name] = v
		}
	}
	for _, p := range t.Parameters {
		if values[p.Name] != nil && p.Needs != "" && values[p.Needs] == nil {
			faults = append(faults, sbc.Fault{Pointer: pointer(Root, p.Needs), Code: "required", Detail: "must be given with " + p.Name})
		}
	}
	return values, faults
}

func (t *Template) names() string {
	names := make([]string, len(t.Parameters))
	for i, p := range t.Parameters {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// maxList bounds the entries of a list, maxText the length of a text in bytes.
const (
	maxList = 64
	maxText = 512
)

// faults checks a value by itself; whatever else may be wrong with it, the resources that it becomes part of tell.
func (p *Parameter) faults(v any) []sbc.Fault {
	at := pointer(Root, p.Name)
	fault := func(at, code, detail string) []sbc.Fault {
		return []sbc.Fault{{Pointer: at, Code: code, Detail: detail}}
	}
	switch p.Type {
	case TypeInteger:
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			return fault(at, "type", "must be an integer")
		}
	case TypeBoolean:
		if _, ok := v.(bool); !ok {
			return fault(at, "type", "must be true or false")
		}
	case TypeList:
		list, ok := v.([]any)
		if !ok {
			return fault(at, "type", "must be a list of strings")
		}
		if len(list) > maxList || p.Required && len(list) == 0 {
			return fault(at, "out_of_range", fmt.Sprintf("must have between 1 and %d entries", maxList))
		}
		var all []sbc.Fault
		for i, entry := range list {
			switch s, ok := entry.(string); {
			case !ok || s == "" || len(s) > maxText:
				all = append(all, fault(pointer(at, strconv.Itoa(i)), "type", "must be a string that is neither empty nor too long")...)
			case slices.Contains(list[:i], entry):
				all = append(all, fault(pointer(at, strconv.Itoa(i)), "repeated", "is there before")...)
			}
		}
		return all
	case TypeString, TypeReference:
		s, ok := v.(string)
		switch {
		case !ok:
			return fault(at, "type", "must be a string")
		case len(s) > maxText:
			return fault(at, "too_long", fmt.Sprintf("must have at most %d bytes", maxText))
		case len(p.Values) > 0 && !slices.Contains(p.Values, s):
			return fault(at, "enum", fmt.Sprintf("must be one of %v", p.Values))
		case p.Pattern != "" && !matches(p.Pattern, s):
			return fault(at, "pattern", "must match "+p.Pattern)
		}
	default:
		return fault(at, "type", fmt.Sprintf("is of the type %q, which is not known", p.Type))
	}
	return nil
}

func matches(pattern, s string) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(s)
}

// pointer is that of a member (RFC 6901).
func pointer(at, name string) string {
	return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

var placeholder = regexp.MustCompile(`\$\{([a-z0-9_]+(?:\.id)?)\}`)

// placeholdersIn lists the placeholders of a body.
func placeholdersIn(body any) []string {
	var words []string
	walk(body, func(v any) any {
		if s, ok := v.(string); ok {
			for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
				words = append(words, m[1])
			}
		}
		return v
	})
	return words
}

// filling is one body being made.
type filling struct {
	*Made
	t      *Template
	values map[string]any
	list   string // the list of which this is entry n, "" for none
	n      int
}

// make fills in the body of an item.
func (t *Template) make(item *Item, values map[string]any, list string, n int) *Made {
	f := &filling{Made: &Made{Item: item, sources: map[string]string{}, secrets: map[string]bool{}}, t: t, values: values, list: list, n: n}
	if v, ok := f.value("#", item.Body); ok {
		f.body, _ = v.(map[string]any)
	}
	return f.Made
}

// value fills in a value at a pointer; ok is false where it is to be left out.
func (f *filling) value(at string, v any) (filled any, ok bool) {
	switch v := v.(type) {
	case string:
		return f.text(at, v)
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if member, ok := f.value(pointer(at, name), v[name]); ok {
				out[name] = member
			}
		}
		return out, len(out) > 0 || len(v) == 0
	case []any:
		out := make([]any, 0, len(v))
		for _, entry := range v {
			filled, ok := f.value(pointer(at, strconv.Itoa(len(out))), entry)
			if o, isObject := entry.(map[string]any); isObject && ok {
				whole, _ := filled.(map[string]any)
				ok = len(whole) == len(o)
			}
			if ok {
				out = append(out, filled)
			}
		}
		return out, len(out) > 0 || len(v) == 0
	}
	return v, true
}

// text fills in a text.
func (f *filling) text(at, s string) (filled any, ok bool) {
	if m := placeholder.FindStringSubmatch(s); m != nil && m[0] == s {
		return f.word(at, m[1])
	}
	ok = true
	out := placeholder.ReplaceAllStringFunc(s, func(p string) string {
		v, there := f.word(at, p[2:len(p)-1])
		if ok = ok && there; !there {
			return ""
		}
		return textOf(v)
	})
	return out, ok
}

// word is what a placeholder stands for.
func (f *filling) word(at, word string) (any, bool) {
	if key, isID := strings.CutSuffix(word, ".id"); isID {
		if slices.ContainsFunc(f.t.Creates, func(i Item) bool { return i.Key == key && wanted(i.When, f.values) }) {
			return link(key), true
		}
		return nil, false
	}
	switch word {
	case "n":
		return float64(f.n + 1), true
	case "each":
		list, _ := f.values[f.list].([]any)
		f.sources[at] = pointer(pointer(Root, f.list), strconv.Itoa(f.n))
		return list[f.n], true
	}
	f.sources[at] = pointer(Root, word)
	v, there := f.values[word]
	if !there {
		return nil, false
	}
	if p := f.t.parameter(word); p != nil && p.Secret {
		f.secrets[at] = true
	}
	if list, isList := v.([]any); isList {
		for i := range list {
			f.sources[pointer(at, strconv.Itoa(i))] = pointer(pointer(Root, word), strconv.Itoa(i))
		}
	}
	return v, true
}

// textOf writes a value within a text.
func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
