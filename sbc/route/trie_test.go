package route

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
)

// draw makes rules with few characters, so that prefixes meet.
func drawRules(t *rapid.T) []*sbc.Rule {
	prefixes := rapid.SliceOfN(rapid.StringMatching(`[12+a]{0,5}((1{13}|1{14}2|21{30})[12]{0,2})?`), 0, 40).Draw(t, "prefixes")
	rules := make([]*sbc.Rule, len(prefixes))
	for i, p := range prefixes {
		r := &sbc.Rule{
			RoutingPlanID: rapid.SampledFrom([]string{"rpl_1", "rpl_2"}).Draw(t, "plan"), Prefix: p,
			Priority: rapid.IntRange(0, 2).Draw(t, "priority"), Action: sbc.ActionReject, RejectCode: 400 + i,
		}
		r.ID, r.Enabled = fmt.Sprintf("rul_%02d", rapid.IntRange(0, 1).Draw(t, "half")*50+i), rapid.IntRange(0, 3).Draw(t, "on") > 0
		rules[i] = r
	}
	return rules
}

// slow is the rule of the documentation, word for word.
func slow(rules []*sbc.Rule, plan, number string) string {
	var best *sbc.Rule
	for _, r := range rules {
		if !r.Enabled || r.RoutingPlanID != plan || !strings.HasPrefix(number, r.Prefix) {
			continue
		}
		if best == nil || len(r.Prefix) > len(best.Prefix) || len(r.Prefix) == len(best.Prefix) &&
			(r.Priority < best.Priority || r.Priority == best.Priority && r.ID < best.ID) {
			best = r
		}
	}
	if best == nil {
		return ""
	}
	return best.ID
}

func dump(n *node, prefix string, out *[]string) {
	prefix += string(n.way())
	for _, r := range n.rules() {
		*out = append(*out, fmt.Sprintf("%s %s %d %v %d", prefix, r.id, r.priority, r.is(enabled), r.do.code))
	}
	for i := range n.kids[:n.below()] {
		dump(&n.kids[i], prefix, out)
	}
}

func dumpTable(t *Table) []string {
	var out []string
	for _, plan := range []string{"rpl_1", "rpl_2"} {
		if root := t.tries[plan]; root != nil {
			out = append(out, plan)
			dump(root, "", &out)
		}
	}
	return out
}

// wellFormed checks what every trie keeps: edges, bits and order of children, no end without a rule, further rules last and marked.
func (n *node) wellFormed(root bool) bool {
	below := n.below()
	if below == 0 && !n.has() && !root || n.is(several) != (below < len(n.kids)) {
		return false
	}
	for _, r := range n.kids[below:] {
		if !n.has() || r.n > 0 || !r.has() || len(r.kids) > 0 || r.marks&several != 0 {
			return false
		}
	}
	digits := 0
	for i := range n.kids[:below] {
		kid := &n.kids[i]
		if at, ok := n.at(kid.edge[0]); !ok || at != i || !kid.wellFormed(false) {
			return false
		}
		if digit(kid.edge[0]) > 0 {
			digits++
		}
	}
	return bits.OnesCount16(n.digits) == digits
}

func plans(ids ...string) []*sbc.RoutingPlan {
	var out []*sbc.RoutingPlan
	for _, id := range ids {
		p := &sbc.RoutingPlan{}
		p.ID, p.Enabled = id, true
		out = append(out, p)
	}
	return out
}

// TestLookupIsTheDocumentedRule compares the trie with a walk over all rules.
func TestLookupIsTheDocumentedRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		table, err := Compile(Rows{Plans: plans("rpl_1", "rpl_2"), Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		number := rapid.StringMatching(`[12+a]{0,5}((1{13}|1{14}2|21{30})[12]{0,3})?`).Draw(t, "number")
		for _, plan := range []string{"rpl_1", "rpl_2"} {
			for _, trace := range []bool{false, true} {
				if got, want := table.Plan(Query{PlanID: plan, Number: number, Trace: trace}).RuleID, slow(rules, plan, number); got != want {
					t.Fatalf("%s %q (trace %v): rule %q, want %q", plan, number, trace, got, want)
				}
			}
		}
	})
}

// TestChangesEqualCompile: whatever is added and removed, the trie is the one that Compile makes of the rules that are left, and
// the table of before is what it was.
func TestChangesEqualCompile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		extra := drawRules(t)
		for _, r := range extra {
			r.ID += "x"
		}
		before, err := Compile(Rows{Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		old := dumpTable(before)
		var changes []RuleChange
		left := slices.Clone(rules)
		for i, r := range extra {
			switch what := rapid.IntRange(0, 2).Draw(t, "what"); {
			case what == 0 || len(left) == 0:
				changes, left = append(changes, RuleChange{New: r}), append(left, r)
			case what == 1:
				at := i % len(left)
				changes, left = append(changes, RuleChange{Old: left[at]}), slices.Delete(slices.Clone(left), at, at+1)
			default:
				at := i % len(left)
				moved := *r
				moved.ID = left[at].ID
				changes = append(changes, RuleChange{Old: left[at], New: &moved})
				left = slices.Clone(left)
				left[at] = &moved
			}
		}
		after, err := before.WithRules(changes)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Compile(Rows{Rules: left})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := dumpTable(after), dumpTable(want); !slices.Equal(got, want) {
			t.Fatalf("changed:\n%s\ncompiled:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, table := range []*Table{after, want} {
			for id, root := range table.tries {
				if !root.wellFormed(true) {
					t.Fatalf("the trie of %s is not well formed", id)
				}
			}
		}
		if now := dumpTable(before); !slices.Equal(now, old) {
			t.Fatal("the table of before was changed")
		}
	})
}

// TestSequenceHoldsEveryItemOnce: chance never loses or doubles an item, nor breaks the order of priorities.
func TestSequenceHoldsEveryItemOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := make([]endpoint, rapid.IntRange(0, 40).Draw(t, "n"))
		for i := range items {
			items[i].priority = rapid.IntRange(0, 3).Draw(t, "priority")
			items[i].weight = rapid.IntRange(0, 65535).Draw(t, "weight")
		}
		slices.SortStableFunc(items, func(a, b endpoint) int { return a.priority - b.priority })
		s := sequence[endpoint]{scale: scale[endpoint]{items: items, rand: func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "chance") }}}
		seen, last := map[*endpoint]bool{}, 0
		for e, ok := s.pick(); ok; e, ok = s.pick() {
			if seen[e] || e.priority < last {
				t.Fatalf("seen %v, priority %d after %d", seen[e], e.priority, last)
			}
			seen[e], last = true, e.priority
		}
		if len(seen) != len(items) {
			t.Fatalf("%d of %d items", len(seen), len(items))
		}
	})
}
