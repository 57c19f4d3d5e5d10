package call

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long the tags of an ended call are known: a late BYE gets 200 instead of 481 (64*T1).
const linger = 32 * time.Second

// shardCount is how many locks share the registry.
const shardCount = 64

// registry finds calls by id and dialogs by our tag. Each shard has its own lock, never held while calling anything.
type registry struct {
	seed  maphash.Seed
	live  atomic.Int64
	shard [shardCount]shard
}

type shard struct {
	mu    sync.Mutex
	calls map[string]*Call
	tags  map[string]*endpoint
	// late are tags of ended calls by the time of their end; they are swept when others come.
	late []lateTag
	// swept is how many of late are gone already.
	swept int
}

type lateTag struct {
	tag   string
	until time.Time
}

func newRegistry() *registry {
	r := &registry{seed: maphash.MakeSeed()}
	for i := range r.shard {
		r.shard[i].calls, r.shard[i].tags = map[string]*Call{}, map[string]*endpoint{}
	}
	return r
}

func (r *registry) of(key string) *shard {
	return &r.shard[maphash.String(r.seed, key)%shardCount]
}

// addCall registers a call unless limit calls are there already.
func (r *registry) addCall(c *Call, limit int) bool {
	if r.live.Add(1) > int64(limit) {
		r.live.Add(-1)
		return false
	}
	s := r.of(c.id)
	s.mu.Lock()
	s.calls[c.id] = c
	s.mu.Unlock()
	return true
}

// removeCall forgets a call.
func (r *registry) removeCall(c *Call) {
	s := r.of(c.id)
	s.mu.Lock()
	delete(s.calls, c.id)
	s.mu.Unlock()
	r.live.Add(-1)
}

// call finds a call by id.
func (r *registry) call(id string) *Call {
	s := r.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

// all lists the calls by rising id after an id.
func (r *registry) all(after string) []*Call {
	cs := r.unsorted(after)
	slices.SortFunc(cs, func(x, y *Call) int { return strings.Compare(x.id, y.id) })
	return cs
}

// after is all for who needs the first ones only.
func (r *registry) after(after string) rising {
	h := rising(r.unsorted(after))
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.sink(i)
	}
	return h
}

// unsorted lists the calls with ids above after.
func (r *registry) unsorted(after string) []*Call {
	cs := make([]*Call, 0, max(0, r.live.Load()))
	for i := range r.shard {
		s := &r.shard[i]
		s.mu.Lock()
		for id, c := range s.calls {
			if id > after {
				cs = append(cs, c)
			}
		}
		s.mu.Unlock()
	}
	return cs
}

// addTag makes a dialog findable.
func (r *registry) addTag(tag string, e *endpoint) {
	s := r.of(tag)
	s.mu.Lock()
	s.tags[tag] = e
	s.mu.Unlock()
}

// retire keeps a tag for a while without its call.
func (r *registry) retire(tag string, now time.Time) {
	s := r.of(tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tags[tag]
	if old == nil {
		return
	}
	s.tags[tag] = old.late()
	s.late = append(s.late, lateTag{tag, now.Add(linger)})
	for s.swept < len(s.late) && now.After(s.late[s.swept].until) {
		delete(s.tags, s.late[s.swept].tag)
		s.late[s.swept].tag = ""
		s.swept++
	}
	if s.swept > len(s.late)/2 { // moved rarely, so that each tag costs the same however many there are
		s.late, s.swept = append(s.late[:0], s.late[s.swept:]...), 0
	}
}

// tag finds a dialog by our tag.
func (r *registry) tag(tag string) *endpoint {
	s := r.of(tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tags[tag]
}
