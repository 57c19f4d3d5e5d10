package relay

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// recorder is a wire that keeps what was sent.
type recorder struct {
	to   []netip.AddrPort
	last []byte
	fail bool
}

func (r *recorder) send(b []byte, to *Dest) bool {
	if r.fail {
		return false
	}
	r.to = append(r.to[:0:0], append(r.to, to.Addr)...)
	r.last = bytes.Clone(b)
	return true
}

func (r *recorder) close() error { return nil }

// discard is a wire that costs nothing.
type discard struct{}

func (discard) send([]byte, *Dest) bool { return true }
func (discard) close() error            { return nil }

// call is a relay between A (192.0.2.1:4000, signalling from there) and B (198.51.100.1:5000).
type call struct {
	a, b             *Stream
	aRTP, aRTCP      *Port
	bRTP, bRTCP      *Port
	toA, toB         recorder // by our RTP ports
	toACtrl, toBCtrl recorder
	tally            tally
	now              int64
}

const (
	mediaA, controlA = "192.0.2.1:4000", "192.0.2.1:4001"
	mediaB, controlB = "198.51.100.1:5000", "198.51.100.1:5001"
)

func newCall(change func(a, b *Path)) *call {
	c := &call{a: NewStream(), b: NewStream(), now: 1e9}
	c.aRTP, c.aRTCP = &Port{wire: &c.toA}, &Port{wire: &c.toACtrl}
	c.bRTP, c.bRTCP = &Port{wire: &c.toB}, &Port{wire: &c.toBCtrl}
	f := NewFormats([]Format{{PT: 8, Clock: 8000}, {PT: 101, Clock: 8000, Event: true}})
	pa := Path{
		From: c.a, Formats: f, Mask: 1,
		RTP: Egress{Port: c.bRTP, To: c.b}, RTCP: Egress{Port: c.bRTCP, To: c.b, Control: true},
	}
	pb := Path{
		From: c.b, Formats: f, Mask: 1,
		RTP: Egress{Port: c.aRTP, To: c.a}, RTCP: Egress{Port: c.aRTCP, To: c.a, Control: true},
	}
	if change != nil {
		change(&pa, &pb)
	}
	nat := netip.MustParseAddr
	c.a.Expect(natted(mediaA, "192.0.2.1"), Peer{Media: addr(controlA), Signalling: nat("192.0.2.1")}, pa.Mux, 1)
	c.b.Expect(natted(mediaB, "198.51.100.1"), Peer{Media: addr(controlB), Signalling: nat("198.51.100.1")}, pb.Mux, 1)
	ca, cb := pa, pb
	ca.Kind, cb.Kind = KindRTCP, KindRTCP
	c.aRTP.Set(&pa)
	c.bRTP.Set(&pb)
	if !pa.Mux {
		c.aRTCP.Set(&ca)
	}
	if !pb.Mux {
		c.bRTCP.Set(&cb)
	}
	return c
}

func (c *call) in(p *Port, src string, b []byte) {
	c.now += 20 * ms
	p.receive(bytes.Clone(b), addr(src), c.now, &c.tally)
}

// sent checks what left by a wire.
func (r *recorder) sent(t *testing.T, what string, to ...string) {
	t.Helper()
	var got []string
	for _, a := range r.to {
		got = append(got, a.String())
	}
	if len(got) != len(to) {
		t.Errorf("%s: sent to %v, want %v", what, got, to)
		return
	}
	for i := range to {
		if got[i] != to[i] {
			t.Errorf("%s: sent to %v, want %v", what, got, to)
		}
	}
	r.to = nil
}

func TestRelayBothWays(t *testing.T) {
	c := newCall(nil)
	p := rtpPacket(8, 1, 160, 7)
	c.in(c.aRTP, mediaA, p)
	c.toB.sent(t, "A speaks", mediaB)
	if !bytes.Equal(c.toB.last, p) {
		t.Error("packet changed on its way")
	}
	c.in(c.bRTP, mediaB, p)
	c.toA.sent(t, "B speaks", mediaA)
	c.in(c.aRTCP, controlA, rr(7))
	c.toBCtrl.sent(t, "A's RTCP", controlB)
	c.in(c.bRTCP, controlB, rr(7))
	c.toACtrl.sent(t, "B's RTCP", controlA)
	st := c.a.Stats()
	if st.Packets != 1 || st.Octets != 172 || st.Relayed != 1 || st.RTCP != 1 || st.Discarded != 0 || st.SSRC != 7 {
		t.Errorf("figures %+v", st)
	}
	if st.First == 0 || st.Last < st.First || st.Remote != addr(mediaA) || !st.Latched {
		t.Errorf("figures %+v", st)
	}
	if c.tally.packets != 4 || c.tally.octets != 172*2+8*2 {
		t.Errorf("tally %+v", c.tally)
	}
}

