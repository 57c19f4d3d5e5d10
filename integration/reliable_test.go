package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestSIPpReliable lets SIPp speak RFC 3262 on one side, on the other and on both, over UDP and TCP.
func TestSIPpReliable(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct{ name, caller, callee string }{
		{"callee only", "caller.xml", "callee_reliable.xml"},
		{"caller only", "caller_reliable.xml", "callee_early.xml"},
		{"both", "caller_reliable.xml", "callee_reliable.xml"},
		{"200 crosses PRACK", "caller_slow_prack.xml", "callee_hasty.xml"},
		{"late offer in 183", "caller_late_reliable.xml", "callee_offers_reliably.xml"},
	} {
		for _, transport := range []struct{ ours, sipp string }{{"udp", "u1"}, {"tcp", "t1"}} {
			t.Run(c.name+"/"+transport.ours, func(t *testing.T) {
				t.Parallel()
				b := startBorder(t, app.Options{})
				w := b.connect(newSides(t), wish{transport: transport.ours})
				sippServer(t, c.callee, w.eastPeer, "-t", transport.sipp)
				if err := sipp(patience(t, 30*time.Second), t, c.caller, calling(w.sides, transport.sipp, 5)...); err != nil {
					t.Fatal(err)
				}
				for _, r := range b.cdrs(5) {
					wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
				}
				b.quiet()
			})
		}
	}
}

// sound is a device's place for media and its door of the border.
type sound struct {
	*ear
	sdp  string
	door netip.AddrPort
}

// sounds opens a place for media at a device.
func sounds(t testing.TB, p *peer, version int) *sound {
	e := listen(t, p.addr.Addr())
	return &sound{ear: e, sdp: p.offers(version, fmt.Sprintf("m=audio %d RTP/AVP 0", e.addr.Port()))}
}

// told reads the door from what the border said.
func (s *sound) told(t testing.TB, m *msg.Message) {
	t.Helper()
	d := readSDP(t, m.Body)
	if len(d.media) == 0 {
		t.Fatalf("no media in\n%s", m.AppendTo(nil))
	}
	s.door = d.media[0].at
}

// assured is a reliable response's header lines.
func assured(rseq int) []string { return []string{"Require: 100rel", fmt.Sprintf("RSeq: %d", rseq)} }

// prack acknowledges a reliable response to the INVITE of a line.
func (l *line) prack(m *msg.Message, body string) int {
	l.p.t.Helper()
	if m.Get("RSeq") == "" || m.Get("Require") != "100rel" {
		l.p.t.Fatalf("not a reliable response:\n%s", m.AppendTo(nil))
	}
	return l.request("PRACK", body, fmt.Sprintf("RAck: %s %d INVITE", m.Get("RSeq"), l.inviteSeq))
}

// pracked waits for the PRACK of a response and answers it.
func (l *line) pracked(rseq int, body string) *msg.Message {
	l.p.t.Helper()
	m := l.hear(msg.PRACK)
	if want := fmt.Sprintf("%d %d INVITE", rseq, l.invite.CSeq.Seq); m.Get("RAck") != want {
		l.p.t.Errorf("RAck %q, want %q", m.Get("RAck"), want)
	}
	l.say(m, 200, "", body)
	return m
}

