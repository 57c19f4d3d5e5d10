package identify

import (
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Source is where a request came from.
type Source struct {
	// Addr and Port are the packet's or connection's own, never what a header says.
	Addr netip.Addr
	Port int
	// Interface is the id of the SIP interface that received it.
	Interface string
	Transport sbc.Transport
	// Names are those of the certificate that the peer has shown and that was good (RFC 5922 7.1), in lower case.
	Names []string
}

// From tells where a message came from.
func From(h msg.Hop) Source {
	s := Source{Addr: h.Remote.Addr(), Port: int(h.Remote.Port()), Interface: h.Interface, Transport: h.Transport}
	if h.Peer != nil {
		s.Names = h.Peer.Names
	}
	return s
}

// Caller is the decision: the trunk, or domain, a request belongs to, and why.
type Caller struct {
	TrunkID    string
	IdentityID string
	// SubscriberID is the subscriber of the domain TrunkID whose access rule IdentityID is; empty for callers of trunks.
	SubscriberID string
	// Number is what was dialled without the tech prefix.
	Number string
	// Reason says in words which identity decided, or why none did.
	Reason string
}

// The reasons for strangers.
const (
	reasonInterface = "the request came in on no active interface"
	reasonAddress   = "no identity covers the source address in the interface's realm"
	reasonNarrowed  = "identities cover the source address, but none allows its port, interface, transport and dialled prefix"
)

// Table finds the trunk of a request. The zero Table knows nobody.
type Table struct {
	// realms finds the networks to look at by the interface's id.
	realms map[string]*realm
}

// realm holds the networks of one realm.
type realm struct {
	networks bart.Table[*network]
	// certified are those of identities that ask for a certificate. What it says is worth more than any address: they are looked at first.
	certified bart.Table[*network]
}

// network is one CIDR with all identities that name it.
type network struct {
	// wider is the next shorter network that covers this one.
	wider *network
	// kinds are the ways in which its identities are narrowed, the most particular first: at most eight.
	kinds []kind
}

// kind groups identities that set the same fields.
type kind struct {
	port, iface, transport bool
	claims                 map[selector]*claims
}

// selector is what a kind compares; fields that are not set are zero.
type selector struct {
	port      int
	iface     string
	transport sbc.Transport
	// name is what a certificate has to hold; "" among networks, never among certified ones.
	name string
}

// claims are the identities of one selector by tech prefix.
type claims struct {
	// lengths of the prefixes in use, the longest first.
	lengths  []int
	byPrefix map[string]*claim
}

// claim is one identity, ready to answer.
type claim struct {
	trunkID, identityID, subscriberID, reason string
}

// Identify names the trunk that a request belongs to. Dialled is the user part of the Request-URI. For a stranger it gives false
// and a Caller that holds only the Reason.
func (t *Table) Identify(src Source, dialled string) (Caller, bool) {
	return t.find(src, func(c *claims) (*claim, int) { return c.longest(dialled) }, dialled)
}

// Known names the trunk that a source belongs to whatever was dialled, for requests that dial nothing (OPTIONS, or a request
// within a dialog that is gone). Where several tech prefixes share a source, the one with the longest prefix answers.
func (t *Table) Known(src Source) (Caller, bool) {
	return t.find(src, func(c *claims) (*claim, int) { return c.any(), 0 }, "")
}

// find walks from the longest network that covers the source to the shortest.
func (t *Table) find(src Source, pick func(*claims) (*claim, int), dialled string) (Caller, bool) {
	r := t.realms[src.Interface]
	if r == nil {
		return Caller{Reason: reasonInterface}, false
	}
	addr := src.Addr.Unmap().WithZone("")
	if len(src.Names) > 0 {
		if n, ok := r.certified.Lookup(addr); ok {
			for _, name := range src.Names {
				if hit, cut := n.find(src, name, pick); hit != nil {
					return hit.caller(dialled[cut:]), true
				}
			}
		}
	}
	n, ok := r.networks.Lookup(addr)
	if !ok {
		return Caller{Reason: reasonAddress}, false
	}
	if hit, cut := n.find(src, "", pick); hit != nil {
		return hit.caller(dialled[cut:]), true
	}
	return Caller{Reason: reasonNarrowed}, false
}

// find walks from a network to the widest that covers it.
func (n *network) find(src Source, name string, pick func(*claims) (*claim, int)) (hit *claim, cut int) {
	for ; n != nil; n = n.wider {
		for i := range n.kinds {
			at := n.kinds[i].of(src)
			at.name = name
			if c := n.kinds[i].claims[at]; c != nil {
				if hit, cut = pick(c); hit != nil {
					return hit, cut
				}
			}
		}
	}
	return nil, 0
}

// caller is the decision for a claim.
func (c *claim) caller(number string) Caller {
	return Caller{TrunkID: c.trunkID, IdentityID: c.identityID, SubscriberID: c.subscriberID, Number: number, Reason: c.reason}
}

// of reduces a source to the fields that this kind compares.
func (k *kind) of(src Source) selector {
	var s selector
	if k.port {
		s.port = src.Port
	}
	if k.iface {
		s.iface = src.Interface
	}
	if k.transport {
		s.transport = src.Transport
	}
	return s
}

// longest finds the claim with the longest prefix of what was dialled, and that prefix's length.
func (c *claims) longest(dialled string) (*claim, int) {
	for _, n := range c.lengths {
		if n > len(dialled) {
			continue
		}
		if hit := c.byPrefix[dialled[:n]]; hit != nil {
			return hit, n
		}
	}
	return nil, 0
}

// any gives the claim with the longest prefix, the smallest of them if there are several.
func (c *claims) any() *claim {
	least := ""
	var found *claim
	for prefix, hit := range c.byPrefix {
		if len(prefix) == c.lengths[0] && (found == nil || strings.Compare(prefix, least) < 0) {
			found, least = hit, prefix
		}
	}
	return found
}