// The gate of reliability.md: a stranger receives nothing and gets nothing accepted, from the first packet on.
func TestStrangerBeforeAndAfterLatch(t *testing.T) {
	c := newCall(nil)
	p := rtpPacket(8, 1, 160, 7)
	const stranger = "203.0.113.66:4000"
	for range 50 {
		c.in(c.aRTP, stranger, p)
		c.in(c.bRTP, stranger, p)
	}
	c.toA.sent(t, "stranger first")
	c.toB.sent(t, "stranger first")
	c.in(c.aRTP, mediaA, p)
	c.in(c.bRTP, mediaB, p)
	c.toB.sent(t, "A after strangers", mediaB)
	c.toA.sent(t, "B after strangers", mediaA)
	for range 50 {
		c.in(c.aRTP, stranger, p)
		c.in(c.aRTP, "192.0.2.1:4002", p) // same host, other port
		c.in(c.aRTP, mediaB, p)           // the other party at the wrong door
	}
	c.toA.sent(t, "stranger later")
	c.toB.sent(t, "stranger later")
	if st := c.a.Stats(); st.Packets != 1 || st.Discarded != 200 {
		t.Errorf("figures %+v", st)
	}
	if c.tally.wrongSource != 250 {
		t.Errorf("%d of wrong source", c.tally.wrongSource)
	}
}

// A stranger who knows the SSRC and the sequence number is a stranger.
func TestSSRCProvesNothing(t *testing.T) {
	c := newCall(nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.toB.sent(t, "A", mediaB)
	c.in(c.aRTP, "203.0.113.66:4000", rtpPacket(8, 2, 320, 7))
	c.toB.sent(t, "stranger with A's SSRC")
}

func TestRTCPStranger(t *testing.T) {
	for _, mux := range []bool{false, true} {
		c := newCall(func(a, _ *Path) { a.Mux = mux })
		door := c.aRTCP
		if mux {
			door = c.aRTP
		}
		for range 10 {
			c.in(door, "203.0.113.66:4001", sr(7, 99))
		}
		c.toBCtrl.sent(t, "stranger's RTCP")
		if st := c.a.Stats(); st.RTCP != 0 || st.Discarded != 10 || st.Last != 0 {
			t.Errorf("mux %v: figures %+v", mux, st)
		}
		if _, ok := c.a.passed(receptionReport{ssrc: 7, lsr: 99}); ok {
			t.Errorf("mux %v: a stranger's report was remembered", mux)
		}
	}
}

// RTCP on a shared port may pass from a plausible source but never decides where media goes.
func TestRTCPDoesNotFixTheLatchOfRTP(t *testing.T) {
	c := newCall(func(a, _ *Path) { a.Mux = true })
	c.in(c.aRTP, "192.0.2.1:9999", rr(7))
	if st := c.a.Stats(); st.Latched || st.RTCP != 1 {
		t.Errorf("figures %+v", st)
	}
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	if st := c.a.Stats(); st.Remote != addr(mediaA) {
		t.Errorf("figures %+v", st)
	}
}

func TestOnlyAValidPacketLatches(t *testing.T) {
	c := newCall(nil)
	for name, b := range map[string][]byte{
		"octet":           {0},
		"STUN":            append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...),
		"DTLS":            {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0},
		"implausible PT":  rtpPacket(99, 1, 160, 7),
		"cut":             rtpPacket(8, 1, 160, 7)[:11],
		"RTCP, no mux":    append(rr(7), rr(7)...),
		"announces CSRCs": {0x8f, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7},
	} {
		c.in(c.aRTP, "192.0.2.1:4444", b)
		if st := c.a.Stats(); st.Latched || st.Packets != 0 {
			t.Errorf("%s latched", name)
		}
	}
	c.toB.sent(t, "invalid packets")
	if c.tally.malformed != 7 {
		t.Errorf("%d malformed", c.tally.malformed)
	}
	c.in(c.aRTP, "192.0.2.1:4444", rtpPacket(101, 1, 160, 7))
	c.toB.sent(t, "a telephone-event is valid", mediaB)
}

// Once latched, a payload type nobody announced (comfort noise is the common one) passes: that is the peers' affair.
func TestUnannouncedPayloadTypePassesAfterLatch(t *testing.T) {
	c := newCall(nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.aRTP, mediaA, rtpPacket(13, 2, 320, 7))
	c.toB.sent(t, "comfort noise", mediaB, mediaB)
}

