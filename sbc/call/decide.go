package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/service"
)

// decision is what is to be done with a new call: made by decide, carried out by Call, shown by Explain.
type decision struct {
	caller identify.Caller
	// method is that of a request outside of calls, "" for a call.
	method msg.Method
	// numbers is what became of the numbers, nil where nobody translates them.
	numbers *translation
	trunk   *sbc.Trunk
	// who is the subscriber that calls, nil for a call of a trunk.
	who *Origin
	// home is the domain in whose name we call ourselves, nil for most.
	home   *sbc.Domain
	moment moment
	plan   route.Plan
	// next is where the routing table is to go on, nil to begin. answers are those of other systems, by rule; from and mark are where the
	// plan was begun, and how many steps there were then: it is made again with an answer.
	next, from *route.Next
	answers    map[string]*route.Answer
	mark       int
	// ask is what must be asked about the callee first, dest the subscriber that is called; nil for most.
	ask  *question
	dest *destination
	// wakes says that the call can wait until phones of the callee are awake.
	wakes bool
	// calling is the caller in the words of services, with the subscribers that had the call forwarded; way is the last of them. feature
	// is what a code was dialled for.
	calling service.Call
	way     *detour
	feature *featureOrder
	// sideways says that it is about a contact of a redirection, after which there is more to look at.
	sideways bool
	// code is the answer where there is no attempt to be made, end the reason for the record.
	code   int
	reason string
	end    sbc.EndReason
	// retryAfter is the header of that answer in seconds, 0 for none.
	retryAfter int
	// past are the attempts of rules that nobody took the call of.
	past []sbc.DecisionAttempt
	// steps are the trace; shown are the attempts of the plan as the trace shows them, nil until the plan is dropped.
	steps []sbc.DecisionStep
	shown []sbc.DecisionAttempt
}

// source says where a message came from, in the words of identify.
func source(h msg.Hop) identify.Source {
	return identify.From(h)
}

// decide finds the trunk and the attempts of a call. ok is false for strangers. It neither counts nor sends anything: limits
// are taken by the call itself, in one step with the check. variables are those that the call has from the beginning.
func (m *Manager) decide(snap *config.Snapshot, in *msg.Message, variables map[string]string, trace bool) (d decision, ok bool) {
	d.about(in)
	d.caller, ok = m.recognised(snap, in)
	ok = ok && d.caller.SubscriberID == "" // those come by HandleFrom
	verdict := "taken"
	if !ok {
		verdict = "refused"
	}
	d.step(trace, "identify", d.caller.IdentityID, verdict, d.caller.Reason)
	if !ok {
		return d, false
	}
	d.trunk = snap.Trunk(d.caller.TrunkID)
	d.moment = m.moment(snap, in, d.trunk, nil)
	d.moment.variables = variables
	d.translate(snap, trace)
	d.route(snap, trace)
	return d, true
}

// about notes what the decision is about.
func (d *decision) about(in *msg.Message) {
	if in.Method != msg.INVITE {
		d.method = in.Method
	}
}

// route finds the attempts of a call of the trunk that was found.
func (d *decision) route(snap *config.Snapshot, trace bool) {
	d.mark = len(d.steps)
	switch {
	case d.way != nil:
		d.routeForwarded(snap, trace)
		return
	case d.trunk == nil || !snap.ActiveTrunk(d.caller.TrunkID):
		d.refuse(403, "", sbc.EndRejected)
		d.step(trace, "admit", d.caller.TrunkID, "refused", "the trunk is out of service")
		return
	case d.trunk.RoutingPlanID == "":
		d.refuse(403, "", sbc.EndRejected)
		d.step(trace, "admit", d.trunk.ID, "refused", "the trunk has no routing plan, so it may not call")
		return
	case d.code != 0: // its dialplan has refused it
		return
	case d.drained(snap, trace):
		return
	case d.caller.Number == "":
		d.refuse(484, "", sbc.EndNoRoute) // RFC 3261 21.4.22
		d.step(trace, "route", d.trunk.RoutingPlanID, "refused", "no number was dialled")
		return
	}
	if !d.permitted(snap, trace) {
		return
	}
	q := d.query(snap, trace)
	q.Next, d.from, d.next, q.Answers = d.next, d.next, nil, d.answers
	d.plan = snap.Route.Plan(q)
	d.planned(trace)
}

func (d *decision) refuse(code int, reason string, end sbc.EndReason) {
	d.code, d.reason, d.end = code, reason, end
}

func (d *decision) step(trace bool, stage, subject, verdict, detail string) {
	if trace {
		if d.steps == nil {
			d.steps = make([]sbc.DecisionStep, 0, 8) // more than a plain call has
		}
		d.steps = append(d.steps, sbc.DecisionStep{Stage: stage, Subject: subject, Verdict: verdict, Detail: detail})
	}
}

// number gives the telephone number, or the name, that a URI stands for.
func number(u msg.URI) string { return u.Number() }
