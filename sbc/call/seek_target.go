package call

import "github.com/sallyport/sallyport/sbc/msg"

// transferCall begins a transfer to a number in the name of the side that is to be replaced: its trunk's plan and limits count, as if
// it had made a new call. A subscriber's number may be somebody's in its domain; then the transfer begins when that was looked up.
func (c *Call) transferCall(t *transfer) (code int) {
	d := &decision{trunk: t.old.trunk, who: t.old.who, moment: c.momentOf(t.old), wakes: true}
	d.caller.TrunkID, d.caller.Number = t.old.end.trunkID, t.number
	t.kept = c.other(t.old)
	t.begin(d, t)
	if !d.screened(c.snap, d.who, t.number, false) {
		return c.transferDecided(t)
	}
	d.retranslate(c.snap, false)
	var uri msg.URI
	uri.Scheme, uri.User = "sip", t.number
	if d.ask = c.m.questionOf(c.snap, d, &uri); d.ask == nil {
		d.route(c.snap, false)
		d.asks()
	}
	if d.ask == nil {
		return c.transferDecided(t)
	}
	d.calling = c.askedBy(&t.pursuit)
	c.seek(&t.pursuit)
	return 0
}

// targetAwaited tells whether somebody still wants to know where the target is.
func (c *Call) targetAwaited(t *transfer) bool {
	switch {
	case c.st.ended:
		return false
	case c.tr != t:
		return c.tr == nil && (t.old == c.a || t.old == c.b)
	case c.st.t == targetUnwanted: // nobody was called meanwhile
		c.raise(evTargetFailed)
		return false
	}
	return c.st.t == targetCalling
}

// decidedTarget begins a transfer that waited for whom it is about, if the call is as it was.
func (c *Call) decidedTarget(t *transfer) {
	code := 500
	if c.ready() {
		code = c.transferDecided(t)
	}
	if code != 0 {
		c.neverBegun(t, code)
	}
}
