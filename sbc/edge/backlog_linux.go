package edge

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory reads what a socket holds and may hold: the first two numbers of SO_MEMINFO (sock_diag(7), SK_MEMINFO_RMEM_ALLOC and
// SK_MEMINFO_RCVBUF).
func memory(fd uintptr) (waiting, room int) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, 0
	}
	return int(info[0]), int(info[1])
}

// backlog gives what waits to be read.
func (p *blockingPacket) backlog() (waiting, room int) {
	p.users.RLock()
	defer p.users.RUnlock()
	if p.closed.Load() {
		return 0, 0
	}
	return memory(uintptr(p.fd))
}

// polledPacket is a UDP socket that Go's network poller reads, and that knows how much waits in it.
type polledPacket struct {
	*net.UDPConn
	raw syscall.RawConn
}

// measured makes a socket know what waits in it.
func measured(p packetConn) packetConn {
	c, ok := p.(*net.UDPConn)
	if !ok {
		return p
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return p
	}
	return polledPacket{c, raw}
}

func (p polledPacket) backlog() (waiting, room int) {
	_ = p.raw.Control(func(fd uintptr) { waiting, room = memory(fd) }) // a closed socket has nothing
	return waiting, room
}
