package msg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What two readers could understand differently is one thing here, or refused (reliability.md, header smuggling).
func TestSmuggling(t *testing.T) {
	tests := []struct {
		name   string
		raw    []byte
		status int
	}{
		{"bare LF ends no header", plain("X: a\nP-Asserted-Identity: <sip:boss@example.com>"), 400},
		{"bare LF empty line", plain("X: a\n\nBYE sip:x SIP/2.0"), 400},
		{"LF CR order", plain("X: a\n\rY: b"), 400},
		{"bare CR", plain("X: a\rP-Asserted-Identity: <sip:boss@example.com>"), 400},
		{"CR CR LF", plain("X: a\r"), 400},
		{"NUL in a value", plain("X: a\x00b"), 400},
		{"NUL in a name", plain("X\x00: a"), 400},
		{"NUL before the colon", plain("P-Asserted-Identity\x00: a"), 400},
		{"LF before the colon", plain("P-Asserted-Identity\n: a"), 400},
		{"fold before the colon", plain("P-Asserted-Identity\r\n : a"), 400},
		{"space in a name", plain("X Y: a"), 400},
		{"no colon", plain("nonsense"), 400},
		{"no name", plain(": a"), 400},
		{"name in UTF-8", plain("Ü: a"), 400},
		{"vertical tab in a name", plain("X\v: a"), 400},
		{"fold of the first line", []byte(strings.Replace(string(plain()), "SIP/2.0\r\n", "SIP/2.0\r\n X: 1\r\n", 1)), 400},
		{"two Content-Length", plain("Content-Length: 0"), 400},
		{"two Content-Length, one compact", plain("l: 0"), 400},
		{"two Content-Length in one", with("Content-Length", "Content-Length: 0, 0"), 400},
		{"Content-Length negative", with("Content-Length", "Content-Length: -1"), 400},
		{"Content-Length signed", with("Content-Length", "Content-Length: +0"), 400},
		{"Content-Length hexadecimal", with("Content-Length", "Content-Length: 0x0"), 400},
		{"Content-Length with spaces", with("Content-Length", "Content-Length: 0 0"), 400},
		{"Content-Length empty", with("Content-Length", "Content-Length:"), 400},
		{"Content-Length overflows", with("Content-Length", "Content-Length: 18446744073709551616"), 400},
		{"Content-Length too large", with("Content-Length", "Content-Length: 2147483647"), 400},
		{"two From", plain("f: <sip:x@example.com>;tag=2"), 400},
		{"two To", plain("TO : <sip:x@example.com>"), 400},
		{"two To in one", with("To", "To: <sip:b@example.com>, <sip:c@example.com>"), 400},
		{"two Call-ID", plain("i: c2"), 400},
		{"two Call-ID in one", with("Call-ID", "Call-ID: c1, c2"), 400},
		{"two CSeq", plain("cseq: 2 INVITE"), 400},
		{"two CSeq in one", with("CSeq", "CSeq: 1 INVITE, 2 INVITE"), 400},
		{"two Max-Forwards", plain("Max-Forwards: 70"), 400},
		{"two Content-Type", plain("c: text/plain", "Content-Type: application/sdp"), 400},
		{"two Refer-To", plain("Refer-To: <sip:a@b>", "r: <sip:c@d>"), 400},
		{"two tags", with("From", "From: <sip:a@example.com>;tag=1;TAG=2"), 400},
		{"two branches", with("Via", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;Branch=z9hG4bK2"), 400},
		{"two at signs", with("From", "From: <sip:a@example.com@evil.example>;tag=1"), 400},
		{"at sign in a parameter", with("From", "From: <sip:example.com;x=@evil.example>;tag=1"), 0},
		{"text after the bracket", with("From", "From: <sip:a@example.com> <sip:b@evil.example>;tag=1"), 400},
		{"text after the quote", with("From", `From: "a" b <sip:a@example.com>;tag=1`), 400},
		{"tag with a space", with("From", "From: <sip:a@example.com>;tag=1 2"), 400},
		{"IPv6 without brackets in Via", with("Via", "Via: SIP/2.0/UDP 2001:db8::1;branch=z9hG4bK1"), 400},
		{"IPv6 zone", with("Via", "Via: SIP/2.0/UDP [fe80::1%25eth0];branch=z9hG4bK1"), 400},
		{"port too high", with("Via", "Via: SIP/2.0/UDP 192.0.2.1:65536;branch=z9hG4bK1"), 400},
		{"no empty line", []byte(strings.TrimSuffix(string(plain()), "\r\n")), 400},
		{"Max-Forwards above 255", with("Max-Forwards", "Max-Forwards: 256"), 400},
		{"CSeq 2**31", with("CSeq", "CSeq: 2147483648 INVITE"), 400},
		{"CSeq 2**31-1", with("CSeq", "CSeq: 2147483647 INVITE"), 0},
		{"empty Contact", plain("Contact:"), 400},
		{"space and tab before the colon", plain("X \t : a"), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.raw)
			equal(t, statusOf(err), test.status)
			var pe *ParseError
			if errors.As(err, &pe) && pe.Partial != nil {
				answerable(t, pe)
			}
		})
	}
}

