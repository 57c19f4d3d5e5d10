package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// pricing is a Live of calls, turns, prices and quality.
type pricing struct {
	Well
	percent     map[string]int
	now, most   map[string]int
	cost        map[string]string // "0.02 EUR" by trunk
	price       string
	quality     map[string]int
	quarantined map[string]bool
	turn        *uint64
	// rates are whole rates, in place of cost.
	rates map[string]*sbc.Rate
}

func (l pricing) Endpoint(id string) (int, string) {
	if p, ok := l.percent[id]; ok {
		return p, "down"
	}
	return 100, ""
}

func (l pricing) Calls(trunkID, endpointID string) (int, int) {
	id := trunkID
	if endpointID != "" {
		id = endpointID
	}
	return l.now[id], l.most[id]
}

func (l pricing) Turn(_ string, take bool) uint64 {
	if l.turn == nil {
		return 0
	}
	if !take {
		return *l.turn
	}
	*l.turn++
	return *l.turn - 1
}

func (l pricing) Quality(_, trunkID, _ string) (int, bool, string) {
	if q, ok := l.quality[trunkID]; ok {
		return q, l.quarantined[trunkID], "ASR 30 percent"
	}
	return 100, l.quarantined[trunkID], "ASR 3 percent"
}

func (l pricing) Cost(trunkID, _ string, _ time.Time, seconds int) (int64, string, bool) {
	if r := l.rates[trunkID]; r != nil {
		return r.CallPrice(seconds), "EUR", true
	}
	return money(l.cost[trunkID])
}
func (l pricing) Price(string, string, time.Time, int) (int64, string, bool) { return money(l.price) }

func money(s string) (int64, string, bool) {
	text, currency, ok := strings.Cut(s, " ")
	v, err := sbc.ParseMoney(text)
	return v, currency, ok && err == nil
}

// fleet is a plan with one list of n trunks trk_00, trk_01 ... of one endpoint each (end_00 ...), in one priority; shape may change it.
func fleet(t *testing.T, n int, how sbc.Selection, shape func(*Rows)) *Table {
	t.Helper()
	l := &sbc.RouteList{Selection: how}
	l.ID, l.Enabled = "rls_1", true
	r := &sbc.Rule{RoutingPlanID: "rpl_1", Action: sbc.ActionRoute, RouteListID: "rls_1"}
	r.ID, r.Enabled = "rul_1", true
	rows := Rows{Plans: plans("rpl_1"), Lists: []*sbc.RouteList{l}, Rules: []*sbc.Rule{r}}
	for i := range n {
		x := &sbc.Trunk{RealmID: "rlm_1"}
		x.ID, x.Enabled = fmt.Sprintf("trk_%02d", i), true
		tg := &sbc.Target{RouteListID: "rls_1", TrunkID: x.ID, Weight: 1}
		tg.ID, tg.Enabled = fmt.Sprintf("tgt_%02d", i), true
		e := &sbc.Endpoint{TrunkID: x.ID, Address: "192.0.2.1", Weight: 1}
		e.ID, e.Enabled = fmt.Sprintf("end_%02d", i), true
		rows.Trunks, rows.Targets, rows.Endpoints = append(rows.Trunks, x), append(rows.Targets, tg), append(rows.Endpoints, e)
	}
	if shape != nil {
		shape(&rows)
	}
	return compile(t, rows)
}

// within makes of a fleet one trunk trk_00 that has all endpoints, and selects among these.
func within(how sbc.Selection) func(*Rows) {
	return func(r *Rows) {
		r.Trunks[0].Selection = how
		r.Targets = r.Targets[:1]
		for _, e := range r.Endpoints {
			e.TrunkID = "trk_00"
		}
	}
}

func weights(w ...int) func(*Rows) {
	return func(r *Rows) {
		for i := range w {
			r.Targets[i].Weight, r.Endpoints[i].Weight = w[i], w[i]
		}
	}
}

// ways are the endpoints of a plan in order, by their last digits.
func ways(p Plan) string {
	var b strings.Builder
	for _, a := range p.Attempts {
		b.WriteString(strings.TrimPrefix(a.EndpointID, "end_") + " ")
	}
	return strings.TrimSpace(b.String())
}

