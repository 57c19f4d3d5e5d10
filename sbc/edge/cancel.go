package edge

import (
	"github.com/sallyport/sallyport/sbc/msg"
)

// cancelLocked enters the time after a CANCEL: the INVITE has 64*T1 to come to its end (RFC 3261 9.1). It is false if that has
// happened before.
func (t *try) cancelLocked() bool {
	if t.cancelSent {
		return false
	}
	t.cancelSent, t.again = true, 0
	t.ends = t.edge.txs.now() + 64*t.timers.T1
	t.rescheduleLocked()
	return true
}

// sendCancel sends the CANCEL as a transaction of its own, the same way as the INVITE.
func (t *try) sendCancel(headers []msg.Header) {
	t.shard.mu.Lock()
	request := t.raw
	tell := t.tx != nil && t.tx.work != nil
	t.shard.mu.Unlock()
	if request == nil { // the final response came first
		return
	}
	m, err := cancelFor(request, headers)
	if err != nil {
		t.edge.log.Error("edge: making a CANCEL", "error", err)
		return
	}
	k, _ := t.edge.txs.clientKey(m.Via.Branch(), msg.CANCEL)
	c := &try{
		edge: t.edge, shard: t.shard, timers: t.timers, iface: t.iface, link: t.link, to: t.to, key: k,
		raw: t.edge.encode(m), label: string(msg.CANCEL),
	}
	c.owner = c
	hop := t.edge.hop(t.link, t.to)
	t.shard.mu.Lock()
	c.beginLocked(false)
	if tell && t.tx != nil {
		t.tx.queueLocked(event{note: &note{raw: c.raw, hop: hop}})
	}
	raw := c.raw
	t.shard.mu.Unlock()
	t.edge.metrics.request("out", msg.CANCEL, t.iface.Transport)
	if err := t.link.send(raw, t.to); err != nil {
		t.edge.log.Debug("edge: sending a CANCEL", "error", err)
	}
}

// cancelFor makes the CANCEL of a request as it was sent (RFC 3261 9.1).
func cancelFor(request []byte, headers []msg.Header) (*msg.Message, error) {
	m, req, err := fellow(request, msg.CANCEL)
	if err != nil {
		return nil, err
	}
	m.Append("To", req.Get("To"))
	for _, h := range headers {
		m.Append(h.Name, h.Value)
	}
	return m, nil
}

// ackFor makes the ACK of a failed INVITE (RFC 3261 17.1.1.3): To is the response's.
func ackFor(request []byte, res *msg.Message) (*msg.Message, error) {
	m, _, err := fellow(request, msg.ACK)
	if err != nil {
		return nil, err
	}
	m.Append("To", res.Get("To"))
	return m, nil
}

// fellow begins a request that belongs to another one hop by hop: same Request-URI, topmost Via, Route, From, Call-ID and number.
// The request is read from the bytes that were sent, because its owner may have changed the message since.
func fellow(request []byte, method msg.Method) (m, req *msg.Message, err error) {
	if req, err = msg.Parse(request); err != nil {
		return nil, nil, err
	}
	m = msg.NewRequest(method, req.RequestURI)
	m.PrependVia(req.Via)
	m.SetMaxForwards(70)
	for _, r := range req.GetAll("Route") {
		m.Append("Route", r)
	}
	m.Append("From", req.Get("From"))
	m.Append("Call-ID", req.CallID)
	m.SetCSeq(req.CSeq.Seq, method)
	return m, req, nil
}
