package edge

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/sallyport/sallyport/sbc/msg"
)

// glance is what an answer to a request is made of (RFC 3261 8.2.6.2), found without reading the request: windows into its
// datagram, good as long as that is.
type glance struct {
	method                 string
	uri                    string
	vias                   [maxGlanceVias]string // whole values
	count                  int                   // of vias
	from, to, callID, cseq string
}

// maxGlanceVias is how many Via headers a request may have to be answered at a glance.
const maxGlanceVias = 8

// glanceAt looks at a datagram. It is false for what is no request of the most ordinary form — headers that are folded, missing or
// there twice, line ends other than CRLF — which is for the parser to judge: an answer at a glance is never another one than the
// parser's would be.
func glanceAt(raw []byte, g *glance) bool {
	head := bytes.Index(raw, []byte("\r\n\r\n"))
	if head < 0 {
		return false
	}
	s := unsafe.String(unsafe.SliceData(raw), head+2)
	line, s, _ := strings.Cut(s, "\r\n")
	var ok bool
	if g.method, line, ok = strings.Cut(line, " "); !ok {
		return false
	}
	if g.uri, ok = strings.CutSuffix(line, " SIP/2.0"); !ok || g.uri == "" || !plain(g.uri) || strings.IndexByte(g.uri, ' ') >= 0 {
		return false
	}
	for s != "" {
		line, s, ok = strings.Cut(s, "\r\n")
		if !ok || line == "" || line[0] == ' ' || line[0] == '\t' {
			return false
		}
		colon := strings.IndexByte(line, ':')
		if colon < 1 || !g.take(line[:colon], line[colon+1:]) {
			return false
		}
	}
	return g.count > 0 && g.from != "" && g.to != "" && g.callID != "" && g.cseq != ""
}

// take notes a header that belongs into an answer. It is false where the parser has to decide.
func (g *glance) take(name, value string) bool {
	if last := name[len(name)-1]; last == ' ' || last == '\t' { // lawful, and rare
		return false
	}
	into := g.place(name)
	if into == nil {
		return true
	}
	if *into != "" || !plain(value) || g.count > maxGlanceVias {
		return false
	}
	*into = strings.Trim(value, " \t")
	return *into != ""
}

// place is where a header's value goes, nil for one that is in no answer.
func (g *glance) place(name string) *string {
	switch {
	case len(name) > len("Call-ID"):
	case strings.EqualFold(name, "Via"), strings.EqualFold(name, "v"):
		g.count++
		return &g.vias[min(g.count, maxGlanceVias)-1]
	case strings.EqualFold(name, "From"), strings.EqualFold(name, "f"):
		return &g.from
	case strings.EqualFold(name, "To"), strings.EqualFold(name, "t"):
		return &g.to
	case strings.EqualFold(name, "Call-ID"), strings.EqualFold(name, "i"):
		return &g.callID
	case strings.EqualFold(name, "CSeq"):
		return &g.cseq
	}
	return nil
}

// plain tells that a value holds nothing that would have to be taken out of it.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// tag is the tag of the To header, "" where there is none; it is not ok where a quoted name makes that unsure.
func (g *glance) tag() (tag string, ok bool) {
	_, params, quoted := strings.Cut(g.to, ">")
	if strings.IndexByte(g.to, '"') >= 0 && !quoted {
		return "", false
	}
	if strings.Contains(params, ">") || strings.Contains(params, `"`) {
		return "", false
	}
	if !quoted {
		_, params, _ = strings.Cut(g.to, ";")
		params = ";" + params
	}
	for params != "" {
		i := strings.IndexByte(params, ';')
		if i < 0 {
			return "", true
		}
		one, rest, more := strings.Cut(params[i+1:], ";")
		if params = ""; more {
			params = ";" + rest
		}
		name, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "tag") {
			return strings.Trim(value, " \t"), true
		}
	}
	return "", true
}

// begins is begins for a glance.
func (g *glance) begins() bool {
	switch msg.Method(g.method) {
	case msg.INVITE, msg.REGISTER, msg.SUBSCRIBE, msg.PUBLISH, msg.MESSAGE:
	default:
		return false
	}
	tag, ok := g.tag()
	return ok && tag == ""
}
