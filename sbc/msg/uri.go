package msg

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// URI is an address. Raw is how it was written. Scheme is lower case. SIP and SIPS URIs have their parts in the embedded type
// (user and parameters escaped as written, Host without the brackets of IPv6); of a tel URI User is the number and UriParams
// its parameters; of other schemes only Raw and Scheme are kept.
type URI struct {
	Raw string
	sip.Uri
}

// The faults of URIs.
const (
	errURI    = syntaxError("malformed URI")
	errScheme = syntaxError("URI without scheme")
	errHost   = syntaxError("malformed host")
	errPort   = syntaxError("malformed port")
)

// ParseURI reads a URI (RFC 3261 25.1). The error says what is wrong without quoting the input.
func ParseURI(s string) (URI, error) {
	var a arena
	return a.uri(s)
}

// IsSIP tells a sip or sips URI from all others.
func (u URI) IsSIP() bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// IsTel tells a tel URI (RFC 3966).
func (u URI) IsTel() bool { return u.Scheme == "tel" }

// IsZero tells that there is no URI.
func (u URI) IsZero() bool { return u.Scheme == "" && u.Host == "" && !u.Wildcard }

// Number gives the telephone number, or the name, that the URI stands for: the user part of a SIP URI without its parameters and
// escapes, the number of a tel URI without its visual separators (RFC 3966 5.1.1).
func (u URI) Number() string {
	if u.IsSIP() {
		n, _, _ := strings.Cut(u.User, ";")
		if strings.IndexByte(n, '%') >= 0 {
			if plain, err := url.PathUnescape(n); err == nil {
				n = plain
			}
		}
		return n
	}
	scheme, rest, _ := strings.Cut(u.Raw, ":")
	if !strings.EqualFold(scheme, "tel") {
		return ""
	}
	rest, _, _ = strings.Cut(rest, ";")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.() ", r) {
			return -1
		}
		return r
	}, rest)
}

// Clone copies the URI with its parameters.
func (u URI) Clone() URI { return URI{Raw: u.Raw, Uri: *u.Uri.Clone()} }

// Param looks a parameter of the URI up, for example "transport".
func (u URI) Param(name string) (value string, present bool) { return Param(u.UriParams, name) }

// String writes the URI: SIP from its parts, so that changes show, others as they were.
func (u URI) String() string { return string(u.AppendTo(make([]byte, 0, 64))) }

// AppendTo is String for those who have a buffer.
func (u URI) AppendTo(b []byte) []byte {
	switch {
	case u.Wildcard:
		return append(b, '*')
	case u.Scheme != "" && !u.IsSIP():
		return appendGuarded(b, u.Raw, "")
	case u.Scheme == "sips":
		b = append(b, "sips:"...)
	default:
		b = append(b, "sip:"...)
	}
	if u.User != "" {
		b = appendGuarded(b, u.User, "@:")
		if u.Password != "" {
			b = append(b, ':')
			b = appendGuarded(b, u.Password, "@")
		}
		b = append(b, '@')
	}
	b = appendHostPort(b, u.Host, u.Port)
	for _, kv := range u.UriParams {
		b = appendPair(b, ';', kv, "@;?")
	}
	sep := byte('?')
	for _, kv := range u.Headers {
		b = appendPair(b, sep, kv, "@&;")
		sep = '&'
	}
	return b
}

func appendPair(b []byte, sep byte, kv sip.HeaderKV, stop string) []byte {
	b = append(b, sep)
	b = appendGuarded(b, kv.K, stop)
	if kv.V != "" || sep != ';' {
		b = append(b, '=')
		b = appendGuarded(b, kv.V, stop)
	}
	return b
}

// appendHostPort writes a host, an IPv6 address in brackets, and the port if there is one. What is no part of a host is left out.
func appendHostPort(b []byte, host string, port int) []byte {
	if all(host, classHost) {
		b = append(b, host...)
	} else {
		b = appendOddHost(b, host)
	}
	if port > 0 {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(port), 10)
	}
	return b
}

// appendOddHost writes an IPv6 address, or what is left of a text that is no host.
func appendOddHost(b []byte, host string) []byte {
	v6 := strings.IndexByte(host, ':') >= 0
	if v6 {
		b = append(b, '[')
	}
	for i := range len(host) {
		if c := host[i]; isHostByte(c) || c == ':' && v6 {
			b = append(b, c)
		}
	}
	if v6 {
		b = append(b, ']')
	}
	return b
}

