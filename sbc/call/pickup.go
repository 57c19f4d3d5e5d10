package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// A callee that rings may be replaced like one that talks (RFC 3891 3, RFC 5359 2.16): its dialog is early, and we began it.
// Two parties have made an offer then, the caller and whoever picks the call up. The caller is answered at once by ourselves
// (RFC 3264 lets nobody answer an offer with another), in a format that the border can speak; after its ACK it is offered what
// the other party said, and only when it agrees does that party get its 200. The ring ends with a CANCEL.

// ringsFor tells whether a callee rings that may be replaced.
func ringsFor(s state) bool {
	return s.a == callerInviting && s.b == calleeRinging && s.t == targetNone && s.f == formerNone
}

// pickable is ringsFor with what the machine does not see: the 200 of ours must not have to wait for a PRACK (RFC 3262 3).
func (c *Call) pickable() bool { return ringsFor(c.st) && (c.rel == nil || c.rel.out == nil) }

// attendCaller answers the caller ourselves; false if we cannot, then the attempt goes on as if nothing had been.
func (c *Call) attendCaller() bool {
	if c.exchange != nil { // with the callee that rings; it is begun anew should that one answer
		c.exchange.Reject()
		c.exchange = nil
	}
	answer, err := c.session.Attend(c.a.party, c.hunt.offer)
	if err != nil {
		c.m.o.Log.Debug("caller cannot be answered", "call_id", c.id, "error", err)
		return false
	}
	c.answer = answer
	return true
}

// pickUp ends the ringing of the callee that is replaced. What still comes from it is put in order as a stray.
func (c *Call) pickUp(t *transfer) {
	l := t.old
	c.disarm(timerRing)
	c.disarm(timerGuard)
	c.dropUpdates()
	l.eachRinging(func() { c.hunt.failed(l, 0, "picked up elsewhere", 0, "") })
	l.cancel(c.ruledHeaders(l, []msg.Header{{Name: "Reason", Value: completedElsewhere}})...)
	l.detach()
	l.leave()
	c.session.Drop(l.party)
	l.party, c.rec.mode = nil, sbc.MediaRelay
	if c.rec.progressAt.IsZero() {
		c.rec.progressAt = now()
	}
}
