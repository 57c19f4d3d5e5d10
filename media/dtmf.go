package media

import (
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
)

// report sets who is told a party's digits, and listens to them if somebody is. The session's lock is held.
func (p *Party) report(to func(from *Party, digit byte, d time.Duration)) {
	if to == nil {
		p.onDTMF.Store(nil)
		return
	}
	report := func(digit byte, d time.Duration) { to(p, digit, d) }
	p.onDTMF.Store(&report)
	for _, e := range p.ends {
		if e != nil && e.digits == nil {
			e.digits = relay.NewDigits(p.digit)
		}
	}
}

// ListenDTMF says who hears the digits of all parties, those to come too, as SessionOptions.OnDTMF does. Parties that are
// connected already are listened to from their next round on.
func (s *Session) ListenDTMF(to func(from *Party, digit byte, d time.Duration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.o.OnDTMF = to
	for _, p := range s.parties {
		p.report(to)
	}
}

// digit is one the party has sent. The packet thread calls it.
func (p *Party) digit(digit byte, d time.Duration) {
	if report := p.onDTMF.Load(); report != nil {
		(*report)(digit, d)
	}
}

// eventRule says what becomes of telephone-events in a description that goes from one party to another.
func eventRule(from, to *Party) sdp.EventRule {
	switch {
	case to.o.DTMF == DTMFSignalled:
		return sdp.EventsLeftOut
	case to.o.DTMF == DTMFEvents, from.o.DTMF == DTMFSignalled:
		return sdp.EventsPutIn
	}
	return sdp.EventsAsTheyAre
}

// deaf says whether one end of a line does not know the telephone-events that the other may send.
func (l *line) deaf(to *end) bool {
	if l.a.dtmf == DTMFAsAgreed && l.b.dtmf == DTMFAsAgreed {
		return false
	}
	m := l.agreed
	if to == l.a {
		m = l.back
	}
	codecs := m.Codecs()
	for i := range codecs {
		if codecs[i].TelephoneEvent() {
			return to.dtmf == DTMFSignalled
		}
	}
	return true
}
