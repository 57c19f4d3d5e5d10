package subscription

import "sync"

// share bounds a number of things, in all and for each trunk they come from: no trunk can take what the others need. It is safe
// for concurrent use.
type share struct {
	most, each int

	mu  sync.Mutex
	all int
	of  map[string]int
}

func newShare(o Options) *share {
	return &share{most: o.Max, each: o.MaxPerTrunk, of: map[string]int{}}
}

// take counts one more; false if there is no room, then nothing was counted.
func (s *share) take(trunkID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[trunkID] >= s.each {
		return false
	}
	s.all++
	s.of[trunkID]++
	return true
}

// give counts one less.
func (s *share) give(trunkID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[trunkID]--; s.of[trunkID] == 0 {
		delete(s.of, trunkID)
	}
}

// taken is how many there are.
func (s *share) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}
