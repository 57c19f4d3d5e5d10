package sbc

import (
	"fmt"
	"net/netip"
	"regexp"
)

// Trunk is one counterparty, for calls in both directions.
type Trunk struct {
	Meta
	RealmID string `json:"realm_id"`
	Terms
	// Selection is the order in which the endpoints of one priority are tried.
	Selection Selection `json:"selection"`
	// OutboundProxy, where set, is where requests for the trunk go that begin a dialog or belong to none, whatever endpoint they are for:
	// host, or host and port. Within a dialog it is the proxy's own Record-Route that keeps it on the way (RFC 3261 12.2.1.1).
	OutboundProxy string `json:"outbound_proxy,omitempty"`
	// TLSProfileID says how TLS is spoken with it: our certificate there, and whom we believe; "" is that of the SIP interface.
	TLSProfileID string `json:"tls_profile_id,omitempty"`
	// Credentials answer challenges of the trunk to our INVITE, re-INVITE, BYE and the like (RFC 3261 22.2).
	Credentials ClientCredentials `json:"credentials"`
	Probe       Probe             `json:"probe"`
	Outlier     Outlier           `json:"outlier"`
	Drain
}

// NextHop is where a request to an address of the trunk is sent: there, or to the outbound proxy.
func (t *Trunk) NextHop(address string, port int) (host string, at int) {
	if t.OutboundProxy != "" {
		if h, p, ok := SplitHost(t.OutboundProxy); ok {
			return h, p
		}
	}
	return address, port
}

// Kind names the kind.
func (*Trunk) Kind() Kind { return KindTrunk }

// Base gives the common fields.
func (t *Trunk) Base() *Meta { return &t.Meta }

// Defaults are those of the terms: 120 s of ringing; endpoints by weight, not probed.
func (t *Trunk) Defaults() {
	t.Terms.defaults()
	t.Selection = SelectWeighted
	t.Probe.defaults()
	t.Outlier.defaults()
}

// Validate checks realm and terms.
func (t *Trunk) Validate() []Fault {
	f := faults(t.Meta.validate())
	f.need("#/realm_id", t.RealmID)
	t.Terms.validate(&f)
	oneOf(&f, "#/selection", t.Selection, SelectWeighted, SelectOrder, SelectRoundRobin, SelectRandom, SelectHashCaller, SelectHashCallee,
		SelectHashCall, SelectLeastCalls, SelectHeadroom)
	if p := t.OutboundProxy; p != "" {
		if _, _, ok := SplitHost(p); !ok {
			f.add("#/outbound_proxy", "host", fmt.Sprintf("%q is neither a host nor a host and a port", p))
		}
	}
	t.Credentials.validate(&f, "#/credentials")
	if t.Credentials.Given() && t.Credentials.Username == "" {
		f.add("#/credentials/username", "required", "must be given with a password")
	}
	t.Probe.validate(&f, "#/probe")
	t.Outlier.validate(&f, "#/outlier")
	return f
}

// References lists the resources it needs.
func (t *Trunk) References() []Reference {
	return refs(append([]Reference{
		{Pointer: "#/tenant_id", Kind: KindTenant, ID: t.TenantID},
		{Pointer: "#/realm_id", Kind: KindRealm, ID: t.RealmID},
		{Pointer: "#/tls_profile_id", Kind: KindTLSProfile, ID: t.TLSProfileID},
	}, t.Terms.references()...)...)
}

// Endpoint is an address to which calls of a trunk go.
type Endpoint struct {
	Meta
	TrunkID string `json:"trunk_id"`
	// Address is an IP address or a name; a name without a port is looked up by RFC 3263 (SRV, then A and AAAA).
	Address string `json:"address"`
	// Port is 0 where the transport's default or the SRV record says it.
	Port int `json:"port"`
	// Transport is UDP, TCP, or TransportAuto, where DNS chooses.
	Transport Transport `json:"transport"`
	// Priority: smaller is tried first. Weight: the share among equals, as in RFC 2782.
	Priority int `json:"priority"`
	Weight   int `json:"weight"`
	// Strip removes so many leading characters of the number, then Prefix is put before it.
	Strip  int    `json:"strip"`
	Prefix string `json:"prefix,omitempty"`
	// LimitProfileIDs all bound the calls to the endpoint.
	LimitProfileIDs []string `json:"limit_profile_ids"`
	Drain
}

// Kind names the kind.
func (*Endpoint) Kind() Kind { return KindEndpoint }

// Base gives the common fields.
func (e *Endpoint) Base() *Meta { return &e.Meta }

// Defaults are UDP and weight 1. (Weight 0 is refused: who means "never" says enabled: false.)
func (e *Endpoint) Defaults() { e.Transport, e.Weight, e.LimitProfileIDs = TransportUDP, 1, []string{} }

