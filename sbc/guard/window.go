package guard

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	windowShards = 64
	// exactly is the largest limit that is counted one by one; larger ones are counted in groups.
	exactly = 1024
	// perChunk is how many times a chunk holds.
	perChunk = 7
	// tellAgain is how long a source that floods is not told of again.
	tellAgain = time.Minute
)

// width is how much of an address a source is.
type width uint8

const (
	wide128 width = iota // the address
	wide64
	wide48
	wideAccount // not an address but a subscriber
)

// sourceKey names a source within a realm.
type sourceKey struct {
	addr  [16]byte
	realm uint32
	width width
}

// windows are exact sliding windows of many sources, in memory that is bounded and grows with them: where there is no more, a source
// takes the place of the one that was silent longest. It may be used by several goroutines at once.
type windows struct {
	seed             maphash.Seed
	sources, buckets int
	chunks           int
	shards           [windowShards]windowShard
}

// windowShard is a share of the sources. Numbers of sources and chunks begin with 1; 0 is none.
type windowShard struct {
	mu             sync.Mutex
	heads          []int32
	sources        []source
	chunks         []chunk
	usedSources    int32
	usedChunks     int32
	freeSource     int32
	freeChunk      int32
	maxChunks      int32
	newest, oldest int32
}

// source is what is known of one source.
type source struct {
	key          sourceKey
	told         int64 // microseconds
	next         int32 // in the bucket, or the next that is free
	bucket       int32
	newer, older int32
	logs         [kinds]arrivals
}

// arrivals are the times of what came of one kind, in chunks. Each time stands for group messages, and is that of the last of
// them; the newest stands for part.
type arrivals struct {
	newest      int64 // microseconds
	head, tail  int32
	from, to    uint8
	times       int32
	group, part int32
}

// chunk is a piece of a list of times: the lower half of microseconds, which is enough because no window is longer than a minute.
type chunk struct {
	at   [perChunk]uint32
	next int32
}

// bound is what a kind may have within a window.
type bound struct {
	kind   kind
	limit  int
	window int64 // microseconds
}

// newWindows makes windows for about so many sources; nothing is allocated before it is needed.
func newWindows(sources int) *windows {
	per := max(16, sources/windowShards)
	buckets := 16
	for buckets < per {
		buckets *= 2
	}
	return &windows{seed: maphash.MakeSeed(), sources: per, buckets: buckets, chunks: max(4*per, 2048)}
}

// key makes the key of an address by width.
func keyOf(realm uint32, a netip.Addr, w width) sourceKey {
	k := sourceKey{addr: a.As16(), realm: realm, width: w}
	switch w {
	case wide64:
		clear(k.addr[8:])
	case wide48:
		clear(k.addr[6:])
	}
	return k
}

// shard is the same for all widths of an address, so that one lock is enough.
func (w *windows) shard(k *sourceKey, v6 bool) *windowShard {
	part := k.addr[:]
	if v6 {
		part = k.addr[:6]
	}
	return &w.shards[maphash.Bytes(w.seed, part)%windowShards]
}

func (w *windows) bucket(k *sourceKey) int {
	var b [21]byte
	copy(b[:], k.addr[:])
	binary.LittleEndian.PutUint32(b[16:], k.realm)
	b[20] = byte(k.width)
	return int(maphash.Bytes(w.seed, b[:]) >> 8 & uint64(w.buckets-1))
}

// outcome is what one more message makes of its source.
type outcome struct {
	over bool
	// width is the source that is over, count how many came in its window, tell whether it was not told of lately.
	width width
	count int
	tell  bool
}