// TestReliableMedia: with 100rel on both legs media flow before the 200, follow an early UPDATE of either side and the fork that
// was heard last, and in the end the one that answered.
func TestReliableMedia(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	s.run(t, "early UPDATE", func(t *testing.T) {
		number := s.number()
		a, b := sounds(t, s.west, 1), sounds(t, s.east, 1)
		call := s.west.dial(number, a.sdp, "Supported: 100rel")
		rings := s.east.ring()
		b.told(t, rings.invite)
		rings.say(rings.invite, 183, "", b.sdp, assured(77)...)
		rings.pracked(77, "")
		early := call.answer(1, 183)
		a.told(t, early)
		call.answer(call.prack(early, ""), 200)
		carries(t, b.ear, b.door, a.ear, 0)
		carries(t, a.ear, a.door, b.ear, 0)
		a2, b2 := sounds(t, s.west, 2), sounds(t, s.east, 2)
		a2.door, b2.door = a.door, b.door
		seq := call.request("UPDATE", a2.sdp)
		rings.say(rings.hear(msg.UPDATE), 200, "", b.sdp)
		call.answer(seq, 200)
		carries(t, b.ear, b.door, a2.ear, 0)
		seq = rings.request("UPDATE", b2.sdp)
		call.say(call.hear(msg.UPDATE), 200, "", a2.sdp)
		rings.answer(seq, 200)
		carries(t, a2.ear, a.door, b2.ear, 0)
		rings.say(rings.invite, 200, "", "")
		if ok := call.final(200); len(ok.Body) != 0 {
			t.Errorf("SDP after the answer:\n%s", ok.Body)
		}
		rings.hear(msg.ACK)
		carries(t, a2.ear, a.door, b2.ear, 0)
		carries(t, b2.ear, b.door, a2.ear, 0)
		s.over(call, rings, number)
	})
	for _, c := range []struct {
		name             string
		reliable, differ bool
	}{
		{"forks, one answer for all", true, false}, {"forks, another answer", true, true},
		{"forks, caller without 100rel", false, true},
	} {
		s.run(t, c.name, func(t *testing.T) { s.forks(t, c.reliable, c.differ) })
	}
	s.b.quiet()
}

// forks lets two forks of a callee speak, and the first one answer. Where the second one chooses another codec, a caller that has
// acknowledged the first answer gets the second one in a dialog of its own.
func (s *stage) forks(t *testing.T, reliable, differ bool) {
	number := s.number()
	a, b, c := sounds(t, s.west, 1), sounds(t, s.east, 1), sounds(t, s.east, 9)
	a.sdp = strings.Replace(a.sdp, "RTP/AVP 0", "RTP/AVP 0 8", 1)
	var option []string
	pt := byte(0)
	if differ {
		pt, c.sdp = 8, strings.Replace(c.sdp, "RTP/AVP 0", "RTP/AVP 8", 1)
	}
	if reliable {
		option = []string{"Supported: foo, 100rel"}
	}
	call := s.west.dial(number, a.sdp, option...)
	one := s.east.ring()
	two := one.fork()
	b.told(t, one.invite)
	hear := func(fork *line, at *sound, rseq int, pt byte) *msg.Message {
		t.Helper()
		fork.say(fork.invite, 183, "", at.sdp, assured(rseq)...)
		fork.pracked(rseq, "")
		m := call.answer(1, 183)
		if len(m.Body) > 0 {
			a.told(t, m)
		}
		if reliable {
			call.answer(call.prack(m, ""), 200)
		}
		carries(t, at.ear, b.door, a.ear, pt)
		carries(t, a.ear, a.door, at.ear, pt)
		return m
	}
	first, second := hear(one, b, 10, 0), hear(two, c, 2000, pt)
	if other := first.To.Tag() != second.To.Tag(); other != (reliable && differ) {
		t.Errorf("To tags %q and %q", first.To.Tag(), second.To.Tag())
	}
	one.say(one.invite, 200, "", "")
	if ok := call.final(200); len(ok.Body) > 0 {
		a.told(t, ok)
	}
	one.hear(msg.ACK)
	carries(t, a.ear, a.door, b.ear, 0)
	carries(t, b.ear, b.door, a.ear, 0)
	s.over(call, one, number)
}

// TestReliableRepeats: a response is repeated as it was until its PRACK comes, which may cross the 200 (RFC 3262 3).
func TestReliableRepeats(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	s.run(t, "repeated until PRACK", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, s.west.sdp(), "Require: 100rel")
		rings := s.east.ring()
		rings.say(rings.invite, 180, "", "")
		first := call.answer(1, 180)
		again := call.answer(1, 180) // T1
		if first.Get("RSeq") != again.Get("RSeq") || string(first.Raw) != string(again.Raw) {
			t.Errorf("repeated as\n%s", again.AppendTo(nil))
		}
		rings.say(rings.invite, 200, "", s.east.sdp()) // the PRACK crosses the 200 (pitfall P4)
		call.final(200)
		seq := call.prack(first, "")
		call.answer(seq, 200)
		call.refusedWith(call.prack(first, ""), 481)
		rings.hear(msg.ACK)
		s.settle()
		s.over(call, rings, number)
		if east := string(s.east.bytes()); strings.Contains(east, "PRACK sip:") {
			t.Error("a PRACK went to a callee that sent nothing reliably")
		}
	})
	s.b.quiet()
}
