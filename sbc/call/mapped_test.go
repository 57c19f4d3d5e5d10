package call

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestResponseMapWithinACall: failures of changes are told as the trunk they come from has them mapped, and what they mean for
// the dialog is what was said.
func TestResponseMapWithinACall(t *testing.T) {
	mapping := profiled(func(p *sbc.SignallingProfile) {
		p.ResponseMap = []sbc.ResponseMapping{{From: "493", To: 488, Reason: "No such sound"}, {From: "606", To: 481}, {From: "481", To: 503},
			{From: "500", To: 404}}
	})
	run(t, edits(bothCall, mapping), func(w *world) {
		a, b, _, _ := w.talk()
		for _, method := range []msg.Method{msg.INVITE, msg.UPDATE} {
			for _, tt := range []struct {
				code, told int
				reason     string
			}{{493, 488, "No such sound"}, {606, 500, ""}, {488, 488, ""}} { // 606 is 481, which is no affair of the other side
				body := sdp(callerIP, 4002)
				in := a.send(method, body)
				w.wire.next(method).reply(tt.code)
				res := in.want(tt.told)
				if tt.reason != "" && res.Reason != tt.reason {
					t.Errorf("%s: %s", method, res.StartLine())
				}
			}
		}
		in := a.send(msg.UPDATE, "")
		w.wire.next(msg.UPDATE).reply(493)
		if res := in.want(488); res.Reason != "No such sound" {
			t.Errorf("UPDATE: %s", res.StartLine())
		}
		in = b.send(msg.INVITE, sdp(calleeIP, 5002)) // the caller's trunk has no such map
		w.wire.next(msg.INVITE).reply(493)
		in.want(493)
		n := w.caller() // the callee does not agree that the caller is replaced
		in = n.invite(sdp(callerIP, 8000), "Replaces: "+a.named())
		w.wire.next(msg.INVITE).reply(493)
		in.want(488)
		in = a.send(msg.INVITE, sdp(callerIP, 4004))
		w.wire.next(msg.INVITE).reply(481) // the dialog is gone whatever it is called
		in.want(503)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
	})
}
