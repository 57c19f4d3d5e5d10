package eventlog

import (
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// How many readers may follow the events at once, and how many of one tenant.
const (
	defaultFeeds = 64
	tenantFeeds  = 16
)

// feedPage bounds what a feed reads at once.
const feedPage = 256

// lease is how long events that are only raised for those who want them go on being raised after the last one asked: a reader
// that has lost its connection finds no gap.
const lease = 5 * time.Minute

// onDemand tells whether events of a type are raised only while somebody wants them: they are too many to be raised for nobody.
func onDemand(t sbc.EventType) bool { return t == sbc.EventCallState }

// feed is one reader that follows the events.
type feed struct {
	l    *Log
	q    sbc.EventQuery
	wake chan struct{}
	// told is the last gap that was told.
	told string
	once sync.Once
}

// Follow begins a feed of what q selects: after q.After, or from now on if that is empty; q.Limit counts for nothing. Errors:
// CodeUnavailable if too many follow already.
func (l *Log) Follow(q sbc.EventQuery) (sbc.EventFeed, error) {
	f := &feed{l: l, q: q, wake: make(chan struct{}, 1)}
	f.q.Limit = feedPage
	l.mu.Lock()
	defer l.mu.Unlock()
	own := 0
	for other := range l.feeds {
		if other.q.TenantID == q.TenantID {
			own++
		}
	}
	if len(l.feeds) >= l.most || q.TenantID != "" && own >= tenantFeeds {
		return nil, sbc.Errorf(sbc.CodeUnavailable, "too many readers follow the events already")
	}
	l.want(q.Type)
	l.feeds[f] = struct{}{}
	l.followers.Inc()
	if f.q.After == "" {
		f.q.After = l.position()
	}
	f.wake <- struct{}{} // to read what is there
	return f, nil
}

// Wake can be read from when there may be something new.
func (f *feed) Wake() <-chan struct{} { return f.wake }

// Read gives what has come since the last time. missed, if not empty, is the id up to which events are gone that were not read.
func (f *feed) Read() (events []sbc.Event, missed string) {
	l := f.l
	l.mu.Lock()
	defer l.mu.Unlock()
	events = l.pick(f.q)
	if gap := l.gap(f.q, true); gap > f.told {
		missed, f.told = gap, gap
	}
	switch {
	case len(events) == f.q.Limit: // there may be more
		f.q.After = events[len(events)-1].ID
		f.stir()
	case missed != "" || l.newest > f.q.After: // what was passed over is not looked at again
		f.q.After = l.newest
	}
	return events, missed
}

// stir wakes the reader.
func (f *feed) stir() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Close ends the feed. slow says that its reader did not keep up.
func (f *feed) Close(slow bool) {
	f.once.Do(func() {
		l := f.l
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.feeds, f)
		l.followers.Dec()
		if slow {
			l.slow.Inc()
		}
		l.want(f.q.Type)
	})
}

// Wants tells whether somebody wants events of a type to be raised. It costs next to nothing.
func (l *Log) Wants(t sbc.EventType) bool { return !onDemand(t) || l.wanted.Load() }

// want notes that somebody reads events of a type, "" for all. The lock is held.
func (l *Log) want(t sbc.EventType) {
	if t != "" && !onDemand(t) {
		return
	}
	if !l.wanted.Load() {
		l.ring(sbc.EventCallState).since = l.position()
		l.wanted.Store(true)
	}
	if l.unwant != nil {
		l.unwant.Stop()
	}
	l.unwant = time.AfterFunc(lease, l.expire)
}

// expire ends the wish for events that nobody has asked for lately.
func (l *Log) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.feeds {
		if f.q.Type == "" || onDemand(f.q.Type) {
			return // its end begins the lease anew
		}
	}
	l.wanted.Store(false)
	delete(l.rings, sbc.EventCallState) // and with it what nobody will ask for
}

// stateFactor is how many times more events of the types on demand are kept: there are several for each call.
const stateFactor = 4

// bound is how many events of a type are kept.
func (l *Log) bound(t sbc.EventType) int {
	if onDemand(t) {
		return l.perType * stateFactor
	}
	return l.perType
}

// position is an id above those of all events so far.
func (l *Log) position() string {
	l.newest = sbc.NewID(sbc.PrefixEvent)
	return l.newest
}

// gap gives the id up to which events that q selects are gone, or were not raised if that counts; "" if none are that came after
// q.After.
func (l *Log) gap(q sbc.EventQuery, unraised bool) (id string) {
	if q.After == "" {
		return ""
	}
	if q.After > l.newest { // not one of ours
		return l.newest
	}
	id = l.born
	for t, r := range l.rings {
		if q.Type == "" || q.Type == t {
			if id = max(id, r.lost); unraised {
				id = max(id, r.since)
			}
		}
	}
	if id <= q.After {
		return ""
	}
	return id
}
