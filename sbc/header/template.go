package header

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// template is a value with places for fields.
type template []piece

// piece is text, or the name of a field where name is set.
type piece struct{ text, name string }

// parseTemplate reads "{from.user}" as a field and "{{" as a brace.
func parseTemplate(s string) (template, error) {
	var t template
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			t = append(t, piece{text: text.String()})
			text.Reset()
		}
	}
	for s != "" {
		before, rest, found := strings.Cut(s, "{")
		text.WriteString(before)
		if s = rest; !found {
			break
		}
		if strings.HasPrefix(s, "{") {
			text.WriteByte('{')
			s = s[1:]
			continue
		}
		name, rest, ok := strings.Cut(s, "}")
		if !ok {
			return nil, fmt.Errorf("the brace before %q is not closed; write \"{{\" for a brace", s)
		}
		if !knownField(name) {
			return nil, fmt.Errorf("there is no field %q; there are %s, header.NAME and var.NAME", name,
				strings.Join(sbc.HeaderFields(), ", "))
		}
		flush()
		t, s = append(t, piece{name: name}), rest
	}
	flush()
	return t, nil
}

// otherField is the form of fields that are named by the user; it is only read.
var otherField = regexp.MustCompile("^(header\\.[A-Za-z0-9.!%*_+`'~-]{1,64}|var\\.[A-Za-z0-9_.-]{1,64})$")

func knownField(name string) bool {
	return slices.Contains(sbc.HeaderFields(), name) || otherField.MatchString(name)
}

// fill writes the value. In an expansion (what a regular expression puts in place of what it found) a dollar of a field stands
// for itself.
func (t template) fill(w *work, expansion bool) string {
	var b strings.Builder
	for _, p := range t {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		v := w.field(p.name)
		if expansion {
			v = strings.ReplaceAll(v, "$", "$$")
		}
		b.WriteString(v)
	}
	return b.String()
}

// groups are the references to groups in an expansion; it is only read.
var groups = regexp.MustCompile(`\$(\$|\{[^}]*\}|[A-Za-z0-9_]+)?`)

// unknownGroup finds the first group that a value names and the pattern does not have; "" if there is none.
func unknownGroup(pattern *regexp.Regexp, t template) string {
	for _, p := range t {
		for _, m := range groups.FindAllStringSubmatch(p.text, -1) {
			name := strings.Trim(m[1], "{}")
			if m[1] == "$" {
				continue
			}
			if n, err := strconv.Atoi(name); err == nil && n <= pattern.NumSubexp() || name != "" && pattern.SubexpIndex(name) >= 0 {
				continue
			}
			return m[0]
		}
	}
	return ""
}
