package route

import (
	"fmt"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
)

// MaxAttempts bounds a Plan.
const MaxAttempts = 32

// maxSteps bounds a trace.
const maxSteps = 500

// Plan is the answer: attempts to be made in order, somebody to look up, a question to another system, or a refusal.
type Plan struct {
	// RoutingPlanID is the plan of the rule that decided, RuleID that rule; empty if there was none.
	RoutingPlanID string
	RuleID        string
	// Reject is set where no attempt is to be made, and only there.
	Reject   *Reject
	Attempts []Attempt
	// MaxSetupS is for how long after the INVITE another attempt is begun, in seconds; 0 is no bound.
	MaxSetupS int
	// DomainID is set where the rule calls a subscriber of that domain, the one that has Number as username or alias; SubscriberID where
	// it calls that one. Whether there is one is not known here: Reject is what the caller gets if there is none.
	DomainID, SubscriberID, Number string
	// Redirect is set where the caller is told to go elsewhere by itself: Attempts is empty, and Reject is the answer.
	Redirect []Attempt
	// Ask is set where another system decides first: the plan is made again with its Answer in the Query. Reject is what the caller gets
	// if nobody asks.
	Ask *Ask
	// Next is where the decision goes on if nobody takes the call; nil where this was all.
	Next *Next
	// Variables are what the rules set on the call, nil for nothing.
	Variables map[string]string
	// Steps are what was considered, in order, if Query.Trace was set.
	Steps []sbc.DecisionStep
}

// Ask is a question of a rule to another system: HTTP says whom, or ENUMSuffix is the domain to look in.
type Ask struct {
	RuleID     string
	HTTP       *sbc.HTTPDecision
	ENUMSuffix string
	// Number is the one called, as the rule rewrote it.
	Number string
	// The rest is as in the Query that led here; TenantID and Source (who sent the INVITE) are for whoever asks to set.
	PlanID, TrunkID, Caller, CallID string
	Variables                       map[string]string
	TenantID, Source                string
}

// Leads tells whether the plan leads to somebody, or to a question about it.
func (p *Plan) Leads() bool {
	return len(p.Attempts) > 0 || p.DomainID != "" || p.SubscriberID != "" || p.Ask != nil
}

// Cause says why a Plan refuses, for call records.
type Cause string

// The causes.
const (
	CauseRule     Cause = "rule"      // a rule says so
	CauseNoPlan   Cause = "no_plan"   // the routing plan does not exist or is disabled
	CauseNoRule   Cause = "no_rule"   // no rule for the number
	CauseNoTarget Cause = "no_target" // the rule's route list has nobody to call
	CauseNobody   Cause = "nobody"    // no subscriber, or no number of ours, has the number
	CauseLoop     Cause = "loop"      // the rules jump in a circle
	CauseRedirect Cause = "redirect"  // the caller is sent elsewhere
	CauseAsk      Cause = "ask"       // another system was not asked
)

// Reject is a refusal as a SIP answer (RFC 3261 21): 403 without a plan, 404 without a rule, 503 without a target, 482 where the rules
// turn in a circle, or what the rule says; 404 where nobody has the number that a rule gives to one of ours. Reason "" is the standard
// phrase.
type Reject struct {
	Code   int
	Reason string
	Cause  Cause
	// AnnouncementID is what the caller hears first, "" for what its trunk has for the code.
	AnnouncementID string
}

