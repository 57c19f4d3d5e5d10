package call

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media"
)

// engine is media that moves nothing.
type engine struct {
	mu       sync.Mutex
	sessions []*session
	refuse   error // of the next Offer, or RestoreParty
	// unsettled says that the sources of streams are not known.
	unsettled atomic.Bool
	apart     bool // restored parties were not connected yet
	bomb      *bomb
}

func (e *engine) Open(o media.SessionOptions) Session {
	e.bomb.tick()
	s := &session{
		e: e, o: o, parties: map[*media.Party]bool{},
		said: map[*media.Party][]byte{}, told: map[*media.Party][]byte{},
	}
	e.mu.Lock()
	e.sessions = append(e.sessions, s)
	e.mu.Unlock()
	return s
}

func (e *engine) open() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sessions {
		if !s.closed {
			n++
		}
	}
	return n
}

func (e *engine) last() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[len(e.sessions)-1]
}

type session struct {
	e        *engine
	o        media.SessionOptions
	parties  map[*media.Party]bool
	options  []media.PartyOptions    // of all there ever were
	said     map[*media.Party][]byte // by the party, and to it
	told     map[*media.Party][]byte
	dropped  int
	answered bool
	closed   bool
	rejected int
	pending  int
	// mute makes every party one that we cannot speak to; packets are those that sent telephone-events.
	direct   bool
	mute     bool
	packets  map[*media.Party]bool
	played   []playedTo
	dialled  []string
	listener func(*media.Party, byte, time.Duration)
	recorded *tape // the last one
	last     time.Time
}

func (s *session) Party(o media.PartyOptions) *media.Party {
	p := new(media.Party)
	s.options = append(s.options, o)
	s.parties[p] = true
	return p
}
func (s *session) Signalling(*media.Party, netip.Addr) { s.e.bomb.tick() }

// exchange rewrites SDP by putting "border" before what came.
type exchange struct {
	s        *session
	from, to *media.Party // from is nil if the offer is ours alone
	in       []byte       // what from said
	offer    []byte
	answered bool
	rejected bool
}

func (s *session) Offer(from, to *media.Party, offer []byte) (Exchange, error) {
	s.e.bomb.tick()
	mustBe(from, to)
	if !s.parties[from] || !s.parties[to] || s.closed {
		return nil, media.ErrClosed
	}
	if err := s.e.refuse; err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(offer, []byte("v=0")) {
		return nil, media.ErrBadSDP
	}
	s.pending++
	return &exchange{s: s, from: from, to: to, in: offer, offer: ours(offer)}, nil
}

// mustBe panics for parties that are none, as the engine would.
func mustBe(parties ...*media.Party) {
	for _, p := range parties {
		if p == nil {
			panic("no party")
		}
	}
}

// ours writes SDP of our own, with the port of what came so that tests can follow it.
func ours(in []byte) []byte {
	out := bytes.ReplaceAll(in, []byte(callerIP), []byte(borderB))
	return bytes.ReplaceAll(out, []byte(calleeIP), []byte(borderA))
}

// Reoffer and Renew offer what a party said or was told last, in the form of the other two.
func (s *session) Reoffer(from, to *media.Party) (Exchange, error) {
	mustBe(from, to)
	if s.said[from] == nil {
		return nil, media.ErrUnheard
	}
	if !s.parties[from] || !s.parties[to] || s.closed {
		return nil, media.ErrClosed
	}
	s.pending++
	return &exchange{s: s, to: to, offer: ours(s.said[from])}, nil
}

func (s *session) Renew(to *media.Party, d media.Direction) (Exchange, error) {
	mustBe(to)
	if !s.parties[to] || s.closed {
		return nil, media.ErrClosed
	}
	if s.told[to] == nil {
		return nil, media.ErrUnheard
	}
	s.pending++
	x := &exchange{s: s, to: to, offer: s.told[to]}
	if d != media.Unchanged {
		x.offer = append(bytes.Clone(s.told[to]), "a="+[...]string{"sendrecv", "sendonly", "recvonly", "inactive"}[d]+"\r\n"...)
	}
	return x, nil
}

func (s *session) Move(to *media.Party) (Exchange, error) {
	x, err := s.Renew(to, media.Unchanged)
	if err != nil {
		return nil, err
	}
	moved := x.(*exchange)
	moved.offer = append(bytes.Clone(moved.offer), "a=moved\r\n"...)
	return moved, nil
}

func (s *session) Take(p *media.Party, from Session) error {
	f, ok := from.(*session)
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if !ok || !f.parties[p] || f.closed {
		return media.ErrClosed
	}
	delete(f.parties, p)
	if s.closed {
		return media.ErrClosed
	}
	s.parties[p] = true
	s.said[p], s.told[p] = f.said[p], f.told[p]
	return nil
}

func (x *exchange) Changed() bool { return !bytes.Equal(x.offer, x.s.told[x.to]) }
func (x *exchange) Moved() bool   { return false }
func (x *exchange) Offer() []byte { return x.offer }
func (x *exchange) Answer(answer []byte) ([]byte, error) {
	if !bytes.HasPrefix(answer, []byte("v=0")) {
		return nil, media.ErrBadSDP
	}
	x.done()
	x.answered = true
	x.s.told[x.to], x.s.said[x.to] = x.offer, answer
	if x.from == nil {
		return nil, nil
	}
	x.s.told[x.from], x.s.said[x.from] = ours(answer), x.in
	return ours(answer), nil
}
func (x *exchange) Reject() {
	if !x.answered {
		x.rejected = true
		x.s.rejected++
	}
	x.done()
}
func (x *exchange) done() {
	if !x.answered && x.s.pending > 0 {
		x.s.pending--
	}
}

