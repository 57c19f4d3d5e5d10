package call

import (
	"fmt"
	"maps"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/dialplan"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/numberplan"
	"github.com/sallyport/sallyport/sbc/route"
)

// stageNumber is the stage of steps about numbers that are translated.
const stageNumber = "number"

// translation is what became of the numbers of a call whose counterparty has a number plan or a dialplan.
type translation struct {
	// dialled and caller are the numbers as they came, as is what the caller became.
	dialled, caller, as string
	class               sbc.NumberClass
	plan                *numberplan.Plan
	// ruled says that a rule of the dialplan was carried out.
	ruled bool
}

// translate brings the numbers of a call to the normal form of the counterparty's number plan, then has its dialplan translate them. The
// decision may be a refusal then. Where the counterparty has neither, nothing is done.
func (d *decision) translate(snap *config.Snapshot, trace bool) {
	if d.trunk == nil || d.trunk.NumberPlanID == "" && d.trunk.DialplanID == "" {
		return
	}
	t := &translation{dialled: d.caller.Number, caller: d.moment.caller, as: d.moment.caller}
	d.numbers = t
	if t.plan = snap.NumberPlan(d.trunk.NumberPlanID); t.plan != nil {
		d.normal(t, trace)
	}
	if p := snap.Dialplan(d.trunk.DialplanID); p != nil {
		d.dial(t, p, trace)
	}
	d.moment.caller = t.as
}

// normal brings both numbers to the normal form.
func (d *decision) normal(t *translation, trace bool) {
	d.caller.Number, t.as = t.plan.Normal(t.dialled), t.plan.Normal(t.caller)
	t.class = sbc.ClassLocal
	if class, found := t.plan.Class(t.dialled, d.caller.Number); found {
		t.class = class
	}
	if trace {
		d.step(trace, stageNumber, d.trunk.NumberPlanID, "taken", fmt.Sprintf("%q is %q of class %s; the caller %q is %q",
			t.dialled, d.caller.Number, t.class, t.caller, t.as))
	}
}

// dial has a dialplan translate both numbers. An emergency call is never refused by it.
func (d *decision) dial(t *translation, p *dialplan.Plan, trace bool) {
	emergency := t.class == sbc.ClassEmergency
	got := p.Translate(dialplan.Call{Callee: d.caller.Number, Caller: t.as, At: d.moment.at, Class: t.class}, trace)
	for _, s := range got.Steps {
		d.step(trace, stageNumber, d.trunk.DialplanID, "taken", fmt.Sprintf("rule %q: the number called is %q, the caller %q", s.Rule, s.Callee,
			s.Caller))
	}
	d.caller.Number, t.as, t.class, t.ruled = got.Callee, got.Caller, got.Class, got.Fits
	d.vary(got.Attributes)
	switch {
	case got.Reject && !emergency:
		d.refuse(404, "", sbc.EndNoRoute)
		d.step(trace, stageNumber, d.trunk.DialplanID, "refused", "no rule of the dialplan fits, and it rejects such calls")
	case !got.Fits:
		d.step(trace, stageNumber, d.trunk.DialplanID, "skipped", "no rule of the dialplan fits")
	}
}

// vary adds variables of the call.
func (d *decision) vary(add map[string]string) {
	if len(add) == 0 {
		return
	}
	all := make(map[string]string, len(d.moment.variables)+len(add))
	maps.Copy(all, d.moment.variables)
	maps.Copy(all, add)
	d.moment.variables = all
}

// retranslate is translate for another number that the same caller calls: who calls is translated already.
func (d *decision) retranslate(snap *config.Snapshot, trace bool) {
	caller := d.moment.caller
	d.translate(snap, trace)
	d.moment.caller = caller
}

// dialled is the number called as it came.
func (d *decision) dialled() string {
	if d.numbers != nil {
		return d.numbers.dialled
	}
	return d.caller.Number
}

