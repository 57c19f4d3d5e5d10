package sdp

import (
	"cmp"
	"net/netip"
	"strings"
)

// Parse reads one description. It keeps no reference to body. Lenient where real devices deviate: lines in any order,
// CRLF, LF or CR at their ends or nothing at the last, missing v=, o=, s= or t=, repeated c= (the first counts), unknown
// types and lines without "=". Errors: ErrTooLarge over a bound; ErrSyntax if the body is no description, its version is
// not 0, or an m= line cannot be read.
func Parse(body []byte) (*Description, error) {
	if len(body) > MaxBytes {
		return nil, fault(ErrTooLarge, "%d octets", len(body))
	}
	text := strings.TrimRight(string(body), "\x00") // padding of some gateways
	text = strings.TrimPrefix(text, "\xef\xbb\xbf")
	count := strings.Count(text, "\n") + 2
	p := parser{
		lines: make([]Line, 0, min(count, MaxLines)),
		desc:  newDescription(min(strings.Count(text, "\nm="), MaxMedia)),
	}
	p.desc.text = text
	p.media = p.desc.Media
	for len(text) > 0 {
		var line string
		line, text = cutLine(text)
		if err := p.add(trimLeft(trimRight(line))); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// cutLine takes the first line off: up to CRLF, LF or a lone CR. The first lone CR turns all later ones into LF, so that
// the work stays linear.
func cutLine(text string) (line, rest string) {
	if i := strings.IndexByte(text, '\n'); i < 0 {
		line = text
	} else {
		line, rest = text[:i], text[i+1:]
	}
	j := strings.IndexByte(line, '\r')
	if j < 0 || j == len(line)-1 {
		return strings.TrimSuffix(line, "\r"), rest
	}
	tail := strings.ReplaceAll(text[j+1:], "\r\n", "\n")
	return text[:j], strings.ReplaceAll(tail, "\r", "\n")
}

type parser struct {
	desc    *Description
	lines   []Line
	media   []Media
	formats []string
	session Media // what session level attributes say for every m= line
	version bool  // v=0 was seen
}

func (p *parser) add(text string) error {
	if text == "" {
		return nil
	}
	if len(p.lines)+len(p.media) >= MaxLines {
		return fault(ErrTooLarge, "more than %d lines", MaxLines)
	}
	l := Line{Value: text}
	if len(text) > 1 && text[1] == '=' && ' ' < text[0] && text[0] < 0x7f {
		l.Type, l.Value = text[0], trimLeft(text[2:])
	}
	switch l.Type {
	case 'm':
		return p.addMedia(l.Value)
	case 'v':
		if l.Value != "0" {
			return fault(ErrSyntax, "version %q", short(l.Value))
		}
		p.version = true
	case 'o':
		if p.desc.Origin.Raw == "" {
			p.desc.Origin = parseOrigin(l.Value)
		}
	case 'c':
		p.addConnection(l.Value)
	case 'a':
		l.kind = p.addAttribute(l.Value)
	}
	p.lines = append(p.lines, l)
	return nil
}

// section is where an attribute of the current line belongs.
func (p *parser) section() *Media {
	if len(p.media) == 0 {
		return &p.session
	}
	return &p.media[len(p.media)-1]
}

// addConnection keeps the first c= of a section: further ones are alternatives for multicast, or a device's slip.
func (p *parser) addConnection(value string) {
	if m := p.section(); m.Connection.Host == "" {
		m.Connection = parseConnection(value)
	}
}

func (p *parser) addAttribute(s string) attribute {
	name, value := splitAttribute(s)
	kind, m := classify(name), p.section()
	switch kind {
	case attrDirection:
		if !m.explicit {
			m.Direction, m.explicit = direction(trimRight(name)), true
		}
	case attrRTCP:
		if m.RTCPPort == 0 {
			m.RTCPPort, m.RTCP = parseRTCP(value)
		}
	case attrMux:
		m.Mux = true
	case attrMuxOnly:
		m.MuxOnly = true
	case attrICE:
		m.ICE = true
	case attrKey:
		m.Encrypted = true
	case attrPtime:
		m.Ptime = cmp.Or(m.Ptime, number(value, maxPtime))
	case attrMaxPtime:
		m.MaxPtime = cmp.Or(m.MaxPtime, number(value, maxPtime))
	}
	return kind
}

const (
	maxPort  = 65535
	maxPtime = 10000 // milliseconds
)

// addMedia reads "kind port[/count] proto format ..." (RFC 8866 section 5.14).
func (p *parser) addMedia(value string) error {
	n := len(p.media) + 1
	if n > MaxMedia {
		return fault(ErrTooLarge, "more than %d m= lines", MaxMedia)
	}
	if control(value) {
		return fault(ErrSyntax, "m= line %d: control character", n)
	}
	var m Media
	var port string
	m.Kind, value = field(value)
	port, value = field(value)
	m.Proto, value = field(value)
	if m.Proto == "" {
		return fault(ErrSyntax, "m= line %d: incomplete", n)
	}
	if holdsAddress(m.Kind) || holdsAddress(m.Proto) { // these words must be echoed, so they must be clean
		return fault(ErrSyntax, "m= line %d: address in place of a name", n)
	}
	var ok bool
	if m.Port, m.PortCount, ok = parsePort(port); !ok {
		return fault(ErrSyntax, "m= line %d: port %q", n, short(port))
	}
	m.Transport = transport(m.Proto)
	first := len(p.formats)
	for value != "" {
		var f string
		if f, value = field(value); f == "" {
			continue
		}
		if len(p.formats)-first == MaxFormats {
			return fault(ErrTooLarge, "m= line %d: more than %d formats", n, MaxFormats)
		}
		if p.formats == nil {
			p.formats = make([]string, 0, min(strings.Count(value, " ")+2, MaxFormats))
		}
		p.formats = append(p.formats, f)
	}
	m.Formats = p.formats[first:len(p.formats):len(p.formats)]
	m.begin = len(p.lines)
	p.media = append(p.media, m)
	return nil
}

// finish cuts the lines into sections and lets session level facts fill what the media level leaves open.
func (p *parser) finish() (*Description, error) {
	if !p.version && len(p.media) == 0 {
		return nil, fault(ErrSyntax, "neither v= nor m= line")
	}
	d := p.desc
	d.Lines = sections(p.lines, p.media)
	d.Connection = p.session.Connection
	d.Media = p.media
	for i := range p.media {
		m := &p.media[i]
		p.inherit(m)
		m.codecs = m.findCodecs()
	}
	return d, nil
}

// sections gives every m= line its part of the lines, and returns those of the session level.
func sections(lines []Line, media []Media) []Line {
	end := len(lines)
	for i := len(media) - 1; i >= 0; i-- {
		m := &media[i]
		m.Lines, end = lines[m.begin:end:end], m.begin
	}
	return lines[:end:end]
}

func (p *parser) inherit(m *Media) {
	s := &p.session
	if m.Connection.Host == "" {
		m.Connection = s.Connection
	}
	if !m.explicit {
		m.Direction, m.explicit = s.Direction, s.explicit
		if !s.explicit {
			m.Direction = SendRecv // RFC 3264 section 5.1
		}
	}
	m.Ptime, m.MaxPtime = cmp.Or(m.Ptime, s.Ptime), cmp.Or(m.MaxPtime, s.MaxPtime)
	m.Mux, m.MuxOnly = m.Mux || s.Mux, m.MuxOnly || s.MuxOnly
	m.ICE, m.Encrypted = m.ICE || s.ICE, m.Encrypted || s.Encrypted
	m.RTCP = rtcpAddress(m)
}

// rtcpAddress is where RTCP goes if it is not multiplexed: a=rtcp (RFC 3605), else the next port (RFC 3550 section 11).
func rtcpAddress(m *Media) netip.AddrPort {
	addr, port := m.Connection.Addr, m.Port+1
	if m.RTCPPort != 0 {
		port = m.RTCPPort
		if m.RTCP.IsValid() {
			addr = m.RTCP.Addr()
		}
	}
	if m.Port == 0 || port > maxPort || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// control reports bytes that may not stand inside a line.
func control(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
