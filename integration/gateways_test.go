package integration

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestDifficultGateways: the first of two SIPp gateways refuses, is busy, says nothing, or answers when nobody waits for it any more. The
// caller is answered once, by the other; both SIPp see what RFC 3261 13.2.2.4 asks for (a late 200 is acknowledged and ended with BYE),
// and the record tells each attempt as it was.
func TestDifficultGateways(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct {
		name, first string
		pause       int // ms that the first waits before it answers
		other       string
		rings       int // ms that the other rings
		talk        int // ms that the call is up
		trunk       rest.Object
		attempts    string
	}{
		{"503", "callee_503.xml", 0, "callee.xml", 0, 10, nil, "[503 Service Unavailable, 200 ]"},
		{"486 that the next may mend", "callee_busy.xml", 0, "callee.xml", 0, 10, rest.Object{"failover_codes": []string{"486"}}, "[486 Busy Here, 200 ]"},
		{"silence", "callee_silent.xml", 0, "callee.xml", 0, 10, nil, "[0 timeout, 200 ]"},
		{"200 while the other rings", "callee_late.xml", 700, "callee_slow.xml", 900, 10, nil, "[0 timeout, 200 ]"},
		{"200 during the call", "callee_late.xml", 700, "callee.xml", 0, 1000, nil, "[0 timeout, 200 ]"},
		{"200 when the call is over", "callee_late.xml", 1000, "callee.xml", 0, 10, nil, "[0 timeout, 200 ]"},
		{"200 that meets the CANCEL", "callee_late_rung.xml", 0, "callee.xml", 0, 500, rest.Object{"ring_timeout_s": 1, "failover_codes": []string{"480"}}, "[0 timeout, 200 ]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const calls = 3
			b := startBorder(t, app.Options{})
			trunk := with(rest.Object{"no_response_timeout_ms": 300, "selection": "order", "outlier": rest.Object{"failures": 0}}, c.trunk)
			w := b.connect(newSides(t), wish{noEndpoint: true, eastTrunk: trunk})
			second := newSides(t).eastPeer
			for i, a := range []netip.Addr{w.eastPeer, second} {
				b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": fmt.Sprint(i), "address": a.String(), "port": 5060, "priority": i + 1})
			}
			ctx := patience(t, 30*time.Second)
			first := sippListening(ctx, t, c.first, w.eastPeer, "-t", "u1", "-m", fmt.Sprint(calls), "-d", fmt.Sprint(c.pause))
			other := sippListening(ctx, t, c.other, second, "-t", "u1", "-m", fmt.Sprint(calls), "-d", fmt.Sprint(c.rings))
			if err := sipp(ctx, t, "caller.xml", calling(w.sides, "u1", calls, "-d", fmt.Sprint(c.talk))...); err != nil {
				t.Fatal(err)
			}
			if err := first.Wait(); err != nil {
				t.Errorf("the first gateway did not see what it should: %v", err)
			}
			if err := other.Wait(); err != nil {
				t.Errorf("the other gateway did not see what it should: %v", err)
			}
			for _, r := range b.cdrs(calls) {
				wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
				if got := attempted(r); got != c.attempts || r.EgressTrunkID != w.eastTrunk {
					t.Errorf("attempts %s, expected %s", got, c.attempts)
				}
			}
			b.quiet()
		})
	}
}

// attempted are the attempts of a record: code and reason.
func attempted(r sbc.CDR) string {
	s := ""
	for _, a := range r.Attempts {
		s += fmt.Sprintf(", %d %s", a.Code, a.Reason)
	}
	if s == "" {
		return "[]"
	}
	return "[" + s[2:] + "]"
}

// TestLateAnswerIsNotHeard: whoever answers too late may speak as it likes: the caller hears the gateway that won, and nothing of it.
func TestLateAnswerIsNotHeard(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{noEndpoint: true, eastTrunk: rest.Object{"no_response_timeout_ms": 300, "selection": "order"}})
	second := newPeer(t, "east", netip.AddrPortFrom(newSides(t).eastPeer, 5060), s.east.border, false)
	for i, p := range []*peer{s.east, second} {
		s.b.create("/trunks/"+s.w.eastTrunk+"/endpoints", rest.Object{"name": fmt.Sprint(i), "address": p.addr.Addr().String(), "port": 5060, "priority": i + 1})
	}
	caller, late, winner := listen(t, s.west.addr.Addr()), listen(t, s.east.addr.Addr()), listen(t, second.addr.Addr())
	at := func(p *peer, e *ear) string { return p.offers(1, fmt.Sprintf("m=audio %d RTP/AVP 0", e.addr.Port())) }
	number := s.number()
	call := s.west.dial(number, at(s.west, caller))
	one := s.east.ring()
	two := second.ring()
	lateDoor := readSDP(t, one.invite.Body).media[0].at
	winnerDoor := readSDP(t, two.invite.Body).media[0].at
	two.say(two.invite, 200, "", at(second, winner))
	door := readSDP(t, call.final(200).Body).media[0].at
	two.hear(msg.ACK)
	carries(t, caller, door, winner, 0)
	carries(t, winner, winnerDoor, caller, 0)
	one.say(one.invite, 200, "", at(s.east, late))
	one.hear(msg.ACK)
	one.say(one.hear(msg.BYE), 200, "", "")
	for _, d := range []netip.AddrPort{lateDoor, winnerDoor, door} {
		for range 20 {
			late.say(d, 0, "late")
		}
		carries(t, winner, winnerDoor, caller, 0) // everything sent before has been handled
		carries(t, caller, door, winner, 0)
	}
	if p := late.last.Load(); p != nil {
		t.Errorf("the late gateway hears %q", p.data)
	}
	if n := caller.strangers.Load() + winner.strangers.Load(); n > 0 {
		t.Errorf("%d packets of the late gateway were heard", n)
	}
	s.over(call, two, number)
	s.b.quiet()
}
