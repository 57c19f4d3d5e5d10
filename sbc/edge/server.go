package edge

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// serverState is a state of RFC 3261 17.2 with the Accepted state of RFC 6026.
type serverState uint8

const (
	serverTrying    serverState = iota // nothing sent
	serverRinging                      // Proceeding: a provisional was sent
	serverAccepted                     // INVITE: 2xx sent, repeated until Acked
	serverAcked                        // INVITE: 2xx acknowledged; repeated INVITEs are absorbed (RFC 6026 7.1)
	serverCompleted                    // final sent; INVITE: repeated until the ACK
	serverConfirmed                    // INVITE: ACK came for the failure
	serverGone
)

const (
	tryingAfter = 200 * time.Millisecond // RFC 3261 17.2.1: 100 unless the TU answers sooner
	ringAgain   = time.Minute            // RFC 3261 13.3.1.1: repeat the provisional each minute
	longestRing = time.Hour              // an INVITE its owner forgot is answered with 500
)

// serverTx is what is kept of a request: key, way back, last answer. Everything about it belongs to the shard's lock.
type serverTx struct {
	entryNode
	edge   *Edge
	shard  *shard
	key    key
	merged key
	link   link
	to     netip.AddrPort
	raw    []byte
	handle *serverHandle // nil when its owner has nothing to expect any more
	// again is when raw is sent once more, ends when the state ends; 0 is never.
	again, ends, step time.Duration
	state             serverState
	invite            bool
	loose             bool // in merged
}

// serverHandle is the transaction as its owner sees it. It is let go when the last answer is settled.
type serverHandle struct {
	tx     *serverTx
	req    *msg.Message
	local  msg.Local
	tag    string
	stream bool
	failed bool
	// One answer is repeated for a CANCEL that came before its listener.
	cancel     *msg.Message
	cancelled  bool
	onCancel   func(*msg.Message)
	onFailed   func(error)
	onSent     func([]byte, msg.Hop)
	failedWith error
}

var _ msg.ServerTx = (*serverHandle)(nil)

// newServer makes the transaction of a new request; nil if one was made meanwhile. merged is zero for requests within a dialog.
func (e *Edge) newServer(m *msg.Message, k, merged key, l link) *serverHandle {
	t := &serverTx{
		edge: e, shard: e.txs.shard(k), key: k, merged: merged, loose: merged != key{},
		link: l, to: answerTo(m, l), invite: m.Method == msg.INVITE,
	}
	h := &serverHandle{tx: t, req: m, stream: l.number() != 0}
	if i := l.at(); i != nil {
		h.local = e.localFor(i, m.Hop.Remote)
		h.local.Sips = m.RequestURI.Scheme == "sips"
	}
	t.handle, t.owner = h, t
	now := e.txs.now()
	t.ends = now + e.o.Timers.B // RFC 4320 4.2: no use in a late answer to a non-INVITE
	if t.invite {
		t.again, t.ends = now+tryingAfter, now+longestRing
	}
	s := t.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.server[k]; exists {
		return nil
	}
	s.server[k] = t
	e.txs.count.Add(1)
	e.metrics.servers.Add(1)
	t.rescheduleLocked()
	return h
}

// noteMerged remembers the call and sequence; it is false if another copy of the request is being served (8.2.2.2).
func (e *Edge) noteMerged(k, merged key) bool {
	s := e.txs.shard(merged)
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, exists := s.merged[merged]; exists && other != k {
		return false
	}
	s.merged[merged] = k
	return true
}

func (e *Edge) dropMerged(merged key) {
	s := e.txs.shard(merged)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.merged, merged)
}

// rescheduleLocked puts the earlier of the two deadlines into the wheel.
func (t *serverTx) rescheduleLocked() {
	at := t.ends
	if t.again != 0 && (at == 0 || t.again < at) {
		at = t.again
	}
	if at != 0 {
		t.edge.txs.schedule(t.shard, &t.entryNode, at)
		return
	}
	t.shard.unlink(t.edge.txs, &t.entryNode)
}

