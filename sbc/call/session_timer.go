package call

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// sessionTimer is a leg's session timer (RFC 4028). Each leg has its own: what one side asks for is nothing to the other.
type sessionTimer struct {
	// interval is what was agreed, in seconds; 0 is no timer. minSE is the largest Min-SE heard of.
	interval, minSE int
	// us says that we refresh; asked that a refresh of ours is under way, again when the next may follow one that failed.
	us, asked bool
	again     time.Time
	// since is the last refresh, of either side.
	since time.Time
}

const (
	// leastMinSE is the least that may be asked for (RFC 4028 5).
	leastMinSE = 90
	// leastInterval bounds what a peer may impose that does not know that: a refresh every ten seconds is enough for anybody.
	leastInterval = 20
	// byeAhead is how long before the end of the interval the session is given up, at most (RFC 4028 10).
	byeAhead = 32 * time.Second
	// optionTimer is the extension's name.
	optionTimer = "timer"
)

// expires is when the session is given up, zero for never (RFC 4028 10): a third of the interval ahead, or 32 s.
func (t *sessionTimer) expires() time.Time {
	if t.interval == 0 {
		return time.Time{}
	}
	whole := time.Duration(t.interval) * time.Second
	return t.since.Add(whole - min(whole/3, byeAhead))
}

// refreshAt is when we refresh: at half of the interval (RFC 4028 7.2), zero for not at all.
func (t *sessionTimer) refreshAt() time.Time {
	if t.interval == 0 || !t.us || t.asked {
		return time.Time{}
	}
	half := t.since.Add(time.Duration(t.interval) * time.Second / 2)
	if t.again.After(half) {
		return t.again
	}
	return half
}

// failed puts the next refresh after one that came to nothing.
func (t *sessionTimer) failed() {
	t.again = now().Add(time.Duration(t.interval) * time.Second / 12)
}

// reads notes the Min-SE of a message of the peer (RFC 4028 5: the largest one counts from then on).
func (t *sessionTimer) reads(m *msg.Message) {
	s, _, _ := strings.Cut(m.Get("Min-SE"), ";")
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 && n <= 86_400 {
		t.minSE = max(t.minSE, n)
	}
}

// sessionExpires reads a Session-Expires header (RFC 4028 4): seconds, 0 if there is none that can be read, and the refresher,
// "" if it names none.
func sessionExpires(m *msg.Message) (seconds int, refresher string) {
	v, rest, _ := strings.Cut(m.Get("Session-Expires"), ";")
	n, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil || n <= 0 {
		return 0, ""
	}
	for p := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(p, "=")
		if strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return min(n, 7*86_400), refresher
}

// supports tells whether a message names an extension in Supported.
func supports(m *msg.Message, option string) bool {
	for i := range m.Headers {
		h := &m.Headers[i]
		if !strings.EqualFold(h.Name, "Supported") && !strings.EqualFold(h.Name, "k") {
			continue
		}
		for o := range strings.SplitSeq(h.Value, ",") {
			if strings.EqualFold(strings.TrimSpace(o), option) {
				return true
			}
		}
	}
	return false
}

// spell writes a Session-Expires header; who is the refresher, "" for whoever the peer chooses.
func (t *sessionTimer) spell(m *msg.Message, who string) {
	v := strconv.Itoa(t.interval)
	if who != "" {
		v += ";refresher=" + who
	}
	m.Append("Session-Expires", v)
}

// role names one of the two refreshers: the client of a transaction is "uac".
func role(client bool) string {
	if client {
		return "uac"
	}
	return "uas"
}

// askTimer puts what we want of the session timer on an INVITE or UPDATE of ours (RFC 4028 7.1, 7.4).
func (c *Call) askTimer(l *leg, req *msg.Message) {
	p := c.snap.Signalling(l.trunk)
	if p.SessionTimer == sbc.SessionTimerOff {
		return
	}
	req.Append("Supported", optionTimer)
	t, least := &l.timer, max(p.MinSES, l.timer.minSE)
	switch {
	case t.interval > 0:
		t.interval = max(t.interval, t.minSE)
		t.spell(req, role(t.us))
	case p.SessionTimer == sbc.SessionTimerRequest:
		want := sessionTimer{interval: max(p.SessionExpiresS, least)}
		who := ""
		if p.Refresher != sbc.RefresherAuto {
			who = role(p.Refresher == sbc.RefresherUs)
		}
		want.spell(req, who)
	default:
		return
	}
	if least > leastMinSE {
		req.Append("Min-SE", strconv.Itoa(least))
	}
}

// timerAgreed reads the 2xx to such a request (RFC 4028 7.2). A peer that knows nothing of timers has its session kept by us
// alone where we asked for a timer: a refresh that nobody answers tells that it is gone.
func (c *Call) timerAgreed(l *leg, req, res *msg.Message) {
	p, t := c.snap.Signalling(l.trunk), &l.timer
	if p.SessionTimer == sbc.SessionTimerOff {
		return
	}
	t.since, t.again = now(), time.Time{}
	if n, who := sessionExpires(res); n > 0 {
		t.interval, t.us = max(n, leastInterval), who != "uas"
		return
	}
	asked, _ := sessionExpires(req)
	t.interval, t.us = 0, true
	if p.SessionTimer == sbc.SessionTimerRequest {
		t.interval = asked
	}
}

// timerTooSmall tells whether a request of the peer gets 422, and with which Min-SE (RFC 4028 9).
func (c *Call) timerTooSmall(l *leg, req *msg.Message) (least int, bad bool) {
	p := c.snap.Signalling(l.trunk)
	n, _ := sessionExpires(req)
	if n == 0 || n >= p.MinSES || p.SessionTimer == sbc.SessionTimerOff || !supports(req, optionTimer) {
		return 0, false
	}
	return p.MinSES, true
}

