package edge

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// flowKey names an outgoing connection: the socket it belongs to (and so the interface, its address and realm), the peer, and for TLS
// the profile and the name in the peer's certificate. Two interfaces never share one, and no peer gets what was meant for another
// (dependencies.md 2.1, fault 4), be it behind the same address.
type flowKey struct {
	sock *socket
	peer netip.AddrPort
	security
}

// sourceKey is who may have so many connections: an IPv4 address, or an IPv6 /64, on one interface.
type sourceKey struct {
	sock *socket
	addr netip.Addr
}

// streams knows every connection. Its lock is held for a few map accesses only.
type streams struct {
	last atomic.Uint64

	mu      sync.Mutex
	byID    map[uint64]*conn
	out     map[flowKey]*conn
	aliases map[flowKey]*conn // accepted connections that may be used as if we had opened them
	sources map[sourceKey]int
	inbound map[*socket]int
	closed  bool
}

func newStreams() *streams {
	return &streams{
		byID: map[uint64]*conn{}, out: map[flowKey]*conn{}, aliases: map[flowKey]*conn{}, sources: map[sourceKey]int{},
		inbound: map[*socket]int{},
	}
}

const (
	dialTimeout = 2 * time.Second
	// maxOutbound bounds the connections opened by us.
	maxOutbound = 16384
)

func sourceOf(s *socket, a netip.Addr) sourceKey {
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return sourceKey{s, a}
}

// admit takes an accepted connection in, or closes it because its source or the interface has too many, or because its source began too
// many handshakes of late.
func (t *streams) admit(s *socket, nc net.Conn) {
	remote := addrPort(nc.RemoteAddr())
	if s.transport.Encrypted() && !s.edge.greeted.allow(remote.Addr()) {
		s.edge.metrics.drops.WithLabelValues("handshakes").Inc()
		_ = nc.Close() // nothing was said on it
		return
	}
	c := newConn(s, nc, remote, t.last.Add(1))
	i := s.at()
	if i == nil || !c.accepted(i) || !t.register(c, i) {
		s.edge.metrics.drops.WithLabelValues("connections").Inc()
		_ = nc.Close() // a refused stranger: nothing of ours is lost
		return
	}
	if s.transport != sbc.TransportTCP {
		s.edge.start("stream greeter", c.greet)
		return
	}
	c.state = connOpen
	s.edge.start("stream reader", c.serve)
}

func (t *streams) register(c *conn, i *iface) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := sourceOf(c.sock, c.remote.Addr())
	if t.closed || t.inbound[c.sock] >= i.MaxConns || t.sources[k] >= i.MaxConnsPerSource {
		return false
	}
	t.inbound[c.sock]++
	t.sources[k]++
	t.byID[c.id] = c
	c.sock.open.Add(1)
	return true
}

// forget is called once for each connection that was registered.
func (t *streams) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[c.id] != c {
		return
	}
	delete(t.byID, c.id)
	c.sock.open.Add(-1)
	if k := (flowKey{c.sock, c.remote, c.tls}); c.outbound && t.out[k] == c {
		delete(t.out, k)
	}
	if c.outbound {
		return
	}
	t.forgetAliases(c)
	k := sourceOf(c.sock, c.remote.Addr())
	if t.sources[k]--; t.sources[k] <= 0 {
		delete(t.sources, k)
	}
	if t.inbound[c.sock]--; t.inbound[c.sock] <= 0 {
		delete(t.inbound, c.sock)
	}
}

// flow finds the connection a request came by, if it is still open and still to that peer.
func (t *streams) flow(h *msg.Hop) *conn {
	if h == nil || h.Conn == 0 {
		return nil
	}
	t.mu.Lock()
	c := t.byID[h.Conn]
	t.mu.Unlock()
	if c == nil || c.remote != h.Remote || !c.alive() {
		return nil
	}
	return c
}

// dial gives the outgoing connection to a peer, a new one if there is none. It does not wait: what is sent meanwhile is queued.
// Nobody connects to who speaks WebSocket (RFC 7118 5: they are clients).
func (t *streams) dial(s *socket, peer netip.AddrPort, with security, patience time.Duration) (*conn, error) {
	if s.transport.WebSocket() {
		return nil, msg.ErrTransport
	}
	if s.transport != sbc.TransportTLS {
		with = security{}
	}
	k := flowKey{s, peer, with}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || s.closed.Load() {
		return nil, msg.ErrClosed
	}
	if c := t.out[k]; c != nil && c.alive() {
		return c, nil
	}
	if c := t.aliases[k]; c != nil && c.alive() {
		return c, nil
	}
	if len(t.out) >= maxOutbound {
		return nil, msg.ErrTransport
	}
	c := newConn(s, nil, peer, t.last.Add(1))
	c.outbound, c.tls = true, with
	t.out[k], t.byID[c.id] = c, c
	s.open.Add(1)
	s.edge.start("stream dialer", func() { c.connect(patience) })
	return c, nil
}

// closeOf closes the connections of an interface that is gone.
func (t *streams) closeOf(s *socket) {
	for _, c := range t.list() {
		if c.sock == s {
			c.shut(msg.ErrClosed)
		}
	}
}

func (t *streams) closeAll() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, c := range t.list() {
		c.shut(msg.ErrClosed)
	}
}

func (t *streams) list() []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*conn, 0, len(t.byID))
	for _, c := range t.byID {
		all = append(all, c)
	}
	return all
}

// count counts the connections of a transport.
func (e *Edge) count(transport sbc.Transport) (n int) {
	for _, i := range *e.ifaces.Load() {
		if i.Transport == transport {
			n += int(i.sock.open.Load())
		}
	}
	return n
}

// connect opens an outgoing connection and then reads it like any other.
func (c *conn) connect(patience time.Duration) {
	e := c.sock.edge
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	nc, err := e.net.dialStream(ctx, c.sock.bound.Addr(), c.remote)
	cancel()
	if err == nil && c.sock.transport == sbc.TransportTLS {
		nc, err = c.secureOut(nc)
	}
	if err != nil {
		c.shut(err)
		return
	}
	if !c.opened(nc) {
		_ = nc.Close() // the interface went away while we connected
		return
	}
	c.serve()
}
