package guard

import (
	"fmt"
	"net/netip"

	"github.com/gaissmai/bart"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Egress says where names and addresses that callers supply may not lead (features.md 13.6), so that nobody reaches with our help
// what answers us and not him.
type Egress struct {
	// Allow are networks to which they may lead all the same.
	Allow []netip.Prefix
	// Ours are the addresses of the border itself, Gateways those of trunks.
	Ours, Gateways []netip.Prefix
}

// egress is an Egress, compiled.
type egress struct{ allow, ours, gateways bart.Lite }

func (e *Egress) compile() *egress {
	if e == nil {
		return nil
	}
	c := &egress{}
	for _, list := range []struct {
		from []netip.Prefix
		to   *bart.Lite
	}{{e.Allow, &c.allow}, {e.Ours, &c.ours}, {e.Gateways, &c.gateways}} {
		for _, p := range list.from {
			list.to.Insert(p)
		}
	}
	return c
}

// reason says why an address may not be reached; "" is that it may.
func (e *egress) reason(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case e.allow.Contains(a):
		return ""
	case e.ours.Contains(a):
		return "an address of the border"
	case e.gateways.Contains(a):
		return "an address of a trunk"
	case a.IsLoopback():
		return "a loopback address"
	case a.IsLinkLocalUnicast(): // where clouds keep their metadata, too
		return "a link-local address"
	case !a.IsGlobalUnicast():
		return "no address of a host"
	case a.IsPrivate(), a.Is4() && a.As4()[0] == 100 && a.As4()[1]&0xC0 == 64: // RFC 6598
		return "a private address"
	}
	return ""
}

// Leave tells whether a request may go from an interface to an address that a caller supplied, as it is or as a name that leads
// there; target is what was supplied. The error wraps msg.ErrForbidden.
func (g *Guard) Leave(iface string, to netip.AddrPort, target string) error {
	r := g.rules.Load().interfaces[iface]
	if r == nil || r.egress == nil {
		return nil
	}
	why := r.egress.reason(to.Addr())
	if why == "" {
		return nil
	}
	target = bounded(target)
	if g.told.first(r.number, to.Addr(), g.now()) {
		g.event(sbc.EventSecurityEgress, map[string]string{
			"target": target, "address": to.String(), "reason": why, "realm_id": r.id,
		})
	}
	g.metrics.blocked[blockedEgress].Inc()
	return fmt.Errorf("%w: %s leads to %s, which is %s", msg.ErrForbidden, target, to.Addr(), why)
}
