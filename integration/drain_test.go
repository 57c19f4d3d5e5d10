package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestDrainBothWays: a trunk that drains gets no new calls in either direction: its carrier is told to come again later. Calls for help pass
// both ways, and outlast the deadline that ends the others.
func TestDrainBothWays(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	plan := s.b.create("/number-plans", rest.Object{"name": "Germany", "country_code": "49"})
	trunk := "/trunks/" + s.w.eastTrunk
	for _, id := range []string{s.w.eastTrunk, s.w.westTrunk} {
		s.b.patch("/trunks/"+id, rest.Object{"number_plan_id": plan})
	}
	up := func(from, to *peer, number string) (call, rings *line) {
		t.Helper()
		call, rings = setUp(from, to, number)
		return call, rings
	}
	plain, rings, number := s.talk()
	help, helper := up(s.west, s.east, "112")
	s.b.patch(trunk, rest.Object{"draining": true})

	refused := s.east.dial("4930111", s.east.sdp())
	if m := refused.refusedWith(1, 503); m.Get("Retry-After") != "30" {
		t.Errorf("refused with\n%s", m.AppendTo(nil))
	}
	wantEnd(t, s.record("4930111"), sbc.EndRejected, sbc.SideSBC, 503)
	var e sbc.Explanation
	s.b.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": s.w.eastPeer.String(), "sip_interface_id": s.w.eastInterface,
		"caller": "4930999", "callee": "4930111"}, &e)
	if last := e.Steps[len(e.Steps)-1]; e.RejectCode != 503 || !strings.Contains(last.Detail, "draining") {
		t.Errorf("explained with %d, %+v", e.RejectCode, last)
	}
	cry, hears := up(s.east, s.west, "112")
	cry.hangup(hears)

	s.b.patch(trunk, rest.Object{"drain_deadline": time.Now().Add(time.Second)})
	plain.say(plain.hear(msg.BYE), 200, "", "")
	rings.say(rings.hear(msg.BYE), 200, "", "")
	wantEnd(t, s.record(number), sbc.EndDrained, sbc.SideSBC, 200)
	waitSince(t, time.Now(), 2500*time.Millisecond) // two looks at what is overdue
	late, latecomer := up(s.west, s.east, "112")    // beyond the deadline
	late.hangup(latecomer)
	info := help.request("INFO", "")
	helper.say(helper.hear(msg.INFO), 200, "", "")
	help.answer(info, 200)
	help.hangup(helper)
	for _, r := range s.b.cdrs(5) {
		if r.Callee == "112" {
			wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
		}
	}
	s.b.quiet()
}
