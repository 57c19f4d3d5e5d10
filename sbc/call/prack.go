package call

import (
	"fmt"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// What a callee sends reliably (RFC 3262): we are the client of its INVITE.

// offerReliable says in our INVITE what the leg's mode and the caller allow. Where the callee would have to make the offer, it
// may do so reliably only if the caller can answer in a PRACK.
func (c *Call) offerReliable(req *msg.Message, l *leg) {
	can := c.hunt.offer != nil || c.tr != nil && c.tr.target == l || c.a.assurance != assureNever
	switch mode := c.reliability(l); {
	case mode == sbc.ReliableRequire, mode == sbc.ReliablePass && c.a.assurance == assureAlways:
		req.Append("Require", optionReliable)
		support(req, optionReliable)
	case mode == sbc.ReliableTerminate && can, mode == sbc.ReliablePass && c.a.assurance == assureMay:
		support(req, optionReliable)
	}
}

// support adds an option to those we support: in one header, because devices are found that read but the first.
func support(req *msg.Message, option string) {
	if now := req.Get("Supported"); now != "" {
		option = now + ", " + option
	}
	req.Set("Supported", option)
}

// unanswerable tells whether an attempt would have to make an offer that nobody could answer: its trunk demands 100rel, the
// caller offered nothing and cannot send PRACK.
func (c *Call) unanswerable(l *leg) bool {
	return c.hunt.offer == nil && c.a.assurance == assureNever && c.reliability(l) == sbc.ReliableRequire
}

// reliableSeq gives the number of a response that its sender wants acknowledged, 0 if it does not.
func (c *Call) reliableSeq(l *leg, res *msg.Message) uint32 {
	if res.Status <= 100 || res.Status >= 200 || !res.Has("RSeq") || !asks(res, "Require", optionReliable) ||
		c.reliability(l) == sbc.ReliableOff {
		return 0
	}
	n, err := strconv.ParseUint(res.Get("RSeq"), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// inOrder takes a provisional response of the callee by RFC 3262 4 and acknowledges it, unless that is up to the caller. It is
// false for one that came before, or before its turn: that will come again.
func (c *Call) inOrder(l *leg, d *dialog.Dialog, res *msg.Message) bool {
	n := c.reliableSeq(l, res)
	if n == 0 || d == nil {
		return true
	}
	f := l.early(d)
	if f.rseq != 0 && n != f.rseq+1 || l.untaken >= maxUntaken {
		return false
	}
	f.rseq = n
	l.hears(res)
	if !c.toCaller(l, f, res) {
		c.prack(l, d, n)
	}
	return true
}

// toCaller tells whether the PRACK for a reliable response is left to the caller: it is carried through, or the response has an
// offer that only the caller can answer.
func (c *Call) toCaller(l *leg, f *fork, res *msg.Message) bool {
	if c.st.b != calleeCalling && c.st.b != calleeRinging || res.Status == 199 || c.a.assurance == assureNever {
		return false
	}
	if c.through() {
		return true
	}
	body, _ := sessionBody(res)
	return c.hunt.offer == nil && body != nil && !f.agreed
}

// rack names the response of an INVITE that a PRACK acknowledges (RFC 3262 7.2).
func rack(rseq, inviteSeq uint32) string { return fmt.Sprintf("%d %d INVITE", rseq, inviteSeq) }

// prack acknowledges a reliable response by ourselves. What becomes of the PRACK is of no interest: a callee that cannot take it
// ends its INVITE.
func (c *Call) prack(l *leg, d *dialog.Dialog, rseq uint32) { c.prackOf(l, d, rseq, l.inviteSeq) }

// prackOf is prack for a response to the INVITE with a number, which may be a re-INVITE.
func (c *Call) prackOf(l *leg, d *dialog.Dialog, rseq, inviteSeq uint32) {
	l.untaken++
	r := &request{c: c, leg: l, kind: reqPRACK, req: d.Request(msg.PRACK)}
	r.req.Append("RAck", rack(rseq, inviteSeq))
	c.own(r.req)
	r.send(d.Target(), msg.Timers{})
}

// passPRACK answers the caller's PRACK: by the callee, if its own response waits for it or an offer came along, else at once.
func (c *Call) passPRACK(e *assured, tx msg.ServerTx, req *msg.Message, body []byte) {
	switch {
	case body != nil && e.offer == nil:
		c.offerInPRACK(e, tx, req, body)
	case e.fork == nil:
		c.send(tx, c.reply(c.a, req, 200))
	default:
		c.relayPRACK(e, tx, req, body)
	}
}

// relayPRACK carries a PRACK to the callee, with the answer to its offer if there was one.
func (c *Call) relayPRACK(e *assured, tx msg.ServerTx, req *msg.Message, answer []byte) {
	rl := &relay{from: c.a, to: c.b, tx: tx, req: req}
	c.relays = append(c.relays, rl)
	r := c.carryAs(msg.PRACK, c.a, c.b, e.fork.d, req)
	r.kind, r.rl = reqRelay, rl
	r.req.Append("RAck", rack(e.theirs, c.b.inviteSeq))
	if answer != nil {
		r.req.SetBody(accepted, answer)
	}
	r.send(e.fork.d.Target(), msg.Timers{})
}

// offerInPRACK is a PRACK that brings another offer (RFC 3262 5): it travels in the PRACK to the callee if there is one to be
// sent, else as an UPDATE (RFC 3311). The response counts as acknowledged even if the offer is refused (RFC 6337 2.3).
func (c *Call) offerInPRACK(e *assured, tx msg.ServerTx, req *msg.Message, offer []byte) {
	u := &update{from: c.a, to: c.b, tx: tx, req: req, offer: offer, as: msg.UPDATE}
	code := c.glare(c.a, msg.PRACK)
	if e.fork != nil && e.fork.d == c.b.d {
		u.as, u.rack = msg.PRACK, rack(e.theirs, c.b.inviteSeq)
		if c.up == nil && c.st.a == callerInviting {
			code = 0
		}
	}
	if code == 0 {
		c.begin(u)
		return
	}
	if e.fork != nil {
		c.prack(c.b, e.fork.d, e.theirs)
	}
	c.send(tx, c.reply(c.a, req, 488))
}
