package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// refuseAfter is how long after a request its wrong password is told. Whatever has to be looked up takes less.
	refuseAfter = 50 * time.Millisecond
	// maxRefusing bounds the refusals that wait; those beyond are told at once.
	maxRefusing = 10_000
)

// authenticate checks the answer of a request that Admit let in. Configuration or time may have changed since.
func (v *visit) authenticate() {
	if !v.findDomain() {
		v.respond(refuse(403))
		return
	}
	if v.domain.Upstream() {
		v.guest()
		return
	}
	switch v.readAnswer() {
	case answerFresh:
	case answerForeign, answerStale:
		v.respond(v.challenge(true, nil))
		return
	default:
		v.respond(v.challenge(false, nil))
		return
	}
	v.lookUp()
}

// lookUp asks for the account of the name in the answer, and for that of the address of record, whose own name for answers may
// be another. Both are asked for whoever exists, so that the time tells nothing.
func (v *visit) lookUp() {
	names := []string{v.answer.user}
	if of := v.record(); of != "" && of != v.answer.user {
		names = append(names, of)
	}
	var found []*sbc.Entry
	var ask func()
	ask = func() {
		if len(names) == 0 {
			v.check(found)
			return
		}
		name := names[0]
		names = names[1:]
		v.d.o.Directory.Ask(v.domain.ID, name, v.guarded(func(e *sbc.Entry, err error) {
			switch {
			case err == nil:
				found = append(found, e)
			case sbc.CodeOf(err) != sbc.CodeNotFound:
				v.unavailable(err)
				return
			}
			ask()
		}))
	}
	ask()
}

// record is the user part of the address of record that the request is in the name of.
func (v *visit) record() string {
	if v.req.Method == msg.REGISTER {
		return v.req.To.URI.Number()
	}
	return v.req.From.URI.Number()
}

// unavailable answers when accounts cannot be looked up.
func (v *visit) unavailable(err error) {
	v.d.metrics.refused.WithLabelValues("unavailable").Inc()
	v.d.o.Log.Warn("a subscriber cannot be looked up", "domain_id", v.domain.ID, "error", err)
	v.respond(refuse(503, msg.Header{Name: "Retry-After", Value: "5"}))
}

// Why an answer is refused: for the log of events, never for who sent it.
const (
	failedUser      = "unknown_user"
	failedPassword  = "wrong_password"
	failedAlgorithm = "no_hash"
	failedBarred    = "barred"
)

// check checks the response with the account's hash, or with one that nobody has.
func (v *visit) check(found []*sbc.Entry) {
	var entry *sbc.Entry
	for _, e := range found {
		if e.Via == nil && v.answer.user == digestName(e.Subscriber) || e.Via != nil && e.Subscriber.AuthUsername == v.answer.user {
			entry = e
			break
		}
	}
	hash, failed := "", failedUser
	if entry != nil {
		if hash, failed = v.hash(&entry.Subscriber.Credentials), failedPassword; hash == "" {
			failed = failedAlgorithm
		}
	}
	right := v.answer.Check(cmp.Or(hash, nobodysHash(v.answer.Algorithm)), string(v.req.Method), v.req.Body)
	if v.d.o.Guard.Barred(v.req.Hop, v.domain.ID, v.answer.user) {
		right, failed = false, failedBarred
	}
	if !right || hash == "" {
		v.wrong(failed)
		return
	}
	count := v.answer.Count
	if v.answer.QOP == digest.None {
		count = 0
	}
	if !v.d.o.Nonces.Use(v.answer.nonce, count) { // RFC 7616 3.3: somebody says again what was said already
		v.d.metrics.refused.WithLabelValues("replay").Inc()
		v.respond(v.challenge(true, nil))
		return
	}
	v.d.o.Guard.Authenticated(v.req.Hop, entry.Subscriber.ID)
	if n := v.inVain(&entry.Subscriber.Credentials); n > 0 {
		v.d.o.Guard.Forgiven(v.req.Hop, v.domain.ID, v.answer.user, n)
	}
	v.d.metrics.authenticated.WithLabelValues(string(v.answer.Algorithm)).Inc()
	v.enter(entry, ByDigest)
}

// digestName is the name in a subscriber's answers.
func digestName(s *sbc.Subscriber) string { return cmp.Or(s.AuthUsername, s.Username) }

// hash is what is kept of the secret for the answer's algorithm.
func (v *visit) hash(c *sbc.Credentials) string { return v.hashIn(c, v.answer.Algorithm) }

// hashIn is what is kept of the secret for an algorithm and the form of the answer's name; "" for nothing.
func (v *visit) hashIn(c *sbc.Credentials, a digest.Algorithm) string {
	switch {
	case v.answer.long && a == digest.MD5:
		return c.HA1B
	case v.answer.long:
		return ""
	case a == digest.MD5:
		return c.HA1
	case a == digest.SHA256:
		return c.HA1SHA256
	}
	return c.HA1SHA512256
}

