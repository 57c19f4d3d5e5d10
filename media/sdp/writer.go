package sdp

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// plan is what a written m= line says.
type plan struct {
	kind, proto string
	transport   Transport
	formats     []string
	direction   Direction
	mux         bool
	answer      bool
	chosen      bool   // in an offer: some formats do not pass
	pairs       []pair // in an answer: payload types to renumber and keep
	// without are the payload types left out of an offer; own are those we take in an answer though the other side did not; extra
	// are attributes of ours.
	without, own []uint8
	extra        []string
}

// writer builds a description for the other side out of one of this side.
type writer struct {
	out     *Description
	view    View
	address netip.Addr // View.Address, plain
	hide    []string
	// sections are the names of m= lines, by their number; nil if there are none.
	sections []section
	lines    []Line
	line     int // the number of the m= line under way, from 1; 0 at session level

	ptime, maxPtime int  // written at session level
	partial         bool // some m= line will be rejected: a group would name a line that is not there
}

// newWriter takes the size from d and the names to hide from d and the view.
func newWriter(d *Description, v View) writer {
	n := len(d.Lines) + 2
	for i := range d.Media {
		n += len(d.Media[i].Lines) + 2
	}
	w := writer{
		out:     newDescription(len(d.Media)),
		view:    v,
		address: plain(v.Address),
		lines:   make([]Line, 0, n),
	}
	w.hide = hiddenNames(d, v.Hide)
	return w
}

func (w *writer) add(t byte, kind attribute, value string) {
	if t == 'a' && w.view.Policy.strips(value) {
		return
	}
	w.lines = append(w.lines, Line{Type: t, kind: kind, Value: value})
}

// bandwidth passes b= lines that read as "type:figure" (RFC 8866 section 5.8).
func (w *writer) bandwidth(from []Line) {
	for _, l := range from {
		if l.Type == 'b' && strings.IndexByte(l.Value, ':') > 0 && w.harmless(l.Value) {
			w.lines = append(w.lines, l)
		}
	}
}

// pass writes an attribute unless it belongs to the other side or gives away an address or name.
func (w *writer) pass(l Line) bool {
	if l.Value == "" || l.Value[0] == ':' || w.view.Policy.strips(l.Value) {
		return false
	}
	_, value := splitAttribute(l.Value)
	value = trimRight(value)
	ok := false
	switch l.kind {
	case attrDrop, attrICE, attrKey, attrMux, attrMuxOnly:
	case attrMid:
		return w.mid()
	case attrGroup:
		return w.group(value)
	case attrZRTP:
		ok = w.line > 0 && !w.view.stream(w.line-1).NoZRTP && w.harmless(l.Value)
	case attrLabel:
		ok = plainLabel(value)
	case attrLanguage:
		ok = language(value)
	case attrPayload:
		if l = tidy(l); w.view.Bare && strings.HasPrefix(l.Value, "rtcp-fb:") {
			return false
		}
		l.Value = w.codec(l.Value)
		ok = l.Value != ""
	default:
		ok = w.harmless(l.Value) && !(w.view.Bare && ofBrowsers(l.Value))
	}
	if ok {
		w.lines = append(w.lines, tidy(l))
	}
	return ok
}

// passTimed is pass for a line that may be ptime or maxptime: what is written becomes a fact, the first of each.
func (w *writer) passTimed(l Line, ptime, longest *int) {
	if !w.pass(l) || l.kind != attrPtime && l.kind != attrMaxPtime {
		return
	}
	_, value := splitAttribute(l.Value)
	if l.kind == attrPtime {
		*ptime = cmp.Or(*ptime, number(value, maxPtime))
	} else {
		*longest = cmp.Or(*longest, number(value, maxPtime))
	}
}

// tidy writes the names we know in lower case and their values without blanks in front, as strict readers want them.
func tidy(l Line) Line {
	if l.kind != attrPayload && l.kind != attrPtime && l.kind != attrMaxPtime {
		return l
	}
	name, value := splitAttribute(l.Value)
	low := strings.ToLower(trimRight(name)) // the same string if there is nothing to change
	if len(low)+1+len(value) != len(l.Value) || low != name {
		l.Value = low + ":" + value
	}
	return l
}

// reject writes an m= line with port 0: kind, protocol and formats as they were asked, nothing else (RFC 3264 section 6).
func (w *writer) reject(m *Media) {
	formats := w.formats(m)
	if len(formats) == 0 {
		formats = []string{substitute(m.Transport)}
	}
	w.out.Media = append(w.out.Media, Media{
		begin: len(w.lines),
		Kind:  m.Kind, Proto: cmp.Or(w.view.stream(len(w.out.Media)).Proto, m.Proto), Transport: m.Transport, PortCount: 1,
		Formats: formats, Connection: w.out.Connection, Direction: SendRecv,
	})
}