// A device that sends RTCP to the RTP port without having agreed on it must not spoil the figures of RTP.
func TestUnagreedRTCPOnTheRTPPort(t *testing.T) {
	c := newCall(nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.aRTP, mediaA, sr(7, 99))
	c.in(c.aRTP, mediaA, rtpPacket(8, 2, 320, 7))
	c.toB.sent(t, "RTP only", mediaB, mediaB)
	if st := c.a.Stats(); st.Lost != 0 || st.Packets != 2 || st.Discarded != 1 || st.SSRCChanges != 0 {
		t.Errorf("figures %+v", st)
	}
}

func TestSSRCChangePasses(t *testing.T) {
	c := newCall(nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.aRTP, mediaA, rtpPacket(8, 40000, 9, 8))
	c.in(c.aRTP, mediaA, rtpPacket(8, 40001, 169, 8))
	c.toB.sent(t, "new SSRC", mediaB, mediaB, mediaB)
	if st := c.a.Stats(); st.SSRC != 8 || st.SSRCChanges != 1 || st.Lost != 0 || st.Expected != 3 {
		t.Errorf("figures %+v", st)
	}
}

func TestMuxOnEitherSide(t *testing.T) {
	for _, m := range []struct{ a, b bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		c := newCall(func(a, b *Path) {
			a.Mux, b.Mux = m.a, m.b
			if m.b {
				a.RTCP = a.RTP
			}
			if m.a {
				b.RTCP = b.RTP
			}
		})
		c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
		c.in(c.bRTP, mediaB, rtpPacket(8, 1, 160, 9))
		c.toA.sent(t, "RTP", mediaA)
		c.toB.sent(t, "RTP", mediaB)
		fromA, srcA := c.aRTCP, controlA
		if m.a {
			fromA, srcA = c.aRTP, mediaA
		}
		c.in(fromA, srcA, rr(7))
		if m.b {
			c.toB.sent(t, "RTCP to a side with mux", mediaB)
		} else {
			c.toBCtrl.sent(t, "RTCP to a side without mux", controlB)
		}
		fromB, srcB := c.bRTCP, controlB
		if m.b {
			fromB, srcB = c.bRTP, mediaB
		}
		c.in(fromB, srcB, rr(9))
		if m.a {
			c.toA.sent(t, "RTCP to a side with mux", mediaA)
		} else {
			c.toACtrl.sent(t, "RTCP to a side without mux", controlA)
		}
	}
}

func TestPayloadTypesAreMapped(t *testing.T) {
	var m PayloadMap
	for i := range m {
		m[i] = uint8(i)
	}
	m[101] = 96
	c := newCall(func(a, _ *Path) { a.Map = &m })
	p := rtpPacket(101, 1, 160, 7)
	p[1] |= 0x80
	c.in(c.aRTP, mediaA, p)
	if c.toB.last[1] != 0x80|96 {
		t.Errorf("payload type and marker %#x", c.toB.last[1])
	}
	c.in(c.aRTP, mediaA, rtpPacket(8, 2, 160, 7))
	if c.toB.last[1] != 8 {
		t.Errorf("payload type %d", c.toB.last[1])
	}
}

func TestFaxIsOpaque(t *testing.T) {
	c := newCall(func(a, b *Path) { a.Kind, b.Kind = KindOpaque, KindOpaque })
	udptl := []byte{0, 1, 2, 3}
	c.in(c.aRTP, "203.0.113.66:4000", udptl)
	c.toB.sent(t, "stranger's fax")
	c.in(c.aRTP, mediaA, udptl)
	c.toB.sent(t, "fax", mediaB)
	if !bytes.Equal(c.toB.last, udptl) {
		t.Error("fax changed")
	}
	if st := c.a.Stats(); st.Packets != 1 || st.Octets != 4 || st.Expected != 0 || st.SSRC != 0 {
		t.Errorf("figures %+v", st)
	}
}

func TestPortWithoutPathDropsAndCounts(t *testing.T) {
	c := newCall(nil)
	c.aRTP.Set(nil)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	if c.tally.noSession != 1 || c.a.Stats().Packets != 0 {
		t.Errorf("tally %+v", c.tally)
	}
}

func TestHeldPartyGetsNothing(t *testing.T) {
	c := newCall(nil)
	c.b.Expect(Peer{}, Peer{}, false, 1)
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.in(c.aRTCP, controlA, rr(7))
	c.toB.sent(t, "to nowhere")
	if st := c.a.Stats(); st.Packets != 1 || st.Relayed != 0 || c.tally.consumed != 2 {
		t.Errorf("figures %+v, tally %+v", st, c.tally)
	}
}

func TestUnsentIsNotRelayed(t *testing.T) {
	c := newCall(nil)
	c.toB.fail = true
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	if st := c.a.Stats(); st.Packets != 1 || st.Relayed != 0 || c.tally.unsent != 1 {
		t.Errorf("figures %+v, tally %+v", st, c.tally)
	}
}