// Play, StopPlaying and SendDTMF write down what they are told; the test plays the part of the engine.
func (s *session) Play(p *media.Party, a *media.Audio, repeat int, done func()) error {
	s.e.bomb.tick()
	if s.mute {
		return media.ErrNoVoice
	}
	s.played = append(s.played, playedTo{p, a, repeat, done})
	return nil
}
func (s *session) StopPlaying(p *media.Party) {
	s.e.bomb.tick()
	s.played = slices.DeleteFunc(s.played, func(t playedTo) bool { return t.to == p })
}
func (s *session) SendDTMF(p *media.Party, digits string, each, _ time.Duration, _ func()) error {
	s.e.bomb.tick()
	if s.mute {
		return media.ErrNoVoice
	}
	s.dialled = append(s.dialled, fmt.Sprintf("%s:%d", digits, each.Milliseconds()))
	return nil
}
func (s *session) Speaks(p *media.Party) (bool, bool) { return !s.mute && s.told[p] != nil, !s.mute }
func (s *session) Attend(p *media.Party, offer []byte) ([]byte, error) {
	s.e.bomb.tick()
	if s.mute {
		return nil, media.ErrNoVoice
	}
	s.told[p], s.said[p] = []byte("v=0\r\no=- 9 9 IN IP4 "+borderA+"\r\n"), offer
	return s.told[p], nil
}
func (s *session) ListenDTMF(to func(*media.Party, byte, time.Duration)) { s.listener = to }
func (s *session) SentDigits(p *media.Party) bool                        { return s.packets[p] }

// playedTo is one Play.
type playedTo struct {
	to     *media.Party
	audio  *media.Audio
	repeat int
	done   func()
}

func (s *session) Held(p *media.Party) bool {
	told := s.told[p]
	i := bytes.LastIndex(told, []byte("a=")) // what is turned has its direction at the end
	return i >= 0 && (bytes.HasPrefix(told[i:], []byte("a=sendonly")) || bytes.HasPrefix(told[i:], []byte("a=inactive")))
}
func (s *session) SetDirect(_, _ *media.Party, direct bool) { s.direct = direct }
func (s *session) Direct(_, _ *media.Party) bool            { return s.direct }
func (s *session) Switch(from, to *media.Party, direct bool, _ media.Direction) (Exchange, error) {
	s.direct = direct
	return s.Reoffer(from, to)
}

func (s *session) Drop(p *media.Party) { s.e.bomb.tick(); delete(s.parties, p); s.dropped++ }
func (s *session) Answered()           { s.e.bomb.tick(); s.answered = true }
func (s *session) Stats() []media.StreamStats {
	var st []media.StreamStats
	for p := range s.parties {
		st = append(st, media.StreamStats{From: p, Media: "audio", Packets: 50})
	}
	return st
}

// Keep and its sisters keep what was said and told.
func (s *session) Keep() media.SessionState {
	return media.SessionState{Silence: s.o.Silence, HoldSilence: s.o.HoldSilence}
}
func (s *session) KeepParty(p *media.Party) *media.PartyState {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if !s.parties[p] || s.closed || s.said[p] == nil {
		return nil
	}
	return &media.PartyState{Own: string(s.said[p]), Told: string(s.told[p]), Settled: !s.e.unsettled.Load()}
}
func (s *session) RestoreParty(o media.PartyOptions, st *media.PartyState) (*media.Party, error) {
	s.e.bomb.tick()
	if s.e.refuse != nil {
		return nil, s.e.refuse
	}
	p := s.Party(o)
	s.said[p], s.told[p] = []byte(st.Own), []byte(st.Told)
	return p, nil
}
func (s *session) Rejoin(a, b *media.Party, _, _ *media.PartyState) (bool, error) {
	s.e.bomb.tick()
	mustBe(a, b)
	s.answered = true
	return !s.e.apart, nil
}
func (s *session) LastMedia() time.Time { s.e.bomb.tick(); return s.last }
func (s *session) Close() []media.StreamStats {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.e.bomb.tick()
	return s.Stats()
}

// tape is a recording that the test speaks on: what it says begins when the recording does and ends after spoken.
type tape struct {
	began   time.Time
	longest time.Duration
	spoken  time.Duration
	ended   bool
}

func (s *session) Record(_ *media.Party, longest time.Duration) (Recording, error) {
	s.e.bomb.tick()
	if s.mute {
		return nil, media.ErrNoVoice
	}
	s.recorded = &tape{began: now(), longest: longest}
	return s.recorded, nil
}

func (r *tape) Length() time.Duration  { return min(now().Sub(r.began), r.longest) }
func (r *tape) Silence() time.Duration { return now().Sub(r.began) - min(r.spoken, now().Sub(r.began)) }
func (r *tape) Voiced() bool           { return r.spoken > 0 }
func (r *tape) Drain() []byte          { return nil }
func (r *tape) End() ([]byte, int) { // a second was drained
	r.ended = true
	n := pcmBytes(r.Length())
	return make([]byte, n-min(n, pcmBytes(time.Second))), min(n, pcmBytes(time.Second))
}
