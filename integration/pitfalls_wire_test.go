package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestDialogPitfalls plays, with devices on real sockets, faults that other border controllers had in dialogs. PITFALLS.md says
// which test shows which.
func TestDialogPitfalls(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, c := range []struct {
		name string
		play func(t *testing.T, s *stage)
	}{
		{"P9 the border's BYE counts on in each leg", ownBye},
		{"P13 requests after the end", lateRequests},
		{"1.2 the transferor hangs up in the middle", transferorGone},
		{"1.3 REFER in circles", circles},
		{"1.6 UPDATE is not taken", noUpdate},
		{"1.8 ACK and later requests follow the route set", routeSet},
		{"P15 thirty transfers at once", manyTransfers},
	} {
		s.run(t, c.name, func(t *testing.T) { c.play(t, s) })
	}
	s.b.quiet()
}

// inform carries an INFO from one side to the other and gives its number there.
func (l *line) inform(other *line) uint32 {
	l.p.t.Helper()
	seq := l.request("INFO", "")
	got := other.hear(msg.INFO)
	other.say(got, 200, "", "")
	l.answer(seq, 200)
	return got.CSeq.Seq
}

// ownBye: numbers of one leg have nothing to do with those of the other (OpenSIPS #2211).
func ownBye(t *testing.T, s *stage) {
	call, rings, number := s.talk()
	call.seq, rings.seq = 4000, 70000
	var last [2]uint32
	for range 3 {
		last = [2]uint32{rings.inform(call), call.inform(rings)}
	}
	last[1] = call.inform(rings)
	s.hangUpByAPI(t)
	for i, l := range []*line{call, rings} {
		bye := l.hear(msg.BYE)
		if bye.CSeq.Seq != last[i]+1 {
			t.Errorf("BYE to the %s has number %d after %d", l.p.side, bye.CSeq.Seq, last[i])
		}
		l.say(bye, 200, "", "")
	}
	wantEnd(t, s.record(number), sbc.EndAdmin, sbc.SideSBC, 200)
}

// lateRequests: a BYE that comes once more finds its dialog, all else does not, and nothing is carried on (OpenSIPS #2996).
func lateRequests(t *testing.T, s *stage) {
	call, rings, number := s.talk()
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	for _, l := range []*line{call, rings} {
		l.answer(l.request("BYE", ""), 200)
		for _, method := range []string{"INFO", "UPDATE", "INVITE", "REFER"} {
			l.refusedWith(l.request(method, ""), 481)
		}
	}
	s.settle()
	for _, l := range []*line{call, rings} {
		l.p.nothing("a request of a call that is over", func(m *msg.Message) bool { return m.IsRequest() && m.CallID == l.callID })
	}
}

// transferorGone: its BYE does not end the call, and the target takes its place (siphon-sip PR 220).
func transferorGone(t *testing.T, s *stage) {
	call, rings, number := s.talk()
	rings.answer(rings.refer("4930777", ""), 202)
	rings.told("100")
	third := s.west.ring()
	third.say(third.invite, 180, "", "")
	rings.told("180")
	rings.answer(rings.request("BYE", ""), 200)
	third.say(third.invite, 200, "", s.west.sdp())
	third.hear(msg.ACK)
	call.say(call.hear(msg.INVITE), 200, "", s.west.sdp())
	call.hear(msg.ACK)
	rings.told("200") // what it asked for outlives its call (RFC 5057 4)
	call.inform(third)
	s.west.nothing("BYE", call.ofCall(msg.BYE))
	call.hangup(third)
	if r := s.record(number); len(r.Legs) != 3 || r.EndReason != sbc.EndCallerBye {
		t.Errorf("record %+v", r)
	}
}

// circles: each new party sends the call on, for ever: it is told 603 in the end, and the call stays with it (siphon-sip PR 110).
func circles(t *testing.T, s *stage) {
	const most = 50
	call, at, number := s.talk()
	moves := 0
	for ; moves < most; moves++ {
		m := at.answer(at.refer(number, ""), 0)
		if m.Status == 603 {
			break
		}
		if m.Status != 202 {
			t.Fatalf("REFER %d was answered with %s", moves, m.StartLine())
		}
		at.told("100")
		to := [...]*peer{s.west, s.east}[moves%2] // each trunk's numbers are those of the other
		next := to.ring()
		next.say(next.invite, 200, "", to.sdp())
		next.hear(msg.ACK)
		call.say(call.hear(msg.INVITE), 200, "", s.west.sdp())
		call.hear(msg.ACK)
		at.told("200")
		at.say(at.hear(msg.BYE), 200, "", "")
		s.settle()
		at = next
	}
	if moves == 0 || moves == most {
		t.Errorf("the call was sent on %d times", moves)
	}
	call.inform(at)
	call.hangup(at)
	if r := s.record(number); len(r.Legs) != 2+moves {
		t.Errorf("%d legs after %d transfers", len(r.Legs), moves)
	}
}

