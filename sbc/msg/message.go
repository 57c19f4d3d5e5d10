package msg

import (
	"slices"
	"strconv"

	"github.com/emiago/sipgo/sip"
)

// Method is the method of a request. It is case-sensitive (RFC 3261 7.1).
type Method = sip.RequestMethod

// The methods we know.
const (
	INVITE    = sip.INVITE
	ACK       = sip.ACK
	CANCEL    = sip.CANCEL
	BYE       = sip.BYE
	REGISTER  = sip.REGISTER
	OPTIONS   = sip.OPTIONS
	SUBSCRIBE = sip.SUBSCRIBE
	NOTIFY    = sip.NOTIFY
	REFER     = sip.REFER
	INFO      = sip.INFO
	MESSAGE   = sip.MESSAGE
	PRACK     = sip.PRACK
	UPDATE    = sip.UPDATE
	PUBLISH   = sip.PUBLISH
)

// Version is the only version of SIP there is.
const Version = "SIP/2.0"

// Header is one header line.
type Header struct {
	Name  string // as written, without spaces around it
	Value string // unfolded, trimmed
}

// Message is a SIP request or response. It is not safe for concurrent use; read-only sharing is.
type Message struct {
	Method     Method // requests; in responses ""
	RequestURI URI    // requests
	Status     int    // responses; 0 in requests
	Reason     string // responses
	Version    string
	// Headers in order. Append, Prepend, Set, Remove, Get and GetAll understand compact forms both ways; only they (and the typed
	// setters) keep the fields below in step.
	Headers []Header
	Body    []byte
	Hop     Hop
	// Raw is the message as it came, nil for those we build.
	Raw []byte
	// Original is the message as it was before header rules changed it, nil where none did.
	Original *Message

	// Read from the headers by Parse and by the setters; read only.
	Via         Via // the topmost
	From, To    NameAddr
	CallID      string
	CSeq        CSeq
	MaxForwards int // -1: absent
}

// IsRequest tells requests from responses.
func (m *Message) IsRequest() bool { return m.Status == 0 }

// StartLine is the first line without its CRLF.
func (m *Message) StartLine() string { return string(m.appendStartLine(nil)) }

// Get gives the value of the first header of that name, in its long or compact form; "" if there is none.
func (m *Message) Get(name string) string {
	if i := m.index(name); i >= 0 {
		return m.Headers[i].Value
	}
	return ""
}

// Has tells whether there is a header of that name, be it empty.
func (m *Message) Has(name string) bool { return m.index(name) >= 0 }

func (m *Message) index(name string) int {
	want := match(name)
	return slices.IndexFunc(m.Headers, func(h Header) bool { return want.is(h.Name) })
}

// GetAll gives the values of all headers of that name, in order, one for each line.
func (m *Message) GetAll(name string) []string {
	var out []string
	want := match(name)
	for i := range m.Headers {
		if want.is(m.Headers[i].Name) {
			out = append(out, m.Headers[i].Value)
		}
	}
	return out
}

// Values gives the elements of a header that is a list, such as Supported: over all its lines, cut at commas outside quotes
// and angle brackets, without empty ones.
func (m *Message) Values(name string) []string {
	var out []string
	want := match(name)
	for i := range m.Headers {
		if !want.is(m.Headers[i].Name) {
			continue
		}
		for one, rest, more := nextElement(m.Headers[i].Value); ; one, rest, more = nextElement(rest) {
			if one != "" {
				out = append(out, one)
			}
			if !more {
				break
			}
		}
	}
	return out
}

// Contacts gives the values of all Contact headers. "*" is one whose URI.Wildcard is set.
func (m *Message) Contacts() ([]NameAddr, error) { return m.addresses("Contact") }

// Contact gives the only value of Contact; ok is false if there is none, more than one, or one that cannot be read.
func (m *Message) Contact() (n NameAddr, ok bool) {
	var a arena
	want := match("Contact")
	for i := range m.Headers {
		if !want.is(m.Headers[i].Name) {
			continue
		}
		one, _, more := nextElement(m.Headers[i].Value)
		if ok || more || one == "" {
			return NameAddr{}, false
		}
		var err error
		if n, err = a.nameAddr(one); err != nil {
			return NameAddr{}, false
		}
		ok = true
	}
	return n, ok
}

// Routes gives the values of all Route headers, display names and parameters included.
func (m *Message) Routes() ([]NameAddr, error) { return m.addresses("Route") }

// RecordRoutes gives the values of all Record-Route headers, in the order of the message.
func (m *Message) RecordRoutes() ([]NameAddr, error) { return m.addresses("Record-Route") }

// Addresses gives the values of all headers of a name that holds addresses, such as Service-Route (RFC 3608).
func (m *Message) Addresses(name string) ([]NameAddr, error) { return m.addresses(name) }

func (m *Message) addresses(name string) (out []NameAddr, err error) {
	var a arena
	want := match(name)
	for i := range m.Headers {
		if !want.is(m.Headers[i].Name) {
			continue
		}
		if out, err = a.nameAddrs(out, m.Headers[i].Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Vias gives the values of all Via headers, the topmost first.
func (m *Message) Vias() ([]Via, error) {
	var out []Via
	var a arena
	for i := range m.Headers {
		if identify(m.Headers[i].Name) != idVia {
			continue
		}
		for one, rest, more := nextElement(m.Headers[i].Value); ; one, rest, more = nextElement(rest) {
			v, err := a.via(one)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
			if !more {
				break
			}
		}
	}
	return out, nil
}

// Clone gives a message that can be changed without this one changing. The octets of the body are shared; Raw and Original are left out.
func (m *Message) Clone() *Message {
	c := *m
	c.Raw, c.Original = nil, nil
	c.Headers = slices.Clone(m.Headers)
	c.RequestURI = m.RequestURI.Clone()
	c.From, c.To = m.From.Clone(), m.To.Clone()
	c.Via.Params = m.Via.Params.Clone()
	return &c
}

// AppendTo writes the message behind buf. It is strict: Content-Length is that of the body whatever the headers say, names are
// tokens (headers with other names are left out), and neither names nor values nor the first line can hold CR, LF or NUL.
func (m *Message) AppendTo(buf []byte) []byte {
	b := m.appendStartLine(buf)
	b = append(b, '\r', '\n')
	for i := range m.Headers {
		h := &m.Headers[i]
		if !isToken(h.Name) || identify(h.Name) == idContentLength {
			continue
		}
		b = append(b, h.Name...)
		b = append(b, ':', ' ')
		b = appendClean(b, h.Value)
		b = append(b, '\r', '\n')
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(m.Body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, m.Body...)
}

func (m *Message) appendStartLine(b []byte) []byte {
	if m.IsRequest() {
		b = appendToken(b, string(m.Method))
		b = append(b, ' ')
		b = m.RequestURI.AppendTo(b)
		return append(b, " SIP/2.0"...)
	}
	b = append(b, "SIP/2.0 "...)
	b = strconv.AppendInt(b, int64(m.Status), 10)
	b = append(b, ' ')
	return appendClean(b, m.Reason)
}