// removeLocked takes the transaction out of the table. It tells whether the merged key has to be dropped too.
func (t *serverTx) removeLocked() {
	t.state, t.raw, t.handle = serverGone, nil, nil
	t.shard.unlink(t.edge.txs, &t.entryNode)
	if t.shard.server[t.key] == t {
		delete(t.shard.server, t.key)
		t.edge.txs.count.Add(-1)
		t.edge.metrics.servers.Add(-1)
	}
}

// answerTo is where answers go (RFC 3261 18.2.2, RFC 3581 4): on streams the connection, else the packet's source address, with
// its port if the client asked by rport, else with that of its Via. maddr is not honoured: it would let us be aimed.
func answerTo(m *msg.Message, l link) netip.AddrPort {
	remote := m.Hop.Remote
	if l.number() != 0 {
		return remote
	}
	if _, asked := m.Via.RPort(); asked {
		return remote
	}
	return netip.AddrPortFrom(remote.Addr(), viaPort(m))
}

func viaPort(m *msg.Message) uint16 {
	if p := m.Via.Port; p > 0 && p <= 65535 {
		return uint16(p)
	}
	return defaultPort(sbc.Transport(strings.ToLower(m.Via.Transport)))
}

// Request is the request as it came, with received and rport in its topmost Via.
func (h *serverHandle) Request() *msg.Message { return h.req }

// Local is what we advertise on the interface the request came in by.
func (h *serverHandle) Local() msg.Local { return h.local }

// SetTag sets the To tag of the answers that have none.
func (h *serverHandle) SetTag(tag string) {
	s := h.tx.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	h.tag = tag
}

// toTag gives the To tag, making one if its owner set none.
func (h *serverHandle) toTag() string {
	s := h.tx.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.tag == "" {
		h.tag = msg.NewTag()
	}
	return h.tag
}

// OnSent sets who hears each response first put on the wire.
func (h *serverHandle) OnSent(f func(raw []byte, hop msg.Hop)) {
	s := h.tx.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	h.onSent = f
}

// OnCancel sets who hears of the CANCEL; one that came before is heard at once.
func (h *serverHandle) OnCancel(f func(cancel *msg.Message)) {
	s := h.tx.shard
	s.mu.Lock()
	h.onCancel = f
	early := h.cancel
	if f != nil {
		h.cancel = nil
	}
	s.mu.Unlock()
	if early != nil && f != nil {
		f(early)
	}
}

// OnFailed sets who hears of a broken transport and of the missing ACK; a failure that came before is heard at once.
func (h *serverHandle) OnFailed(f func(err error)) {
	s := h.tx.shard
	s.mu.Lock()
	h.onFailed = f
	early := h.failedWith
	if f != nil {
		h.failedWith = nil
	}
	s.mu.Unlock()
	if early != nil && f != nil {
		f(early)
	}
}

// fail tells the owner once.
func (h *serverHandle) fail(err error) {
	if h == nil {
		return
	}
	s := h.tx.shard
	s.mu.Lock()
	if h.failed {
		s.mu.Unlock()
		return
	}
	h.failed = true
	f := h.onFailed
	if f == nil {
		h.failedWith = err
	}
	s.mu.Unlock()
	if f != nil {
		f(err)
	}
}

// Respond sends a provisional or final response. The error is ErrDone after a final response, or that of the transport when
// nothing could be sent; on streams another connection is then tried (RFC 3261 18.2.2) and OnFailed hears if that fails too.
func (h *serverHandle) Respond(res *msg.Message) error {
	if res.Status > 100 && res.To.Tag() == "" {
		res.SetToTag(h.toTag())
	}
	t := h.tx
	raw := t.edge.encode(res)
	t.shard.mu.Lock()
	if t.state > serverRinging {
		t.shard.mu.Unlock()
		return ErrDone
	}
	merged := t.answeredLocked(res, raw)
	f, l, to := h.onSent, t.link, t.to
	t.shard.mu.Unlock()
	if merged {
		t.edge.dropMerged(t.merged)
	}
	t.edge.metrics.response("out", h.req.Method, res.Status)
	if res.Status >= 200 {
		t.edge.metrics.took(h.req)
	}
	err := t.edge.respond(h, raw, l, to)
	if f != nil && err == nil {
		f(raw, t.edge.hop(l, to))
	}
	return err
}

