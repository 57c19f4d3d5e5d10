package relay

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// ourTurn is how long after a packet of ours nothing of the other side passes: we speak every 20 ms, and both at once would
	// be noise.
	ourTurn = 100 * time.Millisecond
	// settling is how many packets after a change of speaker those are looked for that come too late.
	settling = 64
	second   = int64(time.Second)
)

// Outlet is what one party hears on one m-line, once something of ours is among it: the packets of the other side and ours, as
// one source with one sequence and one clock (RFC 3550 5.1), so that the receiver's buffer sees neither a gap nor a stranger.
// Without an Outlet packets pass as they are. Safe for concurrent use.
type Outlet struct {
	port *Port
	to   *Stream

	mu      sync.Mutex // held over a send that never blocks, so that nothing is sent any more once Close returned
	closed  bool
	started bool
	ssrc    uint32
	seq     uint16 // of the last packet
	ts      uint32 // of the last packet, sent at the moment at; the clock runs with rate ticks a second
	at      int64
	rate    uint32
	until   int64 // when the other side may be heard again

	// source is the other side's as it is passed on: what is added to its numbers, from the packet first on.
	source   uint32
	passing  bool
	first    uint16
	fresh    int
	addSeq   uint16
	addTS    uint32
	blocked  uint32 // timestamp of an event that was not let pass: the rest of it may not either
	blocking bool
}

// NewOutlet makes an outlet that sends by a port of ours to a party, and goes on from what the other side's stream has sent to
// it so far; other is nil where there is none.
func NewOutlet(port *Port, to, other *Stream) *Outlet {
	o := &Outlet{port: port, to: to, rate: 8000}
	if other != nil {
		other.mu.Lock()
		s := &other.source
		if s.heard {
			o.started, o.passing, o.fresh = true, true, settling
			o.ssrc, o.source, o.seq, o.ts, o.at = s.ssrc, s.ssrc, s.maxSeq, s.ts, s.at
			if s.rate != 0 {
				o.rate = s.rate
			}
		}
		other.mu.Unlock()
	}
	return o
}

// Move lets what we say leave by another port from now on.
func (o *Outlet) Move(port *Port) {
	o.mu.Lock()
	o.port = port
	o.mu.Unlock()
}

// Close ends it: when it returns, nothing is being sent and nothing will be.
func (o *Outlet) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
}

// Claim says that ours comes next: the other side is not heard from now on.
func (o *Outlet) Claim(now int64) {
	o.mu.Lock()
	o.until, o.passing = now+int64(ourTurn), false
	o.mu.Unlock()
}

// Yield lets the other side be heard at once.
func (o *Outlet) Yield() {
	o.mu.Lock()
	o.until = 0
	o.mu.Unlock()
}

// Say sends a packet of ours: b is a whole RTP packet with payload type and marker set; the rest of the fixed header is put
// here; behind it there must be room for secure.Overhead octets. Its timestamp is step ticks after the last packet's, or, for
// the first of what we say, what the clock says now. rate is the clock of the payload type in Hz.
func (o *Outlet) Say(b []byte, rate, step uint32, first bool, now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if !o.started {
		o.started, o.ssrc, o.seq, o.ts = true, rand.Uint32(), uint16(rand.Uint32()), rand.Uint32()
		o.rate, o.at = rate, now
	}
	if first {
		step = max(1, o.ticks(now))
	}
	o.rate = rate
	o.seq++
	if step != 0 {
		o.ts, o.at = o.ts+step, now
	}
	o.passing, o.until = false, now+int64(ourTurn)
	b[0] = 2 << 6
	o.stamp(b)
	if d := o.to.rtp.dest.Load(); d != nil {
		if b, ok := o.to.seal(b, false); ok {
			o.port.wire.send(b, d) // a packet the system does not take is a lost one
		}
	}
}

// ticks is how far the clock has run since the last packet.
func (o *Outlet) ticks(now int64) uint32 {
	d := max(0, now-o.at)
	return uint32(d/second*int64(o.rate) + d%second*int64(o.rate)/second)
}

// stamp writes the numbers of the last packet.
func (o *Outlet) stamp(b []byte) {
	binary.BigEndian.PutUint16(b[2:], o.seq)
	binary.BigEndian.PutUint32(b[4:], o.ts)
	binary.BigEndian.PutUint32(b[8:], o.ssrc)
}

// relay fits a packet of the other side in; false if it may not pass now. rate is the clock of its payload type, event says
// that it is a telephone-event: one whose beginning was not heard is not heard at all, lest it be taken for another one.
func (o *Outlet) relay(b []byte, event bool, rate uint32, now int64) bool {
	seq, ts, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed, now < o.until:
		if event {
			o.blocked, o.blocking = ts, true
		}
		return false
	case event && o.blocking && ts == o.blocked:
		return false
	case !o.passing || ssrc != o.source:
		o.resume(seq, ts, ssrc, now)
		if !event {
			b[1] |= 0x80 // RFC 3551 4.1: the first packet after a pause
		}
	case o.fresh < settling:
		if int16(seq-o.first) < 0 {
			return false
		}
		o.fresh++
	}
	seq, ts = seq+o.addSeq, ts+o.addTS
	if int16(seq-o.seq) > 0 {
		o.seq = seq
		if ts != o.ts {
			o.ts, o.at, o.rate = ts, now, rate
		}
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], o.ssrc)
	return true
}

// resume begins to pass a source on, behind what was heard last. Its clock goes on as before if that fits: pictures keep in step.
func (o *Outlet) resume(seq uint16, ts, ssrc uint32, now int64) {
	if !o.started {
		o.started, o.ssrc, o.seq = true, ssrc, seq-1
		o.addTS, o.source = 0, ssrc
	} else {
		due := o.ts + max(1, o.ticks(now))
		off := int32(ts + o.addTS - due)
		ahead := int32(ts+o.addTS-o.ts) > 0
		if near := int32(o.rate / 5); ssrc != o.source || !ahead || off > near || off < -near {
			o.addTS = due - ts
		}
	}
	o.addSeq = o.seq + 1 - seq
	o.passing, o.source, o.first, o.fresh, o.blocking = true, ssrc, seq, 0, false
}
