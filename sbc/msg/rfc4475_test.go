package msg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector is a message of RFC 4475: what Parse must make of it, and what the RFC says besides.
type vector struct {
	name, section string
	status        int    // 0: accepted; dropped: refused, nothing to answer
	note          string // what the RFC asks for; where a later layer answers, which header tells it to
	check         func(t *testing.T, m *Message)
}

const dropped = -1

// The expectations of RFC 4475, message by message.
var rfc4475 = []vector{
	// 3.1.1 valid messages
	{"wsinv", "3.1.1.1", 0, "well-formed", checkWsinv},
	{"intmeth", "3.1.1.2", 0, "well-formed", checkIntmeth},
	{"esc01", "3.1.1.3", 0, "escapes are kept", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.User, "sips%3Auser%40example.com")
		equal(t, m.RequestURI.Host, "example.net")
	}},
	{"escnull", "3.1.1.4", 0, "escaped NULs are part of the user", func(t *testing.T, m *Message) {
		contacts, err := m.Contacts()
		equal(t, err, nil)
		equal(t, len(contacts), 2)
		equal(t, contacts[0].URI.User, "%00")
		equal(t, contacts[1].URI.User, "%00%00")
	}},
	{"esc02", "3.1.1.5", 0, "% escapes nothing outside URIs: a method of its own", func(t *testing.T, m *Message) {
		equal(t, m.Method, Method("RE%47IST%45R"))
	}},
	{"lwsdisp", "3.1.1.6", 0, "no space before <", func(t *testing.T, m *Message) {
		equal(t, m.From.Display, "caller")
		equal(t, m.From.URI.Host, "example.com")
		equal(t, m.From.Tag(), "323")
	}},
	{"longreq", "3.1.1.7", 0, "long values", func(t *testing.T, m *Message) {
		vias, err := m.Vias()
		equal(t, err, nil)
		equal(t, len(vias), 34)
		equal(t, len(m.Body), 150)
	}},
	{"dblreq", "3.1.1.8", 0, "octets behind the body are ignored", func(t *testing.T, m *Message) {
		equal(t, m.Method, REGISTER)
		equal(t, len(m.Body), 0)
	}},
	{"semiuri", "3.1.1.9", 0, "semicolons in the user part", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.User, "user;par=u%40example.net")
		equal(t, len(m.RequestURI.UriParams), 0)
	}},
	{"transports", "3.1.1.10", 0, "unknown transports in Via", func(t *testing.T, m *Message) {
		vias, err := m.Vias()
		equal(t, err, nil)
		var names []string
		for _, v := range vias {
			names = append(names, v.Transport)
		}
		equal(t, strings.Join(names, " "), "UDP SCTP TLS UNKNOWN TCP")
	}},
	{"mpart01", "3.1.1.11", 0, "a body of any octets", func(t *testing.T, m *Message) {
		equal(t, len(m.Body), 553)
		equal(t, strings.HasPrefix(m.Get("c"), "multipart/mixed"), true)
	}},
	{"unreason", "3.1.1.12", 0, "UTF-8 in the phrase", func(t *testing.T, m *Message) {
		equal(t, m.Status, 200)
		equal(t, strings.HasPrefix(m.Reason, "= 2**3 * 5**2 "), true)
	}},
	{"noreason", "3.1.1.13", 0, "no phrase", func(t *testing.T, m *Message) {
		equal(t, m.Status, 100)
		equal(t, m.Reason, "")
	}},
	// 3.1.2 invalid messages
	{"badinv01", "3.1.2.1", 400, "400 is due", nil},
	{"clerr", "3.1.2.2", 400, "400 on UDP; a stream waits for the octets", nil},
	{"ncl", "3.1.2.3", 400, "400 is due; a stream is closed", nil},
	{"scalar02", "3.1.2.4", 400, "400 is due for the CSeq", nil},
	{"scalarlg", "3.1.2.5", dropped, "a response is discarded", nil},
	{"quotbal", "3.1.2.6", 400, "400 is due", nil},
	{"ltgtruri", "3.1.2.7", 400, "reject as malformed", nil},
	{"lwsruri", "3.1.2.8", 400, "400 is acceptable", nil},
	{"lwsstart", "3.1.2.9", 400, "400 is acceptable", nil},
	{"trws", "3.1.2.10", 400, "400 is acceptable", nil},
	{"escruri", "3.1.2.11", 400, "400 is acceptable", nil},
	{"baddate", "3.1.2.12", 0, "who does not use Date may ignore it", func(t *testing.T, m *Message) {
		equal(t, m.Get("Date"), "Fri, 01 Jan 2010 16:00:00 EST")
	}},
	{"regbadct", "3.1.2.13", 400, "400 is due", nil},
	{"badaspec", "3.1.2.14", 0, "spaces inside <> may be ignored, and are not sent on", func(t *testing.T, m *Message) {
		equal(t, m.To.String(), `"Watson, Thomas" <sip:t.watson@example.org>`)
	}},
	{"baddn", "3.1.2.15", 0, "quotes may be inferred, and must be sent on", func(t *testing.T, m *Message) {
		equal(t, m.From.String(), `"Bell, Alexander" <sip:a.g.bell@example.com>;tag=43`)
	}},
	{"badvers", "3.1.2.16", 505, "505 is due", nil},
	{"mismatch01", "3.1.2.17", 400, "400 is due", nil},
	{"mismatch02", "3.1.2.18", 400, "400 or 501", nil},
	{"bigcode", "3.1.2.19", dropped, "a response is discarded", nil},
	// 3.2 transaction layer
	{"badbranch", "3.2.1", 400, "400 is acceptable", nil},
	// 3.3 application layer
	{"insuf", "3.3.1", 400, "400 for what is missing", nil},
	{"unkscm", "3.3.2", 416, "416 is due", nil},
	{"novelsc", "3.3.3", 416, "416 is due", nil},
	{"unksm2", "3.3.4", 0, "schemes in From, To, Contact are the registrar's affair", func(t *testing.T, m *Message) {
		equal(t, m.To.URI.Scheme, "isbn")
		equal(t, m.From.URI.Raw, "http://www.example.com")
	}},
	{"bext01", "3.3.5", 0, "420 by who handles it: Require", func(t *testing.T, m *Message) {
		equal(t, strings.Join(m.Values("Require"), "|"), "nothingSupportsThis|nothingSupportsThisEither")
	}},
	{"invut", "3.3.6", 0, "415 by who handles it: Content-Type", func(t *testing.T, m *Message) {
		equal(t, m.Get("Content-Type"), "application/unknownformat")
	}},
	{"regaut01", "3.3.7", 0, "an unknown scheme is ignored: Authorization", func(t *testing.T, m *Message) {
		equal(t, m.Get("Authorization"), "NoOneKnowsThisScheme opaque-data=here")
	}},
	{"multi01", "3.3.8", 400, "400 is due", nil},
	{"mcl01", "3.3.9", 400, "400 is due, then close a stream", nil},
	{"bcast", "3.3.10", 0, "discarded by edge: no transaction, two Vias", func(t *testing.T, m *Message) {
		vias, err := m.Vias()
		equal(t, err, nil)
		equal(t, vias[1].Host, "255.255.255.255")
	}},
	{"zeromf", "3.3.11", 0, "483 or an answer by who handles it", func(t *testing.T, m *Message) {
		equal(t, m.MaxForwards, 0)
	}},
	{"cparam01", "3.3.12", 0, "the parameter is the header's", checkCparam},
	{"cparam02", "3.3.13", 0, "the parameter is the URI's", func(t *testing.T, m *Message) {
		contacts, err := m.Contacts()
		equal(t, err, nil)
		_, inURI := contacts[0].URI.Param("unknownparam")
		equal(t, inURI, true)
		equal(t, len(contacts[0].Params), 0)
	}},
	{"regescrt", "3.3.14", 0, "headers in a Contact URI are kept", func(t *testing.T, m *Message) {
		contacts, err := m.Contacts()
		equal(t, err, nil)
		route, _ := Param(contacts[0].URI.Headers, "Route")
		equal(t, route, "%3Csip:sip.example.com%3E")
	}},
	{"sdp01", "3.3.15", 0, "406 by who handles it: Accept", func(t *testing.T, m *Message) {
		equal(t, m.Get("Accept"), "text/nobodyKnowsThis")
	}},
	{"inv2543", "3.4.1", 0, "no branch, no tag, no Max-Forwards: still served", func(t *testing.T, m *Message) {
		equal(t, m.MaxForwards, -1)
		equal(t, m.From.Tag(), "")
		equal(t, m.Via.Branch(), "")
		_, phone := Param(m.To.Params, "user")
		equal(t, phone, true) // without brackets it is the header's
	}},
}