// substitute is the format of a line that came without one; the grammar wants at least one.
func substitute(t Transport) string {
	switch t {
	case TransportUDPTL:
		return "t38"
	case TransportRTP, TransportSRTP, TransportDTLS:
		return "0"
	default:
		return "*"
	}
}

// media writes one m= line that is wanted, with the attributes of m that may pass.
func (w *writer) media(m *Media, s Stream, p plan) {
	out := Media{
		Kind: p.kind, Proto: p.proto, Transport: p.transport, Port: s.Port, PortCount: 1, Formats: p.formats,
		Connection: w.out.Connection, Direction: p.direction, explicit: m.explicit,
	}
	out.begin = len(w.lines)
	out.Proto = cmp.Or(s.Proto, out.Proto)
	w.line = len(w.out.Media) + 1
	if a := plain(s.Address); s.Address.IsValid() && a != w.address {
		c := connectionValue(a)
		out.Connection = Connection{Host: c[len("IN IP4 "):], Addr: a}
		w.add('c', 0, c)
	}
	w.bandwidth(m.Lines)
	rtcp := w.rtcp(&out, m, s, p)
	w.attributes(&out, m, rtcp, p)
	w.unknown(m.Lines)
	out.RTCP = rtcpAddress(&out)
	w.out.Media = append(w.out.Media, out)
}

// rtcp decides the value of a=rtcp; "" if none is due: the port is the usual one and the peer had not written it either,
// or an answer takes rtcp-mux.
func (w *writer) rtcp(out, m *Media, s Stream, p plan) string {
	if p.transport != TransportRTP {
		return ""
	}
	out.Mux = p.mux && !w.view.Policy.strips("rtcp-mux")
	port := s.RTCPPort
	if port == 0 {
		port = s.Port + 1
	}
	if port > maxPort || out.Mux && p.answer || port == s.Port+1 && m.RTCPPort == 0 {
		return ""
	}
	if w.view.Policy.strips("rtcp") {
		return ""
	}
	out.RTCPPort = port
	return "rtcp:" + strconv.Itoa(port)
}

// attributes writes the a= lines in the order they came; direction and a=rtcp stand where they stood.
func (w *writer) attributes(out, m *Media, rtcp string, p plan) {
	directed := p.direction == SendRecv && !m.explicit
	for _, l := range m.Lines {
		if l.Type != 'a' {
			continue
		}
		switch l.kind {
		case attrDirection:
			if !directed {
				w.add('a', attrDirection, p.direction.String())
				directed = true
			}
		case attrRTCP:
			if rtcp != "" {
				w.add('a', attrRTCP, rtcp)
				rtcp = ""
			}
		case attrPayload:
			w.payload(l, p)
		case attrPtime:
			if !w.packetTime(out, m) {
				w.passTimed(l, &out.Ptime, &out.MaxPtime)
			}
		default:
			w.passTimed(l, &out.Ptime, &out.MaxPtime)
		}
	}
	w.packetTime(out, m)
	out.Ptime, out.MaxPtime = cmp.Or(out.Ptime, w.ptime), cmp.Or(out.MaxPtime, w.maxPtime)
	if rtcp != "" {
		w.add('a', attrRTCP, rtcp)
	}
	for _, l := range p.extra {
		w.add('a', attrPayload, l)
	}
	if out.Mux {
		w.add('a', attrMux, "rtcp-mux")
	}
	if !directed {
		w.add('a', attrDirection, p.direction.String())
	}
	w.own(w.view.stream(w.line - 1).Attributes)
}

// payload passes rtpmap, fmtp and rtcp-fb; in an answer only those of agreed types, under the offer's numbers.
func (w *writer) payload(l Line, p plan) {
	if p.without != nil && explained(l.Value, p.without) {
		return
	}
	if p.answer && p.transport == TransportRTP {
		value, ok := renumber(l.Value, p.pairs)
		if !ok {
			return
		}
		l.Value = value
	}
	if p.chosen && !named(l.Value, p.formats) {
		return
	}
	w.pass(l)
}

// named reports whether an attribute of a payload type is about one of the formats, or about all of them.
func named(attr string, formats []string) bool {
	_, value := splitAttribute(attr)
	word, _ := field(value)
	return word == "*" || slices.Contains(formats, word)
}

// finish cuts the lines into sections.
func (w *writer) finish() *Description {
	w.out.Lines = sections(w.lines, w.out.Media)
	return w.out
}
