package call

import (
	"cmp"
	"errors"
	"mime"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

var errNoSDP = errors.New("call: SDP missing")

// fill puts our host where header left a place for it.
func fill(value, host string) string { return header.Fill(value, host) }

// filled is fill for all headers of a message; without a host those that need one are left out.
func filled(hs []msg.Header, host string) []msg.Header {
	out := hs[:0]
	for _, h := range hs {
		if strings.Contains(h.Value, header.HostToken) {
			if host == "" {
				continue
			}
			h.Value = fill(h.Value, host)
		}
		out = append(out, h)
	}
	return out
}

// relay is a request within the dialog that changes nothing of the session and is carried to the other side.
type relay struct {
	from, to *leg
	tx       msg.ServerTx
	req      *msg.Message
	// watch is the subscription that a SUBSCRIBE or NOTIFY is about.
	watch *watch
}

// maxRelays bounds the requests of a call that wait for the other side.
const maxRelays = 16

// passOn is an INFO or MESSAGE: both trunks must list the method.
func (c *Call) passOn(l *leg, tx msg.ServerTx, req *msg.Message) {
	if req.Method == msg.INFO && c.digitInfo(l, tx, req) {
		return
	}
	to := c.other(l)
	if !passes(l.trunk, req.Method) || to != nil && !passes(to.trunk, req.Method) {
		c.send(tx, c.reply(l, req, 405, msg.Header{Name: "Allow", Value: l.allow}))
		return
	}
	if len(req.Body) > 0 {
		kind, _, err := mime.ParseMediaType(req.Get("Content-Type"))
		if err != nil || !slices.Contains(header.Bodies(), kind) || req.Get("Content-Encoding") != "" { // RFC 3261 8.2.3
			c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: strings.Join(header.Bodies(), ", ")}))
			return
		}
	}
	c.relay(l, tx, req)
}

// passes tells whether a trunk lists a method.
func passes(t *sbc.Trunk, m msg.Method) bool {
	return t != nil && slices.Contains(t.PassMethods, string(m))
}

// relay carries a request to the other side's dialog, early or confirmed.
func (c *Call) relay(l *leg, tx msg.ServerTx, req *msg.Message) {
	rl := c.relayed(l, tx, req)
	if rl == nil {
		return
	}
	to := rl.to
	r := c.carryOn(l, to, req, reqRelay)
	r.rl, r.contact = rl, req.Method == msg.UPDATE
	if req.Method == msg.UPDATE {
		c.askTimer(to, r.req)
	}
	if len(req.Body) > 0 {
		r.req.SetBody(header.BodyType(req.Get("Content-Type")), req.Body)
		r.pass(c.snap.Header.Content(req, c.flow(l, to)))
	}
	r.send(to.d.Target(), msg.Timers{})
}

// relayed notes a request that is to be carried to the other side; nil if that cannot be, which is answered then.
func (c *Call) relayed(l *leg, tx msg.ServerTx, req *msg.Message) *relay {
	to := c.other(l)
	switch {
	case c.st.a == callerByeing || c.st.a == callerOver || c.st.b == calleeByeing || c.st.b == calleeOver:
		c.send(tx, c.reply(l, req, 481))
		return nil
	case to == nil || to.d == nil || !c.present(to) || to == c.a && c.rec.progressAt.IsZero() && c.st.a == callerInviting:
		c.send(tx, c.reply(l, req, 480)) // the other side has no dialog yet
		return nil
	case len(c.relays) >= maxRelays:
		c.send(tx, c.reply(l, req, 500, msg.Header{Name: "Retry-After", Value: "1"}))
		return nil
	}
	rl := &relay{from: l, to: to, tx: tx, req: req}
	c.relays = append(c.relays, rl)
	return rl
}

// relayResponse carries the final answer back.
func (c *Call) relayResponse(r *request, res *msg.Message) {
	if res.Status < 200 || !c.unrelay(r.rl) {
		return
	}
	rl := r.rl
	said := res
	if rl.req.Method == msg.UPDATE && res.Status >= 300 {
		said = c.mapped(rl.to, res)
	}
	code := translate(said.Status)
	if rl.watch != nil {
		code = c.answeredWatch(rl, res, code)
	}
	var hs []msg.Header
	if code == 405 {
		hs = []msg.Header{{Name: "Allow", Value: rl.from.allow}}
	}
	out := c.reply(rl.from, rl.req, code, hs...)
	if said != res && code == said.Status {
		out.Reason = cmp.Or(said.Reason, out.Reason)
	}
	if rl.req.Method == msg.UPDATE && res.Status/100 == 2 { // RFC 3311 5.2: it refreshes both targets
		rl.to.d.Refresh(res)
		rl.from.d.Refresh(rl.req)
		out.Append("Contact", c.contact(rl.from, rl.tx.Local()))
		c.timerAgreed(rl.to, r.req, res)
		c.answerTimer(rl.from, rl.req, out)
		c.keep()
	}
	if rl.watch != nil {
		c.answerWatch(rl, res, out)
	}
	c.passTo(out, res, rl.to, rl.tx)
	c.send(rl.tx, out)
	if res.Status == 481 && rl.watch == nil { // RFC 5057 5.1: the dialog is gone, but where only a subscription is
		c.lost(rl.to)
	}
}

// relayFailed is a request that the other side did not answer. The call goes on: devices are found that are deaf to INFO.
func (c *Call) relayFailed(r *request, err error) {
	if !c.unrelay(r.rl) {
		return
	}
	code, _ := failureCode(err)
	if r.rl.watch != nil {
		code = c.answeredWatch(r.rl, nil, code)
	}
	c.send(r.rl.tx, c.reply(r.rl.from, r.rl.req, code))
}

// unrelay takes a request off the list of those under way; false if it is not there.
func (c *Call) unrelay(rl *relay) bool {
	i := slices.Index(c.relays, rl)
	if i < 0 {
		return false
	}
	c.relays = slices.Delete(c.relays, i, i+1)
	return true
}
