package call

import (
	"errors"
	"slices"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// A trunk may challenge what we send it (RFC 3261 22.2, 22.3). With credentials the request goes out once more, as it was, and neither
// the machine nor the other side hears of it; without them, or when they are refused, the challenge is a failure like others.

// prover answers the challenges of a leg's trunk.
type prover struct {
	client digest.Client
	// shown are the credentials of the newest INVITE that was answered with 2xx: its ACK repeats them (RFC 3261 13.2.2.4).
	shown []msg.Header
}

// proving is what a request was challenged for, and what it brings.
type proving struct {
	try    digest.Try
	proofs []digest.Proof
}

// credentialNames are the headers of answers.
var credentialNames = [...]string{"Authorization", "Proxy-Authorization"}

// prove has a request bring credentials for what the trunk has asked before.
func (r *request) prove() {
	proofs := r.leg.prover.client.Proofs()
	if proofs == nil && r.proving == nil {
		return
	}
	p := &proving{proofs: proofs}
	if r.proving != nil {
		p.try = r.proving.try
	}
	r.proving = p
}

// put writes the credentials on a request that is complete but for its Via. Nobody asked for them where p is nil.
func (p *proving) put(req *msg.Message) {
	if p == nil {
		return
	}
	for _, name := range credentialNames {
		req.Remove(name)
	}
	for i := range p.proofs {
		req.Append(p.proofs[i].Header(string(req.Method), req.RequestURI.String(), req.Body))
	}
}

// repeat puts the credentials of the INVITE on its ACK.
func (p *prover) repeat(ack *msg.Message) *msg.Message {
	if p != nil {
		for _, h := range p.shown {
			ack.Append(h.Name, h.Value)
		}
	}
	return ack
}

// challenged deals with a response of a trunk: true says that it was a challenge, and the request was sent again.
func (c *Call) challenged(r *request, res *msg.Message) bool {
	l := r.leg
	switch {
	case res.Status/100 == 2 && l.prover != nil && r.req != nil && r.req.Method == msg.INVITE:
		l.prover.shown = nil
		for _, name := range credentialNames {
			for _, v := range r.req.GetAll(name) {
				l.prover.shown = append(l.prover.shown, msg.Header{Name: name, Value: v})
			}
		}
		return false
	case res.Status != 401 && res.Status != 407, r.req == nil, l.who != nil, !c.awaited(r):
		return false
	}
	if l.prover == nil {
		k := c.snap.Credentials(l.trunk)
		if k == nil {
			return false
		}
		l.prover = &prover{client: digest.Client{Username: k.Username, Password: k.Password, Realm: k.Realm}}
	}
	if r.proving == nil {
		r.proving = &proving{}
	}
	err := l.prover.client.Heard(&r.proving.try, res.GetAll("WWW-Authenticate"), res.GetAll("Proxy-Authenticate"))
	if err != nil {
		if errors.Is(err, digest.ErrRefused) {
			c.m.o.Log.Warn("a trunk refuses our credentials", "call_id", c.id, "trunk_id", l.trunk.ID, "status", res.Status)
		} else {
			c.m.o.Log.Info("a challenge is not answered", "call_id", c.id, "trunk_id", l.trunk.ID, "error", err)
		}
		return false
	}
	c.sendAgain(r)
	return true
}

// awaited tells whether somebody still wants what a challenged request is for.
func (c *Call) awaited(r *request) bool {
	switch r.kind {
	case reqInvite:
		return !r.done && !r.detached && c.awaits(r.leg)
	case reqChange:
		return !r.done && r.up != nil && c.up == r.up && r.up.out == r
	case reqRelay:
		return slices.Contains(c.relays, r.rl)
	}
	return !r.done
}

// sendAgain sends a request once more, to the server that challenged it: another may not know the nonce.
func (c *Call) sendAgain(r *request) {
	l, hop, before := r.leg, r.tx.Hop(), r.req.CSeq.Seq
	req := *r.req
	req.Headers = slices.Clone(req.Headers)
	req.Remove("Via")
	if d := l.knows(&req); d != nil {
		d.Renumber(&req)
	} else {
		req.SetCSeq(before+1, req.Method)
	}
	r.req, r.settled = &req, &req
	switch r.kind {
	case reqInvite:
		l.inviteSeq = req.CSeq.Seq
	case reqRelay:
		for _, w := range c.watches { // RFC 3515 2.4.6: its NOTIFYs name its number
			if req.Method == msg.REFER && w.to == l && w.name == eventRefer && w.out == seq(before) {
				w.out = seq(req.CSeq.Seq)
			}
		}
	}
	to := hop.Again(hop.Interface)
	to.Secure = r.kind == reqInvite && c.sips()
	r.send(to, c.patience(r))
}

// patience are the timers of a request that is sent once more.
func (c *Call) patience(r *request) msg.Timers {
	switch r.kind {
	case reqInvite:
		return inviteTimers(r.leg.trunk)
	case reqPing:
		return msg.Timers{B: min(c.pingEvery(r.leg), 64*msg.DefaultT1)}
	case reqNotify:
		return msg.Timers{B: 4 * time.Second}
	}
	return msg.Timers{}
}

// knows finds the dialog that a request of ours was built in, nil for one that opens a dialog or is in one that nobody kept.
func (l *leg) knows(req *msg.Message) *dialog.Dialog {
	tag := req.To.Tag()
	for _, d := range append([]*dialog.Dialog{l.d}, l.forks...) {
		if d != nil && tag != "" && d.RemoteTag() == tag {
			return d
		}
	}
	return nil
}
