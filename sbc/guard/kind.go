package guard

import "bytes"

// kind is what a message is counted as.
type kind uint8

const (
	kindRegister kind = iota
	kindInvite
	kindOptions
	kindOther
	kindMalformed
	kindResponse
	kindSTUN
	kinds
)

// String is the kind's name in events.
func (k kind) String() string {
	return [...]string{"register", "invite", "options", "other", "malformed", "response", "stun"}[k]
}

const (
	// shortest is the least that may be a SIP message.
	shortest = 20
	// longestMethod bounds a method's name.
	longestMethod = 32
	// longestLine is how far the end of the start line is looked for.
	longestLine = 4096
)

// classify tells from the start line alone what a message will be (RFC 3261 7.1, 7.2). What the parser finds out later about the
// rest comes back as Malformed.
func classify(raw []byte) kind {
	if len(raw) > 0 && raw[0] < 4 { // RFC 7983 7: the first octet of STUN
		return kindSTUN
	}
	raw = bytes.TrimLeft(raw, "\r\n") // RFC 3261 7.5
	if len(raw) < shortest {
		return kindMalformed
	}
	if bytes.HasPrefix(raw, []byte("SIP/2.0 ")) {
		return kindResponse
	}
	end := bytes.IndexByte(raw[:min(len(raw), longestLine)], '\n')
	if end < 0 || !bytes.HasSuffix(bytes.TrimRight(raw[:end], "\r \t"), []byte("SIP/2.0")) {
		return kindMalformed
	}
	n := bytes.IndexByte(raw[:min(end, longestMethod+1)], ' ')
	if n <= 0 || !token(raw[:n]) {
		return kindMalformed
	}
	switch string(raw[:n]) {
	case "REGISTER":
		return kindRegister
	case "INVITE":
		return kindInvite
	case "OPTIONS":
		return kindOptions
	}
	return kindOther
}

// token tells whether b is one (RFC 3261 25.1).
func token(b []byte) bool {
	for _, c := range b {
		switch l := c | 0x20; {
		case l >= 'a' && l <= 'z', c >= '0' && c <= '9':
		case bytes.IndexByte([]byte("-.!%*_+`'~"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

// longestHeader bounds how much of a header is compared with the patterns of scanners.
const longestHeader = 256

// scanner finds the first of the patterns, which are in lower case, in the User-Agent or From of a message; -1 is none.
func scanner(raw []byte, patterns [][]byte) int {
	if len(patterns) == 0 {
		return -1
	}
	for len(raw) > 0 {
		line := raw
		if end := bytes.IndexByte(raw, '\n'); end >= 0 {
			line, raw = raw[:end], raw[end+1:]
		} else {
			raw = nil
		}
		if len(line) < 2 { // the empty line: what follows is the body
			if len(raw) > 0 && len(line) == 1 && line[0] == '\r' {
				return -1
			}
			continue
		}
		switch line[0] | 0x20 {
		case 'u', 'f':
			if named(line, "user-agent") || named(line, "from") || named(line, "f") {
				if i := within(line, patterns); i >= 0 {
					return i
				}
			}
		}
	}
	return -1
}

// named tells whether a header line has a name, which is given in lower case; white space may stand before the colon.
func named(line []byte, name string) bool {
	if len(line) <= len(name) {
		return false
	}
	for i := range len(name) {
		if lower(line[i]) != name[i] {
			return false
		}
	}
	rest := bytes.TrimLeft(line[len(name):], " \t")
	return len(rest) > 0 && rest[0] == ':'
}

// within finds the first pattern that a line holds.
func within(line []byte, patterns [][]byte) int {
	var room [longestHeader]byte
	n := copy(room[:], line)
	for i := range room[:n] {
		room[i] = lower(room[i])
	}
	for i, p := range patterns {
		if bytes.Contains(room[:n], p) {
			return i
		}
	}
	return -1
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
