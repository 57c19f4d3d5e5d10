package route

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

// rowsOf sorts resources into Rows; realm rlm_out is out of service.
func rowsOf(all []sbc.Resource) Rows {
	return Rows{
		Plans: rowtext.Of[*sbc.RoutingPlan](all), Rules: rowtext.Of[*sbc.Rule](all), Lists: rowtext.Of[*sbc.RouteList](all),
		Numbers: rowtext.Of[*sbc.Number](all), Times: clock{},
		Targets: rowtext.Of[*sbc.Target](all), Trunks: rowtext.Of[*sbc.Trunk](all), Endpoints: rowtext.Of[*sbc.Endpoint](all),
		Out: func(t *sbc.Trunk) string {
			if t.RealmID == "rlm_out" {
				return "realm rlm_out is disabled"
			}
			return ""
		},
	}
}

func compile(t testing.TB, rows Rows) *Table {
	t.Helper()
	table, err := Compile(rows)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func load(t testing.TB, file string) *rowtext.Table {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table, err := rowtext.Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return table
}

// clock is within the time profile "tim_day" from noon on.
type clock struct{}

func (clock) At(id string, t time.Time) (bool, string) {
	return id == "tim_day" && t.Hour() >= 12, "it is " + t.Format("15:04")
}

// headers are the headers of a message.
type headers map[string]string

func (h headers) Get(name string) string { return h[name] }

// ask reads "call <plan> <number> [rand=<n>] [trunk=...] [group=] [caller=] [class=] [id=] [hour=] [header.X=] [var.X=]".
func ask(t *testing.T, line string) Query {
	t.Helper()
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "call" {
		t.Fatalf("%q is not a call", line)
	}
	q := Query{PlanID: words[1], Number: words[2], Trace: true}
	for _, w := range words[3:] {
		key, value, _ := strings.Cut(w, "=")
		n, _ := strconv.Atoi(value)
		switch kind, name, _ := strings.Cut(key, "."); kind {
		case "rand":
			q.Rand = func(int) int { return n }
		case "trunk":
			q.TrunkID = value
		case "group":
			q.RouteGroup = value
		case "caller":
			q.Caller = value
		case "class":
			q.Class = sbc.NumberClass(value)
		case "id":
			q.CallID = value
		case "hour":
			q.At = time.Date(2026, 11, 23, n, 0, 0, 0, time.UTC)
		case "header":
			q.Headers = headers{name: value}
		case "var":
			q.Variables = map[string]string{name: value}
		default:
			t.Fatalf("%q is nothing to ask for", w)
		}
	}
	return q
}

// tell writes a plan as the lines of a table.
func tell(p Plan) []string {
	var out []string
	if p.RuleID != "" {
		out = append(out, "rule "+p.RuleID)
	}
	for _, a := range p.Attempts {
		if a.SubscriberID != "" {
			out = append(out, "try "+a.SubscriberID+" "+a.Number)
			continue
		}
		out = append(out, fmt.Sprintf("try %s %s %s:%d/%s", a.EndpointID, a.Number, a.Address, a.Port, a.Transport))
	}
	for _, a := range p.Redirect {
		out = append(out, fmt.Sprintf("contact %s %s:%d", a.Number, a.Address, a.Port))
	}
	switch {
	case p.DomainID != "":
		out = append(out, "ask "+p.DomainID+" "+p.Number)
	case p.SubscriberID != "":
		out = append(out, "ring "+p.SubscriberID)
	case p.Ask != nil:
		out = append(out, "ask "+cmp.Or(p.Ask.ENUMSuffix, "http")+" "+p.Ask.Number)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Variables)) {
		out = append(out, "set "+k+" "+p.Variables[k])
	}
	if p.Reject != nil {
		out = append(out, strings.TrimSpace(fmt.Sprintf("reject %d %s %s", p.Reject.Code, p.Reject.Cause, p.Reject.Reason)))
	}
	return out
}

// all is tell, with what comes if nobody takes the call.
func all(table *Table, q Query, p Plan) []string {
	out := tell(p)
	for p.Next != nil {
		known := maps.Clone(q.Variables)
		if known == nil {
			known = map[string]string{}
		}
		maps.Copy(known, p.Variables)
		q.Next, q.Variables = p.Next, known
		p = table.Plan(q)
		out = append(append(out, "then"), tell(p)...)
	}
	return out
}

