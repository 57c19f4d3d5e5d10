package relay

// Limits of RFC 3550 A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
	seqMod      = 1 << 16
	// staticNoise is the payload type of comfort noise (RFC 3551 6), which some send without having announced it.
	staticNoise = 13
)

// source is the state kept of one synchronisation source (RFC 3550 A.1), and the sums of those that came before it on the same
// stream.
type source struct {
	ssrc     uint32
	heard    bool
	maxSeq   uint16
	cycles   uint32
	baseSeq  uint32
	badSeq   uint32
	received uint32
	ts       uint32 // timestamp of the packet maxSeq, which came at the moment at
	at       int64

	pt      uint8
	clock   uint32 // Hz of pt, 0 unknown
	event   bool   // telephone-event: its timestamp stands still while a key is down
	quiet   bool   // comfort noise
	frame   uint8  // of a codec that announces silence by a frame of sid octets; 0: of none
	sid     uint8
	noise   bool // the last packet announced silence
	timed   bool // transit is known
	transit uint32
	jitter  uint32 // scaled by 16 (RFC 3550 A.8)
	rate    uint32 // clock the jitter is counted in

	lostBefore     int64
	expectedBefore int64
	changes        uint32
}

// packet counts one valid packet that arrived at now (nanoseconds on any steady clock).
func (s *source) packet(h rtpHeader, now int64, f *Formats) {
	switch {
	case !s.heard:
		s.heard = true
		s.begin(h)
	case s.ssrc != h.ssrc:
		s.changes++
		s.fold()
		s.begin(h)
	case !s.sequence(h.seq):
		return
	}
	if h.pt != s.pt || s.clock == 0 {
		s.format(h.pt, f)
	}
	if !s.event {
		s.interarrival(h.ts, now)
	}
	s.noise = s.quiet || s.frame != 0 && h.octets%int(s.frame) == int(s.sid)
	s.received++
	if h.seq == s.maxSeq {
		s.ts, s.at = h.ts, now
	}
}

// begin starts to count a source with this packet.
func (s *source) begin(h rtpHeader) {
	s.ssrc = h.ssrc
	s.restart(h.seq)
	s.timed, s.jitter, s.clock = false, 0, 0
}

// restart is init_seq of RFC 3550 A.1.
func (s *source) restart(seq uint16) {
	s.baseSeq, s.maxSeq = uint32(seq), seq
	s.badSeq = seqMod + 1
	s.cycles, s.received = 0, 0
}

// fold adds what the current source lost to the sums, before another one is counted.
func (s *source) fold() {
	expected := s.expected()
	s.expectedBefore += expected
	s.lostBefore += expected - int64(s.received)
}

// sequence is update_seq of RFC 3550 A.1 without probation: the latch has judged the source already.
func (s *source) sequence(seq uint16) bool {
	delta := seq - s.maxSeq
	switch {
	case delta < maxDropout:
		if seq < s.maxSeq {
			s.cycles += seqMod
		}
		s.maxSeq = seq
	case uint32(delta) <= seqMod-maxMisorder:
		if uint32(seq) != s.badSeq {
			s.badSeq = (uint32(seq) + 1) & (seqMod - 1)
			return false
		}
		// Two in a row: the other side restarted without telling.
		s.fold()
		s.restart(seq)
		s.timed = false
	}
	return true
}

// format remembers what the payload type means. Unknown ones count as 8 kHz, which all of G.711's neighbours have.
func (s *source) format(pt uint8, f *Formats) {
	s.pt, s.clock, s.event, s.quiet, s.frame, s.sid = pt, 8000, false, pt == staticNoise, 0, 0
	if known, ok := f.find(pt); ok {
		s.clock, s.event, s.quiet, s.frame, s.sid = known.Clock, known.Event, known.Noise, known.Frame, known.SID
	}
	if !s.event && s.clock != s.rate {
		s.rate, s.timed, s.jitter = s.clock, false, 0
	}
}

// interarrival is RFC 3550 A.8. Jumps of more than ten seconds are no jitter: the sender's clock was set anew.
func (s *source) interarrival(ts uint32, now int64) {
	const second = 1e9
	arrival := uint32(now/second*int64(s.clock) + now%second*int64(s.clock)/second)
	transit := arrival - ts
	if !s.timed {
		s.timed, s.transit = true, transit
		return
	}
	d := int32(transit - s.transit)
	s.transit = transit
	if d < 0 {
		d = -d
	}
	if uint32(d) > 10*s.clock {
		return
	}
	s.jitter += uint32(d) - (s.jitter+8)>>4
}

// expected is how many packets the sequence numbers of the current source promise (RFC 3550 A.3).
func (s *source) expected() int64 {
	if !s.heard {
		return 0
	}
	return int64(s.cycles) + int64(s.maxSeq) - int64(s.baseSeq) + 1
}

// lost is RFC 3550 A.3 over all sources; duplicates can make it negative.
func (s *source) lost() int64 { return s.lostBefore + s.expected() - int64(s.received) }

// promised is the number of packets expected over all sources.
func (s *source) promised() int64 { return s.expectedBefore + s.expected() }

// jitterMS is the current estimate in milliseconds.
func (s *source) jitterMS() float64 {
	if s.rate == 0 {
		return 0
	}
	return float64(s.jitter>>4) * 1000 / float64(s.rate)
}
