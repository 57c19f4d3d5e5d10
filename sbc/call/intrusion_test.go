package call

import (
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestReplacesCancelledBeforeItsTurn: the offer of an INVITE with Replaces waits for a change that is under way; nobody is there
// any more when its turn comes.
func TestReplacesCancelledBeforeItsTurn(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		change := a.send(msg.INVITE, sdp(callerIP, 4002))
		out := w.wire.next(msg.INVITE)
		n := w.caller()
		in := n.invite(sdp(callerIP, 8000), "Replaces: "+a.named())
		in.want(100)
		in.onCancel(n.build(msg.CANCEL, n.cseq, ""))
		in.want(487)
		out.reply(200, sdp(calleeIP, 5002))
		change.want(200)
		a.ack(a.cseq, "")
		w.wire.none(msg.INVITE)
		w.end(a)
	})
}
