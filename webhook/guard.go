package webhook

import (
	"net"
	"net/netip"
	"syscall"
)

// refuseLocal is asked for each address before a connection to it is made.
func refuseLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrForbidden
	}
	if own, err := net.InterfaceAddrs(); err != nil || forbidden(at.Addr(), own) {
		return ErrForbidden
	}
	return nil
}

// forbidden tells whether an address is never called: what leads nowhere but to this machine or its link, and services that
// tell a cloud's machines their secrets.
func forbidden(a netip.Addr, own []net.Addr) bool {
	a = plain(a)
	switch {
	case !a.IsValid(), a.IsLoopback(), a.IsUnspecified(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return true
	case a.Is4() && a.As4()[0] == 0, a.Is4() && a.As4()[0] >= 240: // RFC 1122 3.2.1.3, RFC 1112 4
		return true
	case a == metadata4(), a == metadata6():
		return true
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == a {
				return true
			}
		}
	}
	return false
}

// plain takes IPv4 out of the forms in which IPv6 may hold it: mapped (RFC 4291 2.5.5.2), compatible (2.5.5.1), translated (RFC
// 6052), 6to4 (RFC 3056).
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	b := a.As16()
	v4 := func(from int) netip.Addr { return netip.AddrFrom4([4]byte(b[from : from+4])) }
	switch {
	case netip.PrefixFrom(netip.IPv6Unspecified(), 96).Contains(a) && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback():
		return v4(12)
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
		return v4(12)
	case b[0] == 0x20 && b[1] == 0x02:
		return v4(2)
	}
	return a
}

// metadata4 and metadata6 are where clouds serve metadata beyond the link-local address: Alibaba's and AWS's.
func metadata4() netip.Addr { return netip.AddrFrom4([4]byte{100, 100, 100, 200}) }

func metadata6() netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 0, 0x0e, 0xc2, 14: 0x02, 15: 0x54})
}