// arrive counts a message of an address and tells whether it is one too many, for it or for a wider network. Where the address
// has had its share of malformed messages, whatever comes is too many: who sends such is not read on. What is too many for an
// address is not counted for its network: one that floods does not silence its neighbours.
func (w *windows) arrive(realm uint32, a netip.Addr, b bound, malformed int, factors [3]int, now int64) outcome {
	v6 := a.Is6() && !a.Is4In6()
	first := keyOf(realm, a, wide128)
	s := w.shard(&first, v6)
	s.mu.Lock()
	defer s.mu.Unlock()
	var o outcome
	widest := wide128
	if v6 {
		widest = wide48
	}
	for width := wide128; width <= widest; width++ {
		k := keyOf(realm, a, width)
		x := s.find(w, &k)
		count, over := s.add(x, b.scaled(factors[width]), now)
		if !over && b.kind != kindMalformed {
			bad := bound{kindMalformed, malformed * factors[width], b.window}
			if c := s.count(x, bad, now); c >= bad.limit {
				count, over = c, true
			}
		}
		if over {
			src := &s.sources[x]
			o = outcome{over: true, width: width, count: count}
			if now-src.told >= tellAgain.Microseconds() || src.told == 0 {
				src.told, o.tell = now, true
			}
			return o
		}
	}
	return o
}

// allow counts a message of an account and tells whether it may pass.
func (w *windows) allow(account [16]byte, b bound, now int64) bool {
	k := sourceKey{addr: account, width: wideAccount}
	s := w.shard(&k, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, over := s.add(s.find(w, &k), b, now)
	return !over
}

// forget takes away what is known of an address: what came from it does not count any more.
func (w *windows) forget(realm uint32, a netip.Addr) {
	k := keyOf(realm, a, wide128)
	s := w.shard(&k, a.Is6() && !a.Is4In6())
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.known(w, &k); x != 0 {
		s.evict(x)
	}
}

func (b bound) scaled(factor int) bound {
	b.limit *= max(1, factor)
	return b
}

// find gives the number of a source, which becomes the newest. One that is new takes the place of the oldest if there is no
// other.
func (s *windowShard) find(w *windows, k *sourceKey) int32 {
	if s.heads == nil {
		s.heads = make([]int32, w.buckets)
		s.sources, s.chunks = make([]source, 1), make([]chunk, 1)
		s.maxChunks = int32(w.chunks)
	}
	if x := s.known(w, k); x != 0 {
		s.touch(x)
		return x
	}
	at, x := w.bucket(k), s.room(w)
	s.sources[x] = source{key: *k, bucket: int32(at), next: s.heads[at]}
	s.heads[at] = x
	s.front(x)
	return x
}

// known gives the number of a source, 0 if there is none.
func (s *windowShard) known(w *windows, k *sourceKey) int32 {
	if s.heads == nil {
		return 0
	}
	x := s.heads[w.bucket(k)]
	for x != 0 && s.sources[x].key != *k {
		x = s.sources[x].next
	}
	return x
}

// room gives the number of a source that is not used.
func (s *windowShard) room(w *windows) int32 {
	if s.freeSource == 0 && int(s.usedSources) < w.sources {
		s.usedSources++
		s.sources = append(s.sources, source{})
		return s.usedSources
	}
	if s.freeSource == 0 {
		s.evict(s.oldest)
	}
	x := s.freeSource
	s.freeSource = s.sources[x].next
	return x
}

func (s *windowShard) touch(x int32) {
	if s.newest != x {
		s.unlink(x)
		s.front(x)
	}
}

func (s *windowShard) front(x int32) {
	src := &s.sources[x]
	src.newer, src.older = 0, s.newest
	if s.newest != 0 {
		s.sources[s.newest].newer = x
	}
	s.newest = x
	if s.oldest == 0 {
		s.oldest = x
	}
}

func (s *windowShard) unlink(x int32) {
	src := &s.sources[x]
	if src.newer != 0 {
		s.sources[src.newer].older = src.older
	} else {
		s.newest = src.older
	}
	if src.older != 0 {
		s.sources[src.older].newer = src.newer
	} else {
		s.oldest = src.newer
	}
}

// evict forgets a source: its place and its chunks are free.
func (s *windowShard) evict(x int32) {
	src := &s.sources[x]
	for i := range src.logs {
		for l := &src.logs[i]; l.times > 0; {
			s.pop(l)
		}
	}
	if at := &s.heads[src.bucket]; *at == x {
		*at = src.next
	} else {
		p := *at
		for s.sources[p].next != x {
			p = s.sources[p].next
		}
		s.sources[p].next = src.next
	}
	s.unlink(x)
	src.next = s.freeSource
	s.freeSource = x
}
