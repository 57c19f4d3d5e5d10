package msg

import "strings"

// syntaxError is a fault of the grammar, a constant so that making one costs nothing. It never holds the input.
type syntaxError string

func (e syntaxError) Error() string { return "msg: " + string(e) }

// The characters of a token (RFC 3261 25.1) as two halves of a bit map over ASCII.
const (
	tokenLow  = 1<<'!' | 1<<'%' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' | (1<<('9'+1) - 1<<'0')
	tokenHigh = (1<<('Z'+1-64) - 1<<('A'-64)) | (1<<('z'+1-64) - 1<<('a'-64)) | 1<<('_'-64) | 1<<('`'-64) | 1<<('~'-64)
)

func isTokenByte(c byte) bool { return classes[c]&classToken != 0 }

// What a byte may be part of.
const (
	classToken uint8 = 1 << iota
	classURI         // of a URI, escaped or not
	classParam       // of a parameter's name or plain value
	classPlain       // of a value that needs no quotes
	classHost
)

// classes is read only.
var classes = classify()

func classify() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		token := c < 64 && uint64(tokenLow)>>c&1 != 0 || c >= 64 && c < 128 && uint64(tokenHigh)>>(c-64)&1 != 0
		low := c < 64 && uint64(notURILow)>>c&1 != 0
		for class, is := range map[uint8]bool{
			classToken: token,
			classURI:   !low && c != 0x7f,
			classParam: !low && c != ',',
			// Beyond tokens and hosts this lets pass what devices send unquoted and nobody misreads, such as "abc==" or a URI's slashes.
			classPlain: token || strings.IndexByte("[]:=/@$&()?#|^{}", c) >= 0,
			classHost:  isAlpha(c) || isDigit(c) || c == '.' || c == '-' || c == '_',
		} {
			if is {
				t[i] |= class
			}
		}
	}
	return t
}

// all tells that every byte of s is of a class.
func all(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// isToken tells whether s is a non-empty token.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// The characters below 64 that occur in no URI: white space, control characters, quotes and angle brackets.
const notURILow = 1<<33 - 1 | 1<<'"' | 1<<'<' | 1<<'>'

// isURIText tells that s holds nothing that cannot stand in a URI, escaped or not. Octets above 127 may.
func isURIText(s string) bool { return all(s, classURI) }

// isParamText tells that s may be the name or the plain value of a header parameter: no white space, quotes, angle brackets
// or comma.
func isParamText(s string) bool { return all(s, classParam) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// trim removes spaces and tabs around s. Folded lines are joined before, so no other white space occurs.
func trim(s string) string { return trimRight(trimLeft(s)) }

func trimLeft(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func trimRight(s string) string {
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// equalFold compares ASCII without regard to case. strings.EqualFold would also fold K with the Kelvin sign.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// lower folds ASCII; it allocates only where something changes.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

// number reads decimal digits, at most max. Signs, spaces, and nothing at all are no numbers.
func number(s string, max uint64) (uint64, bool) {
	if s == "" {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		if n = n*10 + uint64(s[i]-'0'); n > max {
			return 0, false
		}
	}
	return n, true
}

// quotedEnd gives the index after the closing quote of the quoted string that s begins with, or -1.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote removes quotes and the backslashes of quoted pairs. What is not quoted comes back as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// appendQuoted writes s as a quoted string. CR, LF and NUL become spaces: no value of ours can break out of its line.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\r', '\n', 0:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendClean writes s with CR, LF and NUL replaced by spaces.
func appendClean(b []byte, s string) []byte {
	start := len(b)
	b = append(b, s...)
	if isClean(s) {
		return b
	}
	for i := start; i < len(b); i++ {
		if c := b[i]; c == '\r' || c == '\n' || c == 0 {
			b[i] = ' '
		}
	}
	return b
}

// isClean tells that s holds no CR, LF or NUL.
func isClean(s string) bool {
	return strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, 0) < 0
}

func clean(s string) string {
	if isClean(s) {
		return s
	}
	return string(appendClean(nil, s))
}

const hexDigits = "0123456789ABCDEF"

// appendGuarded writes a part of a URI that is already escaped. What could end the part, the URI or the line is escaped
// here: white space, control characters, quotes, angle brackets and the bytes of stop.
func appendGuarded(b []byte, s, stop string) []byte {
	plain := true
	for i := range len(s) {
		if classes[s[i]]&(classToken|classHost) == 0 { // no token holds what stop is made of
			plain = false
			break
		}
	}
	if plain {
		return append(b, s...)
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' || strings.IndexByte(stop, c) >= 0 {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// appendEscaped writes plain text as the user part of a URI (RFC 3261 25.1, user).
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if isAlpha(c) || isDigit(c) || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// nextElement cuts the first element of a comma-separated list. Commas in quotes and in angle brackets do not separate.
func nextElement(s string) (element, rest string, more bool) {
	if strings.IndexByte(s, ',') < 0 {
		return trim(s), "", false
	}
	angle := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			if angle {
				continue // RFC 3261 has no quotes in URIs: this one separates nothing
			}
			n := quotedEnd(s[i:])
			if n < 0 {
				return trim(s), "", false
			}
			i += n - 1
		case '<':
			angle = true
		case '>':
			angle = false
		case ',':
			if !angle {
				return trim(s[:i]), s[i+1:], true
			}
		}
	}
	return trim(s), "", false
}
