package route

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
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
	byPlan := map[string][]int32{}
	for i, r := range rows.Rules {
		if err := checkPrefix(r); err != nil {
			return nil, err
		}
		if leadsOn(r) {
			t.jumps = append(t.jumps, r)
		}
		byPlan[r.RoutingPlanID] = append(byPlan[r.RoutingPlanID], int32(i))
	}
	t.tries = make(map[string]*node, len(byPlan))
	packs := packer{actions: map[action]*action{}, many: 16 << 10}
	for plan, rules := range byPlan {
		entries := packs.sorted(rows.Rules, rules)
		if packs.fault != nil {
			return nil, packs.fault
		}
		trie := root(entries)
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
	if root = change(root); root.has() || root.fan != nil {
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

// packer reduces rules, so that the rows they came from can be forgotten.
type packer struct {
	actions map[action]*action
	// many packs ids into pieces of memory of this size; 0 gives each its own.
	many  int
	piece *strings.Builder
	// fault is the first one that was found.
	fault error
}

// sorted packs some rules in order of prefix and then of rule: so a trie is built at once without moving anything, and does not
// depend on the order of the rows.
func (p *packer) sorted(rows []*sbc.Rule, some []int32) []entry {
	packed := make([]entry, len(some))
	// The first eight characters as a number decide most comparisons without going to the rule.
	type place struct {
		leading uint64
		at      int32
	}
	order := make([]place, len(some))
	for i, row := range some {
		packed[i] = p.pack(rows[row])
		var b [8]byte
		copy(b[:], packed[i].prefix)
		order[i] = place{binary.BigEndian.Uint64(b[:]), int32(i)}
	}
	slices.SortFunc(order, func(x, y place) int {
		if x.leading != y.leading {
			return cmp.Compare(x.leading, y.leading)
		}
		a, b := &packed[x.at], &packed[y.at]
		return cmp.Or(strings.Compare(a.prefix, b.prefix), a.rule.before(b.rule))
	})
	entries := make([]entry, len(some))
	for i, o := range order {
		entries[i] = packed[o.at]
	}
	return entries
}

// pack reduces a rule; its prefix is still the row's, for the trie copies it.
func (p *packer) pack(r *sbc.Rule) entry {
	a := action{kind: r.Action, code: r.RejectCode, reason: r.RejectReason, listID: r.RouteListID, strip: r.Strip, add: r.AddPrefix,
		fallback: r.Fallback}
	switch r.Action {
	case sbc.ActionSubscriber:
		a.domainID = r.DomainID
	case sbc.ActionRedirect:
		a.code = r.RedirectCode
	}
	if a.more = p.more(r); a.more != nil {
		do := a
		return entry{prefix: r.Prefix, rule: rule{id: p.text(r.ID), do: &do, priority: uint16(r.Priority), enabled: r.Enabled,
			timed: r.TimeProfileID != "", picky: picky(r)}}
	}
	do := p.actions[a]
	if do == nil {
		a.reason, a.listID, a.add = strings.Clone(a.reason), strings.Clone(a.listID), strings.Clone(a.add)
		a.domainID = strings.Clone(a.domainID)
		do = &a
		p.actions[a] = do
	}
	return entry{prefix: r.Prefix, rule: rule{id: p.text(r.ID), do: do, priority: uint16(r.Priority), enabled: r.Enabled}}
}

// picky tells whether a rule holds for some calls only.
func picky(r *sbc.Rule) bool {
	return r.TimeProfileID != "" || len(r.RouteGroups) > 0 || len(r.Conditions) > 0
}

// more is what few rules have, nil for most.
func (p *packer) more(r *sbc.Rule) *more {
	announced := r.Action == sbc.ActionReject && r.AnnouncementID != ""
	asks := r.Action == sbc.ActionHTTP || r.Action == sbc.ActionENUM || r.Action == sbc.ActionJump
	if !picky(r) && !announced && !asks && len(r.Variables) == 0 {
		return nil
	}
	m := &more{announcementID: r.AnnouncementID, jumpPlanID: r.JumpPlanID, http: r.HTTP, enumSuffix: r.ENUMSuffix, variables: r.Variables}
	var err error
	if m.terms, err = compileTerms(r); err != nil && p.fault == nil {
		p.fault = err
	}
	return m
}

// text copies a string. A builder that never outgrows its first piece of memory gives strings that stay where they are.
func (p *packer) text(s string) string {
	if len(s) > p.many/4 {
		return strings.Clone(s)
	}
	if p.piece == nil || p.piece.Cap()-p.piece.Len() < len(s) {
		p.piece = &strings.Builder{}
		p.piece.Grow(p.many)
	}
	at := p.piece.Len()
	p.piece.WriteString(s)
	return p.piece.String()[at:]
}
