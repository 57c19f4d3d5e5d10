package call

import "github.com/sallyport/sallyport/sbc/msg"

// Reliable provisional responses (RFC 3262) to what is not the first INVITE. A re-INVITE of ours does not list 100rel, so its
// answer should bring none; devices are found that remember what the first INVITE said, and repeat theirs for 32 s and then
// give up (RFC 3262 3) unless they get a PRACK. So they get one, and the answer that came along counts for a 2xx without. None
// is passed on: to a re-INVITE of a peer the border says 100 and then what was decided, which also meets one that requires
// 100rel, for that speaks of provisional responses that are sent.

// assuredChange acknowledges a reliable provisional response to a re-INVITE of ours. One whose offer would have to be answered
// in the PRACK (RFC 3262 5), because ours had none, is left alone: it may not be, and the same offer comes in the 2xx.
func (c *Call) assuredChange(r *request, res *msg.Message) {
	u, l := r.up, r.leg
	n := c.reliableSeq(l, res)
	if n == 0 || u == nil || r.done || r.req.Method != msg.INVITE || r.leg.d == nil || l.untaken >= maxUntaken {
		return
	}
	body, _ := sessionBody(res)
	switch {
	case u.rseq != 0 && n != u.rseq+1: // RFC 3262 4: it came before, or comes again in its turn
		return
	case body != nil && r.req.Body == nil:
		return
	}
	if u.rseq = n; u.assured == nil { // RFC 3261 13.2.1: the first answer counts
		u.assured = body
	}
	c.prackOf(l, l.d, n, r.req.CSeq.Seq)
}

// answerIn gives the SDP that counts where a 2xx has come for a change: the first that came reliably, else its own.
func (u *update) answerIn(res *msg.Message) []byte {
	if u.assured != nil {
		return u.assured
	}
	body, _ := sessionBody(res)
	return body
}
