package relay

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// outlets gives both parties of a call an outlet.
func (c *call) outlets() (toA, toB *Outlet) {
	toA, toB = NewOutlet(c.aRTP, c.a, c.b), NewOutlet(c.bRTP, c.b, c.a)
	for _, p := range [...]*Port{c.aRTP, c.aRTCP} {
		path := *p.Path()
		path.Out, path.Back = toB, toA
		p.Set(&path)
	}
	for _, p := range [...]*Port{c.bRTP, c.bRTCP} {
		path := *p.Path()
		path.Out, path.Back = toA, toB
		p.Set(&path)
	}
	return toA, toB
}

func be32(b []byte, at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }

// What reports say fits the packets beside them: B was played to, then heard A under another SSRC, number and time.
func TestReportsFollowTheOutlet(t *testing.T) {
	c := newCall(nil)
	_, o := c.outlets()
	o.Say(rtpPacket(8, 0, 0, 0), 8000, 160, true, c.now)
	ours := head(t, c.toB.last)
	c.in(c.aRTP, mediaA, rtpPacket(8, 900, 5000, 7)) // B does not hear it
	c.in(c.bRTP, mediaB, rtpPacket(8, 30, 600, 9))
	compound := append(sr(7, 0x11112222, receptionReport{ssrc: 9}), sdes(7, "someone")...)
	c.in(c.aRTCP, controlA, compound)
	if b := c.toBCtrl.last; be32(b, 4) != ours.ssrc || be32(b, srFixed) != 9 || be32(b, srFixed+reportBlock+4) != ours.ssrc {
		t.Errorf("while we play, %+v: % x", ours, b)
	} else if d := int32(be32(b, 16) - ours.ts); d < 0 || d > 8*100 {
		t.Errorf("time %d of our stream is that of the report, %d after it", be32(b, 16), d)
	}

	c.now += int64(ourTurn)
	c.in(c.aRTP, mediaA, rtpPacket(8, 901, 5160, 7))
	now := head(t, c.toB.last)
	if now.ssrc != ours.ssrc || now.seq == 901 || now.ts == 5160 {
		t.Fatalf("%+v is no other source", now)
	}
	report := sr(7, 0x33334444)
	binary.BigEndian.PutUint32(report[16:], 5160+80)
	c.in(c.aRTCP, controlA, append(report, bye(7, "")...))
	if b := c.toBCtrl.last; be32(b, 4) != now.ssrc || be32(b, 16) != now.ts+80 || be32(b, srFixed+4) != now.ssrc {
		t.Errorf("A is heard as %+v: % x", now, b)
	}

	block := receptionReport{ssrc: now.ssrc, lsr: 0x33334444}
	about := rr(9, block)
	binary.BigEndian.PutUint32(about[16:], 3<<16|uint32(now.seq))
	c.in(c.bRTCP, controlB, append(about, words(0x81ce0002, 9, now.ssrc)...))
	b := c.toACtrl.last
	if be32(b, 4) != 9 || be32(b, 8) != 7 || be32(b, 16) != 3<<16|901 || be32(b, len(b)-4) != 7 || be32(b, len(b)-8) != 9 {
		t.Errorf("the report about A: % x", b)
	}
	if c.b.Stats().RoundTrip < 10*time.Millisecond {
		t.Errorf("round trip %v", c.b.Stats().RoundTrip)
	}
}

// An outlet through which nothing went yet, and sources it does not know, change no report.
func TestReportsOfOthersPass(t *testing.T) {
	c := newCall(nil)
	_, o := c.outlets()
	plain := append(sr(7, 1, receptionReport{ssrc: 9}), words(0x80ce0002, 7, 9)...)
	c.in(c.aRTCP, controlA, plain)
	if !bytes.Equal(c.toBCtrl.last, plain) {
		t.Errorf("% x", c.toBCtrl.last)
	}
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 70))
	o.Say(rtpPacket(8, 0, 0, 0), 8000, 160, true, c.now)
	c.in(c.aRTCP, controlA, plain)
	if !bytes.Equal(c.toBCtrl.last, plain) {
		t.Errorf("% x", c.toBCtrl.last)
	}
}

// Datagrams that are not looked into stay as they are, however short.
func TestOutletLeavesFaxAlone(t *testing.T) {
	c := newCall(func(a, _ *Path) { a.Kind, a.Formats = KindOpaque, nil })
	c.outlets()
	for _, udptl := range [][]byte{{0, 0, 1, 6, 0}, bytes.Repeat([]byte{0x80}, 40)} {
		c.in(c.aRTP, mediaA, udptl)
		if !bytes.Equal(c.toB.last, udptl) {
			t.Errorf("fax % x became % x", udptl, c.toB.last)
		}
	}
}
