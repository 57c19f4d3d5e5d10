package edge

import (
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/sbc/msg"
)

// clientTx is a request under way as its owner sees it. Everything about it and its tries belongs to the lock of one shard.
type clientTx struct {
	edge   *Edge
	shard  *shard
	work   *work // nil when the outcome is settled
	timers *msg.Timers
	cur    *try // the last one
	owner  msg.Owner
	queue  []event  // what the owner has not heard yet
	one    [1]event // room for queue: there is seldom more
	busy   bool     // somebody is telling the owner
	invite bool
	// cancelled: no further try; over: the owner has heard, or will, how it ended.
	cancelled, over bool
}

// work is what is needed only until the outcome is settled.
type work struct {
	msg.Outbound
	base    string
	branch  string // of the first try
	list    []candidate
	first   [1]candidate // room for list
	next    int
	tries   int
	headers []msg.Header // of the CANCEL
	cause   error        // of the last failure
}

// event is one thing the owner is told.
type event struct {
	res  *msg.Message
	note *note // or that
}

// note tells of something else than a response: that the request failed, or, with raw, of a message sent.
type note struct {
	err error
	raw []byte
	hop msg.Hop
}

var _ msg.ClientTx = (*clientTx)(nil)

// Send sends a request. It never blocks: look-ups and connecting run beside. Prepare and Sent may be called before Send returns,
// Response and Failed are not; they are called one after the other. The request belongs to the edge until the outcome.
//
// Addresses are tried in order (RFC 3263 4.3): the next one after a broken transport, a 503, or silence, for which all but the
// last have three and a half times T1. A 2xx to INVITE may come after Failed, or from an address that was given up; it must be
// acknowledged and ended with BYE like any other that nobody wants.
func (e *Edge) Send(o msg.Outbound) msg.ClientTx {
	w := &work{Outbound: o}
	w.branch, w.base = e.newBranch(o.Request.RequestURI)
	tx := &clientTx{
		edge: e, shard: e.txs.shard(e.txs.hash(w.base)), invite: o.Request.Method == msg.INVITE, owner: o.Owner,
		timers: e.timers(o.Timers), work: w,
	}
	if e.closed.Load() || !e.txs.room(2*e.o.MaxTransactions) {
		cause := msg.ErrTransport
		if e.closed.Load() {
			cause = msg.ErrClosed
		}
		tx.settle(cause)
		tx.flush(false)
		return tx
	}
	t := &w.Target
	t.Secure = secureOnly(o.Request, t)
	w.list = w.first[:0]
	if c, ok := e.flowOf(t); ok {
		w.list = append(w.list, c)
	}
	t.Transport = e.way(o.Request, t)
	if a, ok := Literal(t.Host, t.Port, t.Transport); ok {
		w.list, w.cause = e.candidates(w.list, t, []Address{a})
	} else if len(w.list) == 0 && !t.Transport.WebSocket() {
		e.start("resolver", tx.resolve)
		return tx
	}
	tx.attempt()
	tx.flush(false)
	return tx
}

// timers gives the times of a transaction, shared with the one before if they are the same: they mostly are.
func (e *Edge) timers(t msg.Timers) *msg.Timers {
	if t == (msg.Timers{}) {
		return &e.o.Timers
	}
	t = t.WithDefaults()
	if last := e.lastTimers.Load(); last != nil && *last == t {
		return last
	}
	kept := t // on the heap, unlike t
	e.lastTimers.Store(&kept)
	return &kept
}

// resolve finds the addresses of a name and begins.
func (tx *clientTx) resolve() {
	e := tx.edge
	tx.shard.mu.Lock()
	w := tx.work
	tx.shard.mu.Unlock()
	if w == nil { // cancelled
		return
	}
	defer func() {
		if r := recover(); r != nil {
			tx.settle(msg.ErrTransport)
			tx.flush(false)
			panic(r) // to be logged and counted by Edge.start
		}
	}()
	t := &w.Target
	found, err := e.o.Resolver.Lookup(e.ctx, t.Host, t.Port, t.Transport)
	tx.shard.mu.Lock()
	if w = tx.work; w != nil {
		if w.list, w.cause = e.candidates(nil, t, found); err != nil {
			w.cause = fmt.Errorf("%w: %w", msg.ErrTransport, err)
		}
	}
	tx.shard.mu.Unlock()
	if w != nil {
		tx.attempt()
	}
	tx.flush(true)
}

