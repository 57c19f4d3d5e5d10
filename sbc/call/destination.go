package call

import (
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Directory finds subscribers without keeping the caller waiting. Entries are shared and not changed.
type Directory interface {
	// Ask finds who has a name in a domain, as username or alias, and AskID who has an id. Done is called once: at once where it is known,
	// else later from another goroutine. Errors: CodeNotFound, CodeUnavailable.
	Ask(domainID, name string, done func(*sbc.Entry, error))
	AskID(id string, done func(*sbc.Entry, error))
	// Peek is Ask for what is in memory.
	Peek(domainID, name string) (*sbc.Entry, bool)
}

// Location tells where subscribers are.
type Location interface {
	// Contacts are the phones that can be called now, those with the highest q first.
	Contacts(subscriberID string) []Contact
	// ByGRUU finds the phone that a GRUU names (RFC 5627); subscriberID is whose its user part is, "" if it is nobody's. owner is whose
	// phone it is; ok is false for addresses that are no GRUU of ours.
	ByGRUU(u msg.URI, subscriberID string) (phones []Contact, owner string, ok bool)
	// ByToken finds the phones that an upstream registrar means by the user part of a contact of ours, and whose they are (sbc.Domain.Guest);
	// domainID is "" for one that stands for nobody any more, ok false for what is none.
	ByToken(token string) (phones []Contact, domainID, username string, ok bool)
	// Registered tells whether a subscriber has a phone at all, reachable or not.
	Registered(subscriberID string) bool
	// Asleep tells whether a subscriber has phones that must be woken before they are called (RFC 8599), and Wake has them woken: then is
	// called once, from another goroutine, when they are awake or it is no use to wait. caller is who calls, as the callee may see it.
	Asleep(d *sbc.Domain, subscriberID string) bool
	Wake(d *sbc.Domain, s *sbc.Subscriber, callID, caller string, then func())
}

// Contact is a phone with the preference of its owner for it, from 0 to 1 (RFC 3261 10.2.1.2).
type Contact struct {
	route.Phone
	Q float64
}

// question is what the directory is asked about the callee.
type question struct {
	// domainID and name are who is looked for; id is it where that is known already.
	domainID, name, id string
	// next is the name to ask for if nobody has that one: the number as the number plan made it.
	next string
	// uri is the Request-URI, which may name one phone; nil for a number that a rule made.
	uri *msg.URI
	// plan says that the domain's plan has a say where nobody is found; gone that it is a phone of ours which is not there any more.
	plan, gone bool
	// rule is set where another system is asked for a rule and not the directory: answer is what it said. from is where the plan had been
	// begun, mark how many steps there were before it.
	rule   *route.Ask
	answer *route.Answer
	from   *route.Next
	mark   int
	// anywhere says that id may be of any domain, target that it is a target of the route list.
	anywhere, target bool
}

// destination is a subscriber that is called.
type destination struct {
	domain *sbc.Domain
	entry  *sbc.Entry
	// number is the name or number by which it was called.
	number string
	// uri is as in question.
	uri *msg.URI
	// token is the contact of ours by which an upstream registrar calls it, "" for others.
	token string
	// ringFor is how long its phones ring before it is forwarded, 0 as long as the domain says.
	ringFor time.Duration
	// asleep says that phones must be woken before it is known where the attempts lead, woken that they were.
	asleep, woken bool
}

// located is the id under which its phones are kept.
func (t *destination) located() string { return t.domain.Located(t.entry.Subscriber) }

// ask puts a question; then is called once, at once or later.
func (m *Manager) ask(q *question, then func(*sbc.Entry, error)) {
	switch {
	case q.rule != nil:
		m.consult(q, func() { then(nil, nil) })
	case m.o.Directory == nil:
		then(nil, sbc.Errorf(sbc.CodeNotFound, "there are no subscribers"))
	case q.id != "":
		m.o.Directory.AskID(q.id, then)
	default:
		if e, ok := m.o.Directory.Peek(q.domainID, q.name); ok {
			then(e, nil)
			return
		}
		m.o.Directory.Ask(q.domainID, q.name, then)
	}
}

// questionOf is what is to be asked about the callee of a subscriber's call before its domain's plan routes it: nil for emergency numbers,
// which are nobody's name, for what is no name, where the names are an upstream registrar's, and of PUBLISH: it is for a server that keeps
// states, not for the phones of whose state it is (RFC 3903 3).
func (m *Manager) questionOf(snap *config.Snapshot, d *decision, uri *msg.URI) *question {
	home := d.home
	if d.who != nil {
		home = d.who.Domain
	}
	if m.o.Directory == nil || d.method == msg.PUBLISH || d.code != 0 || home == nil || d.caller.Number == "" || home.Upstream() ||
		d.class(snap) == sbc.ClassEmergency {
		return nil
	}
	q := &question{domainID: home.ID, name: d.caller.Number, uri: uri, plan: true}
	if t := d.numbers; t != nil && !t.ruled && t.dialled != q.name {
		q.name, q.next = t.dialled, q.name
	}
	if uri == nil {
		return q
	}
	if _, there := uri.Param("gr"); there && m.o.Location != nil {
		if _, owner, ok := m.o.Location.ByGRUU(*uri, ""); ok { // a temporary one: its user part names nobody
			q.id, q.plan, q.gone = owner, false, owner == ""
		}
	}
	return q
}

// answered goes on with what the directory said: with attempts, with a refusal, or with another question in d.ask.
func (m *Manager) answered(snap *config.Snapshot, d *decision, q *question, e *sbc.Entry, err error, trace bool) {
	switch d.ask = nil; {
	case q.rule != nil:
		d.consulted(snap, q, trace)
		return
	case q.target:
		m.targeted(snap, d, q, e, err, trace)
		return
	}
	if err == nil && (e.Subscriber.DomainID != q.domainID && !q.anywhere || !e.Subscriber.Enabled) {
		d.step(trace, "subscriber", e.Subscriber.ID, "refused", "the subscriber is disabled")
		m.unreached(snap, d, 404, sbc.EndNoRoute, trace)
		return
	}
	switch {
	case err == nil:
		d.plan.Reject, d.code, d.reason, d.end = nil, 0, "", ""
		d.dest = &destination{domain: snap.Domain(e.Subscriber.DomainID), entry: e, number: q.name, uri: q.uri}
		d.step(trace, "subscriber", e.Subscriber.ID, "taken", "the number "+q.name+" is the subscriber's")
		m.reach(snap, d, trace)
	case q.plan:
		d.step(trace, "subscriber", q.domainID, "skipped", "no subscriber of the domain has the number "+q.name)
		if q.next != "" {
			d.ask = &question{domainID: q.domainID, name: q.next, uri: q.uri, plan: true}
			return
		}
		d.route(snap, trace)
		if d.asks(); d.ask != nil {
			return
		}
		if d.code != 0 && sbc.CodeOf(err) != sbc.CodeNotFound { // it may well be somebody's
			d.refuse(503, "", sbc.EndError)
		}
	case q.gone && sbc.CodeOf(err) == sbc.CodeNotFound: // RFC 5627 5.4
		d.step(trace, "subscriber", q.domainID, "refused", "the phone of that address is not there any more")
		d.refuse(480, "", sbc.EndNoRoute)
	case sbc.CodeOf(err) == sbc.CodeNotFound:
		d.step(trace, "subscriber", q.domainID, "refused", "no subscriber of the domain has the number "+q.name)
		m.unreached(snap, d, 404, sbc.EndNoRoute, trace)
	default:
		d.step(trace, "subscriber", q.domainID, "refused", "the subscriber cannot be looked up now")
		m.unreached(snap, d, 503, sbc.EndError, trace)
	}
}

// reach finds the attempts that lead to the subscriber of the decision.
func (m *Manager) reach(snap *config.Snapshot, d *decision, trace bool) {
	t := d.dest
	s := t.entry.Subscriber
	if t.domain == nil || !snap.ActiveTrunk(t.domain.ID) || m.o.Location == nil {
		d.step(trace, "location", s.DomainID, "refused", "the domain is out of service")
		m.unreached(snap, d, 480, sbc.EndNoRoute, trace)
		return
	}
	if d.method == msg.PUBLISH {
		d.step(trace, "location", s.ID, "refused", "a PUBLISH is for a server, not for phones")
		m.unreached(snap, d, 404, sbc.EndNoRoute, trace)
		return
	}
	if m.asleep(snap, d, trace) {
		return
	}
	phones := m.phones(t)
	if !m.arrive(snap, d, len(phones), trace) {
		return
	}
	d.plan.Attempts = t.attempts(phones)
	if !d.display(snap, t, d.plan.Attempts, trace) {
		m.unreached(snap, d, 404, sbc.EndNoRoute, trace)
		return
	}
	if trace {
		for i := range phones {
			d.step(trace, "location", phones[i].RegistrationID, "taken", "a phone of the subscriber")
		}
	}
}

// phones are those that the call is for: all of the subscriber's, or the one that a GRUU names (RFC 5627 5.1).
func (m *Manager) phones(t *destination) []Contact {
	if t.token != "" {
		phones, _, _, _ := m.o.Location.ByToken(t.token)
		return phones
	}
	if t.uri != nil {
		if _, there := t.uri.Param("gr"); there {
			if phones, _, ok := m.o.Location.ByGRUU(*t.uri, t.located()); ok { // none if it went meanwhile
				return phones
			}
		}
	}
	return m.o.Location.Contacts(t.located())
}

// attempts lays the phones out: those of the same q at once, then those of the next, or one after the other where the domain wants that
// (RFC 3261 16.6 step 1).
func (t *destination) attempts(phones []Contact) []route.Attempt {
	var list []route.Attempt
	for len(phones) > 0 && len(list) < route.MaxAttempts {
		n := 1
		for !t.domain.Registration.Serial && n < len(phones) && n < maxPhones && phones[n].Q == phones[0].Q {
			n++
		}
		at := t.attempt()
		for _, p := range phones[:n] {
			at.Callee.Phones = append(at.Callee.Phones, p.Phone)
		}
		list, phones = append(list, at), phones[n:]
	}
	return list
}

// attempt is one to reach the subscriber, without phones.
func (t *destination) attempt() route.Attempt {
	return route.Attempt{
		TrunkID: t.domain.ID, RealmID: t.domain.RealmID, Number: t.number, Address: t.domain.Name,
		Callee: &route.Callee{Entry: t.entry},
	}
}

// origin is the subscriber that an attempt is for, as the one at the end of its leg.
func (c *Call) origin(at *route.Attempt) *Origin {
	d := c.snap.Domain(at.TrunkID)
	if at.Callee == nil || d == nil {
		return nil
	}
	return (&destination{domain: d, entry: at.Callee.Entry}).origin("registration")
}

// origin is the subscriber as one that calls, or is at the end of a leg.
func (t *destination) origin(how string) *Origin {
	s := t.entry.Subscriber
	return &Origin{
		Domain: t.domain, Entry: t.entry, How: how, Inside: s.Username, Outside: outside(t.entry), Display: s.DisplayName,
	}
}

// outside is the number that a subscriber shows where its domain ends.
func outside(e *sbc.Entry) string {
	if e.Subscriber.CallerID != "" {
		return e.Subscriber.CallerID
	}
	if i := slices.IndexFunc(e.Aliases, func(a sbc.Alias) bool { return a.CallerID }); i >= 0 {
		return e.Aliases[i].Name
	}
	return e.Subscriber.Username
}

// calleeSubscriber is the subscriber that was reached, or else the one that was called.
func (c *Call) calleeSubscriber() string {
	switch {
	case c.rec.egress != "": // somebody came in the place of the first callee
		return c.rec.reached
	case c.served():
		return c.b.desk.mailbox
	case c.b != nil:
		return c.b.who.subscriberID()
	}
	return c.rec.sought
}
