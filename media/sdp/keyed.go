package sdp

import (
	"slices"
	"strings"
)

// Lines with keys are read and written as if they had none: the caller, who knows what the keys are for, takes them off what came with
// [Media.Clear] and puts ours on what leaves by [Stream.Proto] and [Stream.Attributes]. So everything between, codecs, directions, offer
// and answer, is the same arithmetic for a line in the clear and an encrypted one, and keys of one side cannot reach the other.

// Clear makes an encrypted RTP line count as the same one in the clear, once its keys are known elsewhere. Its lines stay.
func (m *Media) Clear() {
	if m.Transport != TransportSRTP && m.Transport != TransportDTLS {
		return
	}
	if i := strings.LastIndexByte(m.Proto, '/'); i >= 0 && len(m.Proto) > i+1 && m.Proto[i+1]|0x20 == 's' {
		m.Proto, m.Transport = "RTP/"+m.Proto[i+2:], TransportRTP
	}
}

// Refuse makes a line one that is not wanted, whatever it says: it is answered with port 0.
func (m *Media) Refuse() { m.Transport = TransportOther }

// own writes attributes of ours on a line. No policy strips them: without them there is no media.
func (w *writer) own(attributes []string) {
	for _, a := range attributes {
		name, _ := splitAttribute(a)
		w.lines = append(w.lines, Line{Type: 'a', kind: classify(name), Value: a})
	}
}

// Rekey gives a description of ours with other attributes of a name: those of each line, whole; a line for which there are none stays as
// it is.
func Rekey(d *Description, name string, attributes [][]string) *Description {
	out := *d
	out.Media = slices.Clone(d.Media)
	for i := range min(len(attributes), len(out.Media)) {
		if len(attributes[i]) == 0 {
			continue
		}
		m := &out.Media[i]
		lines := make([]Line, 0, len(m.Lines)+len(attributes[i]))
		for _, l := range m.Lines {
			if n, _ := splitAttribute(l.Value); l.Type != 'a' || n != name {
				lines = append(lines, l)
			}
		}
		for _, a := range attributes[i] {
			lines = append(lines, Line{Type: 'a', kind: classify(name), Value: a})
		}
		m.Lines = lines
	}
	return &out
}