func checkWsinv(t *testing.T, m *Message) {
	equal(t, m.Method, INVITE)
	equal(t, m.To.URI.String(), "sip:vivekg@chair-dnrc.example.com")
	equal(t, m.To.Tag(), "1918181833n")
	equal(t, m.From.Display, `J Rosenberg \"`)
	equal(t, m.From.Tag(), "98asjd8")
	equal(t, m.MaxForwards, 68)
	equal(t, m.CSeq, CSeq{9, INVITE})
	equal(t, m.Has("Subject"), true)
	equal(t, m.Get("Subject"), "")
	equal(t, m.Get("newfangledheader"), "newfangled value continued newfangled value")
	equal(t, m.Get("UnknownHeaderWithUnusualValue"), ";;,,;;,;")
	vias, err := m.Vias()
	equal(t, err, nil)
	equal(t, len(vias), 3)
	equal(t, m.Via.String(), "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw")
	equal(t, vias[1].String(), "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8")
	equal(t, vias[2].String(), "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239")
	routes, err := m.Routes()
	equal(t, err, nil)
	equal(t, routes[0].String(), "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>")
	contacts, err := m.Contacts()
	equal(t, err, nil)
	equal(t, contacts[0].Display, `Quoted string ""`)
	equal(t, contacts[0].String(), `"Quoted string \"\"" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33`)
}

