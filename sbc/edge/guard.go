package edge

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Guard decides about messages before they are read, and about connections. Its methods must not block, and see nothing that is
// kept: the octets are the reader's.
type Guard interface {
	// Packet decides about a message: Serve lets it be read, Refuse has a request answered with 503, at a bounded rate, and Silence
	// drops it.
	Packet(h msg.Hop, raw []byte) msg.Action
	// Malformed hears of what passed and could not be read; raw is nil where not even its end was found.
	Malformed(h msg.Hop, raw []byte)
	// Accept tells whether a connection may be accepted, and how long it may stay until Trust is called for it; 0 is as long as it
	// likes.
	Accept(h msg.Hop) (ok bool, unauthenticated time.Duration)
}

// nobody guards.
type nobody struct{}

func (nobody) Packet(msg.Hop, []byte) msg.Action         { return msg.Serve }
func (nobody) Malformed(msg.Hop, []byte)                 {}
func (nobody) Accept(msg.Hop) (ok bool, d time.Duration) { return true, 0 }

// passes tells whether the guard lets a message be read. One that it refuses is answered here.
func (e *Edge) passes(h msg.Hop, raw []byte, l link) bool {
	switch e.o.Guard.Packet(h, raw) {
	case msg.Serve:
		return true
	case msg.Refuse:
		e.tooMany(h, raw, l)
	default:
		e.metrics.drops.WithLabelValues("guard").Inc()
	}
	return false
}

// retryAfterFlood is what a source that sends too much is told, in seconds (RFC 3261 21.5.4).
const retryAfterFlood = "5"

// tooMany answers a request that the guard refuses, within the budget of strangers, and reads it only then. A retransmission of
// what is being served is no new request.
func (e *Edge) tooMany(h msg.Hop, raw []byte, l link) {
	if !e.answers.allow(h.Remote.Addr()) {
		e.metrics.drops.WithLabelValues("guard").Inc()
		return
	}
	m, err := msg.Parse(bytes.Clone(raw))
	if err != nil || !m.IsRequest() || m.Method == msg.ACK {
		return
	}
	m.Hop = h
	stamp(m)
	if t := e.txs.findServer(e.txs.serverKey(m, m.Method)); t != nil {
		t.repeated()
		return
	}
	d := msg.Decision{Status: 503, Headers: []msg.Header{{Name: "Retry-After", Value: retryAfterFlood}}}
	e.refuse(m, l, d, e.refusal)
}

// Trust notes that somebody has authenticated on the connection that a message came by: it may stay.
func (e *Edge) Trust(h msg.Hop) {
	if c := e.streams.flow(&h); c != nil {
		c.trusted.Store(true)
	}
}

// Disconnect closes the connections that came from a network by interfaces; no interfaces are all.
func (e *Edge) Disconnect(interfaces []string, from netip.Prefix) {
	all := *e.ifaces.Load()
	socks := map[*socket]bool{}
	for _, id := range interfaces {
		if i := all[id]; i != nil {
			socks[i.sock] = true
		}
	}
	for _, c := range e.streams.list() {
		if (interfaces == nil || socks[c.sock]) && !c.outbound && from.Contains(c.remote.Addr().WithZone("")) {
			c.shut(msg.ErrClosed)
		}
	}
}

// accepted asks the guard about a connection that was made to us.
func (c *conn) accepted(i *iface) bool {
	e := c.sock.edge
	ok, unauthenticated := e.o.Guard.Accept(msg.Hop{
		Interface: i.ID, Transport: i.Transport, Local: c.here, Remote: c.remote, Conn: c.id, At: time.Now(),
	})
	if unauthenticated > 0 {
		c.deadline = e.txs.now() + unauthenticated
	}
	return ok
}

// lapse is how long a connection may still stay if nobody authenticates on it; it is false where that is no matter.
func (c *conn) lapse() (time.Duration, bool) {
	if c.deadline == 0 || c.trusted.Load() || c.held.Load() != 0 {
		return 0, false
	}
	return c.deadline - c.sock.edge.txs.now(), true
}
