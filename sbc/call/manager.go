package call

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Manager carries the calls of a node. It is safe for concurrent use.
type Manager struct {
	o       Options
	calls   *registry
	tokens  tokens
	past    *past
	metrics *metrics
	counts  *counts
	keeper  *keeper // nil keeps nothing

	closing sync.Mutex
	closed  bool
	idle    chan struct{}
	idleOK  bool
}

// New makes a Manager without calls.
func New(o Options) *Manager {
	o = o.withDefaults()
	m := &Manager{o: o, calls: newRegistry(), past: newPast(o.TraceBytes), idle: make(chan struct{})}
	m.metrics, m.counts = newMetrics(o.Registerer), newCounts()
	m.keeper = newKeeper(m)
	return m
}

// Handle takes a request for which a transaction exists: an INVITE makes a call, a request with our tag goes to its call's queue,
// OPTIONS is answered, everything else refused (RFC 3261 8.2). It does not block.
func (m *Manager) Handle(tx msg.ServerTx, req *msg.Message) {
	if tag := req.To.Tag(); tag != "" {
		m.inDialog(tx, req, tag)
		return
	}
	switch {
	case req.Method == msg.INVITE:
		m.invite(tx, req, nil)
		return
	case misplaced(req):
		m.respond(tx, m.response(req, 400))
		return
	}
	switch req.Method {
	case msg.OPTIONS:
		m.options(tx, req)
	case msg.ACK:
	case msg.CANCEL: // nothing was found that it could cancel (RFC 3261 9.2)
		m.respond(tx, m.response(req, 481))
	default:
		res := m.response(req, 405)
		res.Append("Allow", allow())
		m.respond(tx, res)
	}
}

// inDialog hands a request to the call whose tag it bears.
func (m *Manager) inDialog(tx msg.ServerTx, req *msg.Message, tag string) {
	e := m.calls.tag(tag)
	switch {
	case e == nil:
	case !e.gone.Load():
		if !e.owner().post(job{kind: jobRequest, leg: e.leg, tx: tx, msg: req}) {
			res := m.response(req, 503)
			res.Append("Retry-After", "1")
			m.respond(tx, res)
		}
		return
	case req.Method == msg.BYE:
		m.late(tx, req)
		return
	}
	m.respond(tx, m.response(req, 481)) // RFC 3261 12.2.2
}

// late answers a request of a dialog that has just ended: where two BYEs missed each other there is nothing left to refuse.
func (m *Manager) late(tx msg.ServerTx, req *msg.Message) {
	code := 481
	if req.Method == msg.BYE {
		code = 200
	}
	m.respond(tx, m.response(req, code))
}

// invite makes a call of an INVITE outside a dialog.
func (m *Manager) invite(tx msg.ServerTx, req *msg.Message, from *Origin) {
	if m.stopped() {
		m.busy(tx, req)
		return
	}
	if concerns(req) && m.takeover(tx, req, from) {
		return
	}
	m.newCall(tx, req, from)
}

// newCall makes a call of an INVITE that names no other dialog.
func (m *Manager) newCall(tx msg.ServerTx, req *msg.Message, from *Origin) {
	snap := m.o.Snapshot()
	var d decision
	ok := true
	if from != nil {
		d = m.decideFrom(snap, from, req, live)
	} else {
		d, ok = m.decide(snap, req, nil, live)
		m.returns(snap, &d, live)
		d.asks()
	}
	if !ok { // the configuration changed since Admit
		m.respond(tx, m.response(req, 403))
		return
	}
	c := newCall(m, snap, tx, req, d)
	if !m.calls.addCall(c, m.o.MaxCalls) && (!c.decision.helps(snap) || !m.calls.addCall(c, math.MaxInt)) {
		m.busy(tx, req)
		return
	}
	c.appeared()
	m.calls.addTag(c.a.tag, c.a.end)
	tx.SetTag(c.a.tag)
	tx.OnCancel(func(cancel *msg.Message) { c.post(job{kind: jobCancel, tx: tx, msg: cancel}) })
	tx.OnFailed(func(err error) { c.post(job{kind: jobTxFailed, tx: tx, err: err}) })
	tx.OnSent(func(raw []byte, hop msg.Hop) { c.ladder.add(sbc.SideCaller, true, 0, raw, hop) })
	c.post(job{kind: jobStart})
	if m.stopped() { // Close may have looked for calls just before this one was there
		c.post(job{kind: jobHangUp, stop: stopOrder{reason: sbc.EndShutdown}})
	}
}

// busy refuses a new call while the node is full or stopping (RFC 3261 21.5.4).
func (m *Manager) busy(tx msg.ServerTx, req *msg.Message) {
	m.metrics.blocked.WithLabelValues("node").Inc()
	res := m.response(req, 503)
	res.Append("Retry-After", "10")
	m.respond(tx, res)
}

