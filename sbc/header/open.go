package header

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Open are the headers of a request that have a place for our host (HostToken), which is another for each interface the request
// is tried on.
type Open []openHeader

type openHeader struct {
	name, value string
	now         string // as it stands in the request
}

// Put appends headers to a request and notes those that are open.
func (o *Open) Put(req *msg.Message, hs []msg.Header) {
	for _, h := range hs {
		req.Append(h.Name, h.Value)
		o.note(h)
	}
}

// Of notes the headers of a request anew.
func (o *Open) Of(req *msg.Message) {
	*o = nil
	for _, h := range req.Headers {
		o.note(h)
	}
}

func (o *Open) note(h msg.Header) {
	if strings.Contains(h.Value, HostToken) {
		*o = append(*o, openHeader{name: h.Name, value: h.Value, now: h.Value})
	}
}

// Fill puts our host into the headers. Other headers of the same name are left as they are: two identities stay two lines.
func (o Open) Fill(req *msg.Message, host string) {
	for k := range o {
		x := &o[k]
		value := Fill(x.value, host)
		for i := range req.Headers {
			if h := &req.Headers[i]; h.Name == x.name && h.Value == x.now {
				h.Value = value
				break
			}
		}
		x.now = value
	}
}

// FillAll puts our host into all headers of a message that is sent once.
func FillAll(m *msg.Message, host string) {
	for i := range m.Headers {
		if h := &m.Headers[i]; strings.Contains(h.Value, HostToken) {
			h.Value = Fill(h.Value, host)
		}
	}
}

// bracket spells a host as URIs have it.
func bracket(host string) string {
	if strings.IndexByte(host, ':') >= 0 && host[0] != '[' {
		return "[" + host + "]"
	}
	return host
}
