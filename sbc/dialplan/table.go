package dialplan

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/timeprofile"
)

// Table are the dialplans of a configuration, compiled. It is immutable; nil has none.
type Table struct{ plans map[string]*Plan }

// Problem is a dialplan that cannot be compiled, or whose tests are broken.
type Problem struct {
	Dialplan *sbc.Dialplan
	Fault    sbc.Fault
}

// NewTable compiles and proves dialplans, also those that are disabled: a fault is to be known when it is written. What the table before it
// (nil where there is none) has of the same rows with the same times is taken over.
//
// A test that does not say when its call comes is of the moment when the dialplan, or a time profile of it, was last written: so it comes
// to the same on every node, and at every start.
func NewTable(rows []*sbc.Dialplan, times *timeprofile.Table, before *Table) (*Table, []Problem) {
	t := &Table{plans: make(map[string]*Plan, len(rows))}
	var problems []Problem
	for _, row := range rows {
		p := before.Find(row.ID)
		if p == nil || p.row != row || !p.sameTimes(times) {
			var faults []sbc.Fault
			if p, faults = Compile(row, times); faults == nil {
				faults = p.Prove(p.written(times))
			}
			for _, f := range faults {
				problems = append(problems, Problem{row, f})
			}
			if faults != nil {
				continue
			}
		}
		t.plans[row.ID] = p
	}
	return t, problems
}

// Find gives a dialplan, disabled or not, nil if there is none.
func (t *Table) Find(id string) *Plan {
	if t == nil {
		return nil
	}
	return t.plans[id]
}

// Serving gives a dialplan that is enabled, nil if there is none: then numbers stay as they are.
func (t *Table) Serving(id string) *Plan {
	if p := t.Find(id); p != nil && p.row.Enabled {
		return p
	}
	return nil
}

// sameTimes tells whether the time profiles of a dialplan are those that it was proved with.
func (p *Plan) sameTimes(now *timeprofile.Table) bool {
	before, ok := p.times.(*timeprofile.Table)
	if before == now {
		return true
	}
	for i := range p.row.Rules {
		if id := p.row.Rules[i].TimeProfileID; id != "" && (!ok || before.Find(id) != now.Find(id)) {
			return false
		}
	}
	return true
}

// written is when the dialplan, or a time profile of it, was last written.
func (p *Plan) written(times *timeprofile.Table) time.Time {
	last := p.row.UpdatedAt
	for i := range p.row.Rules {
		if at := times.Written(p.row.Rules[i].TimeProfileID); at.After(last) {
			last = at
		}
	}
	return last
}
