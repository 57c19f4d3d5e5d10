package media

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
)

// Exchange is one round of offer and answer (RFC 3264).
type Exchange struct {
	s *Session
	// from is nil in a renewal: the offer is ours alone.
	from, to *Party
	form     form
	offer    *sdp.Description // as it came; in an offer of our own accord what from said last
	sent     *sdp.Description // as it went on
	bytes    []byte
	changed  bool // sent is not what to was told last
	held     []*end
	// expected has a bit for each m-line whose offerer the relay was told of (sdp.MaxMedia is 32).
	expected uint64
	answered bool
	over     bool
	moves    bool // a renewal that tells other ports
	// direct says that media go without us, steady that a rejoined round leaves directions as they are.
	direct, steady bool
	turned         Direction // of a steady one
	elsewhere      bool      // see Moved
	// fromLocks are the keys of who offered and ours for it, toLocks those that the answer settled; nil without any.
	fromLocks, toLocks locks
	// fromReach is how who offered is reached, toReach the one that answered; nil without ICE.
	fromReach, toReach reaches
	// lastIn and lastOut are the last answer and what was made of it.
	lastIn, lastOut []byte
}

// Offer begins a round: offer came from one party and shall go to the other. The running path keeps running.
// Errors: ErrNoPorts, ErrBadSDP, ErrUnsupported, ErrPending, ErrClosed.
func (s *Session) Offer(from, to *Party, offer []byte) (*Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offer(&Exchange{s: s, from: from, to: to}, offer)
}

// offer makes the exchange of an offer. The lock is held.
func (s *Session) offer(x *Exchange, offer []byte) (*Exchange, error) {
	from, to := x.from, x.to
	if s.closed || from.dropped || to.dropped || from.s != s || to.s != s {
		return nil, ErrClosed
	}
	if s.pending(from, to) {
		return nil, ErrPending
	}
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	x.offer = d
	if x.form == rejoined {
		from.clear(d).Refuse(from.said)
		from.hears(d).bundle(d)
	} else if err := x.unlock(); err != nil {
		return nil, err
	}
	if !acceptable(d) {
		return nil, ErrUnsupported
	}
	if !x.steady {
		x.direct = s.goesDirect(from, to)
	}
	if err := x.reserve(); err != nil {
		x.finish()
		return nil, err
	}
	if err := x.write(); err != nil {
		x.finish()
		return nil, err
	}
	if wanted(d) && !wanted(x.sent) {
		x.finish()
		return nil, ErrBarred
	}
	x.say()
	s.finish(func(old *Exchange) bool { return old.between(from, to) })
	s.exchanges = append(s.exchanges, x)
	return x, nil
}

// write makes the offer. Where keys are in it and it is not what was said before, they are new ones: keys of one offer are not those of
// another.
func (x *Exchange) write() error {
	from, to := x.from, x.to
	for _, fresh := range [...]bool{false, true} {
		view, err := x.view(to, x.offer, to.author.Said())
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadSDP, err)
		}
		view.Awake, view.Policy, view.Source = x.form == rejoined && !x.steady, to.o.Policy, from.o.Policy
		view.Events, view.Audible = eventRule(from, to), from.o.Audible
		if err := x.offerKeys(&view, fresh); err != nil {
			return err
		}
		x.offerReach(&view)
		x.hideZRTP(&view)
		if x.sent, err = sdp.Rewrite(x.offer, view); err != nil {
			return fmt.Errorf("%w: %w", ErrBadSDP, err)
		}
		if x.steady && x.turned != Unchanged {
			x.sent = sdp.Turn(x.sent, x.turned.sdp())
		}
		if said := to.author.Said(); !to.o.Secure.speaks() || said == nil || sdp.Equal(said, x.sent) {
			break
		}
	}
	return nil
}

// say makes the bytes of the offer.
func (x *Exchange) say() {
	x.bytes = x.to.author.Say(x.sent)
	x.sent = x.to.author.Said() // the same, or what was said before if that is equal
	x.changed = x.sent != x.to.said
}