// TestSmugglingNamesAreOne: however a header is written, a look-up finds it, and a removal takes it away.
func TestSmugglingNamesAreOne(t *testing.T) {
	for _, line := range []string{
		"P-Asserted-Identity: x", "P-Asserted-Identity : x", "P-Asserted-Identity\t:x", "p-aSSERTED-identity: x",
		"P-Asserted-Identity:\r\n x", "P-Asserted-Identity \t:\r\n\t x",
	} {
		m := parsed(t, plain(line))
		equal(t, m.Get("P-Asserted-Identity"), "x")
		equal(t, m.Has("P-Asserted-Identity"), true)
		m.Remove("p-asserted-identity")
		equal(t, strings.Contains(strings.ToLower(string(m.AppendTo(nil))), "asserted"), false)
	}
}

func TestFolding(t *testing.T) {
	m := parsed(t, plain("Subject: one\r\n two\r\n\tthree \r\n \r\n  four"))
	equal(t, m.Get("s"), "one two three  four")
	equal(t, strings.Contains(string(m.AppendTo(nil)), "\r\n "), false)
}

// TestNothingIsAnsweredTo: responses, ACK and what is not SIP get no answer, however broken.
func TestNothingIsAnsweredTo(t *testing.T) {
	ack := strings.ReplaceAll(string(plain("bad header")), "INVITE", "ACK")
	for name, raw := range map[string]string{
		"ACK": ack, "response": "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n",
		"no Via": "INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n",
		"HTTP":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "nothing": "", "CRLF": "\r\n\r\n", "garbage": "\x16\x03\x01\x02\x00\x01",
		"status 99": "SIP/2.0 99 X\r\n\r\n", "status 700": "SIP/2.0 700 X\r\n\r\n", "status +20": "SIP/2.0 +20 X\r\n\r\n",
		"version 3 response": "SIP/3.0 200 OK\r\n\r\n", "one word": "INVITE\r\n\r\n", "two words": "INVITE sip:a@b\r\n\r\n",
	} {
		_, err := Parse([]byte(raw))
		var pe *ParseError
		if !errors.As(err, &pe) || pe.Partial != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	many := strings.Repeat("X-Bomb: 1\r\n", 10000)
	_, err := Parse(plain(strings.TrimSuffix(many, "\r\n")))
	var pe *ParseError
	equal(t, errors.As(err, &pe), true)
	equal(t, pe.Status, 513)
	answerable(t, pe)
	if n := len(pe.Partial.Headers); n > MaxHeaders {
		t.Errorf("%d headers were kept", n)
	}
	_, err = Parse(plain("Subject: x" + strings.Repeat("\r\n y", 10000)))
	equal(t, statusOf(err), 513)
	_, err = Parse(with("From", "From: <sip:a@b>"+strings.Repeat(";x=1", MaxParams+1)+";tag=1"))
	equal(t, statusOf(err), 400)
	_, err = Parse(with("To", "To: <sip:a@b"+strings.Repeat(";x=1", MaxParams+1)+">"))
	equal(t, statusOf(err), 400)
	fits := make([]string, MaxHeaders-8)
	for i := range fits {
		fits[i] = fmt.Sprintf("X-%d: %d", i, i)
	}
	equal(t, len(parsed(t, plain(fits...)).Headers), MaxHeaders-1)
}

// TestWritten: nothing we write can hold a line end of its own, wherever it came from.
func TestWritten(t *testing.T) {
	evil := "a\r\nX-Evil: 1\r\n\r\nb\x00c\nd\re"
	u := URI{}
	u.Scheme, u.User, u.Host = "sip", evil, "host"+evil
	u.UriParams = SetParam(nil, "p"+evil, evil)
	u.Headers = SetParam(nil, "h", evil)
	a := NameAddr{Display: evil, URI: u, Params: SetParam(nil, "x"+evil, evil)}
	m := NewRequest(Method("INV"+evil), u)
	m.PrependVia(Via{Transport: "UDP" + evil, Host: evil, Params: SetParam(nil, "branch", evil)})
	m.SetFrom(a)
	m.SetTo(a.WithTag(evil))
	m.SetToTag(evil)
	m.SetCallID(evil)
	m.SetCSeq(1, Method("INVITE"+evil))
	m.Append("X-Name"+evil, evil)
	m.Prepend("X-First", evil)
	m.Set("X-Set", evil)
	m.Headers = append(m.Headers, Header{"X-Raw", evil}, Header{"X-Raw" + evil, "v"}, Header{"", "v"})
	m.SetBody("text/plain"+evil, []byte("body"))
	res := NewResponse(m, 200, evil)
	for _, b := range [][]byte{m.AppendTo(nil), res.AppendTo(nil)} {
		head, _, _ := strings.Cut(string(b), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") || strings.HasPrefix(line, "X-Evil") || line == "" || line[0] == ' ' {
				t.Errorf("line %q", line)
			}
		}
	}
	equal(t, strings.Contains(Local{Host: "h" + evil, Port: 1}.Contact(evil), "\r"), false)
}
