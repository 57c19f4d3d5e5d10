package call

import (
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// counts are those of the calls by tenant. A tenant's are kept for as long as the node runs.
type counts struct {
	since time.Time

	mu      sync.Mutex
	tenants map[string]*tenantCounts
}

// tenantCounts are those of one tenant. The keys are words of ours, so the tables are small.
type tenantCounts struct {
	states       map[sbc.CallState]int64
	reasons      map[sbc.EndReason]int64
	dispositions map[sbc.Disposition]int64
}

func newCounts() *counts { return &counts{since: now(), tenants: map[string]*tenantCounts{}} }

// of gives the counts of a tenant; the lock is held.
func (n *counts) of(tenant string) *tenantCounts {
	t := n.tenants[tenant]
	if t == nil {
		t = &tenantCounts{
			states: map[sbc.CallState]int64{}, reasons: map[sbc.EndReason]int64{}, dispositions: map[sbc.Disposition]int64{},
		}
		n.tenants[tenant] = t
	}
	return t
}

// moved counts a call in its new state; "" before is a new call.
func (n *counts) moved(tenant string, before, after sbc.CallState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.of(tenant)
	if before != "" {
		t.states[before]--
	}
	t.states[after]++
}

// ended counts a call by its record.
func (n *counts) ended(d *sbc.CDR) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.of(d.TenantID)
	t.reasons[d.EndReason]++
	t.dispositions[d.Disposition]++
}

// Statistics gives the counts of a tenant's calls, "" for all tenants'.
func (m *Manager) Statistics(tenant string) sbc.CallStatistics {
	s := sbc.CallStatistics{
		Since: m.counts.since.UTC(), ByState: map[sbc.CallState]int64{}, ByEndReason: map[sbc.EndReason]int64{},
		ByDisposition: map[sbc.Disposition]int64{},
	}
	m.counts.mu.Lock()
	for id, t := range m.counts.tenants {
		if tenant == "" || tenant == id {
			add(s.ByState, t.states, sbc.ActiveStates())
			add(s.ByEndReason, t.reasons, sbc.EndReasons())
			add(s.ByDisposition, t.dispositions, sbc.Dispositions())
		}
	}
	m.counts.mu.Unlock()
	s.Active, s.Early = add(s.ByState, nil, sbc.ActiveStates()), s.ByState[sbc.CallEarly]
	s.Ended = add(s.ByEndReason, nil, sbc.EndReasons())
	s.Processed = s.Active + s.Ended
	add(s.ByDisposition, nil, sbc.Dispositions())
	s.Refused = s.Ended - s.ByDisposition[sbc.DispositionAnswered] - s.ByDisposition[sbc.DispositionCanceled]
	return s
}

// add adds the counts of the words, and gives the sum of all.
func add[K comparable](to, from map[K]int64, words []K) (sum int64) {
	for _, w := range words {
		to[w] += from[w]
		sum += to[w]
	}
	return sum
}
