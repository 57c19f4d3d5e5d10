package edge

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// network is where sockets come from: the system, or a net in memory.
type network interface {
	listenPacket(bind netip.AddrPort) (packetConn, error)
	listenStream(bind netip.AddrPort) (net.Listener, error)
	dialStream(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error)
	// localFor tells which of our addresses a packet to an address leaves by.
	localFor(to netip.AddrPort) (netip.Addr, error)
}

// packetConn is what is needed of *net.UDPConn.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// system is the network of the machine.
type system struct{}

// udpBuffer is asked for on UDP sockets, to outlast a pause of the reader; the kernel may give less.
const udpBuffer = 4 << 20

func family(base string, a netip.Addr) string {
	if a.Is4() {
		return base + "4"
	}
	return base + "6"
}

func (system) listenPacket(bind netip.AddrPort) (packetConn, error) {
	c, err := net.ListenUDP(family("udp", bind.Addr()), net.UDPAddrFromAddrPort(bind))
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(udpBuffer) // a smaller one works, it only drops sooner
	_ = c.SetWriteBuffer(udpBuffer)
	return c, nil
}

func (system) listenStream(bind netip.AddrPort) (net.Listener, error) {
	return net.ListenTCP(family("tcp", bind.Addr()), net.TCPAddrFromAddrPort(bind))
}

func (system) dialStream(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 15 * time.Second}
	if from.IsValid() && !from.IsUnspecified() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, family("tcp", to.Addr()), to.String())
}

// localFor connects a UDP socket, which sends nothing, and looks where it stands.
func (system) localFor(to netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP(family("udp", to.Addr()), nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = c.Close() }() // nothing was sent
	return addrPort(c.LocalAddr()).Addr(), nil
}

// addrPort reads the address of a socket, unmapped.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	case nil:
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return unmap(ap)
}

func unmap(ap netip.AddrPort) netip.AddrPort {
	if ap.Addr().Is4In6() {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return ap
}

// check refuses listeners that could not be served.
func (l *Listener) check() error {
	switch {
	case l.ID == "":
		return fmt.Errorf("no id")
	case !slices.Contains(transports[:], l.Transport):
		return fmt.Errorf("transport %q is not served", l.Transport)
	case !l.Bind.Addr().IsValid():
		return fmt.Errorf("no address")
	}
	return nil
}

// defaults fills the zero fields.
func (l *Listener) defaults() {
	fill := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	fill(&l.MaxMessage, 65535)
	fill(&l.MaxConns, 4096)
	fill(&l.MaxConnsPerSource, 50)
	if l.Idle <= 0 {
		l.Idle = 10 * time.Minute
	}
	l.Bind = unmap(l.Bind)
}