// answerTimer decides on the session timer that a request of the peer asks for, and puts it on our 2xx (RFC 4028 9).
func (c *Call) answerTimer(l *leg, req, out *msg.Message) {
	p, t := c.snap.Signalling(l.trunk), &l.timer
	if p.SessionTimer == sbc.SessionTimerOff {
		return
	}
	t.reads(req)
	known := supports(req, optionTimer)
	n, who := sessionExpires(req)
	request := p.SessionTimer == sbc.SessionTimerRequest
	switch {
	case n > 0:
		t.interval = max(n, leastInterval)
		if request {
			t.interval = max(min(t.interval, p.SessionExpiresS), min(t.interval, t.minSE), leastInterval)
		}
		t.us = !known || who == "uas" || who != "uac" && p.Refresher != sbc.RefresherPeer
	case known && t.interval > 0: // as it was
	case request:
		t.interval = max(p.SessionExpiresS, t.minSE)
		t.us = !known || p.Refresher != sbc.RefresherPeer
	default:
		t.interval = 0
	}
	t.since, t.again = now(), time.Time{}
	if known {
		out.Append("Supported", optionTimer)
	}
	if t.interval == 0 {
		return
	}
	if known {
		out.Append("Require", optionTimer)
	}
	t.spell(out, role(!t.us))
}

// refresh refreshes the session of a leg: by UPDATE if the peer takes it, else by a re-INVITE that changes nothing.
func (c *Call) refresh(l *leg) {
	l.timer.asked = true
	c.propose(&proposal{leg: l, lost: sbc.EndSessionTimer, done: func(err error) {
		l.timer.asked = false
		if err != nil {
			l.timer.failed()
			c.keep()
		}
	}})
}

// extensions lists those that a peer of a leg may demand.
func (c *Call) extensions(l *leg) []string {
	p, have := c.snap.Signalling(l.trunk), make([]string, 0, 2)
	if p.SessionTimer != sbc.SessionTimerOff {
		have = append(have, optionTimer)
	}
	if p.ReliableProvisional != sbc.ReliableOff {
		have = append(have, optionReliable)
	}
	return have
}

// small is 422, with the least interval that we accept (RFC 4028 6).
func (c *Call) small(l *leg, tx msg.ServerTx, req *msg.Message) bool {
	least, bad := c.timerTooSmall(l, req)
	if bad {
		c.send(tx, c.reply(l, req, 422, msg.Header{Name: "Min-SE", Value: strconv.Itoa(least)}))
	}
	return bad
}

// refreshed is an UPDATE without a body that is between its sender and us: it speaks of the session timer, or the other side
// does not take UPDATE. It gives false for one to be carried on.
func (c *Call) refreshed(l *leg, tx msg.ServerTx, req *msg.Message) bool {
	to := c.other(l)
	if c.small(l, tx, req) {
		return true
	}
	if to == nil || !c.settled(l) || !c.settled(to) || !req.Has("Session-Expires") && to.updates != answerNo {
		return false
	}
	l.d.Refresh(req)
	out := c.reply(l, req, 200)
	out.Append("Contact", c.contact(l, tx.Local()))
	out.Append("Allow", l.allow)
	c.answerTimer(l, req, out)
	c.send(tx, out)
	c.keep()
	return true
}

// askAgain sends the INVITE of an attempt once more after a 422, with the interval that it asks for (RFC 4028 7.3).
func (c *Call) askAgain(r *request, res *msg.Message) bool {
	l, wanted, plan, next := r.leg, c.st.b == calleeCalling || c.st.b == calleeRinging, c.hunt.plan, c.hunt.next
	if t := c.tr; t != nil && l == t.target {
		wanted, plan, next = c.st.t == targetCalling || c.st.t == targetRinging, t.plan, t.next
	}
	if res.Status != 422 || r.again >= maxRetries || !wanted || len(plan) == 0 || !c.longer(l, r.req, res) {
		return false
	}
	said, open := r.req, r.open
	if r.plain != nil { // the rules are applied to what goes out again
		said, open = r.plain, r.bare
	}
	req := *said
	req.Headers = slices.Clone(req.Headers)
	for _, name := range []string{"Via", "Supported", "Require", "Session-Expires", "Min-SE"} {
		req.Remove(name)
	}
	req.SetCSeq(r.req.CSeq.Seq+1, msg.INVITE)
	again := &request{
		c: c, leg: l, kind: reqInvite, req: &req, contact: true, from: r.from, open: slices.Clone(open), again: r.again + 1,
	}
	r.detached = true
	c.askTimer(l, &req)
	c.offerReliable(&req, l)
	l.invite, l.inviteSeq = again, req.CSeq.Seq
	if i := slices.Index(l.branches, r); i >= 0 {
		l.branches[i] = again
	}
	hop := r.tx.Hop() // of the servers that the endpoint's name stands for, the one that refused
	to := hop.Again(c.snap.InterfacesOf(plan[next-1].RealmID)...)
	to.Secure = c.sips()
	c.sendInviteTo(again, to)
	return true
}

// longer takes the Min-SE of a 422; false if it is no reason to ask again (RFC 4028 7.3).
func (c *Call) longer(l *leg, req, res *msg.Message) bool {
	t, asked := &l.timer, 0
	if asked, _ = sessionExpires(req); asked == 0 {
		return false
	}
	t.reads(res)
	return t.minSE > asked
}