// TestSelections is the order that each selection gives, among targets and among endpoints.
func TestSelections(t *testing.T) {
	for _, tt := range []struct {
		how   sbc.Selection
		live  pricing
		chose int // what chance says
		want  string
	}{
		{sbc.SelectOrder, pricing{}, 2, "00 01 02"},
		{sbc.SelectRandom, pricing{}, 1, "01 02 00"},
		{sbc.SelectWeighted, pricing{}, 1, "01 02 00"},
		{sbc.SelectLeastCalls, pricing{now: map[string]int{"trk_00": 5, "trk_01": 2, "trk_02": 3, "end_00": 5, "end_01": 2, "end_02": 3}},
			0, "01 02 00"},
		{sbc.SelectHeadroom, pricing{
			now:  map[string]int{"trk_00": 5, "trk_01": 90, "trk_02": 3, "end_00": 5, "end_01": 90, "end_02": 3},
			most: map[string]int{"trk_00": 10, "trk_01": 100, "trk_02": 4, "end_00": 10, "end_01": 100, "end_02": 4},
		}, 0, "01 00 02"},
		{sbc.SelectHeadroom, pricing{most: map[string]int{"trk_00": 1000, "trk_01": 100, "end_00": 1000, "end_01": 100}}, 0, "02 00 01"},
	} {
		for where, shape := range map[string]func(*Rows){"targets": nil, "endpoints": within(tt.how)} {
			how := tt.how
			if shape != nil {
				how = sbc.SelectWeighted
			}
			q := Query{PlanID: "rpl_1", Number: "1", Live: tt.live, Rand: func(n int) int { return min(tt.chose, n-1) * 1 }}
			if shape != nil && (tt.how == sbc.SelectWeighted || tt.how == sbc.SelectRandom) {
				q.Live = nil // weights are in hundredths where something is alive
			}
			if got := ways(fleet(t, 3, how, shape).Plan(q)); got != tt.want {
				t.Errorf("%s among %s: %s, want %s", tt.how, where, got, tt.want)
			}
		}
	}
}

// TestLeastCallsIsInProportion: a trunk of three times the weight takes three times the calls, and equals share.
func TestLeastCallsIsInProportion(t *testing.T) {
	table, now := fleet(t, 3, sbc.SelectLeastCalls, weights(3, 1, 1)), map[string]int{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		now[table.Plan(Query{PlanID: "rpl_1", Number: "1", Live: pricing{now: now}, Rand: r.IntN}).Attempts[0].TrunkID]++
	}
	if now["trk_00"] != 600 || now["trk_01"] != 200 || now["trk_02"] != 200 {
		t.Errorf("%v, want 600, 200 and 200", now)
	}
}

// TestRoundRobin: equals one after the other; others as often as their weight says in every round, spread over it. The attempts after the
// first follow in the circle.
func TestRoundRobin(t *testing.T) {
	turn := uint64(0)
	q := Query{PlanID: "rpl_1", Number: "1", Live: pricing{turn: &turn}}
	for where, table := range map[string]*Table{
		"targets": fleet(t, 3, sbc.SelectRoundRobin, nil), "endpoints": fleet(t, 3, "", within(sbc.SelectRoundRobin)),
	} {
		turn = 0
		for i, want := range []string{"00 01 02", "01 02 00", "02 00 01", "00 01 02"} {
			if got := ways(table.Plan(q)); got != want {
				t.Errorf("%s, call %d: %s, want %s", where, i, got, want)
			}
		}
	}
	turn = 0
	table, count, last, longest, row := fleet(t, 3, sbc.SelectRoundRobin, weights(70, 20, 10)), map[string]int{}, "", 0, 0
	for range 1000 {
		first := table.Plan(q).Attempts[0].TrunkID
		if row++; first != last {
			row = 1
		}
		last, longest = first, max(longest, row)
		count[first]++
	}
	if count["trk_00"] != 700 || count["trk_01"] != 200 || count["trk_02"] != 100 || longest > 4 {
		t.Errorf("%v, %d in a row", count, longest)
	}
	// One that is down costs the others nothing of their fairness.
	turn, count = 0, map[string]int{}
	table = fleet(t, 3, "", within(sbc.SelectRoundRobin))
	q.Live = pricing{turn: &turn, percent: map[string]int{"end_01": 0}}
	for range 1000 {
		count[table.Plan(q).Attempts[0].EndpointID]++
	}
	if count["end_00"] != 500 || count["end_02"] != 500 {
		t.Errorf("with one down: %v", count)
	}
}

