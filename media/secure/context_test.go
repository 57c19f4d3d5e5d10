package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func packet(seq uint16, ssrc uint32, payload byte) []byte {
	b := make([]byte, 172, 172+Overhead)
	b[0], b[1] = 2<<6, 8
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range b[12:] {
		b[12+i] = payload
	}
	return b
}

func report(ssrc uint32) []byte {
	b := make([]byte, 28, 28+Overhead)
	b[0], b[1], b[3] = 2<<6, 200, 6
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

// pair is a context that seals and one that opens.
func pair(t testing.TB, s Suite, mki ...byte) (seal, open *Context) {
	t.Helper()
	k, err := Random(s)
	if err != nil {
		t.Fatal(err)
	}
	k.MKI = mki
	if seal, err = New(k); err != nil {
		t.Fatal(err)
	}
	if open, err = New(k); err != nil {
		t.Fatal(err)
	}
	return seal, open
}

func TestEverySuite(t *testing.T) {
	for _, s := range Suites() {
		for _, mki := range [][]byte{nil, {0, 0, 0, 1}} {
			seal, open := pair(t, s, mki...)
			for n := range 70000 { // the sequence number runs over: RFC 3711 3.3.1
				if n > 5 && n%1000 != 0 && (n < 65500 || n > 65600) {
					continue
				}
				clear := packet(uint16(n), 7, byte(n))
				b, err := seal.SealRTP(bytes.Clone(clear)[: len(clear) : len(clear)+0])
				if err != nil {
					t.Fatal(s, n, err)
				}
				if bytes.Contains(b, clear[12:40]) {
					t.Fatalf("%s: packet %d is in the clear", s, n)
				}
				if got, err := open.OpenRTP(b); err != nil || !bytes.Equal(got, clear) {
					t.Fatalf("%s: packet %d: %v", s, n, err)
				}
			}
			clear := report(7)
			b, err := seal.SealRTCP(bytes.Clone(clear))
			if err != nil || len(b) > len(clear)+Overhead {
				t.Fatal(s, err, len(b))
			}
			if got, err := open.OpenRTCP(b); err != nil || !bytes.Equal(got, clear) {
				t.Fatalf("%s: RTCP: %v", s, err)
			}
		}
	}
}

// Replay protection is on, for both, and reaches back 64 packets at least.
func TestReplay(t *testing.T) {
	for _, s := range Suites() {
		seal, open := pair(t, s)
		var all [][]byte
		for n := range 200 {
			b, err := seal.SealRTP(packet(uint16(n+1), 7, 1))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, bytes.Clone(b))
			if n == 110 { // this one is late
				continue
			}
			if n == 180 { // by 70
				if _, err := open.OpenRTP(bytes.Clone(all[110])); err != nil {
					t.Errorf("%s: a packet 70 behind is refused: %v", s, err)
				}
			}
			if _, err := open.OpenRTP(b); err != nil {
				t.Fatal(err)
			}
		}
		for n, b := range all {
			if _, err := open.OpenRTP(bytes.Clone(b)); !errors.Is(err, ErrReplay) {
				t.Fatalf("%s: packet %d opened again: %v", s, n, err)
			}
		}
		b, err := seal.SealRTCP(report(7))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open.OpenRTCP(bytes.Clone(b)); err != nil {
			t.Fatal(err)
		}
		if _, err := open.OpenRTCP(b); !errors.Is(err, ErrReplay) {
			t.Errorf("%s: RTCP opened again: %v", s, err)
		}
	}
}

func TestNotAuthentic(t *testing.T) {
	for _, s := range Suites() {
		seal, open := pair(t, s)
		other, _ := pair(t, s)
		forged, err := other.SealRTP(packet(1, 7, 1))
		if err != nil {
			t.Fatal(err)
		}
		b, err := seal.SealRTP(packet(1, 7, 1))
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(b)
		changed[20] ^= 1
		for what, x := range map[string][]byte{
			"another key": forged, "a bit changed": changed, "in the clear": packet(1, 7, 1), "cut": bytes.Clone(b[:20]), "empty": {},
			"a header only": bytes.Clone(b[:12]),
		} {
			if _, err := open.OpenRTP(x); !errors.Is(err, ErrAuth) {
				t.Errorf("%s: %s: %v", s, what, err)
			}
			if _, err := open.OpenRTCP(append(report(7), x...)); !errors.Is(err, ErrAuth) {
				t.Errorf("%s: RTCP, %s: %v", s, what, err)
			}
		}
		if _, err := open.OpenRTP(b); err != nil {
			t.Errorf("%s: what failed spoilt what is right: %v", s, err)
		}
	}
}

