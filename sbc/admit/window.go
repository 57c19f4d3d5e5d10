package admit

import "time"

// span is the length of the window.
const span = time.Second

// keepRing is the size up to which an empty ring is kept for later.
const keepRing = 1024

// window holds the times of the calls admitted within the last second: an exact sliding window, in a ring that grows to what was
// needed and is bounded by the limit (8 bytes a call).
type window struct {
	ring        []time.Duration
	first, size int
}

// take counts a call at now if fewer than limit were admitted in the second before it, else it gives the time to wait.
func (w *window) take(now time.Duration, limit int) (wait time.Duration) {
	w.expire(now)
	if w.size >= limit {
		// After a limit was lowered, more than one call has to leave the window first.
		leaves := w.ring[(w.first+w.size-limit)%len(w.ring)]
		return leaves + span - now
	}
	if w.size == len(w.ring) {
		w.grow()
	}
	w.ring[(w.first+w.size)%len(w.ring)] = now
	w.size++
	return 0
}

// empty tells whether nothing is left in the window.
func (w *window) empty(now time.Duration) bool {
	w.expire(now)
	return w.size == 0
}

// expire lets go of what is a second old or older.
func (w *window) expire(now time.Duration) {
	for w.size > 0 && now-w.ring[w.first] >= span {
		w.first = (w.first + 1) % len(w.ring)
		w.size--
	}
	if w.size == 0 {
		w.first = 0
		if len(w.ring) > keepRing {
			w.ring = nil
		}
	}
}

// grow doubles the ring.
func (w *window) grow() {
	next := make([]time.Duration, max(16, 2*len(w.ring)))
	for i := range w.size {
		next[i] = w.ring[(w.first+i)%len(w.ring)]
	}
	w.ring, w.first = next, 0
}