// isHostByte allows the underscore besides the letters of RFC 3261 25.1: names inside companies have it.
func isHostByte(c byte) bool { return classes[c]&classHost != 0 }

func (a *arena) uri(s string) (URI, error) {
	u := URI{Raw: s}
	if !isURIText(s) {
		return u, errURI
	}
	colon := strings.IndexByte(s, ':')
	if colon <= 0 || !isScheme(s[:colon]) {
		return u, errScheme
	}
	if u.Scheme = "sip"; s[:colon] != "sip" {
		u.Scheme = lower(s[:colon])
	}
	rest := s[colon+1:]
	switch u.Scheme {
	case "sip", "sips":
		return u, a.sipURI(&u, rest)
	case "tel":
		return u, a.telURI(&u, rest)
	}
	if rest == "" {
		return u, errURI
	}
	return u, nil
}

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return isAlpha(s[0])
}

// sipURI parses what follows the scheme (RFC 3261 19.1.1). There may be one "@" only: with two, some readers take the first for
// the end of the user part and some the last.
func (a *arena) sipURI(u *URI, s string) (err error) {
	if strings.HasPrefix(s, "//") { // not SIP's grammar, but some devices write it
		u.HierarhicalSlashes, s = true, s[2:]
	}
	if at := strings.IndexByte(s, '@'); at >= 0 {
		u.User, u.Password, _ = strings.Cut(s[:at], ":")
		if s = s[at+1:]; strings.IndexByte(s, '@') >= 0 {
			return errURI
		}
	}
	end := 0
	for end < len(s) && s[end] != ';' && s[end] != '?' {
		end++
	}
	if u.Host, u.Port, err = parseHostPort(s[:end]); err != nil || end == len(s) {
		return err
	}
	params, headers, hasHeaders := strings.Cut(s[end:], "?")
	if params != "" {
		if u.UriParams, err = a.uriParams(params[1:], ';'); err != nil {
			return err
		}
	}
	if hasHeaders {
		u.Headers, err = a.uriParams(headers, '&')
	}
	return err
}

// telURI parses a number with its parameters (RFC 3966 3).
func (a *arena) telURI(u *URI, s string) (err error) {
	var params string
	u.User, params, _ = strings.Cut(s, ";")
	if u.User == "" {
		return errURI
	}
	u.UriParams, err = a.uriParams(params, ';')
	return err
}

// parseHostPort reads "host", "host:port" and "[v6]:port"; the brackets are removed.
func parseHostPort(s string) (host string, port int, err error) {
	if s == "" {
		return "", 0, errHost
	}
	rest := ""
	if s[0] == '[' {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return "", 0, errHost
		}
		if host, rest = s[1:i], s[i+1:]; !isIPv6(host) {
			if host, err = threeColons(host); err != nil {
				return "", 0, err
			}
		}
	} else {
		n := 0
		for n < len(s) && isHostByte(s[n]) {
			n++
		}
		if host, rest = s[:n], s[n:]; n == 0 || n > 255 {
			return "", 0, errHost
		}
	}
	if rest = trimLeft(rest); rest == "" {
		return host, 0, nil
	}
	if rest[0] != ':' {
		return "", 0, errHost
	}
	p, ok := number(trimLeft(rest[1:]), 65535)
	if !ok {
		return "", 0, errPort
	}
	return host, int(p), nil
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

// threeColons accepts "2001:db8:::192.0.2.1", which the grammar of RFC 3261 wrongly asks for (RFC 5118 4.10), as two colons.
func threeColons(s string) (string, error) {
	if strings.Count(s, ":::") == 1 {
		if fixed := strings.Replace(s, ":::", "::", 1); strings.IndexByte(fixed, '.') > 0 && isIPv6(fixed) {
			return fixed, nil
		}
	}
	return "", errHost
}

// EscapeUser spells a number as the user part of a URI (RFC 3261 25.1: unreserved and user-unreserved stay, but for those that
// devices take for the end of the number).
func EscapeUser(user string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()&=+$,", c) >= 0
	}
	n := 0
	for n < len(user) && plain(user[n]) {
		n++
	}
	if n == len(user) {
		return user
	}
	b := []byte(user[:n])
	for ; n < len(user); n++ {
		if c := user[n]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
