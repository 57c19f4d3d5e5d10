package digest

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const useShards = 32

// uses remembers which counts of which nonces were taken.
type uses struct{ shards [useShards]useShard }

type useShard struct {
	mu    sync.Mutex
	limit int
	known map[uint64]use
	// order is a ring of ids, the oldest at head.
	order []uint64
	head  int
	// floor is when the youngest nonce was made that fell out before it was too old to be used first: those made until then are
	// not told from it. Unix time in ms.
	floor atomic.Int64
}

// use is one nonce: the highest count taken, and which of the 64 below it, the highest being bit 0.
type use struct {
	made, ends int64
	high       uint32
	taken      uint64
}

func newUses(limit int) *uses {
	u := new(uses)
	for i := range u.shards {
		u.shards[i].limit, u.shards[i].known = max(1, limit/useShards), map[uint64]use{}
	}
	return u
}

func (u *uses) shard(id uint64) *useShard { return &u.shards[id%useShards] }

func (u *uses) knows(id uint64) bool {
	s := u.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.known[id]
	return ok
}

// lost tells whether a nonce that is not known may have been known once.
func (u *uses) lost(v Nonce) bool { return v.made <= u.shard(v.id).floor.Load() }

// take takes a count; young is asked once more, for the nonce may have fallen out meanwhile.
func (u *uses) take(v Nonce, count uint32, now time.Time, young func(used bool) bool) bool {
	s := u.shard(v.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, used := s.known[v.id]
	if !young(used) {
		return false
	}
	if !used {
		s.forget(now.UnixMilli())
		s.order = append(s.order, v.id)
		e = use{made: v.made, ends: v.made + v.life.Milliseconds()}
	}
	if !e.take(count, used) {
		return false
	}
	s.known[v.id] = e
	return true
}

// take notes a count; false if it was taken, or cannot be told any more.
func (e *use) take(count uint32, used bool) bool {
	if count == 0 { // without qop: all of it
		e.high, e.taken = math.MaxUint32, math.MaxUint64
		return !used
	}
	switch back := int64(e.high) - int64(count); {
	case back < 0:
		if shift := -back; used && shift < 64 {
			e.taken = e.taken<<shift | 1
		} else {
			e.taken = 1
		}
		e.high = count
	case back >= 64 || e.taken>>back&1 == 1:
		return false
	default:
		e.taken |= 1 << back
	}
	return true
}

// forget makes room: what is over goes, and the oldest if there are too many.
func (s *useShard) forget(now int64) {
	for s.head < len(s.order) {
		id := s.order[s.head]
		e := s.known[id]
		full := len(s.order)-s.head >= s.limit
		if e.ends >= now && !full {
			break
		}
		if e.ends >= now && e.made > s.floor.Load() {
			s.floor.Store(e.made)
		}
		delete(s.known, id)
		s.head++
	}
	if s.head > 64 && s.head*2 > len(s.order) {
		s.order = append(s.order[:0], s.order[s.head:]...)
		s.head = 0
	}
}

func (u *uses) count() (n int) {
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		n += len(s.known)
		s.mu.Unlock()
	}
	return n
}