// noUpdate: a callee without UPDATE hears a re-INVITE in its place, and the call lives (jambonz-feature-server #1122).
func noUpdate(_ *testing.T, s *stage) {
	call, rings, number := s.talk()
	seq := call.request("UPDATE", s.west.sdp())
	rings.say(rings.hear(msg.UPDATE), 501, "", "")
	rings.say(rings.hear(msg.INVITE), 200, "", s.east.sdp())
	rings.hear(msg.ACK)
	call.answer(seq, 200)
	s.over(call, rings, number)
}

// routeSet: proxies of both sides record their routes (livekit/sip #730, #771).
func routeSet(t *testing.T, s *stage) {
	const port = 5071
	proxy := func(p *peer) (*peer, string) {
		at := newPeer(t, p.side, netip.AddrPortFrom(p.addr.Addr(), port), p.border, false)
		return at, fmt.Sprintf("<sip:%v;lr>", at.addr)
	}
	westProxy, westRoute := proxy(s.west)
	eastProxy, eastRoute := proxy(s.east)
	number := s.number()
	call := s.west.dial(number, s.west.sdp(), "Record-Route: "+westRoute)
	rings := s.east.ring()
	rings.say(rings.invite, 200, "", s.east.sdp(), "Record-Route: "+eastRoute)
	call.final(200)
	follows := func(l *line, m *msg.Message, route string) {
		t.Helper()
		if m.Get("Route") != route || m.RequestURI.String() != strings.Trim(l.p.contact(), "<>") {
			t.Errorf("%s with Route %q", m.StartLine(), m.Get("Route"))
		}
	}
	viaWest, viaEast := *call, *rings
	viaWest.p, viaEast.p = westProxy, eastProxy
	follows(rings, viaEast.hear(msg.ACK), eastRoute)
	for _, way := range []struct {
		from, to, via *line
		route         string
	}{{call, rings, &viaEast, eastRoute}, {rings, call, &viaWest, westRoute}} {
		seq := way.from.request("INFO", "")
		info := way.via.hear(msg.INFO)
		follows(way.to, info, way.route)
		way.via.say(info, 200, "", "")
		way.from.answer(seq, 200)
	}
	s.hangUpByAPI(t)
	for _, l := range []*line{&viaWest, &viaEast} {
		l.say(l.hear(msg.BYE), 200, "", "")
	}
	wantEnd(t, s.record(number), sbc.EndAdmin, sbc.SideSBC, 200)
}

// manyTransfers: OpenSIPS' B2BUA fell with REFERs (#3385, #3418, #3220) and with many calls (#2425).
func manyTransfers(t *testing.T, s *stage) {
	const calls = 30
	type talk struct {
		call, rings, third *line
		number             string
	}
	talks := make([]talk, calls)
	for i := range talks {
		talks[i].call, talks[i].rings, talks[i].number = s.talk()
	}
	for _, x := range talks {
		x.rings.answer(x.rings.refer("4930777", ""), 202)
	}
	for i := range talks {
		third := s.west.ring()
		third.say(third.invite, 200, "", s.west.sdp())
		third.hear(msg.ACK)
		talks[i].third = third
	}
	for _, x := range talks {
		x.call.say(x.call.hear(msg.INVITE), 200, "", s.west.sdp())
		x.call.hear(msg.ACK)
		x.rings.told("100")
		x.rings.told("200")
		x.rings.say(x.rings.hear(msg.BYE), 200, "", "")
	}
	for _, x := range talks {
		seq := x.call.request("BYE", "")
		x.call.answer(seq, 200)
	}
	transferred := map[string]bool{}
	for _, x := range talks {
		x.third.say(x.third.hear(msg.BYE), 200, "", "")
		transferred[x.number] = true
	}
	for _, r := range s.b.cdrs(s.calls) {
		if transferred[r.Callee] && (len(r.Legs) != 3 || r.EndReason != sbc.EndCallerBye) {
			t.Errorf("record %+v", r)
		}
	}
}

// TestReferRejected: pitfall 1.1, the third way: a REFER that the profile does not want changes nothing and is carried nowhere.
func TestReferRejected(t *testing.T) {
	t.Parallel()
	s := stageWith(t, "/signalling-profiles", rest.Object{"refer_mode": "reject"}, signalled)
	call, rings, number := s.talk()
	rings.refusedWith(rings.refer("4930777", ""), 603)
	call.refusedWith(call.refer("4930777", ""), 603)
	s.settle()
	for _, p := range []*peer{s.west, s.east} {
		p.nothing("what follows a REFER", func(m *msg.Message) bool { return m.IsRequest() })
	}
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}
