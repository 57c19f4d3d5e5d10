package sbc

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
)

// Trunk is one counterparty, for calls in both directions.
type Trunk struct {
	Meta
	RealmID string `json:"realm_id"`
	// RoutingPlanID routes the calls that come from this trunk; without one they get 403.
	RoutingPlanID string `json:"routing_plan_id,omitempty"`
	// MaxCalls bounds the calls in progress in both directions together; 0 is no bound.
	MaxCalls int `json:"max_calls"`
	// MaxCallsPerSecond bounds the calls that come from this trunk; 0 is no bound.
	MaxCallsPerSecond int `json:"max_calls_per_second"`
	// NoResponseTimeoutMS is how long an attempt waits for a first answer before the next one is tried.
	NoResponseTimeoutMS int `json:"no_response_timeout_ms"`
	// RingTimeoutS is how long an attempt may ring.
	RingTimeoutS int `json:"ring_timeout_s"`
	// MaxCallDurationS ends a call that lasts longer; the smaller of both trunks counts.
	MaxCallDurationS int `json:"max_call_duration_s"`
	// FailoverCodes are the answers after which the next attempt is tried: "503", or "5xx" for a class.
	FailoverCodes []string `json:"failover_codes"`
	// PassMethods are the in-dialog requests besides those of the call itself that are carried to the other side.
	PassMethods []string `json:"pass_methods"`
	// PassHeaders are headers, besides the built-in list, that may pass to and from this trunk.
	PassHeaders []string `json:"pass_headers"`
	// MediaTimeoutS ends an answered call in which neither side sent media for so long; 0 is never.
	MediaTimeoutS int `json:"media_timeout_s"`
	// MediaHoldTimeoutS is the same while the call is on hold.
	MediaHoldTimeoutS int `json:"media_hold_timeout_s"`
	// The profiles of the trunk; without one it has the defaults of the profile.
	SignallingProfileID string `json:"signalling_profile_id,omitempty"`
	MediaProfileID      string `json:"media_profile_id,omitempty"`
	HeaderProfileID     string `json:"header_profile_id,omitempty"`
	// LimitProfileIDs all bound the calls to and from the trunk.
	LimitProfileIDs []string       `json:"limit_profile_ids"`
	CallerIdentity  CallerIdentity `json:"caller_identity"`
}

// Kind names the kind.
func (*Trunk) Kind() Kind { return KindTrunk }

// Base gives the common fields.
func (t *Trunk) Base() *Meta { return &t.Meta }

// Defaults: 4 s for a first answer, 120 s of ringing, 4 hours of call, failover on 408 and 5xx, INFO and MESSAGE carried,
// dead after 60 s without media, 600 s on hold.
func (t *Trunk) Defaults() {
	t.NoResponseTimeoutMS, t.RingTimeoutS, t.MaxCallDurationS = 4000, 120, 14400
	t.FailoverCodes = []string{"408", "5xx"}
	t.PassMethods = []string{"INFO", "MESSAGE"}
	t.PassHeaders = []string{}
	t.MediaTimeoutS, t.MediaHoldTimeoutS = 60, 600
	t.LimitProfileIDs = []string{}
	t.CallerIdentity.defaults()
}

var (
	failoverCode = regexp.MustCompile(`^([3-6]xx|[3-6][0-9][0-9])$`)
	headerName   = regexp.MustCompile("^[A-Za-z0-9.!%*_+`'~-]{1,64}$")
)

// neverPassed are headers that identify or steer one side's dialog: no list of PassHeaders can let them through.
var neverPassed = map[string]bool{
	"via": true, "v": true, "from": true, "f": true, "to": true, "t": true, "call-id": true, "i": true, "cseq": true, "contact": true, "m": true,
	"route": true, "record-route": true, "max-forwards": true, "content-length": true, "l": true, "path": true,
	"service-route": true, "authorization": true, "proxy-authorization": true, "www-authenticate": true,
	"proxy-authenticate": true, "user-agent": true, "server": true,
}

