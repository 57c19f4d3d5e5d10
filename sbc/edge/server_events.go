package edge

import (
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// wake sends again and ends states (timers G, H, I, J, L of RFC 3261 and RFC 6026).
func (t *serverTx) wake(now time.Duration) {
	t.shard.mu.Lock()
	if t.state == serverGone {
		t.shard.mu.Unlock()
		return
	}
	if t.ends != 0 && now >= t.ends {
		t.endLocked()
		return
	}
	if t.again == 0 || now < t.again {
		t.rescheduleLocked()
		t.shard.mu.Unlock()
		return
	}
	h, raw, l, to, state := t.handle, t.raw, t.link, t.to, t.state
	timers := &t.edge.o.Timers
	switch state {
	case serverTrying:
		t.again = 0
	case serverRinging:
		t.again += ringAgain
	default: // Timer G, and the 2xx of 13.3.1.4: doubling up to T2
		t.step = min(2*t.step, timers.T2)
		t.again += t.step
	}
	t.rescheduleLocked()
	t.shard.mu.Unlock()
	if state == serverTrying && h != nil {
		t.edge.trying(h)
		return
	}
	if state != serverRinging {
		t.edge.metrics.retransmissions.WithLabelValues("out", string(msg.INVITE)).Inc()
	}
	if h == nil {
		return
	}
	if err := t.edge.respond(h, raw, l, to); err != nil {
		t.edge.log.Debug("edge: repeating a response", "error", err)
	}
}

// endLocked ends a transaction whose time is up. It gives the lock back.
func (t *serverTx) endLocked() {
	h, state, loose, merged := t.handle, t.state, t.loose, t.merged
	if t.invite && state <= serverRinging && h != nil {
		t.ends = 0
		t.shard.mu.Unlock()
		if err := h.Respond(msg.NewResponse(h.req, 500, "")); err != nil {
			t.edge.log.Debug("edge: ending a forgotten INVITE", "error", err)
		}
		return
	}
	t.removeLocked()
	t.shard.mu.Unlock()
	if loose {
		t.edge.dropMerged(merged)
	}
	if t.invite && (state == serverAccepted || state == serverCompleted) {
		h.fail(msg.ErrNoAck)
	}
}

// trying sends the 100 of RFC 3261 17.2.1. It is not an answer of the owner's, who may still answer anything.
func (e *Edge) trying(h *serverHandle) {
	raw := e.encode(msg.NewResponse(h.req, 100, ""))
	t := h.tx
	t.shard.mu.Lock()
	if t.state != serverTrying {
		t.shard.mu.Unlock()
		return
	}
	t.state, t.raw, t.again = serverRinging, raw, 0
	t.rescheduleLocked()
	f, l, to := h.onSent, t.link, t.to
	t.shard.mu.Unlock()
	e.metrics.response("out", h.req.Method, 100)
	if err := e.respond(h, raw, l, to); err == nil && f != nil {
		f(raw, e.hop(l, to))
	}
}

// repeated absorbs a retransmission: the last answer is sent again, if there is one (RFC 3261 17.2.1, 17.2.2).
func (t *serverTx) repeated() {
	t.shard.mu.Lock()
	h, raw, l, to, state := t.handle, t.raw, t.link, t.to, t.state
	t.shard.mu.Unlock()
	switch {
	case state == serverTrying && t.invite && h != nil:
		t.edge.trying(h)
	case state == serverAccepted, len(raw) == 0: // RFC 6026 7.1: absorbed; the 2xx has its own timer
	default:
		if err := l.send(raw, to); err != nil {
			h.fail(msg.ErrTransport)
		}
	}
}

// acked takes the ACK of a failure in (Timer I); it is false for the ACK of a 2xx, which is the owner's.
func (t *serverTx) acked() bool {
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	switch t.state {
	case serverCompleted:
		t.state, t.raw, t.again, t.handle = serverConfirmed, nil, 0, nil
		if t.link.number() != 0 {
			t.removeLocked()
			return true
		}
		t.ends = t.edge.txs.now() + t.edge.o.Timers.T4
		t.rescheduleLocked()
		return true
	case serverConfirmed, serverTrying, serverRinging, serverGone:
		return true
	default:
		return false
	}
}

// cancel answers a CANCEL that matched (RFC 3261 9.2) and tells the owner, once, unless the INVITE has its final answer.
func (t *serverTx) cancel(m *msg.Message, l link) {
	t.shard.mu.Lock()
	h, open := t.handle, t.state <= serverRinging
	t.shard.mu.Unlock()
	res := msg.NewResponse(m, 200, "")
	if h != nil {
		res.SetToTag(h.toTag())
	} else {
		res.SetToTag(t.edge.tagFor(m))
	}
	raw := t.edge.encode(res)
	t.edge.metrics.response("out", msg.CANCEL, 200)
	to := answerTo(m, l)
	if err := l.send(raw, to); err != nil {
		t.edge.log.Debug("edge: answering a CANCEL", "error", err)
	}
	if h == nil {
		return
	}
	t.shard.mu.Lock()
	f, sent, first := h.onCancel, h.onSent, !h.cancelled
	h.cancelled = true
	tell := open && first && f != nil
	if open && first && f == nil {
		h.cancel = m
	}
	t.shard.mu.Unlock()
	if first && sent != nil {
		sent(raw, t.edge.hop(l, to))
	}
	if tell {
		f(m)
	}
}

// closed tells the owner that the edge is closed.
func (t *serverTx) closed() {
	t.shard.mu.Lock()
	h, state := t.handle, t.state
	t.state = serverGone
	t.shard.mu.Unlock()
	if h != nil && state <= serverAccepted {
		h.fail(msg.ErrClosed)
	}
}
