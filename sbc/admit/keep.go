package admit

// PlaceState is a Place as it is kept for a later process.
type PlaceState struct {
	Trunk     string
	Direction Direction
	Endpoint  string       `json:",omitempty"`
	Bounds    []BoundState `json:",omitempty"`
}

// BoundState names a count of a limit profile.
type BoundState struct{ Profile, Key string }

// State says what the place holds; nil for none, or one that was given back.
func (p *Place) State() *PlaceState {
	if p == nil {
		return nil
	}
	p.tally.mu.Lock()
	defer p.tally.mu.Unlock()
	if p.done {
		return nil
	}
	s := &PlaceState{Trunk: p.trunk.key, Direction: p.dir}
	if p.endpoint != nil {
		s.Endpoint = p.endpoint.key
	}
	for _, n := range p.more {
		s.Bounds = append(s.Bounds, BoundState{n.profile, n.key})
	}
	return s
}

// Restore takes the place that a call of an earlier process had. No limit refuses it: the call was admitted, and counts towards no
// rate again. Nil gives nil.
func (t *Tally) Restore(call string, s *PlaceState) *Place {
	if s == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sweep()
	p := &Place{tally: t, call: call, dir: s.Direction, trunk: t.count("", s.Trunk), next: t.places}
	if t.places != nil {
		t.places.prev = p
	}
	t.places = p
	p.trunk.add(p, false, now)
	t.enter(p, s.Endpoint, now)
	for _, b := range s.Bounds {
		if b.Profile == "" {
			continue
		}
		n := t.count(b.Profile, b.Key)
		p.more = append(p.more, n)
		n.add(p, false, now)
	}
	return p
}
