package call

import (
	"fmt"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/service"
)

// explainForwards shows where the call would go on if the phones of the subscriber that it leads to did not take it, one step for each
// case in which it would.
func (m *Manager) explainForwards(snap *config.Snapshot, d *decision) (steps []sbc.DecisionStep, err error) {
	if d.dest == nil || d.code != 0 {
		return nil, nil
	}
	s, call := d.dest.entry.Subscriber, m.services(snap, d)
	for _, v := range []service.Verdict{
		service.Unanswered(s, call, 486, false), service.Unanswered(s, call, 480, true), service.Unanswered(s, call, 408, false),
	} {
		if v.Action != service.Forward {
			continue
		}
		on := *d
		on.steps = nil
		m.forward(snap, &on, v, false)
		for on.ask != nil {
			q := on.ask
			e, err := m.await(q)
			if m.answered(snap, &on, q, e, err, false); sbc.CodeOf(err) == sbc.CodeUnavailable {
				return nil, err
			}
		}
		steps = append(steps, sbc.DecisionStep{
			Stage: "service", Subject: s.ID, Verdict: "conditional", Detail: "if " + v.Reason + ": " + v.Detail + on.leads(),
		})
	}
	return steps, nil
}

// leads is in words where a decision leads.
func (d *decision) leads() string {
	switch {
	case d.code != 0:
		return fmt.Sprintf(", which would be refused with %d", d.code)
	case len(d.plan.Attempts) == 0:
		return ", which leads nowhere"
	}
	switch at := &d.plan.Attempts[0]; {
	case at.Agent != "":
		return ", which we answer ourselves"
	case at.Callee != nil:
		return ", which is the subscriber " + at.Callee.ID()
	default:
		return ", which the trunk " + at.TrunkID + " would get as " + at.Number
	}
}
