package edge

import (
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// tryState is a state of RFC 3261 17.1 with the Accepted state of RFC 6026.
type tryState uint8

const (
	tryCalling    tryState = iota // INVITE: Calling; others: Trying
	tryProceeding                 // a provisional came
	tryCompleted                  // a final came; INVITE: a failure, acknowledged
	tryAccepted                   // INVITE: 2xx came
	tryGone
)

// try is one client transaction of RFC 3261: a request sent to one address. Everything about it belongs to the shard's lock.
type try struct {
	entryNode
	edge   *Edge
	shard  *shard
	tx     *clientTx // nil for a CANCEL, and once its owner has nothing to expect any more
	timers *msg.Timers
	iface  *iface
	link   link
	to     netip.AddrPort
	key    key
	label  string // method, for the metrics
	raw    []byte // the request until the final response, then the ACK of a failure
	// again is when the request is sent once more, ends when the state ends; 0 is never.
	began, again, ends, step time.Duration
	state                    tryState
	invite, large            bool
	given                    bool // given up: its provisionals are cancelled, its failures only acknowledged
	cancelSent               bool
	reused                   bool // its connection stood before
	second                   bool // it is the second go of redial
}

// beginLocked enters Calling or Trying: timers A and B, or E and F.
func (t *try) beginLocked(more bool) {
	now := t.edge.txs.now()
	t.began = now
	if t.link.number() == 0 {
		t.step, t.again = t.timers.T1, now+t.timers.T1
	}
	patience := min(t.timers.B, t.timers.NoResponse)
	if more || t.large { // somebody else may answer
		patience = min(patience, 7*t.timers.T1/2)
	}
	t.ends = now + patience
	t.shard.client[t.key] = t
	t.edge.txs.count.Add(1)
	t.edge.metrics.clients.Add(1)
	t.rescheduleLocked()
}

func (t *try) rescheduleLocked() {
	at := t.ends
	if t.again != 0 && t.again < at {
		at = t.again
	}
	t.edge.txs.schedule(t.shard, &t.entryNode, at)
}

func (t *try) removeLocked() {
	if t.state == tryGone {
		return
	}
	t.state, t.raw, t.tx = tryGone, nil, nil
	t.shard.unlink(t.edge.txs, &t.entryNode)
	if t.shard.client[t.key] == t {
		delete(t.shard.client, t.key)
		t.edge.txs.count.Add(-1)
		t.edge.metrics.clients.Add(-1)
	}
}

// wake sends again and ends states (timers A, B, C, D, E, F, K of RFC 3261, M of RFC 6026).
func (t *try) wake(now time.Duration) {
	t.shard.mu.Lock()
	switch {
	case t.state == tryGone:
		t.shard.mu.Unlock()
	case now >= t.ends:
		t.endLocked(now)
	case t.again == 0 || now < t.again:
		t.rescheduleLocked()
		t.shard.mu.Unlock()
	default:
		if t.step *= 2; !t.invite { // Timer E is capped, Timer A is not
			t.step = min(t.step, t.timers.T2)
		}
		t.again += t.step
		t.rescheduleLocked()
		raw, l, to := t.raw, t.link, t.to
		t.shard.mu.Unlock()
		t.edge.metrics.retransmissions.WithLabelValues("out", t.label).Inc()
		if err := l.send(raw, to); err != nil {
			t.broken(err)
		}
	}
}

// endLocked ends a state whose time is up. It gives the lock back.
func (t *try) endLocked(now time.Duration) {
	tx := t.tx
	switch {
	case t.state == tryCalling && tx != nil && !t.given:
		t.shard.mu.Unlock()
		t.failed(msg.ErrNoResponse)
		return
	case t.state == tryProceeding && tx != nil && t.invite && !t.cancelSent && !t.given: // Timer C (RFC 3261 16.8)
		send := t.cancelLocked()
		var headers []msg.Header
		if tx.cancelled = true; tx.work != nil {
			headers = tx.work.headers
		}
		t.shard.mu.Unlock()
		if send {
			t.sendCancel(headers)
		}
		tx.flush(true)
		return
	case t.state == tryProceeding && tx != nil && !t.given:
		tx.settleLocked(msg.ErrTimeout)
		t.giveUpLocked(now)
		t.shard.mu.Unlock()
		tx.flush(true)
		return
	}
	t.removeLocked()
	t.shard.mu.Unlock()
}

// giveUp stops a try that is not wanted any more.
func (t *try) giveUp() {
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	t.giveUpLocked(t.edge.txs.now())
}

// giveUpLocked keeps an INVITE for as long as its answer can still come: a provisional gets a CANCEL, a 2xx goes to the owner.
func (t *try) giveUpLocked(now time.Duration) {
	if t.state > tryProceeding || t.given {
		return
	}
	if !t.invite {
		t.removeLocked()
		return
	}
	t.given, t.again, t.ends = true, 0, now+64*t.timers.T1
	t.rescheduleLocked()
}

// broken hears that the connection is gone. Only a try without any response fails by it: the answer to one that was heard may
// come over a new connection (RFC 3261 18.2.2).
func (t *try) broken(cause error) {
	t.shard.mu.Lock()
	open := t.state == tryCalling && !t.given && t.tx != nil
	t.shard.mu.Unlock()
	if open && !t.redial(cause) {
		t.failed(transportError(cause))
	}
}

// redial sends the request once more, over a fresh connection, when one that stood before turns out to be dead: what a peer has
// closed shows only to who writes to it. The branch is the same, so for a peer who got the request after all it is a
// retransmission (RFC 3261 17.2.3). It is false if there is nothing to be tried, as with a peer that
// lives and does not read.
func (t *try) redial(cause error) bool {
	c, ok := t.link.(*conn)
	if !ok || !t.reused || t.second || c.slow.Load() {
		return false
	}
	c.release(t)
	c.shut(cause)
	fresh, err := t.edge.streams.dial(c.sock, t.to, c.tls, dialTimeout)
	if err != nil {
		return false
	}
	t.shard.mu.Lock()
	tx := t.tx
	if t.state != tryCalling || t.given || tx == nil || tx.over || tx.cancelled || tx.cur != t {
		t.shard.mu.Unlock()
		return false
	}
	n := &try{
		edge: t.edge, shard: t.shard, tx: tx, key: t.key, link: fresh, to: t.to, raw: t.raw, invite: t.invite, timers: t.timers,
		iface: t.iface, large: t.large, label: t.label, second: true,
	}
	n.owner = n
	raw, ends := t.raw, t.ends
	t.removeLocked()
	tx.cur = n
	n.beginLocked(false)
	n.ends = min(n.ends, ends)
	n.rescheduleLocked()
	t.shard.mu.Unlock()
	t.edge.metrics.retransmissions.WithLabelValues("out", n.label).Inc()
	if err := n.put(raw); err != nil {
		n.broken(err)
	}
	return true
}

// failed goes to the next address, or tells the owner.
func (t *try) failed(cause error) {
	if t.large {
		t.edge.mtu.note(t.to)
	}
	t.release()
	t.edge.dead.note(t.to)
	if c, ok := t.link.(*conn); ok && errors.Is(cause, msg.ErrNoResponse) {
		c.suspect(t.began)
	}
	t.shard.mu.Lock()
	tx := t.tx
	if tx == nil || t.given || t.state != tryCalling {
		t.shard.mu.Unlock()
		return
	}
	t.giveUpLocked(t.edge.txs.now())
	w := tx.work
	if w != nil {
		w.cause = cause
	}
	t.shard.mu.Unlock()
	tx.attempt()
	tx.flush(true)
}

// release tells the connection that we need not hear of its end.
func (t *try) release() {
	if c, ok := t.link.(*conn); ok {
		c.release(t)
	}
}

// response makes the step of RFC 3261 figures 5 and 6 for what came.
func (t *try) response(m *msg.Message) {
	t.release()
	t.shard.mu.Lock()
	tx := t.tx
	switch {
	case t.state == tryGone:
		t.shard.mu.Unlock()
	case m.Status < 200:
		t.provisionalLocked(m)
	case t.invite && m.Status < 300:
		t.successLocked(m)
	case t.state >= tryCompleted:
		t.againLocked(m)
	case t.invite:
		t.failureLocked(m)
	default:
		t.finalLocked(m)
	}
	if tx != nil {
		tx.flush(true)
	}
}

// provisionalLocked, like its fellows below, gives the lock back.
func (t *try) provisionalLocked(m *msg.Message) {
	if t.state > tryProceeding {
		t.shard.mu.Unlock()
		return
	}
	now, first := t.edge.txs.now(), t.state == tryCalling
	t.state = tryProceeding
	cancel := false
	var headers []msg.Header
	switch tx := t.tx; {
	case tx == nil: // a CANCEL
	case !t.invite: // Timer E runs on with T2 (17.1.2.2), and F to its end
		t.ends = max(t.ends, t.began+t.timers.B)
		if t.again != 0 {
			t.step, t.again = t.timers.T2, now+t.timers.T2
		}
		tx.hearLocked(m)
	case t.given:
		cancel = t.cancelLocked()
	default:
		t.again = 0
		if tx.cancelled && tx.work != nil {
			cancel, headers = t.cancelLocked(), tx.work.headers
		}
		if !t.cancelSent && (first || m.Status > 100) { // Timer C (16.7 step 2)
			t.ends = now + t.timers.C
		}
		tx.hearLocked(m)
	}
	t.rescheduleLocked()
	t.shard.mu.Unlock()
	if cancel {
		t.sendCancel(headers)
	}
}

// successLocked takes a 2xx to INVITE: the first, a retransmission, one of another fork, or a late one. The owner hears each.
func (t *try) successLocked(m *msg.Message) {
	tx := t.tx
	if tx == nil {
		t.shard.mu.Unlock()
		return
	}
	if t.state != tryAccepted { // Timer M (RFC 6026 7.2)
		t.state, t.raw, t.again = tryAccepted, nil, 0
		t.ends = t.edge.txs.now() + 64*t.timers.T1
		t.rescheduleLocked()
	}
	other, cancel := tx.cur, false
	if other != t && other != nil && other.state <= tryProceeding && !other.given {
		// An address that was given up answered first after all: what was begun meanwhile is not wanted.
		if cancel = other.state == tryProceeding && other.cancelLocked(); !cancel {
			other.giveUpLocked(t.edge.txs.now())
		}
	}
	tx.hearLocked(m)
	t.shard.mu.Unlock()
	if cancel {
		other.sendCancel(nil)
	}
}

// againLocked absorbs a final response that came before; the ACK of a failure goes out again at once (17.1.1.2).
func (t *try) againLocked(m *msg.Message) {
	raw, l, to := t.raw, t.link, t.to
	resend := t.invite && t.state == tryCompleted && m.Status >= 300 && len(raw) > 0
	t.shard.mu.Unlock()
	if !resend {
		return
	}
	t.edge.metrics.retransmissions.WithLabelValues("out", string(msg.ACK)).Inc()
	if err := l.send(raw, to); err != nil {
		t.edge.log.Debug("edge: repeating an ACK", "error", err)
	}
}

// nextLocked tells whether the next address is tried instead of telling the owner of a failure (RFC 3263 4.3).
func (t *try) nextLocked(m *msg.Message) bool {
	tx := t.tx
	next := m.Status == 503
	if c, ok := tx.owner.(msg.Chooser); ok {
		next = c.Next(m.Status)
	}
	return next && !tx.cancelled && !tx.over && tx.work != nil && tx.work.next < len(tx.work.list)
}

// failureLocked takes a final response above 299 to INVITE and acknowledges it. Its owner is kept, for a 2xx that crosses
// the CANCEL can still follow (RFC 6026 is silent, proxies are not).
func (t *try) failureLocked(m *msg.Message) {
	tx, request := t.tx, t.raw
	t.state, t.raw, t.again = tryCompleted, nil, 0
	t.ends = t.edge.txs.now() + max(32*time.Second, 64*t.timers.T1) // Timer D
	t.rescheduleLocked()
	next := false
	tell, hear := tx.work != nil, false
	if !t.given {
		if next = t.nextLocked(m); !next && !tx.over {
			tx.over, tx.work, hear = true, nil, true
		}
	}
	t.shard.mu.Unlock()
	t.acknowledge(request, m, tell, hear)
	if next {
		tx.attempt()
	}
}

// acknowledge sends the ACK of a failure (17.1.1.3) and keeps it for retransmissions. Only then the owner may hear of the failure:
// its next request must not overtake the ACK.
func (t *try) acknowledge(request []byte, m *msg.Message, tell, hear bool) {
	var raw []byte
	if ack, err := ackFor(request, m); err != nil {
		t.edge.log.Error("edge: making an ACK", "error", err)
	} else {
		raw = t.edge.encode(ack)
	}
	t.shard.mu.Lock()
	if t.state == tryCompleted {
		t.raw = raw
	}
	t.shard.mu.Unlock()
	if raw != nil {
		t.edge.metrics.request("out", msg.ACK, t.iface.Transport)
		if err := t.link.send(raw, t.to); err != nil {
			t.edge.log.Debug("edge: sending an ACK", "error", err)
		}
	}
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	tx := t.tx
	if tx == nil {
		return
	}
	if hear {
		tx.queueLocked(event{res: m})
	}
	if tell && raw != nil {
		tx.queueLocked(event{note: &note{raw: raw, hop: t.edge.hop(t.link, t.to)}})
	}
}

// finalLocked takes the final response to any other request. Nothing but the key is kept (Timer K, which is 0 on streams).
func (t *try) finalLocked(m *msg.Message) {
	tx, next := t.tx, false
	if tx != nil {
		if next = t.nextLocked(m); !next {
			tx.hearLocked(m)
		}
	}
	t.state, t.raw, t.again, t.tx = tryCompleted, nil, 0, nil
	if t.link.number() != 0 {
		t.removeLocked()
	} else {
		t.ends = t.edge.txs.now() + t.timers.T4
		t.rescheduleLocked()
	}
	t.shard.mu.Unlock()
	if next {
		tx.attempt()
	}
}

// closed tells the owner that the edge is closed.
func (t *try) closed() {
	t.shard.mu.Lock()
	tx := t.tx
	t.state = tryGone
	if tx != nil {
		tx.settleLocked(msg.ErrClosed)
	}
	t.shard.mu.Unlock()
	if tx != nil {
		tx.flush(true)
	}
}
