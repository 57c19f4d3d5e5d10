package msg

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// The expectations of RFC 5118, message by message (4.5 and 4.10 have two each).
var rfc5118 = []vector{
	{"ipv6-good", "4.1", 0, "well-formed", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.Host, "2001:db8::10")
		equal(t, m.Via.Host, "2001:db8::9:1")
		contacts, err := m.Contacts()
		equal(t, err, nil)
		equal(t, contacts[0].String(), `"Caller" <sip:caller@[2001:db8::1]>`)
	}},
	{"ipv6-bad", "4.2", 400, "400 is due", nil},
	{"port-ambiguous", "4.3", 0, "all of it is the address", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.Host, "2001:db8::10:5070")
		equal(t, m.RequestURI.Port, 0)
	}},
	{"port-unambiguous", "4.4", 0, "the port is outside the brackets", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.Host, "2001:db8::10")
		equal(t, m.RequestURI.Port, 5070)
	}},
	{"via-received-param-with-delim", "4.5", 0, "must be parsed", func(t *testing.T, m *Message) {
		equal(t, m.Via.Received(), "2001:db8::9:255")
		equal(t, m.Via.Branch(), "z9hG4bKas3-111")
	}},
	{"via-received-param-no-delim", "4.5", 0, "must be parsed", func(t *testing.T, m *Message) {
		equal(t, m.Via.Received(), "2001:db8::9:255")
		equal(t, m.Via.Branch(), "z9hG4bKas3")
	}},
	{"ipv6-in-sdp", "4.6", 0, "well-formed", func(t *testing.T, m *Message) {
		equal(t, strings.Contains(string(m.Body), "c=IN IP6 2001:db8::20\r\n"), true)
	}},
	{"mult-ip-in-header", "4.7", 0, "well-formed", func(t *testing.T, m *Message) {
		vias, err := m.Vias()
		equal(t, err, nil)
		equal(t, vias[0].Host, "2001:db8::9:1")
		equal(t, vias[0].Port, 6050)
		equal(t, vias[1].Host, "192.0.2.1")
		equal(t, vias[2].Received(), "192.0.2.200")
	}},
	{"mult-ip-in-sdp", "4.8", 0, "well-formed", func(t *testing.T, m *Message) {
		equal(t, len(m.Body), 189)
	}},
	{"ipv4-mapped-ipv6", "4.9", 0, "well-formed", func(t *testing.T, m *Message) {
		equal(t, m.Via.Port, 19823)
		a, err := netip.ParseAddr(m.Via.Host)
		equal(t, err, nil)
		equal(t, a.Unmap(), netip.MustParseAddr("192.0.2.10"))
	}},
	{"ipv6-bug-abnf-3-colons", "4.10", 0, "must be tolerated; sent on with two", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.Host, "2001:db8::192.0.2.1")
		equal(t, m.StartLine(), "OPTIONS sip:user@[2001:db8::192.0.2.1] SIP/2.0")
	}},
	{"ipv6-correct-abnf-2-colons", "4.10", 0, "well-formed", func(t *testing.T, m *Message) {
		equal(t, m.RequestURI.Host, "2001:db8::192.0.2.1")
	}},
}

func TestRFC5118(t *testing.T) {
	files, err := filepath.Glob("testdata/rfc5118/*.dat")
	if err != nil || len(files) != len(rfc5118) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(rfc5118), err)
	}
	for _, v := range rfc5118 {
		t.Run(v.section+" "+v.name, func(t *testing.T) { checkVector(t, "testdata/rfc5118/"+v.name+".dat", v) })
	}
}
