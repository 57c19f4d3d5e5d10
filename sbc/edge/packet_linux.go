package edge

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// blockingPacket is an IPv4 UDP socket that is read in a blocking system call, beside Go's network poller. With the poller a
// message costs two reads and an epoll_wait, and each time all processors fall idle between two messages the runtime's monitor
// begins anew with its naps of 20 µs: at 500 calls a second that was an eighth of the processor time. A processor whose goroutine
// is in a system call does not count as idle, and is taken away from it when others need it.
type blockingPacket struct {
	fd     int
	addr   *net.UDPAddr
	closed atomic.Bool
	users  sync.RWMutex // held by who uses fd, so that its number is not given away meanwhile
	ended  func()
	// batch is the reader's, nil unless it is in a hurry.
	batch   *batch
	hurried bool
}

// wakeAfter is how long a read blocks at most: the net below Close, which wakes the reader at once.
const wakeAfter = 5

// unpolled takes a socket out of the poller. Where that is not possible it stays as it is. At most half of the processors may be in
// such reads: the runtime takes up to 10 ms to find out that others need them. IPv6 stays with the poller, which knows zones.
func (e *Edge) unpolled(p packetConn) packetConn {
	c, ok := p.(*net.UDPConn)
	if !ok {
		return p
	}
	addr, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok || addr.IP.To4() == nil {
		return p
	}
	if e.blocking.Add(1) > int64(runtime.GOMAXPROCS(0)/2) {
		e.blocking.Add(-1)
		return p
	}
	fd, err := duplicate(c)
	if err != nil {
		e.blocking.Add(-1)
		e.log.Warn("edge: reading by the network poller", "address", addr, "error", err)
		return p
	}
	_ = c.Close() // the socket lives on in our descriptor
	return &blockingPacket{fd: fd, addr: addr, ended: func() { e.blocking.Add(-1) }}
}

// duplicate gives a descriptor of the same socket, in blocking mode.
func duplicate(c *net.UDPConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	if failed := raw.Control(func(theirs uintptr) { fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0) }); failed != nil {
		return -1, failed
	}
	if err != nil {
		return -1, err
	}
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: wakeAfter}); err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// LocalAddr is the address bound to.
func (p *blockingPacket) LocalAddr() net.Addr { return p.addr }

// ReadFromUDPAddrPort waits for a datagram.
func (p *blockingPacket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	if !p.left() {
		runtime.Gosched() // what the last datagram set going shall not wait for the next
	}
	if n, from, ok := p.many(b); ok {
		return n, from, nil
	}
	p.users.RLock()
	defer p.users.RUnlock()
	var from unix.RawSockaddrInet4
	for !p.closed.Load() {
		size := uint32(unix.SizeofSockaddrInet4)
		n, _, errno := syscall.Syscall6(unix.SYS_RECVFROM, uintptr(p.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0,
			uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
		switch {
		case p.closed.Load() || errno == unix.EINTR || errno == unix.EAGAIN: // closed, a signal, or wakeAfter
		case errno != 0:
			return 0, netip.AddrPort{}, errno
		default:
			port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&from.Port))[:])
			return int(n), netip.AddrPortFrom(netip.AddrFrom4(from.Addr), port), nil
		}
	}
	return 0, netip.AddrPort{}, net.ErrClosed
}

// WriteToUDPAddrPort gives a datagram to the system and does not wait: while its buffer is full the error is ENOBUFS.
func (p *blockingPacket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.users.RLock()
	defer p.users.RUnlock()
	addr := to.Addr().Unmap()
	switch {
	case p.closed.Load():
		return 0, net.ErrClosed
	case !addr.Is4() || len(b) == 0:
		return 0, unix.EINVAL
	}
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: addr.As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], to.Port())
	for {
		// Raw, without telling the scheduler: it never waits.
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet4)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.ENOBUFS
		default:
			return 0, errno
		}
	}
}

// Close wakes the reader and waits until nobody uses the socket.
func (p *blockingPacket) Close() error {
	if p.closed.Swap(true) {
		return net.ErrClosed
	}
	// Linux wakes the readers of a UDP socket although it says ENOTCONN.
	if err := unix.Shutdown(p.fd, unix.SHUT_RD); err != nil && err != unix.ENOTCONN {
		return err
	}
	p.users.Lock()
	defer p.users.Unlock()
	p.ended()
	return unix.Close(p.fd)
}
