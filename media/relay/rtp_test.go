package relay

import (
	"encoding/binary"
	"testing"
)

// rtpPacket is G.711 of 20 ms: 172 octets.
func rtpPacket(pt uint8, seq uint16, ts, ssrc uint32) []byte {
	b := make([]byte, 172)
	b[0], b[1] = 0x80, pt
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return b
}

func TestParseRTP(t *testing.T) {
	plain := rtpPacket(8, 0x1234, 0x01020304, 0xdeadbeef)
	with := func(change func(b []byte) []byte) []byte { return change(append([]byte(nil), plain...)) }
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"plain", plain, true},
		{"header only", plain[:12], true},
		{"one octet short", plain[:11], false},
		{"empty", nil, false},
		{"version 1", with(func(b []byte) []byte { b[0] = 0x40; return b }), false},
		{"version 0, as STUN", with(func(b []byte) []byte { b[0] = 0; return b }), false},
		{"15 CSRCs fit", with(func(b []byte) []byte { b[0] = 0x8f; return b }), true},
		{"15 CSRCs do not fit", with(func(b []byte) []byte { b[0] = 0x8f; return b[:71] }), false},
		{"extension fits", with(func(b []byte) []byte { b[0], b[14], b[15] = 0x90, 0, 39; return b }), true},
		{"extension too long", with(func(b []byte) []byte { b[0], b[14], b[15] = 0x90, 0, 40; return b }), false},
		{"extension's length cut off", with(func(b []byte) []byte { b[0] = 0x90; return b[:15] }), false},
		{"extension of 65535 words", with(func(b []byte) []byte { b[0], b[14], b[15] = 0x90, 255, 255; return b }), false},
		{"padding fits", with(func(b []byte) []byte { b[0], b[171] = 0xa0, 160; return b }), true},
		{"padding into the header", with(func(b []byte) []byte { b[0], b[171] = 0xa0, 161; return b }), false},
		{"padding of nothing", with(func(b []byte) []byte { b[0], b[171] = 0xa0, 0; return b }), false},
	} {
		h, ok := parseRTP(c.b)
		if ok != c.ok {
			t.Errorf("%s: ok %v, want %v", c.name, ok, c.ok)
		}
		h.octets = 0
		if ok && (h != rtpHeader{pt: 8, seq: 0x1234, ts: 0x01020304, ssrc: 0xdeadbeef}) {
			t.Errorf("%s: header %+v", c.name, h)
		}
	}
}

// RFC 5761 4: packet types 192 to 223 are RTCP, which keeps payload types 64 to 95 with the marker bit out of RTP.
func TestLooksRTCP(t *testing.T) {
	b := make([]byte, 12)
	b[0] = 0x80
	for pt := range 256 {
		b[1] = uint8(pt)
		if got, want := looksRTCP(b), pt >= 192 && pt <= 223; got != want {
			t.Errorf("second octet %d: %v", pt, got)
		}
	}
	b[1] = 200
	if looksRTCP(b[:7]) {
		t.Error("seven octets are no RTCP")
	}
}

func FuzzParseRTP(f *testing.F) {
	f.Add(rtpPacket(8, 1, 2, 3))
	f.Add([]byte{0x9f, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseRTP(b); ok && h.pt > 127 {
			t.Errorf("payload type %d", h.pt)
		}
	})
}
