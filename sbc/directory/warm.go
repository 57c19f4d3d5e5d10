package directory

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// warmPage is how many subscribers are read at a time.
	warmPage = 250
	// warmRest is the least time between two readings, warmAgain when one that failed is begun anew.
	warmRest  = 2 * time.Second
	warmAgain = time.Minute
	// warmTries is how often a page is read that was overtaken by writes; then those who are on it are looked up when they are wanted.
	warmTries = 5
	// warmMissing is how many have to be written before all are read anew: the few are looked up one by one.
	warmMissing = 500
)

// Run keeps the subscribers of the store in memory, as many as there is room for, until the context ends: phones that all register at
// once, after a start or because a network came back, find themselves known. It reads all of them at the start, when so many were
// written that it pays, and before what it read is too old; half of a processor is the most that it takes.
func (c *Cache) Run(ctx context.Context) {
	for {
		wait, fits := c.warm(ctx)
		if !fits { // those that are kept are those that are asked for
			wait = 0
		}
		if !c.rest(ctx, wait) {
			return
		}
	}
}

// rest waits for a reason to read again: for a time, where it is not 0, or until enough was written. It is false at the end.
func (c *Cache) rest(ctx context.Context, wait time.Duration) bool {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-due:
		return true
	case <-c.wanted:
	}
	timer := time.NewTimer(warmRest) // who writes much goes on doing so
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// want asks for all to be read anew after so many more were forgotten; the lock is held.
func (c *Cache) want(forgotten int) {
	if c.missing += forgotten; c.missing < warmMissing {
		return
	}
	c.missing = 0
	select {
	case c.wanted <- struct{}{}:
	default: // it is known already
	}
}

// warm reads all subscribers, and says when to do so again, and whether all of them have room.
func (c *Cache) warm(ctx context.Context) (again time.Duration, fits bool) {
	after := ""
	for tries := 0; ; {
		begun := time.Now()
		before := c.written()
		page, next, err := c.page(ctx, after)
		if err != nil {
			if ctx.Err() == nil {
				c.o.Log.Warn("subscribers are not read ahead, each is looked up when it is wanted", "error", err)
			}
			return warmAgain, true
		}
		taken, room := c.take(page, before)
		switch {
		case !room:
			return 0, false
		case !taken && tries < warmTries:
			tries++
		case next == "":
			return c.o.Life / 2, true
		default:
			after, tries = next, 0
		}
		select {
		case <-ctx.Done():
			return 0, false
		case <-time.After(max(time.Millisecond, time.Since(begun))):
		}
	}
}

// page reads some in bounded time; a panic of the store is an error.
func (c *Cache) page(ctx context.Context, after string) (page []*sbc.Entry, next string, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Log.Error("reading subscribers ahead panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("reading subscribers: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	return c.o.Source.Subscribers(ctx, after, warmPage)
}

// written counts writes: what was read before one is not kept after it.
func (c *Cache) written() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changes
}

// take keeps a page that was read when so much had been written: taken is false if more has been since. There is no room where
// somebody else would have to go.
func (c *Cache) take(page []*sbc.Entry, before uint64) (taken, room bool) {
	items, until := make([]*item, len(page)), c.o.Now().Add(c.o.Life)
	for i, e := range page {
		items[i] = newItem(key{e.Subscriber.DomainID, e.Subscriber.Username}, e, until)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != before {
		return false, true
	}
	for _, it := range items {
		old := c.known.items[it.key]
		if old == nil && len(c.known.ring) >= c.known.size {
			return true, false
		}
		if old != nil {
			it.used.Store(old.used.Load())
		}
		c.keep(it)
	}
	return true, true
}
