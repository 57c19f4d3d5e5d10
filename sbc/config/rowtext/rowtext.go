// Package rowtext reads resources from lines of text, for the tests of the deciding packages: a table of rows and of what is to
// be decided fits in one file that a person can read.
//
//	rule rul_1 plan=rpl_1 prefix=49 list=rls_1 strip=2   # a comment
//
// The first word is the kind, the second the id, which is the name too unless name= is given. The keys are the JSON names of the
// fields, or a shorthand of those that refer to others; lists, objects and truths are JSON without spaces. What is left out has the default of sbc.New.
package rowtext

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// shorthand are the keys that stand for longer ones.
var shorthand = map[string]string{
	"plan": "routing_plan_id", "list": "route_list_id", "trunk": "trunk_id", "realm": "realm_id", "tenant": "tenant_id",
	"interface": "sip_interface_id", "bind": "bind_address", "code": "reject_code", "reason": "reject_reason", "add": "add_prefix",
	"tech": "tech_prefix", "headers": "pass_headers",
}

// kinds are shorter words for some kinds.
var kinds = map[string]sbc.Kind{
	"plan": sbc.KindRoutingPlan, "list": sbc.KindRouteList, "interface": sbc.KindSIPInterface, "pool": sbc.KindMediaPool,
}

// numeric are the fields that hold numbers.
var numeric = map[string]bool{
	"priority": true, "weight": true, "strip": true, "port": true, "reject_code": true, "port_min": true, "port_max": true,
	"max_calls": true, "max_calls_per_second": true, "revision": true, "redirect_code": true, "max_attempts": true, "max_setup_s": true,
}

// Row reads one line; nil for a line that is empty or holds a comment only.
func Row(line string) (sbc.Resource, error) {
	if i := strings.Index(line, " #"); i >= 0 || strings.HasPrefix(line, "#") {
		line = line[:max(i, 0)]
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, nil
	}
	if len(words) < 2 {
		return nil, fmt.Errorf("%q: a row has a kind and an id", line)
	}
	kind, ok := kinds[words[0]]
	if !ok {
		kind = sbc.Kind(words[0])
	}
	r := sbc.New(kind)
	if r == nil {
		return nil, fmt.Errorf("%q: no such kind", line)
	}
	fields := map[string]any{"id": words[1], "name": words[1]}
	for _, w := range words[2:] {
		if err := field(fields, w); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("%q: %w", line, err)
	}
	return r, nil
}

// field reads key=value, or the word disabled.
func field(fields map[string]any, word string) error {
	if word == "disabled" {
		fields["enabled"] = false
		return nil
	}
	key, value, ok := strings.Cut(word, "=")
	if !ok {
		return fmt.Errorf("%q is not key=value", word)
	}
	if long, ok := shorthand[key]; ok {
		key = long
	}
	switch {
	case numeric[key]:
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		fields[key] = n
	case strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{") || value == "true" || value == "false":
		fields[key] = json.RawMessage(value)
	case key == "pass_headers":
		fields[key] = strings.Split(value, ",")
	default:
		fields[key] = strings.ReplaceAll(value, "_SP_", " ")
	}
	return nil
}

// Rows reads many lines.
func Rows(text string) ([]sbc.Resource, error) {
	var rows []sbc.Resource
	for line := range strings.Lines(text) {
		r, err := Row(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if r != nil {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// Of keeps the rows of one type.
func Of[T sbc.Resource](rows []sbc.Resource) []T {
	var out []T
	for _, r := range rows {
		if t, ok := r.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// Case is one block of a table: what is asked, and the lines of what is to come out.
type Case struct {
	Line int
	Ask  string
	Want []string
}

// Table is a file of cases: the rows, a line of three dashes, then the cases. A case begins at the margin, what it wants is
// indented.
type Table struct {
	Rows  []sbc.Resource
	Cases []Case
}

// Parse reads a table.
func Parse(text string) (*Table, error) {
	head, tail, ok := strings.Cut(text, "\n---\n")
	if !ok {
		return nil, fmt.Errorf("a table needs a line of three dashes between rows and cases")
	}
	rows, err := Rows(head)
	if err != nil {
		return nil, err
	}
	t := &Table{Rows: rows}
	n := strings.Count(head, "\n") + 2
	for line := range strings.Lines(tail) {
		n++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if len(t.Cases) == 0 {
				return nil, fmt.Errorf("line %d: nothing was asked yet", n)
			}
			last := &t.Cases[len(t.Cases)-1]
			last.Want = append(last.Want, strings.Join(strings.Fields(trimmed), " "))
		default:
			t.Cases = append(t.Cases, Case{Line: n, Ask: trimmed})
		}
	}
	return t, nil
}
