package call

import (
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
)

// The trace of a live call is that of Explain, made by the same code while the call is decided, and what became of its limits and
// attempts. It is kept until the call ends and then goes into its record.

const (
	// live asks for the trace of a call that is carried out.
	live = true
	// maxSteps, maxDetail (octets) and maxAttempts bound what is kept of one call.
	maxSteps    = 64
	maxDetail   = 300
	maxAttempts = 16
	// neverRefused is what limits say to a call for help.
	neverRefused = "an emergency call is counted and never refused"
)

// Decision shows how a call in progress was decided; false if there is no such call, or it began in a process before this one.
func (m *Manager) Decision(id string) (e sbc.Explanation, ok bool) {
	c := m.calls.call(id)
	if c == nil {
		return e, false
	}
	c.look(func() {
		if decided := c.decided(); decided != nil && !c.st.ended {
			e, ok = *decided, true
		}
	})
	return e, ok
}

// decided is the decision on the call as far as it is carried out, on the call's queue; nil where it was made by another process.
func (c *Call) decided() *sbc.Explanation {
	d := &c.decision
	if len(d.steps) == 0 {
		return nil
	}
	e := &sbc.Explanation{
		Outcome: sbc.OutcomeRoute, TrunkID: d.caller.TrunkID, IdentityID: d.caller.IdentityID, Number: d.caller.Number,
		RoutingPlanID: d.plan.RoutingPlanID, RuleID: d.plan.RuleID, Attempts: d.shown,
	}
	if e.Attempts == nil {
		e.Attempts = d.attempts()
	}
	if d.code != 0 {
		refused(e, d.code, d.reason)
	}
	e.Steps = make([]sbc.DecisionStep, 0, min(len(d.steps)+len(c.hunt.attempts), maxSteps))
	for _, s := range d.steps[:min(len(d.steps), maxSteps)] {
		s.Detail = s.Detail[:min(len(s.Detail), maxDetail)]
		e.Steps = append(e.Steps, s)
	}
	for i := range c.hunt.attempts {
		if len(e.Steps) < maxSteps {
			e.Steps = append(e.Steps, became(&c.hunt.attempts[i]))
		}
	}
	return e
}

// became is what became of an attempt.
func became(a *sbc.CDRAttempt) sbc.DecisionStep {
	s := sbc.DecisionStep{Stage: "attempt", Subject: a.EndpointID, Verdict: "refused"}
	if s.Subject == "" {
		s.Subject = a.SubscriberID
	}
	switch {
	case a.Code >= 200 && a.Code < 300:
		s.Verdict, s.Detail = "taken", "it answered with 200"
	case a.Code != 0:
		s.Detail = "it answered with " + strconv.Itoa(a.Code)
	case a.Reason != "":
		s.Detail = "no answer: " + a.Reason
	default:
		s.Verdict, s.Detail = "taken", "it has not answered yet"
	}
	return s
}

// attempts show the addresses of the plan.
func (d *decision) attempts() []sbc.DecisionAttempt {
	list := make([]sbc.DecisionAttempt, 0, len(d.past)+len(d.plan.Attempts))
	list = append(list, d.past...)
	for i := range d.plan.Attempts {
		if len(list) >= maxAttempts {
			break
		}
		list = explainAttempt(list, &d.plan.Attempts[i], len(d.past)+i+1)
	}
	return list
}

// admittedBy notes what the limits said to a leg.
func (d *decision) admittedBy(l *leg, dir admit.Direction, claim *admit.Claim, v admit.Verdict) {
	if len(d.steps) >= maxSteps {
		return
	}
	s := sbc.DecisionStep{Stage: "admit", Subject: l.trunk.ID, Verdict: "taken", Detail: "no limit"}
	switch {
	case !v.OK:
		s.Verdict, s.Detail = "refused", v.Reason
		if v.Bound.Profile != nil {
			s.Subject = v.Bound.Profile.ID
		}
	case claim.Always:
		s.Detail = neverRefused
	case l.trunk.MaxCalls > 0 || len(claim.Bounds) > 0 || dir == admit.In && l.trunk.MaxCallsPerSecond > 0:
		s.Detail = "within the limits"
	}
	d.steps = append(d.steps, s)
}

// helps tells whether a call is one for help: by the number plan of its trunk or the classes of its domain.
func (d *decision) helps(snap *config.Snapshot) bool {
	return d.trunk != nil && d.query(snap, false).Class == sbc.ClassEmergency
}
