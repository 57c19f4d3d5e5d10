package edge

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	maxTries = 8
	// deadFor is how long an address that did not answer comes last (defaults.md: outlier 30 s).
	deadFor = 30 * time.Second
	// largeRequest is what RFC 3261 18.1.1 lets go by UDP where the path's MTU is not known.
	largeRequest = 1300
	// branchMark ends what is common to all branches of one request.
	branchMark = "-"
)

// candidate is one way to try.
type candidate struct {
	iface *iface
	to    netip.AddrPort
	flow  *conn    // an open connection to use
	with  security // how TLS is spoken, where it is
	large bool     // TCP in place of UDP because of the size
}

// network gives the transport of the candidate's interface.
func (c *candidate) transport() sbc.Transport { return c.iface.Transport }

// flowOf finds the connection a target names, with the interface it belongs to.
func (e *Edge) flowOf(t *msg.Target) (candidate, bool) {
	c := e.streams.flow(t.Flow)
	if c == nil || t.Secure && !c.sock.transport.Encrypted() {
		return candidate{}, false
	}
	i := c.at()
	return candidate{iface: i, to: c.remote, flow: c}, i != nil
}

// candidates puts addresses and interfaces together. An address no interface can reach is passed over.
// They are put behind those in list. Forbidden is why a target that a caller supplied may not be used, where that is so.
func (e *Edge) candidates(list []candidate, t *msg.Target, found []Address) (all []candidate, forbidden error) {
	for _, a := range e.lively(found) {
		i := e.fitting(t.Interfaces, a.Transport, a.Addr.Addr())
		if i == nil && t.Transport == "" && a.Transport != sbc.TransportTLS { // nobody asked for this transport: any that we have
			i = e.fitting(t.Interfaces, "", a.Addr.Addr())
		}
		if i == nil || len(list) >= maxTries {
			continue
		}
		if t.Supplied && e.o.Egress != nil {
			if err := e.o.Egress(i.ID, a.Addr, t.Host); err != nil {
				e.log.Debug("edge: where a caller wants us to send", "error", err)
				forbidden = err
				continue
			}
		}
		c := candidate{iface: i, to: a.Addr}
		if i.Transport == sbc.TransportTLS {
			c.with = security{cmp.Or(t.TLSProfile, i.TLSProfileID), strings.ToLower(strings.TrimSuffix(cmp.Or(t.Name, t.Host), "."))}
		}
		list = append(list, c)
	}
	return list, forbidden
}

// lively puts those addresses last that did not answer lately; nothing else is moved.
func (e *Edge) lively(found []Address) []Address {
	isDead := func(a Address) bool { return e.dead.has(a.Addr) }
	if len(found) < 2 || !slices.ContainsFunc(found, isDead) {
		return found
	}
	order := make([]Address, 0, 2*len(found))
	var last []Address
	for _, a := range found {
		if isDead(a) {
			last = append(last, a)
		} else {
			order = append(order, a)
		}
	}
	return append(order, last...)
}

// fitting is the first interface with the transport ("" is UDP or TCP) and family. None has a WebSocket for those we connect to.
func (e *Edge) fitting(ids []string, transport sbc.Transport, to netip.Addr) *iface {
	all := *e.ifaces.Load()
	for _, id := range ids {
		i := all[id]
		fits := i != nil && !i.Transport.WebSocket() && (i.Transport == transport || transport == "" && !i.Transport.Encrypted())
		if fits && i.sock.bound.Addr().Is4() == to.Is4() {
			return i
		}
	}
	return nil
}

// larger gives the TCP way in place of a UDP one for a request that is too large (RFC 3261 18.1.1), if an interface of the target
// offers it and the peer did not fail to take TCP lately.
func (e *Edge) larger(t *msg.Target, c *candidate, size int) (candidate, bool) {
	if size <= largeRequest || c.transport() != sbc.TransportUDP || c.large || e.mtu.has(c.to) {
		return candidate{}, false
	}
	i := e.fitting(t.Interfaces, sbc.TransportTCP, c.to.Addr())
	return candidate{iface: i, to: c.to, large: true}, i != nil
}

