package relay

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// grace is how long packets of the old source still pass, without fixing the latch, after an exchange that changed the party's
// description: they were under way when it was made.
const grace = 500 * time.Millisecond

// How long a source must have been silent before an exchange that changed nothing lets another one take its place: RTP, and RTCP,
// which is said every five seconds (RFC 3550 6.2).
const (
	quietMedia   = 2 * time.Second
	quietControl = 15 * time.Second
)

// Peer is what signalling said about where a party's packets come from and where packets to it go.
type Peer struct {
	// Media is the address of the SDP; invalid if there is none (hold by the zero address).
	Media netip.AddrPort
	// Signalling is the source of the party's signalling. If valid, the party may be behind NAT: any port of it and of Media's
	// address may latch. If invalid, only exactly Media may.
	Signalling netip.Addr
}

// admits says whether a packet from src may fix the latch.
func (p *Peer) admits(src netip.AddrPort) bool {
	if src == p.Media {
		return true
	}
	return p.Signalling.IsValid() && (src.Addr() == p.Signalling || src.Addr() == p.Media.Addr())
}

// Dest is an address packets are sent to, with the form the system wants made once.
type Dest struct {
	Addr netip.AddrPort
	raw  sockaddr
}

func newDest(a netip.AddrPort) *Dest {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		return nil
	}
	return &Dest{Addr: a, raw: makeSockaddr(a)}
}

type verdict uint8

const (
	stranger  verdict = iota // counts and gets nothing
	candidate                // may fix the latch if the packet is valid
	known                    // is the party
)

// latch remembers where a party's packets come from. Its fields belong to the Stream's lock, dest may be read by anybody.
type latch struct {
	peer     Peer
	src      netip.AddrPort // fixed source; invalid: open
	old      netip.AddrPort // source before the last exchange, while open
	oldUntil int64
	// heard is when src was heard last. After an exchange that changed nothing (asked), src keeps its place unless it has been
	// silent for quiet: such exchanges refresh the session (RFC 4028), and whoever waits for one shall gain nothing by it.
	heard, quiet int64
	asked        bool
	dest         atomic.Pointer[Dest]
}

// check judges the source of a packet that arrived at now.
func (l *latch) check(src netip.AddrPort, now int64) verdict {
	switch {
	case l.src.IsValid():
		if src == l.src {
			l.heard = now
			return known
		}
		// The exact address of the SDP is better evidence than a shared one: it replaces, once, a source that came first from
		// another port (an old call's stray packets, a neighbour behind the same NAT).
		if src == l.peer.Media || l.asked && now-l.heard >= max(l.quiet, int64(quietMedia)) && l.peer.admits(src) {
			return candidate
		}
		return stranger
	case src == l.old && now < l.oldUntil:
		return known
	case l.peer.admits(src):
		return candidate
	default:
		return stranger
	}
}

// fix closes the latch on src, which was heard now.
func (l *latch) fix(src netip.AddrPort, now int64) {
	l.src, l.old, l.oldUntil, l.heard, l.asked = src, netip.AddrPort{}, 0, now, false
	if d := l.dest.Load(); d == nil || d.Addr != src {
		l.dest.Store(newDest(src))
	}
}

// renew opens the latch after an exchange that changed the party's description. A source that was fixed goes on being heard for a
// moment, so that packets under way are not lost and do not fix it again. If nothing changed the source stays, see asked: a party
// behind a NAT whose binding is another one by now is heard as soon as the old one has been silent for long enough.
func (l *latch) renew(p Peer, now int64) {
	before := l.peer
	if p == before && l.src.IsValid() {
		l.asked = true
		return
	}
	l.peer = p
	if l.src.IsValid() {
		l.old = l.src
	}
	natted := l.src.IsValid() && l.src != before.Media
	l.src, l.oldUntil = netip.AddrPort{}, 0
	if p == before {
		if l.dest.Load() == nil {
			l.dest.Store(newDest(p.Media))
		}
		return
	}
	l.oldUntil = now + int64(grace)
	// Behind NAT the address of the SDP leads nowhere: as long as the party is the same host, its old way is the better guess.
	if natted && p.Media.IsValid() && p.Media.Addr() == before.Media.Addr() && p.Signalling == before.Signalling {
		return
	}
	l.dest.Store(newDest(p.Media))
}
