package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode"
)

const head = "v=0\r\no=- 1 1 IN IP4 10.1.1.10\r\ns=-\r\nc=IN IP4 10.1.1.10\r\nt=0 0\r\n"

// TestParseBounds: what is just inside is read, what is just outside is refused (reliability.md: overlong fields, SDP lists).
func TestParseBounds(t *testing.T) {
	line := "m=audio 4000 RTP/AVP 0\r\n"
	tests := []struct {
		name string
		body string
		want error
	}{
		{"bytes inside", head + "a=" + strings.Repeat("x", MaxBytes-len(head)-4) + "\r\n", nil},
		{"bytes outside", head + "a=" + strings.Repeat("x", MaxBytes-len(head)-3) + "\r\n", ErrTooLarge},
		{"m= lines inside", head + strings.Repeat(line, MaxMedia), nil},
		{"m= lines outside", head + strings.Repeat(line, MaxMedia+1), ErrTooLarge},
		{"formats inside", head + "m=audio 4000 RTP/AVP" + strings.Repeat(" 0", MaxFormats), nil},
		{"formats outside", head + "m=audio 4000 RTP/AVP" + strings.Repeat(" 0", MaxFormats+1), ErrTooLarge},
		{"lines inside", head + strings.Repeat("a=x\n", MaxLines-5), nil},
		{"lines outside", head + strings.Repeat("a=x\n", MaxLines-4), ErrTooLarge},
		{"lines outside without end", head + strings.Repeat("a=x\r", MaxLines-4), ErrTooLarge},
		{"only line ends", strings.Repeat("\r", MaxBytes), ErrSyntax},
		{"only blanks", strings.Repeat(" \n", MaxBytes/2), ErrSyntax},
		{"nul in the middle", "v=0\r\n\x00m=audio 1 RTP/AVP 0\r\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Parse([]byte(tt.body))
			if !errors.Is(err, tt.want) || (err == nil) != (d != nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				stable(t, d)
			}
		})
	}
}

// TestErrorsQuoteLittle: a hostile token does not fill the log.
func TestErrorsQuoteLittle(t *testing.T) {
	_, err := Parse([]byte(head + "m=audio " + strings.Repeat("9", 60000) + " RTP/AVP 0\r\n"))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error of %d octets", len(err.Error()))
	}
	sent, answer := parsed(t, audio), parsed(t, head+"m="+strings.Repeat("k", 9000)+" 1 RTP/AVP 0\r\n")
	if _, _, err = Check(sent, answer); err == nil || len(err.Error()) > 200 {
		t.Errorf("error of %d octets", len(err.Error()))
	}
}

