package edge

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams are read at once while there are too many.
const batchSize = 32

// batch holds datagrams that were read at once and wait for their turn. It belongs to the reader of a socket.
type batch struct {
	count, next int
	heads       [batchSize]mmsghdr
	vectors     [batchSize]unix.Iovec
	from        [batchSize]unix.RawSockaddrInet4
	bytes       []byte
}

// mmsghdr is what recvmmsg(2) fills.
type mmsghdr struct {
	unix.Msghdr
	size uint32
}

// newBatch makes room: 2 MiB of addresses, of which the system gives memory only to those pages that a datagram reached.
func newBatch() *batch {
	b := &batch{bytes: make([]byte, batchSize*maxDatagram)}
	for i := range batchSize {
		b.vectors[i].Base = &b.bytes[i*maxDatagram]
		b.vectors[i].SetLen(maxDatagram)
		b.heads[i].Iov, b.heads[i].Name = &b.vectors[i], (*byte)(unsafe.Pointer(&b.from[i]))
		b.heads[i].SetIovlen(1)
	}
	return b
}

// take gives the next datagram, if one is left.
func (b *batch) take(into []byte) (n int, from netip.AddrPort, ok bool) {
	if b == nil || b.next == b.count {
		return 0, from, false
	}
	i := b.next
	b.next++
	n = copy(into, b.bytes[i*maxDatagram:][:b.heads[i].size])
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&b.from[i].Port))[:])
	return n, netip.AddrPortFrom(netip.AddrFrom4(b.from[i].Addr), port), true
}

// fill reads what waits, up to the batch's size, without waiting for more.
func (b *batch) fill(fd int) {
	for i := range batchSize {
		b.heads[i].Namelen = unix.SizeofSockaddrInet4
	}
	b.next, b.count = 0, 0
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.heads[0])), batchSize,
		unix.MSG_DONTWAIT, 0, 0)
	if errno == 0 {
		b.count = int(n)
	}
}

// hurry has the reader take many datagrams at once, or one after the other again. It is called by the reader.
func (p *blockingPacket) hurry(on bool) {
	if p.hurried = on; on && p.batch == nil {
		p.batch = newBatch()
	}
}

// left tells whether datagrams were read that nobody has been given.
func (p *blockingPacket) left() bool { return p.batch != nil && p.batch.next < p.batch.count }

// more tells whether a datagram can be had at once.
func (p *blockingPacket) more() bool {
	if p.left() {
		return true
	}
	if p.batch == nil {
		return false
	}
	p.users.RLock()
	defer p.users.RUnlock()
	if !p.closed.Load() {
		p.batch.fill(p.fd)
	}
	return p.left()
}

// many gives a datagram of the batch, after reading a new one if need be. It is not ok where nothing waits.
func (p *blockingPacket) many(into []byte) (n int, from netip.AddrPort, ok bool) {
	if !p.left() {
		if !p.hurried {
			p.batch = nil
			return 0, from, false
		}
		p.more()
	}
	return p.batch.take(into)
}
