package msg

import "strings"

// startLine reads the first line. It is false where the line is not SIP's.
func (p *parser) startLine(line string) bool {
	if len(line) >= 4 && equalFold(line[:4], "SIP/") {
		return p.statusLine(line)
	}
	return p.requestLine(line)
}

// requestLine reads "METHOD SP URI SP SIP/2.0" (RFC 3261 7.1): one space each, nothing around them. RFC 4475 3.1.2.7 to 3.1.2.10
// are refused with 400.
func (p *parser) requestLine(line string) bool {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !isToken(method) {
		return false
	}
	trimmed := trimRight(rest)
	i := strings.LastIndexByte(trimmed, ' ')
	if i < 0 {
		return false
	}
	uri, version := trimmed[:i], trimmed[i+1:]
	if len(version) < 4 || !equalFold(version[:4], "SIP/") {
		return false
	}
	p.m.Method, p.m.Version = Method(method), version
	if !equalFold(version, Version) {
		p.fail(505, StatusText(505))
	}
	if len(trimmed) != len(rest) {
		p.fail(400, "Malformed Request-Line")
	}
	p.requestURI(uri)
	return true
}

// requestURI reads the address a request is for. Only sip, sips and tel are served (RFC 3261 8.2.2.1: else 416), and headers
// in it are forbidden (RFC 3261 19.1.1; RFC 4475 3.1.2.11).
func (p *parser) requestURI(s string) {
	u, err := p.uri(s)
	p.m.RequestURI = u
	switch {
	case err != nil:
		p.fail(400, "Malformed Request-URI")
	case !u.IsSIP() && !u.IsTel():
		p.fail(416, StatusText(416))
	case len(u.Headers) != 0:
		p.fail(400, "Headers in Request-URI")
	}
}

// statusLine reads "SIP/2.0 SP 200 SP OK" (RFC 3261 7.2). The phrase may be empty, and its space missing.
func (p *parser) statusLine(line string) bool {
	version, rest, ok := strings.Cut(line, " ")
	if !ok || !equalFold(version, Version) {
		return false
	}
	code, reason, _ := strings.Cut(rest, " ")
	n, ok := number(code, 699)
	if !ok || n < 100 || len(code) != 3 {
		return false
	}
	p.m.Version, p.m.Status, p.m.Reason = version, int(n), reason
	return true
}
