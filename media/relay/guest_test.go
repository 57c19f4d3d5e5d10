package relay

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/media/secure"
)

// visitor remembers what it was given.
type visitor struct {
	got     [][]byte
	from    []netip.AddrPort
	control int
}

func (v *visitor) Take(_ *Port, b []byte, src netip.AddrPort, control bool, _ int64) {
	v.got, v.from = append(v.got, bytes.Clone(b)), append(v.from, src)
	if control {
		v.control++
	}
}

// What is no RTP goes to the guest where there is one (RFC 7983 7), and to nobody else; RTP never does.
func TestGuest(t *testing.T) {
	c := newCall(nil)
	v := &visitor{}
	for _, first := range []byte{0, 3, 16, 20, 63} {
		c.in(c.aRTP, mediaA, []byte{first, 1, 0, 0})
	}
	if c.a.Stats().Discarded != 5 {
		t.Error("without a guest it is dropped", c.a.Stats().Discarded)
	}
	c.a.Host(v)
	for _, first := range []byte{0, 3, 16, 20, 63} {
		c.in(c.aRTP, "203.0.113.66:6", []byte{first, 1, 0, 0})
	}
	c.in(c.aRTCP, controlA, []byte{1})
	c.in(c.aRTP, mediaA, []byte{64, 1, 0, 0})
	c.in(c.aRTP, mediaA, nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.bRTP, mediaB, []byte{1})
	c.toB.sent(t, "A", mediaB)
	c.toA.sent(t, "nothing")
	if len(v.got) != 6 || v.control != 1 || v.from[0] != addr("203.0.113.66:6") {
		t.Errorf("%d datagrams from %v, %d of RTCP's port", len(v.got), v.from, v.control)
	}
	c.a.Host(nil)
	c.in(c.aRTP, mediaA, []byte{1})
	if len(v.got) != 6 {
		t.Error("one that left is called")
	}
}

// The pair that ICE chose, and nothing else ever: RTP that is right in every other way moves nothing, and goes nowhere.
func TestNominated(t *testing.T) {
	c := newCall(nil)
	c.a.Expect(Peer{}, Peer{}, false, c.now)
	c.now += int64(grace)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.bRTP, mediaB, rtpPacket(8, 1, 160, 7))
	c.toB.sent(t, "before")
	c.toA.sent(t, "before")
	c.a.Nominate(addr("[2001:db8::7]:5"), false, c.now)
	c.in(c.aRTP, mediaA, rtpPacket(8, 2, 160, 7))
	c.toB.sent(t, "the address of the SDP")
	c.in(c.aRTP, "[2001:db8::7]:5", rtpPacket(8, 3, 160, 7))
	c.in(c.bRTP, mediaB, rtpPacket(8, 2, 160, 7))
	c.toB.sent(t, "the pair", mediaB)
	c.toA.sent(t, "to the pair", "[2001:db8::7]:5")
	c.a.Expect(Peer{}, Peer{}, false, c.now) // a re-INVITE
	c.now += 1e12
	c.in(c.aRTP, mediaA, rtpPacket(8, 4, 160, 7))
	c.toB.sent(t, "after long silence")
	c.a.Forsake(false)
	c.in(c.aRTP, "[2001:db8::7]:5", rtpPacket(8, 5, 160, 7))
	c.in(c.bRTP, mediaB, rtpPacket(8, 3, 160, 7))
	c.toB.sent(t, "without consent")
	c.toA.sent(t, "without consent")
}

func TestAdmits(t *testing.T) {
	c := newCall(nil)
	for src, want := range map[string][2]bool{mediaA: {true, true}, "192.0.2.1:9": {true, false}, "203.0.113.66:6": {false, false}} {
		if may, surely := c.a.Admits(addr(src), false, c.now); [2]bool{may, surely} != want {
			t.Errorf("%s: %v %v", src, may, surely)
		}
	}
	if c.a.Destination(false) != addr(mediaA) || c.a.Destination(true) != addr(controlA) {
		t.Error("destination")
	}
}

// Keys that come late are for the stream that waits for them, and for no other.
func TestAwait(t *testing.T) {
	c := newCall(nil)
	keys := func() Keys {
		k, err := secure.Random(secure.GCM128)
		if err != nil {
			t.Fatal(err)
		}
		x, err := secure.New(k)
		if err != nil {
			t.Fatal(err)
		}
		return Keys{In: x, Out: x}
	}
	first := c.a.Await(c.now)
	c.in(c.bRTP, mediaB, rtpPacket(8, 1, 160, 7))
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.toA.sent(t, "in the clear")
	c.toB.sent(t, "in the clear")
	second := c.a.Await(c.now)
	first(keys(), c.now)
	if c.a.Secured().In != nil {
		t.Error("keys of another handshake")
	}
	k := keys()
	second(k, c.now)
	if *c.a.Secured() != k {
		t.Error("no keys")
	}
	c.in(c.bRTP, mediaB, rtpPacket(8, 2, 160, 7))
	c.toA.sent(t, "sealed", mediaA)
}

func FuzzDemultiplexing(f *testing.F) {
	f.Add([]byte{0}, true)
	f.Add(rtpPacket(8, 1, 160, 7), true)
	f.Add([]byte{128, 200, 0, 1, 0, 0, 0, 7}, false)
	f.Fuzz(func(t *testing.T, b []byte, mux bool) {
		c := newCall(func(a, _ *Path) { a.Mux = mux })
		v := &visitor{}
		c.a.Host(v)
		c.in(c.aRTP, mediaA, b)
		if guest := len(b) > 0 && b[0] < 64; guest != (len(v.got) == 1) {
			t.Errorf("%x: %d", b, len(v.got))
		}
	})
}
