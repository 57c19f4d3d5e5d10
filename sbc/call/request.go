package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// requestKind says what a request of ours is for.
type requestKind uint8

const (
	reqInvite requestKind = iota // opens the callee's leg
	reqBye
	reqChange // a re-INVITE or UPDATE carried on
	reqRelay  // another request carried on
	reqPing   // asks whether the peer is there
	reqDigit  // an INFO of ours with a digit
	reqNotify // tells what became of a REFER
	reqPRACK  // a PRACK of our own
	reqInfo   // an INFO of the API
	reqTold   // a NOTIFY of ours whose answer changes nothing
)

// request is a request of ours under way.
type request struct {
	c    *Call
	leg  *leg
	kind requestKind
	// side and attempt are the leg's when the request was sent: it is told from outside the queue that it was.
	side    sbc.Side
	attempt int
	// terms are those of the trunk to whose endpoint an INVITE goes, nil for others; they never change.
	terms *sbc.Terms
	req   *msg.Message
	tx    msg.ClientTx
	// contact asks for a Contact of ours: the request refreshes the target.
	contact bool
	// face is what of the other side's Contact shows in it, nil for nothing.
	face *face
	// from is the From of an INVITE, whose host is ours once the interface is known; open are the headers with a place for that
	// host.
	from msg.NameAddr
	open header.Open
	// settled is the request with the header rules applied, plain and bare what req and open were before them; nil where no rule changed
	// anything. A request that is made anew begins there.
	settled, plain *msg.Message
	bare           header.Open
	up             *update
	rl             *relay
	// sheet is a body with places for our host, nil for most.
	sheet *sheet
	// refer is whom a NOTIFY is for.
	refer *refer
	// hears hears what an INFO of the API is answered.
	hears func(sbc.InfoAnswer, error)
	// detached requests concern nobody any more: what comes for them is put in order and forgotten.
	detached bool
	acked    bool
	ackBody  []byte
	done     bool
	// again counts how often the same request was sent anew, with other words.
	again int
	// flows are further ways to the same phone, for an INVITE to a subscriber.
	flows []route.Phone
	// untold requests and their answers are left out of the ladder.
	untold bool
	// proving is what it was challenged for and answers, nil for most.
	proving *proving
}

// send hands the request to the wire.
func (r *request) send(t msg.Target, timers msg.Timers) {
	r.settle()
	if r.contact && r.leg.view != nil {
		r.face = r.c.faceFor(r.leg, r.carried())
	}
	if r.leg.prover != nil {
		r.prove()
	}
	r.side, r.attempt = r.leg.side, r.leg.attempt
	if r.kind == reqInvite && r.leg.endpointID != "" && r.leg.trunk != nil {
		r.terms = &r.leg.trunk.Terms
	}
	r.tx = r.c.m.o.Wire.Send(msg.Outbound{
		Request: r.req, Target: t, Timers: timers, Owner: r,
	})
}

// Prepare puts what depends on the interface the request leaves by.
func (r *request) Prepare(req *msg.Message, local msg.Local) {
	if r.kind == reqInvite && r.from.URI.Host == "" {
		from := r.from
		from.URI.Host = local.Host
		req.SetFrom(from)
	}
	r.open.Fill(req, local.Host)
	if r.sheet != nil {
		req.SetBody(r.sheet.kind, []byte(fill(r.sheet.body, local.Host)))
	}
	if r.contact {
		req.Set("Contact", r.face.contact(r.leg, local))
	}
	r.proving.put(req)
}

// Response brings a response to the call.
func (r *request) Response(_ msg.ClientTx, res *msg.Message) {
	r.c.post(job{kind: jobResponse, out: r, msg: res})
}

// Failed tells the call that there is no answer.
func (r *request) Failed(_ msg.ClientTx, err error) {
	r.c.post(job{kind: jobFailed, out: r, err: err})
}

// Sent puts what was sent into the ladder.
func (r *request) Sent(raw []byte, hop msg.Hop) {
	if r.untold {
		return
	}
	r.c.ladder.add(r.side, true, r.attempt, raw, hop)
}

// Next tells whether an answer of one address of the callee leads to its next one (msg.Chooser): those that let the call fail over do, for
// an INVITE that goes to an endpoint.
func (r *request) Next(code int) bool {
	if r.terms != nil {
		return r.terms.Advances(code)
	}
	return code == 503
}

// sequence is the CSeq number of an INVITE, whose message is gone once it was answered.
func (r *request) sequence() uint32 {
	if r.req == nil {
		return r.leg.inviteSeq
	}
	return r.req.CSeq.Seq
}

// opens makes the dialog that a response to an INVITE opens, whose message is gone once it was answered.
func (r *request) opens(res *msg.Message) *dialog.Dialog {
	if r.req == nil {
		return r.leg.d.Fork(*r.leg.uri, r.leg.inviteSeq, res)
	}
	return dialog.NewUAC(r.req, res)
}

// response is a response to a request of ours.
func (c *Call) response(r *request, res *msg.Message) {
	if !r.untold {
		attempt := r.leg.attempt
		if r.kind == reqInvite { // of a subscriber's phones, the one that answers
			attempt = r.attempt
		}
		c.ladder.add(r.leg.side, false, attempt, res.Raw, res.Hop)
	}
	res = c.received(r.leg, res)
	if !r.detached { // a phone that lost may be elsewhere
		r.leg.end.heard(res.Hop)
	}
	if r.leg.trunk != nil && c.challenged(r, res) {
		return
	}
	switch r.kind {
	case reqInvite:
		c.inviteResponse(r, res)
	case reqChange:
		c.changeResponse(r, res)
	case reqRelay:
		c.relayResponse(r, res)
	case reqPing:
		c.asked(r, res.Status)
	case reqDigit:
		c.digitTaken(r, res.Status)
	case reqInfo:
		if res.Status >= 200 {
			c.infoAnswered(r, res)
		}
	case reqNotify:
		if res.Status >= 200 {
			c.notified(r, res.Status)
		}
	case reqPRACK:
		if res.Status >= 200 {
			r.taken()
		}
	case reqBye:
		if res.Status >= 200 { // RFC 3261 15.1.1: over, whatever the answer is
			c.goneBye(r)
		}
	}
}

// failed is the end of a request of ours that had no final answer.
func (c *Call) failed(r *request, err error) {
	switch r.kind {
	case reqInvite:
		c.inviteFailed(r, err)
	case reqChange:
		c.changeFailed(r, err)
	case reqRelay:
		c.relayFailed(r, err)
	case reqPing:
		c.asked(r, 0)
	case reqInfo:
		c.infoFailed(r)
	case reqNotify:
		c.notified(r, 408)
	case reqPRACK:
		r.taken()
	case reqBye:
		c.goneBye(r)
	}
}

// maxUntaken bounds the NOTIFYs, PRACKs and INFOs of ours that one peer leaves unanswered: whoever makes us send them shall not make us keep
// any number of them.
const maxUntaken = 8

// taken notes the end of a NOTIFY, PRACK or INFO of ours.
func (r *request) taken() {
	if !r.done {
		r.done = true
		r.leg.untaken--
	}
}
