package call

import (
	"bytes"
	"errors"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Early media and early offers. Each fork of an attempt is a dialog of its own with an answer of its own; the caller hears the
// one that spoke last, and after the 2xx the one that answered.

// fork is what is known of one dialog of an attempt before its 2xx.
type fork struct {
	d    *dialog.Dialog
	rseq uint32 // of the newest reliable response, 0 before the first (RFC 3262 4)
	// sdp is the answer it gave last; nil before, and after a later round of offer and answer.
	sdp []byte
	// agreed says that its answer came reliably, or that its offer was answered: nothing in its 2xx can change that, and either
	// side may offer again.
	agreed bool
}

// early finds what is known of a dialog of the leg, and begins it.
func (l *leg) early(d *dialog.Dialog) *fork {
	if f := l.forkOf(d); f != nil {
		return f
	}
	if len(l.earlies) > maxForks {
		l.earlies = l.earlies[1:]
	}
	f := &fork{d: d}
	l.earlies = append(l.earlies, f)
	return f
}

// forkOf finds what is known of a dialog of the leg; nil if nothing is.
func (l *leg) forkOf(d *dialog.Dialog) *fork {
	for _, f := range l.earlies {
		if f.d == d {
			return f
		}
	}
	return nil
}

// heardFrom keeps the answer of a provisional response, for a 2xx that has none.
func (l *leg) heardFrom(d *dialog.Dialog, res *msg.Message, rseq uint32) {
	if body, _ := sessionBody(res); body != nil && d != nil {
		if f := l.early(d); !f.agreed {
			f.sdp, f.agreed = body, rseq != 0
		}
	}
}

// firstAnswer gives the SDP that counts where a 2xx has come: of the answers in a dialog the first reliable one (RFC 3261
// 13.2.1). Devices are found that think the SDP of an unreliable 183 was enough.
func (l *leg) firstAnswer(body []byte) []byte {
	if f := l.forkOf(l.d); f != nil && (f.agreed || body == nil) {
		return f.sdp
	}
	return body
}

// earlySDP gives what the caller shall see of a provisional response's SDP. With an INVITE without an offer that is the callee's
// offer, x, if it came reliably and the caller can answer it in a PRACK.
func (c *Call) earlySDP(res *msg.Message, theirs uint32) (sdp []byte, x Exchange) {
	body, _ := sessionBody(res)
	l := c.b
	if body == nil || l.d == nil {
		return nil, nil
	}
	f := l.early(l.d)
	switch {
	case c.hunt.offer != nil && f.agreed: // RFC 3261 13.2.1: the first answer counts
		if f.sdp == nil {
			return nil, nil
		}
		body = f.sdp
	case c.hunt.offer == nil && (theirs == 0 || c.a.assurance == assureNever || f.agreed):
		return nil, nil
	}
	c.session.Signalling(l.party, res.Hop.Remote.Addr())
	if c.hunt.offer == nil {
		return c.earlyOffer(body)
	}
	answer, err := c.answerBy(l, body)
	if err != nil {
		c.m.o.Log.Debug("early answer not relayed", "call_id", c.id, "error", err)
		return nil, nil
	}
	f.sdp, f.agreed = body, f.agreed || theirs != 0
	c.answer = answer
	return answer, nil
}

// earlyOffer carries the callee's offer to the caller. One that cannot be carried ends the attempt.
func (c *Call) earlyOffer(body []byte) ([]byte, Exchange) {
	c.goDirect(c.b, c.b, body)
	x, err := c.session.Offer(c.b.party, c.a.party, body)
	if err != nil {
		c.m.o.Log.Debug("early offer not relayed", "call_id", c.id, "error", err)
		c.hunt.failed(c.b, 0, "media", mediaCode(err), sbc.EndError)
		c.raise(evRungOut)
		return nil, nil
	}
	c.exchange = x
	return x.Offer(), x
}

// earlyAnswer takes the caller's answer out of the PRACK for a response with an offer, and gives what the callee is told.
func (c *Call) earlyAnswer(e *assured, body []byte) (answer []byte, ok bool) {
	if body == nil {
		return nil, false
	}
	answer, err := e.offer.Answer(body)
	if err != nil {
		c.m.o.Log.Debug("early answer not relayed", "call_id", c.id, "error", err)
		return nil, false
	}
	if e.fork != nil {
		e.fork.agreed = true
	}
	return answer, true
}

// answerBy completes the caller's offer with an answer of the callee's. Where a later round of one fork ended the exchange, the
// answer of another one begins it anew.
func (c *Call) answerBy(l *leg, body []byte) ([]byte, error) {
	if c.exchange != nil {
		answer, err := c.exchange.Answer(body)
		if !errors.Is(err, media.ErrClosed) {
			return answer, err
		}
	}
	x, err := c.session.Offer(c.a.party, l.party, c.hunt.offer)
	if err != nil {
		return nil, err
	}
	c.exchange = x
	return x.Answer(body)
}

// provisional sends a provisional response to the caller: reliably if that is its way and the caller can.
func (c *Call) provisional(res *msg.Message) {
	theirs := c.reliableSeq(c.b, res)
	sdp, x := c.earlySDP(res, theirs)
	if len(c.events) > 0 { // the attempt was just given up
		return
	}
	if sdp != nil && c.rel != nil && c.rel.said != nil {
		switch {
		case bytes.Equal(sdp, c.rel.said): // RFC 3261 13.2.1: no SDP after the answer
			sdp = nil
		case len(c.a.forks) < maxForks:
			c.branch()
		default: // enough is enough: the 200 will tell
			sdp = nil
		}
	}
	out := c.dialogReply(res.Status)
	if sdp != nil {
		out.SetBody(accepted, sdp)
	}
	c.passResponse(out, res, c.b)
	if !c.assures(theirs) {
		c.send(c.tx, out)
		return
	}
	e := &assured{res: out, leg: c.b, offer: x, sdp: sdp != nil}
	if f := c.b.forkOf(c.b.d); f != nil && theirs != 0 && c.toCaller(c.b, f, res) {
		e.fork, e.theirs = f, theirs
	}
	if !c.assure(e) && e.fork != nil {
		c.prack(c.b, e.fork.d, e.theirs)
	}
}

// open tells whether the session may be changed before the call is answered (RFC 3311 5.1): the first round is complete,
// reliably, with the caller and with the callee's dialog that was heard last.
func (c *Call) open(to *leg) bool {
	if c.st.a != callerInviting || c.st.b != calleeRinging && c.st.b != calleeUp || c.rel == nil || !c.rel.agreed {
		return false
	}
	f := c.b.forkOf(c.b.d)
	return f != nil && f.agreed && to != nil && to.updates != answerNo
}

// reanswered notes that the callee's dialog has been through another round before its 2xx.
func (c *Call) reanswered() {
	if f := c.b.forkOf(c.b.d); f != nil {
		f.sdp = nil
	}
}
