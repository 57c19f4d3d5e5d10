package relay

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"
)

// Mover owns sockets and what reads them. Safe for concurrent use.
type Mover interface {
	// Open binds a port; port 0 lets the system choose. Ports of one pair should be asked with ports 2n and 2n+1: they are read by
	// the same thread.
	Open(local netip.AddrPort) (*Port, error)
	// Totals are the counts over all ports since the start.
	Totals() Totals
	// Close stops reading and closes what reads; ports still open lose their sockets.
	Close() error
}

// Options of a Mover.
type Options struct {
	// Threads read the sockets; 0 means one per core, less one for signalling.
	Threads int
	// Clock gives nanoseconds since any moment, steady and above 0; nil counts from now on. Statistics carry its times.
	Clock func() int64
	Log   *slog.Logger
}

// Totals counts packets over all ports.
type Totals struct {
	Packets, Octets uint64 // sent on
	NoSession       uint64 // arrived at a port without a call
	WrongSource     uint64 // of strangers
	Malformed       uint64
	Unauthentic     uint64 // not under the key that was agreed on (SRTP)
	Replayed        uint64 // there before (SRTP)
	Consumed        uint64 // accepted with nowhere to go, as during hold
	Unsent          uint64 // refused by the system
	Panics          uint64
}

// Clock returns a steady clock that begins at 1.
func Clock() func() int64 {
	start := time.Now()
	return func() int64 { return int64(time.Since(start)) + 1 }
}

func (o *Options) defaults() {
	if o.Clock == nil {
		o.Clock = Clock()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// tally counts in one thread without atomics; publish makes it visible, once per batch.
type tally struct {
	packets, octets                                             uint64
	noSession, wrongSource, malformed, consumed, unsent, panics uint64
	unauthentic, replayed                                       uint64
}

// board is where threads publish their tallies.
type board struct {
	packets, octets                                             atomic.Uint64
	noSession, wrongSource, malformed, consumed, unsent, panics atomic.Uint64
	unauthentic, replayed                                       atomic.Uint64
}

// publish adds what was counted since the last time.
func (b *board) publish(t *tally) {
	add := func(to *atomic.Uint64, n uint64) {
		if n != 0 {
			to.Add(n)
		}
	}
	add(&b.packets, t.packets)
	add(&b.octets, t.octets)
	add(&b.noSession, t.noSession)
	add(&b.wrongSource, t.wrongSource)
	add(&b.malformed, t.malformed)
	add(&b.consumed, t.consumed)
	add(&b.unsent, t.unsent)
	add(&b.panics, t.panics)
	add(&b.unauthentic, t.unauthentic)
	add(&b.replayed, t.replayed)
	*t = tally{}
}

func (b *board) totals() Totals {
	return Totals{
		Packets: b.packets.Load(), Octets: b.octets.Load(),
		NoSession: b.noSession.Load(), WrongSource: b.wrongSource.Load(), Malformed: b.malformed.Load(),
		Consumed: b.consumed.Load(), Unsent: b.unsent.Load(), Panics: b.panics.Load(),
		Unauthentic: b.unauthentic.Load(), Replayed: b.replayed.Load(),
	}
}
