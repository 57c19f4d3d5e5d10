package access

import (
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// findDomain finds the domain whose subscriber the request says to be from; false if there is none, or if the request is for
// somebody else's domain: the border relays for nobody who is not its own (features.md 5.9).
func (v *visit) findDomain() bool {
	from, to := v.req.From.URI, v.req.RequestURI
	if v.req.Method == msg.REGISTER { // RFC 3261 10.3: whose contacts these are
		from = v.req.To.URI
	}
	if from.IsSIP() {
		v.domain = v.snap.DomainOf(v.realm, from.Host)
	}
	if !to.IsSIP() { // a tel URI belongs to no domain
		return v.domain != nil
	}
	asked := v.snap.DomainOf(v.realm, to.Host)
	if v.domain == nil {
		v.domain = asked
	}
	switch {
	case v.domain == nil:
		return false
	case asked != nil:
		return asked.ID == v.domain.ID
	}
	return v.ours(to.Host)
}

// ours tells whether a host is an address of ours where the request came in.
func (v *visit) ours(host string) bool {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.Unmap() == v.req.Hop.Local.Addr() {
		return true
	}
	i := v.snap.Interface(v.req.Hop.Interface)
	return i != nil && host != "" && (strings.EqualFold(host, i.AdvertisedAddress) || strings.EqualFold(host, i.BindAddress))
}

// routedToUs tells whether every Route of the request names us: what leads on from here is not for a phone to say (RFC 3261
// 16.4 would have it followed; features.md 5.9).
func (v *visit) routedToUs() bool {
	if !v.req.Has("Route") {
		return true
	}
	routes, err := v.req.Routes()
	if err != nil {
		return false
	}
	for _, r := range routes {
		if !v.ours(r.URI.Host) && v.snap.DomainOf(v.realm, r.URI.Host) == nil {
			return false
		}
	}
	return true
}
