package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestHuntRaces: what a given-up attempt still says is put in order and disturbs neither the next attempt nor the caller.
func TestHuntRaces(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{noEndpoint: true, eastTrunk: rest.Object{"no_response_timeout_ms": 400, "ring_timeout_s": 1, "failover_codes": []string{"408", "480", "5xx"}}})
	second := newPeer(t, "east", netip.AddrPortFrom(newSides(t).eastPeer, 5060), s.east.border, false)
	for i, p := range []*peer{s.east, second} {
		s.b.create("/trunks/"+s.w.eastTrunk+"/endpoints", rest.Object{"name": p.addr.Addr().String(), "address": p.addr.Addr().String(), "port": 5060, "priority": i + 1})
	}
	for _, c := range []race{
		{"the silent first rings when the second does", func(_ *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two := second.ring()
			two.say(two.invite, 180, "", "")
			call.answer(1, 180)
			one.say(one.invite, 180, "", "")
			one.say(one.hear(msg.CANCEL), 200, "", "")
			one.say(one.invite, 487, "", "")
			one.hear(msg.ACK)
			two.say(two.invite, 200, "", second.sdp())
			call.final(200)
			two.hear(msg.ACK)
			s.overAt(call, two, number, "0 timeout", "200 ")
		}},
		{"the silent first answers while the second rings", func(_ *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two := second.ring()
			two.say(two.invite, 180, "", "")
			call.answer(1, 180)
			one.say(one.invite, 200, "", s.east.sdp())
			one.hear(msg.ACK)
			one.say(one.hear(msg.BYE), 200, "", "")
			two.say(two.invite, 200, "", second.sdp())
			call.final(200)
			two.hear(msg.ACK)
			s.overAt(call, two, number, "0 timeout", "200 ")
		}},
		{"the first answers when its CANCEL is under way, the second takes over", func(_ *testing.T, s *stage) {
			number := s.number()
			call, one := s.ringing(number)
			cancel := one.hear(msg.CANCEL) // it rang too long
			one.say(one.invite, 200, "", s.east.sdp())
			one.say(cancel, 200, "", "")
			one.hear(msg.ACK)
			one.say(one.hear(msg.BYE), 200, "", "")
			two := second.ring()
			two.say(two.invite, 200, "", second.sdp())
			call.final(200)
			two.hear(msg.ACK)
			s.overAt(call, two, number, "0 timeout", "200 ")
		}},
		{"the first answers when its CANCEL is under way, and then nothing any more", func(t *testing.T, s *stage) {
			number := s.number()
			call, one := s.ringing(number)
			one.hear(msg.CANCEL)
			one.say(one.invite, 200, "", s.east.sdp())
			began := time.Now()
			two := second.ring() // though nobody answers the BYE
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("the caller waited %s for the answer to a BYE", took)
			}
			one.hear(msg.ACK)
			bye := one.hear(msg.BYE)
			two.say(two.invite, 200, "", second.sdp())
			call.final(200)
			two.hear(msg.ACK)
			s.overAt(call, two, number, "0 timeout", "200 ")
			one.say(bye, 200, "", "")
		}},
		{"the caller cancels between two attempts", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			two := second.ring() // the first is given up, the second has said nothing
			call.cancel()
			call.final(487)
			one.say(one.invite, 180, "", "")
			one.say(one.hear(msg.CANCEL), 200, "", "")
			one.say(one.invite, 487, "", "")
			one.hear(msg.ACK)
			two.say(two.invite, 200, "", second.sdp())
			two.hear(msg.ACK)
			two.say(two.hear(msg.BYE), 200, "", "")
			r := s.record(number)
			wantEnd(t, r, sbc.EndCallerCancel, sbc.SideCaller, 487)
			if len(r.Attempts) != 2 {
				t.Errorf("attempts %+v", r.Attempts)
			}
		}},
		{"a refusal is followed by a late 200 of another fork", func(_ *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			fork := one.fork()
			one.say(one.invite, 503, "", "")
			one.hear(msg.ACK)
			two := second.ring()
			fork.say(one.invite, 200, "", s.east.sdp())
			fork.hear(msg.ACK)
			fork.say(fork.hear(msg.BYE), 200, "", "")
			two.say(two.invite, 200, "", second.sdp())
			call.final(200)
			two.hear(msg.ACK)
			s.overAt(call, two, number, "503 "+msg.StatusText(503), "200 ")
		}},
		{"early media of the first, answer of the second", func(t *testing.T, s *stage) {
			number := s.number()
			call := s.west.dial(number, s.west.sdp())
			one := s.east.ring()
			one.say(one.invite, 183, "", s.east.sdp())
			first := call.answer(1, 183)
			one.say(one.invite, 500, "", "")
			one.hear(msg.ACK)
			two := second.ring()
			two.say(two.invite, 200, "", second.sdp())
			ok := call.final(200)
			two.hear(msg.ACK)
			if first.To.Tag() != ok.To.Tag() {
				t.Error("the caller sees two dialogs")
			}
			s.overAt(call, two, number, "500 "+msg.StatusText(500), "200 ")
		}},
	} {
		s.run(t, c.name, func(t *testing.T) {
			second.t = t
			c.play(t, s)
		})
	}
	s.b.quiet()
}

