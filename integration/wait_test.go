package integration

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/phone"
)

// phoneTarget is where phones of the west send their calls.
func phoneTarget(s sides) netip.AddrPort { return netip.AddrPortFrom(s.west, 5060) }

// waitFor looks again and again whether something has become true.
func waitFor(t testing.TB, ok func() bool, what string) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(40 * time.Second); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// waitTone waits until a call hears a tone.
func waitTone(t testing.TB, c *phone.Call, tone float64) {
	t.Helper()
	waitFor(t, func() bool { return c.Heard().Tone == tone }, "the other side's tone")
}
