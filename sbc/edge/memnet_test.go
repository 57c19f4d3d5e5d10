package edge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// memNet is a network in memory. It blocks on channels only, so it runs in a synctest bubble.
type memNet struct {
	mu        sync.Mutex
	packets   map[netip.AddrPort]*memPackets
	listeners map[netip.AddrPort]*memListener
	nextPort  uint16
	dials     []netip.AddrPort
	silent    map[netip.AddrPort]bool // TCP connects to these hang
}

func newMemNet() *memNet {
	return &memNet{
		packets: map[netip.AddrPort]*memPackets{}, listeners: map[netip.AddrPort]*memListener{}, nextPort: 40000,
		silent: map[netip.AddrPort]bool{},
	}
}

func (n *memNet) port(a netip.AddrPort) netip.AddrPort {
	if a.Port() != 0 {
		return a
	}
	n.nextPort++
	return netip.AddrPortFrom(a.Addr(), n.nextPort)
}

func (n *memNet) listenPacket(bind netip.AddrPort) (packetConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bind = n.port(bind)
	if n.packets[bind] != nil {
		return nil, syscall.EADDRINUSE
	}
	p := &memPackets{net: n, addr: bind, in: make(chan memPacket, 4096), gone: make(chan struct{})}
	n.packets[bind] = p
	return p, nil
}

func (n *memNet) listenStream(bind netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	bind = n.port(bind)
	if n.listeners[bind] != nil {
		return nil, syscall.EADDRINUSE
	}
	l := &memListener{net: n, addr: bind, in: make(chan net.Conn, 64), gone: make(chan struct{})}
	n.listeners[bind] = l
	return l, nil
}

func (n *memNet) dialStream(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	n.dials = append(n.dials, to)
	l, here, silent := n.listeners[to], n.port(netip.AddrPortFrom(from, 0)), n.silent[to]
	n.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	a, b := net.Pipe()
	select {
	case l.in <- memConn{b, to, here}:
		return memConn{a, here, to}, nil
	case <-l.gone:
		return nil, syscall.ECONNREFUSED
	}
}

func (n *memNet) localFor(to netip.AddrPort) (netip.Addr, error) {
	if to.Addr().Is4() {
		return netip.MustParseAddr("192.0.2.250"), nil
	}
	return netip.Addr{}, errors.New("no route")
}

type memPacket struct {
	b    []byte
	from netip.AddrPort
	err  error
}

type memPackets struct {
	waiting atomic.Int64 // what seems to wait, in octets
	net     *memNet
	addr    netip.AddrPort
	in      chan memPacket
	gone    chan struct{}
	once    sync.Once
}

func (p *memPackets) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case m := <-p.in:
		return copy(b, m.b), m.from, m.err
	case <-p.gone:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *memPackets) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.net.mu.Lock()
	peer := p.net.packets[to]
	p.net.mu.Unlock()
	if peer != nil {
		select {
		case peer.in <- memPacket{b: append([]byte(nil), b...), from: p.addr}:
		default:
		}
	}
	return len(b), nil
}

func (p *memPackets) backlog() (waiting, room int) { return int(p.waiting.Load()), 8 << 20 }

func (p *memPackets) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(p.addr) }

func (p *memPackets) Close() error {
	p.once.Do(func() {
		close(p.gone)
		p.net.mu.Lock()
		delete(p.net.packets, p.addr)
		p.net.mu.Unlock()
	})
	return nil
}

type memListener struct {
	net  *memNet
	addr netip.AddrPort
	in   chan net.Conn
	gone chan struct{}
	once sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.in:
		return c, nil
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.gone)
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		l.net.mu.Unlock()
	})
	return nil
}

type memConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c memConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c memConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }
