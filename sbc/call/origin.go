package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Origin is who sends a request, where that was found out by more than its source: a subscriber. It is not changed once it was
// given.
type Origin struct {
	Domain *sbc.Domain
	Entry  *sbc.Entry
	// How says in a word how it was recognised.
	How string
	// Inside is the name or number that others in the domain see, Outside what all others see; Display the name beside both.
	Inside, Outside, Display string
	// Anonymous says that its From names nobody, which is the wish to stay unnamed.
	Anonymous bool
	// Code is what a call is refused with before it is routed, 0 for none; Reason is the phrase, "" for the standard one.
	Code   int
	Reason string
	// MaxDurationS bounds a call from its answer, 0 is no bound; Variables become the call's.
	MaxDurationS int
	Variables    map[string]string
}

// HandleFrom is Handle for a request of a subscriber; for the nil Origin it is Handle.
func (m *Manager) HandleFrom(tx msg.ServerTx, req *msg.Message, from *Origin) {
	if from == nil || req.Method != msg.INVITE || req.To.Tag() != "" {
		m.Handle(tx, req)
		return
	}
	m.invite(tx, req, from)
}

// identified says whose a request outside of dialogs is.
func (m *Manager) identified(snap *config.Snapshot, req *msg.Message, from *Origin) (identify.Caller, bool) {
	if from != nil {
		return from.caller(number(req.RequestURI)), true
	}
	c, ok := m.recognised(snap, req)
	return c, ok && c.SubscriberID == ""
}

// caller is the origin in the words of identify: its trunk is the domain.
func (o *Origin) caller(dialled string) identify.Caller {
	return identify.Caller{TrunkID: o.Domain.ID, SubscriberID: o.subscriberID(), Number: dialled,
		Reason: "a subscriber, known by " + o.How}
}

func (o *Origin) subscriberID() string {
	if o == nil {
		return ""
	}
	return o.Entry.Subscriber.ID
}

// decideFrom is decide for a call of a subscriber: its domain's plan routes it, if whom the domain asks and its groups permit.
// Who has the number in the domain itself is asked before.
func (m *Manager) decideFrom(snap *config.Snapshot, from *Origin, in *msg.Message, trace bool) decision {
	d := decision{caller: from.caller(number(in.RequestURI)), trunk: snap.Trunk(from.Domain.ID), who: from}
	d.about(in)
	d.moment = m.moment(snap, in, d.trunk, from)
	d.step(trace, "identify", from.subscriberID(), "taken", d.caller.Reason)
	if from.Code != 0 {
		d.refuse(from.Code, from.Reason, sbc.EndRejected)
		d.step(trace, "admit", from.Domain.ID, "refused", "the call was not authorised")
		return d
	}
	if d.method == "" && m.dialsFeature(snap, &d, trace) || !d.screened(snap, from, d.caller.Number, trace) {
		return d
	}
	if d.translate(snap, trace); d.code != 0 || d.numbers != nil && !d.screened(snap, from, d.caller.Number, trace) {
		return d
	}
	if d.ask = m.questionOf(snap, &d, &in.RequestURI); d.ask == nil {
		d.route(snap, trace)
		d.asks()
	}
	return d
}

// permitted tells whether the subscriber's groups let it dial the number; else the decision is 403.
func (d *decision) permitted(snap *config.Snapshot, trace bool) bool {
	if d.who == nil {
		return true
	}
	var sorted sbc.NumberClass
	if d.numbers != nil {
		sorted = d.numbers.class
	}
	ok, class, reason := d.who.may(snap, d.dialled(), d.caller.Number, sorted)
	verdict := "taken"
	if !ok {
		verdict = "refused"
		d.refuse(403, "", sbc.EndRejected)
	}
	d.step(trace, "permit", d.who.subscriberID(), verdict, string(class)+": "+reason)
	return ok
}

// may tells whether the subscriber's groups, or else those of its domain as the configuration has it, let it dial a number, which was
// sorted as a class if that is not ""; who is no subscriber is bound by its plan only. The domain of a call that survived its process is an id.
func (o *Origin) may(snap *config.Snapshot, dialled, number string, sorted sbc.NumberClass) (ok bool, class sbc.NumberClass, reason string) {
	if o == nil {
		return true, "", ""
	}
	d := snap.Domain(o.Domain.ID)
	if d == nil {
		return false, "", "the domain is gone"
	}
	return snap.PermittedAs(d, o.Entry.Subscriber, dialled, number, sorted)
}

// bound is the subscriber's own limit of calls in progress, as a limit profile of its id.
func (o *Origin) bound(dir admit.Direction) []admit.Bound {
	s := o.Entry.Subscriber
	if s.MaxCalls == 0 {
		return nil
	}
	p := &sbc.LimitProfile{Meta: sbc.Meta{ID: s.ID, TenantID: s.TenantID}, Key: sbc.LimitEach, MaxCalls: s.MaxCalls, RejectCode: 503}
	if dir == admit.Out { // who calls it finds it busy
		p.RejectCode = 486
	}
	return []admit.Bound{{Profile: p, Key: s.ID}}
}

// introduced is an INVITE as its sender is known to others: a subscriber by the name or number that is its own, whatever else
// its phone claims. The message of a trunk stays as it is.
func introduced(in *msg.Message, caller, to *leg) *msg.Message {
	return introducedBy(caller.who, to.who != nil && to.end.trunkID == caller.end.trunkID, in)
}

// introducedBy is introduced for a sender, nil for a trunk; inside says that it is shown within its domain.
func introducedBy(o *Origin, inside bool, in *msg.Message) *msg.Message {
	if o == nil {
		return in
	}
	name := o.Outside
	if inside {
		name = o.Inside
	}
	return header.Introduce(in, name, o.Display, o.Anonymous)
}

// keep is what of the origin survives the process: what its later calls need, and no secret. The domain is the leg's trunk.
func (o *Origin) keep() *Origin {
	if o == nil {
		return nil
	}
	kept := *o
	subscriber := *o.Entry.Subscriber.Shown()
	subscriber.Custom = nil
	kept.Domain, kept.Entry = &sbc.Domain{Meta: sbc.Meta{ID: o.Domain.ID,
		TenantID: o.Domain.TenantID}}, &sbc.Entry{Subscriber: &subscriber}
	return &kept
}
