package edge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// names resolves one name.
type names map[string][]Address

func (n names) Lookup(_ context.Context, host string, _ int, _ sbc.Transport) ([]Address, error) {
	return n[host], nil
}

// TestSuppliedTargets: an address or name that a caller supplied leads only where Egress allows; one of ours leads anywhere, and
// of the addresses of a name those that are allowed are used.
func TestSuppliedTargets(t *testing.T) {
	at := func(a netip.AddrPort) Address { return Address{a, sbc.TransportUDP} }
	o := func(o *Options) {
		o.Resolver = names{"evil.example": {at(peerAddr)}, "mixed.example": {at(peerAddr), at(peerTwo)}}
		o.Egress = func(_ string, to netip.AddrPort, target string) error {
			if to == peerAddr {
				return fmt.Errorf("%w: %s", msg.ErrForbidden, target)
			}
			return nil
		}
	}
	virtual(t, func(w *world) {
		two := w.phone(peerTwo)
		try := func(host string, supplied bool) {
			out := w.outbound(msg.OPTIONS, peerAddr)
			out.Target.Host, out.Target.Port, out.Target.Supplied = host, 0, supplied
			w.edge.Send(out)
			pass(0)
		}
		for _, host := range []string{"192.0.2.99", "evil.example"} {
			failed := len(w.failures)
			try(host, true)
			w.peer.none()
			if len(w.failures) != failed+1 || !errors.Is(w.failures[failed], msg.ErrForbidden) {
				t.Errorf("%s: %v", host, w.failures)
			}
			try(host, false)
			w.peer.method(msg.OPTIONS)
		}
		try("mixed.example", true)
		w.peer.none()
		two.method(msg.OPTIONS)
	}, o)
}
