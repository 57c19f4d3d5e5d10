package call

import (
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// targetRedirected deals with a 3xx of the target of a transfer as its trunk's profile says; false leaves it to count as a failure.
func (c *Call) targetRedirected(t *transfer, l *leg, res *msg.Message) bool {
	if res.Status < 300 || res.Status > 302 || c.st.t != targetCalling && c.st.t != targetRinging {
		return false
	}
	p := c.snap.Signalling(l.trunk)
	switch p.Redirects {
	case sbc.RedirectFollow:
		return t.redirects < p.MaxRedirects && c.followTarget(t, l, res)
	case sbc.RedirectPass:
		return c.passTarget(t, l, res)
	}
	return false
}

// calledFor is the number that an attempt to reach the target is for, as it was routed.
func (t *transfer) calledFor(l *leg) string {
	if l.detour != nil {
		return l.detour.number
	}
	return t.number
}

// followTarget makes the contacts the next attempts: new numbers that the side which is replaced calls.
func (c *Call) followTarget(t *transfer, l *leg, res *msg.Message) bool {
	d := decision{trunk: t.old.trunk, who: t.old.who, moment: c.momentOf(t.old)}
	if d.caller.Number = t.number; d.trunk == nil {
		return false
	}
	attempts, detours := c.around(l, res, t.calledFor(l), d, &t.followed)
	if attempts = attempts[:max(0, min(len(attempts), maxHunt-len(t.plan)))]; len(attempts) == 0 {
		return false
	}
	t.redirects++
	for len(t.detours) < len(t.plan) {
		t.detours = append(t.detours, nil)
	}
	t.plan = slices.Insert(slices.Clip(t.plan), t.next, attempts...)
	t.detours = slices.Insert(t.detours, t.next, detours[:len(attempts)]...)
	c.targetEnded(l, res.Status, msg.StatusText(res.Status))
	return true
}

// passTarget lets who sent the REFER have the redirection, if nothing better comes: the numbers, at our own host.
func (c *Call) passTarget(t *transfer, l *leg, res *msg.Message) bool {
	if t.refer == nil {
		return false
	}
	hs := c.contacts(res, c.flow(l, t.refer.leg), t.refer.local, t.calledFor(l), t.number)
	if len(hs) == 0 {
		return false
	}
	t.refer.contacts = hs
	c.targetLost(t, l, res.Status, msg.StatusText(res.Status), res.Status)
	t.code = res.Status
	return true
}
