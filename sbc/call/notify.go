package call

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// refer is the subscription that a REFER makes (RFC 3515 2.4.4).
type refer struct {
	leg *leg
	// id is the CSeq number of the REFER.
	id string
	// silent REFERs want no NOTIFY (RFC 4488).
	silent bool
	// over says that the last NOTIFY was sent, or that the peer knows nothing of the subscription; last is that NOTIFY.
	over bool
	last *request
	// local is our address for its sender; contacts are those of a redirection of the target, at that address.
	local    msg.Local
	contacts []msg.Header
}

// referLifetime is how long the subscription is said to last; the last NOTIFY comes before, because no target rings that long.
const referLifetime = 10 * time.Minute

// referred is a REFER.
func (c *Call) referred(l *leg, tx msg.ServerTx, req *msg.Message) {
	u, to, code := referTo(req)
	mode := c.snap.Signalling(l.trunk).ReferMode
	switch {
	case code != 0:
	case mode == sbc.ReferReject:
		code = 603
	case c.st.a == callerByeing || c.st.a == callerOver || c.st.b == calleeByeing || c.st.b == calleeOver:
		code = 481
	case mode == sbc.ReferPass:
		c.passRefer(l, tx, req, u, to)
		return
	case !c.ready():
		code = 500
	case l.untaken >= maxUntaken:
		code = 500
	case c.transfers >= maxTransfers:
		code = 603
	}
	if code != 0 {
		var hs []msg.Header
		if code == 500 { // nothing that lasts: another transfer, an ACK on its way, or too much that the peer has not answered
			hs = []msg.Header{{Name: "Retry-After", Value: "2"}}
		}
		c.send(tx, c.reply(l, req, code, hs...))
		return
	}
	rf := &refer{leg: l, local: tx.Local(), id: strconv.FormatUint(uint64(req.CSeq.Seq), 10), silent: strings.EqualFold(req.Get("Refer-Sub"), "false")}
	res := c.reply(l, req, 202)
	res.Append("Contact", c.contact(l, tx.Local()))
	if rf.silent { // RFC 4488 4
		res.Append("Refer-Sub", "false")
	}
	c.send(tx, res)
	c.notify(rf, 100, false) // RFC 3515 2.4.4: at once
	t := &transfer{place: c.placeOf(l), old: l, kept: c.other(l), refer: rf, by: string(l.side), number: to}
	if r, named, ok := replacesOf(u); named {
		code = 481
		if ok {
			code = c.merge(t, r)
		}
	} else {
		code = c.transferCall(t)
	}
	if code != 0 { // RFC 3515 2.4.5: what the request that was asked for came to
		c.neverBegun(t, code)
	}
}

// neverBegun is a transfer that did not even begin.
func (c *Call) neverBegun(t *transfer, code int) {
	c.notify(t.refer, code, true)
	before := c.tr
	c.tr = t
	c.tellTransfer("failed", code)
	c.tr = before
}

// notify tells who sent a REFER what became of it so far (RFC 3515 2.4.5); it gives false if nobody wants to know.
func (c *Call) notify(rf *refer, code int, last bool) (sent bool) {
	if rf == nil || rf.silent || rf.over || rf.leg.d == nil || rf.leg.untaken >= maxUntaken && !last {
		return false
	}
	rf.leg.untaken++
	req := rf.leg.d.Request(msg.NOTIFY)
	c.own(req)
	req.Append("Event", "refer;id="+rf.id)
	state := "active;expires=" + strconv.Itoa(int(referLifetime/time.Second))
	if last {
		state = "terminated;reason=noresource"
	}
	req.Append("Subscription-State", state)
	fragment := "SIP/2.0 " + strconv.Itoa(code) + " " + msg.StatusText(code) + "\r\n"
	if code/100 == 3 {
		for _, h := range rf.contacts {
			fragment += h.Name + ": " + h.Value + "\r\n"
		}
	}
	req.SetBody("message/sipfrag;version=2.0", []byte(fragment))
	r := &request{c: c, leg: rf.leg, kind: reqNotify, req: req, contact: true, refer: rf}
	// A peer that does not answer the last one is released all the same, and soon.
	r.send(rf.leg.d.Target(), msg.Timers{B: 4 * time.Second})
	if last {
		rf.over, rf.last = true, r
	}
	return true
}

// notified is the end of a NOTIFY of ours. Without the subscription there is nothing more to tell (RFC 6665 4.2.2).
func (c *Call) notified(r *request, code int) {
	if r.done {
		return
	}
	r.taken()
	if code == 481 || code == 408 {
		r.refer.over = true
	}
	if r.refer.last == r && c.former == r.leg {
		c.raise(evFormerTold)
	}
}
