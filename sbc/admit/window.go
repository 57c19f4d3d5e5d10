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

// wait gives the time until a call may be counted if no more than limit are admitted in any second; 0 is now.
func (w *window) wait(now time.Duration, limit int) time.Duration {
	if w.count(now) < limit {
		return 0
	}
	// After a limit was lowered, more than one call has to leave the window first.
	leaves := w.ring[(w.first+w.size-limit)%len(w.ring)]
	return leaves + span - now
}

// add counts a call.
func (w *window) add(now time.Duration) {
	w.expire(now)
	if w.size == len(w.ring) {
		w.grow()
	}
	w.ring[(w.first+w.size)%len(w.ring)] = now
	w.size++
}

// count is how many calls the window holds.
func (w *window) count(now time.Duration) int {
	w.expire(now)
	return w.size
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
