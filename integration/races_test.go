package integration

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// race is one play of messages that meet on the way.
type race struct {
	name string
	play func(t *testing.T, s *stage)
}

// TestRaces plays every race over UDP and over TCP.
func TestRaces(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, wish{transport: transport, eastTrunk: rest.Object{"no_response_timeout_ms": 8000}})
			list := append(forkRaces(), append(cancelRaces(), append(byeRaces(), repeatRaces()...)...)...)
			for _, r := range list {
				s.run(t, r.name, func(t *testing.T) { r.play(t, s) })
			}
			s.b.quiet()
		})
	}
}

func forkRaces() []race {
	return []race{
		{"forked provisionals are one dialog for the caller", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two, three := one.fork(), one.fork()
			tags := map[string]bool{}
			hear := func(status int) { tags[call.answer(1, status).To.Tag()] = true }
			one.say(one.invite, 180, "", "")
			hear(180)
			two.say(one.invite, 183, "", s.east.sdp())
			hear(183)
			three.say(one.invite, 180, "", "")
			hear(180)
			three.say(one.invite, 200, "", s.east.sdp())
			tags[call.final(200).To.Tag()] = true
			if ack := three.hear(msg.ACK); ack.To.Tag() != three.tag(t) {
				t.Errorf("the ACK is for %s", ack.To)
			}
			if len(tags) != 1 {
				t.Errorf("the caller saw %d tags: a fork of the callee's side is none of his", len(tags))
			}
			wantEnd(t, s.over(call, three, number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
		{"second 2xx of a fork is acknowledged and released", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two := one.fork()
			one.say(one.invite, 200, "", s.east.sdp())
			call.final(200)
			one.hear(msg.ACK)
			two.say(one.invite, 200, "", s.east.sdp())
			if ack := two.hear(msg.ACK); ack.To.Tag() != two.tag(t) {
				t.Errorf("the ACK is for %s", ack.To)
			}
			bye := two.hear(msg.BYE)
			if bye.To.Tag() != two.tag(t) || bye.CSeq.Seq <= one.invite.CSeq.Seq {
				t.Errorf("BYE %s, CSeq %d", bye.To, bye.CSeq.Seq)
			}
			two.say(bye, 200, "", "")
			two.say(one.invite, 200, "", s.east.sdp()) // and once more
			two.hear(msg.ACK)
			s.settle()
			s.east.nothing("a second BYE", two.ofCall(msg.BYE))
			r := s.over(call, one, number)
			wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
			if len(r.Attempts) != 1 {
				t.Errorf("attempts %+v", r.Attempts)
			}
		}},
		{"BYE of a fork that lost leaves the call alone", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two := one.fork()
			two.say(one.invite, 183, "", s.east.sdp())
			call.answer(1, 183)
			one.say(one.invite, 200, "", s.east.sdp())
			call.final(200)
			one.hear(msg.ACK)
			two.refusedWith(two.request("BYE", ""), 200)
			two.refusedWith(two.request("INFO", ""), 481)
			s.settle()
			s.west.nothing("a BYE", call.ofCall(msg.BYE))
			s.over(call, one, number)
		}},
	}
}

func cancelRaces() []race {
	return []race{
		{"CANCEL before any provisional", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			call.cancel("Reason: Q.850;cause=31;text=\"gone\"")
			call.final(487)
			s.settle()
			s.east.nothing("a CANCEL before its provisional (RFC 3261 9.1)", rings.ofCall(msg.CANCEL))
			rings.say(rings.invite, 180, "", "")
			cancel := rings.hear(msg.CANCEL)
			if !strings.Contains(cancel.Get("Reason"), "cause=31") {
				t.Errorf("the CANCEL waited and lost its reason:\n%s", cancel.AppendTo(nil))
			}
			rings.say(cancel, 200, "", "")
			rings.say(rings.invite, 487, "", "")
			rings.hear(msg.ACK)
			r := s.record(number)
			wantEnd(t, r, sbc.EndCallerCancel, sbc.SideCaller, 487)
			if r.Q850Cause != 31 || r.Disposition != sbc.DispositionCanceled || r.ProgressAt != nil || r.AnsweredAt != nil {
				t.Errorf("record %+v", r)
			}
		}},
		{"late 200 after CANCEL", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			call.cancel()
			call.final(487)
			cancel := rings.hear(msg.CANCEL)
			rings.say(rings.invite, 200, "", s.east.sdp())
			rings.say(cancel, 481, "", "")
			rings.hear(msg.ACK)
			rings.say(rings.hear(msg.BYE), 200, "", "")
			r := s.record(number)
			wantEnd(t, r, sbc.EndCallerCancel, sbc.SideCaller, 487)
			if r.AnsweredAt != nil || r.DurationMS != 0 || r.ProgressAt == nil {
				t.Errorf("nobody talked, but the record says %+v", r)
			}
		}},
		{"CANCEL after the 200 changes nothing", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 200, "", s.east.sdp())
			ok := call.answer(1, 200)
			call.target = "sip:" + number + "@" + s.west.host("ruri") // as the INVITE had it (RFC 3261 9.1)
			remote := call.remote
			call.remote = "<sip:" + number + "@" + s.west.host("to") + ">"
			call.cancel()
			call.remote = remote
			call.ack(ok)
			rings.hear(msg.ACK)
			s.settle()
			s.east.nothing("a CANCEL", rings.ofCall(msg.CANCEL))
			s.east.nothing("a BYE", rings.ofCall(msg.BYE))
			wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
		{"foreign CANCEL matches nothing", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			stray := *call
			stray.branch = s.west.branch()
			s.west.send(text("CANCEL "+stray.target+" SIP/2.0", stray.head("CANCEL", 1, stray.branch), ""), s.west.border)
			s.west.take("481 to a CANCEL", func(m *msg.Message) bool {
				return m.CallID == call.callID && m.CSeq.Method == msg.CANCEL && m.Status == 481
			})
			rings.say(rings.invite, 200, "", s.east.sdp())
			call.final(200)
			rings.hear(msg.ACK)
			s.over(call, rings, number)
		}},
		{"486 crosses the CANCEL", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			call.cancel()
			call.final(487) // the CANCEL has been taken; whichever comes first decides
			rings.say(rings.invite, 486, "", "")
			rings.hear(msg.ACK)
			wantEnd(t, s.record(number), sbc.EndCallerCancel, sbc.SideCaller, 487)
		}},
	}
}

