package media

import (
	"sync"
	"time"
)

const (
	// watchTick is how often due sessions are looked for, hence the precision of the silence timeout.
	watchTick = 250 * time.Millisecond
	// watchSlots is the size of the wheel: sessions due later than that are looked at once a turn.
	watchSlots = 512
)

// watch finds silent sessions. It is a wheel of ticks: packets do not touch it, a session is looked at when it could be silent
// at the earliest, finds out when its last packet came and is put where it could be silent next. So a talking call costs one look
// per timeout, whatever its packets.
type watch struct {
	clock   func() int64
	panicky func(any)

	mu    sync.Mutex
	slots [watchSlots]*Session
	tick  int64 // of the last turn

	quit chan struct{}
	done chan struct{}
	once sync.Once
}

// watchEntry is a session's place in the wheel. It belongs to the watch's lock.
type watchEntry struct {
	next, prev *Session
	slot       int
	in, gone   bool
}

func newWatch(clock func() int64, panicky func(any)) *watch {
	return &watch{
		clock: clock, panicky: panicky, tick: clock() / int64(watchTick),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// start turns the wheel by the clock on the wall.
func (w *watch) start() {
	go func() {
		defer close(w.done)
		t := time.NewTicker(watchTick)
		defer t.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-t.C:
				w.turn(w.clock())
			}
		}
	}()
}

func (w *watch) stop() {
	w.once.Do(func() { close(w.quit) })
	<-w.done
}

// set says when to look at a session; 0 takes it out.
func (w *watch) set(s *Session, at int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	if at != 0 && !s.entry.gone {
		w.link(s, at)
	}
}

// drop takes a session out for good.
func (w *watch) drop(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	s.entry.gone = true
}

func (w *watch) link(s *Session, at int64) {
	tick := (at + int64(watchTick) - 1) / int64(watchTick)
	tick = min(max(tick, w.tick+1), w.tick+watchSlots-1)
	slot := int(tick % watchSlots)
	s.entry.slot, s.entry.in, s.entry.prev, s.entry.next = slot, true, nil, w.slots[slot]
	if n := s.entry.next; n != nil {
		n.entry.prev = s
	}
	w.slots[slot] = s
}

func (w *watch) unlink(s *Session) {
	e := &s.entry
	if !e.in {
		return
	}
	if e.prev != nil {
		e.prev.entry.next = e.next
	} else {
		w.slots[e.slot] = e.next
	}
	if e.next != nil {
		e.next.entry.prev = e.prev
	}
	e.next, e.prev, e.in = nil, nil, false
}

// turn looks at all sessions due by now.
func (w *watch) turn(now int64) {
	for _, s := range w.due(now) {
		w.look(s, now)
	}
}

// due unlinks and returns the sessions whose ticks have passed.
func (w *watch) due(now int64) []*Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*Session
	for n := 0; w.tick < now/int64(watchTick) && n < watchSlots; n++ {
		w.tick++
		for s := w.slots[w.tick%watchSlots]; s != nil; s = w.slots[w.tick%watchSlots] {
			w.unlink(s)
			list = append(list, s)
		}
	}
	w.tick = max(w.tick, now/int64(watchTick))
	return list
}

// look lets one session judge itself; no lock is held.
func (w *watch) look(s *Session, now int64) {
	defer func() {
		if v := recover(); v != nil {
			w.panicky(v)
		}
	}()
	if next := s.silent(now); next != 0 {
		w.set(s, next)
	}
}
