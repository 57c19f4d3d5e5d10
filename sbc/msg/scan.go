package msg

import "strings"

// scanner cuts a header section into logical lines, up to the empty line. It is the only reader of headers here: Parse and the
// stream framer both use it, so that they cannot disagree about where a header begins (the root of request smuggling).
type scanner struct {
	s    string
	pos  int  // where the next line begins; after the end, where the body does
	crlf int  // line ends seen
	done bool // the empty line was seen
	bad  bool // a line ended in a bare LF, or not at all
}

// next gives a line without its CRLF. With fold, lines that begin with white space belong to the one before (RFC 3261 7.3.1).
// A bare LF ends nothing: it stays in the line, and bad is set.
func (sc *scanner) next(fold bool) (line string, folded, ok bool) {
	start := sc.pos
	if sc.done || start >= len(sc.s) {
		return "", false, false
	}
	if strings.HasPrefix(sc.s[start:], "\r\n") {
		sc.pos, sc.done = start+2, true
		sc.crlf++
		return "", false, false
	}
	for from := start; ; {
		i := strings.IndexByte(sc.s[from:], '\n')
		if i < 0 {
			sc.pos, sc.bad = len(sc.s), true
			return sc.s[start:], folded, true
		}
		i += from
		from = i + 1
		if i == start || sc.s[i-1] != '\r' {
			sc.bad = true
			continue
		}
		sc.crlf++
		if fold && from < len(sc.s) && isSpace(sc.s[from]) {
			folded = true
			continue
		}
		sc.pos = from
		return sc.s[start : i-1], folded, true
	}
}

// header gives the next header. ok is false at the end; name is "" where the line is no header.
func (sc *scanner) header() (name, value string, ok bool) {
	line, folded, ok := sc.next(true)
	if !ok {
		return "", "", false
	}
	colon := strings.IndexByte(line, ':')
	if colon < 0 {
		return "", "", true
	}
	// Space and tab before the colon are legal (HCOLON) and mean nothing; anything else that is no token is no name.
	name, value = trimRight(line[:colon]), line[colon+1:]
	if !isToken(name) {
		return "", "", true
	}
	if folded {
		value = unfold(value)
	}
	return name, trim(value), true
}

// clean tells, after the last line, that every CR and LF was part of a line end and every NUL part of a quoted pair
// (RFC 3261 25.1; RFC 4475 3.1.1.2 has one).
func (sc *scanner) clean() bool {
	s := sc.s[:sc.pos]
	if sc.bad || strings.Count(s, "\r") != sc.crlf {
		return false
	}
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return true
		}
		if i == 0 || s[i-1] != '\\' {
			return false
		}
		s = s[i+1:]
	}
}

// unfold replaces each line end, with the white space around it, by one space.
func unfold(s string) string {
	b := make([]byte, 0, len(s))
	for s != "" {
		line, rest, more := strings.Cut(s, "\r\n")
		b = append(b, trimRight(line)...)
		if more {
			b = append(b, ' ')
		}
		s = trimLeft(rest)
	}
	return string(b)
}
