package relay

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	batchEvents = 256
	datagram    = 65536
	wakeSlot    = -1
)

// Epoll is a Mover of a few locked threads, each reading its share of the ports with epoll and raw system calls. It needs no
// privileges and costs half of what a goroutine per port does.
type Epoll struct {
	o     Options
	board board
	loops []*loop

	mu     sync.Mutex
	closed bool
	next   int
	wg     sync.WaitGroup
}

// New gives the best Mover of this system.
func New(o Options) (Mover, error) { return NewEpoll(o) }

// NewEpoll starts the threads.
func NewEpoll(o Options) (*Epoll, error) {
	o.defaults()
	if o.Threads <= 0 {
		o.Threads = max(1, runtime.GOMAXPROCS(0)-1)
	}
	m := &Epoll{o: o}
	for range o.Threads {
		l, err := newLoop(m)
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.loops = append(m.loops, l)
		m.wg.Add(1)
		go l.run()
	}
	return m, nil
}

// Open binds a port.
func (m *Epoll) Open(local netip.AddrPort) (*Port, error) {
	fd, bound, err := bindUDP(local)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.Join(net.ErrClosed, unix.Close(fd))
	}
	// Both ports of a pair get one thread, neighbouring pairs different ones.
	l := m.loops[int(bound.Port()>>1)%len(m.loops)]
	w := &epollWire{fd: fd, loop: l}
	p := &Port{wire: w, local: bound}
	if err := l.add(p, w); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return p, nil
}

// Totals counts over all ports.
func (m *Epoll) Totals() Totals { return m.board.totals() }

// Close stops the threads and closes every socket.
func (m *Epoll) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	m.mu.Unlock()
	for _, l := range m.loops {
		l.stop.Store(true)
		l.wake()
	}
	m.wg.Wait()
	var errs []error
	for _, l := range m.loops {
		errs = append(errs, l.release())
	}
	return errors.Join(errs...)
}

// bindUDP opens a non-blocking socket. IPv6 sockets take IPv6 only, so that both families can share a port number.
func bindUDP(local netip.AddrPort) (int, netip.AddrPort, error) {
	ip := local.Addr().Unmap()
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(local.Port()), Addr: as4(ip)})
	if ip.Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(local.Port()), Addr: ip.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, local, os.NewSyscallError("socket", err)
	}
	if family == unix.AF_INET6 {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sa))
	}
	if err == nil && local.Port() == 0 {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		return -1, local, errors.Join(err, unix.Close(fd))
	}
	port := local.Port()
	switch s := sa.(type) {
	case *unix.SockaddrInet4:
		port = uint16(s.Port)
	case *unix.SockaddrInet6:
		port = uint16(s.Port)
	}
	return fd, netip.AddrPortFrom(ip, port), nil
}

func as4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

// epollWire is a socket read by one loop and written by any.
type epollWire struct {
	fd   int
	slot int32
	loop *loop
	once atomic.Bool
}

func (w *epollWire) send(b []byte, to *Dest) bool { return sendTo(w.fd, b, &to.raw) }

// close first lets every thread pass a point between two batches, so that none is still sending by this descriptor when its
// number is given to another socket, and then closes it on the thread that reads it.
func (w *epollWire) close() error {
	if w.once.Swap(true) {
		return nil
	}
	for _, l := range w.loop.m.loops {
		if l != w.loop {
			l.call(func() {})
		}
	}
	var err error
	w.loop.call(func() { err = w.loop.remove(w) })
	return err
}
