package call

import (
	"cmp"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Search finds where a request outside of calls goes (MESSAGE, SUBSCRIBE, PUBLISH): by the decision that calls get, one attempt after the
// other, and on behind a rule that led to nobody. Of the services of a subscriber only those are asked that say who may reach it: it is calls
// that are forwarded. It belongs to one queue, to which it brings what it learns elsewhere.
type Search struct {
	m    *Manager
	snap *config.Snapshot
	d    decision
	id   string
	post func(job func())
	// plan are the attempts, next is the one to be made then; made is how many there were. fresh says that the decision was not looked at.
	plan       []route.Attempt
	next, made int
	fresh      bool
	// woken is the place behind the attempt whose phones were woken last; until is when no more attempts are begun.
	woken        int
	began, until time.Time
	// counted says that the request was counted where it came from; stop that no attempt is to follow.
	counted, stop bool
	// code is what the sender is told if nobody takes the request, headers go with it.
	code    int
	reason  string
	headers []msg.Header
	local   msg.Local
}

// Recognise says whose a request outside of dialogs is, as of calls; ok is false for strangers and for subscribers, who prove who they are.
func (m *Manager) Recognise(snap *config.Snapshot, req *msg.Message) (identify.Caller, bool) {
	c, ok := m.recognised(snap, req)
	return c, ok && c.SubscriberID == ""
}

// Search begins the search for whom a request outside of dialogs is for. from is the subscriber that sends it, nil for a trunk; post brings
// jobs to the queue that the search belongs to, local is our address where the request came in.
func (m *Manager) Search(snap *config.Snapshot, req *msg.Message, from *Origin, local msg.Local, post func(job func())) *Search {
	s := &Search{m: m, snap: snap, id: sbc.NewID("req"), post: post, fresh: true, began: now(), local: local}
	if from != nil {
		s.d = m.decideFrom(snap, from, req, false)
		return s
	}
	ok := false
	if s.d, ok = m.decide(snap, req, nil, false); !ok { // the configuration changed since it was recognised
		s.d.refuse(403, "", sbc.EndRejected)
		return s
	}
	m.returns(snap, &s.d, false)
	s.d.asks()
	return s
}

// Number is the number called, as it is routed.
func (s *Search) Number() string { return s.d.caller.Number }

// Refusal is what the sender is told if nobody took the request; headers go with it.
func (s *Search) Refusal() (code int, reason string, headers []msg.Header) {
	return cmp.Or(s.code, 404), s.reason, s.headers
}

// More tells whether somebody else may be asked if the attempt under way comes to nothing.
func (s *Search) More() bool { return s.next < len(s.plan) || s.d.plan.Next != nil }

// Next hands the next attempt to then, once: at once, or on the queue when it is known; nil where nobody is left.
func (s *Search) Next(then func(at *route.Attempt)) {
	for {
		switch d := &s.d; {
		case d.ask != nil:
			s.seek(then)
			return
		case d.dest != nil && d.dest.asleep:
			s.rouse(d.dest, func() {
				d.dest.asleep, d.dest.woken = false, true
				s.m.reach(s.snap, d, false)
				s.Next(then)
			})
			return
		case s.fresh:
			s.fresh = false
			s.lay()
		case s.stop || s.made >= maxHunt || !s.until.IsZero() && !now().Before(s.until):
			then(nil)
			return
		case s.next == len(s.plan):
			if !s.m.resumed(s.snap, d, false) {
				then(nil)
				return
			}
			s.fresh = true
		case s.wakes(then):
			return
		default:
			if at := s.take(); at != nil {
				then(at)
				return
			}
		}
	}
}

// seek looks up what the decision asks; nobody waits meanwhile but the request.
func (s *Search) seek(then func(at *route.Attempt)) {
	q := s.d.ask
	if s.d.wakes = true; s.d.calling.Caller == "" {
		s.d.calling.Caller = s.d.moment.caller
		if w := s.d.who; w != nil {
			s.d.calling.Anonymous = w.Anonymous
			if w.Domain.ID == q.domainID {
				s.d.calling.Caller = w.Inside
			}
		}
	}
	s.m.ask(q, func(e *sbc.Entry, err error) {
		s.post(func() {
			s.d.ask = nil
			s.m.answered(s.snap, &s.d, q, e, err, false)
			s.fresh = true
			s.Next(then)
		})
	})
}

// rouse has the phones of a subscriber woken; then is called on the queue.
func (s *Search) rouse(t *destination, then func()) {
	caller := s.d.calling.Caller
	if s.d.calling.Anonymous {
		caller = anonymousUser
	}
	s.m.o.Location.Wake(t.domain, t.entry.Subscriber, s.id, caller, func() { s.post(then) })
}

// wakes has the phones of a subscriber of a route list woken when it is its turn, once.
func (s *Search) wakes(then func(at *route.Attempt)) bool {
	t := s.m.sleeper(s.snap, &s.d, &s.plan[s.next])
	if t == nil || s.woken == s.next+1 {
		return false
	}
	s.woken = s.next + 1
	s.rouse(t, func() { s.Next(then) })
	return true
}

// lay takes over the attempts of the decision, or its refusal. The first time the request is counted where it came from.
func (s *Search) lay() {
	d := &s.d
	s.plan, s.next, s.woken, s.until = slices.Clone(d.plan.Attempts), 0, 0, time.Time{}
	if most := d.plan.MaxSetupS; most > 0 {
		s.until = s.began.Add(time.Duration(most) * time.Second)
	}
	if d.code != 0 {
		s.plan, s.stop = nil, true
		if s.code, s.reason, s.headers = d.code, d.reason, d.later(); len(d.plan.Redirect) > 0 {
			s.headers = elsewhere(d.plan.Redirect, s.local)
		}
		return
	}
	if s.counted || d.trunk == nil {
		return
	}
	s.counted = true
	if v := s.count(d.trunk, admit.In, ""); !v.OK {
		s.plan, s.stop, s.code, s.reason = nil, true, v.Code, ""
		s.headers = retryAfter(v)
	}
}

// count counts the request in the rates of a trunk and of its limit profiles, apart from calls, or says why not.
func (s *Search) count(t *sbc.Trunk, dir admit.Direction, endpointID string) admit.Verdict {
	claim := admit.Claim{Call: s.id, Trunk: t, Direction: dir, Request: true, Always: s.d.helps(s.snap)}
	if len(s.snap.Rows.Limits) > 0 {
		claim.Bounds = bounds(s.snap, t, endpointID, s.d.moment.caller, s.d.caller.Number)
	}
	_, v := s.m.o.Tally.Take(claim)
	return v
}

// take gives the next attempt of the plan; nil if it cannot be made, which nobody said anything about.
func (s *Search) take() *route.Attempt {
	at := &s.plan[s.next]
	s.next++
	if unexpanded(at) {
		x := s.m.expand(s.snap, &s.d, at)
		if s.plan = slices.Replace(s.plan, s.next-1, s.next, x.attempts...); len(x.attempts) == 0 {
			s.next--
			s.missed(x.code)
			return nil
		}
		at = &s.plan[s.next-1]
	}
	s.made++
	t := s.snap.Trunk(at.TrunkID)
	switch {
	case at.Agent != "": // they answer calls
		s.missed(480)
		return nil
	case t == nil || !s.snap.ActiveTrunk(t.ID):
		s.missed(503)
		return nil
	}
	if v := s.count(t, admit.Out, at.EndpointID); !v.OK {
		s.missed(v.Code)
		return nil
	}
	return at
}

// missed notes that an attempt could not be made.
func (s *Search) missed(code int) {
	if better(code, s.code) {
		s.code, s.reason, s.headers = code, "", nil
	}
}

// Failed notes that an attempt ended with a code, 408 for silence and 503 where it could not be sent. best says that this is what the sender
// is to be told unless something better comes.
func (s *Search) Failed(at *route.Attempt, code int) (best bool) {
	var l leg
	if l.trunk = s.snap.Trunk(at.TrunkID); at.Callee != nil {
		l.branches = []*request{}
	}
	code = l.counts(code)
	s.stop = l.stops(code, s.stop)
	if told := translate(code); better(told, s.code) && !l.lesser(told, s.code) {
		s.code, s.reason, s.headers = told, "", nil
		return true
	}
	return false
}

// Skip notes that an attempt was not made because its trunk does not take such requests.
func (s *Search) Skip(code int) { s.missed(code) }

// Shown is a request as it is shown to an attempt, introduced by who sends it: with the caller's numbers as they were translated on the way in
// and for the attempt. Within a domain its own names stay.
func (s *Search) Shown(in *msg.Message, at *route.Attempt) *msg.Message {
	inside := s.d.who != nil && at.Callee != nil && at.TrunkID == s.d.who.Domain.ID
	return s.d.renumbered(introducedBy(s.d.who, inside, in), inside, at)
}

// carried tells whether the trunk that a request outside of calls comes from may send it; calls may always.
func (d *decision) carried(snap *config.Snapshot) bool {
	return d.method == "" || d.trunk == nil || !snap.ActiveTrunk(d.trunk.ID) || snap.Signalling(d.trunk).Carries(string(d.method))
}