// TestHashesMoveOnlyTheirOwn: 30 trunks share 6,000 callers; one goes, and nobody moves but those that it had. They are spread over all.
func TestHashesMoveOnlyTheirOwn(t *testing.T) {
	for how, ask := range map[sbc.Selection]func(key string) Query{
		sbc.SelectHashCaller: func(key string) Query { return Query{Caller: key, Number: "49"} },
		sbc.SelectHashCallee: func(key string) Query { return Query{Number: key} },
		sbc.SelectHashCall:   func(key string) Query { return Query{CallID: key, Number: "49"} },
	} {
		whole := fleet(t, 30, how, nil)
		less := fleet(t, 30, how, func(r *Rows) { r.Targets[7].Enabled = false })
		inside := fleet(t, 30, "", within(how))
		dead := pricing{percent: map[string]int{"end_07": 0}}
		count, moved := map[string]int{}, map[string]int{}
		for i := range 6000 {
			q := ask(fmt.Sprintf("4930%06d", i*7))
			q.PlanID, q.Rand = "rpl_1", rand.IntN
			before, after := whole.Plan(q).Attempts[0].EndpointID, less.Plan(q).Attempts[0].EndpointID
			count[before]++
			if before != whole.Plan(q).Attempts[0].EndpointID {
				t.Fatalf("%s: the same call goes elsewhere", how)
			}
			switch {
			case before == "end_07":
				moved[after]++
			case before != after:
				t.Fatalf("%s: one of 30 went, and %s moved from %s to %s", how, q.Number, before, after)
			}
			up := inside.Plan(q).Attempts[0].EndpointID
			q.Live = dead
			if down := inside.Plan(q).Attempts[0].EndpointID; up != down && up != "end_07" {
				t.Fatalf("%s: an endpoint is down, and a call moved from %s to %s", how, up, down)
			}
		}
		for id, n := range count {
			if n < 140 || n > 260 { // 200 scatter by 14
				t.Errorf("%s: %s has %d of 6000", how, id, n)
			}
		}
		if len(count) != 30 || len(moved) < 25 {
			t.Errorf("%s: %d trunks have calls; those of the one that went moved to %d", how, len(count), len(moved))
		}
	}
	weighted, count := fleet(t, 2, sbc.SelectHashCaller, weights(3, 1)), map[string]int{}
	for i := range 4000 {
		count[weighted.Plan(Query{PlanID: "rpl_1", Number: "1", Caller: fmt.Sprint("49", i)}).Attempts[0].TrunkID]++
	}
	if n := count["trk_00"]; n < 2850 || n > 3150 {
		t.Errorf("weight 3 of 4 has %d of 4000 callers", n)
	}
	anonymous := map[string]int{}
	for range 100 {
		anonymous[weighted.Plan(Query{PlanID: "rpl_1", Number: "1", Rand: rand.IntN}).Attempts[0].TrunkID]++
	}
	if len(anonymous) != 2 {
		t.Errorf("callers without a number all go to %v", anonymous)
	}
}

