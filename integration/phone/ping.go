package phone

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Ping sends OPTIONS to a border until it answers, and gives the address by which the border sees this phone (received and rport,
// RFC 3581 4). It opens, and keeps open, a binding of the NAT in between.
func (p *Phone) Ping(ctx context.Context, border netip.AddrPort) (seen netip.AddrPort, err error) {
	c := newCall(p, msg.NewCallID()+"@"+p.addr.Addr().String(), border)
	if c.target, err = msg.ParseURI("sip:" + border.String()); err != nil {
		return seen, fmt.Errorf("phone: cannot ping %v: %w", border, err)
	}
	if c.local, err = msg.ParseNameAddr("<sip:" + p.o.Name + "@" + p.addr.Addr().String() + ">;tag=" + c.tag); err != nil {
		return seen, fmt.Errorf("phone: name %q: %w", p.o.Name, err)
	}
	c.remote.URI = c.target
	answer := make(chan *msg.Message, 1)
	p.mu.Lock()
	p.pings[c.callID] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pings, c.callID)
		p.mu.Unlock()
	}()
	req := c.newRequest(msg.OPTIONS, c.seq, msg.NewBranch())
	ticker := time.NewTicker(500 * time.Millisecond) // T1 (RFC 3261 17.1.1.1)
	defer ticker.Stop()
	for {
		p.send(req, border)
		select {
		case m := <-answer:
			return seenBy(m, p.addr)
		case <-ticker.C:
		case <-ctx.Done():
			return seen, fmt.Errorf("phone %s: no answer to OPTIONS: %w", p.o.Name, ctx.Err())
		}
	}
}

// seenBy reads from the topmost Via of an answer where the request came from.
func seenBy(m *msg.Message, own netip.AddrPort) (netip.AddrPort, error) {
	addr, port := own.Addr(), own.Port()
	if host, ok := m.Via.Param("received"); ok && host != "" {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("phone: received=%q: %w", host, err)
		}
		addr = a
	}
	if n, ok := m.Via.Param("rport"); ok && n != "" {
		parsed, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("phone: rport=%q: %w", n, err)
		}
		port = uint16(parsed)
	}
	return netip.AddrPortFrom(addr, port), nil
}
