package call

import (
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// TestPursuitEnds: when there was nothing to go on with, nothing is said to lead on any more, whatever is left there by a fault: the call
// ends where it would turn in a circle. A new attempt begins it anew.
func TestPursuitEnds(t *testing.T) {
	follower(t, func(w *village) {
		_, in := w.dial("4930123")
		first := w.wire.next(msg.INVITE)
		c := w.m.calls.all("")[0]
		c.look(func() {
			p := &c.hunt.pursuit
			p.next = len(p.plan)
			if c.pursue(p) {
				t.Error("goes on with nothing")
			}
			p.stop, p.d.plan.Next, p.aside = false, &route.Next{}, []aside{{d: *p.d, stops: true}}
			if c.leadsOn(p) {
				t.Error("is said to lead on, and does not")
			}
			if c.lead(p, nil); !c.leadsOn(p) {
				t.Error("is over for ever")
			}
			p.d.plan.Next, p.aside = nil, nil
		})
		first.reply(486)
		if res := in.last(); res == nil || res.Status != 486 {
			t.Errorf("answered with %v", res)
		}
	})
}
