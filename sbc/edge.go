package sbc

import (
	"fmt"
	"net/netip"
)

// Trust says how far the network behind a realm is believed.
type Trust string

// The degrees of trust.
const (
	TrustAccess Trust = "access" // phones on the open internet: asserted identities are dropped
	TrustPeer   Trust = "peer"   // carriers: asserted identities are believed and passed
	TrustCore   Trust = "core"   // our own network
)

// UnknownSource says what a request gets that no identity claims.
type UnknownSource string

// What strangers get.
const (
	UnknownDrop   UnknownSource = "drop"   // silence
	UnknownReject UnknownSource = "reject" // 403, sent without state
)

// Latching says to which source addresses media may attach itself.
type Latching string

// The latching rules (RFC 7362): never to an address that neither SDP nor signalling named.
const (
	LatchSDP Latching = "sdp" // only the address and port of the SDP
	LatchNAT Latching = "nat" // the address of the SDP or of the leg's signalling source, any port, once per change
)

// Realm is a network on one side of the border.
type Realm struct {
	Meta
	Trust         Trust         `json:"trust"`
	UnknownSource UnknownSource `json:"unknown_source"`
	Latching      Latching      `json:"latching"`
	// FloodProfileID bounds what strangers may send; without one the defaults of the profile hold in realms of trust access, and nothing
	// in others.
	FloodProfileID string `json:"flood_profile_id,omitempty"`
	// EgressAllow are networks to which names and addresses that callers supply (Contact, Refer-To, Route) may lead though they are
	// private, ours or a trunk's (features.md 13.6).
	EgressAllow []string `json:"egress_allow"`
	DefaultProfiles
}

// Kind names the kind.
func (*Realm) Kind() Kind { return KindRealm }

// Base gives the common fields.
func (r *Realm) Base() *Meta { return &r.Meta }

// Defaults are those of a realm towards carriers; silence for strangers; media latches as NAT needs it.
func (r *Realm) Defaults() {
	r.Trust, r.UnknownSource, r.Latching = TrustPeer, UnknownDrop, LatchNAT
	r.EgressAllow = []string{}
}

// Validate checks the enumerations.
func (r *Realm) Validate() []Fault {
	f := faults(r.Meta.validate())
	oneOf(&f, "#/trust", r.Trust, TrustAccess, TrustPeer, TrustCore)
	oneOf(&f, "#/unknown_source", r.UnknownSource, UnknownDrop, UnknownReject)
	oneOf(&f, "#/latching", r.Latching, LatchSDP, LatchNAT)
	f.entries("#/egress_allow", len(r.EgressAllow))
	for i, c := range r.EgressAllow {
		if _, err := ParseCIDR(c); err != nil {
			f.add(fmt.Sprintf("#/egress_allow/%d", i), "cidr", fmt.Sprintf("%q is not a network such as 192.0.2.0/28", c))
		}
	}
	r.DefaultProfiles.validate(&f)
	return f
}

// References lists the resources it needs.
func (r *Realm) References() []Reference {
	return refs(append(r.DefaultProfiles.references(),
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: r.TenantID},
		Reference{Pointer: "#/flood_profile_id", Kind: KindFloodProfile, ID: r.FloodProfileID},
	)...)
}

// Transport is how SIP travels.
type Transport string

// The transports served.
const (
	TransportUDP Transport = "udp"
	TransportTCP Transport = "tcp"
	TransportTLS Transport = "tls"
	TransportWS  Transport = "ws"  // RFC 7118
	TransportWSS Transport = "wss" // RFC 7118, in TLS
	// TransportAuto is an endpoint's whose transport DNS chooses (RFC 3263 4.1); nothing is sent by it.
	TransportAuto Transport = "auto"
)

// SIPInterface is an address of ours that speaks SIP in a realm.
type SIPInterface struct {
	Meta
	RealmID     string    `json:"realm_id"`
	Transport   Transport `json:"transport"`
	BindAddress string    `json:"bind_address"`
	Port        int       `json:"port"`
	// TLSProfileID says how TLS is spoken on it (tls, wss), and with those that it connects to unless their trunk says otherwise.
	TLSProfileID string `json:"tls_profile_id,omitempty"`
	// Origins are the origins (RFC 6454) of web pages whose WebSockets are accepted (ws, wss); "*" is any. Clients that name no origin,
	// which browsers always do, are accepted.
	Origins []string `json:"origins"`
	// AdvertisedAddress stands in Via and Contact instead of BindAddress when the border is behind 1:1 NAT.
	AdvertisedAddress string `json:"advertised_address,omitempty"`
	// AdvertisedSTUN asks a STUN server for that address.
	AdvertisedSTUN
	// MaxMessageBytes bounds one message; longer ones get 513 (streams are closed).
	MaxMessageBytes int `json:"max_message_bytes"`
	// MaxConnections bounds the connections accepted in all, MaxConnectionsPerSource those from one address.
	MaxConnections          int `json:"max_connections"`
	MaxConnectionsPerSource int `json:"max_connections_per_source"`
	// IdleTimeoutS closes a connection on which nothing came for so many seconds.
	IdleTimeoutS int `json:"idle_timeout_s"`
	// STUN answers Binding requests (RFC 8489) on a UDP interface's port; STUNPort, where it is not 0, on that port of the address too.
	STUN     bool `json:"stun"`
	STUNPort int  `json:"stun_port"`
}

