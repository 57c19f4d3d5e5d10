package media

// Held tells whether a party is on hold: on every line that is in use it was told not to send (RFC 3264 8.4).
func (s *Session) Held(p *Party) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDirect(p) {
		return p.heldDirectly()
	}
	some := false
	for _, e := range p.ends {
		if e == nil || e.peer == nil {
			continue
		}
		if !e.held {
			return false
		}
		some = true
	}
	return some
}
