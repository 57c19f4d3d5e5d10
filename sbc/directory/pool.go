package directory

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"github.com/sallyport/sallyport/sbc"
)

// pool holds so many items; beyond, one goes that was not asked for since the hand last passed it (the clock of Corbató).
type pool struct {
	size  int
	items map[key]*item
	ring  []*item
	hand  int
}

// item is an answer of the store, whole or packed; neither is nobody.
type item struct {
	key   key
	whole *sbc.Entry
	plain *packed
	until time.Time
	used  atomic.Bool
	at    int // in the ring
}

// entry is whose the item is.
func (it *item) entry() *sbc.Entry {
	if it.plain != nil {
		return it.plain.entry()
	}
	return it.whole
}

// ids are those whose writes change the entry.
func (it *item) ids() []string {
	if it.plain != nil {
		return []string{it.plain.id}
	}
	return idsOf(it.whole)
}

func newPool(size int) pool { return pool{size: size, items: map[key]*item{}} }

// get finds an item, good or not; it may be called by several at a time.
func (p *pool) get(k key) *item {
	it := p.items[k]
	if it != nil && !it.used.Load() {
		it.used.Store(true)
	}
	return it
}

// put adds an item whose key is not there, or replaces it, and gives what had to go.
func (p *pool) put(it *item) (gone *item) {
	if old := p.items[it.key]; old != nil {
		p.remove(old)
	} else if len(p.ring) >= p.size {
		gone = p.victim()
		p.remove(gone)
	}
	it.at = len(p.ring)
	p.ring = append(p.ring, it)
	p.items[it.key] = it
	return gone
}

// victim turns the hand to the first item that was not used since the hand passed it.
func (p *pool) victim() *item {
	for {
		p.hand++
		if p.hand >= len(p.ring) {
			p.hand = 0
		}
		if it := p.ring[p.hand]; !it.used.Swap(false) {
			return it
		}
	}
}

func (p *pool) remove(it *item) {
	last := len(p.ring) - 1
	p.ring[it.at] = p.ring[last]
	p.ring[it.at].at = it.at
	p.ring[last] = nil
	p.ring = p.ring[:last]
	delete(p.items, it.key)
}

// newItem makes an item of an entry.
func newItem(k key, e *sbc.Entry, until time.Time) *item {
	// The name may be a piece of a whole message, and the domain is the same for many.
	k = key{unique.Make(k.domain).Value(), strings.Clone(k.name)}
	e = lean(e)
	it := &item{key: k, plain: pack(k, e), until: until}
	if it.plain == nil {
		it.whole = e
	}
	return it
}

// keep remembers an item under its key and under all its ids; the lock is held.
func (c *Cache) keep(it *item) {
	k := it.key
	if old := c.known.items[k]; old != nil && old.plain != nil && it.plain != nil && *old.plain == *it.plain {
		old.until = it.until // others share its strings
		return
	}
	c.drop(k)
	if old := c.absent.items[k]; old != nil {
		c.absent.remove(old)
	}
	if gone := c.known.put(it); gone != nil {
		c.unlink(gone)
	}
	for _, id := range it.ids() {
		c.ids[id] = append(c.ids[id], k)
	}
}

// byID finds the item of a subscriber's id among those that were asked for by name; the lock is held.
func (c *Cache) byID(id string) *item {
	for _, k := range c.ids[id] {
		if it := c.known.get(k); it.is(id) {
			return it
		}
	}
	return nil
}

// is tells whether the item is of the subscriber with an id, found by nothing but its own name.
func (it *item) is(id string) bool {
	if it.plain != nil {
		return it.plain.id == id
	}
	return it.whole.Via == nil && it.whole.Subscriber.ID == id
}

// drop forgets what is known under a key; the lock is held.
func (c *Cache) drop(k key) {
	if it := c.known.items[k]; it != nil {
		c.known.remove(it)
		c.unlink(it)
	}
}

// unlink takes a key away from the ids of its entry.
func (c *Cache) unlink(it *item) {
	for _, id := range it.ids() {
		keys := slices.DeleteFunc(c.ids[id], func(k key) bool { return k == it.key })
		if len(keys) == 0 {
			delete(c.ids, id)
			continue
		}
		c.ids[id] = keys
	}
}

// idsOf are the ids whose writes change an entry.
func idsOf(e *sbc.Entry) []string {
	ids := make([]string, 0, 1+len(e.Aliases))
	ids = append(ids, e.Subscriber.ID)
	for i := range e.Aliases {
		ids = append(ids, e.Aliases[i].ID)
	}
	return ids
}

// Changed forgets what was written or deleted; nil is that anything may have been.
func (c *Cache) Changed(list []sbc.ListedChange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if list == nil {
		c.clear()
		c.want(warmMissing)
		return
	}
	c.want(len(list))
	for _, x := range list {
		for _, id := range []string{x.ID, x.SubscriberID} {
			for _, k := range slices.Clone(c.ids[id]) {
				c.drop(k)
			}
		}
		for _, k := range []key{{x.DomainID, x.Name}, {"", x.ID}} {
			c.drop(k)
			if it := c.absent.items[k]; it != nil {
				c.absent.remove(it)
			}
		}
	}
}