func TestRoundTripThroughTheRelay(t *testing.T) {
	c := newCall(nil)
	c.in(c.aRTCP, controlA, sr(7, 4711))
	c.now += 80 * ms
	c.in(c.bRTCP, controlB, rr(9, receptionReport{ssrc: 7, lsr: 4711, dlsr: 65536 / 20})) // answered after 50 ms
	if got := c.b.Stats().RoundTrip.Milliseconds(); got != 50 {                           // 100 ms - 50 ms
		t.Errorf("round trip %d ms", got)
	}
}

func TestFormats(t *testing.T) {
	f := NewFormats([]Format{{PT: 0}, {PT: 127}, {PT: 64}, {PT: 200}, {PT: 64, Clock: 1}})
	for pt, want := range map[uint8]bool{0: true, 127: true, 64: true, 63: false, 8: false} {
		if f.plausible(pt) != want {
			t.Errorf("payload type %d: %v", pt, !want)
		}
	}
	if len(f.list) != 3 {
		t.Errorf("%d formats", len(f.list))
	}
	var none *Formats
	if !none.plausible(5) || !NewFormats(nil).plausible(5) {
		t.Error("no formats must believe every type")
	}
}

// The packet path does not allocate: RTP with a map, behind something of ours, with digits listened for, RTCP with names,
// strangers.
func TestPacketPathDoesNotAllocate(t *testing.T) {
	var m PayloadMap
	c := newCall(func(a, _ *Path) {
		a.Map = &m
		a.Out, a.Digits = NewOutlet(nil, nil, nil), NewDigits(func(byte, time.Duration) {})
	})
	o := c.aRTP.Path().Out
	o.port, o.to = c.bRTP, c.b
	both := *c.aRTCP.Path()
	both.Back = o // as if B heard what A hears: its reports are changed in all ways
	c.aRTCP.Set(&both)
	event := eventPacket(101, 2, 160, 4, 160, true)
	c.bRTP.wire, c.bRTCP.wire = discard{}, discard{}
	rtp, control := rtpPacket(8, 1, 160, 7), append(sr(7, 1, receptionReport{9, 1, 1}), sdes(7, "a@b")...)
	a, ctrl, stranger := addr(mediaA), addr(controlA), addr("203.0.113.66:1")
	c.aRTP.receive(rtp, a, 1, &c.tally)
	c.aRTCP.receive(control, ctrl, 1, &c.tally)
	if n := testing.AllocsPerRun(1000, func() {
		c.now += 20 * ms
		rtp[1] = 8
		rtp[3]++
		c.aRTP.receive(rtp, a, c.now, &c.tally)
		c.aRTP.receive(rtp, stranger, c.now, &c.tally)
		c.aRTCP.receive(control, ctrl, c.now, &c.tally)
		rtp[11] ^= 1
		event[7]++
		c.aRTP.receive(event, a, c.now, &c.tally)
	}); n != 0 {
		t.Errorf("%v allocations per round", n)
	}
	if c.tally.packets < 2000 {
		t.Errorf("tally %+v: the test did not relay", c.tally)
	}
}

// BenchmarkPath is the relay's own part of a packet, without the system.
func BenchmarkPath(b *testing.B) {
	c := newCall(nil)
	c.bRTP.wire = discard{}
	p, a := rtpPacket(8, 1, 160, 7), addr(mediaA)
	b.ReportAllocs()
	for b.Loop() {
		c.now += 20 * ms
		p[3]++
		c.aRTP.receive(p, a, c.now, &c.tally)
	}
}

func FuzzPort(f *testing.F) {
	f.Add(rtpPacket(8, 1, 160, 7), true)
	f.Add(sr(7, 1), false)
	f.Add(append(rr(7), sdes(7, "a@b")...), true)
	f.Fuzz(func(t *testing.T, b []byte, mux bool) {
		c := newCall(func(a, _ *Path) {
			a.Mux, a.Out, a.Back = mux, NewOutlet(nil, nil, nil), NewOutlet(nil, nil, nil)
		})
		for _, o := range []*Outlet{c.aRTP.Path().Out, c.aRTP.Path().Back} {
			o.started, o.ssrc, o.addSeq = true, 7, 9
		}
		c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
		c.in(c.bRTP, mediaB, rtpPacket(8, 1, 160, 7))
		for _, p := range []*Port{c.aRTP, c.aRTCP} {
			c.in(p, mediaA, b)
			c.in(p, controlA, b)
			c.in(p, "203.0.113.66:1", b)
		}
		if st := c.a.Stats(); st.Packets+st.RTCP+st.Discarded+c.tally.noSession != 7 {
			t.Errorf("seven packets, %+v, %+v", st, c.tally)
		}
	})
}
