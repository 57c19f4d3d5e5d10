package msg

import (
	"strconv"
	"strings"
)

// Via is one value of a Via header (RFC 3261 20.42).
type Via struct {
	Transport string // as written, for example "UDP"
	Host      string // sent-by; IPv6 without brackets
	Port      int    // 0: none given
	Params    Params
}

// The faults of Via, CSeq, Call-ID and of numbers.
const (
	errVia    = syntaxError("malformed Via")
	errCSeq   = syntaxError("malformed CSeq")
	errCallID = syntaxError("malformed Call-ID")
	errNumber = syntaxError("malformed number")
)

// ParseVia reads one value, not a list.
func ParseVia(s string) (Via, error) {
	var a arena
	return a.via(trim(s))
}

// Branch is the branch parameter, "" if there is none.
func (v Via) Branch() string {
	branch, _ := Param(v.Params, "branch")
	return branch
}

// Received is the received parameter without the brackets some put around IPv6 addresses (RFC 5118 4.5).
func (v Via) Received() string {
	r, _ := Param(v.Params, "received")
	if len(r) > 2 && r[0] == '[' && r[len(r)-1] == ']' {
		return r[1 : len(r)-1]
	}
	return r
}

// RPort is the rport parameter (RFC 3581): 0 where it is present without a value, or with one that is no port.
func (v Via) RPort() (port int, present bool) {
	s, present := Param(v.Params, "rport")
	n, _ := number(s, 65535)
	return int(n), present
}

// Param looks a parameter up.
func (v Via) Param(name string) (value string, present bool) { return Param(v.Params, name) }

// String writes the value.
func (v Via) String() string { return string(v.AppendTo(make([]byte, 0, 128))) }

// AppendTo is String for those who have a buffer.
func (v Via) AppendTo(b []byte) []byte {
	b = append(b, "SIP/2.0/"...)
	b = appendToken(b, v.Transport)
	b = append(b, ' ')
	b = appendHostPort(b, v.Host, v.Port)
	return appendParams(b, v.Params)
}

// via parses "SIP / 2.0 / UDP host : port ; params", with white space wherever the grammar allows it.
func (a *arena) via(s string) (v Via, err error) {
	if rest, ok := strings.CutPrefix(s, "SIP/2.0/"); ok {
		s = rest
	} else if s, err = viaProtocol(s); err != nil {
		return v, err
	}
	n := 0
	for n < len(s) && isTokenByte(s[n]) {
		n++
	}
	if n == 0 || n == len(s) || !isSpace(s[n]) {
		return v, errVia
	}
	v.Transport, s = s[:n], trimLeft(s[n:])
	params := ""
	if i := strings.IndexByte(s, ';'); i >= 0 {
		s, params = s[:i], s[i:]
	}
	if v.Host, v.Port, err = parseHostPort(trimRight(s)); err != nil || params == "" {
		return v, err
	}
	v.Params, err = a.headerParams(params)
	return v, err
}

// viaProtocol cuts "SIP / 2.0 /" in any case and spacing. The version may be another: a request of SIP/7.0 wants its 505 sent
// to the address in that Via (RFC 4475 3.1.2.16).
func viaProtocol(s string) (rest string, err error) {
	name, s, ok := strings.Cut(s, "/")
	if !ok || !equalFold(trim(name), "SIP") {
		return "", errVia
	}
	version, s, ok := strings.Cut(s, "/")
	if version = trim(version); !ok || !isToken(version) || !isDigit(version[0]) {
		return "", errVia
	}
	return trimLeft(s), nil
}

// CSeq is the value of a CSeq header.
type CSeq struct {
	Seq    uint32
	Method Method
}

// MaxCSeq is the highest sequence number (RFC 3261 8.1.1.5: less than 2**31).
const MaxCSeq = 1<<31 - 1

// ParseCSeq reads "1 INVITE".
func ParseCSeq(s string) (CSeq, error) {
	s = trim(s)
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	seq, ok := number(s[:n], MaxCSeq)
	method := trimLeft(s[n:])
	if !ok || len(method) == len(s[n:]) || !isToken(method) {
		return CSeq{}, errCSeq
	}
	return CSeq{Seq: uint32(seq), Method: Method(method)}, nil
}

// String writes the value.
func (c CSeq) String() string {
	b := make([]byte, 0, 24)
	b = strconv.AppendUint(b, uint64(c.Seq), 10)
	b = append(b, ' ')
	return string(appendToken(b, string(c.Method)))
}