// TestTables runs every file of testdata, with the rows in several orders: they must not matter.
func TestTables(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no tables", err)
	}
	for _, file := range files {
		in := load(t, file)
		for seed := range uint64(5) {
			shuffled := slices.Clone(in.Rows)
			if seed > 0 {
				r := rand.New(rand.NewPCG(seed, 0))
				r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			}
			table := compile(t, rowsOf(shuffled))
			for _, c := range in.Cases {
				q := ask(t, c.Ask)
				traced := table.Plan(q)
				if got := all(table, q, traced); !slices.Equal(got, c.Want) {
					t.Errorf("%s:%d: %s (order %d)\n got %q\nwant %q", file, c.Line, c.Ask, seed, got, c.Want)
				}
				if len(traced.Steps) == 0 {
					t.Errorf("%s:%d: no steps", file, c.Line)
				}
				q.Trace = false
				if plain := table.Plan(q); plain.Steps != nil || !slices.Equal(all(table, q, plain), c.Want) {
					t.Errorf("%s:%d: without a trace %q", file, c.Line, tell(plain))
				}
			}
		}
	}
}

func TestStepsSayWhy(t *testing.T) {
	in := load(t, "testdata/prefix.txt")
	table := compile(t, rowsOf(in.Rows))
	tests := []struct{ number, subject, verdict, detail string }{
		{"4940555", "rul_4940off", passed, "disabled"},
		{"4940555", "rul_49", taken, "longest"},
		{"4940555", "rul_default", passed, "rul_49 comes before it"},
		{"441", "rul_44a", passed, "priority 9 comes after 5"},
		{"451", "rul_45b", passed, "rul_45a comes before it"},
		{"4930", "rul_4930", refused, "403 No Berlin"},
		{"49", "end_1", taken, "attempt 1: 49 to 192.0.2.1 port 5060 over udp"},
	}
	for _, tt := range tests {
		plan := table.Plan(Query{PlanID: "rpl_1", Number: tt.number, Trace: true})
		if !slices.ContainsFunc(plan.Steps, func(s sbc.DecisionStep) bool {
			return s.Stage == "route" && s.Subject == tt.subject && s.Verdict == tt.verdict && strings.Contains(s.Detail, tt.detail)
		}) {
			t.Errorf("%s: no step %s %s %q in %v", tt.number, tt.subject, tt.verdict, tt.detail, plan.Steps)
		}
	}
	in = load(t, "testdata/attempts.txt")
	plan := compile(t, rowsOf(in.Rows)).Plan(Query{PlanID: "rpl_1", Number: "1234", Trace: true})
	for subject, detail := range map[string]string{
		"tgt_3": "the target is disabled", "tgt_4": "trunk trk_off is disabled", "tgt_5": "no endpoint in service",
		"tgt_6": "trk_gone does not exist", "tgt_7": "realm rlm_out is disabled", "end_a3": "the endpoint is disabled",
	} {
		if !slices.ContainsFunc(plan.Steps, func(s sbc.DecisionStep) bool {
			return s.Subject == subject && s.Verdict == passed && strings.Contains(s.Detail, detail)
		}) {
			t.Errorf("no step of %s with %q in %v", subject, detail, plan.Steps)
		}
	}
}

