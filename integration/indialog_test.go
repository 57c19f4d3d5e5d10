package integration

import (
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// change plays one change of the session: from offers, to answers. It gives the request to is given and the answer from gets.
func change(from, to *line, method msg.Method, offer, answer string) (asked, got *msg.Message) {
	from.p.t.Helper()
	seq := from.request(string(method), offer)
	asked = to.hear(method)
	to.say(asked, 200, "", answer)
	got = from.answer(seq, 200)
	if method == msg.INVITE {
		from.ack(got)
		to.hear(msg.ACK)
		from.p.sync(from.p.border)
	}
	return asked, got
}

// bothWays plays a test from the caller's side and from the callee's.
func (s *stage) bothWays(t *testing.T, name string, play func(t *testing.T, from, to *line)) {
	t.Helper()
	for _, by := range []string{"caller", "callee"} {
		s.run(t, name+" by the "+by, func(t *testing.T) {
			call, rings, number := s.talk()
			from, to := call, rings
			if by == "callee" {
				from, to = rings, call
			}
			play(t, from, to)
			wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
		})
	}
}

const audio = "m=audio %d RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000"

// TestSessionChanges walks through re-INVITE and UPDATE from both sides, over UDP and TCP.
func TestSessionChanges(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, wish{transport: transport})
			sessionChanges(t, s)
			specialChanges(t, s)
			s.b.quiet()
		})
	}
}

// sessionChanges are those that re-INVITE and UPDATE have in common.
func sessionChanges(t *testing.T, s *stage) {
	t.Helper()
	for _, method := range []msg.Method{msg.INVITE, msg.UPDATE} {
		s.bothWays(t, string(method)+" hold and resume", func(t *testing.T, from, to *line) {
			for i, c := range []struct{ offer, answer string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}, {"recvonly", "sendonly"}, {"sendrecv", "sendrecv"}} {
				asked, got := change(from, to, method, from.p.offers(i+2, fmt.Sprintf(audio, 40000), "a="+c.offer), to.p.offers(i+2, fmt.Sprintf(audio, 40000), "a="+c.answer))
				if d := readSDP(t, asked.Body); len(d.media) != 1 || d.media[0].direction != c.offer {
					t.Errorf("offer %s arrived as %+v", c.offer, d.media)
				}
				if d := readSDP(t, got.Body); len(d.media) != 1 || d.media[0].direction != c.answer {
					t.Errorf("answer %s arrived as %+v", c.answer, d.media)
				}
			}
		})
		s.bothWays(t, string(method)+" refused", func(t *testing.T, from, to *line) {
			for _, c := range []struct{ answer, want int }{{488, 488}, {603, 603}, {500, 500}, {403, 403}, {401, 403}, {302, 480}, {606, 606}} {
				seq := from.request(string(method), from.p.sdp())
				to.say(to.hear(method), c.answer, "", "")
				from.refusedWith(seq, c.want)
				if method == msg.INVITE {
					to.hear(msg.ACK)
				}
			}
			change(from, to, method, from.p.sdp(), to.p.sdp()) // and all is well
		})
		s.bothWays(t, string(method)+" with what cannot be read", func(t *testing.T, from, to *line) {
			from.refusedWith(from.request(string(method), "nonsense\r\n"), 488)
			from.refusedWith(from.request(string(method), "{}", "Content-Type: application/json"), 415)
			change(from, to, method, from.p.sdp(), to.p.sdp())
		})
	}
}

