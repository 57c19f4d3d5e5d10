// Package quality measures what trunks are worth from the records of calls: figures over a sliding window for each quality
// profile, trunk and prefix, and what they do to the choice of trunks. It is fed with the records themselves, so that its figures
// are theirs.
package quality

import (
	"cmp"
	"container/list"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// maxCells bounds the memory, at about 5 KB each; beyond it the one that was fed least lately is forgotten.
	maxCells = 4096
	// MaxListed bounds what List gives.
	MaxListed = 1000
)

// Options are what a Meter needs.
type Options struct {
	// Profiles gives the profiles in use for a trunk, none for most. It is asked for each attempt of each record.
	Profiles func(trunkID string) []*sbc.QualityProfile
	// Events hears of changes; it must not block. nil: nobody.
	Events func(sbc.Event)
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Meter measures. It is safe for concurrent use.
type Meter struct {
	o     Options
	most  int
	count *prometheus.CounterVec
	mu    sync.RWMutex
	cells map[key]*list.Element // of *cell
	order *list.List            // the one that was fed last is first
	// begun is the moment before which nothing is known, in nanoseconds since 1970.
	begun  atomic.Int64
	recall recall
}

// key is whose figures a cell has.
type key struct{ profile, trunk, prefix string }

// New makes a Meter that knows nothing.
func New(o Options) *Meter {
	m := &Meter{o: o, most: maxCells, cells: map[key]*list.Element{}, order: list.New()}
	m.begun.Store(time.Now().UnixNano())
	m.register(o.Registerer)
	return m
}

// Observe counts the record of a call that is over. It is called once for each.
func (m *Meter) Observe(r *sbc.CDR) {
	m.recall.note(r.ID)
	m.observe(r, time.Now(), m.tell)
}

// observe counts a record at a moment.
func (m *Meter) observe(r *sbc.CDR, now time.Time, tell func(*sbc.Event)) {
	took := answeredBy(r)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		for _, p := range m.o.Profiles(a.TrunkID) {
			c := m.cell(key{p.ID, a.TrunkID, prefix(called(r, a), p.PrefixDigits)})
			n := ofAttempt(r, a, i == took)
			tell(c.feed(p, now, r.EndedAt, &n))
		}
	}
}

func (m *Meter) tell(e *sbc.Event) {
	if e == nil {
		return
	}
	m.changed(e)
	if m.o.Events != nil {
		m.o.Events(*e)
	}
}

// cell finds the cell that is fed, or makes it.
func (m *Meter) cell(k key) *cell {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.cells[k]; at != nil {
		m.order.MoveToFront(at)
		return at.Value.(*cell)
	}
	if len(m.cells) >= m.most {
		delete(m.cells, m.order.Remove(m.order.Back()).(*cell).key)
	}
	k.prefix = strings.Clone(k.prefix) // not the record's
	c := &cell{key: k, begun: &m.begun}
	m.cells[k] = m.order.PushFront(c)
	return c
}

// known finds a cell, nil where there is none.
func (m *Meter) known(k key) *cell {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if at := m.cells[k]; at != nil {
		return at.Value.(*cell)
	}
	return nil
}

// Of gives the verdict on a trunk for numbers like this one, nil where nothing is known: it is good then. It is not to be
// changed; sentences on its figures are left out.
func (m *Meter) Of(p *sbc.QualityProfile, trunkID, number string) *sbc.TrunkQuality {
	c := m.known(key{p.ID, trunkID, prefix(number, p.PrefixDigits)})
	if c == nil {
		return nil
	}
	return m.verdict(c, p, time.Now())
}

// verdict is that of a cell, judged anew where time has passed or the profile has changed.
func (m *Meter) verdict(c *cell, p *sbc.QualityProfile, now time.Time) *sbc.TrunkQuality {
	if v := c.verdict.Load(); v != nil && v.profile == p && now.Before(v.until) {
		return &v.TrunkQuality
	}
	m.tell(c.feed(p, now, now, nil))
	return &c.verdict.Load().TrunkQuality
}

// List explains every verdict by a profile on a trunk that concerns numbers which begin with digits: at most MaxListed, by
// prefix. Where there is none, it shows what would count.
func (m *Meter) List(p *sbc.QualityProfile, trunkID, digits string) []sbc.TrunkQuality {
	var cells []*cell
	digits = strings.TrimPrefix(digits, "+")
	m.mu.RLock()
	for k, at := range m.cells {
		if k.profile == p.ID && k.trunk == trunkID && concerns(k.prefix, digits) {
			cells = append(cells, at.Value.(*cell))
		}
	}
	m.mu.RUnlock()
	slices.SortFunc(cells, func(a, b *cell) int { return cmp.Compare(a.key.prefix, b.key.prefix) })
	if len(cells) == 0 {
		cells = []*cell{{key: key{p.ID, trunkID, prefix(digits, p.PrefixDigits)}, begun: &m.begun}}
	}
	now, all := time.Now(), make([]sbc.TrunkQuality, 0, len(cells))
	for _, c := range cells[:min(len(cells), MaxListed)] {
		v := *m.verdict(c, p, now)
		v.Figures = slices.Clone(v.Figures)
		for i := range v.Figures {
			v.Figures[i].Why = sentence(&v.Figures[i])
		}
		all = append(all, v)
	}
	return all
}

// concerns tells whether a prefix can be one of a number that begins with digits.
func concerns(prefix, digits string) bool {
	return strings.HasPrefix(prefix, digits) || strings.HasPrefix(digits, prefix)
}
