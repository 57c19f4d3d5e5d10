package call

import (
	"cmp"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// received applies the header rules of a leg's trunk to a message of its peer, before anything reads its headers. A message that
// no rule changes is the one given.
func (c *Call) received(l *leg, m *msg.Message) *msg.Message {
	if l == nil || l.rules == nil {
		return m
	}
	return l.rules.In(m, c.fields(l, m.Hop.Remote.Addr().String(), m.Hop.Local.Addr().String()))
}

// ruled applies the header rules of a leg's trunk to a message for its peer, after everything else. A rule writes nothing that
// the peer must not know of the other side. Values may hold header.HostToken.
func (c *Call) ruled(l *leg, m *msg.Message) *msg.Message {
	if l == nil || l.rules == nil {
		return m
	}
	from := c.other(l)
	if c.tr != nil && l == c.tr.target {
		from = c.tr.kept
	}
	return c.ruledFor(l, from, m)
}

// ruledFor is ruled with the other side named, nil for none.
func (c *Call) ruledFor(l, from *leg, m *msg.Message) *msg.Message {
	if l.rules == nil {
		return m
	}
	may := func(string, string) bool { return true }
	if from != nil {
		f := c.flow(from, l)
		may = func(name, value string) bool { return c.snap.Header.May(f, name, value) }
	}
	return l.rules.Out(m, c.fields(l, "", header.HostToken), may)
}

// ruledResponse is ruled for a response to a request of a peer.
func (c *Call) ruledResponse(tx msg.ServerTx, res *msg.Message) *msg.Message {
	l := c.a
	if b := c.b; b != nil && b.rules != nil && res.To.Tag() == b.tag {
		l = b
	} else if t := c.tr; t != nil && tx == t.tx && t.tx != nil {
		l = t.target
	} else if c.a.rules == nil || tx != c.tx && res.To.Tag() != c.a.tag {
		return res
	}
	out := c.ruled(l, res)
	if out != res {
		header.FillAll(out, tx.Local().Host)
	}
	return out
}

// ruledHeaders is ruled for the headers of a CANCEL, which edge builds itself.
func (c *Call) ruledHeaders(l *leg, hs []msg.Header) []msg.Header {
	if l.rules == nil {
		return hs
	}
	cancel := msg.NewRequest(msg.CANCEL, l.invite.req.RequestURI)
	cancel.SetFrom(l.invite.req.From)
	cancel.SetTo(l.invite.req.To)
	own := len(cancel.Headers)
	for _, h := range hs {
		cancel.Append(h.Name, h.Value)
	}
	cancel = c.ruled(l, cancel)
	header.FillAll(cancel, l.invite.tx.Local().Host)
	return cancel.Headers[own:] // no rule touches those before
}

// fields are what rules may ask of a call.
func (c *Call) fields(l *leg, source, host string) header.Fields {
	return func(name string) string {
		switch name {
		case "caller":
			if c.rec.caller == "" && c.invite != nil {
				return header.Plain(number(c.invite.From.URI))
			}
			return header.Plain(c.rec.caller)
		case "callee":
			return header.Plain(cmp.Or(c.rec.normalised, c.decision.caller.Number))
		case "call.id":
			return c.id
		case "source.ip":
			return source
		case "our.host":
			return host
		}
		if v, ok := strings.CutPrefix(name, "var."); ok {
			return c.rec.variables[v]
		}
		if t := l.trunk; t != nil && name == "trunk.id" {
			return t.ID
		} else if t != nil && name == "trunk.name" {
			return t.Name
		}
		return ""
	}
}

// settle applies the rules, once, to a request that is complete, and notes the lines that have a place for our host.
func (r *request) settle() {
	if r.req == r.settled {
		return
	}
	ruled := r.c.ruled(r.leg, r.req)
	if r.settled = ruled; ruled == r.req {
		return
	}
	r.plain, r.bare, r.req = r.req, r.open, ruled
	r.open.Of(ruled)
}

// pass puts headers of the other side that may pass.
func (r *request) pass(hs []msg.Header) { r.open.Put(r.req, hs) }
