package relay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is an address in the kernel's form: family in host order, port and address in network order.
type sockaddr struct {
	raw [unix.SizeofSockaddrInet6]byte
	len uint32
}

func makeSockaddr(a netip.AddrPort) sockaddr {
	var s sockaddr
	ip := a.Addr().Unmap()
	binary.BigEndian.PutUint16(s.raw[2:], a.Port())
	if ip.Is4() {
		binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET)
		b := ip.As4()
		copy(s.raw[4:], b[:])
		s.len = unix.SizeofSockaddrInet4
		return s
	}
	binary.NativeEndian.PutUint16(s.raw[:], unix.AF_INET6)
	b := ip.As16()
	copy(s.raw[8:], b[:])
	s.len = unix.SizeofSockaddrInet6
	return s
}

// addrPort reads the address back. Zones are dropped: media never comes from a link-local peer we would answer.
func (s *sockaddr) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(s.raw[2:])
	switch binary.NativeEndian.Uint16(s.raw[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(s.raw[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(s.raw[8:24])).Unmap(), port)
	default:
		return netip.AddrPort{}
	}
}

// receiveFrom is recvfrom(2) without telling Go's scheduler: the socket never blocks, so there is nothing to tell. n < 0 means
// that nothing was there.
func receiveFrom(fd int, b []byte, from *sockaddr) (n int) {
	from.len = uint32(len(from.raw))
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&from.raw)), uintptr(unsafe.Pointer(&from.len)))
	if errno != 0 {
		return -1
	}
	return int(r)
}

// sendTo is sendto(2) in the same way.
func sendTo(fd int, b []byte, to *sockaddr) bool {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL,
		uintptr(unsafe.Pointer(&to.raw)), uintptr(to.len))
	return errno == 0
}

// poll is epoll_wait(2) that returns at once.
func poll(epfd int, events []unix.EpollEvent) int {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(r)
}