// Validate checks ranges and lists.
func (t *Trunk) Validate() []Fault {
	f := faults(t.Meta.validate())
	f.need("#/realm_id", t.RealmID)
	f.between("#/max_calls", t.MaxCalls, 0, 1_000_000)
	f.between("#/max_calls_per_second", t.MaxCallsPerSecond, 0, 100_000)
	f.between("#/no_response_timeout_ms", t.NoResponseTimeoutMS, 100, 32_000)
	f.between("#/ring_timeout_s", t.RingTimeoutS, 1, 600)
	f.between("#/max_call_duration_s", t.MaxCallDurationS, 1, 86_400)
	f.between("#/media_timeout_s", t.MediaTimeoutS, 0, 86_400)
	f.between("#/media_hold_timeout_s", t.MediaHoldTimeoutS, 0, 86_400)
	if len(t.FailoverCodes) > 64 {
		f.add("#/failover_codes", "too_many", "at most 64 codes are allowed")
	}
	for i, c := range t.FailoverCodes {
		if !failoverCode.MatchString(c) {
			f.add(fmt.Sprintf("#/failover_codes/%d", i), "pattern", fmt.Sprintf("%q is neither a final code such as \"503\" nor a class such as \"5xx\"", c))
		}
	}
	for i, m := range t.PassMethods {
		oneOf(&f, fmt.Sprintf("#/pass_methods/%d", i), m, "INFO", "MESSAGE")
	}
	f.entries("#/limit_profile_ids", len(t.LimitProfileIDs))
	t.CallerIdentity.validate(&f, "#/caller_identity")
	if len(t.PassHeaders) > 64 {
		f.add("#/pass_headers", "too_many", "at most 64 headers are allowed")
	}
	for i, h := range t.PassHeaders {
		switch p := fmt.Sprintf("#/pass_headers/%d", i); {
		case !headerName.MatchString(h):
			f.add(p, "pattern", fmt.Sprintf("%q is not a header name", h))
		case neverPassed[lower(h)]:
			f.add(p, "forbidden", fmt.Sprintf("%q belongs to one side's dialog and never passes", h))
		}
	}
	return f
}

// References lists the resources it needs.
func (t *Trunk) References() []Reference {
	list := []Reference{
		{Pointer: "#/tenant_id", Kind: KindTenant, ID: t.TenantID},
		{Pointer: "#/realm_id", Kind: KindRealm, ID: t.RealmID},
		{Pointer: "#/routing_plan_id", Kind: KindRoutingPlan, ID: t.RoutingPlanID},
		{Pointer: "#/signalling_profile_id", Kind: KindSignallingProfile, ID: t.SignallingProfileID},
		{Pointer: "#/media_profile_id", Kind: KindMediaProfile, ID: t.MediaProfileID},
		{Pointer: "#/header_profile_id", Kind: KindHeaderProfile, ID: t.HeaderProfileID},
	}
	return refs(append(list, limits(t.LimitProfileIDs)...)...)
}

// limits are the references to limit profiles.
func limits(ids []string) []Reference {
	list := make([]Reference, len(ids))
	for i, id := range ids {
		list[i] = Reference{Pointer: fmt.Sprintf("#/limit_profile_ids/%d", i), Kind: KindLimitProfile, ID: id}
	}
	return list
}

// Advances tells whether the next attempt is tried after a final code.
func (t *Trunk) Advances(code int) bool {
	exact, class := strconv.Itoa(code), strconv.Itoa(code/100)+"xx"
	for _, c := range t.FailoverCodes {
		if c == exact || c == class {
			return true
		}
	}
	return false
}

// Endpoint is an address to which calls of a trunk go.
type Endpoint struct {
	Meta
	TrunkID string `json:"trunk_id"`
	// Address is an IP address or a name; a name without a port is looked up by RFC 3263 (SRV, then A and AAAA).
	Address string `json:"address"`
	// Port is 0 where the transport's default or the SRV record says it.
	Port      int       `json:"port"`
	Transport Transport `json:"transport"`
	// Priority: smaller is tried first. Weight: the share among equals, as in RFC 2782.
	Priority int `json:"priority"`
	Weight   int `json:"weight"`
	// Strip removes so many leading characters of the number, then Prefix is put before it.
	Strip  int    `json:"strip"`
	Prefix string `json:"prefix,omitempty"`
	// LimitProfileIDs all bound the calls to the endpoint.
	LimitProfileIDs []string `json:"limit_profile_ids"`
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
	oneOf(&f, "#/transport", e.Transport, TransportUDP, TransportTCP)
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
	case err != nil:
		f.add("#/cidr", "cidr", fmt.Sprintf("%q is not a network such as 192.0.2.0/28 or 2001:db8::/64", i.CIDR))
	case p.Bits() == 0:
		f.add("#/cidr", "too_wide", "a network of length 0 would let everyone in")
	}
	f.between("#/port", i.Port, 0, 65535)
	if i.Transport != "" {
		oneOf(&f, "#/transport", i.Transport, TransportUDP, TransportTCP)
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