func checkIntmeth(t *testing.T, m *Message) {
	equal(t, m.Method, Method("!interesting-Method0123456789_*+`.%indeed'~"))
	equal(t, m.RequestURI.Host, "example.com")
	equal(t, m.RequestURI.String(), m.RequestURI.Raw)
	equal(t, m.To.Display, "BEL:\a NUL:\x00 DEL:\x7f")
	equal(t, m.From.Display, "token1~` token2'+_ token3*%!.-")
	equal(t, m.From.Tag(), "_token~1'+`*%!-.")
	v, _ := Param(m.From.Params, "fromParam''~+*_!.-%")
	equal(t, v, "\xd1\x80\xd0\xb0\xd0\xb1\xd0\xbe\xd1\x82\xd0\xb0\xd1\x8e\xd1\x89\xd0\xb8\xd0\xb9")
	equal(t, m.MaxForwards, 255)
}

func checkCparam(t *testing.T, m *Message) {
	contacts, err := m.Contacts()
	equal(t, err, nil)
	_, inHeader := Param(contacts[0].Params, "unknownparam")
	equal(t, inHeader, true)
	equal(t, len(contacts[0].URI.UriParams), 0)
}

func TestRFC4475(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) != 49 || len(rfc4475) != 49 {
		t.Fatalf("%d files, %d expectations, %v; want 49 of both", len(files), len(rfc4475), err)
	}
	for _, v := range rfc4475 {
		t.Run(v.section+" "+v.name, func(t *testing.T) { checkVector(t, "testdata/rfc4475/"+v.name+".dat", v) })
	}
}

// checkVector parses a message and compares. Accepted ones must survive being written; refused ones must be answerable.
func checkVector(t *testing.T, file string, v vector) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(raw)
	var pe *ParseError
	switch {
	case err == nil && v.status != 0:
		t.Fatalf("accepted; want %d (%s)", v.status, v.note)
	case err == nil:
		roundTrip(t, m)
		v.check(t, m)
	case !errors.As(err, &pe) || v.status == 0:
		t.Fatalf("refused with %v; want it accepted (%s)", err, v.note)
	case v.status == dropped:
		equal(t, pe.Partial == nil, true)
	default:
		equal(t, pe.Status, v.status)
		answerable(t, pe)
	}
}

// roundTrip wants what we write to be read the same, and written the same again.
func roundTrip(t *testing.T, m *Message) {
	t.Helper()
	once := m.AppendTo(nil)
	again, err := Parse(append([]byte(nil), once...))
	if err != nil {
		t.Fatalf("what we wrote is refused: %v\n%s", err, once)
	}
	equal(t, again.Method, m.Method)
	equal(t, again.Status, m.Status)
	equal(t, again.CallID, m.CallID)
	equal(t, again.CSeq, m.CSeq)
	equal(t, string(again.Body), string(m.Body))
	equal(t, string(again.AppendTo(nil)), string(once))
}

// answerable wants a response to be made of what was read.
func answerable(t *testing.T, pe *ParseError) {
	t.Helper()
	if pe.Partial == nil {
		t.Fatal("nothing to build the answer from")
	}
	res := NewResponse(pe.Partial, pe.Status, pe.Reason)
	res.SetToTag("t")
	b := string(res.AppendTo(nil))
	equal(t, strings.HasPrefix(b, "SIP/2.0 "), true)
	equal(t, res.Has("Via"), true)
	equal(t, strings.ContainsRune(b, 0), false)
	equal(t, strings.Count(b, "\r"), strings.Count(b, "\n"))
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %#v, want %#v", got, want)
	}
}
