package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// messageTime is how long a message may take from its first octet to its last; slow senders lose their connection.
	messageTime = 4 * time.Second
	// strangerIdle is the idle time of a connection that has brought nothing we served.
	strangerIdle = 30 * time.Second
	writeTime    = 5 * time.Second
	// maxQueued bounds what waits for a peer that does not read.
	maxQueued = 1 << 20
)

type connState uint8

const (
	connConnecting connState = iota
	connOpen
	connClosed
)

// conn is one connection, accepted or opened by us.
type conn struct {
	sock     *socket
	id       uint64
	remote   netip.AddrPort
	outbound bool
	tls      security                 // how TLS is spoken, and with whom; of those that we open
	peer     atomic.Pointer[msg.Peer] // who it is by TLS, once that is known
	trusted  atomic.Bool              // somebody has authenticated on it
	deadline time.Duration            // until when that must be, as table.now; 0 is no matter
	aliased  bool                     // it has been asked about; of its reader
	aliases  []flowKey                // by which it is found; guarded by the lock of streams
	known    atomic.Bool              // it brought something we served
	slow     atomic.Bool              // the peer does not read
	heard    atomic.Int64             // when it last brought anything, as table.now
	held     atomic.Int64             // until when it is not closed for silence, as table.now

	mu       sync.Mutex
	state    connState
	nc       net.Conn
	web      *webSocket // once it is one
	raw      syscall.RawConn
	here     netip.AddrPort
	queue    [][]byte
	queued   int
	flushing bool
	waiting  map[*try]struct{} // client transactions without any response yet
	used     bool              // a request waited on it before
}

func newConn(s *socket, nc net.Conn, remote netip.AddrPort, id uint64) *conn {
	c := &conn{sock: s, id: id, remote: remote, here: s.bound}
	if nc != nil {
		c.attach(nc)
	}
	return c
}

func (c *conn) attach(nc net.Conn) {
	c.nc, c.here = nc, addrPort(nc.LocalAddr())
	if t, ok := nc.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			c.raw = raw
			c.impatient()
		}
	}
	if c.sock.transport != sbc.TransportTCP {
		c.raw = nil // nothing is written past TLS or the frames
	}
}

func (c *conn) at() *iface     { return c.sock.at() }
func (c *conn) number() uint64 { return c.id }

func (c *conn) local() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.here
}

func (c *conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != connClosed
}

// opened is called when the connection we dialled stands; it is false if it was given up meanwhile.
func (c *conn) opened(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connClosed {
		return false
	}
	c.state = connOpen
	c.attach(nc)
	c.flushLocked()
	return true
}

// send writes what the system takes at once and leaves the rest to a goroutine that lives until the queue is empty. A peer that
// does not read loses its connection when more than 1 MiB waits for it.
func (c *conn) send(raw []byte, _ netip.AddrPort) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connClosed {
		return net.ErrClosed
	}
	if c.state == connOpen && !c.flushing && len(c.queue) == 0 {
		n, err := c.writeNow(raw)
		if err != nil || n == len(raw) {
			return err
		}
		raw = raw[n:]
	}
	if c.queued+len(raw) > maxQueued {
		c.sock.edge.metrics.drops.WithLabelValues("slow_reader").Inc()
		c.slow.Store(true)
		c.cutLocked()
		return net.ErrClosed
	}
	c.queue = append(c.queue, raw)
	c.queued += len(raw)
	c.flushLocked()
	return nil
}

// writeNow makes one attempt that does not wait (EAGAIN counts as nothing written). It is called with the lock held.
func (c *conn) writeNow(raw []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	written := 0
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), raw)
		switch {
		case err == nil:
			written = n
		case !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR):
			failed = err
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	return written, failed
}

func (c *conn) flushLocked() {
	if c.flushing || len(c.queue) == 0 || c.state != connOpen {
		return
	}
	c.flushing = true
	c.sock.edge.start("stream writer", c.flush)
}

func (c *conn) flush() {
	for {
		c.mu.Lock()
		batch := net.Buffers(c.queue)
		c.queue, c.queued = nil, 0
		if len(batch) == 0 || c.state != connOpen {
			c.flushing = false
			c.mu.Unlock()
			return
		}
		nc, web := c.nc, c.web
		c.mu.Unlock()
		var err error
		if web != nil {
			err = web.write(batch)
		} else {
			err = writeAll(nc, batch)
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
				c.slow.Store(true)
			}
			c.cut()
		}
	}
}

func writeAll(nc net.Conn, batch net.Buffers) error {
	if err := nc.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := batch.WriteTo(nc); err != nil {
		return err
	}
	// writeNow heeds the deadline too: left there, nothing could be sent once it is past
	return nc.SetWriteDeadline(time.Time{})
}

// cut closes the connection under whatever is spoken on it, without a farewell; the reader notices and clears up.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutLocked()
}

