package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// wirePatience is how long a raw peer waits for what it expects.
const wirePatience = 15 * time.Second

// maxKept bounds the bytes a wire keeps.
const maxKept = 64 << 20

// wire is a raw SIP peer on one address: it sends what it is told to, octet by octet, and keeps every octet that comes. On TCP it
// listens on its address and opens one connection per border it speaks to.
type wire struct {
	t    testing.TB
	addr netip.AddrPort
	tcp  bool
	udp  *net.UDPConn
	// handle, where set, takes every message instead of the inbox; it runs on the reader's goroutine.
	handle func(m *msg.Message)

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew when something came
	received bytes.Buffer
	packets  int
	inbox    []*msg.Message
	conns    map[netip.AddrPort]net.Conn // by remote address: opened by us
	accepted []net.Conn
	listener net.Listener
	wait     sync.WaitGroup
	closed   bool
}

// newWire opens a peer; port 0 takes a free one.
func newWire(t testing.TB, addr netip.Addr, port int, tcp bool, handle func(m *msg.Message)) *wire {
	t.Helper()
	w := &wire{t: t, tcp: tcp, handle: handle, changed: make(chan struct{}), conns: map[netip.AddrPort]net.Conn{}}
	at := netip.AddrPortFrom(addr, uint16(port))
	if tcp {
		l, err := net.Listen("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		w.listener, w.addr = l, l.Addr().(*net.TCPAddr).AddrPort()
		w.wait.Go(w.accept)
	} else {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadBuffer(4 << 20) // as much as the system gives
		w.udp, w.addr = c, c.LocalAddr().(*net.UDPAddr).AddrPort()
		w.wait.Go(w.readUDP)
	}
	t.Cleanup(w.close)
	return w
}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	for _, c := range w.conns {
		c.Close()
	}
	for _, c := range w.accepted {
		c.Close()
	}
	w.mu.Unlock()
	if w.tcp {
		w.listener.Close()
	} else {
		w.udp.Close()
	}
	w.wait.Wait()
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		if w.closed {
			c.Close()
		}
		w.accepted = append(w.accepted, c)
		w.mu.Unlock()
		w.wait.Go(func() { w.readTCP(c) })
	}
}

func (w *wire) readUDP() {
	buf := make([]byte, 65535)
	for {
		n, from, err := w.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			hop := msg.Hop{Remote: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), At: time.Now()}
			w.took(bytes.Clone(buf[:n]), hop)
		}
	}
}

func (w *wire) readTCP(c net.Conn) {
	framer, r := msg.NewFramer(1<<20), bufio.NewReader(c)
	hop := msg.Hop{Remote: c.RemoteAddr().(*net.TCPAddr).AddrPort()}
	for {
		raw, _, err := framer.Next(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
				w.t.Errorf("the border's stream to %v cannot be read: %v", w.addr, err)
			}
			w.gone(c)
			return
		}
		if len(raw) > 0 {
			hop.At = time.Now()
			w.took(raw, hop)
		}
	}
}

// gone forgets a connection that was closed, so that the next message opens another.
func (w *wire) gone(c net.Conn) {
	c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, have := range w.conns {
		if have == c && !w.closed {
			delete(w.conns, at)
		}
	}
}

// took keeps what came.
func (w *wire) took(raw []byte, hop msg.Hop) {
	kept := bytes.Clone(raw)
	m, err := msg.Parse(raw)
	var broken *msg.ParseError
	if errors.As(err, &broken) && broken.Partial != nil && bytes.HasPrefix(kept, []byte("SIP/2.0 400 ")) {
		m, err = broken.Partial, nil // it repeats the sender's broken headers
	}
	w.mu.Lock()
	w.packets++
	if w.received.Len() < maxKept {
		w.received.Write(kept)
		w.received.WriteByte('\n')
	}
	if err == nil {
		m.Hop = hop
		if w.handle == nil {
			w.inbox = append(w.inbox, m)
		}
	}
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	if err != nil {
		if !bytes.HasPrefix(kept, []byte("SIP/2.0 400 ")) { // which repeats the sender's broken headers
			w.t.Errorf("the border sent what is not SIP: %v\n%q", err, kept)
		}
		return
	}
	if w.handle != nil {
		w.handle(m)
	}
}

