package msg

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func TestNewResponseCopies(t *testing.T) {
	req := parsed(t, plain("v: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK2", "Timestamp: 54", "Subject: x", "Record-Route: <sip:p;lr>"))
	req.Hop = Hop{Interface: "sif_1", Conn: 7}
	res := NewResponse(req, 180, "")
	equal(t, string(res.AppendTo(nil)), "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"+
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"+
		"v: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK2\r\nContent-Length: 0\r\n\r\n")
	equal(t, res.Hop, req.Hop)
	equal(t, res.IsRequest(), false)
	equal(t, res.CSeq, req.CSeq)
	equal(t, NewResponse(req, 100, "").Get("Timestamp"), "54")
	equal(t, NewResponse(req, 486, "Not now").StartLine(), "SIP/2.0 486 Not now")
	res.SetToTag("t1")
	res.SetToTag("t2")
	equal(t, res.Get("To"), "<sip:b@example.com>;tag=t1")
	equal(t, res.To.Tag(), "t1")
	equal(t, req.To.Tag(), "")
	NewRequest(ACK, URI{}).SetToTag("x")
}

func TestSettersKeepFieldsInStep(t *testing.T) {
	u, err := ParseURI("sip:b@example.com")
	equal(t, err, nil)
	m := NewRequest(INVITE, u)
	m.Append("f", "<sip:x@y>;tag=9")
	equal(t, m.From.Tag(), "9")
	m.Set("From", "<sip:x@y>;tag=10")
	equal(t, m.From.Tag(), "10")
	m.SetTo(NameAddr{URI: u})
	m.Append("i", "id")
	equal(t, m.CallID, "id")
	m.SetCallID("id2")
	equal(t, len(m.GetAll("Call-ID")), 1)
	m.SetCSeq(7, INVITE)
	m.Set("CSEQ", "8 INVITE")
	equal(t, m.CSeq.Seq, uint32(8))
	m.SetMaxForwards(70)
	m.Set("Max-Forwards", "12")
	equal(t, m.MaxForwards, 12)
	m.SetMaxForwards(math.MaxInt)
	equal(t, m.Get("Max-Forwards"), "255")
	m.Remove("Max-Forwards")
	equal(t, m.MaxForwards, -1)
	m.Append("Via", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b")
	m.SetTopVia(Via{Transport: "TCP", Host: "::1", Port: 5060, Params: SetParam(nil, "branch", "z")})
	equal(t, m.Get("v"), "SIP/2.0/TCP [::1]:5060;branch=z, SIP/2.0/UDP b")
	m.PrependVia(Via{Transport: "UDP", Host: "c"})
	equal(t, m.Via.Host, "c")
	m.Prepend("v", "SIP/2.0/UDP d")
	equal(t, m.Via.Host, "d")
	m.Remove("Via")
	m.SetTopVia(Via{Transport: "UDP", Host: "e"})
	equal(t, m.Get("Via"), "SIP/2.0/UDP e")
	roundTrip(t, m)
}

func TestSetReplacesAll(t *testing.T) {
	m := parsed(t, plain("Supported: a", "X: 1", "k: b", "Y: 2", "SUPPORTED: c"))
	m.Set("Supported", "d")
	equal(t, strings.Join(m.Values("k"), ","), "d")
	s := string(m.AppendTo(nil))
	equal(t, strings.Index(s, "Supported: d") < strings.Index(s, "X: 1"), true)
	equal(t, strings.Contains(s, "Y: 2"), true)
	m.Set("New", "1")
	equal(t, m.Headers[len(m.Headers)-1].Name, "New")
}

func TestValues(t *testing.T) {
	m := parsed(t, plain(`Accept: a/b;q="1,2", c/d,,`, "accept: e/f", "Empty:"))
	equal(t, strings.Join(m.Values("Accept"), "|"), `a/b;q="1,2"|c/d|e/f`)
	equal(t, len(m.Values("Empty")), 0)
	equal(t, len(m.Values("None")), 0)
}

func TestBodyAndLength(t *testing.T) {
	m := parsed(t, plain())
	m.SetBody("application/sdp", []byte("v=0\r\n"))
	m.Headers = append(m.Headers, Header{"Content-Length", "99"}, Header{"l", "98"})
	s := string(m.AppendTo(nil))
	equal(t, strings.Count(s, "Content-Length"), 1)
	equal(t, strings.HasSuffix(s, "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"), true)
	m.SetBody("", nil)
	equal(t, m.Has("c"), false)
	equal(t, strings.HasSuffix(string(m.AppendTo(nil)), "Content-Length: 0\r\n\r\n"), true)
}

func TestCloneIsApart(t *testing.T) {
	m := parsed(t, bigInvite())
	before := string(m.AppendTo(nil))
	c := m.Clone()
	c.Set("Contact", "<sip:x@y>")
	c.RequestURI.Host = "other"
	c.RequestURI.UriParams[0].V = "x"
	c.From.Params[0].V = "x"
	c.SetTopVia(Via{Transport: "UDP", Host: "z"})
	equal(t, string(m.AppendTo(nil)), before)
	equal(t, c.Raw == nil, true)
}

// TestParametersAreApart: what is appended to one header's parameters does not run into the next one's.
func TestParametersAreApart(t *testing.T) {
	m := parsed(t, bigInvite())
	_ = append(m.Via.Params, SetParam(nil, "received", "x")...)
	m.RequestURI.UriParams.Add("zz", "1")
	equal(t, m.From.Tag(), "gK0c1f2a3b")
	equal(t, m.Via.Branch(), "z9hG4bK8a7d0f3e2b")
}

func TestUnparsedParameterValuesAreQuoted(t *testing.T) {
	p := SetParam(nil, "text", `say "hi" \ now`)
	equal(t, string(appendParams(nil, p)), `;text="say \"hi\" \\ now"`)
	n, err := ParseNameAddr("<sip:a@b>" + string(appendParams(nil, p)))
	equal(t, err, nil)
	v, _ := Param(n.Params, "TEXT")
	equal(t, v, `say "hi" \ now`)
}

func TestContact(t *testing.T) {
	udp := Local{Transport: sbc.TransportUDP, Host: "192.0.2.1", Port: 5060}
	equal(t, udp.Contact("abc"), "<sip:abc@192.0.2.1:5060>")
	tcp := Local{Transport: sbc.TransportTCP, Host: "2001:db8::1", Port: 5070}
	equal(t, tcp.Contact(""), "<sip:[2001:db8::1]:5070;transport=tcp>")
	equal(t, Local{Host: "sbc.example.com"}.Contact("a b@c>%"), "<sip:a%20b%40c%3E%25@sbc.example.com>")
	if _, err := ParseNameAddr(Local{Transport: sbc.TransportTCP, Host: "::1", Port: 1}.Contact("x")); err != nil {
		t.Error(err)
	}
}

func TestTimersDefaults(t *testing.T) {
	d := Timers{}.WithDefaults()
	want := Timers{T1: DefaultT1, T2: DefaultT2, T4: DefaultT4, B: 32 * time.Second, NoResponse: 32 * time.Second, C: DefaultC}
	equal(t, d, want)
	d = Timers{T1: 100 * time.Millisecond, NoResponse: time.Second}.WithDefaults()
	equal(t, d.B, 6400*time.Millisecond)
	equal(t, d.NoResponse, time.Second)
}

func TestIdentifiersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 3000 {
		for _, s := range []string{NewTag(), NewBranch(), NewCallID()} {
			if seen[s] || !isToken(s) || len(s) < 16 {
				t.Fatalf("%q", s)
			}
			seen[s] = true
		}
	}
	equal(t, strings.HasPrefix(NewBranch(), MagicCookie), true)
}

