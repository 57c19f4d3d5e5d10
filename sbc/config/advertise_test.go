package config

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestReadvertise: what a STUN server told is served in place of what is configured, at once and after every write, under the same
// revision; calls keep the Snapshot that they began with.
func TestReadvertise(t *testing.T) {
	var told atomic.Pointer[string]
	s := newStore(t, basic)
	n := start(t, s, Options{Poll: time.Hour, Advertised: func(r sbc.Resource) string {
		if a := told.Load(); a != nil && r.Base().ID == "sif_1" {
			return *a
		}
		return ""
	}})
	n.log.take()
	before := n.Current()
	if err := n.Readvertise(t.Context()); err != nil || n.Current() != before {
		t.Fatalf("nothing was told: %v", err)
	}
	first, second := "203.0.113.5", "203.0.113.6"
	told.Store(&first)
	if err := n.Readvertise(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.expect(t, "a prepare 1>1", "b prepare 1>1", "a commit 1", "b commit 1")
	if n.Current().Interface("sif_1").AdvertisedAddress != first || before.Interface("sif_1").AdvertisedAddress == first {
		t.Error("it is not served, or a Snapshot was changed")
	}
	told.Store(&second)
	if err := n.Update(t.Context(), false, put(t, "rule rul_2 plan=rpl_1 prefix=49 action=reject code=486")); err != nil {
		t.Fatal(err)
	}
	if err := n.Readvertise(t.Context()); err != nil || n.Current().Interface("sif_1").AdvertisedAddress != second {
		t.Errorf("%+v, %v", n.Current().Interface("sif_1"), err)
	}
	row := ""
	for line := range strings.Lines(basic) {
		if strings.Contains(line, " sif_1 ") {
			row = strings.TrimSpace(line)
		}
	}
	if err := n.Update(t.Context(), false, put(t, row)); err != nil || n.Current().Interface("sif_1").AdvertisedAddress != second {
		t.Errorf("a write of %q undid it: %v", row, err)
	}
}
