package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// nextBinding is the next Binding request that a server gets.
func (p *phone) nextBinding() (request []byte, from netip.AddrPort) {
	p.t.Helper()
	m := <-p.c.in
	if !isSTUN(m.b) || binary.BigEndian.Uint16(m.b) != stunBinding {
		p.t.Errorf("got %x", m.b)
	}
	return m.b, m.from
}

func (p *phone) put(b []byte, to netip.AddrPort) {
	if _, err := p.c.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Error(err)
	}
}

// TestDiscover: an address is believed from who was asked, to the question that was asked, and from nobody else; the question leaves by
// the interface's own port, or by one beside it.
func TestDiscover(t *testing.T) {
	seen := netip.MustParseAddrPort("198.51.100.7:5060")
	virtual(t, func(w *world) {
		stranger := w.phone(peerTwo)
		for _, stream := range []bool{false, true} {
			if stream {
				w.listen(Listener{ID: "a", Transport: sbc.TransportTCP, Bind: edgeAddr})
			}
			go func() {
				request, from := w.peer.nextBinding()
				if own := from == edgeAddr; own == stream {
					t.Errorf("asked from %s, stream %v", from, stream)
				}
				good := stunAnswer(request, seen)
				lie := netip.MustParseAddrPort("203.0.113.66:5060")
				stranger.put(stunAnswer(request, lie), from)
				other := bytes.Clone(request)
				other[19] ^= 1
				w.peer.put(stunAnswer(other[:len(other)-8], lie), from) // another transaction, no fingerprint
				broken := bytes.Clone(good)
				broken[len(broken)-1] ^= 1
				w.peer.put(broken, from)
				w.peer.put([]byte{1, 1, 0, 0}, from)
				w.peer.put(good, from)
			}()
			got, own, err := w.edge.MappedOf(w.t.Context(), "a", peerAddr.Addr().String(), int(peerAddr.Port()))
			if err != nil || got != seen || (own == edgeAddr.Port()) == stream {
				t.Errorf("told %s, own port %d, %v", got, own, err)
			}
		}
	})
}

// TestDiscoverSix is the same address family for IPv6.
func TestDiscoverSix(t *testing.T) {
	q := newSTUNQuery(peerAddr)
	want := netip.MustParseAddrPort("[2001:db8::7]:5061")
	if !q.takes(stunAnswer(q.request, want), peerAddr) {
		t.Fatal("not taken")
	}
	if told := <-q.told; told.mapped != want {
		t.Errorf("told %s", told.mapped)
	}
}

// TestDiscoverSilent is RFC 8489 6.2.1: seven requests, and 39.5 s in all; then an error of the server.
func TestDiscoverSilent(t *testing.T) {
	virtual(t, func(w *world) {
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := w.edge.MappedFrom(w.t.Context(), edgeAddr.Addr(), peerAddr.Addr().String(), int(peerAddr.Port()))
			done <- err
		}()
		for _, want := range []time.Duration{0, 500, 1500, 3500, 7500, 15500, 31500} {
			if w.peer.nextBinding(); time.Since(start) != want*time.Millisecond {
				t.Errorf("asked after %s, not %d ms", time.Since(start), want)
			}
		}
		if err := <-done; !errors.Is(err, errSTUNSilent) || time.Since(start) != 39_500*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		go func() {
			request, from := w.peer.nextBinding()
			refusal := bytes.Clone(request[:stunHeader])
			binary.BigEndian.PutUint16(refusal, stunError)
			w.peer.put(stunSign(stunAppend(refusal, attrErrorCode, []byte{0, 0, 5, 0})), from)
		}()
		if _, _, err := w.edge.MappedOf(w.t.Context(), "a", peerAddr.Addr().String(), int(peerAddr.Port())); !errors.Is(err, errSTUNRefused) {
			t.Error(err)
		}
	})
}