// TestLeastCost: the cheapest first; what cannot be compared comes after, and the trace says why.
func TestLeastCost(t *testing.T) {
	table := fleet(t, 5, sbc.SelectLeastCost, nil)
	live := pricing{cost: map[string]string{"trk_00": "0.03 EUR", "trk_01": "0.01 USD", "trk_02": "0.02 EUR", "trk_03": "0.000000001 EUR"}}
	q := Query{PlanID: "rpl_1", Number: "49", Live: live, Trace: true}
	plan := table.Plan(q)
	if got := ways(plan); got != "03 02 00 01 04" {
		t.Errorf("order %s", got)
	}
	wantStep(t, plan, "tgt_01", passed, "0.010000000 USD there, which is not compared with EUR")
	wantStep(t, plan, "tgt_04", passed, "not known what a call costs")
	wantStep(t, plan, "tgt_03", taken, "0.000000001 EUR")
	live.price = "0.05 USD" // the call is charged in dollars: so they are compared
	q.Live = live
	if got := ways(table.Plan(q)); got != "01 00 02 03 04" {
		t.Errorf("in USD: %s", got)
	}
}

// TestMargin: who costs too much for the price of the call is left out; so is of whom it cannot be told, and emergency calls are not asked.
func TestMargin(t *testing.T) {
	table := fleet(t, 5, sbc.SelectOrder, func(r *Rows) { r.Lists[0].CheckMargin, r.Lists[0].MinMarginPercent = true, 20 })
	q := Query{PlanID: "rpl_1", Number: "49", Trace: true, Live: pricing{price: "0.05 EUR", cost: map[string]string{
		"trk_00": "0.04 EUR", "trk_01": "0.040000001 EUR", "trk_02": "0.01 EUR", "trk_03": "0.01 USD"}}}
	plan := table.Plan(q)
	if got := ways(plan); got != "00 02" {
		t.Errorf("order %s", got)
	}
	wantStep(t, plan, "tgt_01", passed, "0.040000001 EUR there and is charged at 0.050000000: less than 20 percent")
	wantStep(t, plan, "tgt_03", passed, "charged at 0.050000000 EUR")
	wantStep(t, plan, "tgt_04", passed, "not known what a call costs there")
	q.Class = sbc.ClassEmergency
	if got := ways(table.Plan(q)); got != "00 01 02 03 04" {
		t.Errorf("an emergency call: %s", got)
	}
	q.Class, q.Live = "", pricing{cost: map[string]string{"trk_00": "0.04 EUR"}}
	if plan = table.Plan(q); plan.Reject == nil || plan.Reject.Code != 503 {
		t.Errorf("a call without a price: %s", ways(plan))
	}
}

// TestQuality: the profile lowers weights; a trunk in quarantine gets no calls unless nobody else is left.
func TestQuality(t *testing.T) {
	table := fleet(t, 3, sbc.SelectQuality, func(r *Rows) { r.Lists[0].QualityProfileID = "qpr_1" })
	r, count := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	live := pricing{quality: map[string]int{"trk_00": 5, "trk_01": 50}}
	for range 3100 {
		count[table.Plan(Query{PlanID: "rpl_1", Number: "1", Live: live, Rand: r.IntN}).Attempts[0].TrunkID]++
	}
	if a, b := count["trk_00"], count["trk_01"]; a < 60 || a > 140 || b < 880 || b > 1120 {
		t.Errorf("5, 50 and 100 percent: %v", count)
	}
	plan := table.Plan(Query{PlanID: "rpl_1", Number: "1", Live: live, Trace: true})
	wantStep(t, plan, "tgt_00", taken, "5 % of its weight are left: ")
	wantStep(t, plan, "tgt_01", taken, "50 % of its weight are left: ")
	live.quarantined = map[string]bool{"trk_00": true, "trk_02": true}
	plan = table.Plan(Query{PlanID: "rpl_1", Number: "1", Live: live, Trace: true})
	if got := ways(plan); got != "01" {
		t.Errorf("two in quarantine: %s", got)
	}
	wantStep(t, plan, "tgt_02", passed, "ASR 3 percent")
	live.quarantined["trk_01"] = true
	got := strings.Fields(ways(table.Plan(Query{PlanID: "rpl_1", Number: "1", Live: live})))
	if slices.Sort(got); !slices.Equal(got, []string{"00", "01", "02"}) {
		t.Errorf("all in quarantine: %s", got)
	}
}

