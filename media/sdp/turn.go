package sdp

import "slices"

// Turn gives a description of ours with another direction on every line that is not rejected, for an offer that says again what
// was said before (RFC 3264 section 8.4). It is d itself if nothing changes, so that [Author] keeps the version.
func Turn(d *Description, to Direction) *Description {
	turns := func(m Media) bool { return !m.Rejected() && m.Direction != to }
	if !slices.ContainsFunc(d.Media, turns) {
		return d
	}
	out := *d
	out.Media = slices.Clone(d.Media)
	for i := range out.Media {
		if m := &out.Media[i]; turns(*m) {
			m.turn(to)
		}
	}
	return &out
}

// turn writes the direction where it stood, or at the end.
func (m *Media) turn(to Direction) {
	m.Direction, m.explicit = to, true
	line := Line{Type: 'a', kind: attrDirection, Value: to.String()}
	m.Lines = slices.Clone(m.Lines)
	if i := slices.IndexFunc(m.Lines, func(l Line) bool { return l.kind == attrDirection }); i >= 0 {
		m.Lines[i] = line
		return
	}
	m.Lines = append(m.Lines, line)
}

// Refuse rejects the lines of d that another description rejects: what its side was told is not there cannot be offered in its
// name. d must be fresh from Parse.
func (d *Description) Refuse(told *Description) {
	for i := range min(len(d.Media), len(told.Media)) {
		if told.Media[i].Rejected() {
			d.Media[i].Port = 0
		}
	}
}