// No number is sealed twice under a key, whatever a source does, and who begins to count anew is heard on.
func TestNumbers(t *testing.T) {
	seal, open := pair(t, GCM128)
	used := map[uint16]bool{}
	say := func(seq uint16, want error) {
		t.Helper()
		b, err := seal.SealRTP(packet(seq, 7, byte(seq)))
		if !errors.Is(err, want) {
			t.Fatalf("%d: %v, want %v", seq, err, want)
		}
		if err != nil {
			return
		}
		number := binary.BigEndian.Uint16(b[2:])
		if used[number] {
			t.Fatalf("%d was sealed as %d, which was there", seq, number)
		}
		used[number] = true
		if _, err := open.OpenRTP(b); err != nil {
			t.Fatalf("%d is not opened: %v", seq, err)
		}
	}
	for _, seq := range []uint16{0, 1, 3, 2, 4} {
		say(seq, nil)
	}
	for _, seq := range []uint16{4, 2, 0, 65535} {
		say(seq, ErrRepeated)
	}
	for seq := uint16(5); seq < 300; seq++ {
		say(seq, nil)
	}
	say(200, ErrRepeated) // one from long ago
	say(300, nil)
	say(100, ErrRepeated) // the source begins anew
	say(101, nil)
	for seq := uint16(102); seq < 400; seq++ {
		say(seq, nil)
	}
	say(30000, nil) // far ahead
	say(7, ErrRepeated)
	say(8, nil)
}

// Who has sent for long is understood by a process that has just begun.
func TestHunt(t *testing.T) {
	for _, s := range Suites() {
		seal, open := pair(t, s)
		for n := range 5 * 8 { // five times over
			if _, err := seal.SealRTP(packet(uint16(n*8192), 7, 1)); err != nil {
				t.Fatal(err)
			}
		}
		open.Hunt()
		forged, _ := pair(t, s)
		b, err := forged.SealRTP(packet(7, 7, 2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open.OpenRTP(b); !errors.Is(err, ErrAuth) {
			t.Errorf("%s: %v", s, err)
		}
		var last []byte
		for n := range uint16(3) {
			if b, err = seal.SealRTP(packet(60000+n, 7, 2)); err != nil {
				t.Fatal(err)
			}
			last = bytes.Clone(b)
			if got, err := open.OpenRTP(b); err != nil || got[20] != 2 {
				t.Fatalf("%s: %v", s, err)
			}
		}
		if _, err := open.OpenRTP(last); !errors.Is(err, ErrReplay) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestSourcesAreBounded(t *testing.T) {
	seal, open := pair(t, CM128HM80)
	for ssrc := range uint32(sources) {
		b, err := seal.SealRTP(packet(1, ssrc, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open.OpenRTP(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.SealRTP(packet(1, 99999, 1)); !errors.Is(err, ErrSources) {
		t.Error(err)
	}
	if _, err := open.OpenRTP(packet(1, 99999, 1)); !errors.Is(err, ErrSources) {
		t.Error(err)
	}
	if b, err := seal.SealRTP(packet(2, 3, 1)); err != nil {
		t.Error(err)
	} else if _, err := open.OpenRTP(b); err != nil {
		t.Error(err)
	}
}

func TestNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, s := range Suites() {
		seal, open := pair(t, s)
		buf, control := packet(0, 7, 1), report(7)
		seq := uint16(0)
		turn := func() {
			seq++
			buf = buf[:172]
			binary.BigEndian.PutUint16(buf[2:], seq)
			b, err := seal.SealRTP(buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = open.OpenRTP(b); err != nil {
				t.Fatal(err)
			}
			control = control[:28]
			if b, err = seal.SealRTCP(control); err != nil {
				t.Fatal(err)
			}
			if _, err = open.OpenRTCP(b); err != nil {
				t.Fatal(err)
			}
		}
		turn()
		if n := testing.AllocsPerRun(1000, turn); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range Suites() {
		b.Run(string(s), func(b *testing.B) {
			seal, _ := pair(b, s)
			buf := packet(0, 7, 1)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				binary.BigEndian.PutUint16(buf[2:], uint16(n))
				if _, err := seal.SealRTP(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range Suites() {
		b.Run(string(s), func(b *testing.B) {
			seal, open := pair(b, s)
			buf := packet(0, 7, 1)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ { // with the sealing, which Seal tells
				buf = buf[:172]
				binary.BigEndian.PutUint16(buf[2:], uint16(n))
				x, err := seal.SealRTP(buf)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := open.OpenRTP(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
