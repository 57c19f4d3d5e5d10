package sdp

import (
	"slices"
	"strconv"
	"strings"
)

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

// Move gives a description of ours with other ports, one for each line; 0 leaves a line as it is. RTCP goes to the port above.
func Move(d *Description, ports []int) *Description {
	out := *d
	out.Media = slices.Clone(d.Media)
	for i := range min(len(ports), len(out.Media)) {
		if m := &out.Media[i]; ports[i] != 0 {
			m.move(ports[i])
		}
	}
	return &out
}

// move writes the port, and that of a=rtcp where it was written.
func (m *Media) move(port int) {
	m.Port = port
	if m.RTCPPort == 0 {
		return
	}
	m.RTCPPort = port + 1
	m.Lines = slices.Clone(m.Lines)
	for i := range m.Lines {
		if l := &m.Lines[i]; l.Type == 'a' && strings.HasPrefix(l.Value, "rtcp:") {
			l.Value = "rtcp:" + strconv.Itoa(m.RTCPPort)
		}
	}
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
