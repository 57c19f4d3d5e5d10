package phone

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Ping sends OPTIONS to a border until it answers, and gives the address by which the border sees this phone (received and rport,
// RFC 3581 4). It opens, and keeps open, a binding of the NAT in between.
func (p *Phone) Ping(ctx context.Context, border netip.AddrPort) (seen netip.AddrPort, err error) {
	c := newCall(p, msg.NewCallID()+"@"+p.addr.Addr().String(), border)
	if c.target, err = msg.ParseURI("sip:" + border.String()); err != nil {
		return seen, fmt.Errorf("phone: cannot ping %v: %w", border, err)
	}
	if c.local, err = msg.ParseNameAddr("<sip:" + p.o.Name + "@" + p.host() + ">;tag=" + c.tag); err != nil {
		return seen, fmt.Errorf("phone: name %q: %w", p.o.Name, err)
	}
	c.remote.URI = c.target
	m, err := p.ask(ctx, c, c.newRequest(msg.OPTIONS, c.seq, msg.NewBranch()))
	if err != nil {
		return seen, err
	}
	return seenBy(m, p.addr)
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
