package call

import (
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// pursuit is the search for somebody: the callee of a call, or the target of a transfer. The decision says where to look, and goes on as
// long as nobody takes the call: with where a subscriber forwards, with the next rule, with the contacts of a redirection. All of them are
// decided by the same code, whoever is looked for; what differs is in whose name it is.
type pursuit struct {
	// d is the decision, t the transfer that it is for, nil for the call's own.
	d *decision
	t *transfer
	// plan are the attempts, next is the one to be made then.
	plan []route.Attempt
	next int
	// until is when no more attempts are begun, the zero time for no bound; since when the pursuit goes on.
	until, began time.Time
	// stop says that the last answer is not one after which another attempt is made.
	stop bool
	// detours say of the attempts in plan which redirections led to them, as far as they reach; followed are the numbers of those,
	// redirects how many were followed.
	detours   []*detour
	followed  []string
	redirects int
	// diverted is the number to which a phone of the subscriber that is called now sent the call, "" for none.
	diverted string
	// since is how many attempts the call had before the subscriber that is called now; lapsed says that it rang as long as that one wanted.
	since  int
	lapsed bool
	// aside is what is still to be looked at, the next one last; led says that something of it led to an attempt.
	aside []aside
	led   bool
	// over says that there was nothing left to go on with: what was said to lead on then did not, and is not believed again, or the call would
	// turn in a circle.
	over bool
	// woken is the place behind the attempt whose phones were woken last.
	woken int
}

// aside is what a pursuit comes to later: a number to which a redirection leads, or the decision that it left for those.
type aside struct {
	// way is the number, nil for a decision that was left. d is in whose name it is looked for, or that decision. member, where set, is a
	// subscriber of a route list that has the call forwarded.
	way    *detour
	d      decision
	member *member
	// plan and detours are the attempts that were left, since as in pursuit; stops says that they are not made if nothing before led anywhere.
	plan    []route.Attempt
	detours []*detour
	since   int
	stops   bool
}

// overdue tells whether the time is over in which attempts are begun.
func (p *pursuit) overdue() bool { return !p.until.IsZero() && !now().Before(p.until) }

// bound notes until when attempts of the decision are begun.
func (p *pursuit) bound() {
	p.until = time.Time{}
	if s := p.d.plan.MaxSetupS; s > 0 {
		p.until = p.began.Add(time.Duration(s) * time.Second)
	}
}

// spent tells whether no attempt of the plan is left though somebody waits for more.
func (c *Call) spent(p *pursuit) bool {
	switch {
	case p.d == nil:
		return false
	case p.t == nil:
		return !c.hunt.fixed && (c.st.a == callerInviting || c.st.a == callerAway && c.st.b < calleeHeld) && !c.hunt.more()
	}
	return p.t == c.tr && p.t.code/100 != 6 && !p.t.more()
}

// leadsOn tells whether a failure now would lead elsewhere, than to the next attempt of the plan.
func (c *Call) leadsOn(p *pursuit) bool {
	if p.over || !c.spent(p) {
		return false
	}
	_, forwards := c.unanswered(p)
	return forwards || !p.stop && (p.d.plan.Next != nil || len(p.aside) > 0)
}

// pursue goes on where nobody of the plan took the call; false if nothing is left to go on with.
func (c *Call) pursue(p *pursuit) bool {
	p.over = !c.forwardOn(p) && !c.nextRule(p) && !c.comeBack(p)
	return !p.over
}

// nextRule goes on behind the rule that nobody took the call of; false if nothing comes there.
func (c *Call) nextRule(p *pursuit) bool {
	if !c.spent(p) || p.stop || p.d.plan.Next == nil || !c.m.resumed(c.snap, p.d, p.t == nil) {
		return false
	}
	c.given(p)
	c.goAfter(p)
	return true
}

// given lets the last attempt go: what still comes from it is a stray. Whoever is called next is called anew.
func (c *Call) given(p *pursuit) {
	l := c.b
	if p.t != nil {
		l = p.t.target
	}
	if l != nil && l.invite != nil {
		l.detach()
	}
	p.since, p.lapsed, p.diverted = len(c.hunt.attempts), false, ""
}

// goAfter goes after what the decision says, which may have to be looked up first.
func (c *Call) goAfter(p *pursuit) {
	c.assign(p)
	switch d := p.d; {
	case d.ask != nil:
		forwarders := d.calling.Forwarders
		d.calling = c.askedBy(p)
		d.calling.Forwarders = forwarders
		c.seek(p)
	case d.dest != nil && d.dest.asleep:
		c.wake(p)
	default:
		c.goOn(p)
	}
}

// assign sets the variables of the rules that decided.
func (c *Call) assign(p *pursuit) { c.rec.variables = assigned(c.rec.variables, p.d.plan.Variables) }

// goOn makes the attempts that the decision led to. Should it end on the way, nobody knows anything better than its failure, unless there
// is more to look at.
func (c *Call) goOn(p *pursuit) {
	d := p.d
	switch {
	case d.code == 0:
	case d.sideways: // who sends the call to where it may not go has not taken it
		c.missed(p, translate(302))
	case p.t == nil:
		c.refuseBy(d)
	default:
		c.missed(p, d.code)
	}
	made := len(c.hunt.attempts)
	if p.t != nil {
		made = p.next
	}
	attempts := d.plan.Attempts[:min(len(d.plan.Attempts), max(0, maxHunt-made))]
	if d.code != 0 {
		attempts = nil
	}
	p.led = p.led || len(attempts) > 0
	c.lead(p, attempts)
	c.tryOn(p)
}

// tryOn makes the next attempt.
func (c *Call) tryOn(p *pursuit) {
	if p.t != nil {
		c.callTarget(p.t)
		return
	}
	c.try()
}

// missed notes a failure of which nobody's answer is known.
func (c *Call) missed(p *pursuit, code int) {
	switch {
	case p.t != nil:
		p.t.code, p.t.best = code, code
	case c.hunt.code == 0:
		c.hunt.code, c.hunt.end = code, endOf(code)
	}
}

// lead appends attempts to the plan, with the way that led to them.
func (c *Call) lead(p *pursuit, attempts []route.Attempt) {
	p.plan, p.over = append(slices.Clip(p.plan[:p.next]), attempts...), false
	p.bound()
	if p.d.way == nil {
		return
	}
	p.detours = p.detours[:min(len(p.detours), p.next)]
	for len(p.detours) < p.next {
		p.detours = append(p.detours, nil)
	}
	for range attempts {
		p.detours = append(p.detours, p.d.way)
	}
}

// leave puts aside what is left of the decision, and before it the numbers to which a redirection leads.
func (p *pursuit) leave(ways []*detour, stops bool) {
	p.over = false
	left := aside{d: *p.d, plan: slices.Clone(p.plan[p.next:]), since: p.since, stops: stops}
	if p.next < len(p.detours) {
		left.detours = slices.Clone(p.detours[p.next:])
	}
	shown := p.d.plan.Attempts
	left.d.plan.Attempts = left.plan
	p.d.plan.Attempts = shown[:max(0, len(shown)-len(left.plan))]
	p.d.past = p.d.attempts()
	p.aside = append(p.aside, left)
	for _, way := range slices.Backward(ways) {
		p.aside = append(p.aside, aside{way: way, d: left.d})
	}
	p.plan = p.plan[:p.next]
	p.d.plan = route.Plan{RoutingPlanID: left.d.plan.RoutingPlanID, RuleID: left.d.plan.RuleID}
	p.d.dest, p.d.ask, p.led = nil, nil, false
}

// forwards has a subscriber of a route list that has the call forwarded be what comes next.
func (p *pursuit) forwards(m member) {
	p.leave(nil, false)
	p.aside = append(p.aside, aside{member: &m, d: p.aside[len(p.aside)-1].d})
}

// comeBack goes on with what was put aside; false if there is nothing more.
func (c *Call) comeBack(p *pursuit) bool {
	for len(p.aside) > 0 && !p.stop && c.spent(p) {
		last := len(p.aside) - 1
		a := p.aside[last]
		p.aside = slices.Delete(p.aside, last, last+1)
		steps, past, variables := p.d.steps, p.d.attempts(), p.d.moment.variables
		*p.d = a.d
		p.d.steps, p.d.past, p.d.moment.variables = steps, past, variables
		if a.way != nil || a.member != nil {
			c.given(p)
			p.d.sideways = true
			if a.member != nil {
				p.d.dest = a.member.t
				c.m.forward(c.snap, p.d, *a.member.to, p.t == nil)
			} else {
				c.m.turn(c.snap, p.d, a.way, p.t == nil)
			}
			c.goAfter(p)
			return true
		}
		if a.stops && !p.led {
			p.stop = true
			return false
		}
		p.led, p.since = true, a.since
		c.lead(p, nil)
		p.plan, p.detours = append(p.plan, a.plan...), p.detours[:min(len(p.detours), p.next)]
		for len(p.detours) < p.next {
			p.detours = append(p.detours, nil)
		}
		p.detours = append(p.detours, a.detours...)
		if len(a.plan) > 0 || p.d.dest != nil || p.d.plan.Next != nil {
			c.tryOn(p)
			return true
		}
	}
	return false
}

// follow makes the contacts of a redirection the next numbers to be looked for. They are numbers of the same caller, or of the subscriber that
// had the call forwarded: its plan routes them, and the hosts they name are never asked. A number that was tried is not tried again.
func (c *Call) follow(p *pursuit, l *leg, res *msg.Message, most int) bool {
	if p.redirects >= most || p.d == nil {
		return false
	}
	ways := c.around(p, l, res)
	if len(ways) == 0 {
		return false
	}
	p.redirects++
	p.leave(ways, l.stops(res.Status, false))
	c.turnedAway(p, l, res)
	p.stop = false
	return true
}

// turnedAway notes that an attempt ended with a redirection that is followed.
func (c *Call) turnedAway(p *pursuit, l *leg, res *msg.Message) {
	if p.t != nil {
		c.targetEnded(l, res.Status, msg.StatusText(res.Status))
		return
	}
	c.hunt.failed(l, res.Status, msg.StatusText(res.Status), 0, "")
}

// bestOf is the best answer so far, 0 for none.
func (c *Call) bestOf(p *pursuit) int {
	if p.t != nil {
		return p.t.best
	}
	return c.hunt.code
}

// begin makes the pursuit one that starts now with a decision.
func (p *pursuit) begin(d *decision, t *transfer) { p.d, p.t, p.began, p.over = d, t, now(), false }

// subject is the leg in whose name a pursuit is, and the number that it shows.
func (c *Call) subject(p *pursuit) (who *Origin, number string) {
	if p.t == nil || p.t.kept == c.a && c.a.number == "" {
		return c.a.who, c.rec.caller
	}
	if p.t.kept != nil {
		return p.t.kept.who, c.numberOf(p.t.kept)
	}
	return nil, c.rec.caller
}
