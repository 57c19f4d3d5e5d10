package quality

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// buckets is in how many parts a window slides.
const buckets = 30

// counts are sums from which every figure is made.
type counts struct {
	attempts, answered, completed uint64
	rang, ringMS                  uint64 // attempts with a sign of ringing, and the sum of the times until it
	calls, talkMS                 uint64 // answered calls, and the sum of their durations
	scored                        uint64 // streams with a score
	score                         float64
	heard, received, lost         uint64 // calls with a stream of the trunk that was looked at, and its packets
	long, silent                  uint64 // calls of longSilence and more with media here, and those without a packet of the trunk
}

// add sums up.
func (c *counts) add(o *counts) {
	c.attempts, c.answered, c.completed = c.attempts+o.attempts, c.answered+o.answered, c.completed+o.completed
	c.rang, c.ringMS = c.rang+o.rang, c.ringMS+o.ringMS
	c.calls, c.talkMS = c.calls+o.calls, c.talkMS+o.talkMS
	c.scored, c.score = c.scored+o.scored, c.score+o.score
	c.heard, c.received, c.lost = c.heard+o.heard, c.received+o.received, c.lost+o.lost
	c.long, c.silent = c.long+o.long, c.silent+o.silent
}

// figure gives a metric with the number of its samples.
func (c *counts) figure(m sbc.QualityMetric) (value float64, samples uint64) {
	share := func(part, of, samples uint64, scale float64) (float64, uint64) {
		if of == 0 {
			return 0, samples
		}
		return scale * float64(part) / float64(of), samples
	}
	switch m {
	case sbc.QualityASR:
		return share(c.answered, c.attempts, c.attempts, 100)
	case sbc.QualityCCR:
		return share(c.completed, c.attempts, c.attempts, 100)
	case sbc.QualityPDD:
		return share(c.ringMS, c.rang, c.rang, 1)
	case sbc.QualityACD:
		return share(c.talkMS, c.calls, c.calls, 0.001)
	case sbc.QualityMOS:
		if c.scored == 0 {
			return 0, 0
		}
		return c.score / float64(c.scored), c.scored
	case sbc.QualityLoss:
		return share(c.lost, c.received+c.lost, c.heard, 100)
	case sbc.QualityOneWay:
		return share(c.silent, c.long, c.long, 100)
	}
	return 0, 0
}

// window is counts of the time just gone, in buckets that are used in turn.
type window struct {
	width time.Duration // of a bucket
	ring  [buckets]struct {
		slot int64 // of the time, in widths since 1970
		counts
	}
}

// width is that of a bucket of a profile's window.
func width(p *sbc.QualityProfile) time.Duration {
	return max(time.Second, time.Duration(p.WindowS)*time.Second/buckets)
}

func (w *window) slot(t time.Time) int64 { return t.UnixNano() / int64(w.width) }

// begin is the moment from which on calls are within the window.
func (w *window) begin(now time.Time) time.Time {
	return time.Unix(0, (w.slot(now)-buckets+1)*int64(w.width)).UTC()
}

// add counts something at a moment; what is older than what stands in its place already is too old.
func (w *window) add(t time.Time, c *counts) {
	slot := w.slot(t)
	b := &w.ring[uint64(slot)%buckets]
	if b.slot > slot {
		return
	}
	if b.slot < slot {
		b.slot, b.counts = slot, counts{}
	}
	b.counts.add(c)
}

// sum gives what is within the window.
func (w *window) sum(now time.Time) counts {
	var sum counts
	oldest := w.slot(now) - buckets
	for i := range w.ring {
		if w.ring[i].slot > oldest {
			sum.add(&w.ring[i].counts)
		}
	}
	return sum
}

// clear forgets everything.
func (w *window) clear(width time.Duration) { *w = window{width: width} }