// inVain is how many algorithms a phone answered before this one, because they were offered first, of which the account has no hash. Each
// was counted like a wrong password, so that nobody learns by being counted or not who exists.
func (v *visit) inVain(c *sbc.Credentials) (n int) {
	for _, a := range v.domain.Digest.Algorithms {
		if a == sbc.DigestAlgorithm(v.answer.Algorithm) {
			break
		}
		if v.hashIn(c, digest.Algorithm(a)) == "" {
			n++
		}
	}
	return n
}

// nobodysHash is checked where there is no account, so that it takes as long.
func nobodysHash(a digest.Algorithm) string { return strings.Repeat("f", 2*a.Size()) }

// wrong refuses an answer. The next challenge leaves out the algorithm that was answered and those before it, so that accounts
// of which only a weaker hash is kept can answer in that: for everybody alike, until none is left and all are offered anew.
func (v *visit) wrong(failed string) {
	v.d.o.Guard.Failed(v.req.Hop, v.domain.ID, v.answer.user, true)
	if failed != failedAlgorithm { // it may have been the right password
		v.event(sbc.EventSecurityAuth, map[string]string{
			"domain": v.domain.Name, "username": printable(v.answer.user), "method": string(v.req.Method), "reason": failed,
		})
	}
	v.d.metrics.refused.WithLabelValues(failed).Inc()
	all := v.domain.Digest.Algorithms
	rest := all[slices.Index(all, sbc.DigestAlgorithm(v.answer.Algorithm))+1:]
	d := v.challenge(len(rest) > 0, slices.Clip(rest))
	if len(rest) == 0 {
		d = v.challenge(false, nil)
	}
	wait := refuseAfter - time.Since(v.began)
	if wait <= 0 || v.d.refusing.Add(1) > maxRefusing {
		if wait > 0 {
			v.d.refusing.Add(-1)
		}
		v.respond(d)
		return
	}
	time.AfterFunc(wait, func() {
		defer v.recovered()
		v.d.refusing.Add(-1)
		v.respond(d)
	})
}

// known goes on with a subscriber whose source an access rule names.
func (v *visit) known(e *sbc.Entry, err error) {
	if err == nil {
		v.domain = v.snap.Domain(e.Subscriber.DomainID)
	}
	switch {
	case err != nil && sbc.CodeOf(err) != sbc.CodeNotFound:
		v.d.metrics.refused.WithLabelValues("unavailable").Inc()
		v.respond(refuse(503, msg.Header{Name: "Retry-After", Value: "5"}))
		return
	case err != nil, v.domain == nil:
		v.respond(refuse(403))
		return
	}
	v.enter(e, ByAddress)
}

// enter lets a subscriber in, if it may come and says to be nobody else.
func (v *visit) enter(e *sbc.Entry, how string) {
	s := e.Subscriber
	if !s.Enabled || !v.snap.ActiveTrunk(v.domain.ID) {
		v.d.metrics.refused.WithLabelValues("disabled").Inc()
		v.respond(refuse(403))
		return
	}
	if !v.d.o.Guard.Allowed(v.req.Hop, s.ID, v.req.Method) {
		v.d.metrics.refused.WithLabelValues("budget").Inc()
		v.respond(refuse(503, msg.Header{Name: "Retry-After", Value: "2"}))
		return
	}
	c := Caller{Domain: v.domain, Entry: e, How: how}
	if v.req.Method == msg.REGISTER {
		if !v.owns(e) {
			v.foreign(s.ID, v.req.To.URI.Number())
			return
		}
		v.then(c)
		return
	}
	identity, stranger := v.identity(e)
	if stranger != "" {
		v.foreign(s.ID, stranger)
		return
	}
	if c.Identity = identity; v.req.Method == msg.INVITE && v.domain.Authorization.URL != "" {
		v.authorize(c)
		return
	}
	v.then(c)
}

// foreign refuses a request in the name of somebody else.
func (v *visit) foreign(subscriberID, identity string) {
	v.d.metrics.refused.WithLabelValues("identity").Inc()
	v.event(sbc.EventSecurityIdentity, map[string]string{"subscriber_id": subscriberID, "identity": printable(identity)})
	v.respond(refuse(403))
}

// event tells what happened at the door.
func (v *visit) event(kind sbc.EventType, data map[string]string) {
	data["source"] = v.req.Hop.Remote.String()
	v.d.o.Events(sbc.Event{Type: kind, TenantID: v.domain.TenantID, TrunkID: v.domain.ID, Data: data})
}

// printable bounds what a stranger calls itself, and takes out what steers terminals.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 128)]
}
