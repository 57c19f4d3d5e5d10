package media

import (
	"slices"
	"strconv"

	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// offerKeys puts keys of ours on the lines of an offer. They are those that the party was offered last, or new ones if fresh.
// The lock is held.
func (x *Exchange) offerKeys(v *sdp.View, fresh bool) error {
	p := x.to
	if p.o.Secure.Mode == SRTPOff {
		return nil
	}
	for i := range v.Streams {
		m := &x.offer.Media[i]
		s := &v.Streams[i]
		switch {
		case s.Port == 0:
		case p.declined(i):
		case len(p.o.Secure.ways()) > 0 && m.Transport == sdp.TransportRTP:
			lines, err := p.keyLines(i, fresh)
			if err != nil {
				return err
			}
			s.Proto, s.Attributes = p.protocol(i, m.Proto), lines
		case p.o.Secure.Mode == SRTPRequired || p.keyed(i) != nil && m.Transport == sdp.TransportRTP:
			s.Port = 0
		}
	}
	if wanted(x.offer) && !slices.ContainsFunc(v.Streams, func(s sdp.Stream) bool { return s.Port != 0 }) {
		return ErrNoKeys
	}
	return nil
}

// declined says whether a line is in the clear since an earlier round: it stays so, and no later offer begins anew with keys.
func (p *Party) declined(i int) bool {
	said := p.said
	return p.o.Secure.Mode == SRTPOptional && said != nil && i < len(said.Media) && !said.Media[i].Rejected() && p.keyed(i) == nil
}

// protocol is that of a line we offer: what was agreed on with the party, or as its options want it. Optional encryption is
// offered as RTP in the clear with keys (RFC 8643 3.1).
func (p *Party) protocol(i int, clear string) string {
	if k := p.keyed(i); k != nil {
		return k.proto
	}
	dtls := p.offersWay(i) == DTLS
	switch {
	case dtls && p.o.ICE:
		return "UDP/TLS/RTP/SAVPF" // RFC 8829 5.1.2: the only one that browsers know
	case p.o.Secure.Mode != SRTPRequired || len(clear) < 5:
		return clear
	case dtls:
		return "UDP/TLS/RTP/S" + clear[4:]
	}
	return "RTP/S" + clear[4:]
}

// offersWay is how keys are offered on a line: as they are agreed on, or by the way that comes first.
func (p *Party) offersWay(i int) Keying {
	if k := p.keyed(i); k != nil {
		if k.dtls != nil {
			return DTLS
		}
		return SDES
	}
	return p.o.Secure.ways()[0]
}

// keyLines are what a line that is offered says of keys.
func (p *Party) keyLines(i int, fresh bool) ([]string, error) {
	if p.offersWay(i) == SDES {
		return p.cryptoLines(i, fresh)
	}
	own, err := p.identity()
	if err != nil {
		return nil, err
	}
	return shakeLines(own, "actpass"), nil // RFC 8842 5.5: in every offer
}

// cryptoLines are the keys that a line offers: one for each suite, or for the one agreed on.
func (p *Party) cryptoLines(i int, fresh bool) ([]string, error) {
	k := p.keyed(i)
	if said := p.author.Said(); !fresh && said != nil && (k == nil || !k.stale) && i < len(said.Media) {
		if before := said.Media[i].Attributes("crypto"); len(before) > 0 {
			for n := range before {
				before[n] = "crypto:" + before[n]
			}
			return before, nil
		}
	}
	suites := p.o.Secure.Suites
	if k != nil {
		suites = []secure.Suite{k.ours.Keys.Suite}
	}
	lines := make([]string, len(suites))
	for n, s := range suites {
		own, err := secure.Random(s)
		if err != nil {
			return nil, err
		}
		c := secure.Crypto{Tag: strconv.Itoa(n + 1), Keys: own}
		lines[n] = "crypto:" + c.Value()
	}
	return lines, nil
}

// hideZRTP leaves what a description says of ZRTP out where that does not pass: a line is encrypted by us on either side, or
// the options of either party have it so.
func (x *Exchange) hideZRTP(v *sdp.View) {
	if x.direct {
		return
	}
	for i := range v.Streams {
		v.Streams[i].NoZRTP = x.from.o.Secure.NoZRTP || x.to.o.Secure.NoZRTP || v.Streams[i].Proto != "" || x.fromLocks.at(i) != nil ||
			x.toLocks.at(i) != nil || x.from.keyed(i) != nil || x.to.keyed(i) != nil
	}
}
