package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestKilledAnywhere: the process is killed three times with calls in every state, and those that were up go on. When all are over, each
// call that was answered has one record, and nothing is left.
func TestKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	bin := buildBinary(t)
	for _, args := range [][]string{{"-call-persistence-interval", "100ms"}, {"-call-persistence", "write_through"}} {
		t.Run(args[1], func(t *testing.T) {
			t.Parallel()
			m := newMortal(t, bin, args...)
			w := m.connect(newSides(t), wish{})
			callee(t, w.eastPeer)
			crowd := newCrowd(t, w.sides)
			restored := 0
			for round := range 3 {
				for i := range 60 {
					crowd.dial(fmt.Sprint(49000000 + 1000*round + i))
				}
				crowd.until("some of the calls", func() bool { return len(crowd.answered) >= 20*round+15 })
				waitSince(t, time.Now(), time.Duration(round)*60*time.Millisecond)
				m.killed()
				var live rest.Page[sbc.CallInfo]
				m.do("GET", "/calls?limit=1000", nil, &live)
				restored += len(live.Items)
			}
			if restored == 0 {
				t.Error("no call went on")
			}
			m.do("POST", "/calls/hang-up", rest.Object{"all": true}, nil)
			m.calls(0)
			answered, found := crowd.snapshot().answered, map[string]int{}
			waitFor(t, func() bool { // calls that were refused have records, too
				clear(found)
				for _, r := range m.child.feed(len(answered)) {
					found[r.Callee]++
				}
				return !slices.ContainsFunc(slices.Collect(maps.Keys(answered)), func(n string) bool { return found[n] == 0 })
			}, "a record of each call that was answered")
			for n, records := range found {
				if records > 1 {
					t.Errorf("the call to %s has %d records", n, records)
				}
			}
			m.quiet()
		})
	}
}
