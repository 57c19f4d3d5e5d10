package header

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// HostToken stands in header values where the border's own host belongs; Fill puts it there.
const HostToken = "{our-host}"

// Bounds of what passes with one message.
const (
	maxSame  = 16       // lines of one name
	maxTotal = 64       // lines in all
	maxValue = 512      // bytes of one value
	maxBytes = 8 * 1024 // bytes of all values
)

// Fill writes the host, IPv6 in brackets, in place of every HostToken of a value.
func Fill(value, host string) string { return strings.ReplaceAll(value, HostToken, bracket(host)) }

// Flow says between whom a message passes.
type Flow struct {
	FromTrunk, ToTrunk *sbc.Trunk
	FromTrust, ToTrust sbc.Trust
	// Also are further words of the sending side that must not show: hosts, addresses and tags of earlier messages of the leg, and
	// of its SDP.
	Also []string
	// Vouched says that the border itself knows who sends: From is the identity that it asserts (RFC 3325 5).
	Vouched bool
}

// Rows are what a Table is made of, in any order. The rows are only read.
type Rows struct {
	Trunks     []*sbc.Trunk
	Endpoints  []*sbc.Endpoint
	Identities []*sbc.Identity
	Interfaces []*sbc.SIPInterface
	Pools      []*sbc.MediaPool
}

// Problem is an entry of a trunk's pass_headers that cannot be served.
type Problem struct {
	Trunk *sbc.Trunk
	Fault sbc.Fault
}

// Table knows the lists of every trunk and what must not show of each. The zero Table knows no trunk's surroundings and serves
// all the same.
type Table struct {
	trunks map[string]*side
	// realms are our own addresses by realm.
	realms map[string]*known
}

// side is what is known of a trunk.
type side struct {
	pass  map[string]string
	known known
}

// known are hosts and networks that belong to one side.
type known struct {
	hosts []string
	addrs []netip.Addr
	nets  []netip.Prefix
}

// add takes up a host: an address or a name.
func (k *known) add(host string) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a = a.Unmap().WithZone(""); a.IsUnspecified() {
			return
		}
		k.addrs = append(k.addrs, a)
		if a.Is6() {
			// As text, too: "2001:db8::7:5060" reads as another address.
			k.hosts = append(k.hosts, a.String(), strings.ToLower(host))
		}
	} else if host != "" {
		k.hosts = append(k.hosts, strings.ToLower(host))
	}
}

// Compile builds the table. With problems it must not be used.
func Compile(rows Rows) (*Table, []Problem) {
	t := &Table{trunks: make(map[string]*side, len(rows.Trunks)), realms: map[string]*known{}}
	var problems []Problem
	for _, trunk := range rows.Trunks {
		for i, name := range trunk.PassHeaders {
			if Forbidden(name) {
				problems = append(problems, Problem{trunk, sbc.Fault{Pointer: fmt.Sprintf("#/pass_headers/%d", i), Code: "forbidden",
					Detail: fmt.Sprintf("%q is written by the border itself and never passes", name)}})
			}
		}
		t.trunks[trunk.ID] = &side{pass: passList(trunk)}
	}
	for _, e := range rows.Endpoints {
		if s := t.trunks[e.TrunkID]; s != nil {
			s.known.add(e.Address)
		}
	}
	for _, id := range rows.Identities {
		if s := t.trunks[id.TrunkID]; s != nil {
			if p, err := sbc.ParseCIDR(id.CIDR); err == nil {
				s.known.nets = append(s.known.nets, p)
			}
		}
	}
	own := func(realmID string, hosts ...string) {
		if t.realms[realmID] == nil {
			t.realms[realmID] = &known{}
		}
		for _, h := range hosts {
			t.realms[realmID].add(h)
		}
	}
	for _, i := range rows.Interfaces {
		own(i.RealmID, i.BindAddress, i.AdvertisedAddress)
	}
	for _, p := range rows.Pools {
		own(p.RealmID, p.Address, p.AdvertisedAddress)
	}
	return t, problems
}

// passList gives the names of a trunk's pass_headers by their canonical form, as the trunk spells them.
func passList(trunk *sbc.Trunk) map[string]string {
	pass := make(map[string]string, len(trunk.PassHeaders))
	for _, name := range trunk.PassHeaders {
		if c := msg.Canonical(name); !Forbidden(c) {
			pass[c] = name
		}
	}
	return pass
}

// Request gives the headers that pass with a request, in an order of our own. Their values may hold HostToken.
func (t *Table) Request(in *msg.Message, f Flow) []msg.Header { return t.collect(in, f, inRequests) }

// Response gives the headers that pass with a response, in an order of our own. Their values may hold HostToken.
func (t *Table) Response(in *msg.Message, f Flow) []msg.Header { return t.collect(in, f, inResponses) }

// Content gives the headers that describe a body which passes unchanged (INFO, MESSAGE), without Content-Type and Content-Length.
func (t *Table) Content(in *msg.Message, f Flow) []msg.Header {
	if len(in.Body) == 0 {
		return nil
	}
	return t.collect(in, f, withBodies)
}

