package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbagePercent lets the heap grow to three times what is in use before it is collected: it halves what collecting costs a call,
	// and 5,000 held calls stay under 200 MB. GOGC overrides it.
	garbagePercent = 200
	// leastPercent and leastGarbage are the least room that a heap gets, as a share of what is in use and in bytes.
	leastPercent = 10
	leastGarbage = 16 << 20
	// collectEvery is how seldom it is enough to collect: room for what is allocated in longer is memory that does nothing. Marking a
	// GB takes about a second of a processor.
	collectEvery = 15 * time.Second
	// rushFactor is how many times the least room has to be allocated in that time to be a rush.
	rushFactor = 8
	// lookEvery is how often the room is set anew; calmAfter how long a rush is remembered.
	lookEvery = time.Second
	calmAfter = 10 * time.Second
	// rushOver is how long after a rush what it left is collected and given back to the system: its SIP transactions have ended by then
	// (64*T1, RFC 3261 17.2.2).
	rushOver = 35 * time.Second
)

// room decides how much garbage the heap may hold. Under load that is as much as garbagePercent allows; a node with little to do
// collects as often as a busy one instead, and the system gets back what it does not need: the contacts of phones live for long, and
// twice their memory would wait for the next rush.
type room struct {
	allocated uint64    // by the process, when looked at last
	rate      float64   // bytes a second
	at        time.Time // zero before the first look
	percent   int
	rushed    time.Time // when more was allocated than the least room is for; zero when that has been cleared away
}

// look takes in what has been allocated so far and what was in use when the heap was collected last, in bytes, and gives the
// percentage that is right from now on.
func (r *room) look(allocated, live uint64, now time.Time) int {
	if passed := now.Sub(r.at).Seconds(); !r.at.IsZero() && passed > 0 {
		rate := float64(allocated-r.allocated) / passed
		r.rate = max(rate, r.rate*math.Exp(-passed/calmAfter.Seconds()))
		if rate*collectEvery.Seconds() > leastGarbage*rushFactor {
			r.rushed = now
		}
	}
	r.allocated, r.at = allocated, now
	want := max(r.rate*collectEvery.Seconds(), leastGarbage)
	percent := int(min(max(want/float64(max(live, 1))*100, leastPercent), garbagePercent))
	// Each change stops the world for a moment: a trifle makes none.
	if d := percent - r.percent; r.percent == 0 || percent == garbagePercent || max(d, -d) > r.percent/8 {
		r.percent = percent
	}
	return r.percent
}

// clear tells, once, that a rush has been over for long enough.
func (r *room) clear(now time.Time) bool {
	if r.rushed.IsZero() || now.Sub(r.rushed) < rushOver {
		return false
	}
	r.rushed = time.Time{}
	return true
}

// keepRoom sets the garbage collector's percentage, and clears away after rushes, until the context ends; unless GOGC says what is to
// be.
func keepRoom(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	var r room
	set := 0
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		metrics.Read(samples)
		now := time.Now()
		if percent := r.look(samples[0].Value.Uint64(), samples[1].Value.Uint64(), now); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
		if r.clear(now) {
			debug.FreeOSMemory()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
