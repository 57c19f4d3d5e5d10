package config

import (
	"net/netip"
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/trust"
)

// Snapshot is one revision of the configuration, compiled. It is immutable and safe for concurrent use.
type Snapshot struct {
	Revision int64
	Rows     Rows
	Identify *identify.Table
	Route    *route.Table
	Header   *header.Table
	index    *index
}

// index answers what calls ask of the rows.
type index struct {
	trunks       map[string]*sbc.Trunk
	realms       map[string]*sbc.Realm
	interfaces   map[string]*sbc.SIPInterface
	activeTrunks map[string]bool
	interfacesOf map[string][]string
	poolsOf      map[string][]string
	profiles     profiles
	active       struct {
		interfaces []*sbc.SIPInterface
		pools      []*sbc.MediaPool
		trunks     []*sbc.Trunk
		identities []*sbc.Identity
		// subscribers are those that access rules stand for, by the rule's id.
		subscribers map[string]string
	}
	// realmOut says why a realm is out of service.
	realmOut map[string]string

	// parties are the trunks, and the domains as such (sbc.Domain.Trunk).
	parties     []*sbc.Trunk
	domains     domains
	permissions permissions
	// translations are what numbers are read and changed by.
	translations translations
	// credentials are what answers for trunks that have none of their own.
	credentials map[string]*sbc.ClientCredentials
	// upstreams are the trunks that are registrars of domains in service.
	upstreams map[string]bool
	// floods are the flood profiles that are enabled; usualFlood has the defaults of the kind.
	floods     map[string]*sbc.FloodProfile
	usualFlood *sbc.FloodProfile
	// trust is what TLS profiles are made of.
	trust *trust.Set
}

// Compile builds the Snapshot of a revision from all resources, in any order. The error is an *sbc.Error with every fault found.
func Compile(resources []sbc.Resource, revision int64) (*Snapshot, error) {
	return compile(resources, revision, nil)
}

// compile is Compile after another Snapshot, nil for none: what of TLS has not changed is taken from it.
func compile(resources []sbc.Resource, revision int64, before *Snapshot) (*Snapshot, error) {
	rows, rules := sortRows(resources)
	var b blames
	b.doubles(&rows)
	b.references(&rows, rules)
	s := &Snapshot{Revision: revision, Rows: rows}
	s.compile(&b, nil, before.trusted())
	routes := s.routeRows()
	routes.Rules = rules
	table, err := route.Compile(routes)
	b.routing(err)
	b.numbers(table)
	s.Route = table
	if err := b.err(revision); err != nil {
		return nil, err
	}
	return s, nil
}

// with builds the Snapshot of a revision in which little has changed; everything else is shared. The result is the one that
// Compile gives for the same resources.
func (s *Snapshot) with(edits []edit, revision int64) (*Snapshot, error) {
	var b blames
	next := &Snapshot{Revision: revision, Rows: s.Rows.with(edits)}
	var rules []route.RuleChange
	for _, e := range edits {
		if e.kind == sbc.KindRule {
			old, _ := e.old.(*sbc.Rule)
			now, _ := e.new.(*sbc.Rule)
			rules = append(rules, route.RuleChange{Old: old, New: now})
		}
	}
	if len(rules) == len(edits) {
		next.Identify, next.Header, next.index, next.Route = s.Identify, s.Header, s.index, s.Route
	} else {
		b.references(&next.Rows, nil)
		next.compile(&b, s.index, s.index.trust)
		next.Route = s.Route.WithRows(next.routeRows())
		b.numbers(next.Route)
	}
	b.rules(&next.Rows, rules)
	table, err := next.Route.WithRules(rules)
	b.routing(err)
	next.Route = table
	if err := b.err(revision); err != nil {
		return nil, err
	}
	return next, nil
}

