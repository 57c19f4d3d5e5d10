package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// domains finds the domains of the access side by id, by realm and by the hosts of addresses.
type domains struct {
	byID    map[string]*sbc.Domain
	ofRealm map[string]*realmDomains
}

// realmDomains are the domains in service whose subscribers come in by one realm.
type realmDomains struct {
	all []*sbc.Domain
	// names finds a domain by a host that is its; below by a host under which every name is.
	names, below map[string]*sbc.Domain
}

// newDomains indexes the domains; active are those in service.
func newDomains(all, active []*sbc.Domain, interfaces []*sbc.SIPInterface) domains {
	d := domains{byID: make(map[string]*sbc.Domain, len(all)), ofRealm: map[string]*realmDomains{}}
	for _, x := range all {
		d.byID[x.ID] = x
	}
	for _, x := range active {
		r := d.ofRealm[x.RealmID]
		if r == nil {
			r = &realmDomains{names: map[string]*sbc.Domain{}, below: map[string]*sbc.Domain{}}
			d.ofRealm[x.RealmID] = r
		}
		r.all = append(r.all, x)
		for _, name := range append([]string{x.Name}, x.Aliases...) {
			host := canonicalHost(name)
			r.names[host] = x
			if x.AcceptSubdomains {
				r.below[host] = x
			}
		}
	}
	for _, i := range interfaces {
		r := d.ofRealm[i.RealmID]
		if r == nil || len(r.all) != 1 {
			continue // with several domains an address does not say which
		}
		for _, host := range []string{i.AdvertisedAddress, i.BindAddress} {
			if a, err := netip.ParseAddr(host); host != "" && (err != nil || !a.IsUnspecified()) {
				r.names[canonicalHost(host)] = r.all[0]
			}
		}
	}
	return d
}

// of finds the domain of a host: the longest name of which the host is one, or under which it lies.
func (r *realmDomains) of(host string) *sbc.Domain {
	if r == nil {
		return nil
	}
	host = canonicalHost(host)
	if d := r.names[host]; d != nil {
		return d
	}
	for rest := host; len(r.below) > 0; {
		at := strings.IndexByte(rest, '.')
		if at < 0 {
			return nil
		}
		rest = rest[at+1:]
		if d := r.below[rest]; d != nil {
			return d
		}
	}
	return nil
}

// canonicalHost spells a host as it is compared (RFC 3261 19.1.4): in lower case, without the dot at the end of a full name and
// without the brackets of IPv6. What is spelt so already costs nothing.
func canonicalHost(host string) string {
	if strings.HasPrefix(host, "[") || strings.Contains(host, ":") {
		if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			return a.Unmap().WithZone("").String()
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Domain finds a domain by id, in service or not; nil if there is none. ActiveTrunk tells whether it is in service.
func (s *Snapshot) Domain(id string) *sbc.Domain { return s.index.domains.byID[id] }

// DomainsOf lists the domains in service whose subscribers come in by a realm. The list is shared.
func (s *Snapshot) DomainsOf(realmID string) []*sbc.Domain {
	if r := s.index.domains.ofRealm[realmID]; r != nil {
		return r.all
	}
	return nil
}

// DomainOf finds the domain in service that a host of an address means, for requests that come in by a realm: by its name, an
// alias, a name below one of those where the domain accepts it, or, where the realm has no other domain, an address of one of our
// interfaces there. nil is a foreign host.
func (s *Snapshot) DomainOf(realmID, host string) *sbc.Domain {
	return s.index.domains.ofRealm[realmID].of(host)
}

// domains finds names that two domains claim. They are unique over all tenants, since a name means one domain in all of the
// world.
func (b *blames) domains(rows []*sbc.Domain) {
	type claim struct {
		domain  *sbc.Domain
		pointer string
	}
	claims := map[string]claim{}
	for _, d := range rows {
		for i, name := range append([]string{d.Name}, d.Aliases...) {
			mine := claim{d, "#/name"}
			if i > 0 {
				mine.pointer = fmt.Sprintf("#/aliases/%d", i-1)
			}
			host := canonicalHost(name)
			other, there := claims[host]
			switch {
			case !there:
				claims[host] = mine
			case other.domain == d:
				b.faults = append(b.faults, blame{d, sbc.Fault{Pointer: mine.pointer, Code: "duplicate",
					Detail: fmt.Sprintf("%q is a name of this domain already", name)}, false})
			default:
				b.named(mine.domain, other.domain, mine.pointer, other.pointer, name)
			}
		}
	}
}

// named blames of two domains with one name the one that was written last. Who owns the other is not told to another tenant.
func (b *blames) named(x, y *sbc.Domain, pointerX, pointerY, name string) {
	if x.Revision < y.Revision || x.Revision == y.Revision && x.ID < y.ID {
		x, y, pointerX = y, x, pointerY
	}
	detail := fmt.Sprintf("%q is taken by a domain of another tenant", name)
	if x.TenantID == y.TenantID {
		detail = fmt.Sprintf("%q is taken by domain %s (%s)", name, y.ID, y.Name)
	}
	b.faults = append(b.faults, blame{x, sbc.Fault{Pointer: pointerX, Code: "taken", Detail: detail}, true})
}
