package guard

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	trustShards = 16
	// trustMax bounds the addresses that are trusted, in each shard. They cannot be forged: each has shown a password.
	trustMax = 16_384
)

// trust knows from which addresses somebody has authenticated not long ago.
type trust struct{ shards [trustShards]trustShard }

type trustShard struct {
	mu    sync.RWMutex
	until map[trustKey]uint32 // seconds: there may be very many
}

// trustKey is an address in a realm.
type trustKey struct {
	addr  [16]byte
	realm uint32
}

// seconds rounds microseconds up: nobody is counted sooner than was said.
func seconds(us int64) uint32 { return uint32((us + 999_999) / 1_000_000) }

func newTrust() *trust {
	t := &trust{}
	for i := range t.shards {
		t.shards[i].until = map[trustKey]uint32{}
	}
	return t
}

func (t *trust) shard(a netip.Addr) *trustShard {
	b := a.As16()
	return &t.shards[(b[15]^b[14]^b[7])%trustShards]
}

// note trusts an address until a time, both in microseconds, and tells whether it was trusted before. Where the shard is full, any that
// has run out makes room, else any.
func (t *trust) note(realm uint32, a netip.Addr, until, now int64) (before bool) {
	s, k := t.shard(a), trustKey{a.As16(), realm}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.until[k]
	if !known && len(s.until) >= trustMax {
		s.room(now)
	}
	s.until[k] = seconds(until)
	return int64(old)*1e6 > now
}

// room looks at a few and takes away the one that runs out first.
func (s *trustShard) room(now int64) {
	var first trustKey
	looked := 0
	for k, until := range s.until {
		if looked == 0 || until < s.until[first] {
			first = k
		}
		if looked++; int64(until)*1e6 <= now || looked == 32 {
			break
		}
	}
	delete(s.until, first)
}

func (t *trust) has(realm uint32, a netip.Addr, now int64) bool {
	s := t.shard(a)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int64(s.until[trustKey{a.As16(), realm}])*1e6 > now
}

// sweep forgets those that have run out.
func (t *trust) sweep(now int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for k, until := range s.until {
			if int64(until)*1e6 <= now {
				delete(s.until, k)
			}
		}
		s.mu.Unlock()
	}
}

// tellings remembers of whom was told lately, and keeps a flood of sources from becoming one of events.
type tellings struct {
	mu    sync.Mutex
	until map[trustKey]int64
	spent float64 // events of the budget used up at the time
	at    int64
}

const (
	tellingsMax  = 4096
	eventsBurst  = 50
	eventsSecond = 10
)

// first tells whether a source was not told of lately.
func (t *tellings) first(realm uint32, a netip.Addr, now int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := trustKey{a.As16(), realm}
	if t.until[k] > now {
		return false
	}
	if len(t.until) >= tellingsMax {
		clear(t.until)
	}
	if t.until == nil {
		t.until = map[trustKey]int64{}
	}
	t.until[k] = now + tellAgain.Microseconds()
	return true
}

// within takes one event from the budget of all.
func (t *tellings) within(now int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent = max(0, t.spent-float64(now-t.at)/1e6*eventsSecond)
	t.at = now
	if t.spent+1 > eventsBurst {
		return false
	}
	t.spent++
	return true
}

// event tells of what sources do, within the budget: beyond it the counters tell.
func (g *Guard) event(kind sbc.EventType, data map[string]string) {
	if !g.told.within(g.now()) {
		g.metrics.untold.Inc()
		return
	}
	g.o.Events(sbc.Event{Type: kind, At: time.Now().UTC(), Data: data})
}

func decimal(n int) string { return strconv.Itoa(n) }

func yes(b bool) string { return strconv.FormatBool(b) }