// TestCallsThatWereCompared: where calls in progress decide, the explanation says how many there are.
func TestCallsThatWereCompared(t *testing.T) {
	live := pricing{now: map[string]int{"trk_00": 5, "trk_01": 2}, most: map[string]int{"trk_00": 10}}
	plan := fleet(t, 2, sbc.SelectLeastCalls, nil).Plan(Query{PlanID: "rpl_1", Number: "1", Live: live, Trace: true})
	wantStep(t, plan, "tgt_00", taken, "5 calls in progress there, of at most 10")
	wantStep(t, plan, "tgt_01", taken, "2 calls in progress there, no limit")
}

// BenchmarkPlanSelected is a decision among 30 trunks by a hash.
func BenchmarkPlanSelected(b *testing.B) {
	table := fleet(&testing.T{}, 30, sbc.SelectHashCaller, nil)
	b.ReportAllocs()
	for b.Loop() {
		if p := table.Plan(Query{PlanID: "rpl_1", Number: "49", Caller: "4930123", Rand: rand.IntN}); len(p.Attempts) != 30 {
			b.Fatal(len(p.Attempts))
		}
	}
}

// TestCheapestCall: trunks are compared by what a whole call of the reference duration costs on them, with connection, minimum and increment:
// who has the cheapest minute need not have the cheapest call. The margin is that of the same call.
func TestCheapestCall(t *testing.T) {
	const cent = sbc.MoneyUnit / 100
	rates := map[string]*sbc.Rate{
		"trk_00": {PerMinute: 1 * cent, Connection: 3 * cent, IncrementS: 1},                // the cheapest minute
		"trk_01": {PerMinute: 2 * cent, IncrementS: 1},                                      // no connection
		"trk_02": {PerMinute: 3 * cent / 2, MinimumS: 180, IncrementS: 60},                  // three minutes at least
		"trk_03": {PerMinute: 6 * cent / 5, Connection: cent, MinimumS: 60, IncrementS: 60}, // whole minutes
	}
	for _, c := range []struct {
		seconds int
		margin  int
		want    string
	}{
		{0, 0, "01 03 00 02"},   // a minute: 2.0, 2.2, 4.0, 4.5 cents
		{10, 0, "01 03 00 02"},  // 0.33, 2.2, 3.17, 4.5
		{65, 0, "01 03 00 02"},  // 2.17, 3.4, 4.08, 4.5
		{180, 0, "02 03 00 01"}, // 4.5, 4.6, 6.0, 6.0: the same is in order of ids
		{600, 0, "00 03 02 01"}, // 13.0, 13.0, 15.0, 20.0
		{60, 50, "01 03"},       // at a price of 5 cents half of it is to be left
		{180, 10, "02"},         // 4.5 of 5
		{600, 0, "00 03 02 01"}, // nothing is checked without a margin
	} {
		table := fleet(t, 4, sbc.SelectLeastCost, func(r *Rows) {
			r.Lists[0].ReferenceDurationS, r.Lists[0].CheckMargin, r.Lists[0].MinMarginPercent = c.seconds, c.margin > 0, c.margin
		})
		q := Query{PlanID: "rpl_1", Number: "49", Live: pricing{rates: rates, price: "0.05 EUR"}, Trace: true}
		if got := ways(table.Plan(q)); got != strings.TrimSpace(c.want) {
			t.Errorf("%d s, margin %d: %q, want %q", c.seconds, c.margin, got, c.want)
		}
	}
}

// TestTurnIsNotTaken: who only asks learns what the next call gets, and the next call gets it.
func TestTurnIsNotTaken(t *testing.T) {
	table := fleet(t, 3, sbc.SelectRoundRobin, nil)
	turn := uint64(0)
	live := pricing{turn: &turn}
	for range 5 {
		asked := ways(table.Plan(Query{PlanID: "rpl_1", Number: "49", Live: Still{live}}))
		again := ways(table.Plan(Query{PlanID: "rpl_1", Number: "49", Live: Still{live}}))
		lived := ways(table.Plan(Query{PlanID: "rpl_1", Number: "49", Live: live}))
		if asked != again || asked != lived {
			t.Errorf("asked %q, then %q, lived %q", asked, again, lived)
		}
	}
	if turn != 5 {
		t.Errorf("%d turns were taken by 5 calls", turn)
	}
}
