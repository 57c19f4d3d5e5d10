package call

import (
	"slices"

	"github.com/sallyport/sallyport/sbc"
)

// legRecords are the legs of the record: the two of the beginning, then those that came later, in the order in which they did.
func (c *Call) legRecords() []sbc.CDRLeg {
	legs := append(make([]sbc.CDRLeg, 0, 2+len(c.rec.legs)), c.rec.legs...)
	for _, l := range []*leg{c.a, c.b} {
		if l != nil && !l.gone {
			legs = append(legs, c.legRecord(l))
		}
	}
	if len(legs) == 0 || len(c.rec.legs) == 0 && legs[0].Side == sbc.SideCaller {
		return legs
	}
	slices.SortStableFunc(legs, func(x, y sbc.CDRLeg) int {
		switch {
		case x.JoinedAt != nil && y.JoinedAt != nil:
			return x.JoinedAt.Compare(*y.JoinedAt)
		case x.JoinedAt != nil:
			return 1
		case y.JoinedAt != nil:
			return -1
		case x.Side == y.Side:
			return 0
		case x.Side == sbc.SideCaller:
			return -1
		}
		return 1
	})
	return legs
}

// legRecord is one leg as the record has it.
func (c *Call) legRecord(l *leg) sbc.CDRLeg {
	r := sbc.CDRLeg{Side: l.side, SIPCallID: c.sipCallID(l), UserAgent: l.agent, Role: l.role, JoinedAt: when(l.joined)}
	switch {
	case l.invite == nil && l.joined.IsZero():
		r.Transport, r.LocalAddress, r.RemoteAddress = c.rec.transport, c.rec.local, c.rec.remote
	case l.d != nil:
		p := l.d.Peer()
		r.Transport, r.LocalAddress, r.RemoteAddress = p.Transport, addr(p.Local), addr(p.Remote)
	}
	if l.d != nil {
		if p := l.d.Peer().Peer; p != nil {
			r.TLSVersion, r.CipherSuite = p.Version, p.Cipher
		}
	}
	return r
}

// sipCallID is the Call-ID of a leg.
func (c *Call) sipCallID(l *leg) string {
	switch {
	case l.d != nil:
		return l.d.CallID()
	case l.invite != nil:
		return l.invite.req.CallID
	}
	return c.rec.sipCallID
}
