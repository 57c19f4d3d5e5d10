package msg

import (
	"net/netip"
	"slices"
	"strings"
)

// Peer is who is at the other end of a connection with TLS. It is shared by all messages of the connection and never written to.
type Peer struct {
	// Names are those in the certificate that the peer has shown and that was good: SIP domains and host names (RFC 5922 7.1), in lower
	// case. There are none where no certificate was asked for, shown or believed.
	Names []string
	// Name is the one we asked for; "" where the peer connected to us. Profile is the id of the TLS profile.
	Name, Profile string
	// Version and Cipher are what was agreed on, for example "TLS 1.3" and "TLS_AES_128_GCM_SHA256".
	Version, Cipher string
}

// Holds tells whether the peer is known by a name. Wildcards say nothing about SIP (RFC 5922 7.2). It may be called on nil.
func (p *Peer) Holds(name string) bool {
	return p != nil && name != "" && slices.Contains(p.Names, strings.ToLower(name))
}

// Again is the way back to where a message came from or went to: its connection, or one like it where that is gone.
func (h *Hop) Again(interfaces ...string) Target {
	t := Target{
		Host: h.Remote.Addr().String(), Port: int(h.Remote.Port()), Transport: h.Transport, Flow: h, Interfaces: interfaces,
	}
	t.Known(h.Peer)
	return t
}

// Known has a new connection to an address speak TLS as the one with the peer did, who must have the same name again: certificates seldom
// hold addresses. Where the target is a host's name, the certificate has to hold that.
func (t *Target) Known(p *Peer) {
	if p == nil {
		return
	}
	t.TLSProfile = p.Profile
	if _, err := netip.ParseAddr(t.Host); err != nil {
		return
	}
	if t.Name = p.Name; t.Name == "" && len(p.Names) > 0 {
		t.Name = p.Names[0]
	}
}
