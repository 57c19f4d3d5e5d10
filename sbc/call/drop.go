package call

import "github.com/sallyport/sallyport/sbc/msg"

// How changes of the session end that nobody waits for any more.

// settles notes that a change has its final answer, or will have none.
func (r *request) settles() {
	if r.leg.changing == r {
		r.leg.changing = nil
	}
}

// giveUp drops what is under way because the sides change. What is on its way to a peer that stays is cancelled; until it has its
// final answer nothing else is sent there (RFC 3261 14.1).
func (c *Call) giveUp() {
	c.dropUpdates()
	for _, l := range [...]*leg{c.a, c.b} {
		if r := l.changing; r != nil && r.req.Method == msg.INVITE {
			r.tx.Cancel()
		}
	}
}

// dropUpdates answers whatever is under way when the call ends: RFC 3261 15.1.2 wants 487 for pending requests.
func (c *Call) dropUpdates() {
	c.dropProposals(nil)
	for _, u := range []*update{c.up, c.parked} {
		if u == nil {
			continue
		}
		if u.out != nil && u.phase == phaseAck && u.offer == nil && !u.out.acked && u.req.Method == msg.INVITE {
			c.ackChange(u.out) // its ACK waited for an answer that does not come
		}
		c.refuseUpdate(u, 487)
	}
	c.up, c.parked = nil, nil
	c.disarm(timerRetry)
	relays := c.relays
	c.relays = nil
	for _, r := range relays {
		c.send(r.tx, c.reply(r.from, r.req, 487))
	}
}
