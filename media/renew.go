package media

import (
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/media/sdp"
)

// form says whose idea an exchange is.
type form uint8

const (
	asked    form = iota // an offer of from
	rejoined             // ours, in the name of from, who is not asked
	renewed              // ours alone: what to was told before
)

// Direction is what an offer of ours says of media, as RFC 3264 5.1 has it: we are its sender, so SendOnly asks the party to be
// quiet.
type Direction uint8

// Directions.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
	Unchanged // each line as it was
)

func (d Direction) sdp() sdp.Direction {
	switch d {
	case SendOnly:
		return sdp.SendOnly
	case RecvOnly:
		return sdp.RecvOnly
	case Inactive:
		return sdp.Inactive
	}
	return sdp.SendRecv
}

// Reoffer begins a round in which nobody asked: to is offered what from said last, ready to send and to receive. It is how
// parties are joined anew, after a transfer or a hold of ours. Answer connects the two and gives nil, since from waits for
// none; from still believes what it was told before, so a Reoffer the other way should follow if that is Changed.
// Errors: ErrUnheard, and those of Offer.
func (s *Session) Reoffer(from, to *Party) (*Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from.said == nil {
		return nil, ErrUnheard
	}
	return s.offer(&Exchange{s: s, from: from, to: to, form: rejoined}, []byte(from.last))
}

// Renew begins a round that says to a party again what it was told last, with another direction on every line or Unchanged. If
// nothing changes the version of the description stays (RFC 4028 7.4). The party goes on hearing whom it heard. Answer gives
// nil.
// Errors: ErrUnheard, ErrPending, ErrClosed.
func (s *Session) Renew(to *Party, d Direction) (*Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.renewable(to); err != nil {
		return nil, err
	}
	x := &Exchange{s: s, to: to, form: renewed, offer: to.said, sent: to.said}
	if d != Unchanged {
		x.sent = sdp.Turn(to.said, d.sdp())
	}
	var err error
	if x.sent, err = to.rekeyed(x.sent); err != nil {
		return nil, err
	}
	x.say()
	s.finish(func(old *Exchange) bool { return old.form == renewed && old.to == to })
	s.exchanges = append(s.exchanges, x)
	return x, nil
}

// renewable tells why nothing can be said to a party again; nil if it can. The lock is held.
func (s *Session) renewable(to *Party) error {
	switch {
	case s.closed || to.dropped || to.s != s:
		return ErrClosed
	case to.said == nil:
		return ErrUnheard
	case slices.ContainsFunc(s.exchanges, func(x *Exchange) bool { return !x.answered && (x.from == to || x.to == to) }):
		return ErrPending
	}
	return nil
}

// refresh is the answer to a renewal: the party may have moved, or have other numbers for its formats. The lock is held.
func (x *Exchange) refresh(agreed *sdp.Description) {
	to := x.to
	for i := range x.sent.Media {
		e := to.end(i)
		if e == nil {
			continue
		}
		sent, own := &x.sent.Media[i], &agreed.Media[i]
		if sent.Rejected() || own.Rejected() {
			e.disconnect()
			continue
		}
		mux := sent.Mux && own.Mux
		e.reached(to, x.toReach.at(i))
		e.expect(to, own, mux, x.s.e.clock())
		e.told(sent, own)
		x.s.lock(to, e, x.toLocks.at(i), x.s.e.clock())
		if e.peer != nil {
			x.reconnect(i, e, own, mux)
		}
	}
	x.s.settled()
}

// reconnect makes the paths of one m-line anew: own is what the party renewed says now.
func (x *Exchange) reconnect(i int, e *end, own *sdp.Media, mux bool) {
	other := x.s.owner(e.peer)
	if other == nil || other.said == nil || i >= len(other.said.Media) {
		return
	}
	d, err := other.own()
	if err != nil || i >= len(d.Media) { // it was parsed before
		return
	}
	l := line{x: x, a: e.peer, b: e, offer: &d.Media[i], back: &other.said.Media[i], sent: &x.sent.Media[i], agreed: own}
	var maps sdp.Pairing
	if l.sent.Transport == sdp.TransportRTP {
		l.formats = l.payloads(own.Codecs())
		maps.ToAnswerer = sdp.Translate(l.back, l.offer, l.agreed)
		maps.ToOfferer = sdp.Translate(l.sent, l.agreed, l.offer)
	}
	muxOther := l.offer.Mux && l.back.Mux
	l.path(l.a, l.b, muxOther, mux, maps.ToAnswerer)
	l.path(l.b, l.a, mux, muxOther, maps.ToOfferer)
}

// owner finds whose end it is.
func (s *Session) owner(e *end) *Party {
	for _, p := range s.parties {
		if slices.Contains(p.ends, e) {
			return p
		}
	}
	return nil
}

// Take moves a party with its ports, its figures and what is known of it from another call's session into this one: its call
// was joined with this one. What it was connected with is cut off; a Reoffer connects it here. It must be called while neither
// call does anything else with the party. If either session
// is closed the error is ErrClosed, and the party's ports have gone back.
func (s *Session) Take(p *Party, from *Session) error {
	if s == from {
		return nil
	}
	if err := from.give(p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.e != from.e {
		p.release()
		return fmt.Errorf("%w: the session that takes the party", ErrClosed)
	}
	p.s = s
	s.parties = append(s.parties, p)
	p.report(s.o.OnDTMF)
	p.alarm(s.o.OnBroken)
	return nil
}

// give takes a party out with its ports.
func (s *Session) give(p *Party) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || p.s != s || p.dropped {
		return ErrClosed
	}
	for _, e := range p.ends {
		if e != nil {
			e.used = true // its party may still know it: the end of its rounds here does not give it back
			s.heard = max(s.heard, e.stream.Last())
		}
	}
	s.leave(p)
	for _, e := range p.ends {
		if e != nil {
			e.disconnect()
		}
	}
	return nil
}
