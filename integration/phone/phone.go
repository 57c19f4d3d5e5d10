package phone

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Options describe a phone.
type Options struct {
	// Address is the phone's own; a free port is taken unless Port is set.
	Address netip.Addr
	Port    int
	// Name is the user part of its Contact; UserAgent what it says it is.
	Name, UserAgent string
	// Tone is the frequency it sends, one of 400, 600, 800, 1000, 1200 Hz.
	Tone float64
	// Incoming is called on a goroutine of its own for each call that comes; nil answers 480.
	Incoming func(c *Call)
}

// Phone is a user agent on one UDP socket. Its methods may be called from anywhere.
type Phone struct {
	o    Options
	conn *net.UDPConn
	addr netip.AddrPort

	mu       sync.Mutex
	calls    map[string]*Call             // by Call-ID; kept to the end, so that late messages find theirs
	pings    map[string]chan *msg.Message // by Call-ID
	received []byte
	closed   bool
	wait     sync.WaitGroup
}

// maxReceived bounds the bytes kept for leak tests.
const maxReceived = 4 << 20

// New opens a phone.
func New(o Options) (*Phone, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.Address, uint16(o.Port))))
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	p := &Phone{o: o, conn: conn, calls: make(map[string]*Call), pings: make(map[string]chan *msg.Message)}
	p.addr = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	p.wait.Go(p.read)
	return p, nil
}

// Addr is where the phone can be reached.
func (p *Phone) Addr() netip.AddrPort { return p.addr }

// Close ends all calls without a word and frees the socket.
func (p *Phone) Close() {
	p.mu.Lock()
	p.closed = true
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	p.mu.Unlock()
	p.conn.Close()
	for _, c := range calls {
		c.end()
	}
	p.wait.Wait()
}

// Received gives every byte of SIP that came so far, messages one after the other.
func (p *Phone) Received() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]byte(nil), p.received...)
}

func (p *Phone) read() {
	buf := make([]byte, 65535)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		raw := append([]byte(nil), buf[:n]...)
		p.mu.Lock()
		if len(p.received)+n <= maxReceived {
			p.received = append(p.received, raw...)
		}
		p.mu.Unlock()
		if m, err := msg.Parse(raw); err == nil {
			p.dispatch(m, from)
		}
	}
}

// dispatch hands a message to its call, or makes one of it.
func (p *Phone) dispatch(m *msg.Message, from netip.AddrPort) {
	p.mu.Lock()
	c, ping := p.calls[m.CallID], p.pings[m.CallID]
	fresh := c == nil && m.Method == msg.INVITE && !p.closed
	if fresh {
		c = newCall(p, m.CallID, from)
		p.calls[m.CallID] = c
	}
	p.mu.Unlock()
	switch {
	case ping != nil:
		select {
		case ping <- m:
		default: // a repetition
		}
	case fresh:
		c.incoming(m)
	case c == nil && m.IsRequest() && m.Method != msg.ACK:
		status := 481
		if m.Method == msg.OPTIONS {
			status = 200
		}
		p.send(msg.NewResponse(m, status, ""), from)
	case c != nil && m.IsRequest():
		c.request(m, from)
	case c != nil:
		c.response(m)
	}
}

// send puts a message on the wire. Loss on loopback shows as a timeout of whoever waits.
func (p *Phone) send(m *msg.Message, to netip.AddrPort) {
	_, _ = p.conn.WriteToUDPAddrPort(m.AppendTo(nil), to)
}

// contact is the phone's Contact value.
func (p *Phone) contact() string { return "<sip:" + p.o.Name + "@" + p.addr.String() + ">" }
