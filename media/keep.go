package media

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/media/port"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// SessionState is what of a session shall survive its process. It is made for encoding/json.
type SessionState struct {
	Silence, HoldSilence time.Duration
	// Direct says that two parties exchange media without us: SetDirect is for those when they are restored, before Rejoin.
	Direct bool `json:",omitempty"`
}

// PartyState is what of a party shall survive its process.
type PartyState struct {
	// Own is what the party said of itself last, Author what it was told, and Told the same where something newer was said that came
	// to nothing.
	Own        string
	Author     sdp.AuthorState
	Told       string     `json:",omitempty"`
	Signalling netip.Addr `json:",omitzero"`
	Ends       []*EndState
	// Settled says that the sources of all its streams are known.
	Settled bool
}

// Heard tells whether any packet of the party had come.
func (st *PartyState) Heard() bool {
	for _, e := range st.Ends {
		if e != nil && e.Stream.Packets > 0 {
			return true
		}
	}
	return false
}

// EndState is one m-line of a party: our ports, and what is known of the stream that comes there.
type EndState struct {
	Pool        string
	Port        netip.AddrPort
	Kind, Codec string
	Joined      bool
	// SRTP is the protocol of a line with keys in SDP, Theirs the key of its party and Suite that of ours, which is not kept: how far it was
	// used is not known, so it must not be used again (RFC 3711 9.1), and the party is offered another one.
	SRTP   string       `json:",omitempty"`
	Theirs string       `json:",omitempty"`
	Suite  secure.Suite `json:",omitempty"`
	// DTLS is the protocol of a line whose keys were made by a handshake. They end with their process: the party must be offered to anew.
	DTLS   string `json:",omitempty"`
	Stream relay.Kept
	First  time.Time `json:",omitzero"` // of its packets
}

// ErrNotKept says that what was kept of a party cannot be restored; it wraps why.
var ErrNotKept = errors.New("media: party not restored")

// Keep gives what of the session shall survive.
func (s *Session) Keep() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionState{Silence: s.o.Silence, HoldSilence: s.o.HoldSilence, Direct: len(s.direct) > 0}
}

// KeepParty gives what of a party shall survive; nil if it has not described itself yet, or is gone.
func (s *Session) KeepParty(p *Party) *PartyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || p.s != s || p.dropped || p.said == nil {
		return nil
	}
	st := &PartyState{Own: p.last, Author: p.author.State(), Signalling: p.signalling, Settled: true, Ends: make([]*EndState, len(p.ends))}
	if p.said != p.author.Said() {
		st.Told = string(p.said.AppendTo(nil))
	}
	for i, e := range p.ends {
		if e == nil {
			continue
		}
		k := e.stream.Keep()
		st.Ends[i] = &EndState{
			Pool: e.pool.ID, Port: e.pair.Local, Kind: e.kind, Codec: e.codec, Joined: e.peer != nil, Stream: k, First: s.e.wall(k.First),
		}
		if e.keys != nil && e.keys.dtls != nil {
			st.Ends[i].DTLS = e.keys.proto
		}
		if e.keys != nil && e.keys.dtls == nil {
			st.Ends[i].SRTP, st.Ends[i].Theirs, st.Ends[i].Suite = e.keys.proto, e.keys.theirs.Value(), e.keys.ours.Keys.Suite
		}
		if e.reach != nil || st.Ends[i].DTLS != "" || st.Ends[i].SRTP != "" {
			st.Ends[i].Joined = false
		}
		st.Settled = st.Settled && (e.peer == nil || !e.sends || k.RTP.IsValid())
	}
	return st
}

