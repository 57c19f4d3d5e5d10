package dialplan

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Times tells whether a moment is within a time profile.
type Times interface {
	At(id string, t time.Time) (within bool, reason string)
}

// Plan is a compiled dialplan. It is immutable and safe for concurrent use.
type Plan struct {
	row            *sbc.Dialplan
	times          Times
	rules          []rule
	callee, caller index
}

// rule is a compiled rule.
type rule struct {
	row                  *sbc.DialplanRule
	expr                 *regexp.Regexp
	setCallee, setCaller template
}

// Call is what of a call a dialplan looks at and changes.
type Call struct {
	Callee, Caller string
	At             time.Time
	// Class is what the number called counts as, "" where that is not known.
	Class sbc.NumberClass
}

// Result is what became of a call. Changed are its numbers; Attributes are nil where no rule gave any.
type Result struct {
	Callee, Caller string
	Class          sbc.NumberClass
	Attributes     map[string]string
	// Rule is the name of the last rule that was carried out; Fits says that there was one.
	Rule string
	Fits bool
	// Reject says that the call gets 404, since no rule fits.
	Reject bool
	// Steps are the rules in the order in which they were carried out, where they were asked for.
	Steps []Step
}

// Step is a rule that was carried out, and what the numbers were after it.
type Step struct {
	Rule, Callee, Caller string
}

// Compile compiles a dialplan. The plan is nil where there are faults.
func Compile(row *sbc.Dialplan, times Times) (*Plan, []sbc.Fault) {
	p := &Plan{row: row, times: times}
	order := make([]int, 0, len(row.Rules))
	for i := range row.Rules {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(row.Rules[a].Priority, row.Rules[b].Priority) })
	var faults []sbc.Fault
	for _, i := range order {
		r, wrong := compileRule(&row.Rules[i], fmt.Sprintf("#/rules/%d", i))
		faults = append(faults, wrong...)
		if wrong != nil || r.row.Disabled {
			continue
		}
		x := &p.callee
		if r.row.Field == sbc.DialplanCaller {
			x = &p.caller
		}
		x.put(len(p.rules), r.row)
		p.rules = append(p.rules, r)
	}
	if faults != nil {
		return nil, faults
	}
	p.callee.ready(p.rules)
	p.caller.ready(p.rules)
	return p, nil
}

// compileRule compiles pattern and templates.
func compileRule(row *sbc.DialplanRule, at string) (r rule, faults []sbc.Fault) {
	fault := func(field, code, detail string) {
		faults = append(faults, sbc.Fault{Pointer: at + "/" + field, Code: code, Detail: fmt.Sprintf("rule %q: %s", row.Name, detail)})
	}
	r.row = row
	groups := 0
	switch row.Match {
	case sbc.MatchPrefix:
		groups = 1
	case sbc.MatchRange:
		if len(row.RangeEnd) != len(row.Pattern) || row.RangeEnd < row.Pattern {
			fault("range_end", "out_of_range", "must be a number of the same length as pattern that is not less")
		}
	case sbc.MatchRegex:
		expr, err := compileExpr(row)
		if err != nil {
			fault("pattern", "pattern", err.Error()+"; expressions are those of RE2, without look-around and back references")
			return r, faults
		}
		if r.expr, groups = expr, expr.NumSubexp(); groups > 9 {
			fault("pattern", "too_many", "has more than nine groups")
		}
	}
	var err error
	if r.setCallee, err = parseTemplate(row.SetCallee, groups); err != nil {
		fault("set_callee", "template", err.Error())
	}
	if r.setCaller, err = parseTemplate(row.SetCaller, groups); err != nil {
		fault("set_caller", "template", err.Error())
	}
	return r, faults
}

// holds tells whether a rule holds at a moment.
func (p *Plan) holds(place int, at time.Time) bool {
	id := p.rules[place].row.TimeProfileID
	if id == "" {
		return true
	}
	in, _ := p.times.At(id, at)
	return in
}

// Translate carries out the rules that fit a call; trace notes each of them.
func (p *Plan) Translate(c Call, trace bool) Result {
	res := Result{Callee: c.Callee, Caller: c.Caller, Class: c.Class}
	for from := 0; from < len(p.rules); {
		s := search{p: p, at: c.At, from: from, best: len(p.rules)}
		s.number(&p.callee, res.Callee)
		s.number(&p.caller, res.Caller)
		if s.best == len(p.rules) {
			break
		}
		r := &p.rules[s.best]
		r.carryOut(&res)
		if trace {
			res.Steps = append(res.Steps, Step{Rule: r.row.Name, Callee: res.Callee, Caller: res.Caller})
		}
		if !r.row.Continue {
			break
		}
		from = s.best + 1
	}
	res.Reject = !res.Fits && p.row.NoMatch == sbc.NoMatchReject
	return res
}

// carryOut does what a rule says.
func (r *rule) carryOut(res *Result) {
	number := res.Callee
	if r.row.Field == sbc.DialplanCaller {
		number = res.Caller
	}
	if len(r.setCallee)+len(r.setCaller) > 0 {
		var room [10]string
		groups := r.groups(number, &room)
		if r.setCallee != nil {
			res.Callee = r.setCallee.fill(groups)
		}
		if r.setCaller != nil {
			res.Caller = r.setCaller.fill(groups)
		}
	}
	if r.row.NumberClass != "" {
		res.Class = r.row.NumberClass
	}
	if len(r.row.Attributes) > 0 {
		if res.Attributes == nil {
			res.Attributes = make(map[string]string, len(r.row.Attributes))
		}
		maps.Copy(res.Attributes, r.row.Attributes)
	}
	res.Rule, res.Fits = r.row.Name, true
}
