package eventlog

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Options are what a Log needs; the zero value will do.
type Options struct {
	// PerType is how many events of each type are kept; 0 is 4096. Of the state changes of calls it is four times as many.
	PerType int
	// Feeds is how many readers may follow at once; 0 is 64.
	Feeds int
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

const defaultPerType = 4096

// maxText bounds a value of an event's data, in bytes.
const maxText = 512

// maxPage bounds a page that names no limit.
const maxPage = 1000

// Log keeps events. It is safe for concurrent use.
type Log struct {
	perType int
	events  *prometheus.CounterVec
	dropped *prometheus.CounterVec

	followers prometheus.Gauge
	slow      prometheus.Counter
	most      int // feeds
	// wanted says that somebody wants the events that are raised on demand.
	wanted atomic.Bool

	mu    sync.Mutex
	rings map[sbc.EventType]*ring
	feeds map[*feed]struct{}
	// born is a position before all events, newest that of the last one.
	born, newest string
	unwant       *time.Timer
}

// ring holds the newest events of one type: it grows to its bound, then the oldest is overwritten.
type ring struct {
	kept  []sbc.Event
	first int
	// lost is the id of the newest event that was overwritten.
	lost string
	// since is the position before which events of the type were not raised, because nobody wanted them.
	since string
}

// New makes an empty Log.
func New(o Options) *Log {
	l := &Log{
		perType: cmp.Or(o.PerType, defaultPerType), rings: map[sbc.EventType]*ring{},
		most: cmp.Or(o.Feeds, defaultFeeds), feeds: map[*feed]struct{}{},
		followers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sbc_event_followers", Help: "Readers that follow the events."}),
		slow: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_event_followers_dropped_total", Help: "Readers of events that were cut off because they did not keep up.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sbc_events_total", Help: "Events by type."}, []string{"type"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_events_dropped_total", Help: "Events that newer ones of their type pushed out of memory.",
		}, []string{"type"}),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(l.events, l.dropped, l.followers, l.slow)
	}
	l.born = l.position()
	return l
}

// Add keeps an event, with an id that is above all others and the time, where it has none. It does not block.
func (l *Log) Add(e sbc.Event) {
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	e.Data = own(e.Data)
	l.mu.Lock()
	e.ID = l.position()
	full := l.ring(e.Type).add(e, l.bound(e.Type))
	for f := range l.feeds {
		f.stir()
	}
	l.mu.Unlock()
	l.events.WithLabelValues(string(e.Type)).Inc()
	if full {
		l.dropped.WithLabelValues(string(e.Type)).Inc()
	}
}

// ring gives the events of a type. The lock is held.
func (l *Log) ring(t sbc.EventType) *ring {
	r := l.rings[t]
	if r == nil {
		r = &ring{}
		l.rings[t] = r
	}
	return r
}

// own copies an event's data: what is kept for long must be short, and must not hold the message it is a piece of.
func own(data map[string]string) map[string]string {
	if data == nil {
		return nil
	}
	out := make(map[string]string, len(data))
	for k, v := range data {
		out[k] = strings.ToValidUTF8(strings.Clone(v[:min(len(v), maxText)]), "")
	}
	return out
}

// add takes an event; true if another one had to go.
func (r *ring) add(e sbc.Event, most int) bool {
	if len(r.kept) < most {
		r.kept = append(r.kept, e)
		return false
	}
	r.lost = r.kept[r.first].ID
	r.kept[r.first] = e
	r.first = (r.first + 1) % most
	return true
}

// Query gives the events that were asked for by rising id, at most q.Limit of them (0: 1,000). missed says that events after
// q.After, of the types asked for, are gone already, or were not raised because nobody wanted them. Whoever asks for types that
// are raised only on demand has them raised for five minutes. The events' data are shared and must not be changed.
func (l *Log) Query(q sbc.EventQuery) (events []sbc.Event, missed bool) {
	if q.Limit <= 0 {
		q.Limit = maxPage
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.want(q.Type)
	return l.pick(q), l.gap(q, onDemand(q.Type)) != ""
}

// pick is Query with a limit. The lock is held.
func (l *Log) pick(q sbc.EventQuery) []sbc.Event {
	events := []sbc.Event{}
	for t, r := range l.rings {
		if q.Type == "" || q.Type == t {
			events = r.after(q, q.Limit, events)
		}
	}
	slices.SortFunc(events, func(x, y sbc.Event) int { return cmp.Compare(x.ID, y.ID) })
	return events[:min(q.Limit, len(events))]
}

// after appends what was asked for, at most limit.
func (r *ring) after(q sbc.EventQuery, limit int, out []sbc.Event) []sbc.Event {
	at := func(i int) *sbc.Event { return &r.kept[(r.first+i)%len(r.kept)] }
	low, high := 0, len(r.kept)
	for low < high { // the first one with an id above q.After
		if middle := (low + high) / 2; at(middle).ID > q.After {
			high = middle
		} else {
			low = middle + 1
		}
	}
	for i := low; i < len(r.kept) && limit > 0; i++ {
		e := at(i)
		if (q.TenantID == "" || q.TenantID == e.TenantID) && (q.CallID == "" || q.CallID == e.CallID) {
			out = append(out, *e)
			limit--
		}
	}
	return out
}
