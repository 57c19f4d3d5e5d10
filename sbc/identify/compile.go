package identify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/sallyport/sallyport/sbc"
)

// Rows are what a Table is made of: everything in service, in any order. The rows are only read.
type Rows struct {
	Identities []*sbc.Identity
	Trunks     []*sbc.Trunk
	Interfaces []*sbc.SIPInterface
	// Subscribers are those that identities stand for which are access rules of domains, by the id of the identity.
	Subscribers map[string]string
}

// Conflict is an identity that cannot be served as it stands.
type Conflict struct {
	// Identity is the one to blame: the one written last. Other is what it collides with, nil where it is wrong by itself.
	Identity, Other *sbc.Identity
	// Fault tells what is wrong in Identity, with the pointer into it.
	Fault sbc.Fault
}

// key is all that tells one identity from another; equal keys claim the same requests.
type key struct {
	realm   string
	network netip.Prefix
	selector
	tech string
}

// Compile builds the table. Identities whose trunk is not among the rows are left out: that trunk is out of service. With
// conflicts the table must not be used.
func Compile(rows Rows) (*Table, []Conflict) {
	b := builder{
		trunks: map[string]*sbc.Trunk{}, owners: map[key]*sbc.Identity{}, subscribers: rows.Subscribers,
		table: &Table{realms: map[string]*realm{}},
	}
	for _, t := range rows.Trunks {
		b.trunks[t.ID] = t
	}
	byRealm := map[string]*realm{}
	for _, i := range rows.Interfaces {
		r := byRealm[i.RealmID]
		if r == nil {
			r = &realm{}
			byRealm[i.RealmID] = r
		}
		b.table.realms[i.ID] = r
	}
	// By id, so that the result does not depend on the order of the rows.
	identities := slices.Clone(rows.Identities)
	slices.SortFunc(identities, func(x, y *sbc.Identity) int { return strings.Compare(x.ID, y.ID) })
	interfaceRealm := map[string]string{}
	for _, i := range rows.Interfaces {
		interfaceRealm[i.ID] = i.RealmID
	}
	for _, id := range identities {
		b.add(id, interfaceRealm, byRealm)
	}
	for _, r := range byRealm {
		r.link()
	}
	return b.table, b.conflicts
}

// builder holds what Compile knows so far.
type builder struct {
	trunks map[string]*sbc.Trunk
	owners map[key]*sbc.Identity
	// subscribers are Rows.Subscribers.
	subscribers map[string]string
	table       *Table
	conflicts   []Conflict
}

// add puts one identity into its realm's networks, or notes what is wrong with it.
func (b *builder) add(id *sbc.Identity, interfaceRealm map[string]string, byRealm map[string]*realm) {
	trunk := b.trunks[id.TrunkID]
	if trunk == nil {
		return
	}
	networks, ok := networksOf(id)
	if !ok {
		b.blame(id, nil, "#/cidr", "cidr", fmt.Sprintf("%q is no network that an identity may name", id.CIDR))
		return
	}
	if id.SIPInterfaceID != "" {
		switch at, active := interfaceRealm[id.SIPInterfaceID]; {
		case active && at != trunk.RealmID:
			b.blame(id, nil, "#/sip_interface_id", "realm_mismatch", fmt.Sprintf(
				"interface %s is in realm %s, trunk %s in realm %s: no request could match", id.SIPInterfaceID, at, trunk.ID, trunk.RealmID))
			return
		case !active:
			return // the interface is out of service, and so is whoever comes in by it
		}
	}
	for _, network := range networks {
		k := key{
			trunk.RealmID, network, selector{id.Port, id.SIPInterfaceID, id.Transport, strings.ToLower(id.TLSName)}, id.TechPrefix,
		}
		if other := b.owners[k]; other != nil {
			if other.TrunkID != id.TrunkID || b.subscribers[other.ID] != b.subscribers[id.ID] {
				b.collide(id, other)
			}
			return // a doublet of the same trunk, or subscriber: the smaller id answers
		}
		b.owners[k] = id
		if r := byRealm[trunk.RealmID]; r != nil {
			r.insert(k, &claim{
				trunkID: id.TrunkID, identityID: id.ID, subscriberID: b.subscribers[id.ID], reason: b.describe(id, network),
			})
		}
	}
}

