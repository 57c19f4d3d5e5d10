package secure

import "encoding/binary"

// late is how many packets back one that was overtaken is still sealed.
const late = 64

// sent is what was sealed of one SSRC.
type sent struct {
	ssrc    uint32
	highest uint16 // sequence number as it was sealed
	span    uint16 // how far back the first one is, late at most
	window  uint64 // bit n: highest-n was sealed
	add     uint16 // what is added to the numbers of the source
	next    uint16 // with two in a row far behind the source has begun anew
	doubt   bool
}

// number makes sure that no number is sealed twice under the key (RFC 3711 9.1), and numbers a source on that begins to count anew:
// its receiver would take all that for replayed otherwise, for up to ten minutes. The lock is held.
func (c *Context) number(b []byte) error {
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	s := c.last
	if s == nil || s.ssrc != ssrc {
		if s = c.source(ssrc, seq); s == nil {
			return ErrSources
		}
		c.last = s
	}
	if !s.take(seq + s.add) {
		again := s.doubt && seq == s.next
		s.next, s.doubt = seq+1, s.highest-(seq+s.add) >= late
		if !again || !s.doubt {
			return ErrRepeated
		}
		s.add = s.highest + 1 - seq
		s.take(seq + s.add)
	}
	if s.add != 0 {
		binary.BigEndian.PutUint16(b[2:], seq+s.add)
	}
	return nil
}

// source finds what was sealed of an SSRC, or begins it with a number; nil if there are too many.
func (c *Context) source(ssrc uint32, seq uint16) *sent {
	if s := c.sealed[ssrc]; s != nil {
		return s
	}
	if len(c.sealed) >= sources {
		return nil
	}
	if c.sealed == nil {
		c.sealed = make(map[uint32]*sent, 1)
	}
	s := &sent{ssrc: ssrc, highest: seq}
	c.sealed[ssrc] = s
	return s
}

// take notes a number; false if it was there, or may have been, or is from before the first: RFC 3711 3.3.1 gives that no index.
func (s *sent) take(seq uint16) bool {
	if ahead := seq - s.highest; ahead != 0 && ahead < 0x8000 {
		s.window = s.window<<ahead | 1
		s.highest, s.doubt = seq, false
		s.span = uint16(min(uint32(s.span)+uint32(ahead), late))
		return true
	}
	back := s.highest - seq
	bit := uint64(1) << back // 0 for what is far back
	if back >= late || back > s.span || s.window&bit != 0 {
		return false
	}
	s.window |= bit
	s.doubt = false
	return true
}