// Attempt is one address to try.
type Attempt struct {
	TrunkID, TargetID, EndpointID string
	// RealmID is the trunk's: the attempt leaves by an interface of that realm.
	RealmID string
	// Number is the number to send to this endpoint.
	Number string
	// Caller is the calling number to show to it, "" as it is; Variables become the call's. Both are of the trunk's egress dialplan.
	Caller    string
	Variables map[string]string
	// Address is an IP address or a name; Port is 0 where the transport's default or DNS says it.
	Address   string
	Port      int
	Transport sbc.Transport
	// Supplied says that Address is not of the configuration: DNS named it for a number. It may not lead to networks of ours (msg.Target).
	Supplied bool
	// Public says that callers may be told Address (sbc.Target.Public).
	Public bool
	// SubscriberID is set where a target is a subscriber that was not looked up yet: nothing but TargetID and Number is
	// known of the attempt then.
	SubscriberID string
	// Follow says that the subscriber's forwards count (sbc.RouteList.FollowForwarding).
	Follow bool
	// Callee is set where a subscriber is called: its phones are rung, Address is the name of its domain.
	Callee *Callee
	// Agent, where it is set, answers inside the border: nothing is sent, and TrunkID is the domain of the subscriber with the id
	// Mailbox, whose mailbox it is about.
	Agent   Agent
	Mailbox string
}

// Agent names somebody of ours who answers a call.
type Agent string

// The agents.
const (
	AgentVoicemail Agent = "voicemail" // takes a message for Mailbox
	AgentMessages  Agent = "messages"  // plays the messages of Mailbox
	AgentConfirm   Agent = "confirm"   // says by a tone that something was done, and hangs up
	AgentDecline   Agent = "decline"   // says by a tone that something was not done, and hangs up
)

// Voicemail is the attempt that leaves a message for a subscriber; domainID is its domain, number what the record shows as
// called. The other agents are had by setting Agent.
func Voicemail(domainID, subscriberID, number string) Attempt {
	return Attempt{TrunkID: domainID, Mailbox: subscriberID, Number: number, Agent: AgentVoicemail}
}

// The verdicts of steps.
const (
	taken   = "taken"
	passed  = "skipped"
	refused = "refused"
)

// lay lays out the attempts of a route list for a number.
func (p *planner) lay(listID, number string) {
	l := p.table.lists[listID]
	switch {
	case l == nil:
		p.step(listID, passed, "the route list does not exist")
		return
	case !l.row.Enabled:
		p.step(listID, passed, "the route list is disabled")
		return
	}
	p.skip(l.out)
	p.most, p.dead, p.plan.MaxSetupS = MaxAttempts, nil, l.row.MaxSetupS
	if most := l.row.MaxAttempts; most > 0 {
		p.most = min(p.most, most)
	}
	p.plan.Attempts = make([]Attempt, 0, min(l.attempts, p.most))
	order := p.targets(l)
	for tg, ok := order.pick(); ok; tg, ok = order.pick() {
		if len(p.plan.Attempts) == p.most {
			p.step(l.row.ID, passed, "the targets left are beyond the bound of %d attempts", p.most)
			return
		}
		if p.usable(l, tg) {
			p.standing(l, tg)
			p.aim(tg, number)
		}
	}
	if len(p.plan.Attempts) == 0 {
		p.revive(number)
	}
}

// standing says by which figures a target was compared with others, where it was by those of its calls.
func (p *planner) standing(l *list, tg *target) {
	how := l.row.Selection
	if !p.query.Trace || tg.trunk == nil || how != sbc.SelectLeastCalls && how != sbc.SelectHeadroom {
		return
	}
	if now, most := p.calls(tg.trunk.row.ID, ""); most > 0 {
		p.step(tg.id, taken, "%d calls in progress there, of at most %d", now, most)
	} else {
		p.step(tg.id, taken, "%d calls in progress there, no limit", now)
	}
}

// aim lays out the attempts on one target.
func (p *planner) aim(tg *target, number string) {
	if tg.subscriberID != "" {
		if p.query.Trace {
			p.step(tg.id, taken, "subscriber %s, priority %d, weight %d", tg.subscriberID, tg.priority, tg.weight)
		}
		p.plan.Attempts = append(p.plan.Attempts, Attempt{TargetID: tg.id, SubscriberID: tg.subscriberID, Number: number, Follow: tg.follow})
		return
	}
	if p.query.Trace { // a step's words cost something even where nobody wants them
		p.sayTrunk(tg)
	}
	p.target(tg, number)
}

