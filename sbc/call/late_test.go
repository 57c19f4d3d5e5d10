package call

import (
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestLateInTheQueue: what waits in the queue behind the end of its call is answered as what comes a moment later (pitfall P13), and its
// sender is no intruder.
func TestLateInTheQueue(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.BYE, "").want(200)
		bye := w.wire.next(msg.BYE)
		gate, c := make(chan struct{}), w.m.calls.all("")[0]
		go c.look(func() { <-gate })
		synctest.Wait()
		bye.reply(200) // the call's end: it waits
		again, info := a.send(msg.BYE, ""), a.send(msg.INFO, "")
		a.ack(a.lastInviteNumber, "")
		close(gate)
		again.want(200)
		info.want(481)
		a.send(msg.BYE, "").want(200)
		if n := len(w.events.of(sbc.EventSecurityDialog)); n != 0 {
			t.Errorf("%d intrusions", n)
		}
	})
}
