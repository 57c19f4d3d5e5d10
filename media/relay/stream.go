package relay

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media/secure"
)

// Format is one RTP payload type a party may send.
type Format struct {
	PT    uint8
	Clock uint32 // Hz
	Event bool   // telephone-event (RFC 4733)
	Noise bool   // comfort noise (RFC 3389)
	// Frame and SID are for codecs that announce silence in their own packets: so are those of n*Frame+SID octets.
	Frame, SID uint8
}

// rate is the clock, that of telephony where it is not known.
func (f *Format) rate() uint32 {
	if f.Clock == 0 {
		return 8000
	}
	return f.Clock
}

// Formats are the payload types of one m-line. Immutable.
type Formats struct {
	list []Format
	bits [2]uint64
}

// NewFormats makes a set. Payload types over 127 do not exist and are left out.
func NewFormats(list []Format) *Formats {
	f := &Formats{list: make([]Format, 0, len(list))}
	for _, x := range list {
		if x.PT > 127 || f.has(x.PT) {
			continue
		}
		f.bits[x.PT>>6] |= 1 << (x.PT & 63)
		f.list = append(f.list, x)
	}
	return f
}

func (f *Formats) has(pt uint8) bool { return f.bits[pt>>6&1]>>(pt&63)&1 != 0 }

// plausible says whether a packet of this type may fix a latch. An empty set believes every type.
func (f *Formats) plausible(pt uint8) bool { return f == nil || len(f.list) == 0 || f.has(pt) }

func (f *Formats) find(pt uint8) (Format, bool) {
	if f == nil {
		return Format{}, false
	}
	for _, x := range f.list {
		if x.PT == pt {
			return x, true
		}
	}
	return Format{}, false
}

// Stream is what one party sends on one m-line. It outlives Paths: statistics and latch go on over a re-INVITE.
// Safe for concurrent use.
type Stream struct {
	mu sync.Mutex

	rtp, rtcp latch
	mux       bool
	zrtp      bool // it has sent ZRTP
	// census counts it under suite while it is encrypted; nil for none.
	census *Census
	suite  secure.Suite
	// crypt is nil where media are not encrypted.
	crypt atomic.Pointer[crypt]
	// guest hears what is no RTP; nil if nobody does.
	guest atomic.Pointer[Guest]

	source                      source
	packets, octets             uint64
	discarded, relayed, control uint64
	first, last                 int64 // nanoseconds of the mover's clock; 0 never
	roundTrip                   time.Duration
	// reports are the last sender reports of this stream that passed, for the round trip of the party that answers them.
	reports [4]passedReport
	nReport uint8
}

type passedReport struct {
	senderReport
	at uint32 // when it passed, in 1/65536 s
}

// Stats is a copy of a stream's figures. Times are nanoseconds of the clock given to the mover; 0 means never.
type Stats struct {
	Packets, Octets          uint64
	Lost, Expected           int64
	Discarded, Relayed, RTCP uint64
	JitterMS                 float64
	RoundTrip                time.Duration
	First, Last              int64
	SSRC                     uint32
	SSRCChanges              uint32
	Remote                   netip.AddrPort // where the stream comes from; where it is expected, until the first packet
	Latched                  bool
	ZRTP                     bool // it has sent ZRTP (RFC 6189)
}

// NewStream gives a stream that admits nothing until Expect.
func NewStream() *Stream { return &Stream{rtcp: latch{quiet: int64(quietControl)}} }

// Expect sets where the party's packets come from and go to, and opens the latches: it is the end of a round of offer and
// answer. With mux, RTCP shares the latch of RTP (RFC 5761).
func (s *Stream) Expect(media, control Peer, mux bool, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mux = mux
	s.rtp.renew(media, now)
	s.rtcp.renew(control, now)
}

// Stats copies the figures.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Packets: s.packets, Octets: s.octets,
		Discarded: s.discarded, Relayed: s.relayed, RTCP: s.control,
		RoundTrip: s.roundTrip, First: s.first, Last: s.last,
		SSRCChanges: s.source.changes,
		Latched:     s.rtp.src.IsValid(),
		ZRTP:        s.zrtp,
	}
	if s.source.heard {
		st.SSRC, st.JitterMS = s.source.ssrc, s.source.jitterMS()
		st.Lost, st.Expected = s.source.lost(), s.source.promised()
	}
	switch d := s.rtp.dest.Load(); {
	case s.rtp.src.IsValid():
		st.Remote = s.rtp.src
	case d != nil:
		st.Remote = d.Addr
	default:
		st.Remote = s.rtp.peer.Media
	}
	return st
}