// target lays out the attempts on one trunk.
func (p *planner) target(tg *target, number string) {
	p.skip(tg.trunk.out)
	order := p.endpoints(tg.trunk)
	for e, ok := order.pick(); ok; e, ok = order.pick() {
		if len(p.plan.Attempts) == p.most {
			p.step(e.row.ID, passed, "beyond the bound of %d attempts", p.most)
			return
		}
		if p.alive(tg, e) {
			p.attempt(tg, e, number)
		}
	}
}

// weigh is the weight of an endpoint as it is now, in hundredths.
func (p *planner) weigh(e *endpoint) int {
	percent, _ := p.query.Live.Endpoint(e.row.ID)
	return e.weight * max(0, percent)
}

// alive tells whether an endpoint takes calls now. One that does not because it seems dead is remembered: better a try than a sure
// refusal.
func (p *planner) alive(tg *target, e *endpoint) bool {
	switch {
	case p.query.Class == sbc.ClassEmergency:
	case tg.trunk.row.Draining:
		p.step(e.row.ID, passed, "trunk %s is draining", tg.trunk.row.ID)
		return false
	case e.row.Draining:
		p.step(e.row.ID, passed, "the endpoint is draining")
		return false
	}
	if p.query.Live == nil {
		return true
	}
	percent, why := p.query.Live.Endpoint(e.row.ID)
	if percent > 0 {
		return true
	}
	if len(p.dead) < p.most {
		p.dead = append(p.dead, dead{tg, e})
	}
	p.step(e.row.ID, passed, "the endpoint takes no calls now: %s", why)
	return false
}

// dead is an endpoint that was passed over because it seems so.
type dead struct {
	target   *target
	endpoint *endpoint
}

// revive tries what seems dead, in order, where all of a list does.
func (p *planner) revive(number string) {
	for _, d := range p.dead {
		p.step(d.endpoint.row.ID, taken, "nobody else is left: it is tried all the same")
		p.attempt(d.target, d.endpoint, number)
	}
}

// attempt lays out one on an endpoint.
func (p *planner) attempt(tg *target, e *endpoint, number string) {
	// The rule's number, not the last endpoint's: each attempt begins anew.
	t, ok := p.translate(tg.trunk.row, number)
	if !ok {
		return
	}
	send := rewrite(t.Callee, e.row.Strip, e.row.Prefix)
	if send == "" {
		p.step(e.row.ID, passed, "nothing is left of the number after strip %d", e.row.Strip)
		return
	}
	if p.query.Trace {
		p.sayAttempt(e, send)
	}
	p.plan.Attempts = append(p.plan.Attempts, Attempt{
		TrunkID: tg.trunk.row.ID, TargetID: tg.id, EndpointID: e.row.ID, RealmID: tg.trunk.row.RealmID,
		Number: send, Caller: t.Caller, Variables: t.Variables, Address: e.row.Address, Port: e.row.Port, Transport: e.row.NamedTransport(),
		Public: tg.public,
	})
}

func (p *planner) skip(all []skipped) {
	if !p.query.Trace {
		return
	}
	for _, s := range all {
		p.step(s.id, passed, "%s", s.why)
	}
}

// step adds to the trace if there is one.
func (p *planner) step(subject, verdict, format string, args ...any) {
	if !p.query.Trace || len(p.plan.Steps) > maxSteps {
		return
	}
	if len(p.plan.Steps) == maxSteps {
		subject, verdict, format, args = "", passed, "the trace ends here: it has %d steps", []any{maxSteps}
	}
	p.plan.Steps = append(p.plan.Steps, sbc.DecisionStep{Stage: "route", Subject: subject, Verdict: verdict,
		Detail: fmt.Sprintf(format, args...)})
}

// rewrite removes leading characters of a number and puts a prefix before the rest.
func rewrite(number string, strip int, prefix string) string {
	for ; strip > 0 && number != ""; strip-- {
		_, n := utf8.DecodeRuneInString(number)
		number = number[n:]
	}
	if prefix == "" {
		return number
	}
	return prefix + number
}