// compile makes everything but the routing table, and checks the rows against each other.
// before is the index of the Snapshot it follows, and trusted what that has of TLS; nil where there is none.
func (s *Snapshot) compile(b *blames, before *index, trusted *trust.Set) {
	s.index = newIndex(&s.Rows, before)
	s.index.translations = b.translate(&s.Rows, before)
	active := &s.index.active
	table, conflicts := identify.Compile(identify.Rows{
		Identities: active.identities, Trunks: active.trunks, Interfaces: active.interfaces, Subscribers: active.subscribers,
	})
	for _, c := range conflicts {
		var blamed sbc.Resource = c.Identity
		if rule := find(s.Rows.AccessRules, c.Identity.ID); rule != nil {
			blamed = rule
		}
		// A conflict with another is a collision; an identity that is wrong by itself is not.
		b.faults = append(b.faults, blame{resource: blamed, fault: c.Fault, collision: c.Other != nil})
	}
	s.Identify = table
	headers, problems := header.Compile(header.Rows{
		Trunks: s.index.parties, Endpoints: s.Rows.Endpoints, Identities: s.Rows.Identities, Interfaces: s.Rows.Interfaces,
		Pools: s.Rows.Pools,
	})
	for _, p := range problems {
		var blamed sbc.Resource = p.Trunk
		if d := find(s.Rows.Domains, p.Trunk.ID); d != nil {
			blamed = d
		}
		b.faults = append(b.faults, blame{resource: blamed, fault: p.Fault})
	}
	s.Header = headers
	s.index.profiles.compileHeaders(s.Rows.Headers, b)
	s.index.trust = b.trust(&s.Rows, trusted)
	b.shows(active.interfaces, s.Rows.TLS)
	b.domains(s.Rows.Domains)
	b.interfaces(active.interfaces)
	b.pools(active.pools)
	b.shared(active.interfaces, active.pools)
}

// routeRows are the rows of the routing table without rules.
func (s *Snapshot) routeRows() route.Rows {
	out := s.index.realmOut
	return route.Rows{
		Plans: s.Rows.Plans, Lists: s.Rows.Lists, Targets: s.Rows.Targets, Trunks: s.Rows.Trunks, Endpoints: s.Rows.Endpoints,
		Numbers: s.Rows.Numbers, Times: s.Times(), Out: func(t *sbc.Trunk) string { return out[t.RealmID] },
	}
}

// newIndex finds out what is in service: a thing is if it, its realm and its tenant are enabled.
func newIndex(rows *Rows, before *index) *index {
	x := &index{
		trunks: map[string]*sbc.Trunk{}, realms: map[string]*sbc.Realm{}, interfaces: map[string]*sbc.SIPInterface{},
		activeTrunks: map[string]bool{}, interfacesOf: map[string][]string{}, poolsOf: map[string][]string{},
		realmOut: map[string]string{},
	}
	off := x.out(rows)
	x.profiles = newProfiles(rows)
	x.credentials = credentials(rows)
	on := func(m *sbc.Meta, realmID string) bool {
		return m.Enabled && !off[m.TenantID] && x.realmOut[realmID] == ""
	}
	for _, i := range rows.Interfaces {
		x.interfaces[i.ID] = i
		if on(&i.Meta, i.RealmID) {
			x.active.interfaces = append(x.active.interfaces, i)
			x.interfacesOf[i.RealmID] = append(x.interfacesOf[i.RealmID], i.ID)
		}
	}
	for _, p := range rows.Pools {
		if on(&p.Meta, p.RealmID) {
			x.active.pools = append(x.active.pools, p)
			x.poolsOf[p.RealmID] = append(x.poolsOf[p.RealmID], p.ID)
		}
	}
	x.parties = rows.Trunks
	if len(rows.Domains) > 0 {
		x.parties = make([]*sbc.Trunk, len(rows.Trunks), len(rows.Trunks)+len(rows.Domains))
		copy(x.parties, rows.Trunks)
	}
	var served []*sbc.Domain
	for _, d := range rows.Domains {
		x.parties = append(x.parties, d.Trunk())
		if on(&d.Meta, d.RealmID) {
			served = append(served, d)
		}
	}
	for _, t := range x.parties {
		x.trunks[t.ID] = t
		if on(&t.Meta, t.RealmID) {
			x.active.trunks, x.activeTrunks[t.ID] = append(x.active.trunks, t), true
		}
	}
	x.claims(rows, off)
	x.access(rows, served, before)
	return x
}

// claims collects who is recognised by its address: the identities of trunks, and subscribers by the access rules of their
// domains.
func (x *index) claims(rows *Rows, off map[string]bool) {
	for _, i := range rows.Identities {
		if i.Enabled && !off[i.TenantID] {
			x.active.identities = append(x.active.identities, i)
		}
	}
	if len(rows.AccessRules) > 0 {
		x.active.subscribers = make(map[string]string, len(rows.AccessRules))
	}
	for _, r := range rows.AccessRules {
		if r.Enabled && !off[r.TenantID] {
			x.active.identities = append(x.active.identities, r.Identity())
			x.active.subscribers[r.ID] = r.SubscriberID
		}
	}
}