func (c *conn) cutLocked() {
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if nc != nil {
		_ = nc.Close() // nothing is lost that could still arrive
	}
}

// shut closes the connection once and tells the transactions that were waiting for it.
func (c *conn) shut(cause error) {
	c.mu.Lock()
	if c.state == connClosed {
		c.mu.Unlock()
		return
	}
	c.state = connClosed
	waiting := c.waiting
	c.queue, c.waiting = nil, nil
	c.hangUpLocked()
	c.mu.Unlock()
	c.sock.edge.streams.forget(c)
	for t := range waiting {
		t.broken(cause)
	}
	c.left()
}

// hangUpLocked closes what there is, in a goroutine where a farewell of TLS might have to wait for the peer.
func (c *conn) hangUpLocked() {
	nc, web := c.nc, c.web
	switch t, ok := nc.(*tls.Conn); {
	case nc == nil:
	case web != nil:
		c.sock.edge.start("websocket closer", web.close)
	case ok:
		c.sock.edge.start("tls closer", func() { _ = t.Close() }) // nobody is left to hear of it
	default:
		_ = nc.Close() // the same
	}
}

// hop is where messages of the connection come from and go to.
func (c *conn) hop() msg.Hop {
	h := msg.Hop{
		Transport: c.sock.transport, Local: c.local(), Remote: c.remote, Conn: c.id, At: time.Now(),
		Secure: c.sock.transport.Encrypted(), Peer: c.peer.Load(),
	}
	if i := c.at(); i != nil {
		h.Interface = i.ID
	}
	return h
}

// await notes that a transaction wants to hear when the connection breaks; it is false if it is broken already.
func (c *conn) await(t *try) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.reused, c.used = c.outbound && c.used, true // the first is whom it was opened for
	if c.state == connClosed {
		return false
	}
	if c.waiting == nil {
		c.waiting = map[*try]struct{}{}
	}
	c.waiting[t] = struct{}{}
	return true
}

func (c *conn) release(t *try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, t)
}

// serve reads messages until the peer closes, is too slow, sends what cannot be framed, or stays silent for too long.
func (c *conn) serve() {
	cause := error(io.EOF)
	defer func() { c.shut(cause) }()
	i := c.at()
	if i == nil {
		return
	}
	r := bufio.NewReaderSize(c.nc, 4096)
	f := msg.NewFramer(i.MaxMessage)
	for {
		idle, anew := c.idle(), false
		if left, lapses := c.lapse(); lapses && left <= 0 {
			cause = msg.ErrClosed
			c.sock.edge.metrics.drops.WithLabelValues("unauthenticated").Inc()
			return
		} else if lapses && left < idle {
			idle, anew = left, true // then it is looked at anew: somebody may have authenticated
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(idle)); err != nil {
			cause = err
			return
		}
		if _, err := r.Peek(1); err != nil {
			if c.heldOn(err) || anew && errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			cause = err
			return
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
			cause = err
			return
		}
		raw, keepAlive, err := f.Next(r)
		if err != nil {
			cause = err
			c.unframed(err)
			return
		}
		c.received(raw, keepAlive)
	}
}

// idle is how long the connection may stay silent now.
func (c *conn) idle() time.Duration {
	i := c.at()
	switch {
	case i == nil:
		return 0
	case c.known.Load() || c.outbound:
		return i.Idle
	}
	return min(i.Idle, strangerIdle)
}

// suspect closes a connection of ours that has been silent since a request was sent on it that got no answer: the peer may have
// forgotten it, and the system would go on repeating for a quarter of an hour.
func (c *conn) suspect(since time.Duration) {
	if c.outbound && time.Duration(c.heard.Load()) <= since {
		c.shut(msg.ErrNoResponse)
	}
}

// received hands one message on. A ping is answered with a pong (RFC 5626 3.5.1).
func (c *conn) received(raw []byte, keepAlive bool) {
	c.heard.Store(int64(c.sock.edge.txs.now()))
	if keepAlive {
		if err := c.send([]byte("\r\n"), c.remote); err != nil {
			c.sock.edge.log.Debug("edge: pong", "error", err)
		}
		return
	}
	if len(raw) > 0 {
		c.sock.edge.streamed(c, raw)
	}
}

// unframed counts what could not be framed. After it nothing on the connection can be trusted, so it is closed.
func (c *conn) unframed(err error) {
	var timeout net.Error
	e := c.sock.edge
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
		return
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.metrics.parseErrors.WithLabelValues(string(c.sock.transport), "truncated").Inc()
	case errors.As(err, &timeout) && timeout.Timeout():
		e.metrics.parseErrors.WithLabelValues(string(c.sock.transport), "slow").Inc()
	default:
		e.metrics.parseErrors.WithLabelValues(string(c.sock.transport), "framing").Inc()
		e.misframed(c, err)
	}
}