func byeRaces() []race {
	return []race{
		{"BYEs cross", func(t *testing.T, s *stage) {
			call, rings, number := s.talk()
			one, two := call.request("BYE", "", "Reason: Q.850;cause=16"), rings.request("BYE", "", "Reason: Q.850;cause=16")
			call.answer(one, 200)
			rings.answer(two, 200)
			r := s.record(number)
			if r.EndReason != sbc.EndCallerBye && r.EndReason != sbc.EndCalleeBye || r.FinalCode != 200 {
				t.Errorf("record %+v", r)
			}
			// What the border sent may have crossed, too: it is answered and nothing more comes of it.
			s.settle()
			for _, l := range []*line{call, rings} {
				l.refusedWith(l.request("BYE", ""), 200) // late ones are lenient
				l.refusedWith(l.request("INFO", ""), 481)
			}
		}},
		{"caller's BYE before its ACK", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 200, "", s.east.sdp())
			ok := call.answer(1, 200)
			call.hangup(rings)
			call.ack(ok)
			wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
		{"callee's BYE before the caller's ACK", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 200, "", s.east.sdp())
			ok := call.answer(1, 200)
			rings.hear(msg.ACK)
			rings.answer(rings.request("BYE", ""), 200)
			s.settle()
			s.west.nothing("a BYE before its ACK (RFC 3261 15)", call.ofCall(msg.BYE))
			call.ack(ok)
			call.say(call.hear(msg.BYE), 200, "", "")
			wantEnd(t, s.record(number), sbc.EndCalleeBye, sbc.SideCallee, 200)
		}},
		{"caller's BYE while it rings", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			call.answer(call.request("BYE", ""), 200)
			call.final(487)
			rings.say(rings.hear(msg.CANCEL), 200, "", "")
			rings.say(rings.invite, 487, "", "")
			rings.hear(msg.ACK)
			wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 487)
		}},
		{"BYE meets a re-INVITE", func(t *testing.T, s *stage) {
			call, rings, number := s.talk()
			call.request("INVITE", s.west.sdp())
			re := rings.hear(msg.INVITE)
			rings.answer(rings.request("BYE", ""), 200)
			call.final(487)
			call.say(call.hear(msg.BYE), 200, "", "")
			rings.say(re, 487, "", "")
			rings.hear(msg.ACK)
			wantEnd(t, s.record(number), sbc.EndCalleeBye, sbc.SideCallee, 200)
		}},
		{"own BYE meets a re-INVITE that is answered all the same", func(t *testing.T, s *stage) {
			call, rings, number := s.talk()
			call.request("INVITE", s.west.sdp())
			re := rings.hear(msg.INVITE)
			bye := call.request("BYE", "")
			call.final(487)
			call.answer(bye, 200)
			rings.say(re, 200, "", s.east.sdp())
			rings.hear(msg.ACK)
			rings.say(rings.hear(msg.BYE), 200, "", "")
			wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
		{"BYE is refused, the call is over", func(t *testing.T, s *stage) {
			call, rings, number := s.talk()
			call.answer(call.request("BYE", ""), 200)
			rings.say(rings.hear(msg.BYE), 481, "", "")
			wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
	}
}

func repeatRaces() []race {
	return []race{
		{"repeated 200 is acknowledged again", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			ok := rings.response(rings.invite, 200, "", s.east.sdp())
			for range 3 {
				s.east.answerTo(rings.invite, ok)
				rings.hear(msg.ACK)
			}
			call.final(200)
			s.settle()
			s.over(call, rings, number)
			s.east.answerTo(rings.invite, ok) // also when all is over
			rings.hear(msg.ACK)
			s.settle()
			s.east.nothing("another BYE", rings.ofCall(msg.BYE))
		}},
		{"repeated INVITE makes one call", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			s.west.again(call.inviteBytes)
			s.settle()
			rings.say(rings.invite, 180, "", "")
			first := call.answer(1, 180)
			s.west.again(call.inviteBytes)
			if same := call.answer(1, 180); same.To.Tag() != first.To.Tag() {
				t.Errorf("the repeated INVITE got another tag")
			}
			rings.say(rings.invite, 200, "", s.east.sdp())
			ok := call.answer(1, 200)
			s.west.again(call.inviteBytes)
			s.settle()
			call.ack(ok)
			rings.hear(msg.ACK)
			s.settle()
			s.east.nothing("a second INVITE", func(m *msg.Message) bool { return m.Method == msg.INVITE && m.CallID != rings.callID })
			s.over(call, rings, number)
		}},
		{"repeated BYE gets the same answer", func(t *testing.T, s *stage) {
			call, rings, number := s.talk()
			call.seq++
			bye := call.raw("BYE", call.seq, "")
			s.west.again(bye)
			call.answer(call.seq, 200)
			s.west.again(bye)
			call.answer(call.seq, 200)
			rings.say(rings.hear(msg.BYE), 200, "", "")
			s.settle()
			s.west.again(bye)
			call.answer(call.seq, 200)
			s.east.nothing("a second BYE", rings.ofCall(msg.BYE))
			wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)
		}},
		{"repeated ACK harms nobody", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			rings := s.east.ring()
			rings.say(rings.invite, 200, "", s.east.sdp())
			ok := call.answer(1, 200)
			for range 3 {
				call.ack(ok)
			}
			rings.hear(msg.ACK)
			s.settle()
			s.over(call, rings, number)
			call.ack(ok)
			s.settle()
		}},
	}
}

// tag is the line's own.
func (l *line) tag(t testing.TB) string {
	t.Helper()
	a, err := msg.ParseNameAddr(l.local)
	if err != nil {
		t.Fatal(err)
	}
	return a.Tag()
}