// specialChanges are those of one method.
func specialChanges(t *testing.T, s *stage) {
	t.Helper()
	s.bothWays(t, "UPDATE without a body", func(t *testing.T, from, to *line) {
		asked, got := change(from, to, msg.UPDATE, "", "")
		if len(asked.Body)+len(got.Body) > 0 || asked.Get("Contact") == "" || got.Get("Contact") == "" {
			t.Errorf("%s\n%s", asked.AppendTo(nil), got.AppendTo(nil))
		}
	})
	s.bothWays(t, "offerless re-INVITE", func(t *testing.T, from, to *line) {
		seq := from.request("INVITE", "")
		asked := to.hear(msg.INVITE)
		if len(asked.Body) != 0 {
			t.Errorf("it arrived with %q", asked.Body)
		}
		again := to.response(asked, 200, "", to.p.sdp())
		to.p.answerTo(asked, again)
		got := from.answer(seq, 200)
		if d := readSDP(t, got.Body); len(d.media) != 1 {
			t.Errorf("offer %+v", d)
		}
		from.ack(got, from.p.sdp())
		ack := to.hear(msg.ACK)
		if d := readSDP(t, ack.Body); len(d.media) != 1 || d.media[0].port == 0 {
			t.Errorf("answer %+v", d)
		}
		to.p.answerTo(asked, again) // as if that ACK were lost: the same again (RFC 3261 13.2.2.4)
		if second := to.hear(msg.ACK); string(second.Body) != string(ack.Body) {
			t.Errorf("the second ACK carries %q, the first %q", second.Body, ack.Body)
		}
	})
	s.bothWays(t, "several m-lines and a refused one", func(t *testing.T, from, to *line) {
		video := "m=video %d RTP/AVP 96\r\na=rtpmap:96 H264/90000"
		data := "m=application %d UDP/BFCP *"
		asked, got := change(from, to, msg.INVITE,
			from.p.offers(2, fmt.Sprintf(audio, 40000), fmt.Sprintf(video, 40010), "m=message 2855 TCP/MSRP *", fmt.Sprintf(data, 40020)),
			to.p.offers(2, fmt.Sprintf(audio, 40000), fmt.Sprintf(video, 0), "m=message 0 TCP/MSRP *", fmt.Sprintf(data, 0)))
		d, back := readSDP(t, asked.Body), readSDP(t, got.Body)
		if len(d.media) != 4 || len(back.media) != 4 {
			t.Fatalf("offer %+v, answer %+v", d.media, back.media)
		}
		if d.media[0].port == 0 || d.media[1].port == 0 || d.media[2].port != 0 { // MSRP cannot be relayed
			t.Errorf("offer %+v", d.media)
		}
		if back.media[0].port == 0 || back.media[1].port != 0 || back.media[2].port != 0 {
			t.Errorf("answer %+v", back.media)
		}
		_, got = change(from, to, msg.INVITE, // the second line comes to life
			from.p.offers(3, fmt.Sprintf(audio, 40000), fmt.Sprintf(video, 40010), "m=message 0 TCP/MSRP *", fmt.Sprintf(data, 0)),
			to.p.offers(3, fmt.Sprintf(audio, 40000), fmt.Sprintf(video, 40010), "m=message 0 TCP/MSRP *", fmt.Sprintf(data, 0)))
		if back = readSDP(t, got.Body); len(back.media) != 4 || back.media[1].port == 0 {
			t.Errorf("answer %+v", back.media)
		}
	})
	s.bothWays(t, "re-INVITE answered with nothing of use", func(t *testing.T, from, to *line) {
		for _, answer := range []string{"", "nonsense\r\n"} {
			seq := from.request("INVITE", from.p.sdp())
			to.say(to.hear(msg.INVITE), 200, "", answer)
			to.hear(msg.ACK)
			from.refusedWith(seq, 488)
		}
		change(from, to, msg.INVITE, from.p.sdp(), to.p.sdp())
	})
	s.bothWays(t, "own overlap", func(t *testing.T, from, to *line) {
		first := from.request("INVITE", from.p.sdp())
		branch := from.branch
		asked := to.hear(msg.INVITE)
		if m := from.refusedWith(from.request("INVITE", from.p.sdp()), 500); m.Get("Retry-After") == "" { // RFC 3261 14.2
			t.Error("no Retry-After")
		}
		if m := from.refusedWith(from.request("UPDATE", from.p.sdp()), 500); m.Get("Retry-After") == "" { // RFC 3311 5.2
			t.Error("no Retry-After")
		}
		from.branch = branch
		to.say(asked, 200, "", to.p.sdp())
		from.ack(from.answer(first, 200))
		to.hear(msg.ACK)
		from.p.sync(from.p.border)
	})
	s.bothWays(t, "re-INVITE is cancelled", func(t *testing.T, from, to *line) {
		from.request("INVITE", from.p.sdp())
		asked := to.hear(msg.INVITE)
		to.say(asked, 100, "", "")
		from.cancel()
		to.say(to.hear(msg.CANCEL), 200, "", "")
		to.say(asked, 487, "", "")
		from.refusedWith(from.inviteSeq, 487)
		to.hear(msg.ACK)
		change(from, to, msg.INVITE, from.p.sdp(), to.p.sdp())
	})
}

