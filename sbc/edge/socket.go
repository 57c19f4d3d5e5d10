package edge

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// link is a way bytes leave by: a UDP socket or a connection.
type link interface {
	// send gives the bytes to the system, or queues them; it does not block and does not keep an error to itself. The bytes are not
	// written to afterwards.
	send(raw []byte, to netip.AddrPort) error
	// at is the interface the link belongs to, nil once it is gone.
	at() *iface
	// number is that of the connection, 0 for UDP; local is our end.
	number() uint64
	local() netip.AddrPort
}

// socket is what an interface listens with. It outlives changes of the interface that leave its address alone.
type socket struct {
	edge      *Edge
	transport sbc.Transport
	bound     netip.AddrPort
	packets   packetConn   // UDP
	listener  net.Listener // TCP, and all that is spoken over it
	web       *webServer   // WebSocket
	iface     atomic.Pointer[iface]
	open      atomic.Int64 // connections, both ways
	down      atomic.Pointer[downfall]
	closed    atomic.Bool
	reads     int                       // datagrams, by the reader alone; and so behind
	junk      float64                   // the share of datagrams that the guard dropped, of late
	behind    bool                      // more waits than is good
	hurried   bool                      // many are read at once
	refusing  bool                      // what is read now is to be refused
	turns     int                       // of those in line
	line      []inLine                  // what begins something while there is too much to do; of the reader
	friends   friends                   // who may be refused without being read
	seen      msg.Message               // what is known of a request that is not read; of the reader
	query     atomic.Pointer[stunQuery] // of ours, under way
	claimed   *Change                   // taken by the change being prepared; guarded by Edge.changing
}

// downfall says since when and why a socket is not read any more.
type downfall struct {
	since  time.Time
	reason string
}

// bind opens a socket. What another transport still listens with at the same place is shared with it until it is closed.
func (e *Edge) bind(l Listener, shared net.Listener) (*socket, error) {
	s := &socket{edge: e, transport: l.Transport}
	var err error
	if l.Transport == sbc.TransportUDP {
		if s.packets, err = e.net.listenPacket(l.Bind); err == nil {
			s.packets = measured(e.unpolled(s.packets))
			s.bound = addrPort(s.packets.LocalAddr())
		}
	} else {
		if s.listener, err = twin(shared); err == nil && s.listener == nil {
			s.listener, err = e.net.listenStream(l.Bind)
		}
		if err == nil {
			s.bound = addrPort(s.listener.Addr())
		}
		if s.transport.WebSocket() {
			s.web = newWebServer(s)
		}
	}
	return s, err
}

// twin gives a second listener on the same socket; nil where that is none of the system's.
func twin(l net.Listener) (net.Listener, error) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil, nil
	}
	f, err := t.File()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the listener has one of its own
	return net.FileListener(f)
}

// claim takes the socket for a change; two listeners of one change cannot have the same socket.
func (s *socket) claim(c *Change) bool {
	if s.claimed == c {
		return false
	}
	s.claimed = c
	return true
}

func (s *socket) serve() {
	if s.transport == sbc.TransportUDP {
		s.edge.start("udp reader", s.readPackets)
	} else {
		s.edge.start("stream listener", s.accept)
		if s.web != nil {
			s.edge.start("websocket server", s.web.run)
		}
	}
}

// close stops the reader and closes the connections of the interface.
func (s *socket) close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.iface.Store(nil)
	if s.packets != nil {
		return s.packets.Close()
	}
	err := s.listener.Close()
	if s.web != nil {
		s.web.close()
	}
	s.edge.streams.closeOf(s)
	return err
}

func (s *socket) at() *iface            { return s.iface.Load() }
func (s *socket) number() uint64        { return 0 }
func (s *socket) local() netip.AddrPort { return s.bound }

// send writes a datagram. The socket's buffer being full counts as sent: SIP repeats what is lost.
func (s *socket) send(raw []byte, to netip.AddrPort) error {
	if s.closed.Load() {
		return msg.ErrClosed
	}
	_, err := s.packets.WriteToUDPAddrPort(raw, to)
	if errors.Is(err, syscall.ENOBUFS) {
		return nil
	}
	return err
}

// maxDatagram is the largest UDP payload; the buffer is larger so that nothing is ever cut off unnoticed.
const maxDatagram = 65536

// readPackets reads until the socket is closed. Any other error concerns one datagram, and the next one is read: an error must
// not silence an interface (dependencies.md 2.1, fault 14).
func (s *socket) readPackets() {
	buf := make([]byte, maxDatagram)
	failures := 0
	defer s.caughtUp()
	for {
		for s.turn() {
			continue
		}
		n, from, err := s.packets.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			failures = 0
			s.look()
			s.edge.datagram(s, buf[:n], unmap(from))
		case errors.Is(err, net.ErrClosed):
			s.ended(err)
			return
		default:
			failures++
			s.edge.metrics.parseErrors.WithLabelValues(string(s.transport), "read").Inc()
			if !s.pause(failures, err) {
				return
			}
		}
	}
}

// pause keeps a reader whose system is in trouble from spinning. It is false when the edge is closed.
func (s *socket) pause(failures int, err error) bool {
	if failures == 1 || failures%1000 == 0 {
		s.edge.log.Warn("edge: reading", "address", s.bound, "transport", s.transport, "error", err)
	}
	if failures < 10 {
		return true
	}
	t := time.NewTimer(min(time.Duration(failures)*time.Millisecond, time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return !s.closed.Load()
	case <-s.edge.ctx.Done():
		return false
	}
}

// ended notes that nobody reads the socket any more, unless that was asked for.
func (s *socket) ended(err error) {
	if s.closed.Load() {
		return
	}
	s.down.Store(&downfall{time.Now(), err.Error()})
	s.edge.log.Error("edge: interface is down", "address", s.bound, "transport", s.transport, "error", err)
}

// accept takes connections. It never waits for one of them: bytes are read in the connection's own goroutine.
func (s *socket) accept() {
	failures := 0
	for {
		nc, err := s.listener.Accept()
		switch {
		case err == nil:
			failures = 0
			s.edge.streams.admit(s, nc)
		case errors.Is(err, net.ErrClosed):
			s.ended(err)
			return
		default: // out of descriptors, or a peer that went away before we came
			failures++
			if !s.pause(failures+10, err) {
				return
			}
		}
	}
}

// goesOn tells whether a reader goes on after an error: any but the end of its socket concerns one datagram.
func (e *Edge) goesOn(err error) bool {
	if errors.Is(err, net.ErrClosed) || e.closed.Load() {
		return false
	}
	t := time.NewTimer(time.Millisecond)
	defer t.Stop()
	<-t.C
	return true
}
