package relay

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// words makes a packet of 32-bit words.
func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// sr is a sender report: its NTP time has the middle bits mid.
func sr(ssrc, mid uint32, blocks ...receptionReport) []byte {
	b := words(0x80c80000|uint32(len(blocks))<<24|uint32(6+6*len(blocks)), ssrc, mid>>16|0xabcd0000, mid<<16|0x1234, 160, 1, 160)
	return append(b, reports(blocks)...)
}

func rr(ssrc uint32, blocks ...receptionReport) []byte {
	return append(words(0x80c90000|uint32(len(blocks))<<24|uint32(1+6*len(blocks)), ssrc), reports(blocks)...)
}

func reports(blocks []receptionReport) (b []byte) {
	for _, r := range blocks {
		b = append(b, words(r.ssrc, 0, 0, 0, r.lsr, r.dlsr)...)
	}
	return b
}

// sdes is one chunk with a CNAME.
func sdes(ssrc uint32, cname string) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, ssrc)
	chunk = append(chunk, 1, byte(len(cname)))
	chunk = append(chunk, cname...)
	chunk = append(chunk, 0)
	for len(chunk)%4 != 0 {
		chunk = append(chunk, 0)
	}
	return append(words(0x81ca0000|uint32(len(chunk)/4)), chunk...)
}

func bye(ssrc uint32, reason string) []byte {
	b := binary.BigEndian.AppendUint32(nil, ssrc)
	b = append(b, byte(len(reason)))
	b = append(b, reason...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return append(words(0x81cb0000|uint32(len(b)/4)), b...)
}

func TestReadRTCP(t *testing.T) {
	b := sr(0x1111, 0xb44db705, receptionReport{0x2222, 0xb4407f00, 0x54000})
	b = append(b, rr(0x1111, receptionReport{0x3333, 7, 8}, receptionReport{0x4444, 9, 10})...)
	b = append(b, sdes(0x1111, "alice@10.1.2.3")...)
	b = append(b, bye(0x1111, "gone")...)
	c := readRTCP(b, 0)
	if c.malformed || c.nPackets != 4 {
		t.Fatalf("%+v", c)
	}
	if c.nSenders != 1 || c.senders[0] != (senderReport{0x1111, 0xb44db705}) {
		t.Errorf("senders %+v", c.senders[:c.nSenders])
	}
	want := []receptionReport{{0x2222, 0xb4407f00, 0x54000}, {0x3333, 7, 8}, {0x4444, 9, 10}}
	if c.nReports != 3 || [3]receptionReport(c.reports[:3]) != [3]receptionReport(want) {
		t.Errorf("reports %+v", c.reports[:c.nReports])
	}
}

func TestReadRTCPMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":                   {},
		"three octets":            {0x80, 200, 0},
		"version 1":               {0x40, 201, 0, 1, 0, 0, 0, 1},
		"not RTCP":                {0x80, 8, 0, 1, 0, 0, 0, 1},
		"length over the end":     {0x80, 201, 0, 2, 0, 0, 0, 1},
		"length 65535":            {0x80, 201, 255, 255, 0, 0, 0, 1},
		"SR of one word":          words(0x80c80001, 1),
		"SR promises a block":     words(0x81c80006, 1, 2, 3, 4, 5, 6),
		"RR promises 31 blocks":   words(0x9fc90001, 1),
		"RR without SSRC":         words(0x80c90000),
		"SDES promises a chunk":   words(0x81ca0000),
		"SDES chunk without end":  words(0x81ca0002, 1, 0x01024141),
		"SDES item over the end":  words(0x81ca0002, 1, 0x01ff4141),
		"BYE promises sources":    words(0x9fcb0001, 1),
		"BYE reason over the end": words(0x81cb0002, 1, 0xff414141),
		"second packet broken":    append(rr(1), 0x80, 200),
	} {
		if c := readRTCP(b, 1); !c.malformed {
			t.Errorf("%s: taken", name)
		}
	}
}

// More blocks than are remembered must not overrun.
func TestReadRTCPManyBlocks(t *testing.T) {
	blocks := make([]receptionReport, 31)
	b := sr(1, 2, blocks...)
	for range 20 {
		b = append(b, sr(1, 2, blocks...)...)
	}
	if c := readRTCP(b, 0); c.malformed || c.nReports != maxReports || c.nSenders != maxReports || c.nPackets != 21 {
		t.Errorf("%d reports, %d senders, %d packets", c.nReports, c.nSenders, c.nPackets)
	}
}

