package edge

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// iface is a SIP interface as it is served. It is immutable; a change makes a new one, perhaps over the same socket.
type iface struct {
	Listener
	local msg.Local // Host is "" while only the peer's address can tell (unspecified bind address)
	sock  *socket
	since time.Time
}

// Change is a set of listeners that could be bound and waits to be served. Exactly one of Commit and Abort must be called; a
// second call does nothing.
type Change struct {
	edge  *Edge
	next  map[string]*iface
	fresh []*socket
	stuns map[netip.AddrPort]*stunSocket
	// freshSTUNs are those of stuns that were bound for this change.
	freshSTUNs []*stunSocket
	done       bool
}

// place is what a socket occupies.
type place struct {
	transport sbc.Transport
	bind      netip.AddrPort
}

// Prepare binds what is new without serving it. Sockets are kept wherever transport and address stay, even under another id, so
// that changed limits or advertised addresses interrupt nothing. Until Commit or Abort no other change can be prepared: Prepare
// then waits. The error is a *BindError.
func (e *Edge) Prepare(ls []Listener) (*Change, error) {
	e.changing.Lock()
	c := &Change{edge: e, next: make(map[string]*iface, len(ls)), stuns: map[netip.AddrPort]*stunSocket{}}
	if e.closed.Load() {
		e.changing.Unlock()
		return nil, msg.ErrClosed
	}
	old := *e.ifaces.Load()
	held := make(map[place]*socket, len(old))
	for _, i := range old {
		held[place{i.Transport, i.sock.bound}] = i.sock
	}
	for _, l := range ls {
		if err := c.add(l, old[l.ID], held); err != nil {
			c.Abort()
			return nil, &BindError{ID: l.ID, Err: err}
		}
	}
	return c, nil
}

// add finds or binds the socket of one listener.
func (c *Change) add(l Listener, before *iface, held map[place]*socket) error {
	if err := l.check(); err != nil {
		return err
	}
	l.defaults()
	i := &iface{Listener: l, since: time.Now()}
	var known *socket
	switch {
	case before != nil && before.Transport == l.Transport && before.Bind == l.Bind:
		known = before.sock
	case l.Bind.Port() != 0:
		known = held[place{l.Transport, l.Bind}]
	}
	if known != nil && known.down.Load() == nil && known.claim(c) {
		i.sock = known
		if before != nil && before.sock == known {
			i.since = before.since
		}
	} else {
		s, err := c.edge.bind(l, c.spoken(l, held))
		if err != nil {
			return err
		}
		c.fresh = append(c.fresh, s)
		i.sock = s
	}
	if err := c.addSTUN(&l); err != nil {
		return fmt.Errorf("STUN on port %d: %w", l.STUNPort, err)
	}
	i.local = advertised(l, i.sock.bound)
	c.next[l.ID] = i
	return nil
}

// spoken finds the listener of another transport at the same place, all of which are spoken over TCP: it can be taken over
// unless it goes on.
func (c *Change) spoken(l Listener, held map[place]*socket) net.Listener {
	if l.Transport == sbc.TransportUDP || l.Bind.Port() == 0 {
		return nil
	}
	for _, t := range transports[1:] {
		if s := held[place{t, l.Bind}]; s != nil && t != l.Transport && s.claimed != c && s.down.Load() == nil {
			return s.listener
		}
	}
	return nil
}

// advertised is what stands in Via and Contact.
func advertised(l Listener, bound netip.AddrPort) msg.Local {
	local := msg.Local{Interface: l.ID, Transport: l.Transport, Host: l.AdvertisedHost, Port: l.AdvertisedPort}
	if local.Host == "" && !bound.Addr().IsUnspecified() {
		local.Host = bound.Addr().WithZone("").String()
	}
	if local.Port == 0 {
		local.Port = int(bound.Port())
	}
	return local
}

// Commit serves the new set: new sockets begin to be read, those that are gone are closed with their connections.
func (c *Change) Commit() {
	if c == nil || c.done {
		return
	}
	c.done = true
	e := c.edge
	old := *e.ifaces.Load()
	kept := map[*socket]bool{}
	for _, i := range c.next {
		i.sock.claimed = nil
		i.sock.iface.Store(i)
		kept[i.sock] = true
	}
	next := maps.Clone(c.next)
	e.ifaces.Store(&next)
	for _, s := range c.fresh {
		s.serve()
	}
	c.commitSTUN()
	for _, i := range old {
		if !kept[i.sock] {
			if err := i.sock.close(); err != nil {
				e.log.Warn("edge: closing an interface", "interface", i.ID, "error", err)
			}
		}
	}
	e.changing.Unlock()
}

// Abort closes what Prepare bound; what is served stays as it is.
func (c *Change) Abort() {
	if c == nil || c.done {
		return
	}
	c.done = true
	for _, i := range c.next {
		i.sock.claimed = nil
	}
	for _, s := range c.fresh {
		if err := s.close(); err != nil {
			c.edge.log.Warn("edge: closing what was not needed", "address", s.bound, "error", err)
		}
	}
	for _, s := range c.freshSTUNs {
		s.close()
	}
	c.edge.changing.Unlock()
}
