package route

import (
	"strconv"

	"github.com/sallyport/sallyport/sbc"
)

// The steps that every live call has are put together here without package fmt, which would make several values of each.

// say adds to the trace, which must be asked for.
func (p *planner) say(subject, verdict string, words []byte) {
	if len(p.plan.Steps) >= maxSteps {
		p.step(subject, verdict, "")
		return
	}
	if p.plan.Steps == nil {
		p.plan.Steps = make([]sbc.DecisionStep, 0, 4) // rule, target, endpoint, and one more
	}
	p.plan.Steps = append(p.plan.Steps, sbc.DecisionStep{Stage: "route", Subject: subject, Verdict: verdict, Detail: string(words)})
}

// sayRule says by which prefix a rule was found.
func (p *planner) sayRule(id, prefix, how, number string) {
	var room [128]byte
	b := append(strconv.AppendQuote(append(room[:0], "prefix "...), prefix), " is "...)
	b = append(append(b, how...), " that matches "...)
	p.say(id, taken, strconv.AppendQuote(b, number))
}

// sayTrunk says which target of a list comes.
func (p *planner) sayTrunk(tg *target) {
	var room [128]byte
	b := append(append(append(room[:0], "trunk "...), tg.trunk.row.ID...), ", priority "...)
	b = append(strconv.AppendInt(b, int64(tg.priority), 10), ", weight "...)
	p.say(tg.id, taken, strconv.AppendInt(b, int64(tg.weight), 10))
}

// sayAttempt says where an attempt goes.
func (p *planner) sayAttempt(e *endpoint, number string) {
	var room [192]byte
	b := append(strconv.AppendInt(append(room[:0], "attempt "...), int64(len(p.plan.Attempts)+1), 10), ": "...)
	b = append(append(append(append(b, number...), " to "...), e.row.Address...), " port "...)
	b = append(strconv.AppendInt(b, int64(e.row.Port), 10), " over "...)
	p.say(e.row.ID, taken, append(b, e.row.Transport...))
}
