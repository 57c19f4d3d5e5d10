package subscription

import (
	"cmp"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
	"github.com/sallyport/sallyport/sbc/route"
)

// send sends the request to an address, or to a phone of the subscriber that the attempt is for.
func (e *errand) send(at *route.Attempt, t *sbc.Trunk, phone *route.Phone) {
	f := e.flow(t)
	in := e.search.Shown(e.in, at)
	f.Vouched = e.from != nil
	withheld := header.Withheld(in, f)
	if withheld && f.ToTrust != sbc.TrustPeer && f.ToTrust != sbc.TrustCore {
		f.Also = header.Names(in)
	}
	var uri, to msg.URI
	uri.Scheme, uri.User, uri.Host, uri.Port = "sip", msg.EscapeUser(at.Number), strings.Trim(at.Address, "[]"), at.Port
	to.Scheme, to.User, to.Host = "sip", uri.User, uri.Host
	if at.Transport != "" && at.Transport != sbc.TransportUDP {
		uri.UriParams = msg.SetParam(uri.UriParams, "transport", string(at.Transport))
	}
	from := sender(in, f, withheld || e.from != nil && e.from.Anonymous)
	if phone != nil {
		if uri = phone.URI; from.URI.Host == "" { // so that it can answer
			from.URI.Host = at.Address
		}
	}
	out := &outbound{m: e.m, from: from, req: dialog.NewRequest(e.in.Method, uri, from, msg.NameAddr{URI: to}), queue: e.queue}
	out.from = out.from.WithTag(out.req.From.Tag())
	if e.in.MaxForwards >= 0 {
		out.req.SetMaxForwards(e.in.MaxForwards - 1)
	}
	if phone != nil {
		for _, by := range phone.Routes {
			out.req.Append("Route", by)
		}
	}
	out.pass(e.snap.Header.Request(in, f))
	out.req.Append("User-Agent", e.m.o.ServerName)
	if e.in.Method != msg.MESSAGE {
		out.req.Append("Event", e.event.Name)
		if e.expires >= 0 {
			out.req.Append("Expires", strconv.Itoa(min(e.expires, longest)))
		}
	}
	switch e.in.Method {
	case msg.SUBSCRIBE:
		e.sub.attempt(out, t)
		notify.Accepts(out.req, e.in)
	case msg.PUBLISH:
		if e.state != nil {
			out.req.Append("SIP-If-Match", e.state.theirs)
		}
	}
	if !e.body(out, f) { // RFC 3261 8.2.3
		e.refuse(415, "", msg.Header{Name: "Accept", Value: notify.Kinds})
		return
	}
	f.Also = append(wordsOf(e.in), f.Also...)
	out.settle(e.names, e.snap, t, f)
	if e.to = t; e.sub != nil {
		e.sub.asked = out.req
		out.again = func(req *msg.Message) { e.sub.asked = req }
	}
	answered := func(res *msg.Message) {
		e.queue.do(func() { e.answered(at, t, phone, out, e.names.received(e.snap, t, res)) })
	}
	out.send(e.way(out.req, at, t, phone), e.timers(t), answered, func(err error) {
		code := 408
		if errors.Is(err, msg.ErrTransport) || errors.Is(err, msg.ErrClosed) {
			code = 503
		}
		e.queue.do(func() { e.failed(at, t, phone, code, nil, nil) })
	})
}

// timers let somebody else be asked when a trunk is silent for as long as an attempt waits for a first answer. Who is the last to be asked has
// all the time of a transaction (timer F, RFC 3261 17.1.2.2): a message that was taken late is not told as lost.
func (e *errand) timers(t *sbc.Trunk) msg.Timers {
	if len(e.left) == 0 && !e.search.More() {
		return msg.Timers{}
	}
	return msg.Timers{NoResponse: time.Duration(t.NoResponseTimeoutMS) * time.Millisecond}
}

// way says where a request to an address of a trunk is sent, by the proxies that the trunk's registrar wants (RFC 3608 6.1).
func (e *errand) way(req *msg.Message, at *route.Attempt, t *sbc.Trunk, phone *route.Phone) msg.Target {
	if phone != nil {
		to := phone.Target
		to.Secure = e.in.RequestURI.Scheme == "sips"
		return to
	}
	host, port := t.NextHop(at.Address, at.Port)
	to := msg.Target{Host: host, Port: port, Transport: at.Transport, Interfaces: e.snap.InterfacesOf(at.RealmID)}
	to.Supplied = at.Supplied && host == at.Address
	to.TLSProfile, to.Secure = t.TLSProfileID, e.in.RequestURI.Scheme == "sips"
	if e.m.o.Route == nil || at.Supplied {
		return to
	}
	if routes, next, ok := e.m.o.Route(t.ID); ok {
		for _, r := range routes {
			req.Append("Route", r.String())
		}
		to.Host, to.Port, to.Supplied, to.Transport = next.Host, next.Port, next.Supplied, cmp.Or(next.Transport, to.Transport)
	}
	return to
}

// sender is who sends, as the other side sees it: a number, or nobody.
func sender(in *msg.Message, f header.Flow, withheld bool) msg.NameAddr {
	var u msg.URI
	u.Scheme, u.User = "sip", "anonymous"
	if withheld {
		u.Host = "anonymous.invalid" // RFC 3323 4.1.1.3
		return msg.NameAddr{URI: u}
	}
	policy := header.Policy(f.ToTrunk)
	n := header.CallerOf(in, f.FromTrunk, f.FromTrust).Number
	if n != "" && !isAddress(n) && !strings.EqualFold(n, in.From.URI.Host) {
		u.User = msg.EscapeUser(header.Format(n, policy.Format))
	}
	if policy.FromUser != "" {
		u.User = msg.EscapeUser(policy.FromUser)
	}
	u.Host = policy.FromHost
	return msg.NameAddr{URI: u}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}