// TestWeights draws 1,000 times: shares are within 4 points of the weights (features.md 7.9).
func TestWeights(t *testing.T) {
	in := load(t, "testdata/attempts.txt")
	rows := rowsOf(in.Rows)
	third := &sbc.Target{RouteListID: "rls_w", TrunkID: "trk_c", Weight: 100}
	third.ID, third.Enabled = "tgt_w3", true
	c := &sbc.Trunk{RealmID: "rlm_c"}
	c.ID, c.Enabled = "trk_c", true
	rows.Trunks, rows.Targets = append(rows.Trunks, c), append(rows.Targets, third)
	want := map[string]float64{"end_c1": 0.50 * 0.25, "end_c2": 0.50 * 0.75, "end_b1": 0.35, "end_a2": 0.15}
	for id, weight := range map[string]int{"end_c1": 25, "end_c2": 75} {
		e := &sbc.Endpoint{TrunkID: "trk_c", Address: "192.0.2.7", Weight: weight}
		e.ID, e.Enabled = id, true
		rows.Endpoints = append(rows.Endpoints, e)
	}
	table := compile(t, rows)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 7))
		first, second := map[string]int{}, 0
		for range 1000 {
			plan := table.Plan(Query{PlanID: "rpl_1", Number: "7", Rand: r.IntN})
			if len(plan.Attempts) != 5 {
				t.Fatalf("%d attempts, want 5", len(plan.Attempts))
			}
			first[plan.Attempts[0].EndpointID]++
			if plan.Attempts[0].TrunkID == "trk_c" && plan.Attempts[2].TrunkID == "trk_b" {
				second++
			}
		}
		for id, share := range want {
			// 1,000 draws of one half scatter by 1.6 points: 4 points are 2.5 of that, so one seed in a hundred may be just beyond.
			if got := float64(first[id]) / 1000; got < share-0.05 || got > share+0.05 || seed == 0 && (got < share-0.04 ||
				got > share+0.04) {
				t.Errorf("seed %d: %s is first in %.3f of the calls, want %.3f", seed, id, got, share)
			}
		}
		// After c the rest is drawn by its own weights: b before a in 70 of 100.
		if got := float64(second) / float64(first["end_c1"]+first["end_c2"]); got < 0.62 || got > 0.78 {
			t.Errorf("seed %d: b follows c in %.3f, want 0.70", seed, got)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	rows := Rows{}
	p := &sbc.RoutingPlan{}
	p.ID, p.Enabled = "rpl_1", true
	l := &sbc.RouteList{}
	l.ID, l.Enabled = "rls_1", true
	r := &sbc.Rule{RoutingPlanID: "rpl_1", Action: sbc.ActionRoute, RouteListID: "rls_1"}
	r.ID, r.Enabled = "rul_1", true
	rows.Plans, rows.Lists, rows.Rules = []*sbc.RoutingPlan{p}, []*sbc.RouteList{l}, []*sbc.Rule{r}
	for i := range 20 {
		tr := &sbc.Trunk{}
		tr.ID, tr.Enabled = fmt.Sprintf("trk_%02d", i), true
		tg := &sbc.Target{RouteListID: "rls_1", TrunkID: tr.ID, Weight: 1}
		tg.ID, tg.Enabled = fmt.Sprintf("tgt_%02d", i), true
		rows.Trunks, rows.Targets = append(rows.Trunks, tr), append(rows.Targets, tg)
		for j := range 3 {
			e := &sbc.Endpoint{TrunkID: tr.ID, Address: "192.0.2.1", Weight: 1}
			e.ID, e.Enabled = fmt.Sprintf("end_%02d%d", i, j), true
			rows.Endpoints = append(rows.Endpoints, e)
		}
	}
	plan := compile(t, rows).Plan(Query{PlanID: "rpl_1", Number: "1", Rand: rand.IntN, Trace: true})
	seen := map[string]bool{}
	for _, a := range plan.Attempts {
		seen[a.EndpointID] = true
	}
	if len(plan.Attempts) != MaxAttempts || len(seen) != MaxAttempts {
		t.Errorf("%d attempts on %d endpoints, want %d different ones", len(plan.Attempts), len(seen), MaxAttempts)
	}
	if last := plan.Steps[len(plan.Steps)-1]; !strings.Contains(last.Detail, "bound of 32") {
		t.Errorf("the trace does not say that attempts were left out: %v", last)
	}
}

// TestTraceIsBounded: a plan with thousands of rules for one prefix does not flood who asks for the reasons.
func TestTraceIsBounded(t *testing.T) {
	p := &sbc.RoutingPlan{}
	p.ID, p.Enabled = "rpl_1", true
	rows := Rows{Plans: []*sbc.RoutingPlan{p}}
	for i := range 5000 {
		r := &sbc.Rule{RoutingPlanID: "rpl_1", Prefix: "4", Action: sbc.ActionReject, RejectCode: 404}
		r.ID, r.Enabled = fmt.Sprintf("rul_%04d", i), i > 3000
		rows.Rules = append(rows.Rules, r)
	}
	plan := compile(t, rows).Plan(Query{PlanID: "rpl_1", Number: "49", Trace: true})
	if plan.RuleID != "rul_3001" || len(plan.Steps) != maxSteps+1 || !strings.Contains(plan.Steps[maxSteps].Detail, "ends here") {
		t.Errorf("rule %s, %d steps, last %v", plan.RuleID, len(plan.Steps), plan.Steps[len(plan.Steps)-1])
	}
}

func TestCompileRefusesForeignPrefix(t *testing.T) {
	r := &sbc.Rule{Prefix: "4ö"}
	if _, err := Compile(Rows{Rules: []*sbc.Rule{r}}); err == nil {
		t.Error("a prefix that is not ASCII was taken")
	}
	if _, err := (&Table{}).WithRules([]RuleChange{{New: r}}); err == nil {
		t.Error("a prefix that is not ASCII was taken as a change")
	}
}

// TestActionsAreShared: rules that do the same share the memory of it.
func TestActionsAreShared(t *testing.T) {
	in := load(t, "testdata/prefix.txt")
	table := compile(t, rowsOf(in.Rows))
	a, b := table.tries["rpl_1"].find("49"), table.tries["rpl_1"].find("+1")
	if a.do != b.do || !reflect.DeepEqual(*a.do, action{kind: sbc.ActionRoute, code: 404, listID: "rls_1"}) {
		t.Errorf("%+v and %+v", a.do, b.do)
	}
}

// TestZeroTable decides, too.
func TestZeroTable(t *testing.T) {
	if p := (&Table{}).Plan(Query{PlanID: "rpl_1", Number: "1"}); p.Reject == nil || p.Reject.Cause != CauseNoPlan {
		t.Errorf("%+v", p)
	}
}
