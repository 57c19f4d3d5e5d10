package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// portableBuffer holds one datagram: media keeps under the MTU, what is longer is cut and fails to parse or to play.
const portableBuffer = 2048

// Portable is a Mover of a goroutine per port on package net's sockets: for systems without epoll, and to check the other
// movers against.
type Portable struct {
	o     Options
	board board

	mu     sync.Mutex
	open   map[*portableWire]struct{}
	closed bool
	wg     sync.WaitGroup
}

// NewPortable gives a Mover that works everywhere.
func NewPortable(o Options) *Portable {
	o.defaults()
	return &Portable{o: o, open: make(map[*portableWire]struct{})}
}

type portableWire struct {
	m    *Portable
	conn *net.UDPConn
	done chan struct{}
}

// Open binds a port.
func (m *Portable) Open(local netip.AddrPort) (*Port, error) {
	network := "udp4"
	if local.Addr().Unmap().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	bound := local
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		bound = a.AddrPort()
	}
	w := &portableWire{m: m, conn: conn, done: make(chan struct{})}
	p := &Port{wire: w, local: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port())}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	m.open[w] = struct{}{}
	m.wg.Add(1)
	go w.read(p)
	return p, nil
}

// Totals counts over all ports.
func (m *Portable) Totals() Totals { return m.board.totals() }

// Close closes every socket and waits for its reader.
func (m *Portable) Close() error {
	m.mu.Lock()
	m.closed = true
	var errs []error
	for w := range m.open {
		errs = append(errs, w.conn.Close())
	}
	m.mu.Unlock()
	m.wg.Wait()
	return errors.Join(errs...)
}

func (w *portableWire) read(p *Port) {
	defer w.m.wg.Done()
	defer close(w.done)
	buf := make([]byte, portableBuffer)
	for w.serve(p, buf) {
		w.m.o.Log.Error("media port restarted after a panic", "local", p.local)
	}
}

// serve reads until the socket is closed. True says that a panic ended it.
func (w *portableWire) serve(p *Port, buf []byte) (again bool) {
	var t tally
	defer func() {
		if recover() != nil {
			t.panics++
			again = true
		}
		w.m.board.publish(&t)
	}()
	for {
		n, src, err := w.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return false
		}
		if err != nil {
			continue // an ICMP error of an earlier packet
		}
		src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
		p.receive(buf[:n], src, w.m.o.Clock(), &t)
		w.m.board.publish(&t)
	}
}

func (w *portableWire) send(b []byte, to *Dest) bool {
	_, err := w.conn.WriteToUDPAddrPort(b, to.Addr)
	return err == nil
}

func (w *portableWire) close() error {
	w.m.mu.Lock()
	delete(w.m.open, w)
	w.m.mu.Unlock()
	err := w.conn.Close()
	<-w.done
	return err
}