// Last is when the last packet of the party arrived that was not discarded; 0 if none did.
func (s *Stream) Last() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Heard is Last, and whether the last RTP packet was comfort noise: then silence is what the party announced.
func (s *Stream) Heard() (last int64, noise bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.source.noise
}

// media judges and counts one packet that is not RTCP. It gives it decrypted, and tells its payload type if it is RTP.
func (s *Stream) media(b []byte, src netip.AddrPort, now int64, p *Path) ([]byte, outcome, uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.rtp.check(src, now)
	if v == stranger {
		s.discarded++
		return b, wrongSource, 0
	}
	var h rtpHeader
	if p.Kind != KindOpaque {
		if c := s.crypt.Load(); c != nil {
			var result outcome
			if b, result = c.open(b, false, now); result != pass {
				s.discarded++
				return b, result, 0
			}
		}
		var ok bool
		// RTCP on a port it was not agreed for is no RTP, unless its number was announced as a payload type.
		if h, ok = parseRTP(b); !ok || !p.Formats.plausible(h.pt) && (v == candidate || looksRTCP(b)) {
			s.discarded++
			return b, malformed, 0
		}
	}
	if v == candidate {
		s.rtp.fix(src, now)
	}
	if p.Kind != KindOpaque {
		s.source.packet(h, now, p.Formats)
	}
	s.packets++
	s.octets += uint64(len(b))
	s.touch(now)
	if p.RTP.ready() {
		s.relayed++
		return b, pass, h.pt
	}
	return b, consumed, h.pt
}

func (s *Stream) touch(now int64) {
	if s.first == 0 {
		s.first = now
	}
	s.last = now
}

// rtcpIn judges and counts one RTCP packet whose form was checked, and remembers its sender reports.
func (s *Stream) rtcpIn(c *compound, src netip.AddrPort, now int64) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.rtcp
	if s.mux {
		l = &s.rtp
	}
	v := l.check(src, now)
	if v == stranger {
		s.discarded++
		return wrongSource
	}
	if c.malformed {
		s.discarded++
		return malformed
	}
	// On a shared port only RTP fixes the latch: it is the better proof.
	if v == candidate && !s.mux {
		l.fix(src, now)
	}
	s.control++
	s.last = now
	for _, r := range c.senders[:c.nSenders] {
		s.reports[s.nReport&3] = passedReport{r, ntpUnits(now)}
		s.nReport++
	}
	return pass
}

// passed finds when the sender report that a report block answers went by.
func (s *Stream) passed(r receptionReport) (at uint32, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.reports {
		if p := &s.reports[i]; p.ssrc == r.ssrc && p.mid == r.lsr && p.at != 0 {
			return p.at, true
		}
	}
	return 0, false
}

// round computes the round trip between us and the party that sent report blocks about the stream `about`
// (RFC 3550 6.4.1: A - LSR - DLSR, with the time the SR passed us for LSR).
func (s *Stream) round(about *Stream, c *compound, now int64) {
	if about == nil {
		return
	}
	for _, r := range c.reports[:c.nReports] {
		if r.lsr == 0 {
			continue
		}
		at, ok := about.passed(r)
		if !ok {
			continue
		}
		trip := int32(ntpUnits(now) - at - r.dlsr)
		if trip < 0 {
			trip = 0 // clocks of 1/65536 s round against each other
		}
		if trip > 60<<16 {
			continue
		}
		s.mu.Lock()
		s.roundTrip = time.Duration(int64(trip) * int64(time.Second) >> 16)
		s.mu.Unlock()
	}
}

// ntpUnits turns nanoseconds into 1/65536 s modulo 2^32, as in the middle bits of an NTP time. It is never 0.
func ntpUnits(now int64) uint32 {
	u := uint32(now/1e9<<16 + now%1e9<<16/1e9)
	if u == 0 {
		return 1
	}
	return u
}

// unsent takes back the counting of a packet the system would not send.
func (s *Stream) unsent() {
	s.mu.Lock()
	s.relayed--
	s.mu.Unlock()
}
