package edge

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// key names a transaction: 128 bits of keyed hash. Who does not know the seeds, which change with every start, cannot make
// two requests share one; and no string of a message is kept alive by a map.
type key [2]uint64

const (
	shardCount = 16
	slotCount  = 1024
	tickLength = 20 * time.Millisecond
)

// table holds all transactions.
type table struct {
	edge   *Edge
	seeds  [2]maphash.Seed
	start  time.Time
	shards [shardCount]shard
	count  atomic.Int64 // transactions

	waiting atomic.Int64 // entries in the wheels
	armed   atomic.Bool
	driver  sync.Mutex // guards timer and due
	timer   *time.Timer
	due     []*entryNode
}

// shard is a share of the transactions with the lock that guards everything about them.
type shard struct {
	mu     sync.Mutex
	server map[key]*serverTx
	client map[key]*try
	merged map[key]key // RFC 3261 8.2.2.2: call and sequence → the server transaction
	done   int64       // the last tick walked
	slots  [slotCount]*entryNode
	_      [64]byte // shards do not share cache lines
}

// entryNode is a transaction's place in the wheel. Its fields belong to the shard's lock.
type entryNode struct {
	prev, next *entryNode
	owner      waker
	at         int64 // tick
	slot       int16 // place + 1; 0: in none
}

// waker is a transaction as the wheel sees it. wake is called without any lock, perhaps for nothing.
type waker interface {
	wake(now time.Duration)
}

func newTable(e *Edge) *table {
	t := &table{edge: e, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, start: time.Now()}
	for i := range t.shards {
		s := &t.shards[i]
		s.server, s.client, s.merged = map[key]*serverTx{}, map[key]*try{}, map[key]key{}
	}
	return t
}

// now is the time since the start: what all deadlines are written in.
func (t *table) now() time.Duration { return time.Since(t.start) }

func (t *table) shard(k key) *shard { return &t.shards[k[0]%shardCount] }

// hash takes parts so that ("ab", "c") and ("a", "bc") differ.
func (t *table) hash(parts ...string) key {
	var room [256]byte // longer ones are rare, and allocate
	b := room[:0]
	for _, p := range parts {
		b = append(b, p...)
		b = append(b, 0)
	}
	return key{maphash.Bytes(t.seeds[0], b), maphash.Bytes(t.seeds[1], b)}
}

// serverKey matches requests to server transactions (RFC 3261 17.2.3): branch, sent-by and method, where ACK and CANCEL
// count as the INVITE they belong to. The interface and the peer's address belong to it too: nobody but who sent a request
// can cancel, acknowledge or repeat it.
func (t *table) serverKey(m *msg.Message, method msg.Method) key {
	v := &m.Via
	source := m.Hop.Remote.Addr().As16()
	branch := v.Branch()
	if strings.HasPrefix(branch, msg.MagicCookie) && len(branch) > len(msg.MagicCookie) {
		var port [2]byte
		port[0], port[1] = byte(v.Port>>8), byte(v.Port)
		return t.hash(branch, v.Host, string(port[:]), string(method), m.Hop.Interface, string(source[:]))
	}
	// RFC 2543 peers: no unique branch, so the call tells (17.2.3). The To tag is left out, because an ACK has one; so is the
	// method of the CSeq, because it differs in an ACK.
	return t.hash(m.CallID, m.From.Tag(), sequence(m), branch, v.Host, string(method), m.Hop.Interface, string(source[:]))
}