func (x *Exchange) between(p, q *Party) bool {
	return x.from == p && x.to == q || x.from == q && x.to == p
}

// pending says whether a round between the two still waits for its answer (RFC 3264 4).
func (s *Session) pending(p, q *Party) bool {
	return slices.ContainsFunc(s.exchanges, func(x *Exchange) bool {
		return !x.answered && (x.between(p, q) || x.from == nil && (x.to == p || x.to == q))
	})
}

// acceptable says whether there is an m-line to relay, or nothing was wanted at all.
func acceptable(d *sdp.Description) bool {
	for i := range d.Media {
		if d.Media[i].Relayable() {
			return true
		}
	}
	return !wanted(d)
}

// wanted says whether there is an m-line that is not rejected.
func wanted(d *sdp.Description) bool {
	return slices.ContainsFunc(d.Media, func(m sdp.Media) bool { return !m.Rejected() })
}

// reserve gives both parties ports for every m-line that can be relayed.
func (x *Exchange) reserve() error {
	if x.direct {
		return nil
	}
	x.held = make([]*end, 0, 2*len(x.offer.Media))
	for i := range x.offer.Media {
		m := &x.offer.Media[i]
		if !m.Relayable() {
			continue
		}
		wanted := m.Connection.Addr
		if !wanted.IsValid() {
			wanted = x.from.signalling
		}
		if err := x.hold(x.from, i, wanted); err != nil {
			return err
		}
		if err := x.hold(x.to, i, x.to.signalling); err != nil {
			return err
		}
	}
	return nil
}

// hold makes sure that a party has ports for an m-line as long as the exchange is open.
func (x *Exchange) hold(p *Party, i int, wanted netip.Addr) error {
	for len(p.ends) <= i {
		p.ends = append(p.ends, nil)
	}
	if p.ends[i] == nil {
		from, pair, err := x.s.e.take(p.o.Pools, wanted)
		if err != nil {
			return err
		}
		p.ends[i] = &end{pool: from, pair: pair, stream: x.s.e.stream(), dtmf: p.o.DTMF, noZRTP: p.o.Secure.NoZRTP}
		if x.s.o.OnDTMF != nil {
			p.ends[i].digits = relay.NewDigits(p.digit)
		}
	}
	e := p.ends[i]
	if e.kind == "" {
		e.kind = word(x.offer.Media[i].Kind)
	}
	e.holds++
	x.held = append(x.held, e)
	return nil
}

// view is how a description of the other one looks to a party of the round.
func (x *Exchange) view(p *Party, d, former *sdp.Description) (sdp.View, error) {
	if x.direct {
		return p.openly(d, former)
	}
	return p.view(d, former)
}

// view is how a description looks to the party: our address and ports on each m-line.
func (p *Party) view(d *sdp.Description, former *sdp.Description) (sdp.View, error) {
	v := sdp.View{Former: former, Streams: make([]sdp.Stream, len(d.Media))}
	for i := range d.Media {
		m := &d.Media[i]
		if i >= len(p.ends) || p.ends[i] == nil || !m.Relayable() {
			continue
		}
		e := p.ends[i]
		address := e.pool.advertised()
		if !v.Address.IsValid() {
			v.Address = address
		}
		v.Streams[i] = sdp.Stream{Port: int(e.pair.Local.Port()), Address: address, Mux: m.Mux}
	}
	if v.Address.IsValid() {
		return v, nil
	}
	var err error
	v.Address, err = p.address() // nothing but refused lines
	return v, err
}

// Offer is the SDP for the party that is offered to.
func (x *Exchange) Offer() []byte { return x.bytes }

// Changed says whether the offer is not what its party was told last: if it is the same, the party need not be asked again.
func (x *Exchange) Changed() bool { return x.changed }