// networksOf are those that an identity names: all there are where only a certificate counts.
func networksOf(id *sbc.Identity) ([]netip.Prefix, bool) {
	if id.CIDR == "" && id.TLSName != "" {
		return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, true
	}
	network, err := sbc.ParseCIDR(id.CIDR)
	return []netip.Prefix{network}, err == nil && network.Bits() > 0
}

// collide blames the identity that was written last: it is the one its writer can see.
func (b *builder) collide(x, y *sbc.Identity) {
	if cmp.Or(cmp.Compare(x.Revision, y.Revision), strings.Compare(x.ID, y.ID)) < 0 {
		x, y = y, x
	}
	b.blame(x, y, "#/cidr", "conflict", fmt.Sprintf(
		"%s claims the same requests: change network, port, interface, transport, tech prefix or TLS name of one", b.words(y)))
}

func (b *builder) blame(id, other *sbc.Identity, pointer, code, detail string) {
	b.conflicts = append(b.conflicts, Conflict{id, other, sbc.Fault{Pointer: pointer, Code: code, Detail: detail}})
}

// insert adds a claim below its network and selector.
func (r *realm) insert(k key, c *claim) {
	table := &r.networks
	if k.name != "" {
		table = &r.certified
	}
	n, ok := table.Get(k.network)
	if !ok {
		n = &network{}
		table.Insert(k.network, n)
	}
	group := n.kind(k.port != 0, k.iface != "", k.transport != "")
	list := group.claims[k.selector]
	if list == nil {
		list = &claims{byPrefix: map[string]*claim{}}
		group.claims[k.selector] = list
	}
	list.byPrefix[k.tech] = c
	if at, found := slices.BinarySearchFunc(list.lengths, len(k.tech), func(a, b int) int { return b - a }); !found {
		list.lengths = slices.Insert(list.lengths, at, len(k.tech))
	}
}

// kind finds or makes the group of identities that set these fields, keeping the most particular first.
func (n *network) kind(port, iface, transport bool) *kind {
	rank := func(k kind) int {
		r := 0
		for _, set := range []bool{k.port, k.iface, k.transport} {
			r *= 2
			if set {
				r++
			}
		}
		return r
	}
	k := kind{port: port, iface: iface, transport: transport}
	at, found := slices.BinarySearchFunc(n.kinds, k, func(a, b kind) int { return rank(b) - rank(a) })
	if !found {
		k.claims = map[selector]*claims{}
		n.kinds = slices.Insert(n.kinds, at, k)
	}
	return &n.kinds[at]
}

// link tells every network which one covers it.
func (r *realm) link() {
	for _, table := range []*bart.Table[*network]{&r.networks, &r.certified} {
		for p, n := range table.All() {
			for _, wider := range table.Supernets(p) {
				if wider != n {
					n.wider = wider
					break
				}
			}
		}
	}
}

// words names an identity, or the access rule that it stands for.
func (b *builder) words(id *sbc.Identity) string {
	if b.subscribers[id.ID] != "" {
		return fmt.Sprintf("access rule %s (%s) of domain %s", id.ID, id.Name, id.TrunkID)
	}
	return fmt.Sprintf("identity %s (%s) of trunk %s", id.ID, id.Name, id.TrunkID)
}

// describe says what an identity asks for, for traces.
func (b *builder) describe(id *sbc.Identity, network netip.Prefix) string {
	var s strings.Builder
	s.WriteString(b.words(id) + ":")
	if network.Bits() > 0 {
		fmt.Fprintf(&s, " from %s", network)
	}
	if id.TLSName != "" {
		fmt.Fprintf(&s, " with a certificate of %s", strings.ToLower(id.TLSName))
	}
	if id.Port != 0 {
		fmt.Fprintf(&s, " port %d", id.Port)
	}
	if id.SIPInterfaceID != "" {
		fmt.Fprintf(&s, " on interface %s", id.SIPInterfaceID)
	}
	if id.Transport != "" {
		fmt.Fprintf(&s, " over %s", id.Transport)
	}
	if id.TechPrefix != "" {
		fmt.Fprintf(&s, " dialling %s…", id.TechPrefix)
	}
	return s.String()
}
