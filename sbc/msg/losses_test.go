package msg

import (
	"errors"
	"strings"
	"testing"
)

// The tests of this file are the losses of sipgo's parser, each by name (dependencies.md 2.2), and their like.

// plain is an INVITE into which tests put their headers.
func plain(headers ...string) []byte {
	return []byte("INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "Content-Length: 0\r\n\r\n")
}

// with replaces one header line of plain.
func with(name, line string) []byte {
	lines := strings.Split(string(plain()), "\r\n")
	for i, l := range lines {
		if strings.HasPrefix(l, name+":") {
			lines[i] = line
		}
	}
	return []byte(strings.Join(lines, "\r\n"))
}

func parsed(t *testing.T, raw []byte) *Message {
	t.Helper()
	m, err := Parse(raw)
	if err != nil {
		t.Fatalf("%v\n%q", err, raw)
	}
	return m
}

func TestLossTagWithEqualsSigns(t *testing.T) {
	m := parsed(t, with("From", "From: <sip:a@example.com>;tag=abc=="))
	equal(t, m.From.Tag(), "abc==")
	equal(t, m.From.String(), "<sip:a@example.com>;tag=abc==")
}

func TestLossParameterNamesInAnyCase(t *testing.T) {
	m := parsed(t, with("From", "From: <sip:a@example.com>;TAG=x"))
	equal(t, m.From.Tag(), "x")
	m = parsed(t, with("Via", "Via: SIP/2.0/UDP 192.0.2.1;Branch=z9hG4bKq;RPORT;Received=192.0.2.7"))
	equal(t, m.Via.Branch(), "z9hG4bKq")
	equal(t, m.Via.Received(), "192.0.2.7")
	port, present := m.Via.RPort()
	equal(t, port, 0)
	equal(t, present, true)
	m.SetFrom(m.From.WithTag("y"))
	equal(t, m.Get("From"), "<sip:a@example.com>;tag=y")
}

func TestLossSpaceAroundSemicolonAndEquals(t *testing.T) {
	m := parsed(t, with("To", "To: <sip:b@example.com> ;\t tag = z ; x"))
	equal(t, m.To.Tag(), "z")
	_, x := Param(m.To.Params, "x")
	equal(t, x, true)
	m = parsed(t, with("Via", "Via: SIP/2.0/UDP 192.0.2.1 ; branch = z9hG4bK2"))
	equal(t, m.Via.Branch(), "z9hG4bK2")
}

func TestLossSpacesInSentBy(t *testing.T) {
	m := parsed(t, with("Via", "Via: SIP / 2.0 / TCP host.example.com : 5061 ;branch=z9hG4bK3"))
	equal(t, m.Via.Transport, "TCP")
	equal(t, m.Via.Host, "host.example.com")
	equal(t, m.Via.Port, 5061)
	equal(t, m.Via.Branch(), "z9hG4bK3")
}

func TestLossCommaInQuotedViaParameter(t *testing.T) {
	m := parsed(t, with("Via", `Via: SIP/2.0/UDP 192.0.2.1;x="a, \"b; c";branch=z9hG4bK4, SIP/2.0/UDP 192.0.2.2`))
	vias, err := m.Vias()
	equal(t, err, nil)
	equal(t, len(vias), 2)
	x, _ := m.Via.Param("x")
	equal(t, x, `a, "b; c`)
	equal(t, m.Via.Branch(), "z9hG4bK4")
	equal(t, vias[1].Host, "192.0.2.2")
}

func TestLossRouteParametersAndDisplayNames(t *testing.T) {
	m := parsed(t, plain(`Route: "Edge, one" <sip:192.0.2.1;lr>;ob;x=1, <sip:192.0.2.2;lr>`,
		`Record-Route: P <sip:192.0.2.3;lr;transport=tcp>;y`, `Refer-To: "T" <sip:t@example.com?Replaces=a%3Bto-tag%3Db>;z=2`))
	routes, err := m.Routes()
	equal(t, err, nil)
	equal(t, len(routes), 2)
	equal(t, routes[0].String(), `"Edge, one" <sip:192.0.2.1;lr>;ob;x=1`)
	rr, err := m.RecordRoutes()
	equal(t, err, nil)
	equal(t, rr[0].String(), `"P" <sip:192.0.2.3;lr;transport=tcp>;y`)
	refer, err := ParseNameAddr(m.Get("r"))
	equal(t, err, nil)
	equal(t, refer.String(), `"T" <sip:t@example.com?Replaces=a%3Bto-tag%3Db>;z=2`)
}

func TestLossCompactForms(t *testing.T) {
	m := parsed(t, plain("k: timer", "s: hello", "e: gzip", "u: presence", "o: dialog", "x: 90", "r: <sip:c@d>", "b: <sip:e@f>",
		"a: *", "j: *", "d: fork", "y: id", "m: <sip:a@192.0.2.1>", "c: text/plain", "Supported: 100rel"))
	for long, want := range map[string]string{
		"Supported": "timer", "Subject": "hello", "Content-Encoding": "gzip", "Allow-Events": "presence", "Event": "dialog",
		"Session-Expires": "90", "Refer-To": "<sip:c@d>", "Referred-By": "<sip:e@f>", "Accept-Contact": "*", "Reject-Contact": "*",
		"Request-Disposition": "fork", "Identity": "id", "Contact": "<sip:a@192.0.2.1>", "content-TYPE": "text/plain", "S": "hello",
	} {
		equal(t, m.Get(long), want)
	}
	equal(t, strings.Join(m.GetAll("Supported"), "|"), "timer|100rel")
	m.Remove("K")
	equal(t, m.Has("Supported"), false)
	m.Set("Subject", "new")
	equal(t, m.Get("s"), "new")
}

func TestLossSpacesInCSeq(t *testing.T) {
	m := parsed(t, with("CSeq", "CSeq: 2 \t  INVITE"))
	equal(t, m.CSeq, CSeq{2, INVITE})
}

func TestLossMethodsAreCaseSensitive(t *testing.T) {
	raw := strings.ReplaceAll(string(plain()), "INVITE", "Invite")
	m := parsed(t, []byte(raw))
	equal(t, m.Method, Method("Invite"))
	equal(t, m.Method == INVITE, false)
}

func TestLossSchemeOfARequestURI(t *testing.T) {
	for uri, status := range map[string]int{
		"soap.beep://192.0.2.103:3002": 416, "http://example.com": 416, "urn:service:sos": 416, "x": 400,
		"tel:+4930123456;phone-context=example.com": 0, "sips:b@example.com": 0, "SIP:b@example.com": 0,
	} {
		_, err := Parse([]byte(strings.Replace(string(plain()), "sip:b@example.com SIP", uri+" SIP", 1)))
		equal(t, statusOf(err), status)
	}
}

func TestLossHeadersKeepOrderAndSpelling(t *testing.T) {
	m := parsed(t, plain("x-ONE: 1", "X-Two:  2  ", "x-one: 3", "Empty:"))
	out := string(m.AppendTo(nil))
	if !strings.Contains(out, "\r\nx-ONE: 1\r\nX-Two: 2\r\nx-one: 3\r\nEmpty: \r\n") {
		t.Errorf("lost order or spelling:\n%s", out)
	}
}

// Real devices' deviations that cost nothing to accept.
func TestDeviationsAccepted(t *testing.T) {
	for _, line := range []string{
		`From: Müller, Hans (home) <sip:a@example.com>;tag=1`, `From: sip:a@example.com <sip:a@example.com>;tag=1`,
		`From: <sip:a@example.com>;tag=1;`, `From: "a\"b" <sip:a@example.com;x=y>;tag=1`, `From:<SIP:a@EXAMPLE.com>;tag=1`,
		`From: "" <sip:a_b@my_host>;tag=1`, `From: <tel:+49;isub=1>;tag=1`, `From: <sip:anonymous@anonymous.invalid>;tag=a:b@c`,
		`f : "x"<sip:a@[2001:db8::1]:5060>;tag=1`, `From: <sip:@example.com>;tag=1`, `From: <sip:a@example.com?>;tag=1`,
	} {
		m := parsed(t, with("From", line))
		roundTrip(t, m)
		if m.From.Tag() == "" {
			t.Errorf("%s: no tag", line)
		}
	}
}

func statusOf(err error) int {
	if err == nil {
		return 0
	}
	var pe *ParseError
	if errors.As(err, &pe) {
		return pe.Status
	}
	return -1
}
