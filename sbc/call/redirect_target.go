package call

import (
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
		if l.who != nil {
			return c.divert(&t.pursuit, l, res, p.MaxRedirects)
		}
		return c.follow(&t.pursuit, l, res, p.MaxRedirects)
	case sbc.RedirectPass:
		return c.passTarget(t, l, res)
	}
	return false
}

// passTarget lets who sent the REFER have the redirection, if nothing better comes: the numbers, at our own host.
func (c *Call) passTarget(t *transfer, l *leg, res *msg.Message) bool {
	if t.refer == nil {
		return false
	}
	hs := c.contacts(res, c.flow(l, t.refer.leg), t.refer.local, t.routed(l), t.number)
	if len(hs) == 0 {
		return false
	}
	t.refer.contacts = hs
	c.targetLost(t, l, res.Status, msg.StatusText(res.Status), res.Status)
	t.code = res.Status
	return true
}
