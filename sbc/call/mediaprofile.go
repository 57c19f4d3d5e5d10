package call

import (
	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
)

// mediaPolicy is what a media profile says about codecs and attributes; nil for one that says nothing.
func mediaPolicy(p *sbc.MediaProfile) *media.Policy {
	if p.PtimeMS == 0 && len(p.CodecsAllow)+len(p.CodecsDeny)+len(p.CodecsOrder)+len(p.StripAttributes) == 0 {
		return nil
	}
	return &media.Policy{
		Allow: p.CodecsAllow, Deny: p.CodecsDeny, Order: p.CodecsOrder, Ptime: p.PtimeMS, Strip: p.StripAttributes,
	}
}

// legOf finds the leg whose media a party is, nil if there is none or no party is meant.
func (c *Call) legOf(p *media.Party) *leg {
	for _, l := range [...]*leg{c.a, c.b} {
		if p != nil && l != nil && l.party == p {
			return l
		}
	}
	return nil
}
