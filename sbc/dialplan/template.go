package dialplan

import (
	"fmt"
	"strings"
)

// template is what a number becomes: text, and groups of the pattern.
type template []piece

// piece is text, or a group where group is not negative.
type piece struct {
	text  string
	group int
}

// parseTemplate reads a template; groups is the highest group that the pattern has.
func parseTemplate(s string, groups int) (template, error) {
	var t template
	for s != "" {
		at := strings.IndexByte(s, '$')
		if at < 0 {
			return append(t, piece{s, -1}), nil
		}
		if at > 0 {
			t = append(t, piece{s[:at], -1})
		}
		if s = s[at+1:]; s == "" {
			return nil, fmt.Errorf("a $ at the end must be followed by a digit or $")
		}
		switch c := s[0]; {
		case c == '$':
			t = append(t, piece{"$", -1})
		case c < '0' || c > '9':
			return nil, fmt.Errorf("$%c is neither $0 to $9 nor $$", c)
		case int(c-'0') > groups:
			return nil, fmt.Errorf("$%c is there, but the pattern has groups up to $%d only", c, groups)
		default:
			t = append(t, piece{"", int(c - '0')})
		}
		s = s[1:]
	}
	return t, nil
}

// fill makes the number.
func (t template) fill(groups []string) string {
	if len(t) == 1 && t[0].group >= 0 {
		return groups[t[0].group]
	}
	var b strings.Builder
	for _, p := range t {
		if p.group < 0 {
			b.WriteString(p.text)
		} else {
			b.WriteString(groups[p.group])
		}
	}
	return b.String()
}