// RestoreParty adds a party of an earlier process with the ports that it had, which its device still knows. Errors: ErrNotKept.
func (s *Session) RestoreParty(o PartyOptions, st *PartyState) (*Party, error) {
	p := s.Party(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.restore(st); err != nil {
		s.leave(p)
		p.release()
		return nil, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return p, nil
}

func (p *Party) restore(st *PartyState) (err error) {
	if p.author, err = sdp.RestoreAuthor(st.Author); err != nil {
		return err
	}
	p.last, p.said, p.signalling = st.Own, p.author.Said(), st.Signalling
	if st.Told != "" {
		if p.said, err = sdp.Parse([]byte(st.Told)); err != nil {
			return err
		}
	}
	if p.said == nil || len(st.Ends) > sdp.MaxMedia {
		return ErrUnheard
	}
	p.ends = make([]*end, len(st.Ends))
	for i, k := range st.Ends {
		if k == nil {
			continue
		}
		from, pair, err := p.s.e.takeAt(k.Pool, k.Port)
		if err != nil {
			return err
		}
		p.ends[i] = &end{
			pool: from, pair: pair, stream: p.s.e.stream(), dtmf: p.o.DTMF, noZRTP: p.o.Secure.NoZRTP, kind: k.Kind, codec: k.Codec,
			used: true,
		}
		if k.DTLS != "" {
			p.ends[i].keys = &keys{proto: k.DTLS, dtls: &shake{}} // of which nothing is left
			p.ends[i].stream.Secure(&relay.Keys{}, p.s.e.clock())
		}
		if k.SRTP != "" {
			if err := p.ends[i].revive(k, p.s.e.clock()); err != nil {
				return err
			}
		}
		if p.s.o.OnDTMF != nil {
			p.ends[i].digits = relay.NewDigits(p.digit)
		}
	}
	p.revived()
	return nil
}

// takeAt gives a certain pair of a pool.
func (e *Engine) takeAt(id string, local netip.AddrPort) (*pool, *pair, error) {
	p := (*e.pools.Load())[id]
	if p == nil || p.Address != local.Addr() {
		return nil, nil, fmt.Errorf("%w: no pool %s at %v", port.ErrTaken, id, local.Addr())
	}
	pair, err := p.ports.TakeAt(local.Port())
	return p, pair, err
}

// Rejoin connects two restored parties as they were. Their packets pass from then on, and silence is supervised. Joined is false if they
// were not connected yet: a Reoffer each way does that. Errors: ErrNotKept.
func (s *Session) Rejoin(a, b *Party, was, wasB *PartyState) (joined bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := sdp.Parse([]byte(a.last))
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	ownB, err := sdp.Parse([]byte(b.last))
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	x, joined := &Exchange{s: s, from: a, to: b}, s.goesDirect(a, b)
	for i, e := range a.ends {
		f := b.end(i)
		if e == nil || f == nil || !was.Ends[i].Joined || !wasB.Ends[i].Joined {
			continue
		}
		if i >= min(len(own.Media), len(ownB.Media), len(a.said.Media), len(b.said.Media)) {
			return false, fmt.Errorf("%w: line %d was not described", ErrNotKept, i)
		}
		l := line{x: x, a: e, b: f, offer: &own.Media[i], back: &a.said.Media[i], sent: &b.said.Media[i], agreed: &ownB.Media[i]}
		l.rejoin(s.restored(was.Ends[i]), s.restored(wasB.Ends[i]))
		joined = true
	}
	s.settled()
	s.answered = s.e.clock()
	s.retune()
	if next, _ := s.deadline(); next != 0 {
		s.e.watch.set(s, next)
	}
	return joined, nil
}

// restored gives what was kept of a stream in the words of this process's clock.
func (s *Session) restored(k *EndState) relay.Kept {
	kept := k.Stream
	if kept.First = 0; !k.First.IsZero() {
		kept.First = s.e.clock() - int64(time.Since(k.First))
	}
	return kept
}

// rejoin is connect for a line that both sides described in an earlier process.
func (l *line) rejoin(kept, keptB relay.Kept) {
	a, b := l.a, l.b
	a.join(b)
	muxA, muxB := l.offer.Mux && l.back.Mux, l.sent.Mux && l.agreed.Mux
	now := l.x.s.e.clock()
	a.expect(l.x.from, l.offer, muxA, now)
	b.expect(l.x.to, l.agreed, muxB, now)
	a.stream.Restore(kept)
	b.stream.Restore(keptB)
	var maps sdp.Pairing
	if l.sent.Transport == sdp.TransportRTP {
		l.formats = l.payloads(l.agreed.Codecs())
		maps.ToAnswerer = sdp.Translate(l.back, l.offer, l.agreed)
		maps.ToOfferer = sdp.Translate(l.sent, l.agreed, l.offer)
	}
	l.path(a, b, muxA, muxB, maps.ToAnswerer)
	l.path(b, a, muxB, muxA, maps.ToOfferer)
	a.told(l.back, l.offer)
	b.told(l.sent, l.agreed)
}