// class is what the number called counts as, "" where nobody sorts numbers.
func (d *decision) class(snap *config.Snapshot) sbc.NumberClass {
	switch {
	case d.numbers != nil && d.numbers.class != "":
		return d.numbers.class
	case d.who != nil:
		return snap.Class(d.who.Domain, d.dialled())
	case d.home != nil:
		return snap.Class(d.home, d.dialled())
	}
	return ""
}

// number is what became of a number by which the caller is told.
func (t *translation) number(n string) string {
	switch {
	case n == t.caller:
		return t.as
	case t.plan != nil:
		return t.plan.Normal(n)
	}
	return n
}

// numbered is an INVITE as it is shown to a leg with the caller's numbers as they were translated, on the way in and for the attempt. Within
// a domain its own names stay.
func (c *Call) numbered(in *msg.Message, caller, to *leg, at *route.Attempt) *msg.Message {
	return c.decision.renumbered(in, caller != c.a || caller.who != nil && to.who != nil && to.end.trunkID == caller.end.trunkID, at)
}

// renumbered is numbered for whoever the decision is about; as says that its numbers stay as they came.
func (d *decision) renumbered(in *msg.Message, as bool, at *route.Attempt) *msg.Message {
	t, was := d.numbers, in.From.URI.Number()
	switch {
	case as:
		t = nil
	case d.moment.caller != "":
		was = d.moment.caller
	}
	if t == nil && at.Caller == "" {
		return in
	}
	return header.Renumber(in, func(n string) string {
		if t != nil {
			n = t.number(n)
		}
		if n == was && at.Caller != "" {
			n = at.Caller
		}
		return n
	})
}

// egress has the dialplans of trunks translate the numbers of attempts.
type egress struct{ snap *config.Snapshot }

// Translate has a dialplan translate the numbers of an attempt. What is not there, or disabled, changes nothing.
func (e egress) Translate(dialplanID, callee, caller string, class sbc.NumberClass, at time.Time) route.Translation {
	p := e.snap.Dialplan(dialplanID)
	if p == nil {
		return route.Translation{Callee: callee, Caller: caller, OK: true}
	}
	got := p.Translate(dialplan.Call{Callee: callee, Caller: caller, Class: class, At: at}, false)
	return route.Translation{Callee: got.Callee, Caller: got.Caller, Variables: got.Attributes, Rule: got.Rule,
		OK: !got.Reject || class == sbc.ClassEmergency}
}

// display sets the numbers that a subscriber's phones are shown, by the egress dialplan of its domain; false where that rejects the call. Within
// a domain its own names stay.
func (d *decision) display(snap *config.Snapshot, t *destination, attempts []route.Attempt, trace bool) bool {
	p := snap.Dialplan(t.domain.EgressDialplanID)
	if p == nil || d.who != nil && d.who.Domain.ID == t.domain.ID {
		return true
	}
	class := d.class(snap)
	got := p.Translate(dialplan.Call{Callee: t.number, Caller: d.moment.caller, Class: class, At: d.moment.at}, trace)
	if got.Reject && class != sbc.ClassEmergency {
		d.step(trace, stageNumber, t.domain.EgressDialplanID, "refused", "no rule of the egress dialplan fits, and it rejects such calls")
		return false
	}
	d.vary(got.Attributes)
	for i := range attempts {
		if attempts[i].Number = got.Callee; got.Caller != d.moment.caller {
			attempts[i].Caller = got.Caller
		}
	}
	if got.Fits {
		d.step(trace, stageNumber, t.domain.EgressDialplanID, "taken", fmt.Sprintf(
			"rule %q: the phones are shown the number called as %q, the caller as %q", got.Rule, got.Callee, got.Caller))
	}
	return true
}

// varied puts the variables that an attempt brings on the call.
func (c *Call) varied(at *route.Attempt) {
	if len(at.Variables) == 0 {
		return
	}
	all := make(map[string]string, len(c.rec.variables)+len(at.Variables))
	maps.Copy(all, c.rec.variables)
	maps.Copy(all, at.Variables)
	c.rec.variables = all
}
