package route

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Rows are what a Table is made of, in any order, disabled ones included: they are passed over with a step that says so. The rows
// are only read, and must not be changed afterwards.
type Rows struct {
	Plans     []*sbc.RoutingPlan
	Rules     []*sbc.Rule
	Lists     []*sbc.RouteList
	Targets   []*sbc.Target
	Trunks    []*sbc.Trunk
	Endpoints []*sbc.Endpoint
	// Out says why a trunk that is enabled is out of service all the same (its realm is disabled), "" if it is not. Nil: none is.
	Out func(t *sbc.Trunk) string
	// Numbers are those of ours. Times tells when rules hold; nil: those with a time profile never do.
	Numbers []*sbc.Number
	Times   Times
}

// Times tells whether a moment is within a time profile, and by what, in a sentence.
type Times interface {
	At(profileID string, t time.Time) (within bool, reason string)
}

// RuleChange is one rule before and after a write: Old is nil for a new rule, New for a deleted one.
type RuleChange struct{ Old, New *sbc.Rule }

// Table is a compiled set of routing plans. The zero Table has no plans.
type Table struct {
	plans map[string]*sbc.RoutingPlan
	lists map[string]*list
	// tries are the rules by plan.
	tries   map[string]*node
	numbers numbers
	times   Times
	jumps   jumps
}

// Compile builds a Table. It fails, with a *RuleError, on a rule whose prefix no number could begin with, whose conditions are wrong, or
// that leads in a circle.
func Compile(rows Rows) (*Table, error) {
	t := (&Table{}).WithRows(rows)
	b := builder{entries: make([]entry, len(rows.Rules))}
	lots := b.pack(rows.Rules)
	byPlan := map[string][][]spot{}
	for i := range lots {
		if lots[i].fault != nil {
			return nil, lots[i].fault
		}
		t.jumps = append(t.jumps, lots[i].jumps...)
		for plan, spots := range lots[i].spots {
			byPlan[plan] = append(byPlan[plan], *spots)
		}
	}
	t.tries = make(map[string]*node, len(byPlan))
	for plan, lists := range byPlan {
		trie := b.build(b.merge(lists), 0, 0)
		t.tries[strings.Clone(plan)] = &trie
	}
	return t, t.circles(len(t.jumps))
}

// WithRows gives a Table with other plans, lists, targets, trunks and endpoints and the same rules; rows.Rules is not looked at.
func (t *Table) WithRows(rows Rows) *Table {
	next := &Table{
		plans: make(map[string]*sbc.RoutingPlan, len(rows.Plans)), tries: t.tries, jumps: t.jumps, times: rows.Times,
		numbers: compileNumbers(rows.Numbers),
	}
	for _, p := range rows.Plans {
		next.plans[p.ID] = p
	}
	next.lists = compileLists(rows)
	return next
}

// WithRules gives a Table in which some rules are changed. Its cost is that of the rules changed and of copying the list of
// plans, not of the number of rules.
func (t *Table) WithRules(changes []RuleChange) (*Table, error) {
	next := &Table{
		plans: t.plans, lists: t.lists, tries: make(map[string]*node, len(t.tries)+1), numbers: t.numbers, times: t.times, jumps: t.jumps,
	}
	maps.Copy(next.tries, t.tries)
	packs := packer{actions: map[action]*action{}}
	for _, c := range changes {
		if c.Old != nil {
			next.jumps = next.jumps.without(c.Old)
			next.swap(c.Old.RoutingPlanID, func(root node) node { return root.without(c.Old.Prefix, c.Old.ID) })
		}
		if c.New != nil {
			if err := checkPrefix(c.New); err != nil {
				return nil, err
			}
			e := packs.pack(c.New)
			if packs.fault != nil {
				return nil, packs.fault
			}
			next.jumps = next.jumps.with(c.New)
			next.swap(c.New.RoutingPlanID, func(root node) node { return root.with(e.prefix, e.rule) })
		}
	}
	return next, next.circles(maxChecked + len(changes))
}

// swap puts a changed trie in the place of a plan's; a trie without rules goes.
func (t *Table) swap(planID string, change func(root node) node) {
	var root node
	if old := t.tries[planID]; old != nil {
		root = *old
	}
	if root = change(root); root.has() || len(root.kids) > 0 {
		t.tries[planID] = &root
	} else {
		delete(t.tries, planID)
	}
}

// RuleError is a fault of a rule.
type RuleError struct {
	Rule  *sbc.Rule
	Fault sbc.Fault
}

func (e *RuleError) Error() string { return "rule " + e.Rule.ID + ": " + e.Fault.Detail }

// checkPrefix refuses what sbc.Rule.Validate would never have let in: the trie's alphabet is ASCII.
func checkPrefix(r *sbc.Rule) error {
	for i := range len(r.Prefix) {
		if r.Prefix[i] >= 128 {
			return &RuleError{r, sbc.Fault{Pointer: "#/prefix", Code: "pattern",
				Detail: fmt.Sprintf("prefix %q is not made of characters of a dialled number", r.Prefix)}}
		}
	}
	return nil
}
