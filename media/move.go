package media

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
)

// moveCheck is how often it is looked whether a party that was told of new ports sends there.
const moveCheck = 250 * time.Millisecond

// Move begins a round like Renew that tells a party other ports of ours. It may send to either from now on; what it hears comes from
// the new ones after its Answer. The old ports go back when something has come by the new ones. Answer gives nil.
// Errors: ErrUnheard, ErrPending, also while old ports of an earlier Move are still kept, ErrNoPorts, ErrUnsupported where the party
// speaks ICE, ErrClosed.
func (s *Session) Move(to *Party) (*Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.renewable(to); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(to.ends, func(e *end) bool { return e != nil && e.old != nil }) {
		return nil, ErrPending
	}
	if slices.ContainsFunc(to.ends, func(e *end) bool { return e != nil && e.reach != nil }) {
		return nil, fmt.Errorf("%w: the party chose our ports itself, by ICE", ErrUnsupported)
	}
	ports := make([]int, len(to.said.Media))
	for i := range ports {
		e := to.end(i)
		if e == nil || to.said.Media[i].Rejected() {
			continue
		}
		next, err := e.pool.ports.Take()
		if err != nil {
			to.stay()
			return nil, fmt.Errorf("%w: %w", ErrNoPorts, err)
		}
		e.next, ports[i] = next, int(next.Local.Port())
		next.RTP.Forget()
		rtp, rtcp := e.paths()
		setPair(next, rtp, rtcp)
	}
	sent, err := to.rekeyed(sdp.Move(to.said, ports))
	if err != nil {
		to.stay()
		return nil, err
	}
	x := &Exchange{s: s, to: to, form: renewed, offer: to.said, sent: sent, moves: true}
	x.say()
	s.finish(func(old *Exchange) bool { return old.form == renewed && old.to == to })
	s.exchanges = append(s.exchanges, x)
	return x, nil
}

// stay gives the ports back that the party was to have.
func (p *Party) stay() {
	for _, e := range p.ends {
		if e != nil && e.next != nil {
			shut(e.next)
			e.next = nil
		}
	}
}

// move makes the new ports those of the party, where it agreed.
func (x *Exchange) move(agreed *sdp.Description) {
	for i, e := range x.to.ends {
		if e == nil || e.next == nil || i >= len(agreed.Media) || agreed.Media[i].Rejected() {
			continue
		}
		e.old, e.pair, e.next = e.pair, e.next, nil
		if e.voice != nil {
			e.voice.out.Move(e.pair.RTP)
		}
	}
	time.AfterFunc(moveCheck, x.s.settleMoves)
}

// settleMoves gives old ports back whose party sends to the new ones.
func (s *Session) settleMoves() {
	defer func() {
		if r := recover(); r != nil {
			s.e.o.Log.Error("panic while ports were given back", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	waits := false
	for _, p := range s.parties {
		for _, e := range p.ends {
			switch {
			case e == nil || e.old == nil:
			case e.pair.RTP.Heard():
				shut(e.old)
				e.old = nil
			default:
				waits = true
			}
		}
	}
	if waits {
		time.AfterFunc(moveCheck, s.settleMoves)
	}
}

// paths is what the ports of an end do now.
func (e *end) paths() (rtp, rtcp *relay.Path) {
	if !e.pair.Bare {
		rtcp = e.pair.RTCP.Path()
	}
	return e.pair.RTP.Path(), rtcp
}

// pairs are the ports of an end: besides its own those that it had, or is to have.
func (e *end) pairs() [3]*pair { return [...]*pair{e.pair, e.old, e.next} }

// shut gives a pair back, which does nothing from then on.
func shut(p *pair) {
	setPair(p, nil, nil)
	p.Release()
}

// setPair swaps the paths of both ports. When descriptors are short there is but one.
func setPair(p *pair, rtp, rtcp *relay.Path) {
	p.RTP.Set(rtp)
	if !p.Bare {
		p.RTCP.Set(rtcp)
	}
}
