package msg

import (
	"slices"
	"strconv"
)

// NewRequest makes a request without headers.
func NewRequest(method Method, uri URI) *Message {
	return &Message{Method: method, RequestURI: uri, Version: Version, Headers: make([]Header, 0, 16), MaxForwards: -1}
}

// NewResponse makes the response to a request (RFC 3261 8.2.6): all Via, From, To, Call-ID and CSeq are copied as they are, for
// 100 also Timestamp. Of a header refused for being doubled the first is copied. Reason "" is the standard text. No To tag is
// added; the Hop is the request's.
func NewResponse(req *Message, status int, reason string) *Message {
	if reason == "" {
		reason = StatusText(status)
	}
	res := &Message{
		Status: status, Reason: clean(reason), Version: Version, Headers: make([]Header, 0, 12), Hop: req.Hop,
		Via: req.Via, From: req.From, To: req.To, CallID: req.CallID, CSeq: req.CSeq, MaxForwards: -1,
	}
	var seen uint64
	for i := range req.Headers {
		h := req.Headers[i]
		id := identify(h.Name)
		copied := id >= idVia && id <= idCSeq || status == 100 && id == idOther && equalFold(h.Name, "Timestamp")
		if !copied || seen>>id&1 != 0 {
			continue
		}
		if knownHeaders[id].single {
			seen |= 1 << id
		}
		h.Value = clean(h.Value) // a message refused for its CR, LF or NUL is answered too
		res.Headers = append(res.Headers, h)
	}
	return res
}

// Append adds a header at the end. CR, LF and NUL in the value become spaces; what is no token is taken out of the name.
func (m *Message) Append(name, value string) {
	if h, ok := header(name, value); ok {
		m.Headers = append(m.Headers, h)
		m.refresh(h.Name)
	}
}

// Prepend adds a header before all others, sanitised like Append.
func (m *Message) Prepend(name, value string) {
	if h, ok := header(name, value); ok {
		m.Headers = slices.Insert(m.Headers, 0, h)
		m.refresh(h.Name)
	}
}

// Set gives a header this value: in the place of the first of that name, the others removed; or at the end.
func (m *Message) Set(name, value string) {
	if h, ok := header(name, value); ok {
		m.put(h)
		m.refresh(h.Name)
	}
}

// Remove takes all headers of that name away.
func (m *Message) Remove(name string) {
	want := match(name)
	m.Headers = slices.DeleteFunc(m.Headers, func(h Header) bool { return want.is(h.Name) })
	m.refresh(name)
}

// header sanitises what becomes a header line.
func header(name, value string) (Header, bool) {
	if !isToken(name) {
		if name = string(appendToken(nil, name)); name == "" {
			return Header{}, false
		}
	}
	return Header{Name: name, Value: clean(trim(value))}, true
}

func (m *Message) put(h Header) {
	i := m.index(h.Name)
	if i < 0 {
		m.Headers = append(m.Headers, h)
		return
	}
	m.Headers[i] = h
	want, rest := match(h.Name), m.Headers[i+1:]
	rest = slices.DeleteFunc(rest, func(h Header) bool { return want.is(h.Name) })
	m.Headers = m.Headers[:i+1+len(rest)]
}

// refresh reads the fields that mirror a header again. A value that cannot be read leaves its field zero.
func (m *Message) refresh(name string) {
	switch identify(name) {
	case idVia:
		one, _, _ := nextElement(m.Get("Via"))
		m.Via, _ = ParseVia(one)
	case idFrom:
		m.From, _ = ParseNameAddr(m.Get("From"))
	case idTo:
		m.To, _ = ParseNameAddr(m.Get("To"))
	case idCallID:
		m.CallID = m.Get("Call-ID")
	case idCSeq:
		m.CSeq, _ = ParseCSeq(m.Get("CSeq"))
	case idMaxForwards:
		m.MaxForwards, _ = digits(m.Get("Max-Forwards"), maxMaxForwards)
	}
}

// SetFrom sets the From header.
func (m *Message) SetFrom(a NameAddr) {
	m.put(Header{Name: "From", Value: clean(a.String())})
	m.From = a
}

// SetTo sets the To header.
func (m *Message) SetTo(a NameAddr) {
	m.put(Header{Name: "To", Value: clean(a.String())})
	m.To = a
}

// SetToTag adds a tag to the To header if it has none, and leaves the rest of it as it is. It works on a To that could not be
// parsed, too. Without a To header it does nothing.
func (m *Message) SetToTag(tag string) {
	i := m.index("To")
	if i < 0 || m.To.Tag() != "" {
		return
	}
	var room [192]byte
	b := append(room[:0], m.Headers[i].Value...)
	b = append(b, ";tag="...)
	m.Headers[i].Value = clean(string(appendToken(b, tag)))
	m.To = m.To.WithTag(tag)
}

// SetCallID sets the Call-ID header.
func (m *Message) SetCallID(id string) {
	m.CallID = clean(id)
	m.put(Header{Name: "Call-ID", Value: m.CallID})
}

// SetCSeq sets the CSeq header.
func (m *Message) SetCSeq(seq uint32, method Method) {
	m.CSeq = CSeq{Seq: seq, Method: method}
	m.put(Header{Name: "CSeq", Value: m.CSeq.String()})
}

// SetMaxForwards sets the Max-Forwards header.
func (m *Message) SetMaxForwards(n int) {
	m.MaxForwards = max(0, min(n, maxMaxForwards))
	m.put(Header{Name: "Max-Forwards", Value: strconv.Itoa(m.MaxForwards)})
}

// PrependVia puts a new topmost Via.
func (m *Message) PrependVia(v Via) {
	m.Headers = slices.Insert(m.Headers, 0, Header{Name: "Via", Value: clean(v.String())})
	m.Via = v
}

// SetTopVia replaces the topmost Via value and keeps those after it in the same line. Without a Via it is PrependVia.
func (m *Message) SetTopVia(v Via) {
	i := m.index("Via")
	if i < 0 {
		m.PrependVia(v)
		return
	}
	b := v.AppendTo(make([]byte, 0, 160))
	if _, rest, more := nextElement(m.Headers[i].Value); more {
		b = append(b, ", "...)
		b = append(b, trim(rest)...)
	}
	m.Headers[i].Value = clean(string(b))
	m.Via = v
}

// SetBody sets body and Content-Type; an empty body removes both.
func (m *Message) SetBody(contentType string, body []byte) {
	if len(body) == 0 {
		m.Body = nil
		m.Remove("Content-Type")
		return
	}
	m.Body = body
	m.Set("Content-Type", contentType)
}
