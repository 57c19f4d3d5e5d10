package sdp

import (
	"net/netip"
	"strconv"
)

// AppendTo appends the description to buf, every line ended by CRLF. Lines stand in the order they have; a description
// that came from Parse is written as it came, except for line ends, blanks round values and the spacing of m= lines.
func (d *Description) AppendTo(buf []byte) []byte { return d.append(buf, "") }

// append writes the description with another o= line if origin is not empty.
func (d *Description) append(buf []byte, origin string) []byte {
	for i := range d.Lines {
		l := d.Lines[i]
		if l.Type == 'o' && origin != "" {
			l.Value = origin
		}
		buf = appendLine(buf, l)
	}
	for i := range d.Media {
		m := &d.Media[i]
		buf = m.appendHead(buf)
		for _, l := range m.Lines {
			buf = appendLine(buf, l)
		}
	}
	return buf
}

func appendLine(buf []byte, l Line) []byte {
	if l.Type != 0 {
		buf = append(buf, l.Type, '=')
	}
	buf = append(buf, l.Value...)
	return append(buf, '\r', '\n')
}

func (m *Media) appendHead(buf []byte) []byte {
	buf = append(buf, 'm', '=')
	buf = append(buf, m.Kind...)
	buf = append(buf, ' ')
	buf = strconv.AppendInt(buf, int64(m.Port), 10)
	if m.PortCount > 1 {
		buf = append(buf, '/')
		buf = strconv.AppendInt(buf, int64(m.PortCount), 10)
	}
	buf = append(buf, ' ')
	buf = append(buf, m.Proto...)
	for _, f := range m.Formats {
		buf = append(buf, ' ')
		buf = append(buf, f...)
	}
	return append(buf, '\r', '\n')
}

// emptyOrigin stands in front of the address in an o= line that no [Author] has filled in yet.
const emptyOrigin = "- 0 0 "

// originValue is the value of such a line.
func originValue(a netip.Addr) string {
	var room [64]byte
	return string(appendConnection(append(room[:0], emptyOrigin...), a))
}

// connectionValue is the value of a c= line, and the tail of an o= line.
func connectionValue(a netip.Addr) string {
	var room [64]byte
	return string(appendConnection(room[:0], a))
}

func appendConnection(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		b = append(b, "IN IP4 "...)
	} else {
		b = append(b, "IN IP6 "...)
	}
	return a.AppendTo(b)
}
