package dialog

import (
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// NewInvite builds the INVITE that opens a dialog (RFC 3261 8.1.1): new Call-ID, new From tag, no To tag. Contact and Via are
// put by whoever sends it.
func NewInvite(uri msg.URI, from, to msg.NameAddr) *msg.Message {
	return NewRequest(msg.INVITE, uri, from, to)
}

// NewRequest builds a request outside a dialog, as NewInvite does.
func NewRequest(method msg.Method, uri msg.URI, from, to msg.NameAddr) *msg.Message {
	req := msg.NewRequest(method, uri)
	req.SetMaxForwards(maxForwards)
	req.SetFrom(from.WithTag(msg.NewTag()))
	req.SetTo(to)
	req.SetCallID(msg.NewCallID())
	req.SetCSeq(firstSequence, method)
	return req
}

// Request builds the next request within the dialog (RFC 3261 12.2.1.1), without Contact, Via and body.
func (d *Dialog) Request(method msg.Method) *msg.Message {
	d.localSeq++
	return d.request(method, d.localSeq)
}

// Renumber gives a request of the dialog, which is sent once more with other words, the next sequence number (RFC 3261 8.1.3.5).
func (d *Dialog) Renumber(req *msg.Message) {
	d.localSeq++
	req.SetCSeq(d.localSeq, req.Method)
}

// Ack builds the ACK of a 2xx to our INVITE with that sequence number (RFC 3261 13.2.2.4).
func (d *Dialog) Ack(seq uint32) *msg.Message { return d.request(msg.ACK, seq) }

func (d *Dialog) request(method msg.Method, seq uint32) *msg.Message {
	uri, routes := d.target, d.routes
	strict := len(routes) > 0 && !loose(routes[0].URI)
	if strict { // RFC 3261 12.2.1.1: the first hop is an RFC 2543 router and expects itself in the Request-URI
		uri, routes = routes[0].URI, routes[1:]
	}
	req := msg.NewRequest(method, uri)
	for _, r := range routes {
		req.Append("Route", r.String())
	}
	if strict {
		req.Append("Route", msg.NameAddr{URI: d.target}.String())
	}
	req.SetMaxForwards(maxForwards)
	req.SetFrom(d.local)
	req.SetTo(d.remote)
	req.SetCallID(d.callID)
	req.SetCSeq(seq, method)
	return req
}

// loose tells whether a route is a loose router's (RFC 3261 16.12).
func loose(u msg.URI) bool {
	_, ok := msg.Param(u.UriParams, "lr")
	return ok
}

// Target is where requests within the dialog are sent: see the package comment.
func (d *Dialog) Target() (t msg.Target) {
	uri := d.target
	if len(d.routes) > 0 {
		uri = d.routes[0].URI
	}
	t = msg.Target{
		Host: strings.Trim(uri.Host, "[]"), Port: uri.Port, Transport: d.peer.Transport,
		Interfaces: []string{d.peer.Interface},
	}
	if !d.peer.Remote.IsValid() {
		return t
	}
	defer t.Known(d.peer.Peer)
	named, err := netip.ParseAddr(t.Host)
	stream := d.peer.Transport != sbc.TransportUDP
	switch same := err == nil && named.Unmap() == d.peer.Remote.Addr(); {
	case stream:
		// A connection's far port is good for nothing once the connection is gone: then the named port is tried.
		flow := d.peer
		t.Flow = &flow
		if err == nil && !same && !routable(named) {
			t.Host = d.peer.Remote.Addr().String()
		} else {
			t.Supplied = !same
		}
	case !same:
		t.Host, t.Port = d.peer.Remote.Addr().String(), int(d.peer.Remote.Port())
	}
	return t
}

// routable tells whether an address can be reached from anywhere.
func routable(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrierGrade.Contains(a)
}

// carrierGrade is the shared address space of RFC 6598.
var carrierGrade = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
