package media

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/tone"
)

const (
	// chunk is the room that a recording takes at a time: one second of 16-bit samples.
	chunk = 2 * tone.Rate
	// voiced is the mean magnitude of the samples of a packet from which on somebody is heard: some -45 dB below the largest.
	voiced = 160
	// mostAhead is how far the timestamps of a sender may run away from the clock before they count as begun anew.
	mostAhead = 2 * tone.Rate
)

// Recording is what a party says, as 16-bit linear samples of 8 kHz: where nothing came there is silence. It is kept in memory until it
// is drained: whoever does so every second leaves some three of them there.
type Recording struct {
	clock   func() int64
	longest int // samples

	mu     sync.Mutex
	law    tone.Law // of the payload type agreed on, pt; the static ones have theirs
	pt     uint8
	chunks [][]byte
	gone   int   // chunks that were drained, before those that are there
	n      int   // samples
	began  int64 // by the clock
	loud   int64 // when somebody was heard last
	heard  bool
	base   uint32 // the timestamp of the first sample
	based  bool
	over   bool
}

// Record keeps what a party says on its first audio line, no longer than longest, in place of what was recorded before. Errors:
// ErrNoVoice if that is in no format that we know, ErrClosed.
func (s *Session) Record(p *Party, longest time.Duration) (*Recording, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || p.s != s || p.dropped {
		return nil, ErrClosed
	}
	for i, e := range p.ends {
		if e == nil || !strings.EqualFold(e.kind, "audio") {
			continue
		}
		sp := p.speech(i)
		if !sp.sound {
			continue
		}
		now := s.e.clock()
		r := &Recording{
			clock: s.e.clock, longest: int(longest * tone.Rate / time.Second), law: sp.law, pt: sp.pt, began: now, loud: now,
		}
		e.tap = r
		e.change(func(p *relay.Path) { p.Tap = r })
		return r, nil
	}
	return nil, ErrNoVoice
}

// Take keeps the samples of a packet. The packet thread calls it.
func (r *Recording) Take(pt uint8, ts uint32, payload []byte) {
	law := r.law
	switch pt {
	case 0: // RFC 3551 6
		law = tone.MuLaw
	case 8:
		law = tone.ALaw
	case r.pt:
	default:
		return
	}
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	at := r.place(ts, now)
	sum := 0
	for i, b := range payload {
		v := law.Decode(b)
		sum += max(int(v), -int(v))
		r.put(at+i, v)
	}
	if len(payload) > 0 && sum/len(payload) >= voiced {
		r.loud, r.heard = now, true
	}
}

// place is where a packet belongs by its timestamp; by the clock where the timestamps begin, or begin anew. The lock is held.
func (r *Recording) place(ts uint32, now int64) int {
	due := r.samples(now - r.began)
	at := int(int32(ts - r.base))
	if !r.based || at < due-mostAhead || at > due+mostAhead {
		r.based, at = true, max(due, r.n)
		r.base = ts - uint32(at)
	}
	return at
}

// put writes one sample. The lock is held.
func (r *Recording) put(at int, v int16) {
	if at < 0 || at >= r.longest {
		return
	}
	i := 2*at/chunk - r.gone
	if i < 0 {
		return
	}
	for len(r.chunks) <= i {
		r.chunks = append(r.chunks, make([]byte, chunk))
	}
	c := r.chunks[i]
	c[2*at%chunk], c[2*at%chunk+1] = byte(v), byte(uint16(v)>>8)
	r.n = max(r.n, at+1)
}

func (r *Recording) samples(d int64) int { return int(d * tone.Rate / int64(time.Second)) }

// Length is how long it is so far, by the clock.
func (r *Recording) Length() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(time.Duration(r.clock()-r.began), time.Duration(r.longest)*time.Second/tone.Rate)
}

// Silence is how long nobody was heard.
func (r *Recording) Silence() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(r.clock() - r.loud)
}

// Voiced says whether anybody was heard at all.
func (r *Recording) Voiced() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

// Drain gives what no packet can change any more since it was asked last, little endian, and forgets it: whole seconds, nil for none.
func (r *Recording) Drain() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 2*(min(r.samples(r.clock()-r.began), r.longest)-mostAhead)/chunk - r.gone
	if r.over || n <= 0 {
		return nil
	}
	pcm := make([]byte, n*chunk)
	for i, c := range r.chunks[:min(n, len(r.chunks))] {
		copy(pcm[i*chunk:], c)
	}
	r.chunks, r.gone = slices.Clone(r.chunks[min(n, len(r.chunks)):]), r.gone+n
	return pcm
}

// End gives the samples that were not drained, little endian, until now or the longest there may be, and how many octets were drained
// before them; nothing more is kept.
func (r *Recording) End() (pcm []byte, drained int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	drained = r.gone * chunk
	if r.over {
		return nil, drained
	}
	r.over = true
	pcm = make([]byte, 2*min(max(r.n, r.samples(r.clock()-r.began)), r.longest)-drained)
	for i, c := range r.chunks {
		copy(pcm[i*chunk:], c)
	}
	r.chunks = nil
	return pcm, drained
}
