package integration

import (
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestGlare is RFC 3261 14.1 and 14.2, from both sides.
func TestGlare(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"caller", "callee"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, wish{})
			sides := func() (from, to *line, end func()) {
				call, rings, number := s.talk()
				if by == "callee" {
					return rings, call, func() { s.over(call, rings, number) }
				}
				return call, rings, func() { s.over(call, rings, number) }
			}
			s.run(t, "the other side's is refused while one is under way", func(t *testing.T) {
				from, to, end := sides()
				for _, method := range []string{"INVITE", "UPDATE"} {
					seq := from.request("INVITE", from.p.sdp())
					asked := to.hear(msg.INVITE)
					to.refusedWith(to.request(method, to.p.sdp()), 491)
					to.say(asked, 200, "", to.p.sdp())
					from.ack(from.answer(seq, 200))
					to.hear(msg.ACK)
					from.p.sync(from.p.border)
				}
				change(to, from, msg.INVITE, to.p.sdp(), from.p.sdp())
				end()
			})
			s.run(t, "a 491 of the other side is tried again", func(t *testing.T) {
				from, to, end := sides()
				seq := from.request("INVITE", from.p.sdp())
				asked := to.hear(msg.INVITE)
				to.say(asked, 491, "", "")
				to.hear(msg.ACK)
				again := to.hear(msg.INVITE)
				if again.CSeq.Seq <= asked.CSeq.Seq {
					t.Errorf("CSeq %d after %d", again.CSeq.Seq, asked.CSeq.Seq)
				}
				to.say(again, 200, "", to.p.sdp())
				from.ack(from.answer(seq, 200))
				to.hear(msg.ACK)
				from.p.sync(from.p.border)
				end()
			})
			s.run(t, "both at once", func(t *testing.T) {
				from, to, end := sides()
				seq := from.request("INVITE", from.p.sdp())
				asked := to.hear(msg.INVITE)
				to.refusedWith(to.request("INVITE", to.p.sdp()), 491)
				to.say(asked, 491, "", "")
				to.hear(msg.ACK)
				// The other side is the first to try again: a strict peer can only take it once its own was refused.
				retry := to.request("INVITE", to.p.sdp())
				from.refusedWith(seq, 491)
				theirs := from.hear(msg.INVITE)
				from.say(theirs, 200, "", from.p.sdp())
				to.ack(to.answer(retry, 200))
				from.hear(msg.ACK)
				to.p.sync(to.p.border)
				change(from, to, msg.INVITE, from.p.sdp(), to.p.sdp())
				end()
			})
			s.b.quiet()
		})
	}
}
