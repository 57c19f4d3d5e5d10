package route

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// manyRules makes rules with random prefixes of 5 to 10 digits, as number lists have them.
func manyRules(n int) Rows {
	r := rand.New(rand.NewPCG(1, 2))
	rows := Rows{Plans: plans("rpl_1"), Rules: make([]*sbc.Rule, n)}
	seen := make(map[string]bool, n)
	for i := range rows.Rules {
		prefix := ""
		for prefix == "" || seen[prefix] {
			digits := 5 + r.IntN(6)
			prefix = strconv.Itoa(int(r.Uint64N(9e9) + 1e9))[:digits]
		}
		seen[prefix] = true
		rule := &sbc.Rule{RoutingPlanID: "rpl_1", Prefix: prefix, Action: sbc.ActionRoute, RouteListID: fmt.Sprintf("rls_%d", i%20)}
		rule.ID, rule.Enabled = fmt.Sprintf("rul_%026d", i), true
		rows.Rules[i] = rule
	}
	return rows
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// million is a table of a million rules, made once for all benchmarks.
var million = sync.OnceValues(func() (*Table, []*sbc.Rule) {
	rows := manyRules(1_000_000)
	table, err := Compile(rows)
	if err != nil {
		return nil, nil
	}
	return table, rows.Rules
})

// TestMillionPrefixesInMemory holds the bar of 150 MB (performance.md), rows forgotten.
func TestMillionPrefixesInMemory(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("a million rules")
	}
	rows := manyRules(1_000_000)
	before := heap()
	started := time.Now()
	table := compile(t, rows)
	took := time.Since(started)
	used := int64(heap()) - int64(before)
	runtime.KeepAlive(rows)
	t.Logf("1,000,000 prefixes: compiled in %v, %d MB", took, used>>20)
	if used > 150<<20 {
		t.Errorf("a million prefixes take %d MB, the bar is 150", used>>20)
	}
	if table.Plan(Query{PlanID: "rpl_1", Number: rows.Rules[5].Prefix}).RuleID == "" {
		t.Error("a prefix is not found")
	}
}

func BenchmarkCompileMillion(b *testing.B) {
	_, rules := million()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(Rows{Rules: rules}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile10000(b *testing.B) {
	rows := manyRules(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(rows); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookupMillion reports the 99th of a hundred look-ups of random numbers, the processor's caches cold for most of the
// trie.
func BenchmarkLookupMillion(b *testing.B) {
	table, _ := million()
	r := rand.New(rand.NewPCG(3, 4))
	numbers := make([]string, 1<<16)
	for i := range numbers {
		numbers[i] = strconv.FormatUint(r.Uint64N(9e11)+1e11, 10)
	}
	trie := table.tries["rpl_1"]
	took := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		started := time.Now()
		trie.find(numbers[i&(len(numbers)-1)])
		if len(took) < cap(took) {
			took = append(took, time.Since(started))
		}
		i++
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}

// BenchmarkOneRuleInMillion changes one rule and serves it.
func BenchmarkOneRuleInMillion(b *testing.B) {
	table, rules := million()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		old := rules[i%len(rules)]
		changed := *old
		changed.Priority = 7
		next, err := table.WithRules([]RuleChange{{Old: old, New: &changed}})
		if err != nil || next.tries["rpl_1"].find(old.Prefix).priority != 7 {
			b.Fatal("not served", err)
		}
		i++
	}
}

// BenchmarkPlan is a whole decision: rule, two targets by weight, three endpoints.
func BenchmarkPlan(b *testing.B) {
	in := load(b, "testdata/attempts.txt")
	table := compile(b, rowsOf(in.Rows))
	b.ReportAllocs()
	for b.Loop() {
		if p := table.Plan(Query{PlanID: "rpl_1", Number: "74930123", Rand: rand.IntN}); len(p.Attempts) != 3 {
			b.Fatal(p)
		}
	}
}

// TestLargeTableIsTheSmallOne: a table that all processors make is the one that a single one makes, and one panic is the caller's.
func TestLargeTableIsTheSmallOne(t *testing.T) {
	rows := manyRules(parallel + 5_000)
	for i, r := range rows.Rules[:5_000] { // further rules of a prefix, longer prefixes, other characters, another plan
		switch more := *r; i % 4 {
		case 0:
			more.ID += "x"
			rows.Rules = append(rows.Rules, &more)
		case 1:
			r.Prefix += "#123456789*0"
		case 2:
			r.Prefix = "+" + r.Prefix
		default:
			r.RoutingPlanID = "rpl_2"
		}
	}
	want := &Table{}
	changes := make([]RuleChange, len(rows.Rules))
	for i, r := range rows.Rules {
		changes[i].New = r
	}
	want, err := want.WithRules(changes)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(dumpTable(compile(t, rows)), dumpTable(want)) {
		t.Error("the tables differ")
	}
	defer func() {
		if r := recover(); r != "broken" {
			t.Errorf("recovered %v", r)
		}
	}()
	share(10, func(i int) {
		if i == 3 {
			panic("broken")
		}
	})
}