// TestDialogLost: a peer that does not know the dialog any more ends the call (RFC 3261 12.2.1.2, RFC 5057 5.1).
func TestDialogLost(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, method := range []string{"INVITE", "UPDATE", "INFO"} {
		s.run(t, method, func(t *testing.T) {
			call, rings, number := s.talk()
			body := s.west.sdp()
			if method == "INFO" {
				body = ""
			}
			seq := call.request(method, body)
			rings.say(rings.hear(msg.Method(method)), 481, "", "")
			call.refusedWith(seq, 500) // a dialog is a matter of one leg
			rings.say(rings.hear(msg.BYE), 481, "", "")
			call.say(call.hear(msg.BYE), 200, "", "")
			wantEnd(t, s.record(number), sbc.EndError, sbc.SideCallee, 200)
		})
	}
	s.b.quiet()
}

// TestOfferlessCall: the callee offers in its 200, the caller answers in its ACK (RFC 3261 13.2.1).
func TestOfferlessCall(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	s.run(t, "answered", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, "")
		rings := s.east.ring()
		if len(rings.invite.Body) != 0 {
			t.Errorf("the INVITE arrived with %q", rings.invite.Body)
		}
		rings.say(rings.invite, 180, "", "")
		call.answer(1, 180)
		rings.say(rings.invite, 200, "", s.east.sdp())
		ok := call.answer(1, 200)
		s.settle()
		s.east.nothing("an ACK before the caller's answer", rings.ofCall(msg.ACK))
		call.ack(ok, s.west.sdp())
		if d := readSDP(t, rings.hear(msg.ACK).Body); len(d.media) != 1 || d.media[0].port == 0 {
			t.Errorf("answer %+v", d)
		}
		change(rings, call, msg.INVITE, s.east.sdp(), s.west.sdp())
		wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	})
	s.run(t, "ACK without the answer", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, "")
		rings := s.east.ring()
		rings.say(rings.invite, 200, "", s.east.sdp())
		call.ack(call.answer(1, 200))
		rings.hear(msg.ACK)
		rings.say(rings.hear(msg.BYE), 200, "", "")
		call.say(call.hear(msg.BYE), 200, "", "")
		wantEnd(t, s.record(number), sbc.EndError, sbc.SideSBC, 200)
	})
	s.run(t, "200 without an offer", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, "")
		rings := s.east.ring()
		rings.say(rings.invite, 200, "", "")
		rings.hear(msg.ACK)
		rings.say(rings.hear(msg.BYE), 200, "", "")
		call.final(488)
		wantEnd(t, s.record(number), sbc.EndError, sbc.SideSBC, 488)
	})
	s.b.quiet()
}

// TestEarlyUpdate is RFC 3311 5.1 and 5.2 with RFC 6337 2.2: an offer needs the INVITE's to be answered, and to a caller
// without 100rel that is only in the 2xx. Until then the caller's gets 500 (its own offer is open), the callee's 491 (ours is).
// An UPDATE without offer passes.
func TestEarlyUpdate(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	s.run(t, "with an offer", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, s.west.sdp())
		rings := s.east.ring()
		rings.say(rings.invite, 183, "", s.east.sdp())
		call.answer(1, 183)
		if m := call.refusedWith(call.request("UPDATE", s.west.sdp()), 500); m.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		rings.refusedWith(rings.request("UPDATE", s.east.sdp()), 491)
		rings.say(rings.invite, 200, "", s.east.sdp())
		call.final(200)
		rings.hear(msg.ACK)
		s.settle()
		change(call, rings, msg.UPDATE, s.west.sdp(), s.east.sdp())
		change(rings, call, msg.UPDATE, s.east.sdp(), s.west.sdp())
		s.over(call, rings, number)
	})
	s.run(t, "without an offer", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, s.west.sdp())
		rings := s.east.ring()
		rings.say(rings.invite, 180, "", "")
		call.answer(1, 180)
		for _, c := range [][2]*line{{call, rings}, {rings, call}} {
			seq := c[0].request("UPDATE", "")
			c[1].say(c[1].hear(msg.UPDATE), 200, "", "")
			c[0].answer(seq, 200)
		}
		rings.say(rings.invite, 200, "", s.east.sdp())
		call.final(200)
		rings.hear(msg.ACK)
		s.over(call, rings, number)
	})
	s.b.quiet()
}
