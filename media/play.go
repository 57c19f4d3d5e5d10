package media

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/tone"
)

// Why nothing can be said to a party.
var (
	// ErrNoVoice says that the party agreed to no format we can speak, or to no media at all.
	ErrNoVoice = errors.New("media: no format to speak in")
	// ErrTooMany says that more digits wait than make sense.
	ErrTooMany = errors.New("media: too many digits")
)

// maxDigits bounds the digits that wait to be sent to a party.
const maxDigits = 128

// lawOf says how to write samples for a codec.
func lawOf(c *sdp.Codec) (tone.Law, bool) {
	switch {
	case c.Clock != tone.Rate || c.Channels > 1:
		return 0, false
	case strings.EqualFold(c.Name, "PCMA"):
		return tone.ALaw, true
	case strings.EqualFold(c.Name, "PCMU"):
		return tone.MuLaw, true
	}
	return 0, false
}

// Play plays a to a party, in place of the other side and of what was played before: repeat times, or until StopPlaying if that
// is 0. A nil Audio is silence. done, which may be nil, is called once it was played to its end, from a goroutine of the
// engine; it must not block. A party that wants to hear nothing (hold) misses what is played meanwhile. Errors: ErrNoVoice,
// ErrClosed.
func (s *Session) Play(to *Party, a *Audio, repeat int, done func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.voice(to, func(sp *speech) bool { return sp.sound })
	if err != nil {
		return err
	}
	now := s.e.clock()
	v.play(a, repeat, done, now)
	v.out.Claim(now)
	s.e.pacer.add(v)
	return nil
}

// StopPlaying ends what is played to a party: it hears the other side again.
func (s *Session) StopPlaying(p *Party) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range p.ends {
		if e != nil && e.voice != nil {
			e.voice.hush()
		}
	}
}

// SendDTMF sends digits (0-9, *, #, A-D) to a party as telephone-events (RFC 4733), each so long with such a gap behind it,
// after those that are being sent. The other side is not heard meanwhile. done is as in Play. Errors: ErrNoVoice, ErrTooMany,
// ErrClosed.
func (s *Session) SendDTMF(to *Party, digits string, each, gap time.Duration, done func()) error {
	codes, err := eventCodes(digits)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.voice(to, func(sp *speech) bool { return sp.events })
	if err != nil {
		return err
	}
	if v.queued()+len(codes) > maxDigits {
		return ErrTooMany
	}
	now := s.e.clock()
	v.dial(batch{codes: codes, each: each, gap: gap, done: done}, now)
	v.out.Claim(now)
	s.e.pacer.add(v)
	return nil
}

// eventCodes gives the events that stand for digits.
func eventCodes(digits string) ([]byte, error) {
	codes := make([]byte, len(digits))
	for i := range codes {
		code, ok := relay.EventCode(digits[i])
		if !ok {
			return nil, fmt.Errorf("media: %q is no digit", digits[i])
		}
		codes[i] = code
	}
	if len(codes) == 0 {
		return nil, errors.New("media: no digits")
	}
	return codes, nil
}

// Speaks says whether a party agreed to a format in which it can be played to, and to telephone-events.
func (s *Session) Speaks(p *Party) (sound, events bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range p.ends {
		if e != nil {
			sp := p.speech(i)
			sound, events = sound || sp.sound, events || sp.events
		}
	}
	return sound, events
}

// SentDigits says whether a party has sent telephone-events in this call.
func (s *Session) SentDigits(p *Party) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range p.ends {
		if e != nil && e.digits != nil && e.digits.Begun() {
			return true
		}
	}
	return false
}

// voice gives the voice on the first m-line of a party on which we can do what is wanted. The lock is held.
func (s *Session) voice(to *Party, can func(*speech) bool) (*voice, error) {
	if s.closed || to.s != s || to.dropped {
		return nil, ErrClosed
	}
	for i, e := range to.ends {
		if e == nil || !strings.EqualFold(e.kind, "audio") {
			continue
		}
		sp := to.speech(i)
		if !can(&sp) {
			continue
		}
		if e.voice == nil {
			e.speak()
		}
		e.voice.tune(sp)
		return e.voice, nil
	}
	return nil, ErrNoVoice
}

// speech is in which formats a party can be spoken to on an m-line. The session's lock is held.
func (p *Party) speech(i int) speech {
	if p.said == nil || i >= len(p.said.Media) || p.said.Media[i].Rejected() {
		return speech{}
	}
	d, err := p.own()
	if err != nil || i >= len(d.Media) {
		return speech{}
	}
	return speechOf(&p.said.Media[i], &d.Media[i])
}

// retune tells every voice what the last round agreed on. The lock is held.
func (s *Session) retune() {
	for _, p := range s.parties {
		for i, e := range p.ends {
			if e != nil && e.voice != nil {
				e.voice.tune(p.speech(i))
			}
		}
	}
}

// speak gives an end a voice, which from then on everything the party hears goes through.
func (e *end) speak() {
	var other *relay.Stream
	if e.peer != nil {
		other = e.peer.stream
	}
	e.voice = &voice{out: relay.NewOutlet(e.pair.RTP, e.stream, other)}
	if e.peer == nil {
		e.listen(nil, false)
		return
	}
	e.peer.change(func(p *relay.Path) { p.Out = e.voice.out })
	e.change(func(p *relay.Path) { p.Back = e.voice.out })
}

// outlet is what everything the party hears goes through; nil while that is nothing of ours.
func (e *end) outlet() *relay.Outlet {
	if e.voice == nil {
		return nil
	}
	return e.voice.out
}

// change changes what both ports do with packets that are looked into.
func (e *end) change(how func(*relay.Path)) {
	var ports []*relay.Port
	for _, p := range e.pairs() {
		if p != nil {
			ports = append(ports, p.RTP, p.RTCP)
		}
	}
	for _, port := range ports {
		if port == nil {
			continue
		}
		if now := port.Path(); now != nil && now.Kind != relay.KindOpaque {
			path := *now
			how(&path)
			port.Set(&path)
		}
	}
}

// listen hears a party that is connected with nobody: where it can be reached and its digits show, nothing is passed on. formats
// are what it may send, nil if that is not known.
func (e *end) listen(formats *relay.Formats, mux bool) {
	if e.pair.RTP.Path() == nil {
		e.pair.RTP.Set(&relay.Path{From: e.stream, Digits: e.digits, Tap: e.tap, Formats: formats, Mux: mux})
	}
}

// free gives an end's ports back.
func (e *end) free() {
	if e.voice != nil {
		e.voice.close()
	}
	e.disconnect()
	e.shutGate()
	e.stream.Secure(nil, 0)
	for _, p := range e.pairs() {
		if p != nil {
			p.Release()
		}
	}
}
