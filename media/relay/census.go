package relay

import (
	"sync/atomic"

	"github.com/sallyport/sallyport/media/secure"
)

// Census counts the encrypted streams by suite. Safe for concurrent use.
type Census struct {
	counts map[secure.Suite]*atomic.Int64
}

// NewCensus makes one without any.
func NewCensus() *Census {
	c := &Census{counts: make(map[secure.Suite]*atomic.Int64)}
	for _, s := range secure.Suites() {
		c.counts[s] = new(atomic.Int64)
	}
	return c
}

// Count gives how many streams are encrypted by a suite now.
func (c *Census) Count(s secure.Suite) int64 {
	if n := c.counts[s]; n != nil {
		return n.Load()
	}
	return 0
}

// add changes the count of a suite.
func (c *Census) add(s secure.Suite, n int64) {
	if count := c.counts[s]; count != nil {
		count.Add(n)
	}
}

// Counted lets a stream be counted while it is encrypted: Secure with nil takes it out.
func (s *Stream) Counted(by *Census) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.census = by
}

// recount tells the census what the stream is encrypted by from now on, "" in the clear. The lock is held.
func (s *Stream) recount(suite secure.Suite) {
	if s.census == nil || s.suite == suite {
		return
	}
	s.census.add(s.suite, -1)
	s.census.add(suite, 1)
	s.suite = suite
}
