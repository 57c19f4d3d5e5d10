package digest

import (
	"net/url"
	"strings"
)

// syntaxError is what is wrong with a value.
type syntaxError string

func (e syntaxError) Error() string { return "digest: " + string(e) }

// The faults of values.
const (
	ErrScheme  = syntaxError("the scheme is not Digest")
	ErrSyntax  = syntaxError("malformed")
	ErrDouble  = syntaxError("a parameter occurs twice")
	ErrLong    = syntaxError("too long")
	ErrMissing = syntaxError("a parameter is missing")
	// ErrAlgorithm says that the algorithm is none we know; RFC 7616 3.3 wants such challenges ignored.
	ErrAlgorithm = syntaxError("unknown algorithm")
)

// maxValue bounds the value of a header, in octets.
const maxValue = 4096

// scheme takes "Digest" and the space after it off a value.
func scheme(value string) (rest string, err error) {
	const name = "Digest"
	switch {
	case len(value) > maxValue:
		return "", ErrLong
	case len(value) <= len(name) || !strings.EqualFold(value[:len(name)], name) || !blank(value[len(name)]):
		return "", ErrScheme
	}
	return value[len(name):], nil
}

// field takes the next name=value off a list. A quoted value comes without its quotes, with its escapes. At the end name is "".
func field(s string) (name, value, rest string, err error) {
	for s != "" && (blank(s[0]) || s[0] == ',') {
		s = s[1:]
	}
	if s == "" {
		return "", "", "", nil
	}
	eq := strings.IndexByte(s, '=')
	if eq <= 0 {
		return "", "", "", ErrSyntax
	}
	name = strings.TrimRight(s[:eq], " \t")
	if s = strings.TrimLeft(s[eq+1:], " \t"); name == "" || strings.ContainsAny(name, ` ,"`) {
		return "", "", "", ErrSyntax
	}
	if s != "" && s[0] == '"' {
		if value, s, err = quoted(s); err != nil {
			return "", "", "", err
		}
	} else {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		if value, s = strings.TrimRight(s[:end], " \t"), s[end:]; value == "" || strings.ContainsAny(value, " \t\"\\") {
			return "", "", "", ErrSyntax
		}
	}
	return name, value, s, nil
}

// quoted takes a quoted string off; after it there is nothing, or a comma.
func quoted(s string) (value, rest string, err error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			value, rest = s[1:i], strings.TrimLeft(s[i+1:], " \t")
			if rest != "" && rest[0] != ',' {
				return "", "", ErrSyntax
			}
			return value, rest, nil
		}
	}
	return "", "", ErrSyntax
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// unescape takes the backslashes out of what stood between quotes (RFC 3261 25.1).
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// extended reads the value of username* (RFC 7616 3.4, RFC 8187 3.2).
func extended(s string) (string, error) {
	const charset = "UTF-8''"
	if len(s) < len(charset) || !strings.EqualFold(s[:len(charset)], charset) {
		return "", ErrSyntax
	}
	name, err := url.PathUnescape(s[len(charset):])
	if err != nil {
		return "", ErrSyntax
	}
	return name, nil
}

// appendQuoted writes name="value"; what would end the string is escaped, and control characters are left out.
func appendQuoted(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c != 0x7f:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// fields gives set every name=value of a list, as field takes them, and tells which of those that matter were there. Errors: those of
// field and set, ErrDouble.
func fields(list string, set func(name, value string) error) (seen doubles, err error) {
	for {
		name, value, rest, err := field(list)
		switch {
		case err != nil:
			return seen, err
		case name == "":
			return seen, nil
		case seen.add(name):
			return seen, ErrDouble
		}
		if err := set(name, value); err != nil {
			return seen, err
		}
		list = rest
	}
}