// attempt tries addresses until one takes the request, or none is left. It runs in one goroutine at a time.
func (tx *clientTx) attempt() {
	for {
		tx.shard.mu.Lock()
		w := tx.work
		if w == nil || tx.over {
			tx.shard.mu.Unlock()
			return
		}
		if w.next >= len(w.list) || tx.cancelled {
			tx.exhaustedLocked(w)
			tx.shard.mu.Unlock()
			return
		}
		c := w.list[w.next]
		w.next++
		n := w.tries
		w.tries++
		tx.shard.mu.Unlock()
		if tx.tryOne(w, &c, n) {
			return
		}
	}
}

// exhaustedLocked settles that no address is left.
func (tx *clientTx) exhaustedLocked(w *work) {
	switch {
	case w.cause != nil:
		tx.settleLocked(w.cause)
	case tx.cancelled:
		tx.settleLocked(ErrCancel)
	default:
		tx.settleLocked(msg.ErrTransport)
	}
}

// tryOne sends the request one way; it is false if that failed at once.
func (tx *clientTx) tryOne(w *work, c *candidate, n int) bool {
	e := tx.edge
	branch := w.branch
	if n > 0 {
		branch = e.branch(w.base, n, w.Request.RequestURI)
	}
	raw := e.address(w.Request, c, branch, w.Owner.Prepare)
	if tcp, ok := e.larger(&w.Target, c, len(raw)); ok {
		tx.shard.mu.Lock()
		w.list = append(w.list[:w.next-1:w.next-1], append([]candidate{tcp}, w.list[w.next-1:]...)...)
		c = &tcp
		tx.shard.mu.Unlock()
		raw = e.address(w.Request, c, branch, w.Owner.Prepare)
	}
	l, err := e.open(c)
	if err != nil {
		tx.note(w, c, err)
		return false
	}
	k, _ := e.txs.clientKey(branch, w.Request.Method)
	t := &try{
		edge: e, shard: tx.shard, tx: tx, key: k, link: l, to: c.to, raw: raw, invite: tx.invite, timers: tx.timers, iface: c.iface,
		large: c.large, label: e.metrics.method(w.Request.Method),
	}
	t.owner = t
	e.metrics.request("out", w.Request.Method, c.transport())
	if err = tx.start(w, t); err == nil || t.redial(err) {
		return true
	}
	t.giveUp()
	tx.note(w, c, err)
	return false
}

// start enters the try into the table and sends it. The owner hears of it before any answer can reach it, and here, not in the
// goroutine that reads: busy keeps the answers waiting meanwhile.
func (tx *clientTx) start(w *work, t *try) error {
	hop := tx.edge.hop(t.link, t.to)
	raw := t.raw
	tx.shard.mu.Lock()
	if tx.over || tx.cancelled { // an address that was given up answered meanwhile, or the owner lost interest: nobody shall ring
		tx.exhaustedLocked(w)
		tx.shard.mu.Unlock()
		return nil
	}
	own := !tx.busy
	tx.busy = true
	tx.cur = t
	t.beginLocked(w.next < len(w.list))
	if !own { // somebody is telling the owner already, and will tell this too
		tx.queueLocked(event{note: &note{raw: raw, hop: hop}})
	}
	tx.shard.mu.Unlock()
	if own {
		tx.tellSent(raw, hop)
	}
	err := t.put(raw)
	if own {
		tx.shard.mu.Lock()
		tx.busy = false
		tx.shard.mu.Unlock()
	}
	return err
}

// put sends the request for the first time, and asks to hear if its connection breaks before anything comes back.
func (t *try) put(raw []byte) error {
	if c, ok := t.link.(*conn); ok && !c.await(t) {
		return msg.ErrTransport
	}
	return t.link.send(raw, t.to)
}

// note remembers why the last try failed.
func (tx *clientTx) note(w *work, c *candidate, err error) {
	if c.large {
		tx.edge.mtu.note(c.to)
	} else {
		tx.edge.dead.note(c.to)
	}
	tx.shard.mu.Lock()
	defer tx.shard.mu.Unlock()
	w.cause = transportError(err)
}

