package relay

import "net/netip"

// Guest hears what comes by the ports of a party and is neither RTP nor RTCP: STUN and DTLS (RFC 7983 7). It is called by the
// thread that moves packets, for every source: it judges them itself. It must not block, and must not keep b.
type Guest interface {
	// Take gets a datagram that came by port, of the pair's second if control.
	Take(port *Port, b []byte, src netip.AddrPort, control bool, now int64)
}

// notRTP tells by its first octet what is no RTP and no RTCP.
func notRTP(b []byte) bool { return len(b) > 0 && b[0] < 64 }

// Host sets who hears what is no RTP; nil drops it, as it was before.
func (s *Stream) Host(g Guest) {
	if g == nil {
		s.guest.Store(nil)
		return
	}
	s.guest.Store(&g)
}

// welcome gives a datagram to the guest; false if it is not for one.
func (p *Path) welcome(port *Port, b []byte, src netip.AddrPort, now int64) bool {
	g := p.From.guest.Load()
	if g == nil || !notRTP(b) || p.Kind == KindOpaque {
		return false
	}
	(*g).Take(port, b, src, p.Kind == KindRTCP, now)
	return true
}

// Send sends what is not RTP by the port. It never blocks; false says that the system did not take it.
func (p *Port) Send(b []byte, to netip.AddrPort) bool {
	d := newDest(to)
	return d != nil && p.wire.send(b, d)
}

// Nominate says whose the party's packets are from now on: of this source only, and packets to it go there. ICE has proved it, so
// nothing else fixes the latch: Expect must have named no addresses.
func (s *Stream) Nominate(src netip.AddrPort, control bool, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latch(control).fix(src, now)
}

// Forsake takes a party's source away: it gets nothing and is not heard until one is nominated again.
func (s *Stream) Forsake(control bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.latch(control)
	l.src, l.old, l.oldUntil = netip.AddrPort{}, netip.AddrPort{}, 0
	l.dest.Store(nil)
}

// latch is that of RTP or of RTCP. The lock is held.
func (s *Stream) latch(control bool) *latch {
	if control && !s.mux {
		return &s.rtcp
	}
	return &s.rtp
}

// Admits says whether a source may be the party's by the rule of the latch, and whether it surely is: it has proved to be, or
// is exactly the one that signalling named. It changes nothing.
func (s *Stream) Admits(src netip.AddrPort, control bool, now int64) (may, surely bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.latch(control)
	heard := l.heard
	v := l.check(src, now)
	l.heard = heard
	return v != stranger, v != stranger && (src == l.src || src == l.peer.Media)
}

// Destination is where packets to the party go now; invalid if nowhere.
func (s *Stream) Destination(control bool) netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.latch(control).dest.Load(); d != nil {
		return d.Addr
	}
	return netip.AddrPort{}
}

// Await says that a party's media are encrypted under keys that are not known yet: nothing passes until the function it gives
// is called with them, which does nothing if the stream was told something else meanwhile. What is under way under the keys of
// before is taken for a moment.
func (s *Stream) Await(now int64) (arrive func(k Keys, now int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &crypt{}
	if before := s.crypt.Load(); before != nil && before.In != nil {
		next.former, next.until = before.In, now+int64(lateKeys)
	}
	s.crypt.Store(next)
	s.recount("")
	return func(k Keys, now int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.crypt.Load() == next {
			s.crypt.Store(&crypt{Keys: k, former: next.former, until: next.until})
			s.recount(k.Out.Suite())
		}
	}
}