// access indexes what only the access side has; served are the domains in service.
func (x *index) access(rows *Rows, served []*sbc.Domain, before *index) {
	var compiled permissions
	if before != nil {
		compiled = before.permissions
	}
	x.domains = newDomains(rows.Domains, served, x.active.interfaces)
	x.permissions = newPermissions(rows, &compiled)
	for _, d := range served {
		if d.Upstream() {
			if x.upstreams == nil {
				x.upstreams = map[string]bool{}
			}
			x.upstreams[d.Registration.UpstreamTrunkID] = true
		}
	}
	x.floods = enabled(rows.Floods)
	x.usualFlood = &sbc.FloodProfile{}
	x.usualFlood.Defaults()
	x.usualFlood.Enabled = true
}

// out notes the realms that are out of service and gives the tenants that are.
func (x *index) out(rows *Rows) map[string]bool {
	off := map[string]bool{}
	for _, t := range rows.Tenants {
		off[t.ID] = !t.Enabled
	}
	for _, r := range rows.Realms {
		x.realms[r.ID] = r
		switch {
		case off[r.TenantID]:
			x.realmOut[r.ID] = "tenant " + r.TenantID + " is disabled"
		case !r.Enabled:
			x.realmOut[r.ID] = "realm " + r.ID + " is disabled"
		}
	}
	return off
}

// Trunk finds a trunk by id, in service or not; nil if there is none.
func (s *Snapshot) Trunk(id string) *sbc.Trunk { return s.index.trunks[id] }

// Upstream tells whether a trunk is the upstream registrar of a domain in service.
func (s *Snapshot) Upstream(trunkID string) bool { return s.index.upstreams[trunkID] }

// Realm finds a realm by id, nil if there is none.
func (s *Snapshot) Realm(id string) *sbc.Realm { return s.index.realms[id] }

// Interface finds a SIP interface by id, nil if there is none.
func (s *Snapshot) Interface(id string) *sbc.SIPInterface { return s.index.interfaces[id] }

// FromTrunk tells whether a source is one of a trunk's addresses: one that an identity of it covers, or that an endpoint of it names.
// Where the trunk is a domain it is whether an access rule takes the source for the subscriber, "" for none.
func (s *Snapshot) FromTrunk(src identify.Source, trunkID, subscriberID string) bool {
	if trunkID == "" {
		return false
	}
	if known, ok := s.Identify.Known(src); ok && known.TrunkID == trunkID && known.SubscriberID == subscriberID {
		return true
	}
	for _, x := range s.Rows.Endpoints { // a peer that sends from another of its addresses: rare
		if a, err := netip.ParseAddr(x.Address); x.TrunkID == trunkID && err == nil && a.Unmap() == src.Addr {
			return true
		}
	}
	return false
}

// Endpoint finds an endpoint by id, nil if there is none.
func (s *Snapshot) Endpoint(id string) *sbc.Endpoint { return find(s.Rows.Endpoints, id) }

// RealmOf finds the realm of a SIP interface, nil if there is none.
func (s *Snapshot) RealmOf(interfaceID string) *sbc.Realm {
	if i := s.index.interfaces[interfaceID]; i != nil {
		return s.index.realms[i.RealmID]
	}
	return nil
}

// InterfacesOf lists the ids of the active SIP interfaces of a realm, the oldest first. The list is shared.
func (s *Snapshot) InterfacesOf(realmID string) []string {
	return slices.Clip(s.index.interfacesOf[realmID])
}

// PoolsOf lists the ids of the active media pools of a realm, the oldest first. The list is shared.
func (s *Snapshot) PoolsOf(realmID string) []string { return slices.Clip(s.index.poolsOf[realmID]) }

// ActiveInterfaces lists the SIP interfaces to be served: enabled, in an enabled realm of an enabled tenant. The list is shared.
func (s *Snapshot) ActiveInterfaces() []*sbc.SIPInterface {
	return slices.Clip(s.index.active.interfaces)
}

// ActivePools lists the media pools to be served: enabled, in an enabled realm of an enabled tenant. The list is shared.
func (s *Snapshot) ActivePools() []*sbc.MediaPool { return slices.Clip(s.index.active.pools) }

// ActiveTrunk tells whether a trunk is in service: it, its realm and its tenant are enabled.
func (s *Snapshot) ActiveTrunk(id string) bool { return s.index.activeTrunks[id] }
