package route

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// health is a Live of which endpoints have a part of their weight.
type health struct {
	Well
	percent map[string]int
}

func (h health) Endpoint(id string) (int, string) {
	if p, there := h.percent[id]; there {
		return p, "its probes fail"
	}
	return 100, ""
}

// TestDeadEndpointsArePassedOver: what takes no calls is passed over with a reason, unless nothing else is left.
func TestDeadEndpointsArePassedOver(t *testing.T) {
	table := compile(t, rowsOf(load(t, "testdata/attempts.txt").Rows))
	q := Query{PlanID: "rpl_1", Number: "1234", Trace: true, Live: health{percent: map[string]int{"end_b1": 0}}}
	plan := table.Plan(q)
	if got := tell(plan); !slices.Equal(got[1:], []string{"try end_a2 1234 sip.example.net:0/tcp", "try end_a1 1234 192.0.2.1:5060/udp"}) {
		t.Errorf("attempts %q", got)
	}
	wantStep(t, plan, "end_b1", passed, "its probes fail")
	q.Live = health{percent: map[string]int{"end_b1": 0, "end_a1": 0, "end_a2": 0}}
	plan = table.Plan(q)
	if got := tell(plan); !slices.Equal(got[1:], []string{"try end_b1 0034 2001:db8::1:5080/udp",
		"try end_a2 1234 sip.example.net:0/tcp", "try end_a1 1234 192.0.2.1:5060/udp"}) {
		t.Errorf("attempts where all is dead: %q", got)
	}
	wantStep(t, plan, "end_a2", taken, "tried all the same")
}

// TestDrainingTakesOnlyEmergencies: an endpoint or trunk that is taken out of service is not tried even if nobody else is left.
func TestDrainingTakesOnlyEmergencies(t *testing.T) {
	rows := rowsOf(load(t, "testdata/attempts.txt").Rows)
	for _, x := range rows.Trunks {
		x.Draining = x.ID == "trk_b"
	}
	for _, e := range rows.Endpoints {
		e.Draining = e.ID == "end_a1" || e.ID == "end_a2"
	}
	table := compile(t, rows)
	q := Query{PlanID: "rpl_1", Number: "1234", Trace: true}
	plan := table.Plan(q)
	if plan.Reject == nil || plan.Reject.Code != 503 {
		t.Errorf("a call to what is draining: %q", tell(plan))
	}
	wantStep(t, plan, "end_b1", passed, "trunk trk_b is draining")
	wantStep(t, plan, "end_a1", passed, "the endpoint is draining")
	q.Class = sbc.ClassEmergency
	if plan = table.Plan(q); len(plan.Attempts) != 3 {
		t.Errorf("an emergency call to what is draining: %q", tell(plan))
	}
}

// TestWeightComesBack: an endpoint that has a part of its weight is first as often as that part says.
func TestWeightComesBack(t *testing.T) {
	rows := rowsOf(load(t, "testdata/attempts.txt").Rows)
	for _, e := range rows.Endpoints {
		e.Priority = 0
	}
	table := compile(t, rows)
	r := rand.New(rand.NewPCG(5, 6))
	q := Query{PlanID: "rpl_1", Number: "1234", Rand: r.IntN, Live: health{percent: map[string]int{"end_a1": 25, "end_b1": 0}}}
	first := 0
	const calls = 10_000
	for range calls {
		if table.Plan(q).Attempts[0].EndpointID == "end_a1" {
			first++
		}
	}
	if share := float64(first) / calls; share < 0.18 || share > 0.22 {
		t.Errorf("an endpoint with a quarter of its weight beside a whole one is first in %.1f %% of calls, want 20", share*100)
	}
}

func wantStep(t *testing.T, p Plan, subject, verdict, detail string) {
	t.Helper()
	if !hasStep(p.Steps, subject, verdict, detail) {
		t.Errorf("no step %s %s %q in %+v", subject, verdict, detail, p.Steps)
	}
}

func hasStep(steps []sbc.DecisionStep, subject, verdict, detail string) bool {
	return slices.ContainsFunc(steps, func(s sbc.DecisionStep) bool {
		return s.Subject == subject && s.Verdict == verdict && strings.Contains(s.Detail, detail)
	})
}
