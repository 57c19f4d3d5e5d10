package directory

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// The bounds, where Options say nothing.
const (
	// DefaultSize is how many subscribers are kept: by reckoning 0.6 KB each with names and hashes only, 2 KB with more.
	DefaultSize = 150_000
	// DefaultLife is how long an entry is good without being asked for anew. Writes are noticed at once, so this only bounds the
	// harm of a fault of ours. Phones register twice an hour: most find themselves known.
	DefaultLife = time.Hour
	// DefaultTimeout bounds the wait for the store.
	DefaultTimeout = 2 * time.Second

	// absentLife is how long a name counts as nobody's; a write of it is noticed at once.
	absentLife = 30 * time.Second
	// spareLife is how long an entry stays good that should be asked for anew but cannot.
	spareLife = 5 * time.Second
	// maxFlights bounds the questions under way, atOnce those that the store has before it, maxWaiting those who wait for one.
	maxFlights = 1024
	atOnce     = 8
	maxWaiting = 256
	// maxName is more than any name or id has, in octets: what is longer is nobody's, and is not kept.
	maxName = 128
)

// Options are what a Cache needs.
type Options struct {
	Source sbc.Directory
	// Size, Life and Timeout are as the constants say where they are 0.
	Size          int
	Life, Timeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log gets panics of those who asked; nil discards them.
	Log *slog.Logger
}

// Done takes an answer: an entry, or an error of CodeNotFound or CodeUnavailable. The entry is shared and must not be changed. Done must
// not wait: on a hit it is called by who asked, else by a goroutine that others wait for.
type Done func(e *sbc.Entry, err error)

// Cache finds subscribers. It is safe for concurrent use.
type Cache struct {
	o    Options
	slot chan struct{}

	mu sync.RWMutex
	// known are entries, absent names that nobody has.
	known, absent pool
	// ids finds the keys under which something with an id is known: a subscriber or one of its aliases.
	ids     map[string][]key
	flights map[key]*flight
	// flying counts all flights, also those that were overtaken by a write and another one.
	flying int
	// changes counts the calls of Changed: what was asked before one is not kept after it.
	changes uint64
	// missing counts what was forgotten since all were read, wanted asks Run to read all anew.
	missing int
	wanted  chan struct{}
}

// key is a question: a name in a domain, or an id without a domain.
type key struct{ domain, name string }

// flight is a question that the store has been asked.
type flight struct {
	waiting []Done
	changes uint64
}

// New makes an empty Cache.
func New(o Options) *Cache {
	if o.Size <= 0 {
		o.Size = DefaultSize
	}
	if o.Life <= 0 {
		o.Life = DefaultLife
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{o: o, slot: make(chan struct{}, atOnce), flights: map[key]*flight{}, wanted: make(chan struct{}, 1)}
	c.clear()
	return c
}

func (c *Cache) clear() {
	c.known, c.absent = newPool(c.o.Size), newPool(max(c.o.Size/10, 100))
	c.ids = map[string][]key{}
}

// Ask finds who has a name in a domain, as username or as alias, and hands the answer to done: at once if it is in memory, else from
// another goroutine within the timeout.
func (c *Cache) Ask(domainID, name string, done Done) { c.ask(key{domainID, name}, done) }

// AskID is Ask for the id of a subscriber.
func (c *Cache) AskID(id string, done Done) { c.ask(key{"", id}, done) }

// Peek looks in memory only: false may also mean that the store has not been asked yet.
func (c *Cache) Peek(domainID, name string) (*sbc.Entry, bool) {
	e, found, _ := c.look(key{domainID, name})
	return e, found && e != nil
}

// look gives what is in memory and still good; a nil entry that was found is nobody. spare is an entry that should be asked for anew.
func (c *Cache) look(k key) (e *sbc.Entry, found bool, spare *sbc.Entry) {
	now := c.o.Now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	it := c.known.get(k)
	if it == nil && k.domain == "" {
		it = c.byID(k.name)
	}
	if it != nil {
		if now.Before(it.until) {
			return it.entry(), true, nil
		}
		return nil, false, it.entry()
	}
	if it := c.absent.get(k); it != nil && now.Before(it.until) {
		return nil, true, nil
	}
	return nil, false, nil
}

func (c *Cache) ask(k key, done Done) {
	e, found, spare := c.look(k)
	switch {
	case len(k.name) > maxName:
		done(nil, nobody())
		return
	case found && e != nil:
		done(e, nil)
		return
	case found:
		done(nil, nobody())
		return
	}
	if !c.join(k, spare, done) {
		done(nil, sbc.Errorf(sbc.CodeUnavailable, "too many subscribers are being looked up"))
	}
}

// join waits for the answer to a question, and puts it to the store if nobody did. It gives false where there is no room.
func (c *Cache) join(k key, spare *sbc.Entry, done Done) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil && f.changes == c.changes {
		if len(f.waiting) >= maxWaiting {
			return false
		}
		f.waiting = append(f.waiting, done)
		return true
	}
	if c.flying >= maxFlights {
		return false
	}
	c.flying++
	k.name = strings.Clone(k.name) // it may be a piece of a message, all of which would be kept with it
	f := &flight{waiting: []Done{done}, changes: c.changes}
	c.flights[k] = f
	go c.fly(k, f, spare)
	return true
}

// fly asks the store and hands out the answer.
func (c *Cache) fly(k key, f *flight, spare *sbc.Entry) {
	e, err := c.fetch(k)
	if err != nil && sbc.CodeOf(err) != sbc.CodeNotFound {
		if spare != nil {
			e, err = spare, nil
		} else if sbc.CodeOf(err) != sbc.CodeUnavailable {
			err = &sbc.Error{Code: sbc.CodeUnavailable, Message: "the subscriber cannot be looked up now", Cause: err}
		}
	}
	for _, done := range c.land(k, f, e, err, e != nil && e == spare) {
		c.tell(done, e, err)
	}
}

// fetch asks the store in bounded time; a panic of it is an error.
func (c *Cache) fetch(k key) (e *sbc.Entry, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, sbc.Errorf(sbc.CodeInternal, "looking up a subscriber failed: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Timeout)
	defer cancel()
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return nil, sbc.Errorf(sbc.CodeUnavailable, "the store is busy")
	}
	if k.domain == "" {
		return c.o.Source.SubscriberByID(ctx, k.name)
	}
	return c.o.Source.FindSubscriber(ctx, k.domain, k.name)
}

// land ends a flight, keeps the answer if nothing was written meanwhile, and gives those who wait.
func (c *Cache) land(k key, f *flight, e *sbc.Entry, err error, spare bool) []Done {
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying--
	if c.flights[k] == f {
		delete(c.flights, k)
	}
	switch {
	case f.changes != c.changes:
	case err == nil && spare:
		c.keep(newItem(k, e, now.Add(spareLife)))
	case err == nil:
		c.keep(newItem(k, e, now.Add(c.o.Life)))
	case sbc.CodeOf(err) == sbc.CodeNotFound:
		c.drop(k)
		k.name = strings.Clone(k.name)
		c.absent.put(&item{key: k, until: now.Add(absentLife)})
	}
	return f.waiting
}

// tell hands out an answer; a panic of one who waits is not one of the others.
func (c *Cache) tell(done Done, e *sbc.Entry, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Log.Error("who asked for a subscriber panicked at the answer", "panic", r)
		}
	}()
	done(e, err)
}

func nobody() error { return sbc.Errorf(sbc.CodeNotFound, "there is no such subscriber") }
