package edge

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestHandshakeFlood: one source makes as many handshakes as it can, each ended as soon as it is done. What they cost is bounded by second,
// and others get theirs within a second meanwhile.
func TestHandshakeFlood(t *testing.T) {
	ca := newAuthority(t)
	for _, transport := range []sbc.Transport{sbc.TransportTLS, sbc.TransportWSS} {
		east := newSecured(t, ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert), nil, listener("tls", transport, "127.0.0.1"))
		at := bound(t, east.Edge, "tls")
		ctx, stop := context.WithCancel(t.Context())
		greet := func(from string) error {
			within, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			d := &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from + ":0"))}
			c, err := (&tls.Dialer{NetDialer: d, Config: &tls.Config{RootCAs: ca.pool}}).DialContext(within, "tcp", at.String())
			if err == nil {
				_ = c.Close() // it was for the handshake
			}
			return err
		}
		began := time.Now()
		var flood sync.WaitGroup
		for range 8 {
			flood.Go(func() {
				for ctx.Err() == nil {
					_ = greet("127.0.0.66") // most are refused
				}
			})
		}
		refused := east.metrics.drops.WithLabelValues("handshakes")
		until(t, "it is too much", func() bool { return counter(t, refused) > 0 })
		for time.Since(began) < 2*time.Second {
			first := time.Now()
			if err := greet("127.0.0.77"); err != nil || time.Since(first) > time.Second {
				t.Errorf("%s: another source waited for %v: %v", transport, time.Since(first), err)
			}
			pause := time.NewTimer(100 * time.Millisecond)
			<-pause.C
		}
		stop()
		flood.Wait()
		made := 0.0
		for _, result := range []string{"ok", "failed", "timeout"} {
			made += counter(t, east.metrics.handshakes.WithLabelValues("in", result))
		}
		if most := handshakeBurst + handshakeRate*(time.Since(began).Seconds()+1) + 25; made > most || made < handshakeBurst {
			t.Errorf("%s: %v handshakes in %v", transport, made, time.Since(began))
		}
		if left := counter(t, refused); left < 100 {
			t.Errorf("%s: %v were refused", transport, left)
		}
	}
}