// overAt ends an answered call and compares the attempts of its record.
func (s *stage) overAt(call, rings *line, number string, attempts ...string) {
	s.west.t.Helper()
	r := s.over(call, rings, number)
	wantEnd(s.west.t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
	var got []string
	for _, a := range r.Attempts {
		got = append(got, fmt.Sprintf("%d %s", a.Code, a.Reason))
	}
	if fmt.Sprint(got) != fmt.Sprint(attempts) {
		s.west.t.Errorf("attempts %q, expected %q", got, attempts)
	}
}

// TestBeforeTheAck: what a side asks for while the caller's ACK is under way.
func TestBeforeTheAck(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	answered := func() (call, rings *line, ok *msg.Message, number string) {
		number = s.number()
		call = s.west.dial(number, s.west.sdp())
		rings = s.east.ring()
		rings.say(rings.invite, 200, "", s.east.sdp())
		ok = call.answer(1, 200)
		rings.hear(msg.ACK)
		return call, rings, ok, number
	}
	s.run(t, "a change by the callee", func(*testing.T) {
		call, rings, ok, number := answered()
		rings.refusedWith(rings.request("INVITE", s.east.sdp()), 491)
		rings.refusedWith(rings.request("UPDATE", s.east.sdp()), 491)
		call.ack(ok)
		s.settle()
		change(rings, call, msg.INVITE, s.east.sdp(), s.west.sdp())
		s.over(call, rings, number)
	})
	s.run(t, "INFO both ways", func(*testing.T) {
		call, rings, ok, number := answered()
		for _, c := range [][2]*line{{call, rings}, {rings, call}} {
			seq := c[0].request("INFO", "")
			c[1].say(c[1].hear(msg.INFO), 200, "", "")
			c[0].answer(seq, 200)
		}
		call.ack(ok)
		s.settle()
		s.over(call, rings, number)
	})
	s.run(t, "the API hangs up", func(t *testing.T) {
		call, rings, ok, number := answered()
		s.hangUpByAPI(t)
		rings.say(rings.hear(msg.BYE), 200, "", "")
		s.settle()
		s.west.nothing("a BYE before its ACK", call.ofCall(msg.BYE))
		call.ack(ok)
		call.say(call.hear(msg.BYE), 200, "", "")
		wantEnd(t, s.record(number), sbc.EndAdmin, sbc.SideSBC, 200)
	})
	s.b.quiet()
}

// TestConnectionsBreak: over TCP a dialog outlives its connection; requests to the peer go over a new one, to where its Contact says.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{transport: "tcp"})
	s.run(t, "both connections", func(*testing.T) {
		call, rings, number := s.talk()
		for _, p := range []*peer{s.west, s.east} {
			p.hangUpConnections()
		}
		seq := rings.request("INFO", "")
		call.say(call.hear(msg.INFO), 200, "", "")
		rings.answer(seq, 200)
		seq = call.request("INFO", "")
		rings.say(rings.hear(msg.INFO), 200, "", "")
		call.answer(seq, 200)
		s.over(call, rings, number)
	})
	s.run(t, "an old connection still carries", func(t *testing.T) {
		call, rings, number := s.talk()
		begun := time.Now()
		waitFor(t, func() bool { return time.Since(begun) > 5500*time.Millisecond }, "longer than any deadline of a write")
		change(call, rings, msg.INVITE, s.west.sdp(), s.east.sdp())
		change(rings, call, msg.INVITE, s.east.sdp(), s.west.sdp())
		s.over(call, rings, number)
	})
	s.b.quiet()
}

// hangUpConnections closes every connection of a device; it goes on listening.
func (w *wire) hangUpConnections() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, c := range w.conns {
		c.Close()
		delete(w.conns, at)
	}
	for _, c := range w.accepted {
		c.Close()
	}
	w.accepted = nil
}

// TestReinviteWithoutAck: a session change that is never acknowledged ends the call after 64*T1 (RFC 3261 14.2).
func TestReinviteWithoutAck(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	seq := call.request("INVITE", s.west.sdp())
	rings.say(rings.hear(msg.INVITE), 200, "", s.east.sdp())
	call.answer(seq, 200)
	rings.hear(msg.ACK)
	call.say(call.patientBye(), 200, "", "")
	rings.say(rings.patientBye(), 200, "", "")
	wantEnd(t, s.record(number), sbc.EndNoAck, sbc.SideSBC, 200)
	s.b.quiet()
}

// TestManyRequestsAtOnce: more requests than a call carries at once are refused for a while, and none is lost or answered twice.
func TestManyRequestsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	const all = 60
	var seqs []int
	for range all {
		seqs = append(seqs, call.request("INFO", ""))
	}
	s.west.sync(s.west.border)
	var later []*msg.Message
	for range 16 { // what a call carries at once
		later = append(later, rings.hear(msg.INFO))
	}
	for _, m := range later {
		rings.say(m, 200, "", "")
	}
	carried := 0
	for _, seq := range seqs {
		m := call.answer(seq, 0)
		switch {
		case m.Status == 200:
			carried++
		case m.Status != 500 || m.Get("Retry-After") == "":
			t.Errorf("answered with\n%s", m.AppendTo(nil))
		}
	}
	if carried != 16 {
		t.Errorf("%d requests were carried", carried)
	}
	s.settle()
	call.p.nothing("a second answer", func(m *msg.Message) bool { return m.CSeq.Method == msg.INFO })
	s.over(call, rings, number)
	s.b.quiet()
}
