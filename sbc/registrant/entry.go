package registrant

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// maxExpires bounds what a registrar may make us believe, in seconds, and maxRetryAfter how long it may have us wait.
	maxExpires    = 604_800
	maxRetryAfter = 24 * time.Hour
	// soonest is the shortest wait before a refresh.
	soonest = 5 * time.Second
	// maxWords bounds what is told of a registrar's own words, in octets.
	maxWords = 64
	// maxPeers bounds the addresses of a registrar that are remembered.
	maxPeers = 16
)

// entry is one registration. It belongs to the Manager's lock.
type entry struct {
	r     *sbc.Registrant
	proxy string // the trunk's, as r is
	// callID, tag and seq are those of its REGISTERs, user is the contact's.
	callID, tag, user string
	seq               uint32
	client            digest.Client
	status            sbc.RegistrantStatus
	// due is when the next REGISTER goes out, zero for never; busy that one is under way, again that another is wanted after it.
	due         time.Time
	busy, again bool
	// leaving says that it is to end, said that the request under way takes its leave.
	leaving, said bool
	// number tells the request under way from earlier ones; try is what it has been asked, raised that a 423 was followed.
	number int
	try    digest.Try
	raised bool
	// failures are those in a row; asked is the time that a 423 has taught us to ask for, in seconds, 0 for none.
	failures, asked int
	// until is how long the registrar keeps it; by is the interface by which it is told, peers are who has answered.
	until time.Time
	local msg.Local
	peers []netip.Addr
	// set are the addresses that the registrar's name has besides.
	set []netip.Addr
	// flow is how the registration went, kept alive at the time alive; missed counts the OPTIONS in a row that nobody answered.
	flow   msg.Hop
	alive  time.Time
	missed int
	// routes are those of the newest 200 (RFC 3608).
	routes []msg.NameAddr
	// target is where the last request went.
	target msg.Target
}

// same tells whether a registrant is the one that was registered, but for how it proves itself and how often it comes.
func (e *entry) same(r *sbc.Registrant) bool {
	o := e.r
	return o.TrunkID == r.TrunkID && o.Registrar == r.Registrar && o.Port == r.Port && o.Transport == r.Transport &&
		o.AORUser == r.AORUser && o.AORDomain == r.AORDomain && o.ContactUser == r.ContactUser && o.SIPInterfaceID == r.SIPInterfaceID
}

// change takes over what is configured; it is tried at once.
func (e *entry) change(r *sbc.Registrant, trunk *sbc.Trunk) {
	k := r.Credentials
	e.client = digest.Client{Username: cmp.Or(k.Username, r.AORUser), Password: k.Password, Realm: k.Realm}
	e.r, e.proxy, e.asked = r, trunk.OutboundProxy, 0
	e.soon()
}

// soon has the next REGISTER go out at once, or after the one under way, as if nothing had failed before.
func (e *entry) soon() {
	if e.failures = 0; e.busy {
		e.again = true
		return
	}
	e.due = time.Now()
}

// event tells of the entry's state.
func (e *entry) event(before sbc.RegistrantState) sbc.Event {
	data := map[string]string{
		"registrant_id": e.r.ID, "state": string(e.status.State), "code": strconv.Itoa(e.status.Code), "registrar": e.r.Registrar,
		"aor": e.r.AORUser + "@" + cmp.Or(e.r.AORDomain, e.r.Registrar),
	}
	if before != "" {
		data["before"] = string(before)
	}
	if e.status.Reason != "" {
		data["reason"] = e.status.Reason
	}
	return sbc.Event{Type: sbc.EventRegistrant, At: time.Now().UTC(), TenantID: e.r.TenantID, TrunkID: e.r.TrunkID, Data: data}
}

// shown is the entry's state for the API.
func (e *entry) shown() sbc.RegistrantStatus {
	s := e.status
	if time.Now().Before(e.until) {
		until := e.until.UTC()
		s.ExpiresAt = &until
	}
	if !e.due.IsZero() && !e.leaving && !e.busy {
		due := e.due.UTC()
		s.NextAt = &due
	}
	return s
}

// answered is a final response to the request under way.
func (m *Manager) answered(e *entry, res *msg.Message) {
	m.metrics.requests.WithLabelValues(strconv.Itoa(res.Status/100) + "xx").Inc()
	code := res.Status
	if code == 401 || code == 407 {
		err := e.client.Heard(&e.try, res.GetAll("WWW-Authenticate"), res.GetAll("Proxy-Authenticate"))
		if err == nil && e.client.Password == "" {
			err = digest.ErrUnanswerable
		}
		if err == nil {
			m.sendTo(e, askedBy(res.Hop))
			return
		}
		m.unproven(e, code, err)
		return
	}
	switch {
	case e.leaving:
		if code < 300 && !e.said { // it was on its way when the end was decided
			e.until = time.Now().Add(e.lasts(res))
		}
		m.over(e)
	case code < 300:
		m.granted(e, res)
	case code == 423 && e.raise(res):
		m.send(e)
	case code == 403 || code == 404:
		m.stopped(e, sbc.RegistrantRejected, code, said(res)+"; it is not asked again before something is changed")
	default:
		m.failed(e, sbc.RegistrantRejected, code, said(res), retryAfter(res))
	}
}