// open gives the link of a candidate. Connections that stand in for UDP get little time: UDP is there.
func (e *Edge) open(c *candidate) (link, error) {
	switch {
	case c.flow != nil && c.flow.alive():
		return c.flow, nil
	case c.transport() == sbc.TransportUDP:
		return c.iface.sock, nil
	}
	patience := dialTimeout
	if c.large {
		patience = 500 * time.Millisecond
	}
	conn, err := e.streams.dial(c.iface.sock, c.to, c.with, patience)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// localFor is what an interface advertises towards a peer.
func (e *Edge) localFor(i *iface, peer netip.AddrPort) msg.Local {
	local := i.local
	if local.Host != "" {
		return local
	}
	a, err := e.net.localFor(peer)
	if err != nil {
		e.log.Debug("edge: which address faces a peer", "error", err)
		a = i.sock.bound.Addr()
	}
	local.Host = a.WithZone("").String()
	return local
}

// address writes our Via and lets the owner set Contact, then serialises. Nothing of an earlier try is left in the request.
func (e *Edge) address(m *msg.Message, c *candidate, branch string, prepare func(*msg.Message, msg.Local)) []byte {
	local := e.localFor(c.iface, c.to)
	local.Sips = m.RequestURI.Scheme == "sips"
	v := msg.Via{
		Transport: strings.ToUpper(string(local.Transport)), Host: local.Host, Port: local.Port,
		Params: msg.Params{{K: "branch", V: branch}, {K: "rport"}},
	}
	if m.Has("Via") {
		m.SetTopVia(v)
	} else {
		m.PrependVia(v)
	}
	if prepare != nil {
		prepare(m, local)
	}
	return e.encode(m)
}

// branch makes the branch of one try: random base, number of the try, and what tells a loop.
func (e *Edge) branch(base string, n int, uri msg.URI) string {
	var room [64]byte
	return string(e.appendBranch(append(room[:0], base...), n, uri))
}

// newBranch makes the branch of the first try, with its random base.
func (e *Edge) newBranch(uri msg.URI) (branch, base string) {
	var room [64]byte
	b := msg.AppendBranch(room[:0])
	n := len(b)
	branch = string(e.appendBranch(b, 0, uri))
	return branch, branch[:n]
}

func (e *Edge) appendBranch(b []byte, n int, uri msg.URI) []byte {
	b = append(b, branchMark...)
	b = append(b, byte('a'+n%26))
	return e.appendLoopMark(b, uri)
}

// loopMark is the same for the same Request-URI as long as the edge lives.
func (e *Edge) loopMark(uri msg.URI) string {
	var room [16]byte
	return string(e.appendLoopMark(room[:0], uri))
}

func (e *Edge) appendLoopMark(b []byte, uri msg.URI) []byte {
	var room [96]byte
	return strconv.AppendUint(b, hashBytes(e.seed, uri.AppendTo(room[:0]))|1<<63, 36) // the highest bit: always 13 characters
}

// SendACK sends the ACK of a 2xx: no transaction, but the same way and order as Send. It never blocks. Of several addresses the
// first is taken; a lost ACK is asked for again by the peer's next 2xx (RFC 3261 13.2.2.4).
func (e *Edge) SendACK(ack *msg.Message, t msg.Target, prepare func(*msg.Message, msg.Local), sent func([]byte, msg.Hop)) {
	t.Secure = secureOnly(ack, &t)
	if c, ok := e.flowOf(&t); ok {
		e.sendACK(ack, &c, prepare, sent)
		return
	}
	if t.Transport = e.way(ack, &t); t.Transport.WebSocket() {
		e.metrics.drops.WithLabelValues("no_address").Inc()
		return
	}
	if a, ok := Literal(t.Host, t.Port, t.Transport); ok {
		e.firstACK(ack, &t, []Address{a}, prepare, sent)
		return
	}
	e.start("ack resolver", func() {
		found, err := e.o.Resolver.Lookup(e.ctx, t.Host, t.Port, t.Transport)
		if err != nil {
			e.log.Debug("edge: looking up for an ACK", "error", err)
		}
		e.firstACK(ack, &t, found, prepare, sent)
	})
}

func (e *Edge) firstACK(ack *msg.Message, t *msg.Target, found []Address, prepare func(*msg.Message, msg.Local),
	sent func([]byte, msg.Hop),
) {
	if list, _ := e.candidates(nil, t, found); len(list) > 0 {
		e.sendACK(ack, &list[0], prepare, sent)
		return
	}
	e.metrics.drops.WithLabelValues("no_address").Inc()
}

func (e *Edge) sendACK(ack *msg.Message, c *candidate, prepare func(*msg.Message, msg.Local), sent func([]byte, msg.Hop)) {
	branch, _ := e.newBranch(ack.RequestURI)
	raw := e.address(ack, c, branch, prepare)
	l, err := e.open(c)
	if err == nil {
		err = l.send(raw, c.to)
	}
	if dead, ok := l.(*conn); ok && err != nil && !dead.slow.Load() { // as in redial
		dead.shut(err)
		if l, err = e.open(c); err == nil {
			err = l.send(raw, c.to)
		}
	}
	if err == nil {
		e.metrics.request("out", msg.ACK, c.transport())
		if sent != nil {
			sent(raw, e.hop(l, c.to))
		}
		return
	}
	e.log.Debug("edge: sending an ACK", "error", err)
}
