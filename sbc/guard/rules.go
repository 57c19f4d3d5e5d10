package guard

import (
	"net/netip"
	"strings"
	"time"

	"github.com/gaissmai/bart"

	"github.com/sallyport/sallyport/sbc"
)

// Realm says what holds for the interfaces of a realm.
type Realm struct {
	ID         string
	Interfaces []string // ids of SIP interfaces
	// Profile bounds what sources may send; nil is no bound, and bans of all realms hold all the same.
	Profile *sbc.FloodProfile
	// Exempt are networks that are never counted, besides those of the profile.
	Exempt []netip.Prefix
	// Egress bounds where what callers supply may lead; nil is nothing.
	Egress *Egress
}

// rules are what is in force. They are immutable; Configure puts new ones in their place.
type rules struct {
	interfaces map[string]*realm
	realms     map[string]*realm
}

// realm is a Realm, compiled.
type realm struct {
	id      string
	number  uint32 // the same as long as the process lives
	profile *sbc.FloodProfile
	observe bool
	window  int64 // microseconds
	limits  [kinds]int
	factors [3]int
	exempt  bart.Lite
	egress  *egress // nil is no bound
	// patterns are those of scanners in lower case.
	patterns [][]byte
	tree     *pike // nil unless the profile is compatible
}

// answersPer is how many responses may come for each other request that may: each request of ours may have several.
const answersPer = 10

// Configure puts rules in force. Windows and bans go on.
func (g *Guard) Configure(realms []Realm) {
	g.configuring.Lock()
	defer g.configuring.Unlock()
	old := g.rules.Load()
	next := &rules{interfaces: map[string]*realm{}, realms: map[string]*realm{}}
	for _, r := range realms {
		c := g.compile(r, old.realms[r.ID])
		next.realms[r.ID] = c
		for _, id := range r.Interfaces {
			next.interfaces[id] = c
		}
	}
	g.rules.Store(next)
}

func (g *Guard) compile(r Realm, before *realm) *realm {
	c := &realm{id: r.ID, egress: r.Egress.compile()}
	if before != nil {
		c.number = before.number
	} else {
		g.realms++
		c.number = g.realms
	}
	p := r.Profile
	if p == nil || p.Mode == sbc.GuardOff {
		return c
	}
	c.profile, c.observe = p, p.Mode == sbc.GuardObserve
	c.window = (time.Duration(p.WindowMS) * time.Millisecond).Microseconds()
	c.limits = [kinds]int{
		kindRegister: p.Register, kindInvite: p.Invite, kindOptions: p.Options, kindOther: p.Other, kindMalformed: p.Malformed,
		kindResponse: answersPer * p.Other, kindSTUN: p.Other,
	}
	c.factors = [3]int{1, p.Prefix64Factor, p.Prefix48Factor}
	for _, n := range p.Exempt {
		if prefix, err := sbc.ParseCIDR(n); err == nil { // Validate has seen to it
			c.exempt.Insert(prefix)
		}
	}
	for _, n := range r.Exempt {
		c.exempt.Insert(n)
	}
	for _, s := range p.Scanners {
		c.patterns = append(c.patterns, []byte(strings.ToLower(s)))
	}
	if !p.Compat {
		return c
	}
	unit := time.Duration(p.WindowMS) * time.Millisecond
	if before != nil && before.tree != nil && before.tree.density == p.Other && before.tree.unit == unit {
		c.tree = before.tree
	} else {
		c.tree = &pike{density: p.Other, unit: unit}
	}
	return c
}

// spares tells whether the profile exempts an address.
func (r *realm) spares(a netip.Addr) bool { return r.exempt.Contains(a) }