// TestNotesAreBounded: formats never offered, as many as fit.
func TestNotesAreBounded(t *testing.T) {
	answer := parsed(t, head+"m=audio 5000 RTP/AVP 0"+strings.Repeat(" 77", MaxFormats-1)+"\r\n")
	_, notes, err := Check(parsed(t, audio), answer)
	if err != nil || len(notes) != maxNotes {
		t.Errorf("%d notes, %v", len(notes), err)
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct {
		value, user, id, version, host string
		valid                          bool
	}{
		{"alice 1 2 IN IP4 10.1.1.10", "alice", "1", "2", "10.1.1.10", true},
		{"My old Phone 1 2 IN IP6 2001:db8::1", "My old Phone", "1", "2", "2001:db8::1", true},
		{"- -17 99999999999999999999999 IN IP4 host.example", "-", "-17", "99999999999999999999999", "host.example", false},
		{"- 10.1.1.10", "", "", "", "10.1.1.10", true},
		{"-", "", "", "", "-", false},
	}
	for _, tt := range tests {
		o := parseOrigin(tt.value)
		if o.Username != tt.user || o.SessionID != tt.id || o.Version != tt.version || o.Host != tt.host ||
			o.Addr.IsValid() != tt.valid || o.Raw != tt.value {
			t.Errorf("%q: %+v", tt.value, o)
		}
	}
}

func TestDirection(t *testing.T) {
	tests := []struct {
		d, reverse      Direction
		name            string
		sends, receives bool
	}{
		{SendRecv, SendRecv, "sendrecv", true, true},
		{SendOnly, RecvOnly, "sendonly", true, false},
		{RecvOnly, SendOnly, "recvonly", false, true},
		{Inactive, Inactive, "inactive", false, false},
	}
	for _, tt := range tests {
		if tt.d.Reverse() != tt.reverse || tt.d.String() != tt.name || tt.d.Sends() != tt.sends || tt.d.Receives() != tt.receives {
			t.Errorf("%s: reverse %s, sends %v, receives %v", tt.d, tt.d.Reverse(), tt.d.Sends(), tt.d.Receives())
		}
		if direction(strings.ToUpper(tt.name)) != tt.d {
			t.Errorf("%s is not read in capitals", tt.name)
		}
	}
}

func TestDestination(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"literal", head + "m=audio 4000 RTP/AVP 0", "10.1.1.10:4000"},
		{"rejected", head + "m=audio 0 RTP/AVP 0", "invalid AddrPort"},
		{"zero address", head + "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0", "invalid AddrPort"},
		{"multicast", head + "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.1.1.1/127", "invalid AddrPort"},
		{"name", head + "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 host.example", "invalid AddrPort"},
		{"ipv6", head + "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1", "[2001:db8::1]:4000"},
	}
	for _, tt := range tests {
		if got := parsed(t, tt.body).Media[0].Destination().String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestTransport: every protocol word of the registry that phones use, and the classes they fall in.
func TestTransport(t *testing.T) {
	tests := map[Transport][]string{
		TransportRTP:   {"RTP/AVP", "RTP/AVPF", "rtp/avp", "Rtp/Avpf"},
		TransportSRTP:  {"RTP/SAVP", "RTP/SAVPF", "rtp/savp"},
		TransportDTLS:  {"UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "UDP/TLS/UDPTL", "UDP/DTLS/SCTP", "DTLS/SCTP", "udp/tls/bfcp"},
		TransportUDPTL: {"udptl", "UDPTL", "Udptl"},
		TransportUDP:   {"udp", "UDP/BFCP", "UDP/SPRT"},
		TransportTCP:   {"TCP/MSRP", "TCP/TLS/MSRP", "TCP/RTP/AVP", "RTP/AVP/TCP", "tcp", "TCP/DTLS/SCTP"},
		TransportOther: {"H323/AVX", "SCTP", "ATM/AVP", "RTP", "x"},
	}
	for want, words := range tests {
		for _, w := range words {
			if got := transport(w); got != want {
				t.Errorf("%s: class %d, want %d", w, got, want)
			}
		}
	}
}

// TestStaticTypes: the table of RFC 3551 section 6.
func TestStaticTypes(t *testing.T) {
	want := map[uint8]string{
		0: "PCMU/8000/1", 3: "GSM/8000/1", 4: "G723/8000/1", 5: "DVI4/8000/1", 6: "DVI4/16000/1", 7: "LPC/8000/1",
		8: "PCMA/8000/1", 9: "G722/8000/1", 10: "L16/44100/2", 11: "L16/44100/1", 12: "QCELP/8000/1", 13: "CN/8000/1",
		14: "MPA/90000/1", 15: "G728/8000/1", 16: "DVI4/11025/1", 17: "DVI4/22050/1", 18: "G729/8000/1",
		25: "CelB/90000/1", 26: "JPEG/90000/1", 28: "nv/90000/1", 31: "H261/90000/1", 32: "MPV/90000/1",
		33: "MP2T/90000/1", 34: "H263/90000/1",
	}
	for pt := range uint8(128) {
		c := static(pt)
		got := c.Name + "/" + strings.TrimPrefix(facts(&Description{Media: []Media{{
			Transport: TransportRTP, Port: 1, Formats: []string{decimal(pt)},
		}}}), "x")
		if want[pt] == "" {
			if c.Name != "" {
				t.Errorf("%d: %s", pt, c.Name)
			}
			continue
		}
		if !strings.Contains(got, " "+want[pt]) || c.PT != pt {
			t.Errorf("%d: %s, want %s", pt, got, want[pt])
		}
	}
}

func TestCodecKinds(t *testing.T) {
	m := parsed(t, head+"m=audio 1 RTP/AVP 13 101 0\r\na=rtpmap:101 Telephone-Event/8000\r\n").Media[0]
	c := m.Codecs()
	if !c[0].ComfortNoise() || !c[1].TelephoneEvent() || c[2].TelephoneEvent() || c[2].ComfortNoise() {
		t.Errorf("%+v", c)
	}
	if image := parsed(t, head+"m=image 1 udptl t38\r\n").Media[0]; image.Codecs() != nil {
		t.Error("fax has no payload types")
	}
}

func TestHoldsAddress(t *testing.T) {
	tests := map[string]bool{
		"":                                     false,
		"10.1.1.10":                            true,
		"x10.1.1.10y":                          true,
		"1.2.3.4.5":                            true,
		"a.b.10.1.1.10.c":                      true,
		"010.001.001.010":                      true,
		"10.1.1":                               false,
		"1.2.3.4567":                           false,
		"1..2.3.4":                             false,
		"1.2.3.":                               false,
		"...":                                  false,
		"::1":                                  true,
		"fe80::1%eth0":                         true,
		"[2001:db8::1]:5060":                   true,
		"2001:db8:0:0:0:0:0:1":                 true,
		"urn:ietf:params:rtp-hdrext:toffset":   false,
		"1:2:3":                                false,
		"00:11:22:33:44:55":                    false,
		"mode-set=0,1,2; mode-change-period=2": false,
		"profile-level-id=42801F":              false,
		"http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": false,
		"::": true,
	}
	for s, want := range tests {
		if got := holdsAddress(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestLeaks(t *testing.T) {
	four, six := netip.MustParseAddr("10.1.1.10"), netip.MustParseAddr("2001:db8::10")
	tests := []struct {
		body string
		want bool
	}{
		{"c=IN IP4 10.1.1.10\r\n", true},
		{"10.1.1.10", true},
		{"a=x:10.1.1.10:5060", true},
		{"a=x:1.10.1.1.10", true},
		{"c=IN IP4 110.1.1.10\r\n", false},
		{"c=IN IP4 10.1.1.100\r\n", false},
		{"c=IN IP4 10.1.1.1\r\n", false},
		{"::ffff:10.1.1.10", true},
		{"::FFFF:0a01:010a", true},
		{"c=IN IP6 2001:db8::10", true},
		{"c=IN IP6 2001:0DB8:0:0:0:0:0:0010", true},
		{"[2001:db8::10]:5060", true},
		{"2001:db8::10:5060", true},
		{"port:2001:db8::10", true},
		{"4000:2001:db8::10", true},
		{"fe80:2001:db8::1", false},
		{"c=IN IP6 2001:db8::11", false},
		{"c=IN IP6 2001:db8:1::10", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := Leaks([]byte(tt.body), []netip.Addr{four, six}); got != tt.want {
			t.Errorf("%q: %v", tt.body, got)
		}
	}
	if Leaks([]byte("10.1.1.10"), nil) {
		t.Error("nothing is forbidden")
	}
	if !Leaks([]byte("fe80::1%eth0"), []netip.Addr{netip.MustParseAddr("fe80::1%eth1")}) {
		t.Error("zones do not matter")
	}
}

func TestHoldsName(t *testing.T) {
	tests := []struct {
		s, name string
		want    bool
	}{
		{"sip:me@pbx.example;lr", "PBX.example", true},
		{"mypbx.example.org", "pbx.example", true},
		{"a pbx here", "pbx", true},
		{"mypbx", "pbx", false},
		{"pbx-1", "pbx", false},
		{"pb", "pbx", false},
		{"anything", "", false},
	}
	for _, tt := range tests {
		if got := holdsName(tt.s, tt.name); got != tt.want {
			t.Errorf("%q in %q: %v", tt.name, tt.s, got)
		}
	}
}

// TestArgumentsStay: an offer can be answered several times, so nothing may change it.
func TestArgumentsStay(t *testing.T) {
	offer, answer := parsed(t, usual), parsed(t, strings.ReplaceAll(usual, "101", "96"))
	before := string(offer.AppendTo(nil)) + facts(offer) + string(answer.AppendTo(nil)) + facts(answer)
	v := View{Address: netip.MustParseAddr("192.0.2.1"), Streams: []Stream{{Port: 20000}, {Port: 20002}}}
	sent, err := Rewrite(offer, v)
	if err != nil {
		t.Fatal(err)
	}
	ours := string(sent.AppendTo(nil)) + facts(sent)
	agreed, _, err := Check(sent, answer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Answer(offer, agreed, v); err != nil {
		t.Fatal(err)
	}
	NewAuthor(1).Say(sent)
	if after := string(offer.AppendTo(nil)) + facts(offer) + string(answer.AppendTo(nil)) + facts(answer); after != before {
		t.Errorf("an argument changed\n%s\n%s", before, after)
	}
	if string(sent.AppendTo(nil))+facts(sent) != ours {
		t.Error("what was sent changed")
	}
}

func TestAnswerNeedsEveryLine(t *testing.T) {
	v := View{Address: netip.MustParseAddr("192.0.2.1")}
	if _, err := Answer(parsed(t, usual), parsed(t, audio), v); !errors.Is(err, ErrMismatch) {
		t.Errorf("got %v", err)
	}
	if _, err := Answer(parsed(t, audio), parsed(t, audio), View{}); !errors.Is(err, ErrView) {
		t.Errorf("got %v", err)
	}
}

func TestEqual(t *testing.T) {
	a := parsed(t, usual)
	same := []string{usual, strings.ReplaceAll(usual, "\r", ""), strings.Replace(usual, "2890844526 2890844526", "1 2", 1)}
	for _, s := range same {
		if !Equal(a, parsed(t, s)) {
			t.Errorf("differs: %q", s)
		}
	}
	other := [][2]string{
		{"s=Phone A", "s=Phone B"}, {"4000", "4010"}, {"RTP/AVP 97", "RTP/AVPF 97"}, {" 101\r", "\r"}, {"ptime:20", "ptime:30"},
		{"audio", "text"},
	}
	for _, o := range other {
		if Equal(a, parsed(t, strings.Replace(usual, o[0], o[1], 1))) {
			t.Errorf("the same with %s for %s", o[1], o[0])
		}
	}
	if Equal(a, parsed(t, audio)) {
		t.Error("the same with one line less")
	}
}

// TestAuthor: ids stay positive for signed readers; versions start at 1; Said is what was said.
func TestAuthor(t *testing.T) {
	a := NewAuthor(1<<63 | 5)
	if a.Said() != nil {
		t.Error("nothing was said yet")
	}
	sent, err := Rewrite(parsed(t, audio), View{Address: netip.MustParseAddr("2001:db8::1"), Streams: []Stream{{Port: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(a.Say(sent)); !strings.Contains(got, "o=- 5 1 IN IP6 2001:db8::1\r\n") {
		t.Errorf("%s", got)
	}
	if a.Said() != sent {
		t.Error("Said")
	}
}

// TestAttributeNames: every name of a decision table is reached in any case; classify must hold the longest.
func TestAttributeNames(t *testing.T) {
	names := map[string]attribute{
		"rtpmap": attrPayload, "fmtp": attrPayload, "rtcp-fb": attrPayload, "ptime": attrPtime, "maxptime": attrMaxPtime,
		"rtcp": attrRTCP, "rtcp-mux": attrMux, "rtcp-mux-only": attrMuxOnly, "group": attrGroup, "inactive": attrDirection,
		"candidate": attrICE, "end-of-candidates": attrICE, "crypto": attrKey, "fingerprint": attrKey, "key-mgmt": attrKey,
		"ssrc": attrDrop, "msid-semantic": attrDrop, "tool": attrDrop, "omr-x": attrDrop, "ice-x": attrDrop,
		"x-candidate-ipv6": attrDrop, "rtcp-rsize": attrPass, "T38FaxVersion": attrPass, "": attrPass,
		"mid": attrMid, "label": attrLabel, "lang": attrLanguage, "sdplang": attrLanguage,
	}
	for name, want := range names {
		for _, spelled := range []string{name, strings.ToUpper(name), strings.Map(swapCase, name)} {
			if got := classify(spelled); got != want {
				t.Errorf("%s: %d, want %d", spelled, got, want)
			}
		}
	}
}

func swapCase(r rune) rune {
	if unicode.IsLower(r) {
		return unicode.ToUpper(r)
	}
	return unicode.ToLower(r)
}

func TestAppendToAllocatesNothing(t *testing.T) {
	d, buf := parsed(t, usual), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = d.AppendTo(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
