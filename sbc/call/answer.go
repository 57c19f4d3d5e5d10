package call

import (
	"cmp"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// ring passes a provisional response on.
func (c *Call) ring() {
	res := c.in
	if res == nil || res.Status <= 100 || res.Status == 199 {
		return
	}
	if c.rec.progressAt.IsZero() {
		c.rec.progressAt = now()
	}
	c.provisional(res)
}

// dialogReply builds a response to the caller's INVITE that makes or confirms the dialog (RFC 3261 12.1.1).
func (c *Call) dialogReply(code int) *msg.Message {
	out := c.reply(c.a, c.invite, code)
	for _, rr := range c.invite.GetAll("Record-Route") {
		out.Append("Record-Route", rr)
	}
	out.Append("Contact", c.contact(c.a, c.tx.Local()))
	out.Append("Allow", c.a.allow)
	return out
}

// passResponse puts what passes of a callee's response on ours.
func (c *Call) passResponse(out, res *msg.Message, from *leg) {
	for _, h := range c.snap.Header.Response(res, c.flow(from, c.other(from))) {
		out.Append(h.Name, header.Fill(h.Value, c.tx.Local().Host))
	}
}

// answerCaller sends the 200, after the record of the answer is safe.
func (c *Call) answerCaller() {
	c.rec.answeredAt = now()
	c.charge(c.b)
	res, sdp := c.settleEarly(c.in, c.answer)
	out := c.dialogReply(200)
	if sdp != nil {
		out.SetBody(accepted, sdp)
	}
	if res != nil && res.Status != 0 {
		c.passResponse(out, res, c.b)
	}
	c.answerTimer(c.a, c.invite, out)
	c.rec.finalCode, c.rec.finalReason = 200, out.Reason
	c.writeAnswered()
	c.send(c.tx, out)
	c.final = true
	c.a.d.Confirm()
	c.session.Answered()
	c.limitDuration()
	c.keep()
	c.slim()
	c.serve()
}

// slim lets go of what an answered call needs no more: the messages of its setup live on as bytes in its ladder.
func (c *Call) slim() {
	c.decision.shown = c.decision.attempts()
	c.invite, c.hunt.res, c.hunt.plan, c.decision.plan.Attempts = nil, nil, nil, nil
	c.decision.moment.in = nil
	c.hunt.offer, c.hunt.next, c.hunt.detours, c.hunt.followed, c.hunt.aside = nil, 0, nil, nil, nil
	c.b.slim()
	if c.st.b != calleeHeld {
		c.exchange, c.answer = nil, nil
	}
}

// refuseCaller sends the final failure.
func (c *Call) refuseCaller() {
	h := &c.hunt
	if h.code == 0 {
		h.code, h.end = 500, sbc.EndError
	}
	c.settleEarly(nil, nil)
	out := c.reply(c.a, c.invite, h.code, h.headers...)
	switch {
	case h.reason != "":
		out.Reason = h.reason
	case h.res != nil && h.res.Status == h.code:
		out.Reason = cmp.Or(c.snap.Header.Phrase(h.res, c.flow(h.leg, c.a)), out.Reason)
	}
	if h.res != nil && h.code != 503 { // a Retry-After of the callee's side is not ours (RFC 3261 21.5.4)
		c.passResponse(out, h.res, h.leg)
	}
	by := sbc.SideSBC
	if h.res != nil {
		by = sbc.SideCallee
	}
	c.rec.ended(h.end, by, cmp.Or(h.cause, causeOf(h.code)))
	c.rec.finalCode, c.rec.finalReason = h.code, out.Reason
	c.rec.refusedAt = now()
	c.send(c.tx, out)
	c.hushed()
}