// Validate checks address, ranges and digits.
func (e *Endpoint) Validate() []Fault {
	f := faults(e.Meta.validate())
	f.need("#/trunk_id", e.TrunkID)
	f.host("#/address", e.Address, true)
	f.between("#/port", e.Port, 0, 65535)
	oneOf(&f, "#/transport", e.Transport, TransportUDP, TransportTCP, TransportTLS, TransportAuto)
	f.order(e.Priority, e.Weight)
	f.between("#/strip", e.Strip, 0, 32)
	f.number("#/prefix", e.Prefix)
	f.entries("#/limit_profile_ids", len(e.LimitProfileIDs))
	return f
}

// References lists the resources it needs.
func (e *Endpoint) References() []Reference {
	list := []Reference{
		{Pointer: "#/tenant_id", Kind: KindTenant, ID: e.TenantID},
		{Pointer: "#/trunk_id", Kind: KindTrunk, ID: e.TrunkID, Owns: true},
	}
	return refs(append(list, limits(e.LimitProfileIDs)...)...)
}

// NamedTransport is the transport that is named for it, "" where DNS chooses (RFC 3263 4.1).
func (e *Endpoint) NamedTransport() Transport {
	if e.Transport == TransportAuto {
		return ""
	}
	return e.Transport
}

// Identity is a way to recognise that a request comes from a trunk.
type Identity struct {
	Meta
	TrunkID string `json:"trunk_id"`
	// CIDR is the source network, for example "192.0.2.0/28"; a lone address counts as its own network.
	CIDR string `json:"cidr"`
	// Port, SIPInterfaceID, Transport and TechPrefix narrow it where they are set.
	Port           int       `json:"port"`
	SIPInterfaceID string    `json:"sip_interface_id,omitempty"`
	Transport      Transport `json:"transport,omitempty"`
	// TLSName, where set, is a name that the certificate must hold that the peer shows and that is good by the profile of the SIP interface
	// (mTLS; RFC 5922 7.1); CIDR may then be left out.
	TLSName string `json:"tls_name,omitempty"`
	// TechPrefix is what the dialled number must begin with; it is removed.
	TechPrefix string `json:"tech_prefix,omitempty"`
}

// Kind names the kind.
func (*Identity) Kind() Kind { return KindIdentity }

// Base gives the common fields.
func (i *Identity) Base() *Meta { return &i.Meta }

// Defaults has nothing to set.
func (*Identity) Defaults() {}

// Validate refuses networks that hold everyone: such an identity would be a default trunk.
func (i *Identity) Validate() []Fault {
	f := faults(i.Meta.validate())
	f.need("#/trunk_id", i.TrunkID)
	switch p, err := ParseCIDR(i.CIDR); {
	case i.CIDR == "" && i.TLSName != "":
	case err != nil:
		f.add("#/cidr", "cidr", fmt.Sprintf("%q is not a network such as 192.0.2.0/28 or 2001:db8::/64", i.CIDR))
	case p.Bits() == 0:
		f.add("#/cidr", "too_wide", "a network of length 0 would let everyone in")
	}
	f.between("#/port", i.Port, 0, 65535)
	if i.Transport != "" {
		oneOf(&f, "#/transport", i.Transport, TransportUDP, TransportTCP, TransportTLS, TransportWS, TransportWSS)
	}
	f.host("#/tls_name", i.TLSName, false)
	if i.TLSName != "" && i.Transport != "" && !i.Transport.Encrypted() {
		f.add("#/tls_name", "conflict", "a transport without TLS shows no certificate")
	}
	f.number("#/tech_prefix", i.TechPrefix)
	return f
}

// References lists the resources it needs.
func (i *Identity) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: i.TenantID},
		Reference{Pointer: "#/trunk_id", Kind: KindTrunk, ID: i.TrunkID, Owns: true},
		Reference{Pointer: "#/sip_interface_id", Kind: KindSIPInterface, ID: i.SIPInterfaceID},
	)
}

// ParseCIDR reads a network or a lone address; IPv4 in IPv6 is unmapped and host bits are cleared.
func ParseCIDR(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("network %s mixes IPv4 and IPv6", s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

var dialled = regexp.MustCompile(`^[+0-9A-Za-z*#._-]{0,32}$`)

// number checks a piece of a dialled number.
func (f *faults) number(pointer, s string) {
	if !dialled.MatchString(s) {
		f.add(pointer, "pattern", fmt.Sprintf("%q may hold at most 32 of + digits letters * # . _ -", s))
	}
}

// order checks priority and weight.
func (f *faults) order(priority, weight int) {
	f.between("#/priority", priority, 0, 65535)
	f.between("#/weight", weight, 1, 65535)
}

// lower folds ASCII, which is all that names of headers hold.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
