package call

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// LiveJournal keeps a record of each call in progress, for the case that the process dies; live.Journal is one.
type LiveJournal interface {
	// Write keeps changes: they survive the process when it returns.
	Write(changes []sbc.LiveChange) error
	// Sync makes what was written survive the machine, too.
	Sync() error
}

const (
	// keepEvery is how often changed calls are written where nothing else is said.
	keepEvery = time.Second
	// keepBatch is how many calls are written at once.
	keepBatch = 256
	// keepLooks is how often a call is written anew because the source of a stream of it is not known yet.
	keepLooks = 5
)

// keeper writes what must survive the process. A call that changed is only noted, because its jobs wait for no disk; one goroutine asks
// it for its state: with the next snapshot, so that a call that is over by then costs nothing, or, written through, at once.
type keeper struct {
	m       *Manager
	journal LiveJournal
	through bool
	every   time.Duration
	hurried chan struct{}

	mu    sync.Mutex
	calls []*Call  // changed since they were written
	gone  []string // calls that were written and are over
	later []*Call  // calls whose media have not settled: they wait for the next tick
}

func newKeeper(m *Manager) *keeper {
	if m.o.Live == nil {
		return nil
	}
	k := &keeper{m: m, journal: m.o.Live, through: m.o.WriteThrough, every: m.o.KeepEvery, hurried: make(chan struct{}, 1)}
	if k.every <= 0 {
		k.every = keepEvery
	}
	return k
}

// Keep writes changed calls until the context ends, and what is left then. Without a LiveJournal it does nothing.
func (m *Manager) Keep(ctx context.Context) {
	k := m.keeper
	if k == nil {
		return
	}
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			k.flush()
			k.sync()
			return
		case <-ticker.C:
			k.tick()
			k.flush()
			k.sync()
		case <-k.hurried:
			k.flush()
		}
	}
}

// touch notes that the call may have changed, if it is one that is kept: one with both sides up, the caller's ACK still on its way
// perhaps, or with one side up and the other yet to come. It belongs to the call's queue.
func (c *Call) touch() {
	k := c.m.keeper
	switch {
	case k == nil, c.noted, c.st.ended:
	case !c.stored && (c.st.b != calleeUp || c.st.a != callerUp && c.st.a != callerAnswered && c.st.a != callerAway):
	default:
		c.noted = true
		k.note(c)
		if k.through {
			k.hurry()
		}
	}
}

// note puts a call on the list for the next snapshot.
func (k *keeper) note(c *Call) {
	k.mu.Lock()
	k.calls = append(k.calls, c)
	k.mu.Unlock()
}

// hurry has the next snapshot taken at once: of legs that went to another call, an old one would be wrong.
func (k *keeper) hurry() {
	if k == nil {
		return
	}
	select {
	case k.hurried <- struct{}{}:
	default:
	}
}

// over takes a call off that is forgotten.
func (k *keeper) over(c *Call) {
	if k == nil || !c.stored {
		return
	}
	k.mu.Lock()
	k.gone = append(k.gone, c.id)
	k.mu.Unlock()
	if k.through {
		k.hurry()
	}
}

// state is what is written of a call now; nil if nothing is. It belongs to the call's queue.
func (k *keeper) state(c *Call) (text []byte) {
	if c.noted = false; c.st.ended || c.forgotten {
		return nil
	}
	settled, err := false, errors.New("a panic")
	c.guarded("keeping a call", func() { text, settled, err = c.keptText() })
	if err != nil {
		k.failed(err)
		return nil
	}
	c.stored = true
	if settled {
		c.looks = 0
	} else if c.looks++; c.looks <= keepLooks {
		c.noted = true
		k.mu.Lock()
		k.later = append(k.later, c)
		k.mu.Unlock()
	}
	return text
}

// write gives changes to the journal; false if it did not take them.
func (k *keeper) write(changes []sbc.LiveChange) bool {
	err := k.journal.Write(changes)
	if err != nil {
		k.failed(err)
	}
	return err == nil
}

func (k *keeper) failed(err error) {
	k.m.metrics.keeping.Inc()
	k.m.o.Log.Error("calls in progress are not kept; a restart would lose them", "error", err)
}

// tick has the calls written again that waited for it.
func (k *keeper) tick() {
	k.mu.Lock()
	k.calls, k.later = append(k.calls, k.later...), nil
	k.mu.Unlock()
}

// sync forces what was written to the disk.
func (k *keeper) sync() {
	if err := k.journal.Sync(); err != nil {
		k.failed(err)
	}
}

// flush writes what changed since the last time.
func (k *keeper) flush() {
	defer func() {
		if r := recover(); r != nil {
			k.m.metrics.panics.Inc()
			k.m.o.Log.Error("panic while keeping calls", "panic", fmt.Sprint(r))
		}
	}()
	k.mu.Lock()
	calls, gone := k.calls, k.gone
	k.calls, k.gone = nil, nil
	k.mu.Unlock()
	batch := make([]sbc.LiveChange, 0, min(keepBatch, len(calls)+len(gone)))
	for _, id := range gone {
		batch = append(batch, sbc.LiveChange{ID: id})
	}
	if len(batch) > 0 && !k.write(batch) {
		k.mu.Lock()
		k.gone = append(k.gone, gone...)
		k.mu.Unlock()
	}
	for batch = batch[:0]; len(calls) > 0; batch = batch[:0] {
		some := calls[:min(keepBatch, len(calls))]
		calls = calls[len(some):]
		k.flushSome(some, batch)
	}
}

// flushSome writes a few calls.
func (k *keeper) flushSome(calls []*Call, batch []sbc.LiveChange) {
	for _, c := range calls {
		var text []byte
		if c.look(func() { text = k.state(c) }); text != nil {
			batch = append(batch, sbc.LiveChange{ID: c.id, Record: text})
		}
	}
	if len(batch) == 0 || k.write(batch) {
		return
	}
	for _, c := range calls { // some may be noted twice then, which does no harm
		k.note(c)
	}
}
