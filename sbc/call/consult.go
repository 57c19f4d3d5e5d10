package call

import (
	"maps"

	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/route"
)

// Consultant asks other systems where calls go. Done is called once: at once where it is known, else later from another goroutine, in
// the time that the rule gives.
type Consultant interface {
	Ask(q *route.Ask, done func(*route.Answer))
}

// consults is the question of the rule that the plan came to.
func (d *decision) consults() *question {
	rule := d.plan.Ask
	rule.TenantID = d.trunk.TenantID
	if d.way != nil {
		if by, _ := d.way.forwarder(); by != nil {
			rule.TenantID = by.Domain.TenantID
		}
	}
	if in := d.moment.in; in != nil {
		rule.Source = in.Hop.Remote.String()
	}
	return &question{rule: rule, from: d.from, mark: d.mark}
}

// consult asks another system; then is called once it has answered, or is not waited for any longer.
func (m *Manager) consult(q *question, then func()) {
	if m.o.Consult == nil {
		q.answer = &route.Answer{Why: "no other system can be asked: the next rule decides"}
		then()
		return
	}
	m.o.Consult.Ask(q.rule, func(a *route.Answer) {
		q.answer = a
		then()
	})
}

// consulted makes the plan again, with what was said.
func (d *decision) consulted(snap *config.Snapshot, q *question, trace bool) {
	answers := make(map[string]*route.Answer, len(d.answers)+1)
	maps.Copy(answers, d.answers)
	answers[q.rule.RuleID] = q.answer
	d.answers, d.next, d.steps = answers, q.from, d.steps[:min(q.mark, len(d.steps))]
	d.code, d.reason, d.end = 0, "", ""
	d.route(snap, trace)
	d.asks()
}