// answeredLocked makes the step of RFC 3261 figures 7 and 8 for an answer of the TU. It tells whether the call's key is to be
// given free: after a failure the client may try again with the same sequence (RFC 3263 4.3).
func (t *serverTx) answeredLocked(res *msg.Message, raw []byte) (dropMerged bool) {
	timers, now := &t.edge.o.Timers, t.edge.txs.now()
	switch {
	case res.Status < 200:
		t.state, t.raw = serverRinging, raw
		if t.again = 0; t.invite && res.Status > 100 && !res.Has("RSeq") {
			t.again = now + ringAgain
		}
	case t.invite && res.Status < 300: // Accepted; Timer L (RFC 6026 7.1), repeated over every transport (RFC 3261 13.3.1.4)
		t.state, t.raw = serverAccepted, raw
		t.step, t.again, t.ends = timers.T1, now+timers.T1, now+64*timers.T1
	case t.invite: // Completed; Timers G and H
		t.state, t.raw, t.ends, t.again = serverCompleted, raw, now+64*timers.T1, 0
		if t.link.number() == 0 {
			t.step, t.again = timers.T1, now+timers.T1
		}
		dropMerged = t.forgetMergedLocked()
	default: // Completed; Timer J, which is 0 on streams
		t.state, t.raw, t.ends, t.again = serverCompleted, raw, now+64*timers.T1, 0
		t.handle = nil
		if dropMerged = t.forgetMergedLocked(); t.link.number() != 0 {
			t.removeLocked()
			return dropMerged
		}
	}
	t.rescheduleLocked()
	return dropMerged
}

func (t *serverTx) forgetMergedLocked() bool {
	was := t.loose
	t.loose = false
	return was
}

// Acked tells that the ACK for the 2xx came: nothing is repeated any more, and only the key is kept.
func (h *serverHandle) Acked() {
	t := h.tx
	t.shard.mu.Lock()
	defer t.shard.mu.Unlock()
	if t.state != serverAccepted {
		return
	}
	t.state, t.raw, t.again, t.handle = serverAcked, nil, 0, nil
	t.rescheduleLocked()
}

// respond sends an answer, over a new connection if its own is gone (RFC 3261 18.2.2).
func (e *Edge) respond(h *serverHandle, raw []byte, l link, to netip.AddrPort) error {
	err := l.send(raw, to)
	if err == nil {
		return nil
	}
	c, ok := l.(*conn)
	if !ok || c.at() == nil {
		if errors.Is(err, msg.ErrClosed) || l.at() == nil {
			h.fail(msg.ErrClosed)
			return msg.ErrClosed
		}
		e.log.Debug("edge: sending a response", "to", to, "error", err)
		h.fail(msg.ErrTransport)
		return err
	}
	back := netip.AddrPortFrom(to.Addr(), viaPort(h.req))
	again, dialErr := e.streams.dial(c.sock, back, c.back(h.req.Via.Host), dialTimeout)
	if dialErr != nil || again.send(raw, back) != nil {
		h.fail(msg.ErrTransport)
		return err
	}
	h.tx.shard.mu.Lock()
	h.tx.link, h.tx.to = again, back
	h.tx.shard.mu.Unlock()
	return nil
}

// hop says where something of ours went.
func (e *Edge) hop(l link, to netip.AddrPort) msg.Hop {
	if c, ok := l.(*conn); ok {
		return c.hop()
	}
	h := msg.Hop{Transport: sbc.TransportUDP, Local: l.local(), Remote: to, At: time.Now()}
	if i := l.at(); i != nil {
		h.Interface = i.ID
	}
	return h
}
