package call

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The detectors that tend runs, as events name them.
const (
	detectorTimer = "session_timer"
	detectorPing  = "options_ping"
)

// ping is the state of the questions whether a leg's peer is there.
type ping struct {
	next   time.Time
	misses int
}

// keep arms the one timer that keeps an answered call's legs alive, for what is due first on either of them.
func (c *Call) keep() {
	var next time.Time
	for _, l := range [...]*leg{c.a, c.b} {
		if !c.kept(l) {
			continue
		}
		if every := c.pingEvery(l); every > 0 && l.ping.next.IsZero() {
			l.ping.next = now().Add(every)
		}
		next = earliest(next, l.timer.expires(), l.timer.refreshAt(), l.ping.next)
	}
	c.disarm(timerKeep)
	if !next.IsZero() {
		c.arm(timerKeep, max(0, next.Sub(now())))
	}
}

// kept tells whether a leg is one of an answered call that is not about to end.
func (c *Call) kept(l *leg) bool {
	up := c.visible()
	return (up == sbc.CallConfirmed || up == sbc.CallAnswered) && (c.settled(l) || l == c.a && c.st.a == callerAnswered)
}

// tend does what is due on the legs.
func (c *Call) tend() {
	t := now()
	for _, l := range [...]*leg{c.a, c.b} {
		if !c.kept(l) {
			continue
		}
		switch end, at := l.timer.expires(), l.timer.refreshAt(); {
		case !end.IsZero() && !t.Before(end):
			c.expire(detectorTimer, l, sbc.EndSessionTimer)
			return
		case !at.IsZero() && !t.Before(at):
			c.refresh(l)
		}
		if at := l.ping.next; !at.IsZero() && !t.Before(at) {
			c.ask(l)
		}
	}
	c.keep()
}

// expire ends the call because a detector found a leg dead.
func (c *Call) expire(detector string, l *leg, reason sbc.EndReason) {
	c.dead(detector, l)
	c.stop(stopOrder{reason: reason})
}

// pingEvery is how often a leg's peer is asked, 0 for never.
func (c *Call) pingEvery(l *leg) time.Duration {
	return time.Duration(c.snap.Signalling(l.trunk).PingIntervalS) * time.Second
}

// ask asks a leg's peer with OPTIONS whether it is there (RFC 3261 11, RFC 5057 5). Any answer will do but those that say that
// the dialog is not. Questions are left out of the ladder while all is well: there may be hundreds, and its room is bounded.
func (c *Call) ask(l *leg) {
	every := c.pingEvery(l)
	l.ping.next = now().Add(every)
	r := &request{c: c, leg: l, kind: reqPing, req: l.d.Request(msg.OPTIONS), untold: l.ping.misses == 0}
	r.req.Append("Accept", accepted)
	c.own(r.req)
	r.send(l.d.Target(), msg.Timers{B: min(every, 64*msg.DefaultT1)})
}

// asked is what came of a question: an answer with a code, or none with 0.
func (c *Call) asked(r *request, code int) {
	l := r.leg
	if code > 0 && code < 200 || r.done {
		return
	}
	r.done = true
	if code > 0 && code != 481 && code != 408 {
		l.ping.misses = 0
		return
	}
	l.ping.misses++
	if l.ping.misses >= c.snap.Signalling(l.trunk).PingMisses && c.kept(l) {
		c.expire(detectorPing, l, sbc.EndPeerDead)
	}
}
