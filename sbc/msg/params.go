package msg

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Params are the parameters of a header or URI, in order and as written: a quoted value keeps its quotes. Use Param, SetParam and
// RemoveParam, which do not care about case; the methods of the type itself do.
type Params = sip.HeaderParams

// MaxParams bounds the parameters of one value.
const MaxParams = 128

// The faults of parameters.
const (
	errParams      = syntaxError("malformed parameter")
	errManyParams  = syntaxError("too many parameters")
	errQuote       = syntaxError("unterminated quoted string")
	errDoubleParam = syntaxError("doubled parameter")
)

// Param looks a parameter up without regard to case (RFC 3261 7.3.1). A quoted value comes without its quotes.
func Param(p Params, name string) (value string, present bool) {
	for i := range p {
		if equalFold(p[i].K, name) {
			return unquote(p[i].V), true
		}
	}
	return "", false
}

// SetParam gives a copy of p in which name has the value, in its old place or at the end.
func SetParam(p Params, name, value string) Params {
	out := make(Params, 0, len(p)+1)
	found := false
	for _, kv := range p {
		if equalFold(kv.K, name) {
			if found {
				continue
			}
			found, kv.V = true, value
		}
		out = append(out, kv)
	}
	if !found {
		out = append(out, sip.HeaderKV{K: name, V: value})
	}
	return out
}

// RemoveParam gives a copy of p without name.
func RemoveParam(p Params, name string) Params {
	return slices.DeleteFunc(slices.Clone(p), func(kv sip.HeaderKV) bool { return equalFold(kv.K, name) })
}

// doubled tells whether a parameter that decides something occurs twice (RFC 3261 7.3.1 forbids it of all).
func doubled(p Params, name string) bool {
	n := 0
	for i := range p {
		if equalFold(p[i].K, name) {
			n++
		}
	}
	return n > 1
}

// arena holds the parameters of a whole message in one piece of memory.
type arena struct{ kv []sip.HeaderKV }

// take gives what was added since mark. The capacity is cut so that appending to it copies.
func (a *arena) take(mark int) Params {
	if len(a.kv) == mark {
		return nil
	}
	return a.kv[mark:len(a.kv):len(a.kv)]
}

// headerParams parses ";a=b ; c" (RFC 3261 25.1 generic-param). Empty ones are skipped: real devices end with a semicolon.
func (a *arena) headerParams(s string) (Params, error) {
	mark := len(a.kv)
	for s != "" {
		one, rest, ok := cutParam(s[1:])
		if !ok {
			return a.take(mark), errQuote
		}
		s = rest
		if one == "" {
			continue
		}
		kv, err := headerParam(one)
		if err != nil {
			return a.take(mark), err
		}
		if len(a.kv)-mark >= MaxParams {
			return a.take(mark), errManyParams
		}
		a.kv = append(a.kv, kv)
	}
	return a.take(mark), nil
}

// cutParam cuts at the next semicolon outside quotes; rest begins with it.
func cutParam(s string) (one, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ';':
			return trim(s[:i]), s[i:], true
		case '"':
			n := quotedEnd(s[i:])
			if n < 0 {
				return "", "", false
			}
			i += n - 1
		}
	}
	return trim(s), "", true
}

// headerParam splits at the first "=": values may hold more of them ("tag=abc==").
func headerParam(s string) (sip.HeaderKV, error) {
	k, v := s, ""
	if i := strings.IndexByte(s, '='); i >= 0 {
		k, v = trimRight(s[:i]), trimLeft(s[i+1:])
	}
	if k == "" || !isParamText(k) {
		return sip.HeaderKV{}, errParams
	}
	if v != "" && v[0] == '"' {
		if quotedEnd(v) != len(v) {
			return sip.HeaderKV{}, errParams
		}
	} else if !isParamText(v) {
		return sip.HeaderKV{}, errParams
	}
	return sip.HeaderKV{K: k, V: v}, nil
}

// uriParams parses the parameters (sep ';') or headers (sep '&') of a URI, where nothing is quoted.
func (a *arena) uriParams(s string, sep byte) (Params, error) {
	mark := len(a.kv)
	for s != "" {
		one := s
		if i := strings.IndexByte(s, sep); i >= 0 {
			one, s = s[:i], s[i+1:]
		} else {
			s = ""
		}
		if one == "" {
			continue
		}
		if len(a.kv)-mark >= MaxParams {
			return a.take(mark), errManyParams
		}
		k, v, _ := strings.Cut(one, "=")
		if k == "" {
			return a.take(mark), errParams
		}
		a.kv = append(a.kv, sip.HeaderKV{K: k, V: v})
	}
	return a.take(mark), nil
}

// appendParams writes header parameters. A value that is neither token, host nor quoted string is quoted.
func appendParams(b []byte, p Params) []byte {
	for _, kv := range p {
		start := len(b)
		if b = appendName(append(b, ';'), kv.K); len(b) == start+1 {
			b = b[:start]
			continue
		}
		if kv.V == "" {
			continue
		}
		b = append(b, '=')
		if plainValue(kv.V) || kv.V[0] == '"' && quotedEnd(kv.V) == len(kv.V) {
			b = appendClean(b, kv.V)
		} else {
			b = appendQuoted(b, kv.V)
		}
	}
	return b
}

// plainValue tells that a value needs no quotes.
func plainValue(s string) bool { return all(s, classPlain) }

// appendName writes a parameter's name and leaves out what would end it.
func appendName(b []byte, s string) []byte {
	if isToken(s) {
		return append(b, s...)
	}
	for i := range len(s) {
		if c := s[i]; c != ';' && c != '=' && isParamText(s[i:i+1]) {
			b = append(b, c)
		}
	}
	return b
}

// appendToken writes a name and leaves out what no token can hold.
func appendToken(b []byte, s string) []byte {
	if isToken(s) {
		return append(b, s...)
	}
	for i := range len(s) {
		if isTokenByte(s[i]) {
			b = append(b, s[i])
		}
	}
	return b
}
