package quality

import (
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// maxNoted bounds the records that are remembered while older ones are counted; a recall that takes longer ends there.
const maxNoted = 100_000

// recall is the time in which records of an earlier process are counted beside those that come: no record is counted twice.
type recall struct {
	mu    sync.Mutex
	noted map[string]bool // the records that came meanwhile; nil outside of that time
	cut   bool            // there were too many
}

// note remembers a record that was counted as it came.
func (r *recall) note(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.noted == nil:
	case len(r.noted) >= maxNoted:
		r.cut = true
	default:
		r.noted[id] = true
	}
}

// BeginRecall is called before the first Observe by who has records of an earlier process to Recall.
func (m *Meter) BeginRecall() {
	m.recall.mu.Lock()
	defer m.recall.mu.Unlock()
	m.recall.noted = map[string]bool{}
}

// Recall counts a record of the past, in their order, as if it came at the end of its call: what it led to then is not told again. Between
// BeginRecall and EndRecall those that Observe had, too, are passed over. False: there is nothing to recall any more.
func (m *Meter) Recall(r *sbc.CDR) bool {
	m.recall.mu.Lock()
	over, known := m.recall.noted == nil || m.recall.cut, m.recall.noted[r.ID]
	m.recall.mu.Unlock()
	if !over && !known {
		m.observe(r, r.EndedAt, func(*sbc.Event) {})
	}
	return !over
}

// EndRecall says since when records were recalled, all of them; the zero time says that they were not.
func (m *Meter) EndRecall(since time.Time) {
	m.recall.mu.Lock()
	defer m.recall.mu.Unlock()
	if !since.IsZero() && !m.recall.cut {
		m.begun.Store(since.UnixNano())
	}
	m.recall.noted = nil
}
