package media

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A party is told other ports: it is heard on both, hears from the new ones after its answer, and the old ones go back when it
// sends to the new ones.
func TestMove(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	doorA, doorB := door(t, toldA, 0), door(t, toldB, 0)
	talk(t, r.A, r.B, doorA, doorB)
	x := r.ours(r.s.Move(r.b))
	newDoor := door(t, x.Offer(), 0)
	if newDoor == doorB || version(t, x.Offer()) != version(t, toldB)+1 || !x.Changed() {
		t.Fatalf("moved with\n%s\nafter\n%s", x.Offer(), toldB)
	}
	if was, is := strings.Count(string(toldB), "\r\n"), strings.Count(string(x.Offer()), "\r\n"); was != is {
		t.Errorf("%d lines, then %d", was, is)
	}
	if _, err := r.s.Move(r.b); !errors.Is(err, ErrPending) {
		t.Errorf("a second one: %v", err)
	}
	r.inUse(3)
	heardBy := func(doors ...int) {
		t.Helper()
		for _, n := range doors {
			to := doorB
			if n == 1 {
				to = newDoor
			}
			r.B.say(to)
			r.A.hear(r.A.rtp)
		}
	}
	heardBy(0)
	r.answer(x, r.B.sdp())
	heardBy(0, 0)
	r.A.say(doorA)
	if _, from := r.B.hear(r.B.rtp); from != newDoor {
		t.Errorf("B hears from %v, not %v", from, newDoor)
	}
	r.s.settleMoves()
	r.inUse(3) // nothing came by the new one yet
	if _, err := r.s.Move(r.b); !errors.Is(err, ErrPending) {
		t.Errorf("while the old one is kept: %v", err)
	}
	heardBy(1, 0, 1)
	r.s.settleMoves()
	r.inUse(2)
	talk(t, r.A, r.B, doorA, newDoor)
	x = r.ours(r.s.Move(r.b))
	r.inUse(3)
	x.Reject()
	r.inUse(2)
	talk(t, r.A, r.B, doorA, newDoor)
	x = r.ours(r.s.Move(r.a))
	r.answer(x, r.A.sdp())
	talk(t, r.A, r.B, door(t, x.Offer(), 0), newDoor)
	x = r.ours(r.s.Move(r.b))
	r.s.Close()
	for begun := time.Now(); time.Since(begun) < time.Second; {
		if r.e.all()[0].ports.Status().InUse == 0 {
			return
		}
	}
	r.inUse(0)
}
