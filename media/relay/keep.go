package relay

import "net/netip"

// Kept is what of a stream shall survive its process. RTP and RTCP are where the packets come from, invalid while nothing has fixed
// that; First is of the mover's clock.
type Kept struct {
	RTP, RTCP                         netip.AddrPort
	Packets, Octets                   uint64
	Discarded, Relayed, ControlPasses uint64
	First                             int64
}

// Keep copies what shall survive.
func (s *Stream) Keep() Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Kept{
		RTP: s.rtp.src, RTCP: s.rtcp.src, Packets: s.packets, Octets: s.octets, Discarded: s.discarded, Relayed: s.relayed,
		ControlPasses: s.control, First: s.first,
	}
}

// Restore makes a new stream go on as one of an earlier process, after Expect: who was latched is still believed, and nobody else who
// was not. The figures go on; losses are counted anew, and nothing was heard yet.
func (s *Stream) Restore(k Kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.RTP.IsValid() {
		s.rtp.fix(k.RTP, 0)
	}
	if k.RTCP.IsValid() {
		s.rtcp.fix(k.RTCP, 0)
	}
	s.packets, s.octets, s.discarded, s.relayed, s.control = k.Packets, k.Octets, k.Discarded, k.Relayed, k.ControlPasses
	s.first = k.First
}
