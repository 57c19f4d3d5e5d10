package relay

import (
	"encoding/binary"
	"testing"
)

// head reads the numbers of a packet that was sent.
func head(t *testing.T, b []byte) rtpHeader {
	t.Helper()
	h, ok := parseRTP(b)
	if !ok {
		t.Fatalf("no RTP: % x", b)
	}
	return h
}

// What B hears is one source without a gap: the caller, an announcement, the caller again, another caller.
func TestOutletIsOneSource(t *testing.T) {
	c := newCall(nil)
	seq, ts := uint16(65530), uint32(0xffffff00)
	say := func(ssrc uint32) {
		seq++
		ts += 160
		c.in(c.aRTP, mediaA, rtpPacket(8, seq, ts, ssrc))
	}
	say(7)
	say(7)
	o := NewOutlet(c.bRTP, c.b, c.a)
	path := *c.aRTP.Path()
	path.Out = o
	c.aRTP.Set(&path)
	say(7)
	last := head(t, c.toB.last)
	if last.ssrc != 7 || last.seq != seq || last.ts != ts {
		t.Errorf("an outlet that says nothing changed %+v", last)
	}
	follows := func(what string, ticks uint32) {
		t.Helper()
		h := head(t, c.toB.last)
		if d := h.ts - last.ts - ticks; h.ssrc != 7 || h.seq != last.seq+1 || int32(d) > 160 || int32(d) < -160 {
			t.Errorf("%s: %+v after %+v, want %d ticks more", what, h, last, ticks)
		}
		last = h
	}
	for n := range 10 {
		o.Say(rtpPacket(8, 0, 0, 0), 8000, 160, n == 0, c.now+20*ms)
		follows("ours", 160)
		say(7) // nobody hears it
		if h := head(t, c.toB.last); h != last {
			t.Fatalf("the other side is heard in between: %+v", h)
		}
	}
	c.now += int64(ourTurn)
	ts += 800
	say(7)
	if c.toB.last[1]&0x80 == 0 {
		t.Error("no marker on the first packet after ours")
	}
	follows("the caller again", 160*6)
	say(7)
	follows("and on", 160)
	seq, ts = 17, 99
	say(1234)
	follows("another caller", 160)
	say(1234)
	follows("and on", 160)
	if st := c.a.Stats(); st.Relayed != 7 || st.Packets != 17 {
		t.Errorf("%d packets relayed of %d, want 7 of 17", st.Relayed, st.Packets)
	}
}

// A packet that was overtaken by our speech does not come behind it.
func TestOutletDropsTheOvertaken(t *testing.T) {
	c := newCall(func(a, _ *Path) { a.Out = NewOutlet(nil, nil, nil) })
	c.aRTP.Path().Out.port, c.aRTP.Path().Out.to = c.bRTP, c.b
	c.in(c.aRTP, mediaA, rtpPacket(8, 100, 160, 7))
	c.aRTP.Path().Out.Say(rtpPacket(8, 0, 0, 0), 8000, 160, true, c.now)
	c.aRTP.Path().Out.Yield()
	c.in(c.aRTP, mediaA, rtpPacket(8, 105, 960, 7))
	before := len(c.toB.to)
	c.in(c.aRTP, mediaA, rtpPacket(8, 104, 800, 7))
	if len(c.toB.to) != before {
		t.Error("it came")
	}
}

func TestOutletClosed(t *testing.T) {
	c := newCall(nil)
	o := NewOutlet(c.bRTP, c.b, nil)
	o.Say(rtpPacket(8, 0, 0, 0), 8000, 160, true, 1)
	o.Close()
	o.Say(rtpPacket(8, 0, 0, 0), 8000, 160, false, 2)
	c.toB.sent(t, "ours", mediaB)
}

// The rest of an event whose beginning was covered by ours is not heard: it would be another one.
func TestOutletHoldsBackTheRestOfAnEvent(t *testing.T) {
	c := newCall(func(a, _ *Path) { a.Out = NewOutlet(nil, nil, nil) })
	o := c.aRTP.Path().Out
	o.port, o.to = c.bRTP, c.b
	o.Say(eventPacket(101, 0, 0, 1, 160, true), 8000, 0, true, c.now)
	c.toB.to = nil
	for n := range 12 {
		c.in(c.aRTP, mediaA, eventPacket(101, uint16(n), 8000, 1, uint16(160*n), n > 9))
	}
	c.toB.sent(t, "an event half covered")
	c.in(c.aRTP, mediaA, eventPacket(101, 13, 16000, 2, 160, false))
	c.toB.sent(t, "the next event", mediaB)
}

// eventPacket is a telephone-event (RFC 4733 2.3).
func eventPacket(pt uint8, seq uint16, ts uint32, code byte, duration uint16, end bool) []byte {
	b := rtpPacket(pt, seq, ts, 7)[:rtpFixed]
	b[0] = 2 << 6
	b = append(b, code, 10, 0, 0)
	if end {
		b[rtpFixed+1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[rtpFixed+2:], duration)
	return b
}
