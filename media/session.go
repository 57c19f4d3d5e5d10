package media

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media/ice"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// Session is the media of one call. Its methods may be called from anywhere, but those that change it are meant for the call's
// queue: the lock is there for observers and for the supervision of silence.
type Session struct {
	e *Engine
	o SessionOptions

	mu        sync.Mutex
	parties   []*Party
	exchanges []*Exchange
	direct    [][2]*Party // those whose media go without us
	hold      bool
	closed    bool
	fired     bool
	// answered and since are moments of the engine's clock: of Answered, and of the last completed exchange.
	answered, since int64
	// final and heard are the figures when it was closed.
	final []StreamStats
	heard int64

	entry watchEntry // belongs to the watch
}

// Party is one side of a call.
type Party struct {
	s          *Session
	o          PartyOptions
	signalling netip.Addr
	author     *sdp.Author
	// last is what the party said of itself in the last round that was completed, said what it was told in it.
	last    string
	said    *sdp.Description
	ends    []*end // by m-line; nil where there is no port
	past    []StreamStats
	dropped bool
	// onDTMF is called with the party's digits; another session may take the party while one comes.
	onDTMF atomic.Pointer[func(digit byte, d time.Duration)]
	// onBroken is called when its media will have no keys; own509 is the certificate that it was told of.
	onBroken atomic.Pointer[func(err error)]
	own509   *secure.Identity
}

// end is one m-line of a party: our pair of ports towards it and what it sends there.
type end struct {
	pool   *pool
	pair   *pair
	stream *relay.Stream
	peer   *end // where its packets go
	// old is the pair that the party knew before a Move and may still send to, next the one it is being told of.
	old, next *pair
	// voice is what we say to the party, nil before the first word; digits listens to its telephone-events, nil if nobody asked.
	voice  *voice
	digits *relay.Digits
	// tap keeps what the party says; a true nil if nothing does.
	tap  relay.Tap
	dtmf DTMF
	// noZRTP keeps ZRTP from the party.
	noZRTP bool
	kind   string
	codec  string
	// keys are nil while the line is in the clear.
	keys *keys
	// gate is what speaks by the ports beside media, nil if nothing does; agent our side of ICE once the party was told of it, reach
	// what the party said of its own, nil if it does not speak ICE.
	gate  *gate
	agent *ice.Agent
	reach *reach
	// holds counts the open exchanges that need it, used says that the last answer does.
	holds int
	used  bool
	// held says that its party was told not to send, sends that it was not and said it would.
	held, sends bool
}

// Party adds a side to the call; it gets ports with the first exchange it takes part in.
func (s *Session) Party(o PartyOptions) *Party {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Party{s: s, o: o, signalling: o.Signalling.Unmap(), author: sdp.NewAuthor(rand.Uint64())}
	if s.parties == nil {
		s.parties = make([]*Party, 0, 2)
	}
	s.parties = append(s.parties, p)
	p.report(s.o.OnDTMF)
	p.alarm(s.o.OnBroken)
	return p
}

// SetSignalling tells where the party's signalling really comes from, known only when a response arrived; it acts from the next
// Offer or Answer on.
func (p *Party) SetSignalling(source netip.Addr) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.signalling = source.Unmap()
}

// expected is what the relay may believe about packets from the party.
func (p *Party) expected(media netip.AddrPort) relay.Peer {
	peer := relay.Peer{Media: media}
	if p.s.ours(media) {
		peer.Media = netip.AddrPort{}
	}
	if p.o.Latch != LatchSDP {
		peer.Signalling = p.signalling
	}
	return peer
}

// Drop removes a party whose attempt failed; its ports go back.
func (s *Session) Drop(p *Party) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || p.s != s || p.dropped {
		return
	}
	s.leave(p)
	p.release()
}

// release gives a party's ports back.
func (p *Party) release() {
	p.dropped = true
	for i, e := range p.ends {
		if e != nil {
			e.free()
			p.ends[i] = nil
		}
	}
}

// leave takes a party out of the session with all rounds it took part in. The lock is held.
func (s *Session) leave(p *Party) {
	s.finish(func(x *Exchange) bool { return x.from == p || x.to == p })
	s.parties = slices.DeleteFunc(s.parties, func(q *Party) bool { return q == p })
	s.direct = slices.DeleteFunc(s.direct, func(d [2]*Party) bool { return d[0] == p || d[1] == p })
}

// Answered arms the supervision of silence, and gives back ports reserved for m-lines that the answer refused. Call it after the
// Answer of the final response.
func (s *Session) Answered() {
	s.mu.Lock()
	if s.closed || s.answered != 0 {
		s.mu.Unlock()
		return
	}
	s.answered = s.e.clock()
	s.finish(func(x *Exchange) bool { return x.answered })
	next, _ := s.deadline()
	s.mu.Unlock()
	s.e.watch.set(s, next)
}

// Stats gives the figures of every stream, party by party.
func (s *Session) Stats() []StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.final
	}
	return s.stats()
}

// LastMedia is when the last media packet of any party arrived; zero if none did.
func (s *Session) LastMedia() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.e.wall(s.lastHeard())
}

// lastHeard is the moment of the last accepted packet, RTP, RTCP or fax, of any party.
func (s *Session) lastHeard() int64 {
	last := s.heard
	for _, p := range s.parties {
		for _, e := range p.ends {
			if e != nil {
				last = max(last, e.stream.Last())
			}
		}
	}
	return last
}

// Close releases everything and gives the final figures. Idempotent.
func (s *Session) Close() []StreamStats {
	s.mu.Lock()
	if s.closed {
		defer s.mu.Unlock()
		return s.final
	}
	s.final, s.heard = s.stats(), s.lastHeard()
	s.closed = true
	for _, p := range s.parties {
		for _, e := range p.ends {
			if e != nil {
				e.free()
			}
		}
	}
	s.forget()
	s.mu.Unlock()
	s.e.watch.drop(s)
	s.e.sessions.Add(-1)
	return s.final
}

// forget lets go of all that a closed session does not need: its owner may keep it, or the parties its figures name, for long.
func (s *Session) forget() {
	for _, x := range s.exchanges {
		x.over = true
		x.held, x.offer, x.sent, x.lastIn, x.lastOut = nil, nil, nil, nil, nil
	}
	for _, p := range s.parties {
		p.author, p.ends, p.past, p.o.Pools, p.said, p.last = nil, nil, nil, nil, nil, ""
		p.onDTMF.Store(nil)
		p.onBroken.Store(nil)
	}
	s.exchanges, s.parties, s.direct, s.o.OnSilence, s.o.OnDTMF, s.o.OnBroken = nil, nil, nil, nil, nil, nil
}
