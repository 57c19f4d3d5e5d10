package phone

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync"

	"github.com/sallyport/sallyport/media/secure"
	"github.com/sallyport/sallyport/sbc"
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
	// SRTP is the suite by which its media are encrypted, with keys in SDP (RFC 4568); "" is none.
	SRTP secure.Suite
	// DTLS encrypts them with keys of a handshake instead (RFC 5763).
	DTLS bool
	// Incoming is called on a goroutine of its own for each call that comes; nil answers 480.
	Incoming func(c *Call)
	// Transport is how it speaks; empty is UDP. TLS is for tls and wss: whom it believes, and what it shows. Origins are those of the page
	// that it pretends to be, over WebSocket.
	Transport sbc.Transport
	TLS       *tls.Config
	Origins   []string
}

// Phone is a user agent on one socket, or on connections. Its methods may be called from anywhere.
type Phone struct {
	o    Options
	link link
	addr netip.AddrPort
	// ready is closed when the phone is whole: nothing that comes is looked at before.
	ready <-chan struct{}

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
	p := &Phone{o: o, calls: make(map[string]*Call), pings: make(map[string]chan *msg.Message)}
	ready := make(chan struct{})
	defer close(ready)
	p.ready = ready
	l, err := p.open()
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	p.link, p.addr = l, l.local()
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
	p.link.close()
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

// take takes one message in.
func (p *Phone) take(raw []byte, from netip.AddrPort) {
	<-p.ready
	p.mu.Lock()
	if len(p.received)+len(raw) <= maxReceived {
		p.received = append(p.received, raw...)
	}
	p.mu.Unlock()
	if m, err := msg.Parse(raw); err == nil {
		p.dispatch(m, from)
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

// send puts a message on the wire. What is lost shows as a timeout of whoever waits.
func (p *Phone) send(m *msg.Message, to netip.AddrPort) { _ = p.link.send(m.AppendTo(nil), to) }
