package register

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const shards = 64

// table holds the bindings of all subscribers.
type table struct {
	seed   maphash.Seed
	count  atomic.Int64
	shards [shards]shard
	// ids finds a binding by its id.
	ids [shards]struct {
		sync.RWMutex
		m map[string]*binding
	}
}

// shard holds the bindings of some subscribers, and when something has to be done about each.
type shard struct {
	mu     sync.Mutex
	owners map[string]*owner
	heap   []*binding // by due
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range shards {
		t.shards[i].owners = map[string]*owner{}
		t.ids[i].m = map[string]*binding{}
	}
	return t
}

func (t *table) shard(subscriberID string) *shard {
	return &t.shards[maphash.String(t.seed, subscriberID)%shards]
}

// enter makes a binding findable by its id; leave undoes it. Neither is called with the lock of a shard held.
func (t *table) enter(b *binding) {
	ids := &t.ids[maphash.String(t.seed, b.id)%shards]
	ids.Lock()
	ids.m[b.id] = b
	ids.Unlock()
	t.count.Add(1)
}

func (t *table) leave(b *binding) {
	ids := &t.ids[maphash.String(t.seed, b.id)%shards]
	ids.Lock()
	defer ids.Unlock()
	if _, known := ids.m[b.id]; known {
		delete(ids.m, b.id)
		t.count.Add(-1)
	}
}

// find gives the binding of an id, nil if there is none.
func (t *table) find(id string) *binding {
	ids := &t.ids[maphash.String(t.seed, id)%shards]
	ids.RLock()
	defer ids.RUnlock()
	return ids.m[id]
}

// owner gives the subscriber's entry, made if there was none.
func (s *shard) owner(subscriberID string) *owner {
	o := s.owners[subscriberID]
	if o == nil {
		o = &owner{subscriber: subscriberID}
		s.owners[subscriberID] = o
	}
	return o
}

// add gives a binding to its owner.
func (s *shard) add(o *owner, b *binding) {
	b.owner, b.shard, b.index = o, s, -1
	o.bindings = append(o.bindings[:len(o.bindings):len(o.bindings)], b) // seldom more than one: no room to spare
}

// remove takes a binding from its owner; an owner without any is forgotten. It is false if it was taken before.
func (s *shard) remove(b *binding) bool {
	i := slices.Index(b.owner.bindings, b)
	if i < 0 {
		return false
	}
	b.owner.bindings = slices.Delete(b.owner.bindings, i, i+1)
	if len(b.owner.bindings) == 0 && s.owners[b.owner.subscriber] == b.owner {
		delete(s.owners, b.owner.subscriber)
	}
	s.unschedule(b)
	return true
}

// present tells whether a binding is still its owner's.
func (b *binding) present() bool { return slices.Contains(b.owner.bindings, b) }

// reschedule puts a binding at its place in the heap after due was set.
func (s *shard) reschedule(b *binding) {
	if b.index < 0 {
		b.index = int32(len(s.heap))
		s.heap = append(s.heap, b)
	}
	if !s.up(int(b.index)) {
		s.down(int(b.index))
	}
}

func (s *shard) unschedule(b *binding) {
	if b.index < 0 {
		return
	}
	i, last := int(b.index), len(s.heap)-1
	s.swap(i, last)
	s.heap[last] = nil
	s.heap = s.heap[:last]
	b.index = -1
	if i < last && !s.up(i) {
		s.down(i)
	}
}

// next gives the binding whose time has come, nil if there is none; then at is when the next one's will, 0 for never.
func (s *shard) next(now time.Duration) (b *binding, at time.Duration) {
	if len(s.heap) == 0 {
		return nil, 0
	}
	if b = s.heap[0]; b.due > now {
		return nil, b.due
	}
	return b, 0
}

func (s *shard) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.heap[i].index, s.heap[j].index = int32(i), int32(j)
}

func (s *shard) up(i int) bool {
	moved := false
	for i > 0 {
		parent := (i - 1) / 2
		if s.heap[parent].due <= s.heap[i].due {
			break
		}
		s.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (s *shard) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(s.heap) && s.heap[child].due < s.heap[least].due {
				least = child
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}
