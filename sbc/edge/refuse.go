package edge

import (
	"hash/maphash"
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// refuse answers without state (RFC 3261 8.2.7): the To tag is the same for each retransmission, and nothing is kept or sent
// again. Beyond the budget of the address there is silence, so that a flood with forged sources gains nothing.
func (e *Edge) refuse(m *msg.Message, l link, d msg.Decision, budget *limiter) {
	if d.Status < 100 {
		return
	}
	if !budget.allow(m.Hop.Remote.Addr()) {
		e.metrics.drops.WithLabelValues("refusals").Inc()
		return
	}
	res := msg.NewResponse(m, d.Status, d.Reason)
	if d.Status > 100 {
		tag := e.tagFor(m)
		if budget == e.shed {
			tag = e.overload.tagFor(m.CallID, m.Via.Branch())
		}
		res.SetToTag(tag)
	}
	for _, h := range d.Headers {
		res.Append(h.Name, h.Value)
	}
	if e.o.ServerName != "" {
		res.Set("Server", e.o.ServerName)
	}
	e.metrics.response("out", m.Method, d.Status)
	if err := l.send(e.encode(res), answerTo(m, l)); err != nil {
		e.log.Debug("edge: refusing", "status", d.Status, "error", err)
	}
}

// tagFor makes the To tag of stateless answers from what a retransmission repeats.
func (e *Edge) tagFor(m *msg.Message) string {
	k := e.txs.hash("tag", m.CallID, m.From.Tag(), sequence(m), m.Via.Branch())
	return strconv.FormatUint(k[0], 36) + strconv.FormatUint(k[1]>>32, 36)
}

// buffers hold messages while they are written.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// encode serialises into exactly as much memory as the message takes.
func (e *Edge) encode(m *msg.Message) []byte {
	b, ok := buffers.Get().(*[]byte)
	if !ok { // the pool holds nothing else
		return m.AppendTo(nil)
	}
	text := m.AppendTo((*b)[:0])
	raw := make([]byte, len(text))
	copy(raw, text)
	if cap(text) <= 1<<16 {
		*b = text[:0]
		buffers.Put(b)
	}
	return raw
}

func portText(p uint16) string { return strconv.Itoa(int(p)) }

const limiterSize = 4096

// limiter is a token bucket for each address, in a table of fixed size: addresses may share a bucket, memory never grows.
type limiter struct {
	rate, burst float64
	seed        maphash.Seed
	start       time.Time

	mu      sync.Mutex
	buckets [limiterSize]bucket
}

type bucket struct {
	spent float64 // tokens used up at the time
	at    time.Duration
}

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, seed: maphash.MakeSeed(), start: time.Now()}
}

// allow takes a token of an address (an IPv6 /64 counts as one).
func (l *limiter) allow(a netip.Addr) bool {
	b := a.As16()
	part := b[:]
	if a.Is6() && !a.Is4In6() {
		part = b[:8]
	}
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	k := &l.buckets[maphash.Bytes(l.seed, part)%limiterSize]
	k.spent = math.Max(0, k.spent-(now-k.at).Seconds()*l.rate)
	k.at = now
	if k.spent+1 > l.burst {
		return false
	}
	k.spent++
	return true
}

// lapses remembers for a while what did not work. It is bounded: when full, it forgets everything.
type lapses struct {
	keep  time.Duration
	limit int

	mu    sync.Mutex
	until map[netip.AddrPort]time.Time
}

func newLapses(keep time.Duration, limit int) *lapses {
	return &lapses{keep: keep, limit: limit, until: map[netip.AddrPort]time.Time{}}
}

func (l *lapses) note(a netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.until) >= l.limit {
		clear(l.until)
	}
	l.until[a] = time.Now().Add(l.keep)
}

func (l *lapses) has(a netip.AddrPort) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.until[a]
	if ok && time.Now().After(until) {
		delete(l.until, a)
		return false
	}
	return ok
}
