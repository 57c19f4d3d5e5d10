package admit

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestRoom: the nearest bound counts, of the trunk in both directions and of the profiles on the way out.
func TestRoom(t *testing.T) {
	tally := New(Options{})
	trunk := &sbc.Trunk{}
	trunk.ID = "trk_1"
	profile := &sbc.LimitProfile{MaxCallsOut: 5}
	profile.ID = "lim_1"
	c := Claim{Trunk: trunk, EndpointID: "end_1", Direction: Out, Bounds: []Bound{{Profile: profile}}}
	take := func(call string, d Direction) {
		t.Helper()
		x := c
		if x.Call, x.Direction = call, d; d == In {
			x.EndpointID, x.Bounds = "", nil
		}
		if _, v := tally.Take(x); !v.OK {
			t.Fatal(v)
		}
	}
	room := func(c Claim, now, most int) {
		t.Helper()
		if gotNow, gotMost := tally.Room(c); gotNow != now || gotMost != most {
			t.Errorf("%d of %d, want %d of %d", gotNow, gotMost, now, most)
		}
	}
	room(Claim{Trunk: trunk}, 0, 0)
	room(c, 0, 5)
	take("a", Out)
	take("b", In)
	room(c, 1, 5)
	room(Claim{Trunk: trunk}, 1, 0)
	trunk.MaxCalls = 4
	room(c, 1, 3) // one came in and one went out: two more
	take("c", In)
	take("d", In)
	room(c, 1, 1)
	other := c
	other.EndpointID = "end_2"
	room(other, 1, 1) // none of them, and none may be
}
