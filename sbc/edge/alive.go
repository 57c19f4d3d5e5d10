package edge

import (
	"errors"
	"os"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// KeepAlive sends what keeps a NAT binding or a connection open: CRLF twice on a stream, which its peer answers with one (RFC
// 5626 4.4.1), a ping on a WebSocket (RFC 7118 6), four octets of zero on UDP, which nobody answers. It does not block. msg.ErrClosed says that the connection, or
// the interface, is gone.
func (e *Edge) KeepAlive(h msg.Hop) error {
	if h.Conn != 0 {
		c := e.streams.flow(&h)
		if c == nil {
			return msg.ErrClosed
		}
		if c.sock.transport.WebSocket() {
			return c.ping()
		}
		return c.send([]byte("\r\n\r\n"), c.remote)
	}
	i := e.iface(h.Interface)
	if i == nil || i.Transport != sbc.TransportUDP {
		return msg.ErrClosed
	}
	return i.sock.send(make([]byte, 4), h.Remote)
}

// Connected tells whether the connection that a message came by is still open. On UDP that is so while the interface is there.
func (e *Edge) Connected(h msg.Hop) bool {
	if h.Conn == 0 {
		return h.Transport == sbc.TransportUDP && e.iface(h.Interface) != nil
	}
	return e.streams.flow(&h) != nil
}

// Hold keeps the connection that a message came by from being closed for its silence for so long: a phone is reached by it. What
// was granted before is not taken back.
func (e *Edge) Hold(h msg.Hop, d time.Duration) {
	c := e.streams.flow(&h)
	if c == nil {
		return
	}
	until := int64(e.txs.now() + d)
	for {
		old := c.held.Load()
		if until <= old || c.held.CompareAndSwap(old, until) {
			return
		}
	}
}

// heldOn tells that a connection that was silent for too long is held nevertheless: it is read on.
func (c *conn) heldOn(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && c.held.Load() > int64(c.sock.edge.txs.now()) && !c.sock.closed.Load()
}

// left tells whoever wants to know that a connection is gone.
func (c *conn) left() {
	e := c.sock.edge
	if e.o.Closed == nil {
		return
	}
	defer e.recovered("closed connection")
	e.o.Closed(c.hop())
}
