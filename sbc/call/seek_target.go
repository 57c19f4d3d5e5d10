package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// transferCall begins a transfer to a number in the name of the side that is to be replaced: its trunk's plan and limits count, as if
// it had made a new call. A subscriber's number may be somebody's in its domain; then the transfer begins when that was looked up.
func (c *Call) transferCall(t *transfer) (code int) {
	d := decision{trunk: t.old.trunk, who: t.old.who, moment: c.momentOf(t.old)}
	d.caller.TrunkID, d.caller.Number = t.old.end.trunkID, t.number
	d.retranslate(c.snap, false)
	var uri msg.URI
	uri.Scheme, uri.User = "sip", t.number
	if d.ask = c.m.questionOf(c.snap, &d, &uri); d.ask == nil {
		d.route(c.snap, false)
		d.asks()
	}
	if d.ask == nil {
		return c.transferDecided(t, &d)
	}
	c.seekTarget(t, d)
	return 0
}

// seekTarget looks up who is the target.
func (c *Call) seekTarget(t *transfer, d decision) {
	c.m.ask(d.ask, func(e *sbc.Entry, err error) {
		c.post(job{kind: jobOrder, run: func() { c.foundTarget(t, d, e, err) }})
	})
}

// foundTarget begins the transfer, if the call is as it was.
func (c *Call) foundTarget(t *transfer, d decision, e *sbc.Entry, err error) {
	if c.st.ended || t.old != c.a && t.old != c.b {
		return
	}
	c.m.answered(c.snap, &d, d.ask, e, err, false)
	if d.ask != nil {
		c.seekTarget(t, d)
		return
	}
	code := 500
	if c.ready() {
		code = c.transferDecided(t, &d)
	}
	if code != 0 {
		c.neverBegun(t, code)
	}
}