// send puts octets on the wire, on TCP over the one connection to that address.
func (w *wire) send(raw []byte, to netip.AddrPort) {
	if !w.tcp {
		if _, err := w.udp.WriteToUDPAddrPort(raw, to); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNREFUSED) {
			w.t.Errorf("send to %v: %v", to, err)
		}
		return
	}
	c, err := w.connection(to)
	if err == nil {
		_, err = c.Write(raw)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		w.t.Errorf("send to %v: %v", to, err)
	}
}

func (w *wire) connection(to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.conns[to]; c != nil {
		return c, nil
	}
	c, err := dialFrom(w.addr.Addr(), to)
	if err != nil {
		return nil, err
	}
	w.conns[to] = c
	w.wait.Go(func() { w.readTCP(c) })
	return c, nil
}

// dialFrom opens a TCP connection from an address.
func dialFrom(from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: wirePatience}
	return d.Dial("tcp", to.String())
}

// answerTo sends a response back the way its request came: over the connection that brought it, or to its source.
func (w *wire) answerTo(req *msg.Message, raw []byte) {
	if w.tcp {
		w.mu.Lock()
		var back net.Conn
		for _, c := range append(mapValues(w.conns), w.accepted...) {
			if c.RemoteAddr().(*net.TCPAddr).AddrPort() == req.Hop.Remote {
				back = c
			}
		}
		w.mu.Unlock()
		if back != nil {
			_, _ = back.Write(raw) // a connection that is gone shows as an answer that never comes
			return
		}
	}
	w.send(raw, req.Hop.Remote)
}

func mapValues(m map[netip.AddrPort]net.Conn) []net.Conn {
	out := make([]net.Conn, 0, len(m))
	for _, c := range m {
		out = append(out, c)
	}
	return out
}

// bytes gives every octet that came so far.
func (w *wire) bytes() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.received.Bytes())
}

// count tells how many messages came.
func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.packets
}

// take waits for a message and takes it from the inbox.
func (w *wire) take(what string, match func(m *msg.Message) bool) *msg.Message {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wirePatience)
	defer cancel()
	m, err := w.look(ctx, match)
	if err != nil {
		w.t.Fatalf("%v did not get %s; of what nobody took, the newest:\n%s", w.addr, what, w.summary())
	}
	return m
}

func (w *wire) look(ctx context.Context, match func(m *msg.Message) bool) (*msg.Message, error) {
	for {
		w.mu.Lock()
		for i, m := range w.inbox {
			if match(m) {
				w.inbox = append(w.inbox[:i:i], w.inbox[i+1:]...)
				w.mu.Unlock()
				return m, nil
			}
		}
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// summary lists the start lines of what nobody took.
func (w *wire) summary() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b bytes.Buffer
	for _, m := range w.inbox[max(0, len(w.inbox)-40):] {
		fmt.Fprintf(&b, "  %s  (CSeq %d %s, Call-ID %s)\n", m.StartLine(), m.CSeq.Seq, m.CSeq.Method, m.CallID)
	}
	return b.String()
}

// sync proves that everything sent before has been handled: a request of its own, sent behind it, is answered.
func (w *wire) sync(border netip.AddrPort) {
	w.t.Helper()
	id := "sync" + msg.NewTag()
	transport := "UDP"
	if w.tcp {
		transport = "TCP"
	}
	w.send(fmt.Appendf(nil, "OPTIONS sip:%v SIP/2.0\r\nVia: SIP/2.0/%s %v;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:ping@sync.invalid>;tag=%s\r\nTo: <sip:pong@sync.invalid>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\n"+
		"Content-Length: 0\r\n\r\n", border, transport, w.addr, id, id, id), border)
	w.take("the answer to an OPTIONS", func(m *msg.Message) bool { return m.CallID == id })
}

// text reads a page of the API that is not JSON.
func (b *border) text(path string) string {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %d, %v\n%s", path, res.StatusCode, err, raw)
	}
	return string(raw)
}