// options answers a keep-alive or a question for our capabilities (RFC 3261 11.2).
func (m *Manager) options(tx msg.ServerTx, req *msg.Message) {
	if m.stopped() {
		m.busy(tx, req)
		return
	}
	m.respond(tx, m.capabilities(req))
}

// capabilities is the 200 to OPTIONS.
func (m *Manager) capabilities(req *msg.Message) *msg.Message {
	if bad := unsupported(req, optionTimer, optionReliable); bad != "" {
		res := m.response(req, 420)
		res.Append("Unsupported", bad)
		return res
	}
	res := m.response(req, 200)
	res.Append("Allow", allow())
	res.Append("Accept", accepted)
	res.Append("Accept-Encoding", "identity")
	res.Append("Supported", optionTimer+", "+optionReliable+", replaces, norefersub") // RFC 3891 6.2, RFC 4488 5
	return res
}

// response begins a response with our name on it; a To tag is put where there is none.
func (m *Manager) response(req *msg.Message, code int) *msg.Message {
	res := msg.NewResponse(req, code, "")
	if code > 100 && res.To.Tag() == "" && req.To.Tag() == "" {
		res.SetToTag(msg.NewTag())
	}
	res.Append("Server", m.o.ServerName)
	return res
}

// respond sends a response of a transaction that no call waits for.
func (m *Manager) respond(tx msg.ServerTx, res *msg.Message) {
	if err := tx.Respond(res); err != nil { // the transport is gone, and the peer with it
		m.o.Log.Debug("response not sent", "status", res.Status, "error", err)
	}
}

// Ack takes an ACK: that of a 2xx of ours, or one that matches nothing. It does not block.
func (m *Manager) Ack(ack *msg.Message) {
	e := m.calls.tag(ack.To.Tag())
	if e == nil || e.gone.Load() {
		return // RFC 3261 17: an ACK is never answered
	}
	if !m.fromPeer(m.o.Snapshot(), e, ack) {
		m.intruded(e, ack, badSource)
		return
	}
	e.owner().post(job{kind: jobAck, leg: e.leg, msg: ack})
}

// HangUp ends a call with BYE, CANCEL or a final response on both legs. It returns when the call has begun to end. Errors:
// CodeNotFound.
func (m *Manager) HangUp(_ context.Context, id, reason string) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	c.order(func() { c.stop(stopOrder{reason: sbc.EndAdmin, text: reason}) })
	return nil
}

// Close refuses new calls, hangs up all others and waits until they are over or ctx ends; then those left are written off with
// their records. Peers that do not answer our BYE are no fault of ours: that is logged and the error is nil.
func (m *Manager) Close(ctx context.Context) error {
	m.closing.Lock()
	m.closed = true
	m.signalIdle()
	m.closing.Unlock()
	for _, c := range m.calls.all("") {
		c.post(job{kind: jobHangUp, stop: stopOrder{reason: sbc.EndShutdown}})
	}
	select {
	case <-m.idle:
		return nil
	case <-ctx.Done():
	}
	left := m.calls.all("")
	for _, c := range left {
		c.look(c.abandon)
	}
	m.o.Log.Warn("calls written off: their peers did not end them in time", "calls", len(left), "cause", context.Cause(ctx))
	return nil
}

// stopped tells whether new calls are refused.
func (m *Manager) stopped() bool {
	m.closing.Lock()
	defer m.closing.Unlock()
	return m.closed
}

// forget takes an ended call out of the registry.
func (m *Manager) forget(c *Call) {
	m.keeper.over(c)
	m.calls.removeCall(c)
	m.closing.Lock()
	m.signalIdle()
	m.closing.Unlock()
}

// signalIdle wakes Close when the last call is over; the lock is held.
func (m *Manager) signalIdle() {
	if m.closed && !m.idleOK && m.calls.live.Load() == 0 {
		m.idleOK = true
		close(m.idle)
	}
}

// now is the clock; tests run in synctest's.
func now() time.Time { return time.Now() }

// Capabilities is the answer to an OPTIONS of somebody for whom no transaction is made (RFC 3261 11.2).
func (m *Manager) Capabilities(req *msg.Message) msg.Decision {
	if m.stopped() {
		return msg.Decision{Action: msg.Refuse, Status: 503, Headers: []msg.Header{{Name: "Retry-After", Value: "10"}}}
	}
	res := m.capabilities(req)
	d := msg.Decision{Action: msg.Refuse, Status: res.Status}
	for _, h := range res.Headers {
		switch h.Name {
		case "Allow", "Accept", "Accept-Encoding", "Supported", "Unsupported":
			d.Headers = append(d.Headers, h)
		}
	}
	return d
}
