package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/route"
)

// explainAttempts shows the attempts of a decision, then those of the rules that decide if nobody takes the call, with their steps.
func (m *Manager) explainAttempts(snap *config.Snapshot, d *decision, e *sbc.Explanation) error {
	if err := m.showAttempts(snap, d, e); err != nil {
		return err
	}
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
		if err := m.showAttempts(snap, &on, e); err != nil {
			return err
		}
	}
	return nil
}

// showAttempts shows the attempts of one rule; those for subscribers of its route list with the phones that would ring now, or with where
// they have the call forwarded.
func (m *Manager) showAttempts(snap *config.Snapshot, d *decision, e *sbc.Explanation) error {
	number := len(e.Attempts)
	for i := range d.plan.Attempts {
		at := &d.plan.Attempts[i]
		if t := snap.Trunk(at.TrunkID); t != nil && d.method != "" && !snap.Signalling(t).Carries(string(d.method)) {
			e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "admit", Subject: t.ID, Verdict: "skipped",
				Detail: "its signalling profile lets no " + string(d.method) + " outside of calls pass"})
			continue
		}
		all := []route.Attempt{*at}
		sleeps := m.sleeper(snap, d, at) != nil
		if sleeps {
			e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "push", Subject: at.Callee.ID(), Verdict: "taken",
				Detail: "phones of the subscriber are woken when it is their turn, and the call waits for them"})
		}
		if unexpanded(at) {
			x := m.expand(snap, d, at)
			if all = x.attempts; x.to != nil {
				if err := m.showForward(snap, d, x, e); err != nil {
					return err
				}
				number = len(e.Attempts)
			} else if len(all) == 0 && !sleeps {
				e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "location", Subject: at.Callee.ID(), Verdict: "skipped",
					Detail: "the subscriber would not be called: " + x.why})
			}
		}
		for j := range all {
			number++
			first := len(e.Attempts)
			e.Attempts = explainAttempt(e.Attempts, &all[j], number)
			for n := range e.Attempts[first:] {
				e.Attempts[first+n].SRTP = explainSRTP(snap, &all[j])
			}
		}
	}
	return nil
}

// showForward shows where a subscriber of a route list has the call forwarded.
func (m *Manager) showForward(snap *config.Snapshot, d *decision, x member, e *sbc.Explanation) error {
	on := *d
	on.dest, on.steps = x.t, nil
	on.step(true, "service", x.t.entry.Subscriber.ID, "skipped", x.to.Detail)
	m.forward(snap, &on, *x.to, true)
	for on.ask != nil {
		q := on.ask
		entry, err := m.await(q)
		if m.answered(snap, &on, q, entry, err, true); sbc.CodeOf(err) == sbc.CodeUnavailable {
			return err
		}
	}
	if e.Steps = append(e.Steps, on.steps...); on.code != 0 {
		return nil
	}
	return m.explainAttempts(snap, &on, e)
}
