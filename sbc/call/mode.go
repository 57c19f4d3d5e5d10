package call

import (
	"net/netip"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/route"
)

// The way of the media is decided for each attempt, when the second leg is offered something, and holds for all that is said between the
// two legs afterwards. Direct media tell each peer where the other one is, so both legs' profiles must allow it. With `direct` twice
// that is all; `auto` looks whether the peers reach each other, and in doubt they do not: a call that is relayed needlessly costs a
// little, one that is silent is none.
//
//   - Both in one realm, which is one network to us: two realms may use the same addresses for different machines.
//   - Neither behind a NAT: what the peer says of itself is whence its signalling comes, so the address is one that the network of the
//     realm knows. Two peers at one address are one machine, or one NAT whose router gives public addresses to phones (STUN): whether
//     that turns packets round is not known.
//   - Or both behind the same NAT: one address of signalling, and private ones beside each other (the same /24, or /64) for media.
//     Equal ones are two sites behind the NAT of a carrier; and that two sites there use neighbouring addresses cannot be seen, which is
//     why the specification has `auto` for realms only in which an address is a site.
//
// What comes in the place of a peer later (transfer, Replaces, pickup) is relayed: the session is made anew by us.

// stand is what is known of where a peer is: the realm of its leg, whence its signalling comes, and where it says it wants media, or else
// is.
type stand struct {
	realm      string
	signalling netip.Addr
	named      []netip.Addr
}

// allowsDirect tells whether a media profile lets media go without us, and auto whether that depends.
func allowsDirect(p *sbc.MediaProfile) (direct, auto bool) {
	if p.DTMF != sbc.DTMFPass || p.DTMFEvents != sbc.DiscloseOff { // we have to hear the digits
		return false, false
	}
	if p.SRTP != sbc.SRTPOff || p.ICE != sbc.ICEOff { // each peer has its keys with us
		return false, false
	}
	return p.MediaMode == sbc.MediaDirect || p.MediaMode == sbc.MediaAuto, p.MediaMode == sbc.MediaAuto
}

// goDirect decides the mode of the attempt under way, to leg l: offer comes from the leg from, the caller's or, where that made none,
// the callee's.
func (c *Call) goDirect(from, l *leg, offer []byte) {
	c.rec.mode = sbc.MediaRelay
	one, auto := allowsDirect(c.snap.Media(c.a.trunk))
	if !one || c.a.trunk == nil || l.trunk == nil || l.desk != nil || c.a.gone {
		return
	}
	two, autoToo := allowsDirect(c.snap.Media(l.trunk))
	if !two {
		return
	}
	direct := c.together(from, l, offer, auto || autoToo)
	if c.session.SetDirect(c.a.party, l.party, direct); direct {
		c.rec.mode = sbc.MediaDirect
	}
}

// together tells whether the caller and all to whom the attempt goes may have their media directly.
func (c *Call) together(from, l *leg, offer []byte, auto bool) bool {
	addresses, ok := media.Addresses(offer)
	if !ok {
		return false
	}
	a := stand{realm: c.a.trunk.RealmID, signalling: c.invite.Hop.Remote.Addr().Unmap(), named: addresses}
	if from == l {
		a.named = nil
		if contact, has := c.invite.Contact(); has {
			a.named = []netip.Addr{literal(contact.URI.Host)}
		}
	}
	callees := calleeStands(l.trunk.RealmID, &c.hunt.plan[c.hunt.next-1])
	for i := range callees {
		b, speaks := &callees[i], &a
		if from == l {
			b.named, speaks = addresses, b
		}
		if auto && !reach(&a, b) || !plausible(speaks) {
			return false
		}
	}
	return len(callees) > 0
}

// calleeStands are where an attempt leads to: to one address, or to the phones of a subscriber and their flows.
func calleeStands(realm string, at *route.Attempt) []stand {
	if at.Callee == nil {
		address := literal(at.Address)
		return []stand{{realm: realm, signalling: address, named: []netip.Addr{address}}}
	}
	var list []stand
	add := func(p *route.Phone) {
		s := stand{realm: realm, signalling: literal(p.Target.Host)}
		if p.Target.Flow != nil {
			s.signalling = p.Target.Flow.Remote.Addr().Unmap()
		}
		if len(p.Routes) == 0 { // what is behind another proxy is not where that is
			s.named = []netip.Addr{literal(p.URI.Host)}
		}
		list = append(list, s)
	}
	for i := range at.Callee.Phones {
		add(&at.Callee.Phones[i])
		for j := range at.Callee.Phones[i].Others {
			add(&at.Callee.Phones[i].Others[j])
		}
	}
	return list
}

// plausible tells whether a peer outside could send to where the offer wants media: not if that is the loopback of its own machine.
func plausible(s *stand) bool {
	for _, n := range s.named {
		if n.IsLoopback() && !s.signalling.IsLoopback() {
			return false
		}
	}
	return true
}

// reach tells whether two peers certainly reach each other, as said above.
func reach(a, b *stand) bool {
	if a.realm == "" || a.realm != b.realm || !a.signalling.IsValid() || !b.signalling.IsValid() || len(a.named)*len(b.named) == 0 ||
		a.signalling.Is4() != b.signalling.Is4() {
		return false
	}
	if a.signalling != b.signalling {
		return a.plain() && b.plain()
	}
	for _, n := range a.named {
		for _, m := range b.named {
			if !neighbours(n, m) {
				return false
			}
		}
	}
	return a.hidden() && b.hidden()
}

// plain tells whether no NAT is seen between a peer and us.
func (s *stand) plain() bool {
	for _, n := range s.named {
		if n != s.signalling {
			return false
		}
	}
	return true
}

// hidden tells whether a peer is behind a NAT and wants media behind it.
func (s *stand) hidden() bool {
	for _, n := range s.named {
		if !n.IsPrivate() || n == s.signalling {
			return false
		}
	}
	return true
}

// neighbours tells whether two addresses are different ones of a small network.
func neighbours(a, b netip.Addr) bool {
	if !a.IsValid() || a.Is4() != b.Is4() || a == b {
		return false
	}
	bits := 64
	if a.Is4() {
		bits = 24
	}
	return netip.PrefixFrom(a, bits).Masked().Contains(b)
}

// direct tells whether the media of the two legs go without us.
func (c *Call) direct() bool {
	return c.session != nil && c.b != nil && c.a.party != nil && c.b.party != nil && c.session.Direct(c.a.party, c.b.party)
}

// noteMode keeps for the record that media which went directly do so no more.
func (c *Call) noteMode() {
	if c.rec.mode == sbc.MediaDirect && !c.rec.answeredAt.IsZero() && !c.direct() {
		c.rec.mode = sbc.MediaAnchored
	}
}
