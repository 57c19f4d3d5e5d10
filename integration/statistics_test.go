package integration

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestCallStatistics plays a few hundred calls of several kinds: the counts of the API are those of the records, and those of the
// calls in progress what the list says.
func TestCallStatistics(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	a, b := s.west, s.east
	s.b.create("/routing-plans/"+s.w.plan+"/rules", rest.Object{"name": "no", "prefix": "000", "action": "reject", "reject_code": 404})
	const rounds = 50
	for range rounds {
		call, rings := setUp(a, b, s.number())
		call.hangup(rings)
		call, rings = setUp(a, b, s.number())
		rings.hangup(call)
		for _, refusal := range []int{486, 404} {
			call, rings = a.dial(s.number(), a.sdp()), b.ring()
			rings.say(rings.invite, refusal, "", "")
			call.final(refusal)
			rings.hear(msg.ACK)
		}
		call, rings = a.dial(s.number(), a.sdp()), b.ring()
		rings.say(rings.invite, 180, "", "")
		call.answer(1, 180)
		call.cancel()
		rings.say(rings.hear(msg.CANCEL), 200, "", "")
		rings.say(rings.invite, 487, "", "")
		call.final(487)
		rings.hear(msg.ACK)
		call = a.dial("000", a.sdp()) // a rule says no
		call.ack(call.answer(1, 0))
	}
	up, down := setUp(a, b, s.number())
	early, rings := a.dial(s.number(), a.sdp()), b.ring()
	rings.say(rings.invite, 180, "", "")
	early.answer(1, 180)

	const all = 6 * rounds
	reasons, dispositions := map[sbc.EndReason]int64{}, map[sbc.Disposition]int64{}
	for _, r := range s.b.cdrs(all) {
		reasons[r.EndReason]++
		dispositions[r.Disposition]++
	}
	got := s.statistics(t)
	if got.Ended != all || got.Active != 2 || got.Processed != all+2 || got.Early != 1 || got.ByState[sbc.CallEarly] != 1 ||
		got.ByState[sbc.CallConfirmed] != 1 || got.Refused != 3*rounds || got.Since.IsZero() {
		t.Errorf("%+v", got)
	}
	for r, n := range got.ByEndReason {
		if n != reasons[r] {
			t.Errorf("%d calls ended with %s, and %d records", n, r, reasons[r])
		}
	}
	for d, n := range got.ByDisposition {
		if n != dispositions[d] {
			t.Errorf("%d calls are %s, and %d records", n, d, dispositions[d])
		}
	}
	if reasons[sbc.EndCallerBye] != rounds || reasons[sbc.EndCalleeBye] != rounds || reasons[sbc.EndBusy] != rounds ||
		reasons[sbc.EndCallerCancel] != rounds || len(got.ByEndReason) != len(sbc.EndReasons()) {
		t.Errorf("records %v, counts %v", reasons, got.ByEndReason)
	}
	s.byVariable(t)
	rings.say(rings.invite, 486, "", "")
	early.final(486)
	rings.hear(msg.ACK)
	up.hangup(down)
	s.b.quiet()
	if got = s.statistics(t); got.Active != 0 || got.Ended != all+2 {
		t.Errorf("%+v", got)
	}
}

func (s *stage) statistics(t *testing.T) (got sbc.CallStatistics) {
	t.Helper()
	if err := s.b.Get(t.Context(), "/v1/statistics/calls", &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// byVariable finds one of the calls in progress by a variable that the API sets.
func (s *stage) byVariable(t *testing.T) {
	t.Helper()
	var page rest.Page[sbc.CallInfo]
	if err := s.b.Get(t.Context(), "/v1/calls?state=confirmed", &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%d calls, %v", len(page.Items), err)
	}
	id := page.Items[0].ID
	s.b.do(http.MethodPatch, "/calls/"+id, rest.Object{"variables": rest.Object{"account": "a:b c", "empty": ""}}, nil)
	for query, want := range map[string]int{"account:a%3Ab%20c": 1, "account:a": 0, "account:": 0, "empty:": 1, "none:": 0} {
		if err := s.b.Get(t.Context(), "/v1/calls?variable="+query, &page); err != nil || len(page.Items) != want ||
			want == 1 && page.Items[0].ID != id {
			t.Errorf("%s: %d calls, %v", query, len(page.Items), err)
		}
	}
	if err := s.b.Get(t.Context(), "/v1/calls?variable=account", &page); err == nil {
		t.Error("a variable without a value passes")
	}
}