// said tells what a registrar answered, with the start of its own words: they are often the only hint.
func said(res *msg.Message) string {
	words := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, res.Reason[:min(len(res.Reason), maxWords)])
	return fmt.Sprintf("the registrar answered %d %s", res.Status, cmp.Or(strings.TrimSpace(words), msg.StatusText(res.Status)))
}

// askedBy is the server that challenged: another of its name may not know the nonce.
func askedBy(h msg.Hop) *msg.Target {
	if !h.Remote.IsValid() {
		return nil
	}
	return &msg.Target{
		Host: h.Remote.Addr().String(), Port: int(h.Remote.Port()), Transport: h.Transport, Flow: &h, Interfaces: []string{h.Interface},
	}
}

// over is the end of the request under way: an entry that is to leave does, and one that was changed meanwhile goes on at once.
func (m *Manager) over(e *entry) {
	e.busy = false
	switch {
	case e.said, e.leaving && !time.Now().Before(e.until):
		m.left(e)
	case e.leaving:
		m.begin(e)
	case e.again:
		e.again, e.due = false, time.Now()
	}
}

// granted is a 2xx.
func (m *Manager) granted(e *entry, res *msg.Message) {
	lasts := e.lasts(res)
	if lasts <= 0 {
		m.failed(e, sbc.RegistrantRejected, res.Status, "the registrar does not keep our contact", 0)
		return
	}
	now := time.Now()
	e.until, e.failures = now.Add(lasts), 0
	wait := lasts*time.Duration(e.r.RefreshPercent)/100 - time.Duration(rand.Int64N(int64(lasts/20)+1))
	e.due = now.Add(max(wait, soonest))
	if a := res.Hop.Remote.Addr(); a.IsValid() && !slices.Contains(e.peers, a) {
		e.peers = append(e.peers[max(0, len(e.peers)-maxPeers+1):], a)
	}
	m.flows(e, res.Hop, lasts)
	m.routed(e, res)
	m.members(e)
	m.turn(e, sbc.RegistrantRegistered, res.Status, fmt.Sprintf("registered for %d s", int(lasts/time.Second)))
	m.over(e)
}

// lasts reads for how long the registrar keeps our contact (RFC 3261 10.3 step 8), 0 for not at all. Registrars are found that write
// the contact anew, and such that give none back.
func (e *entry) lasts(res *msg.Message) time.Duration {
	text, seconds := res.Get("Expires"), e.expires()
	contacts, err := res.Contacts()
	if err != nil {
		contacts = nil
	}
	for _, c := range contacts {
		if own, given := msg.Param(c.Params, "expires"); given && (c.URI.User == e.user || len(contacts) == 1) {
			text = own
			break
		}
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		seconds = int(n)
	}
	return time.Duration(min(seconds, maxExpires)) * time.Second
}

// expires is what is asked for, in seconds.
func (e *entry) expires() int { return max(e.r.ExpiresS, e.asked) }

// raise follows a 423 (RFC 3261 10.2.8), once in a request.
func (e *entry) raise(res *msg.Message) bool {
	n, err := strconv.Atoi(strings.TrimSpace(res.Get("Min-Expires")))
	if err != nil || n <= e.expires() || n > maxExpires || e.raised {
		return false
	}
	e.raised, e.asked = true, n
	return true
}

// unproven is a challenge that is not answered.
func (m *Manager) unproven(e *entry, code int, err error) {
	switch {
	case e.leaving:
		m.left(e)
	case errors.Is(err, digest.ErrLoop):
		m.failed(e, sbc.RegistrantRejected, code, "the registrar asks for credentials again and again", 0)
	default:
		reason := "the registrar refuses the credentials"
		if errors.Is(err, digest.ErrUnanswerable) {
			reason = "the registrar asks for credentials that there are none of"
		}
		m.stopped(e, sbc.RegistrantWrongCredentials, code, reason)
	}
}

// stopped is a refusal that trying again would not change, but anger the carrier: the next REGISTER comes when something is changed.
func (m *Manager) stopped(e *entry, s sbc.RegistrantState, code int, reason string) {
	e.due, e.failures = time.Time{}, e.failures+1
	m.turn(e, s, code, reason)
	m.over(e)
}

// failed is a request that came to nothing: the next one comes after a while, which is at least so long as the registrar wants.
func (m *Manager) failed(e *entry, s sbc.RegistrantState, code int, reason string, least time.Duration) {
	if e.leaving {
		m.over(e)
		return
	}
	wait := e.backoff()
	if least > wait {
		wait = least + time.Duration(rand.Int64N(int64(least/10)+1))
	}
	e.due = time.Now().Add(wait)
	e.failures++
	m.turn(e, s, code, reason)
	m.over(e)
}

// backoff is the wait after a failure: it doubles up to its cap, less up to a tenth.
func (e *entry) backoff() time.Duration {
	wait, most := time.Duration(e.r.RetryS)*time.Second, time.Duration(max(e.r.RetryS, e.r.MaxRetryS))*time.Second
	for n := 0; n < e.failures && wait < most; n++ {
		wait *= 2
	}
	wait = min(wait, most)
	return wait - time.Duration(rand.Int64N(int64(wait/10)+1))
}

// retryAfter reads a Retry-After (RFC 3261 20.33), 0 for none.
func retryAfter(res *msg.Message) time.Duration {
	text := strings.TrimSpace(res.Get("Retry-After"))
	if i := strings.IndexAny(text, " ;("); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}
