package relay

import "encoding/binary"

// Further packet types of RTCP that name sources.
const (
	typeAPP   = 204 // RFC 3550 6.7
	typeRTPFB = 205 // RFC 4585 6.1
	typePSFB  = 206
	typeXR    = 207 // RFC 3611
)

// told is how an Outlet has changed the source that a party is, for RTCP: what is `own` in the party's packets is `as` at the
// receiver's. Its zero value changes nothing.
type told struct {
	on      bool
	own, as uint32
	// addSeq is what was added to sequence numbers, addTS to timestamps; where the party is not heard now, the receiver's clock
	// shows ts instead.
	addSeq    uint16
	addTS, ts uint32
	heard     bool
}

// told gives it for the party whose packets now bear an SSRC.
func (o *Outlet) told(own uint32, now int64) told {
	o.mu.Lock()
	defer o.mu.Unlock()
	return told{
		on: o.started, own: own, as: o.ssrc, addSeq: o.addSeq, addTS: o.addTS, ts: o.ts + o.ticks(now),
		heard: o.passing && o.source == own,
	}
}

// speaker is the SSRC of the stream's packets; false if there were none.
func (s *Stream) speaker() (ssrc uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.ssrc, s.source.heard
}

// told is the change of a stream's source by an outlet; nil for none.
func (s *Stream) told(o *Outlet, now int64) (t told) {
	if o == nil || s == nil {
		return t
	}
	if own, ok := s.speaker(); ok {
		return o.told(own, now)
	}
	return t
}

// retell makes a compound packet, whose form was checked, agree with what outlets made of the RTP beside it: says is how the
// receiver knows its sender, hears how its sender knows the receiver. Report blocks go into c as they were changed.
func (c *compound) retell(b []byte, says, hears *told) {
	c.nReports = 0
	for len(b) >= 8 {
		size := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
		says.packet(b[:size], hears)
		switch count := int(b[0] & 0x1f); b[1] {
		case typeSR:
			c.blocks(b[srFixed:], count)
		case typeRR:
			c.blocks(b[rrFixed:], count)
		}
		b = b[size:]
	}
}

// packet changes one packet of a compound.
func (t *told) packet(b []byte, hears *told) {
	count := int(b[0] & 0x1f)
	switch b[1] {
	case typeSR:
		t.sender(b)
		hears.reports(b[srFixed:], count)
	case typeRR:
		t.source(b[4:])
		hears.reports(b[rrFixed:], count)
	case typeSDES:
		t.chunks(b[4:], count)
	case typeBYE:
		for i := range count {
			t.source(b[4+4*i:])
		}
	case typeAPP, typeXR:
		if len(b) >= 8 {
			t.source(b[4:])
		}
	case typeRTPFB, typePSFB:
		if len(b) >= 12 {
			t.source(b[4:])
			hears.receiver(b[8:])
		}
	}
}

// source writes the SSRC by which the receiver knows the party.
func (t *told) source(b []byte) {
	if t.on && binary.BigEndian.Uint32(b) == t.own {
		binary.BigEndian.PutUint32(b, t.as)
	}
}

// sender changes the sender's part of an SR (RFC 3550 6.4.1): the moment of its NTP time is that of the RTP time in the
// receiver's stream, so that pictures keep in step with sound.
func (t *told) sender(b []byte) {
	if !t.on || binary.BigEndian.Uint32(b[4:]) != t.own {
		return
	}
	binary.BigEndian.PutUint32(b[4:], t.as)
	ts := t.ts
	if t.heard {
		ts = binary.BigEndian.Uint32(b[16:]) + t.addTS
	}
	binary.BigEndian.PutUint32(b[16:], ts)
}

// receiver writes the SSRC that the party itself bears; false if the packet is about somebody else.
func (t *told) receiver(b []byte) bool {
	if !t.on || binary.BigEndian.Uint32(b) != t.as {
		return false
	}
	binary.BigEndian.PutUint32(b, t.own)
	return true
}

// reports changes report blocks about the party: in its own numbers. The count of times that they ran over stays (RFC 3550
// 6.4.1, extended highest sequence number).
func (t *told) reports(b []byte, count int) {
	for ; count > 0; count-- {
		if t.receiver(b) {
			binary.BigEndian.PutUint16(b[10:], binary.BigEndian.Uint16(b[10:])-t.addSeq)
		}
		b = b[reportBlock:]
	}
}

// chunks changes the SSRCs of an SDES (RFC 3550 6.5).
func (t *told) chunks(b []byte, count int) {
	for ; count > 0; count-- {
		t.source(b)
		i := 4
		for b[i] != 0 {
			i += 2 + int(b[i+1])
		}
		b = b[(i+4)&^3:]
	}
}
