package call

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestWaitsForSleepers: a call to phones that sleep waits until they are awake, and goes where they are then; the caller may give up.
func TestWaitsForSleepers(t *testing.T) {
	push := func(d *sbc.Domain) { d.Push.URL = "http://push.example" }
	t.Run("it wakes", func(t *testing.T) {
		runVillage(t, push, func(v *village) {
			v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
			v.book.sleeps = true
			_, in := v.call("bob")
			in.want(100)
			v.wire.none(msg.INVITE)
			v.book.phones["sub_bob"] = []Contact{phone("reg_2", bobIP2, 1)}
			if v.book.caller != "alice" || v.book.waker == nil {
				t.Fatalf("woken by %q", v.book.caller)
			}
			v.book.waker()
			s := v.invites(1)[0]
			if s.target.Host != bobIP2 {
				t.Errorf("went to %s", s.target.Host)
			}
			s.reply(486)
			in.want(486)
			v.book.waker() // once more is nothing
			v.wire.none(msg.INVITE)
		})
	})
	t.Run("it is gone", func(t *testing.T) {
		runVillage(t, push, func(v *village) {
			v.book.sleeps, v.book.lost["sub_bob"] = true, true
			_, in := v.call("bob")
			in.want(100)
			v.book.waker()
			in.want(480)
		})
	})
	t.Run("the caller gives up", func(t *testing.T) {
		runVillage(t, push, func(v *village) {
			v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
			v.book.sleeps = true
			a, in := v.call("bob")
			in.want(100)
			in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
			in.want(487)
			v.book.waker()
			v.wire.none(msg.INVITE)
		})
	})
	t.Run("nobody wakes phones of the domain", func(t *testing.T) {
		runVillage(t, nil, func(v *village) {
			v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
			v.book.sleeps = true
			_, in := v.call("bob")
			v.invites(1)[0].reply(486)
			in.want(486)
		})
	})
}