func sequence(m *msg.Message) string {
	n := m.CSeq.Seq
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// mergeKey is the same for all copies of one request (RFC 3261 8.2.2.2).
func (t *table) mergeKey(m *msg.Message) key {
	return t.hash("merged", m.From.Tag(), m.CallID, sequence(m), string(m.Method))
}

// clientKey matches responses to tries. All tries of one transaction, and its CANCEL, have the same base in their branch and
// so live in one shard.
func (t *table) clientKey(branch string, method msg.Method) (key, bool) {
	base, _, ok := strings.Cut(branch, branchMark)
	if !ok {
		return key{}, false
	}
	b, k := t.hash(base), t.hash(branch, string(method))
	return key{b[0], k[1]}, true
}

// schedule puts an entry into the wheel, or moves it nearer. The shard's lock is held. Deadlines are rounded up: never early. An
// entry that is due sooner stays where it is and is woken for nothing, once: most deadlines are put off again and again.
func (t *table) schedule(s *shard, n *entryNode, at time.Duration) {
	tick := int64((at + tickLength - 1) / tickLength)
	if n.slot != 0 && n.at <= tick {
		return
	}
	s.unlink(t, n)
	n.at = tick
	t.waiting.Add(1)
	if n.at <= s.done { // its tick has been walked already
		n.at = s.done + 1
	}
	i := int16(n.at % slotCount)
	n.slot = i + 1
	n.prev, n.next = nil, s.slots[i]
	if n.next != nil {
		n.next.prev = n
	}
	s.slots[i] = n
	if !t.armed.Load() && t.armed.CompareAndSwap(false, true) {
		t.arm()
	}
}

// unlink takes an entry out of the wheel; the shard's lock is held.
func (s *shard) unlink(t *table, n *entryNode) {
	if n.slot == 0 {
		return
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		s.slots[n.slot-1] = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
	n.prev, n.next, n.slot = nil, nil, 0
	t.waiting.Add(-1)
}

// arm lets the driver run at the next tick. It is called by whoever set armed.
func (t *table) arm() {
	if t.edge.closed.Load() {
		return
	}
	now := t.now()
	time.AfterFunc(tickLength-now%tickLength, t.tick)
}

// tick walks the wheels up to now and wakes what is due; it comes back while anything waits.
func (t *table) tick() {
	defer t.edge.recovered("timer")
	t.driver.Lock()
	now := t.now()
	due := t.due[:0]
	for i := range t.shards {
		due = t.shards[i].collect(t, int64(now/tickLength), due)
	}
	for i, n := range due {
		t.wake(n.owner, now)
		due[i] = nil
	}
	t.due = due
	t.driver.Unlock()
	if t.waiting.Load() > 0 {
		t.arm()
		return
	}
	t.armed.Store(false)
	if t.waiting.Load() > 0 && t.armed.CompareAndSwap(false, true) {
		t.arm()
	}
}

func (t *table) wake(w waker, now time.Duration) {
	defer t.edge.recovered("transaction timer")
	w.wake(now)
}

// collect takes what is due up to a tick out of the wheel.
func (s *shard) collect(t *table, upTo int64, due []*entryNode) []*entryNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := max(s.done+1, upTo-slotCount+1)
	for tick := from; tick <= upTo; tick++ {
		for n := s.slots[tick%slotCount]; n != nil; {
			next := n.next
			if n.at <= upTo {
				s.unlink(t, n)
				due = append(due, n)
			}
			n = next
		}
	}
	s.done = max(s.done, upTo)
	return due
}

// room tells whether another transaction may be kept.
func (t *table) room(limit int) bool { return t.count.Load() < int64(limit) }

// closeAll fails everything under way and empties the table.
func (t *table) closeAll() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		servers, clients := s.server, s.client
		s.server, s.client, s.merged = map[key]*serverTx{}, map[key]*try{}, map[key]key{}
		for _, x := range servers {
			s.unlink(t, &x.entryNode)
		}
		for _, x := range clients {
			s.unlink(t, &x.entryNode)
		}
		s.mu.Unlock()
		t.count.Add(-int64(len(servers) + len(clients)))
		for _, x := range servers {
			x.closed()
		}
		for _, x := range clients {
			x.closed()
		}
	}
}

func hashBytes(seed maphash.Seed, b []byte) uint64 { return maphash.Bytes(seed, b) }
