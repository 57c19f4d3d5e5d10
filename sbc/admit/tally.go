package admit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Direction is which way a call goes, seen from the border.
type Direction string

// The directions.
const (
	In  Direction = "in"  // the call came from the trunk
	Out Direction = "out" // the call goes to the trunk
)

// The reasons of a refusal.
const (
	ReasonCalls = "call limit reached"
	ReasonRate  = "call rate exceeded"
)

// Verdict is the decision on one call.
type Verdict struct {
	OK bool
	// Code and Reason are the SIP answer of a refusal: 503 (RFC 3261 21.5.4).
	Code   int
	Reason string
	// RetryAfter is when trying again makes sense, in whole seconds; 0 where nobody knows (a call must end first). A client may
	// send nothing at all for that long (RFC 3261 21.5.4), so it is never longer than needed.
	RetryAfter time.Duration
}

// Options are what a Tally needs; the zero value will do.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// shards is how many locks share the trunks: enough that two busy trunks rarely meet.
const shards = 64

// Tally counts calls by trunk. It is safe for concurrent use.
type Tally struct {
	now     func() time.Time
	epoch   time.Time
	seed    maphash.Seed
	metrics *metrics
	shard   [shards]shard
}

// shard is a part of the trunks under one lock.
type shard struct {
	mu     sync.Mutex
	trunks map[string]*counter
}

// counter is one trunk's.
type counter struct {
	in, out int
	// recent are the calls admitted within the last second.
	recent window
}

// New makes an empty Tally.
func New(o Options) *Tally {
	t := &Tally{now: o.Now, seed: maphash.MakeSeed()}
	if t.now == nil {
		t.now = time.Now
	}
	t.epoch = t.now()
	for i := range t.shard {
		t.shard[i].trunks = map[string]*counter{}
	}
	t.metrics = newMetrics(o.Registerer, t)
	return t
}

// Call takes a place for one call on a trunk, or says why not. A call through the border takes two: one on each trunk. Release
// gives the place back; it is never nil, may be called from any goroutine and counts once. The rate (MaxCallsPerSecond) is of
// calls that come from the trunk; refused calls do not count towards it.
func (t *Tally) Call(trunk *sbc.Trunk, dir Direction) (release func(), v Verdict) {
	s := t.shardOf(trunk.ID)
	now := t.now().Sub(t.epoch)
	s.mu.Lock()
	c := s.trunks[trunk.ID]
	if c == nil {
		c = &counter{}
		s.trunks[trunk.ID] = c
	}
	v = c.take(trunk, dir, now)
	s.mu.Unlock()
	if !v.OK {
		t.metrics.refused(v)
		return func() {}, v
	}
	p := &place{tally: t, trunkID: trunk.ID, dir: dir}
	return p.release, v
}

// take checks and counts in one step; the shard's lock is held.
func (c *counter) take(trunk *sbc.Trunk, dir Direction, now time.Duration) Verdict {
	if trunk.MaxCalls > 0 && c.in+c.out >= trunk.MaxCalls {
		return Verdict{Code: 503, Reason: ReasonCalls}
	}
	if dir == In && trunk.MaxCallsPerSecond > 0 {
		if wait := c.recent.take(now, trunk.MaxCallsPerSecond); wait > 0 {
			return Verdict{Code: 503, Reason: ReasonRate, RetryAfter: wholeSeconds(wait)}
		}
	}
	if dir == In {
		c.in++
	} else {
		c.out++
	}
	return Verdict{OK: true}
}

// place is one call's hold on a trunk.
type place struct {
	tally   *Tally
	trunkID string
	dir     Direction
	done    atomic.Bool
}

// release gives the place back once.
func (p *place) release() {
	if p.done.Swap(true) {
		return
	}
	t := p.tally
	s := t.shardOf(p.trunkID)
	now := t.now().Sub(t.epoch)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.trunks[p.trunkID]
	if p.dir == In {
		c.in--
	} else {
		c.out--
	}
	// A trunk without calls is forgotten, so that deleted trunks leave nothing behind.
	if c.in+c.out == 0 && c.recent.empty(now) {
		delete(s.trunks, p.trunkID)
	}
}

// Usage is how many calls of a trunk are in progress.
type Usage struct{ In, Out int }

// Usage counts the calls of one trunk.
func (t *Tally) Usage(trunkID string) Usage {
	s := t.shardOf(trunkID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.trunks[trunkID]; c != nil {
		return Usage{c.in, c.out}
	}
	return Usage{}
}

// Each gives the counts of every trunk with calls, in no order; f is called without a lock held.
func (t *Tally) Each(f func(trunkID string, u Usage)) {
	for i := range t.shard {
		for id, u := range t.shard[i].copy() {
			f(id, u)
		}
	}
}

func (s *shard) copy() map[string]Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Usage, len(s.trunks))
	for id, c := range s.trunks {
		if c.in+c.out > 0 {
			out[id] = Usage{c.in, c.out}
		}
	}
	return out
}

func (t *Tally) shardOf(trunkID string) *shard {
	return &t.shard[maphash.String(t.seed, trunkID)%shards]
}

// wholeSeconds rounds up: Retry-After counts in seconds (RFC 3261 20.33).
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}