// Answer completes the round and gives the SDP for the party that offered, nil if none did (Reoffer, Renew). It may be called
// again (183 then 200, or another fork's SDP) until the next Offer between the two or Session.Answered: the same answer gives
// the same bytes.
// Errors: ErrBadSDP if the answer does not fit, ErrClosed.
func (x *Exchange) Answer(answer []byte) ([]byte, error) {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.answered && x.lastIn != nil && bytes.Equal(answer, x.lastIn) {
		return x.lastOut, nil
	}
	if s.closed || x.over {
		return nil, ErrClosed
	}
	d, err := sdp.Parse(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	x.unlockAnswer(d)
	x.toReach = x.to.hears(d)
	agreed, notes, err := sdp.Check(x.sent, d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	if err := x.settleKeys(agreed); err != nil {
		return nil, err
	}
	if len(notes) > 0 {
		s.e.o.Log.Debug("answer repaired", "notes", notes)
	}
	out, err := x.complete(agreed)
	if err != nil {
		return nil, err
	}
	x.to.last, x.to.said = agreed.Text(), x.sent
	s.retune()
	x.answered, x.lastIn, x.lastOut = true, bytes.Clone(answer), out
	if s.answered != 0 { // no other fork will answer: what was refused, or dropped, goes back at once
		x.finish()
	}
	if next, _ := s.deadline(); next != 0 {
		s.e.watch.set(s, next)
	}
	return out, nil
}

// complete connects the parties as they agreed, and gives the answer for the one that offered.
func (x *Exchange) complete(agreed *sdp.Description) ([]byte, error) {
	switch x.form {
	case rejoined:
		x.s.setDirect(x.from, x.to, x.direct)
		if x.direct {
			x.vacate()
		} else {
			x.connect(agreed, x.from.said)
		}
		return nil, nil
	case renewed:
		if x.moves {
			x.move(agreed)
		}
		if len(x.s.direct) > 0 {
			x.compares(agreed)
		}
		x.refresh(agreed)
		return nil, nil
	}
	described := x.offer // our ports are the same for every answer
	if x.direct {
		described = agreed
	}
	view, err := x.view(x.from, described, nil)
	if err != nil {
		return nil, err
	}
	view.Policy = x.from.o.Policy
	view.Events = eventRule(x.to, x.from)
	x.answerKeys(&view)
	x.answerReach(&view)
	x.hideZRTP(&view)
	back, err := sdp.Answer(x.offer, agreed, view)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	out := x.from.author.Say(back)
	if x.direct {
		x.vacate()
	} else {
		x.connect(agreed, back)
	}
	x.from.last, x.from.said = x.offer.Text(), x.from.author.Said()
	return out, nil
}

// Reject forgets the round: ports taken only for it are released, the old path stays. Harmless after Answer.
func (x *Exchange) Reject() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if !x.answered && !x.over {
		x.finish()
	}
}

// finish ends the round: what it held and nobody uses goes back. The lock is held.
func (x *Exchange) finish() {
	x.over = true
	if x.moves {
		x.to.stay()
	}
	x.s.exchanges = slices.DeleteFunc(x.s.exchanges, func(y *Exchange) bool { return y == x })
	for _, e := range x.held {
		e.holds--
	}
	if x.from != nil {
		x.from.trim()
	}
	x.to.trim()
	x.held, x.offer, x.sent, x.fromLocks, x.toLocks = nil, nil, nil, nil, nil
}

// finish ends the exchanges that which selects; backwards, since each takes itself off the list.
func (s *Session) finish(which func(*Exchange) bool) {
	for i := len(s.exchanges) - 1; i >= 0; i-- {
		if which(s.exchanges[i]) {
			s.exchanges[i].finish()
		}
	}
}

// trim gives back the ports nobody needs. The figures of what was received by them are kept.
func (p *Party) trim() {
	for i, e := range p.ends {
		if e != nil && e.holds == 0 && !e.used {
			if st := p.s.one(p, i, e); st.Packets > 0 {
				p.past = append(p.past, st)
			}
			e.free()
			p.ends[i] = nil
		}
	}
}
