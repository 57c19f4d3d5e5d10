package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/route"
)

// explainAttempts shows the attempts of a decision, then those of the rules that decide if nobody takes the call, with their steps.
func (m *Manager) explainAttempts(snap *config.Snapshot, d *decision, e *sbc.Explanation) error {
	m.showAttempts(snap, d, e)
	on := *d
	for on.plan.Next != nil {
		on.steps = nil
		led := m.resumed(snap, &on, true)
		for on.ask != nil {
			q := on.ask
			entry, err := m.await(q)
			if m.answered(snap, &on, q, entry, err, true); sbc.CodeOf(err) == sbc.CodeUnavailable {
				return err
			}
		}
		e.Steps = append(e.Steps, on.steps...)
		if !led || on.code != 0 {
			return nil
		}
		m.showAttempts(snap, &on, e)
	}
	return nil
}

// showAttempts shows the attempts of one rule; those for subscribers of its route list with the phones that would ring now.
func (m *Manager) showAttempts(snap *config.Snapshot, d *decision, e *sbc.Explanation) {
	number := len(e.Attempts)
	for i := range d.plan.Attempts {
		at := &d.plan.Attempts[i]
		all := []route.Attempt{*at}
		if m.sleeper(snap, d, at) != nil {
			e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "push", Subject: at.Callee.ID(), Verdict: "taken",
				Detail: "phones of the subscriber are woken when it is their turn, and the call waits for them"})
		}
		if unexpanded(at) {
			attempts, _, why := m.expand(snap, d, at)
			if all = attempts; len(all) == 0 {
				e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "location", Subject: at.Callee.ID(), Verdict: "skipped",
					Detail: "the subscriber would not be called: " + why})
			}
		}
		for j := range all {
			number++
			e.Attempts = explainAttempt(e.Attempts, &all[j], number)
		}
	}
}