// Phrase gives the reason phrase for a response that passes: the peer's own if it tells nothing of its side, else the standard
// one.
func (t *Table) Phrase(in *msg.Message, f Flow) string {
	const most = 64
	if p := in.Reason; p != "" && len(p) <= most && t.Clean(in, f, p) {
		return p
	}
	return msg.StatusText(in.Status)
}

// Clean tells whether a text of the sending side may show on the other: it holds no control characters, no address, and nothing
// that is known of the sending side. It is how the package judges free text, for others who have some.
func (t *Table) Clean(in *msg.Message, f Flow, text string) bool { return t.Judge(in, f)(text) }

// Judge is Clean for many texts of one message: what must not show is gathered once. The function is not safe for concurrent use.
func (t *Table) Judge(in *msg.Message, f Flow) func(text string) bool {
	c := &collector{table: t, in: in, flow: f}
	return c.clean
}

// May tells whether a rule may write a line into a message for a trunk: it shows nothing that is known of the other side, and an
// asserted identity goes to trusted realms only.
func (t *Table) May(f Flow, name, value string) bool {
	if asserts(name) && !trusts(f.ToTrust) {
		return false
	}
	c := &collector{table: t, flow: f}
	return !c.secrets().Shows(value)
}

// collector gathers the headers that pass with one message.
type collector struct {
	table *Table
	in    *msg.Message
	flow  Flow
	// found is made when there is something to compare: most messages have nothing that passes.
	found   *Secrets
	out     []msg.Header
	bytes   int
	trusted bool
}

// collect looks for every header on the lists. The order of the answer is that of the lists, so that the order in which a device
// writes its headers does not show.
func (t *Table) collect(in *msg.Message, f Flow, where place) []msg.Header {
	trusted := trusts(f.FromTrust) && trusts(f.ToTrust)
	var made *collector // most messages have nothing that passes
	c := func() *collector {
		if made == nil {
			made = &collector{table: t, in: in, flow: f, trusted: trusted}
		}
		return made
	}
	for i := range builtin {
		r := &builtin[i]
		if r.where&where == 0 || r.asserted && !trusted || !in.Has(r.name) {
			continue
		}
		r.build(c(), r.name)
	}
	if where == inRequests && in.Method == msg.INVITE && trusts(f.ToTrust) {
		c().callers()
	}
	if where != withBodies && passes(f.FromTrunk) && passes(f.ToTrunk) {
		c().passed()
	}
	if made == nil {
		return nil
	}
	return made.out
}

// passes tells whether a trunk names headers that shall pass.
func passes(t *sbc.Trunk) bool { return t != nil && len(t.PassHeaders) > 0 }

// passed takes the headers that both trunks name, in the order of the trunk they go to.
func (c *collector) passed() {
	from := c.table.side(c.flow.FromTrunk).pass
	done := map[string]bool{}
	for _, name := range c.flow.ToTrunk.PassHeaders {
		canonical := msg.Canonical(name)
		if _, both := from[canonical]; !both || done[canonical] || Forbidden(canonical) || c.has(canonical) {
			continue
		}
		done[canonical] = true
		if claims(canonical) && (!trusts(c.flow.FromTrust) || asserts(canonical) && !c.trusted) {
			continue
		}
		for i, value := range c.in.GetAll(canonical) {
			if i == maxSame {
				break
			}
			if c.discreet(value) {
				c.add(name, value)
			}
		}
	}
}

// side is what is known of a trunk, or its list alone for a trunk the table does not know.
func (t *Table) side(trunk *sbc.Trunk) *side {
	if s := t.trunks[trunk.ID]; s != nil {
		return s
	}
	return &side{pass: passList(trunk)}
}

// has tells whether a header was taken already.
func (c *collector) has(canonical string) bool {
	for i := range c.out {
		if strings.EqualFold(c.out[i].Name, canonical) {
			return true
		}
	}
	return false
}

// add takes a header within the bounds.
func (c *collector) add(name, value string) {
	if value == "" || len(value) > maxValue || len(c.out) == maxTotal || c.bytes+len(value) > maxBytes {
		return
	}
	c.bytes += len(value)
	c.out = append(c.out, msg.Header{Name: name, Value: value})
}

// secrets are what must not show, gathered once for each message that needs it.
func (c *collector) secrets() *Secrets {
	if c.found == nil {
		if c.found = new(Secrets); c.in != nil {
			c.found = Gather(c.in)
		}
		c.found.Add(c.flow.Also...)
		if t := c.flow.FromTrunk; t != nil {
			if s := c.table.trunks[t.ID]; s != nil {
				c.found.join(&s.known)
			}
			if own := c.table.realms[t.RealmID]; own != nil {
				c.found.join(own)
			}
		}
	}
	return c.found
}

// clean judges a text that no list named: nothing of the sender's, and no address at all.
func (c *collector) clean(s string) bool {
	return len(s) <= maxValue && printable(s) && !holdsAddress(s) && !c.secrets().Shows(s)
}

// discreet judges a value that both trunks named: their word counts for addresses elsewhere, but nothing of the sender's shows.
func (c *collector) discreet(s string) bool {
	return len(s) <= maxValue && printable(s) && !c.secrets().Shows(s)
}

// trusts tells whether a realm's asserted identities are believed (RFC 3325 2.4, "Trust Domain").
func trusts(t sbc.Trust) bool { return t == sbc.TrustPeer || t == sbc.TrustCore }
