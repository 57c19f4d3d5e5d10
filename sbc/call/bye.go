package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// hungUp is a BYE.
func (c *Call) hungUp(l *leg, tx msg.ServerTx, req *msg.Message) {
	c.in, c.inTx = req, tx
	cause := q850(req)
	if cause == 0 {
		cause = causeNormal
	}
	if c.tr != nil && l == c.tr.old { // the call goes on without it
		if l == c.a {
			c.raise(evCallerBye)
		} else {
			c.raise(evCalleeBye)
		}
		return
	}
	if l == c.a {
		if c.st.a != callerOver && c.st.a != callerByeing && c.st.a != callerLeaving {
			c.rec.ended(byeOf(l.side), l.side, cause)
		}
		if c.st.a == callerInviting {
			c.hunt.final(487, "", sbc.EndCallerBye)
			c.hunt.gone = req
		}
		c.raise(evCallerBye)
		return
	}
	if c.st.b == calleeUp && c.st.a == callerInviting { // its 200 waits for a PRACK
		c.hunt.final(480, "", sbc.EndCalleeBye)
	}
	if c.st.b == calleeUp || c.st.b == calleeHeld {
		c.rec.ended(byeOf(l.side), l.side, cause)
	}
	c.raise(evCalleeBye)
}

// byeOf is the reason for the record when a side hangs up.
func byeOf(s sbc.Side) sbc.EndReason {
	if s == sbc.SideCaller {
		return sbc.EndCallerBye
	}
	return sbc.EndCalleeBye
}

// replyOK answers the BYE being handled.
func (c *Call) replyOK() {
	if c.inTx == nil {
		return
	}
	tx := c.inTx
	c.inTx = nil
	c.send(tx, c.m.response(c.in, 200))
}

// bye releases a leg (RFC 3261 15.1.1): with what the other side said, or with our own reason.
func (c *Call) bye(l *leg) {
	if l != nil && l.desk != nil { // there is nobody who would answer
		c.raise(evCalleeGone)
		return
	}
	if l == nil || l.d == nil {
		return
	}
	if c.tr != nil && c.tr.refer != nil && c.tr.refer.leg == l { // its REFER came to nothing, and its subscription ends with its leg
		c.notify(c.tr.refer, 487, true)
	}
	r := &request{c: c, leg: l, kind: reqBye, req: l.d.Request(msg.BYE)}
	c.own(r.req)
	c.reasons(r)
	if l == c.b && l.invite != nil && c.tr == nil && c.st.a == callerInviting {
		// Whoever answered too late, or what is of no use, does not keep the caller waiting by its silence.
		r.detached = true
		l.detach()
	}
	r.send(l.d.Target(), msg.Timers{})
	if r.detached {
		c.raise(evCalleeGone)
	}
}

// reasons puts the Reason headers on a BYE (RFC 3326), and what else of the other side's BYE may pass.
func (c *Call) reasons(r *request) {
	if from := c.other(r.leg); c.in != nil && c.in.Method == msg.BYE && from != nil {
		r.pass(c.snap.Header.Request(c.in, c.flow(from, r.leg)))
		return
	}
	if c.rec.stop.reason != "" {
		h := reasonHeader(stopCause(c.rec.stop))
		r.req.Append(h.Name, h.Value)
	}
}

// own puts our name on a request.
func (c *Call) own(req *msg.Message) { req.Append("User-Agent", c.m.o.ServerName) }

// goneBye is the end of a BYE of ours.
func (c *Call) goneBye(r *request) {
	switch {
	case r.done || r.detached:
	case r.leg == c.former:
		c.former.leave()
		c.raise(evFormerGone)
	case c.tr != nil && r.leg == c.tr.target:
		c.raise(evTargetGone)
	case r.leg == c.a:
		c.raise(evCallerGone)
	case r.leg == c.b:
		c.raise(evCalleeGone)
	}
	r.done = true
}
