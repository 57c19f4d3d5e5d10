package route

import (
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/sbc"
)

// jumps are the enabled rules that always lead to another plan, whoever calls. The list is not changed once a Table has it.
type jumps []*sbc.Rule

// leadsOn tells whether a rule is one of jumps.
func leadsOn(r *sbc.Rule) bool { return r.Action == sbc.ActionJump && r.Enabled && !isPicky(r) }

func (j jumps) with(r *sbc.Rule) jumps {
	if !leadsOn(r) {
		return j
	}
	return append(slices.Clip(j), r)
}

func (j jumps) without(r *sbc.Rule) jumps {
	if !leadsOn(r) {
		return j
	}
	return slices.DeleteFunc(slices.Clone(j), func(x *sbc.Rule) bool { return x.ID == r.ID })
}

// maxChecked bounds the rules that are looked at for circles with each change, besides those that changed: a circle that another change closes
// among more of them is found by the calls, which give up after maxJumps.
const maxChecked = 1000

// circles refuses rules that lead in a circle whoever calls: for each the number that is its prefix is followed. Those that came last are
// looked at first; most bounds them.
func (t *Table) circles(most int) error {
	for _, start := range slices.Backward(t.jumps[max(0, len(t.jumps)-most):]) {
		planID, number := start.RoutingPlanID, start.Prefix
		for hops := 0; ; hops++ {
			root := t.tries[planID]
			if root == nil {
				break
			}
			r := root.find(number)
			if r == nil || r.is(picky) || r.do.kind != sbc.ActionJump {
				break
			}
			if hops == maxJumps {
				return &RuleError{start, sbc.Fault{Pointer: "#/jump_plan_id", Code: "loop",
					Detail: fmt.Sprintf("calls to %q would go in a circle: rule %s of plan %s leads back to plan %s", start.Prefix, r.id, planID,
						r.do.more.jumpPlanID)}}
			}
			planID, number = r.do.more.jumpPlanID, rewrite(number, r.do.strip, r.do.add)
		}
	}
	return nil
}
