package directory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// crowd is a source with so many subscribers.
func crowd(n int) *source {
	s := &source{names: map[string]bool{}}
	for i := range n {
		s.names[fmt.Sprintf("user%05d", i)] = true
	}
	return s
}

// read tells how many pages were read, and looked how many were looked up one by one.
func (s *source) read() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

func (s *source) looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// warmed is a cache over a source that runs.
func warmed(t *testing.T, s *source, o Options) *Cache {
	o.Source = s
	c := New(o)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return c
}

// known tells how many of the crowd are in memory.
func known(c *Cache, s *source) (n int) {
	for name := range s.names {
		if _, found := c.Peek("dom", name); found {
			n++
		}
	}
	return n
}

// TestWarm: who is in the store is known without having been asked for, and stays known: after an hour, and after all may have been
// written anew.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(3*warmPage + 7)
		c := warmed(t, s, Options{})
		time.Sleep(time.Second)
		if n := known(c, s); n != len(s.names) {
			t.Errorf("%d of %d are known after the start", n, len(s.names))
		}
		time.Sleep(5 * DefaultLife / 4)
		if n := known(c, s); n != len(s.names) {
			t.Errorf("%d of %d are known after a while", n, len(s.names))
		}
		c.Changed(nil)
		if n := known(c, s); n != 0 {
			t.Errorf("%d are known that may have been written", n)
		}
		time.Sleep(warmRest + time.Second)
		if n := known(c, s); n != len(s.names) {
			t.Errorf("%d of %d are known after a write", n, len(s.names))
		}
		if s.looked() != 0 {
			t.Errorf("%d were looked up one by one", s.looked())
		}
	})
}

// TestWarmAfterFew: a few that were written are looked up when they are wanted; many are read.
func TestWarmAfterFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(10)
		c := warmed(t, s, Options{})
		time.Sleep(time.Second)
		pages := s.read()
		for i := range warmMissing - 1 {
			c.Changed([]sbc.ListedChange{{ID: fmt.Sprintf("sub_user%05d", i)}})
		}
		if time.Sleep(time.Minute); s.read() != pages || known(c, s) != 0 {
			t.Errorf("%d pages were read, %d are known", s.read()-pages, known(c, s))
		}
		c.Changed([]sbc.ListedChange{{ID: "sub_x"}})
		if time.Sleep(time.Minute); s.read() != pages+1 || known(c, s) != 10 {
			t.Errorf("%d pages were read, %d are known", s.read()-pages, known(c, s))
		}
	})
}

// TestWarmFull: where there are more than there is room for, nobody goes for those that are read ahead, and they are not read again.
func TestWarmFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(warmPage + 100)
		c := New(Options{Source: s, Size: warmPage + 50})
		c.Ask("dom", "user00349", func(*sbc.Entry, error) {})
		synctest.Wait()
		go c.Run(t.Context())
		time.Sleep(time.Second)
		if _, found := c.Peek("dom", "user00349"); !found || known(c, s) != warmPage+50 {
			t.Errorf("%d are known, among them who was asked for: %v", known(c, s), found)
		}
		pages := s.read()
		if time.Sleep(3 * DefaultLife); s.read() != pages {
			t.Errorf("%d more pages were read", s.read()-pages)
		}
	})
}

// TestWarmOvertaken: what was read before a write is not kept after it, but read again.
func TestWarmOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(3)
		var c *Cache
		left := 2
		s.last = func() {
			if left--; left >= 0 {
				c.Changed([]sbc.ListedChange{{ID: "sub_user00001"}})
			}
		}
		c = New(Options{Source: s})
		go c.Run(t.Context())
		if time.Sleep(time.Second); s.read() != 3 || known(c, s) != 3 {
			t.Errorf("%d pages were read, %d are known", s.read(), known(c, s))
		}
	})
}

// TestWarmFails: a store that cannot be read is tried again.
func TestWarmFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(3)
		s.fail = errors.New("gone")
		c := warmed(t, s, Options{})
		time.Sleep(time.Second)
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		if time.Sleep(warmAgain + time.Second); known(c, s) != 3 {
			t.Errorf("%d are known", known(c, s))
		}
	})
}

// TestKnownByID: who is known by name is known by id, an alias' entry is not its subscriber's.
func TestKnownByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := crowd(2)
		c := warmed(t, s, Options{})
		time.Sleep(time.Second)
		c.AskID("sub_user00001", func(e *sbc.Entry, err error) {
			if err != nil || e.Subscriber.ID != "sub_user00001" {
				t.Errorf("%+v, %v", e, err)
			}
		})
		c.AskID("als_user00001", func(e *sbc.Entry, err error) {})
		synctest.Wait()
		if s.looked() != 1 {
			t.Errorf("%d were looked up, want the alias' id alone", s.looked())
		}
	})
}