func TestStatusText(t *testing.T) {
	for code, want := range map[int]string{
		100: "Trying", 487: "Request Terminated", 503: "Service Unavailable", 199: "Early Dialog Terminated", 150: "Session Progress",
		299: "OK", 399: "Redirection", 499: "Bad Request", 599: "Server Internal Error", 699: "Global Failure",
	} {
		equal(t, StatusText(code), want)
	}
}

func TestIsKeepAlive(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "\r\n\r\n": true, "\x00\x00\x00\x00": true, " \r\n": true, "INVITE": false, strings.Repeat("\r\n", 40): false,
	} {
		equal(t, IsKeepAlive([]byte(in)), want)
	}
}

func TestParseErrorText(t *testing.T) {
	_, err := Parse(plain("To: x"))
	equal(t, err.Error(), "msg: 400 Duplicate To")
	_, err = ParseURI("x")
	equal(t, err.Error(), "msg: URI without scheme")
}

func ExampleParse() {
	m, err := Parse([]byte("OPTIONS sip:border.example.net SIP/2.0\r\n" +
		"v: SIP / 2.0 / UDP 192.0.2.1 ; BRANCH = z9hG4bK77\r\n" +
		"f: Bell, Alexander <sip:bell@example.com>;tag=a==\r\nt: <sip:border.example.net>\r\n" +
		"i: 1@192.0.2.1\r\nCSeq: 1   OPTIONS\r\n\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Method, m.Via.Branch(), m.From.Tag(), m.From.Display, m.Get("Call-ID"))
	// Output: OPTIONS z9hG4bK77 a== Bell, Alexander 1@192.0.2.1
}

func ExampleNewResponse() {
	req, err := Parse([]byte("OPTIONS sip:border.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77\r\n" +
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:border.example.net>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	res := NewResponse(req, 200, "")
	res.SetToTag("x7")
	res.Append("Allow", "INVITE, ACK, BYE")
	fmt.Println(strings.ReplaceAll(string(res.AppendTo(nil)), "\r\n", "\n"))
	// Output:
	// SIP/2.0 200 OK
	// Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK77
	// From: <sip:a@example.com>;tag=1
	// To: <sip:border.example.net>;tag=x7
	// Call-ID: 1
	// CSeq: 1 OPTIONS
	// Allow: INVITE, ACK, BYE
	// Content-Length: 0
}

// TestOnlyContact: there is but one one, and can be read.
func TestOnlyContact(t *testing.T) {
	for _, c := range []struct {
		contacts []string
		want     string
	}{
		{[]string{"<sip:a@192.0.2.1>"}, "a"},
		{[]string{"<sip:a@192.0.2.1>, <sip:b@192.0.2.1>"}, ""},
		{[]string{"<sip:a@192.0.2.1>", "<sip:b@192.0.2.1>"}, ""},
		{[]string{"<sip:a@192.0.2.1>,"}, ""},
		{[]string{"<sip:a@192.0.2.1"}, ""},
		{[]string{""}, ""},
		{nil, ""},
	} {
		m := NewRequest(INVITE, URI{})
		for _, v := range c.contacts {
			m.Append("Contact", v)
		}
		got, ok := m.Contact()
		if got.URI.User != c.want || ok != (c.want != "") {
			t.Errorf("%q: %q, %v", c.contacts, got.URI.User, ok)
		}
	}
}
