package integration

import (
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// reliableScenes are calls with 100rel on both sides, where neither side keeps anything back.
func reliableScenes(pass bool) []scene {
	say183 := func(rings *line, rseq int, body string) {
		rings.say(rings.invite, 183, "", body, append(hostileHeaders(rings.p), assured(rseq)...)...)
	}
	// acknowledge lets the caller's PRACK and the callee's meet, in whatever order the mode brings them.
	acknowledge := func(call, rings *line, rseq int, m *msg.Message, body string, headers ...string) {
		rack := "RAck: " + m.Get("RSeq") + " 1 INVITE"
		if pass {
			seq := call.request("PRACK", body, append(headers, rack)...)
			rings.pracked(rseq, "")
			call.answer(seq, 200)
			return
		}
		rings.pracked(rseq, "")
		call.answer(call.request("PRACK", body, append(headers, rack)...), 200)
	}
	return []scene{
		{"reliable provisional, early UPDATE both ways", func(a, b *peer) {
			call := a.dial("4930123456", hostileDescription(a), append(hostileHeaders(a), "Require: 100rel")...)
			rings := b.ring()
			say183(rings, 4711, hostileDescription(b))
			m := call.answer(1, 183)
			acknowledge(call, rings, 4711, m, "", hostileHeaders(a)...)
			for _, c := range [][2]*line{{call, rings}, {rings, call}} {
				seq := c[0].request("UPDATE", hostileDescription(c[0].p), hostileHeaders(c[0].p)...)
				c[1].say(c[1].hear(msg.UPDATE), 200, "", hostileDescription(c[1].p), hostileHeaders(c[1].p)...)
				c[0].answer(seq, 200)
			}
			rings.say(rings.invite, 200, "", "", hostileHeaders(b)...)
			call.final(200)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"offer in PRACK", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp(), "Supported: 100rel")
			rings := b.ring()
			say183(rings, 81, b.sdp())
			m := call.answer(1, 183)
			rack := "RAck: " + m.Get("RSeq") + " 1 INVITE"
			method := msg.PRACK
			if !pass {
				method = msg.UPDATE
				rings.pracked(81, "")
			}
			seq := call.request("PRACK", hostileDescription(a), append(hostileHeaders(a), rack)...)
			rings.say(rings.hear(method), 200, "", hostileDescription(b), hostileHeaders(b)...)
			call.answer(seq, 200)
			rings.say(rings.invite, 486, "", "", hostileHeaders(b)...)
			call.final(486)
		}},
		{"late offer in a reliable 183", func(a, b *peer) {
			call := a.dial("4930123456", "", "Supported: 100rel")
			rings := b.ring()
			say183(rings, 9, hostileDescription(b))
			m := call.answer(1, 183)
			seq := call.request("PRACK", hostileDescription(a), append(hostileHeaders(a), "RAck: "+m.Get("RSeq")+" 1 INVITE")...)
			rings.pracked(9, "")
			call.answer(seq, 200)
			rings.say(rings.invite, 200, "", "", hostileHeaders(b)...)
			call.final(200)
			rings.hear(msg.ACK)
			rings.hangup(call)
		}},
		{"PRACK for nothing", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, c := range []*line{call, rings} {
				c.refusedWith(c.request("PRACK", hostileDescription(c.p), append(hostileHeaders(c.p), "RAck: 1 1 INVITE")...), 481)
			}
			call.hangup(rings)
		}},
	}
}

// TestLeaksReliable plays them in both modes, over UDP and TCP. In mode pass the PRACK and its answer travel through.
func TestLeaksReliable(t *testing.T) {
	for _, mode := range []string{"terminate", "pass"} {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(mode+"/"+transport, func(t *testing.T) {
				t.Parallel()
				b := startBorder(t, app.Options{})
				id := b.create("/signalling-profiles", rest.Object{"name": mode, "reliable_provisional": mode})
				both := func() rest.Object { return rest.Object{"signalling_profile_id": id} }
				w := b.connect(newSides(t), wish{transport: transport, westTrunk: both(), eastTrunk: both()})
				eyes := w.watched(t, transport == "tcp")
				playAll(t, eyes, reliableScenes(mode == "pass"))
				b.quiet()
				eyes.finished(t)
			})
		}
	}
}
