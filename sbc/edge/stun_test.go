package edge

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

var stunID = []byte("twelve bytes")

// binding is a Binding request with attributes.
func binding(cookie uint32, attributes ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, stunBinding)
	body := bytes.Join(attributes, nil)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = binary.BigEndian.AppendUint32(b, cookie)
	return append(append(b, stunID...), body...)
}

func attribute(kind uint16, value ...byte) []byte { return stunAppend(nil, kind, value) }

// TestSTUNVector is the XOR-MAPPED-ADDRESS of RFC 5769 2.2 and 2.3.
func TestSTUNVector(t *testing.T) {
	id, err := hex.DecodeString("b7e7a701bc34d686fa87dfae")
	if err != nil {
		t.Fatal(err)
	}
	header := append([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, id...)
	for from, want := range map[string]string{
		"192.0.2.1:32853": "002000080001a147e112a643",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
	} {
		got := stunMapped(bytes.Clone(header), netip.MustParseAddrPort(from), true)[stunHeader:]
		if hex.EncodeToString(got) != want {
			t.Errorf("%s is %x, not %s", from, got, want)
		}
	}
}

// TestSTUNFingerprintVector reads the request of RFC 5769 2.1, whose FINGERPRINT is right; PRIORITY is nothing we know.
func TestSTUNFingerprintVector(t *testing.T) {
	raw, err := hex.DecodeString(strings.Join(strings.Fields(`
		000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36
		00060009657674 6a3a6836765920202000080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf`), ""))
	if err != nil {
		t.Fatal(err)
	}
	unknown, ok := stunAttributes(raw)
	if !ok || len(unknown) != 1 || unknown[0] != 0x0024 {
		t.Errorf("unknown %x, whole %v", unknown, ok)
	}
	raw[30] ^= 1
	if _, ok := stunAttributes(raw); ok {
		t.Error("a wrong fingerprint passes")
	}
}

func TestSTUNAnswers(t *testing.T) {
	from := netip.MustParseAddrPort("198.51.100.7:4711")
	long := make([]byte, 400)
	for name, c := range map[string]struct {
		request []byte
		kind    uint16 // 0 is silence
	}{
		"plain":                {binding(stunCookie), stunSuccess},
		"RFC 3489":             {binding(0x12345678), stunSuccess},
		"optional":             {binding(stunCookie, attribute(0x8022, 'x')), stunSuccess},
		"credentials":          {binding(stunCookie, attribute(0x0006, 'x')), stunSuccess},
		"no change wanted":     {binding(stunCookie, attribute(attrChangeRequest, 0, 0, 0, 0)), stunSuccess},
		"change":               {binding(stunCookie, attribute(attrChangeRequest, 0, 0, 0, 6)), stunError},
		"answer elsewhere":     {binding(stunCookie, attribute(0x0002, 0, 1, 0, 9, 1, 2, 3, 4)), stunError},
		"unknown":              {binding(stunCookie, attribute(0x7fff, 1)), stunError},
		"many unknown":         {binding(stunCookie, bytes.Repeat(attribute(0x7ffe), 90)), stunError},
		"wrong fingerprint":    {binding(stunCookie, attribute(attrFingerprint, 1, 2, 3, 4)), 0},
		"too short":            {binding(stunCookie)[:19], 0},
		"wrong length":         {append(binding(stunCookie), 0, 0, 0, 0), 0},
		"attribute overruns":   {binding(stunCookie, []byte{0, 6, 1, 0, 1, 2, 3, 4}), 0},
		"half an attribute":    {binding(stunCookie, []byte{0, 6}), 0},
		"indication":           {append([]byte{0, 0x11}, binding(stunCookie)[2:]...), 0},
		"answer":               {append([]byte{1, 1}, binding(stunCookie)[2:]...), 0},
		"nothing but an array": {long, 0},
	} {
		got := stunAnswer(c.request, from)
		if c.kind == 0 {
			if got != nil {
				t.Errorf("%s: answered with %x", name, got)
			}
			continue
		}
		if len(got) < stunHeader || binary.BigEndian.Uint16(got) != c.kind ||
			int(binary.BigEndian.Uint16(got[2:])) != len(got)-stunHeader ||
			!bytes.Equal(got[4:stunHeader], c.request[4:stunHeader]) {
			t.Errorf("%s: answered with %x", name, got)
			continue
		}
		if _, whole := stunAttributes(got); !whole {
			t.Errorf("%s: the answer's fingerprint is wrong", name)
		}
		if len(got) > 2*max(len(c.request), 48) {
			t.Errorf("%s: %d octets are answered with %d", name, len(c.request), len(got))
		}
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(binding(stunCookie, attribute(0x8022, 'x'), attribute(attrFingerprint, 1, 2, 3, 4)))
	from := netip.MustParseAddrPort("198.51.100.7:4711")
	f.Fuzz(func(t *testing.T, b []byte) {
		if out := stunAnswer(b, from); len(out) > 0 && len(out)%4 != 0 {
			t.Errorf("%x", out)
		}
	})
}

// TestSTUNPorts: on the SIP port, and on one of its own that two interfaces share and that goes with them; so many a second, and
// none where it is off.
func TestSTUNPorts(t *testing.T) {
	virtual(t, func(w *world) {
		ask := func(p *phone, to netip.AddrPort) bool {
			p.to = to
			p.send(string(binding(stunCookie)))
			select {
			case m := <-p.c.in:
				return binary.BigEndian.Uint16(m.b) == stunSuccess
			default:
				return false
			}
		}
		udp := func(id string, port uint16, on bool) Listener {
			at := netip.AddrPortFrom(edgeAddr.Addr(), port)
			return Listener{ID: id, Transport: sbc.TransportUDP, Bind: at, STUN: on, STUNPort: 3478}
		}
		extra := netip.AddrPortFrom(edgeAddr.Addr(), 3478)
		if ask(w.peer, edgeAddr) {
			t.Error("an interface without STUN answers")
		}
		w.listen(udp("a", 5060, true), udp("b", 5070, true))
		if !ask(w.peer, edgeAddr) || !ask(w.peer, extra) {
			t.Error("no answer")
		}
		w.listen(udp("b", 5070, true))
		if !ask(w.peer, extra) {
			t.Error("the port that another interface wants is gone")
		}
		w.listen(udp("b", 5070, false))
		if ask(w.peer, extra) {
			t.Error("the port is still answered")
		}
		if _, err := w.edge.Prepare([]Listener{udp("b", 5070, true), udp("c", 3478, false)}); err == nil {
			t.Error("the STUN port is another interface's SIP port, and that is no error")
		}
		w.listen(udp("a", 5060, true))
		<-time.After(time.Minute)
		two, answered := w.phone(peerTwo), 0
		for range 1000 {
			if ask(two, edgeAddr) {
				answered++
			}
		}
		if answered != 40 {
			t.Errorf("%d of 1000 at once were answered", answered)
		}
	})
}