// Topology hiding: a CNAME is often user@address (RFC 3550 6.5.1).
func TestNamesInRTCPAreReplaced(t *testing.T) {
	const name = "sip:alice@10.1.2.3"
	read := func(b []byte, key uint64) []byte {
		b = bytes.Clone(b)
		if c := readRTCP(b, key); c.malformed {
			t.Fatal("malformed")
		}
		return b
	}
	in := append(append(rr(5), sdes(5, name)...), bye(5, "reason 10.1.2.3")...)
	out := read(in, 77)
	if len(out) != len(in) || bytes.Contains(out, []byte("10.1")) || bytes.Contains(out, []byte("alice")) {
		t.Errorf("left as %q", out)
	}
	if c := readRTCP(out, 0); c.malformed || c.nPackets != 3 {
		t.Error("not a compound packet any more")
	}
	if !bytes.Equal(read(in, 77), out) {
		t.Error("one name has two pseudonyms: streams of one source fall apart")
	}
	if bytes.Equal(read(in, 78), out) {
		t.Error("the pseudonym does not depend on the key")
	}
	if bytes.Equal(read(sdes(5, "sip:alice@10.1.2.4"), 77), read(sdes(5, name), 77)) {
		t.Error("two names have one pseudonym")
	}
	if !bytes.Equal(read(in, 0), in) {
		t.Error("changed without a key")
	}
}

// RFC 3550 figure 2: RR at n = 0xb710:8000 answers an SR of 0xb705:2000 after 5.25 s (0x0005:4000); the round trip is 6.125 s.
func TestRoundTripOfRFC3550(t *testing.T) {
	from, to := NewStream(), NewStream()
	from.Expect(Peer{}, Peer{Media: addr("192.0.2.1:1001")}, false, 1)
	to.Expect(Peer{}, Peer{Media: addr("192.0.2.2:2001")}, false, 1)
	at := func(units uint64) int64 { return int64(units * 1e9 >> 16) } // 1/65536 s to ns, rounded down
	passed := at(0xb7052000&0xffffffff) + 20000
	arrived := at(0xb7108000&0xffffffff) + 20000
	c := readRTCP(sr(0x1111, 0xb7052000), 0)
	if from.rtcpIn(&c, addr("192.0.2.1:1001"), passed) != pass {
		t.Fatal("SR refused")
	}
	c = readRTCP(rr(0x2222, receptionReport{0x1111, 0xb7052000, 0x00054000}), 0)
	if to.rtcpIn(&c, addr("192.0.2.2:2001"), arrived) != pass {
		t.Fatal("RR refused")
	}
	to.round(from, &c, arrived)
	if got := to.Stats().RoundTrip; got != 6125*time.Millisecond {
		t.Errorf("round trip %v, want 6.125s", got)
	}
	if from.Stats().RoundTrip != 0 {
		t.Error("the round trip was booked to the wrong party")
	}
}

func TestRoundTripIgnoresWhatDoesNotFit(t *testing.T) {
	for name, r := range map[string]receptionReport{
		"other source":   {0x9999, 500, 0},
		"other report":   {0x1111, 501, 0},
		"no report yet":  {0x1111, 0, 0},
		"hours of delay": {0x1111, 500, 0x80000001},
	} {
		from, to := NewStream(), NewStream()
		from.Expect(Peer{}, Peer{Media: addr("192.0.2.1:1001")}, false, 1)
		c := readRTCP(sr(0x1111, 500), 0)
		from.rtcpIn(&c, addr("192.0.2.1:1001"), 1e9)
		c = readRTCP(rr(0x2222, r), 0)
		to.round(from, &c, 2e9)
		if got := to.Stats().RoundTrip; got != 0 {
			t.Errorf("%s: round trip %v", name, got)
		}
		to.round(nil, &c, 2e9)
	}
}

// A DLSR a little longer than what passed is rounding, not a negative round trip.
func TestRoundTripIsNotNegative(t *testing.T) {
	from, to := NewStream(), NewStream()
	from.Expect(Peer{}, Peer{Media: addr("192.0.2.1:1001")}, false, 1)
	c := readRTCP(sr(0x1111, 500), 0)
	from.rtcpIn(&c, addr("192.0.2.1:1001"), 1e9)
	c = readRTCP(rr(0x2222, receptionReport{0x1111, 500, 65536 + 2}), 0)
	to.round(from, &c, 2e9)
	if got := to.Stats().RoundTrip; got != 0 {
		t.Errorf("round trip %v", got)
	}
}

func FuzzRTCP(f *testing.F) {
	f.Add(sr(1, 2, receptionReport{3, 4, 5}))
	f.Add(append(rr(1), sdes(1, "a@b")...))
	f.Add(bye(1, "bye"))
	f.Add(words(0x81ca0002, 1, 0x01ff4141))
	f.Add(words(0x9fc90001, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		plain := readRTCP(in, 0)
		if !bytes.Equal(in, b) {
			t.Fatal("changed without a key")
		}
		masked := readRTCP(in, 1)
		if plain != masked {
			t.Fatalf("the key changed what was read: %+v, %+v", plain, masked)
		}
		if again := readRTCP(in, 0); plain != again {
			t.Fatalf("masking changed what is read: %+v, %+v", plain, again)
		}
		if plain.nReports > maxReports || plain.nSenders > maxReports {
			t.Fatal("overrun")
		}
	})
}
