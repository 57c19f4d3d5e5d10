package media

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media/relay"
)

// stats gathers the figures of all streams. The lock is held.
func (s *Session) stats() []StreamStats {
	n := 0
	for _, p := range s.parties {
		n += len(p.past) + len(p.ends)
	}
	list := make([]StreamStats, 0, n)
	for _, p := range s.parties {
		list = append(list, p.past...)
		for i, e := range p.ends {
			if e != nil {
				list = append(list, s.one(p, i, e))
			}
		}
	}
	return list
}

func (s *Session) one(p *Party, index int, e *end) StreamStats {
	r := e.stream.Stats()
	st := StreamStats{
		From: p, Index: index, Media: e.kind, Codec: e.codec,
		LocalAddress:   e.pair.Local.String(),
		Packets:        r.Packets,
		Octets:         r.Octets,
		Lost:           r.Lost,
		Discarded:      r.Discarded,
		RelayedPackets: r.Relayed,
		RTCPPackets:    r.RTCP,
		JitterMS:       r.JitterMS,
		RoundTripMS:    float64(r.RoundTrip) / float64(time.Millisecond),
		FirstPacket:    s.moment(r.First),
		LastPacket:     s.moment(r.Last),
		SSRC:           r.SSRC,
		ZRTP:           r.ZRTP,
	}
	if r.Remote != (netip.AddrPort{}) {
		st.RemoteAddress = r.Remote.String()
	}
	if k := e.stream.Secured(); k != nil && k.Out != nil {
		st.SRTP = string(k.Out.Suite())
	}
	st.MOS = mos(e, &r, st.RoundTripMS)
	return st
}

// mos estimates the quality of what was received from a party; 0 where nothing can be said: no voice, or too little of it.
func mos(e *end, r *relay.Stats, roundTripMS float64) float64 {
	const enough = 50 // a second of speech
	if !strings.EqualFold(e.kind, "audio") || r.Expected < enough {
		return 0
	}
	return relay.MOS(e.codec, 100*float64(r.Lost)/float64(r.Expected), r.JitterMS, roundTripMS)
}

func (s *Session) moment(at int64) *time.Time {
	if at == 0 {
		return nil
	}
	t := s.e.wall(at)
	return &t
}
