package relay

import (
	"encoding/binary"
	"net/netip"
)

const (
	// zrtpCookie marks the packets of ZRTP among those of RTP (RFC 6189 5).
	zrtpCookie = 0x5a525450
	// leastZRTP is header, the shortest message and check sum.
	leastZRTP = 12 + 12 + 4
)

// isZRTP tells ZRTP from RTP: its version bits are those of none.
func isZRTP(b []byte) bool {
	return len(b) >= leastZRTP && b[0]>>4 == 1 && binary.BigEndian.Uint32(b[4:]) == zrtpCookie
}

// zrtp handles one packet of ZRTP, which two phones speak about keys between them: it passes as it is. It is no proof of where its party
// is, and where media are encrypted between a party and us, or by the party's options, it does not pass.
func (p *Path) zrtp(b []byte, src netip.AddrPort, now int64, t *tally) {
	s := p.From
	s.mu.Lock()
	ok := s.rtp.check(src, now) != stranger
	if ok {
		s.zrtp = true
	} else {
		s.discarded++
	}
	s.mu.Unlock()
	switch {
	case !ok:
		t.wrongSource++
	case !p.ZRTP || !p.RTP.ready() || s.crypt.Load() != nil || p.RTP.To.crypt.Load() != nil:
		t.consumed++
	default:
		p.RTP.send(b, t)
	}
}
