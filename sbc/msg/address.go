package msg

import "strings"

// NameAddr is the value of From, To, Contact, Route and their like: a display name (without quotes), an address and the
// parameters of the header.
type NameAddr struct {
	Display string
	URI     URI
	Params  Params
}

// The faults of addresses.
const (
	errNameAddr = syntaxError("malformed address")
	errEmpty    = syntaxError("empty element in a list")
	errBrackets = syntaxError("address needs angle brackets")
)

// ParseNameAddr reads one value. Display names that should have been quoted are taken as they are (RFC 4475 3.1.2.15 allows
// it), as are spaces inside the angle brackets (3.1.2.14).
func ParseNameAddr(s string) (NameAddr, error) {
	var a arena
	return a.nameAddr(trim(s))
}

// ParseNameAddrs reads a comma-separated list. An empty element is an error.
func ParseNameAddrs(list string) ([]NameAddr, error) {
	var a arena
	return a.nameAddrs(nil, list)
}

func (a *arena) nameAddrs(out []NameAddr, list string) ([]NameAddr, error) {
	for more := true; more; {
		var one string
		one, list, more = nextElement(list)
		if one == "" {
			return out, errEmpty
		}
		n, err := a.nameAddr(one)
		if err != nil {
			return out, err
		}
		out = append(out, n)
	}
	return out, nil
}

// Tag is the tag parameter, "" if there is none.
func (n NameAddr) Tag() string {
	tag, _ := Param(n.Params, "tag")
	return tag
}

// WithTag gives a copy with this tag, or without any if it is "".
func (n NameAddr) WithTag(tag string) NameAddr {
	if tag == "" {
		n.Params = RemoveParam(n.Params, "tag")
	} else {
		n.Params = SetParam(n.Params, "tag", tag)
	}
	return n
}

// Clone copies the value with its parameters.
func (n NameAddr) Clone() NameAddr {
	return NameAddr{Display: n.Display, URI: n.URI.Clone(), Params: n.Params.Clone()}
}

// String writes the value, the address always in angle brackets, the display name always in quotes.
func (n NameAddr) String() string { return string(n.AppendTo(make([]byte, 0, 96))) }

// AppendTo is String for those who have a buffer.
func (n NameAddr) AppendTo(b []byte) []byte {
	if n.URI.Wildcard {
		return append(b, '*')
	}
	if n.Display != "" {
		b = appendQuoted(b, n.Display)
		b = append(b, ' ')
	}
	b = append(b, '<')
	b = n.URI.AppendTo(b)
	b = append(b, '>')
	return appendParams(b, n.Params)
}

// nameAddr parses a trimmed value (RFC 3261 20.10, 25.1).
func (a *arena) nameAddr(s string) (n NameAddr, err error) {
	switch {
	case s == "":
		return n, errNameAddr
	case s == "*":
		n.URI.Raw, n.URI.Wildcard = s, true
		return n, nil
	case s[0] == '"':
		end := quotedEnd(s)
		if end < 0 {
			return n, errQuote
		}
		n.Display = unquote(s[:end])
		if s = trimLeft(s[end:]); s == "" || s[0] != '<' {
			return n, errBrackets
		}
		return a.bracketed(n, s)
	}
	for i := range len(s) {
		switch s[i] {
		case '<':
			n.Display = trimRight(s[:i])
			return a.bracketed(n, s[i:])
		case ';', '"': // a bracket counts only before any parameter: "sip:a@b;x=<y>" has none
			return a.addrSpec(n, s)
		}
	}
	return a.addrSpec(n, s)
}

// bracketed parses "<URI>;params".
func (a *arena) bracketed(n NameAddr, s string) (NameAddr, error) {
	end := strings.IndexByte(s, '>')
	if end < 0 {
		return n, errNameAddr
	}
	var err error
	if n.URI, err = a.uri(trim(s[1:end])); err != nil {
		return n, err
	}
	if s = trimLeft(s[end+1:]); s == "" {
		return n, nil
	}
	if s[0] != ';' {
		return n, errNameAddr
	}
	n.Params, err = a.headerParams(s)
	return n, err
}

// addrSpec parses the form without brackets, in which every parameter is the header's and neither "?" nor "," may occur
// (RFC 3261 20.10; RFC 4475 3.1.2.13).
func (a *arena) addrSpec(n NameAddr, s string) (NameAddr, error) {
	params := ""
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s, params = trimRight(s[:i]), s[i:]
	}
	if strings.ContainsAny(s, "?,") {
		return n, errBrackets
	}
	var err error
	if n.URI, err = a.uri(s); err != nil || params == "" {
		return n, err
	}
	n.Params, err = a.headerParams(params)
	return n, err
}
