//go:build !linux

package relay

import "net/netip"

// sockaddr is the form of an address the system wants; package net makes it itself.
type sockaddr struct{}

func makeSockaddr(netip.AddrPort) sockaddr { return sockaddr{} }

// New gives the best Mover of this system.
func New(o Options) (Mover, error) { return NewPortable(o), nil }