func transportError(err error) error {
	if errors.Is(err, msg.ErrClosed) {
		return msg.ErrClosed
	}
	return fmt.Errorf("%w: %w", msg.ErrTransport, err)
}

// settle ends the transaction for its owner, with an error.
func (tx *clientTx) settle(err error) {
	tx.shard.mu.Lock()
	defer tx.shard.mu.Unlock()
	tx.settleLocked(err)
}

func (tx *clientTx) settleLocked(err error) {
	if tx.over {
		return
	}
	tx.over = true
	if tx.work != nil {
		tx.queueLocked(event{note: &note{err: err}})
	}
	tx.work = nil
}

func (tx *clientTx) queueLocked(ev event) {
	if tx.queue == nil {
		tx.queue = tx.one[:0]
	}
	tx.queue = append(tx.queue, ev)
}

// hearLocked puts a response into the owner's queue; a final one settles the transaction.
func (tx *clientTx) hearLocked(m *msg.Message) {
	tx.queueLocked(event{res: m})
	if m.Status >= 200 {
		tx.over, tx.work = true, nil
	}
}

// flush tells the owner what is in the queue, unless somebody does already. Not inline, a goroutine does it: the caller may be
// the owner itself.
func (tx *clientTx) flush(inline bool) {
	tx.shard.mu.Lock()
	if tx.busy || len(tx.queue) == 0 {
		tx.shard.mu.Unlock()
		return
	}
	tx.busy = true
	tx.shard.mu.Unlock()
	if inline {
		tx.tell()
		return
	}
	tx.edge.start("client transaction", tx.tell)
}

func (tx *clientTx) tell() {
	for {
		tx.shard.mu.Lock()
		if len(tx.queue) == 0 {
			tx.busy, tx.queue, tx.one = false, nil, [1]event{} // nothing is kept that was told
			tx.shard.mu.Unlock()
			return
		}
		ev := tx.queue[0]
		tx.queue = tx.queue[1:]
		tx.shard.mu.Unlock()
		tx.call(ev)
	}
}

func (tx *clientTx) call(ev event) {
	defer tx.edge.recovered("client transaction")
	switch n := ev.note; {
	case ev.res != nil:
		tx.owner.Response(tx, ev.res)
	case n.raw != nil:
		tx.owner.Sent(n.raw, n.hop)
	default:
		tx.owner.Failed(tx, n.err)
	}
}

func (tx *clientTx) tellSent(raw []byte, hop msg.Hop) {
	defer tx.edge.recovered("client transaction")
	tx.owner.Sent(raw, hop)
}

// Local is what the request advertised.
func (tx *clientTx) Local() msg.Local {
	tx.shard.mu.Lock()
	t := tx.cur
	tx.shard.mu.Unlock()
	if t == nil {
		return msg.Local{}
	}
	return tx.edge.localFor(t.iface, t.to)
}

// Hop is where the request went.
func (tx *clientTx) Hop() msg.Hop {
	tx.shard.mu.Lock()
	t := tx.cur
	tx.shard.mu.Unlock()
	if t == nil {
		return msg.Hop{}
	}
	h := tx.edge.hop(t.link, t.to)
	h.Interface, h.At = t.iface.ID, tx.edge.txs.start.Add(t.began)
	return h
}

// Cancel asks for the end of an INVITE. Before a provisional response nothing may be sent (RFC 3261 9.1); then the CANCEL follows
// the first one. A request that was not sent at all fails with ErrCancel. Other requests cannot be cancelled.
func (tx *clientTx) Cancel(headers ...msg.Header) {
	tx.shard.mu.Lock()
	if !tx.invite || tx.cancelled || tx.over {
		tx.shard.mu.Unlock()
		return
	}
	tx.cancelled = true
	tx.work.headers = headers
	t := tx.cur
	var send bool
	switch {
	case t == nil:
		tx.settleLocked(ErrCancel)
	case t.state == tryProceeding:
		send = t.cancelLocked()
	}
	tx.shard.mu.Unlock()
	if send {
		t.sendCancel(headers)
	}
	tx.flush(false)
}
