package relay

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/media/secure"
)

// device is the far end of an encrypted party.
type device struct{ seal, open *secure.Context }

// encrypt makes a party's media encrypted and gives its phone.
func encrypt(t testing.TB, s *Stream, suite secure.Suite, now int64) *device {
	t.Helper()
	context := func(k secure.Keys) *secure.Context {
		c, err := secure.New(k)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	mine, err := secure.Random(suite)
	if err != nil {
		t.Fatal(err)
	}
	yours, err := secure.Random(suite)
	if err != nil {
		t.Fatal(err)
	}
	s.Secure(&Keys{In: context(mine), Out: context(yours)}, now)
	return &device{seal: context(mine), open: context(yours)}
}

func (p *device) rtp(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := p.seal.SealRTP(append(make([]byte, 0, len(b)+secure.Overhead), b...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *device) rtcp(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := p.seal.SealRTCP(append(make([]byte, 0, len(b)+secure.Overhead), b...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *device) hears(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := p.open.OpenRTP(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A is encrypted, B is not: each hears the other, RTCP too.
func TestEncryptedToClear(t *testing.T) {
	for _, suite := range secure.Suites() {
		c := newCall(nil)
		a := encrypt(t, c.a, suite, c.now)
		p := rtpPacket(8, 1, 160, 7)
		c.in(c.aRTP, mediaA, a.rtp(t, p))
		if c.toB.sent(t, "A speaks", mediaB); !bytes.Equal(c.toB.last, p) {
			t.Errorf("%s: B hears %x", suite, c.toB.last)
		}
		c.in(c.bRTP, mediaB, p)
		if c.toA.sent(t, "B speaks", mediaA); bytes.Equal(c.toA.last, p) || !bytes.Equal(a.hears(t, c.toA.last), p) {
			t.Errorf("%s: A hears %x", suite, c.toA.last)
		}
		c.in(c.aRTCP, controlA, a.rtcp(t, rr(7)))
		if c.toBCtrl.sent(t, "A's RTCP", controlB); !bytes.Equal(c.toBCtrl.last, rr(7)) {
			t.Errorf("%s: B is told %x", suite, c.toBCtrl.last)
		}
		c.in(c.bRTCP, controlB, rr(7))
		c.toACtrl.sent(t, "B's RTCP", controlA)
		if b, err := a.open.OpenRTCP(bytes.Clone(c.toACtrl.last)); err != nil || !bytes.Equal(b, rr(7)) {
			t.Errorf("%s: A is told %x: %v", suite, b, err)
		}
		if st := c.a.Stats(); st.Packets != 1 || st.RTCP != 1 || st.Octets != uint64(len(p)) || st.Discarded != 0 {
			t.Errorf("figures %+v", st)
		}
	}
}

// Both are encrypted, each with keys and a suite of its own.
func TestEncryptedToEncrypted(t *testing.T) {
	c := newCall(nil)
	a, b := encrypt(t, c.a, secure.GCM128, c.now), encrypt(t, c.b, secure.CM128HM80, c.now)
	p := rtpPacket(8, 1, 160, 7)
	c.in(c.aRTP, mediaA, a.rtp(t, p))
	if got := b.hears(t, c.toB.last); !bytes.Equal(got, p) {
		t.Errorf("B hears %x", got)
	}
	c.in(c.bRTP, mediaB, b.rtp(t, p))
	if got := a.hears(t, c.toA.last); !bytes.Equal(got, p) {
		t.Errorf("A hears %x", got)
	}
}

// CVE-2021-41105: a thousand packets that are not authentic change nothing, and the call goes on.
func TestNotAuthenticIsDroppedAndCounted(t *testing.T) {
	c := newCall(nil)
	a := encrypt(t, c.a, secure.GCM128, c.now)
	stranger := encrypt(t, NewStream(), secure.GCM128, c.now)
	for n := range 500 {
		c.in(c.aRTP, mediaA, rtpPacket(8, uint16(n), 160, 7))
		c.in(c.aRTP, mediaA, stranger.rtp(t, rtpPacket(8, uint16(n+1), 160, 7)))
		c.in(c.aRTCP, controlA, rr(7))
	}
	c.toB.sent(t, "what is not A's")
	c.toBCtrl.sent(t, "RTCP that is not A's")
	st := c.a.Stats()
	if st.Latched || st.Packets != 0 || st.Discarded != 1500 || c.tally.unauthentic != 1500 || st.Last != 0 {
		t.Errorf("figures %+v, %+v", st, c.tally)
	}
	first := a.rtp(t, rtpPacket(8, 9, 160, 7))
	c.in(c.aRTP, mediaA, first)
	c.toB.sent(t, "A", mediaB)
	c.in(c.aRTP, mediaA, first)
	c.toB.sent(t, "A's packet again")
	if c.tally.replayed != 1 {
		t.Errorf("%+v", c.tally)
	}
}

// Behind NAT only a packet that authenticates says where A is.
func TestOnlyAnAuthenticPacketLatches(t *testing.T) {
	c := newCall(nil)
	a := encrypt(t, c.a, secure.CM128HM32, c.now)
	c.in(c.aRTP, "192.0.2.1:6666", rtpPacket(8, 1, 160, 7)) // the neighbour behind the same NAT
	c.in(c.aRTCP, "192.0.2.1:6667", rr(7))
	if st := c.a.Stats(); st.Latched || st.Remote != addr(mediaA) {
		t.Errorf("latched to the neighbour: %+v", st)
	}
	c.in(c.aRTP, "192.0.2.1:7777", a.rtp(t, rtpPacket(8, 1, 160, 7)))
	if st := c.a.Stats(); !st.Latched || st.Remote != addr("192.0.2.1:7777") {
		t.Errorf("not latched: %+v", st)
	}
}

// New keys: what was under way under the former ones still passes for a moment, and not longer; contexts that stay go on.
func TestKeysChange(t *testing.T) {
	c := newCall(nil)
	a := encrypt(t, c.a, secure.GCM256, c.now)
	c.in(c.aRTP, mediaA, a.rtp(t, rtpPacket(8, 1, 160, 7)))
	next := encrypt(t, c.a, secure.CM128HM80, c.now)
	late := a.rtp(t, rtpPacket(8, 2, 320, 7))
	c.in(c.aRTP, mediaA, late)
	c.in(c.aRTP, mediaA, next.rtp(t, rtpPacket(8, 3, 480, 7)))
	c.toB.sent(t, "before and after", mediaB, mediaB, mediaB)
	c.in(c.aRTP, mediaA, late)
	c.toB.sent(t, "the late one again")
	c.bRTP.receive(rtpPacket(8, 1, 160, 7), addr(mediaB), c.now, &c.tally)
	next.hears(t, c.toA.last)
	c.now += int64(lateKeys)
	c.in(c.aRTP, mediaA, a.rtp(t, rtpPacket(8, 4, 640, 7)))
	c.toB.sent(t, "under a key of long ago")
	c.in(c.aRTP, mediaA, next.rtp(t, rtpPacket(8, 5, 800, 7)))
	c.toB.sent(t, "now", mediaB)
	if c.tally.replayed != 1 || c.tally.unauthentic != 1 {
		t.Errorf("%+v", c.tally)
	}
}

// While keys are not known nothing passes, in either direction.
func TestNoKeysYet(t *testing.T) {
	c := newCall(nil)
	c.a.Secure(&Keys{}, c.now)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.bRTP, mediaB, rtpPacket(8, 1, 160, 7))
	c.in(c.bRTCP, controlB, rr(7))
	c.toA.sent(t, "in the clear")
	c.toB.sent(t, "in the clear")
	c.toACtrl.sent(t, "in the clear")
	if k := c.a.Secured(); k == nil || c.b.Secured() != nil {
		t.Error(k)
	}
}

// What we say ourselves is sealed, and fits between what the other side says.
func TestOursIsSealed(t *testing.T) {
	c := newCall(func(_, b *Path) { b.Out = NewOutlet(nil, nil, nil) })
	a := encrypt(t, c.a, secure.GCM128, c.now)
	o := c.bRTP.Path().Out
	o.port, o.to = c.aRTP, c.a
	c.in(c.bRTP, mediaB, rtpPacket(8, 100, 160, 9))
	first := a.hears(t, c.toA.last)
	ours := append(make([]byte, 0, 172+secure.Overhead), rtpPacket(8, 0, 0, 0)...)
	o.Say(ours, 8000, 160, true, c.now)
	second := a.hears(t, c.toA.last)
	o.Yield()
	c.in(c.bRTP, mediaB, rtpPacket(8, 101, 320, 9))
	third := a.hears(t, c.toA.last)
	if first[3]+1 != second[3] || second[3]+1 != third[3] {
		t.Errorf("numbers %d %d %d", first[3], second[3], third[3])
	}
}

func TestEncryptedDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, suite := range secure.Suites() {
		r := newSecureRig(t, suite, suite)
		if n := testing.AllocsPerRun(1000, r.turn); n != 0 {
			t.Errorf("%s: %v allocations", suite, n)
		}
	}
}

// secureRig relays packets of an encrypted A, made anew each time, to B.
type secureRig struct {
	t    testing.TB
	c    *call
	a    *device
	buf  []byte
	room [172 + secure.Overhead]byte
	seq  uint16
}

func newSecureRig(t testing.TB, suite, other secure.Suite) *secureRig {
	r := &secureRig{t: t, c: newCall(nil), buf: rtpPacket(8, 1, 160, 7)}
	r.a = encrypt(t, r.c.a, suite, r.c.now)
	if other != "" {
		encrypt(t, r.c.b, other, r.c.now)
	}
	r.c.bRTP.wire = discard{}
	r.turn()
	return r
}

func (r *secureRig) turn() {
	r.seq++
	b := r.room[:copy(r.room[:], r.buf)]
	b[2], b[3] = byte(r.seq>>8), byte(r.seq)
	b, err := r.a.seal.SealRTP(b)
	if err != nil {
		r.t.Fatal(err)
	}
	r.c.aRTP.receive(b, addrA, r.c.now, &r.c.tally)
}

var addrA = addr(mediaA)

// A turn is a packet sealed by the phone, opened and sealed for the other side: the phone's part is BenchmarkSeal of media/secure.
func BenchmarkEncrypted(b *testing.B) {
	for _, way := range []struct{ from, to secure.Suite }{
		{secure.GCM128, ""}, {secure.CM128HM80, ""}, {secure.GCM128, secure.GCM128}, {secure.CM128HM80, secure.CM128HM80},
	} {
		b.Run(fmt.Sprintf("%s to %s", way.from, way.to), func(b *testing.B) {
			r := newSecureRig(b, way.from, way.to)
			b.ReportAllocs()
			for b.Loop() {
				r.turn()
			}
		})
	}
}
