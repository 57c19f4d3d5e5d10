package media

import (
	"slices"
	"time"
)

// keyTime is how long after an answer the handshake of a party may take, its checks of ICE included.
const keyTime = int64(20 * time.Second)

// deadline is when the session should be looked at next, 0 for never, and who is silent then, nil for everybody, or still
// without keys. The lock is held.
func (s *Session) deadline() (at int64, silent *Party) {
	at, silent = s.quiet()
	if p, due := s.keyless(); p != nil && (at == 0 || due < at) {
		return due, p
	}
	return at, silent
}

// keyless is a party that waits for the keys of a handshake, and for how long it may. The lock is held.
func (s *Session) keyless() (p *Party, until int64) {
	if s.closed || s.fired || s.answered == 0 {
		return nil, 0
	}
	for _, p := range s.parties {
		if p.keyless() {
			return p, max(s.answered, s.since) + keyTime
		}
	}
	return nil, 0
}

// keyless says whether a line of the party that is connected waits for keys.
func (p *Party) keyless() bool {
	for _, e := range p.ends {
		if e == nil || e.peer == nil || e.gate == nil {
			continue
		}
		if d := e.gate.deal.Load(); d != nil && d.keys.Load() == nil {
			return true
		}
	}
	return false
}

// quiet is deadline for silence alone. The lock is held.
func (s *Session) quiet() (at int64, silent *Party) {
	if s.closed || s.fired || s.answered == 0 || s.o.OnSilence == nil || len(s.direct) > 0 {
		return 0, nil
	}
	from := max(s.answered, s.since)
	if limit := s.limit(s.hold); limit > 0 {
		at = max(s.lastHeard(), from) + limit
	}
	if !slices.ContainsFunc(s.parties, func(p *Party) bool { return p.o.SilenceEither }) {
		return at, nil
	}
	for _, p := range s.parties {
		last, noise, due := p.heard()
		limit := s.limit(s.hold || noise)
		if !due || limit <= 0 {
			continue
		}
		if own := max(last, from) + limit; at == 0 || own < at {
			at, silent = own, p
		}
	}
	return at, silent
}

// limit is how long silence may last, in nanoseconds; 0 is for ever.
func (s *Session) limit(patient bool) int64 {
	if patient {
		return int64(s.o.HoldSilence)
	}
	return int64(s.o.Silence)
}

// heard tells when the last packet of a party arrived, whether that was comfort noise, and whether the party should send at
// all. A party that should send on several lines and does on one of them is alive.
func (p *Party) heard() (last int64, noise, due bool) {
	for _, e := range p.ends {
		if e == nil || e.peer == nil {
			continue
		}
		at, quiet := e.stream.Heard()
		if at > last {
			last, noise = at, quiet
		}
		due = due || e.sends
	}
	return last, noise, due
}

// silent is called by the watch: it reports silence if it is due, and says when to look again.
func (s *Session) silent(now int64) (next int64) {
	s.mu.Lock()
	next, party := s.deadline()
	if next == 0 || next > now {
		s.mu.Unlock()
		return next
	}
	if p, until := s.keyless(); p != nil && until <= now {
		s.fired = true
		s.mu.Unlock()
		p.broken(ErrNoHandshake)
		return 0
	}
	s.fired = true
	last := s.lastHeard()
	if party != nil {
		last, _, _ = party.heard()
	}
	if last == 0 {
		last = s.answered
	}
	report := s.o.OnSilence
	s.mu.Unlock()
	s.e.timeouts.Add(1)
	report(party, s.e.wall(last))
	return 0
}

// settled notes that a round is complete. The call is on hold if on every line one of the parties was told not to send.
func (s *Session) settled() {
	s.hold, s.since = true, s.e.clock()
	for _, p := range s.parties {
		for _, e := range p.ends {
			if e != nil && e.peer != nil && !e.held && !e.peer.held {
				s.hold = false
			}
		}
	}
}