// Kind names the kind.
func (*SIPInterface) Kind() Kind { return KindSIPInterface }

// Base gives the common fields.
func (i *SIPInterface) Base() *Meta { return &i.Meta }

// Defaults are a message of 64 KiB, 4096 connections, 50 of one source, 10 minutes of silence.
func (i *SIPInterface) Defaults() {
	i.Transport, i.Port = TransportUDP, 5060
	i.MaxMessageBytes = 65535
	i.MaxConnections, i.MaxConnectionsPerSource = 4096, 50
	i.IdleTimeoutS = 600
	i.Origins = []string{}
	i.STUN = true
	i.RefreshS = defaultSTUNRefresh
}

// Validate checks address, port and limits.
func (i *SIPInterface) Validate() []Fault {
	f := faults(i.Meta.validate())
	f.need("#/realm_id", i.RealmID)
	oneOf(&f, "#/transport", i.Transport, TransportUDP, TransportTCP, TransportTLS, TransportWS, TransportWSS)
	if i.Transport.Encrypted() {
		f.need("#/tls_profile_id", i.TLSProfileID)
	}
	f.origins("#/origins", i.Origins)
	f.address("#/bind_address", i.BindAddress, true)
	f.between("#/port", i.Port, 1, 65535)
	f.host("#/advertised_address", i.AdvertisedAddress, false)
	i.AdvertisedSTUN.validate(&f)
	f.between("#/max_message_bytes", i.MaxMessageBytes, 1500, 131072)
	f.between("#/max_connections", i.MaxConnections, 1, 65536)
	f.between("#/max_connections_per_source", i.MaxConnectionsPerSource, 1, 65536)
	f.between("#/idle_timeout_s", i.IdleTimeoutS, 5, 86400)
	f.between("#/stun_port", i.STUNPort, 0, 65535)
	return f
}

// References lists the resources it needs.
func (i *SIPInterface) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: i.TenantID},
		Reference{Pointer: "#/realm_id", Kind: KindRealm, ID: i.RealmID},
		Reference{Pointer: "#/tls_profile_id", Kind: KindTLSProfile, ID: i.TLSProfileID},
	)
}

// Bind is the address listened on.
func (i *SIPInterface) Bind() netip.AddrPort {
	a, _ := netip.ParseAddr(i.BindAddress)
	return netip.AddrPortFrom(a.Unmap(), uint16(i.Port))
}

// MediaPool is an address of ours with a range of ports for media in a realm.
type MediaPool struct {
	Meta
	RealmID string `json:"realm_id"`
	Address string `json:"address"`
	// AdvertisedAddress stands in SDP instead of Address when the border is behind 1:1 NAT.
	AdvertisedAddress string `json:"advertised_address,omitempty"`
	// AdvertisedSTUN asks a STUN server for that address.
	AdvertisedSTUN
	PortMin int `json:"port_min"`
	PortMax int `json:"port_max"`
}

// Kind names the kind.
func (*MediaPool) Kind() Kind { return KindMediaPool }

// Base gives the common fields.
func (p *MediaPool) Base() *Meta { return &p.Meta }

// Defaults are ports 30000 to 39999.
func (p *MediaPool) Defaults() {
	p.PortMin, p.PortMax = 30000, 39999
	p.RefreshS = defaultSTUNRefresh
}

// Validate checks the address and that the range holds at least one pair of an even port and the next one.
func (p *MediaPool) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.need("#/realm_id", p.RealmID)
	f.address("#/address", p.Address, false)
	f.address("#/advertised_address", p.AdvertisedAddress, false, optional)
	p.AdvertisedSTUN.validate(&f)
	f.between("#/port_min", p.PortMin, 1024, 65534)
	f.between("#/port_max", p.PortMax, 1025, 65535)
	if (p.PortMin+1)&^1+1 > p.PortMax {
		f.add("#/port_max", "out_of_range", "the range must hold an even port and the odd one after it")
	}
	return f
}

// References lists the resources it needs.
func (p *MediaPool) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID},
		Reference{Pointer: "#/realm_id", Kind: KindRealm, ID: p.RealmID},
	)
}

type addressOption int

const optional addressOption = 1

// address checks a literal IP address; unspecified ones ("listen on all") only where any is true.
func (f *faults) address(pointer, s string, any bool, options ...addressOption) {
	if s == "" {
		if len(options) == 0 {
			f.add(pointer, "required", "must be an IP address")
		}
		return
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || a.Zone() != "":
		f.add(pointer, "address", fmt.Sprintf("%q is not an IPv4 or IPv6 address", s))
	case a.IsUnspecified() && !any, a.IsMulticast():
		f.add(pointer, "address", fmt.Sprintf("%q cannot be used here: name one address of this machine", s))
	}
}

// host checks an IP address or a host name.
func (f *faults) host(pointer, s string, required bool) {
	if s == "" {
		if required {
			f.add(pointer, "required", "must be an IP address or a host name")
		}
		return
	}
	if !ValidHost(s) {
		f.add(pointer, "host", fmt.Sprintf("%q is neither an IP address nor a host name", s))
	}
}

// ValidHost tells whether s is an IP address (IPv6 without brackets) or a host name by RFC 1123 2.1; underscores are let pass
// because people use them in service names.
func ValidHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	label := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return false
			}
			label = 0
			continue
		case c == '-':
			if label == 0 {
				return false
			}
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return s[len(s)-1] != '-'
}
