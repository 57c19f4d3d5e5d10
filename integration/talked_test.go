package integration

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// talked waits for the one call until more than so many packets of either side have come and gone on, and ends it.
func (b *border) talked(packets uint64) {
	b.t.Helper()
	ctx := patience(b.t, 30*time.Second)
	live, err := rest.Until(ctx, b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil {
		b.t.Fatal(err)
	}
	id := live.Items[0].ID
	if _, err := rest.Until(ctx, b.Client, "/v1/calls/"+id+"/media", func(p rest.Page[sbc.StreamStats]) bool {
		return len(p.Items) == 2 && p.Items[0].Packets > packets && p.Items[1].Packets > packets &&
			p.Items[0].RelayedPackets > packets && p.Items[1].RelayedPackets > packets
	}); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Do(ctx, "DELETE", "/v1/calls/"+id, nil, nil); err != nil {
		b.t.Fatal(err)
	}
}

// companion runs a program beside a test; what it says is shown if the test fails.
func companion(t testing.TB, cmd func(ctx context.Context) *exec.Cmd, name string) *safeBuffer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := cmd(ctx)
	out := &safeBuffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s:\n%s", name, out.String())
		}
	})
	return out
}
