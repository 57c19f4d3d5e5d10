package guard

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// failuresMax bounds the sources and pairs of which failures are remembered. Each has heard a challenge of ours, so they are
// real.
const failuresMax = 16_384

// failureKey is a source, and an account where failures are counted for that alone.
type failureKey struct {
	network  netip.Prefix
	realm    uint32
	domainID string
	username string
}

// failure is what is remembered of one key.
type failure struct {
	times []int64 // microseconds, as many as the limit
	// until is how long the account is barred for the source, count how often it was.
	until int64
	count int
	last  int64
}

// failures counts wrong passwords.
type failures struct {
	mu   sync.Mutex
	rows map[failureKey]*failure
}

func newFailures() *failures { return &failures{rows: map[failureKey]*failure{}} }

// add counts one and tells whether the limit is reached; then counting begins anew.
func (f *failures) add(k failureKey, limit int, window, now int64) (row *failure, reached bool) {
	row = f.rows[k]
	if row == nil {
		f.room(now)
		row = &failure{}
		f.rows[k] = row
	}
	row.last = now
	row.times = slices.DeleteFunc(row.times, func(at int64) bool { return now-at >= window })
	if row.times = append(row.times, now); len(row.times) < limit {
		return row, false
	}
	row.times = nil
	return row, true
}

// room makes room for one more, by the oldest of a few.
func (f *failures) room(now int64) {
	if len(f.rows) < failuresMax {
		return
	}
	var oldest failureKey
	looked := 0
	for k, row := range f.rows {
		if looked == 0 || row.last < f.rows[oldest].last {
			oldest = k
		}
		if looked++; looked == 64 || now-row.last > int64(24*time.Hour/time.Microsecond) {
			break
		}
	}
	delete(f.rows, oldest)
}

// Failed notes a wrong answer to a challenge. Only one with a nonce of ours counts: the challenge went to that very source. A
// source with too many is banned, unless somebody authenticated from it not long ago: then only the account is barred, for that
// source.
func (g *Guard) Failed(h msg.Hop, domainID, username string, ourNonce bool) {
	if !ourNonce {
		g.metrics.failures[0].Inc()
		return
	}
	g.metrics.failures[1].Inc()
	r := g.rules.Load().interfaces[h.Interface]
	if r == nil || r.profile == nil {
		return
	}
	username = bounded(username)
	p, now := r.profile.AuthFailures, g.now()
	window := int64(p.WindowS) * 1e6
	k := failureKey{network: networkOf(h.Remote.Addr(), wide128), realm: r.number}
	g.failures.mu.Lock()
	_, tooMany := g.failures.add(k, p.PerSource, window, now)
	k.domainID, k.username = domainID, username
	row, barred := g.failures.add(k, p.PerAccount, window, now)
	if barred {
		row.count++
		row.until = now + int64(grown(p.BanS, r.profile.BanGrowth, r.profile.MaxBanS, row.count))*1e6
	}
	g.failures.mu.Unlock()
	if tooMany && !g.exempt(r, h) {
		g.ban(r, k.network, sbc.BanAuth, decimal(p.PerSource)+" wrong passwords within "+decimal(p.WindowS)+" s, the last for "+
			username, p.BanS)
	}
}

// Forgiven takes back the newest n failures of an account from a source, which were none: the account's own phone found out by them in
// which algorithm it is to answer. A ban or bar that they led to stays.
func (g *Guard) Forgiven(h msg.Hop, domainID, username string, n int) {
	r := g.rules.Load().interfaces[h.Interface]
	if r == nil || r.profile == nil {
		return
	}
	k := failureKey{network: networkOf(h.Remote.Addr(), wide128), realm: r.number}
	g.failures.mu.Lock()
	defer g.failures.mu.Unlock()
	whole := g.failures.rows[k]
	k.domainID, k.username = domainID, bounded(username)
	row := g.failures.rows[k]
	if row == nil {
		return
	}
	n = min(n, len(row.times))
	row.times = row.times[:len(row.times)-n]
	if whole != nil {
		whole.times = whole.times[:max(0, len(whole.times)-n)]
	}
}

// Barred tells whether an account cannot be used from a source, because too many wrong passwords came for it from there. Its
// owner is not locked out anywhere else.
func (g *Guard) Barred(h msg.Hop, domainID, username string) bool {
	r := g.rules.Load().interfaces[h.Interface]
	if r == nil || r.profile == nil {
		return false
	}
	k := failureKey{networkOf(h.Remote.Addr(), wide128), r.number, domainID, bounded(username)}
	g.failures.mu.Lock()
	row := g.failures.rows[k]
	barred := row != nil && row.until > g.now()
	g.failures.mu.Unlock()
	if !barred {
		return false
	}
	if r.observe {
		g.metrics.observed[blockedAuth].Inc()
		return false
	}
	g.metrics.blocked[blockedAuth].Inc()
	return true
}

// longestName bounds what is kept of a user name: it is a stranger's text.
const longestName = 128

// bounded is a user name in memory of its own, not a piece of a message.
func bounded(name string) string { return strings.Clone(name[:min(len(name), longestName)]) }

// pardon forgets the failures of a network.
func (f *failures) pardon(n netip.Prefix) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := range f.rows {
		if n.Overlaps(k.network) {
			delete(f.rows, k)
		}
	}
}

// sweep forgets what is a day old.
func (f *failures) sweep(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, row := range f.rows {
		if now-row.last > int64(24*time.Hour/time.Microsecond) && row.until <= now {
			delete(f.rows, k)
		}
	}
}

// grown is how many seconds the nth ban takes.
func grown(first, growth, most, n int) int {
	s := first
	for range n - 1 {
		if s = s * growth; s >= most {
			return most
		}
	}
	return min(s, most)
}
