package relay

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// digitCodes are the events of RFC 4733 3.2 that are keys of a telephone.
	digitCodes = "0123456789*#ABCD"
	// lostEnd is how long after its last packet a digit counts as ended whose end was lost.
	lostEnd = int64(200 * time.Millisecond)
	// leastApart is the time between two digits that are reported: no finger is faster, a flood is.
	leastApart = int64(20 * time.Millisecond)
)

// EventCode gives the event of RFC 4733 3.2 that stands for a key; false if there is none.
func EventCode(digit byte) (byte, bool) {
	for i := range len(digitCodes) {
		if digitCodes[i] == digit {
			return byte(i), true
		}
	}
	return 0, false
}

// Digits listens for the telephone-events (RFC 4733) among the packets of one party. Each is reported once, when it is over:
// its end is sent three times, and every packet of an event bears the same timestamp (2.5.1.4).
type Digits struct {
	report func(digit byte, d time.Duration)
	begun  atomic.Bool

	// What follows belongs to mu: a party may send to two ports for a moment, which two threads may read.
	mu       sync.Mutex
	open     bool // an event is under way
	code     byte
	ts       uint32 // of the event; known says that there was one
	known    bool
	before   uint32 // ticks of earlier segments of the event (2.5.1.3)
	duration uint16
	rate     uint32
	heard    int64 // when its last packet came
	reported int64
}

// NewDigits makes a listener. report is called by the thread that moves packets: it must not block.
func NewDigits(report func(digit byte, d time.Duration)) *Digits { return &Digits{report: report} }

// Begun says whether the party has sent an event at all.
func (g *Digits) Begun() bool { return g.begun.Load() }

// take looks at a valid packet.
func (g *Digits) take(b []byte, event bool, rate uint32, now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !event {
		if g.open && now-g.heard > lostEnd {
			g.end(now)
		}
		return
	}
	payload := rtpPayload(b)
	if len(payload) < 4 || int(payload[0]) >= len(digitCodes) {
		return
	}
	ts, duration := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(payload[2:])
	switch {
	case g.known && ts == g.ts:
		if !g.open {
			return // its end once more
		}
		g.duration = max(g.duration, duration)
	case g.open && payload[0] == g.code && ts == g.ts+uint32(g.duration): // 2.5.1.3: another segment of a long event
		g.before += uint32(g.duration)
		g.ts, g.duration = ts, duration
	case g.known && int32(ts-g.ts) < 0 && now-g.heard < lostEnd: // overtaken
		return
	default:
		if g.open {
			g.end(now)
		}
		g.open, g.known, g.code, g.ts, g.duration, g.before = true, true, payload[0], ts, duration, 0
		g.begun.Store(true)
	}
	g.heard, g.rate = now, max(1, rate)
	if payload[1]&0x80 != 0 {
		g.end(now)
	}
}

// end reports the event under way.
func (g *Digits) end(now int64) {
	g.open = false
	if g.reported != 0 && now-g.reported < leastApart {
		return
	}
	g.reported = now
	g.report(digitCodes[g.code], time.Duration(int64(g.before)+int64(g.duration))*time.Second/time.Duration(g.rate))
}
