package phone

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// link is how a phone's messages travel. Whatever comes is given to Phone.take.
type link interface {
	send(raw []byte, to netip.AddrPort) error
	local() netip.AddrPort
	close()
}

// linkTime bounds dialling, handshakes and writing.
const linkTime = 5 * time.Second

// open opens the link that the options ask for.
func (p *Phone) open() (link, error) {
	at := netip.AddrPortFrom(p.o.Address, uint16(p.o.Port))
	switch t := p.o.Transport; {
	case t == "" || t == sbc.TransportUDP:
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		l := &datagrams{conn}
		p.wait.Go(func() { l.read(p) })
		return l, nil
	case t.WebSocket():
		return &streams{phone: p, at: at, open: map[netip.AddrPort]pipe{}}, nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	s := &streams{phone: p, at: l.Addr().(*net.TCPAddr).AddrPort(), listener: l, open: map[netip.AddrPort]pipe{}}
	p.wait.Go(s.accept)
	return s, nil
}

// datagrams is the link of UDP.
type datagrams struct{ *net.UDPConn }

func (d *datagrams) local() netip.AddrPort { return d.LocalAddr().(*net.UDPAddr).AddrPort() }
func (d *datagrams) close()                { _ = d.Close() }
func (d *datagrams) send(raw []byte, to netip.AddrPort) error {
	_, err := d.WriteToUDPAddrPort(raw, to)
	return err
}

func (d *datagrams) read(p *Phone) {
	buf := make([]byte, 65535)
	for {
		n, from, err := d.ReadFromUDPAddrPort(buf)
		if err == nil {
			p.take(append([]byte(nil), buf[:n]...), from)
		} else if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// streams is the link of TCP, TLS and WebSocket: connections by the address of who is at their other end.
type streams struct {
	phone    *Phone
	at       netip.AddrPort
	listener net.Listener // nil for WebSocket: nobody connects to a browser

	mu     sync.Mutex
	open   map[netip.AddrPort]pipe
	closed bool
}

// pipe is one connection.
type pipe interface {
	write(raw []byte) error
	// next gives the next message; nil is padding.
	next() ([]byte, error)
	close()
}

func (s *streams) local() netip.AddrPort { return s.at }

func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for _, c := range s.open {
		c.close()
	}
}

// send sends by the connection that there is, or a new one.
func (s *streams) send(raw []byte, to netip.AddrPort) error {
	s.mu.Lock()
	c := s.open[to]
	var err error
	if c == nil && !s.closed {
		if c, err = s.dial(to); err == nil {
			s.keepLocked(c, to)
		}
	}
	s.mu.Unlock()
	if err != nil || c == nil {
		return err
	}
	return c.write(raw)
}

// keepLocked reads a connection until it ends.
func (s *streams) keepLocked(c pipe, remote netip.AddrPort) {
	s.open[remote] = c
	s.phone.wait.Go(func() {
		for {
			raw, err := c.next()
			if err != nil {
				break
			}
			if len(raw) > 0 {
				s.phone.take(raw, remote)
			}
		}
		c.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[remote] == c {
			delete(s.open, remote)
		}
	})
}

func (s *streams) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return
		}
		remote := nc.RemoteAddr().(*net.TCPAddr).AddrPort()
		if s.phone.o.Transport == sbc.TransportTLS {
			nc = tls.Server(nc, s.phone.o.TLS)
		}
		s.mu.Lock()
		if s.closed {
			_ = nc.Close()
		} else {
			s.keepLocked(newStream(nc), remote)
		}
		s.mu.Unlock()
	}
}

// dial connects from the phone's address.
func (s *streams) dial(to netip.AddrPort) (pipe, error) {
	d := &net.Dialer{Timeout: linkTime, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.at.Addr(), 0))}
	t := s.phone.o.Transport
	ctx, cancel := context.WithTimeout(context.Background(), linkTime)
	defer cancel()
	switch {
	case t.WebSocket():
		web := &http.Transport{DialContext: d.DialContext, TLSClientConfig: s.phone.o.TLS, DisableKeepAlives: true}
		c, _, err := websocket.Dial(ctx, string(t)+"://"+to.String()+"/", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: web}, Subprotocols: []string{"sip"}, HTTPHeader: http.Header{"Origin": s.phone.o.Origins},
		})
		if err != nil {
			return nil, err
		}
		c.SetReadLimit(1 << 17)
		return frames{c}, nil
	case t == sbc.TransportTLS:
		c, err := (&tls.Dialer{NetDialer: d, Config: s.phone.o.TLS}).DialContext(ctx, "tcp", to.String())
		if err != nil {
			return nil, err
		}
		return newStream(c), nil
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return newStream(c), nil
}

// stream is SIP on TCP or TLS.
type stream struct {
	net.Conn
	r *bufio.Reader
	f *msg.Framer
}

func newStream(c net.Conn) *stream { return &stream{c, bufio.NewReader(c), msg.NewFramer(1 << 17)} }

func (s *stream) close() { _ = s.Close() }
func (s *stream) write(raw []byte) error {
	if err := s.SetWriteDeadline(time.Now().Add(linkTime)); err != nil {
		return err
	}
	_, err := s.Write(raw)
	return err
}

func (s *stream) next() ([]byte, error) {
	raw, _, err := s.f.Next(s.r)
	return raw, err
}

// frames is SIP on a WebSocket (RFC 7118).
type frames struct{ *websocket.Conn }

func (f frames) close() { _ = f.CloseNow() }
func (f frames) write(raw []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), linkTime)
	defer cancel()
	return f.Write(ctx, websocket.MessageText, raw)
}

func (f frames) next() ([]byte, error) {
	_, raw, err := f.Read(context.Background())
	return raw, err
}

// Drop closes the phone's connections without a word, as a phone does that changes its network.
func (p *Phone) Drop() error {
	s, ok := p.link.(*streams)
	if !ok {
		return fmt.Errorf("phone %s: no connections over UDP", p.o.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for remote, c := range s.open {
		c.close()
		delete(s.open, remote)
	}
	return nil
}

// host is the phone's address as it stands in a URI.
func (p *Phone) host() string {
	if a := p.addr.Addr(); a.Is6() {
		return "[" + a.String() + "]"
	}
	return p.addr.Addr().String()
}

// via is the transport and sent-by of the phone's Via; a browser knows no address of its own (RFC 7118 5).
func (p *Phone) via() string {
	switch t := p.o.Transport; {
	case t == sbc.TransportWS:
		return "WS " + p.o.Name + ".invalid"
	case t == sbc.TransportWSS:
		return "WSS " + p.o.Name + ".invalid"
	case t == sbc.TransportTLS:
		return "TLS " + p.addr.String()
	case t == sbc.TransportTCP:
		return "TCP " + p.addr.String()
	}
	return "UDP " + p.addr.String()
}

// contact is the phone's Contact value.
func (p *Phone) contact() string {
	switch t := p.o.Transport; {
	case t == "" || t == sbc.TransportUDP:
		return "<sip:" + p.o.Name + "@" + p.addr.String() + ">"
	case t.WebSocket():
		return "<sip:" + p.o.Name + "@" + p.o.Name + ".invalid;transport=ws>"
	default:
		return "<sip:" + p.o.Name + "@" + p.addr.String() + ";transport=" + string(t) + ">"
	}
}
