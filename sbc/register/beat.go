package register

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"runtime/debug"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// rest is how long Run sleeps at least: what becomes due meanwhile is done together.
	rest = 10 * time.Millisecond
	// longestRest is how long Run sleeps at most.
	longestRest = time.Minute
	// syncEvery is how often what was written is forced to the disk.
	syncEvery = time.Second
	// batch bounds what is done about one shard before the next has its turn.
	batch = 1000
)

// Run does what time brings, until the context ends: contacts expire, and those that need it are kept alive.
func (r *Registrar) Run(ctx context.Context) {
	sync := time.NewTicker(syncEvery)
	defer sync.Stop()
	r.follow()
	for {
		wait := r.beat()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			r.over.Store(true)
			r.pages.close()
			return
		case <-timer.C:
		case <-r.kick:
			timer.Stop()
		case <-sync.C:
			timer.Stop()
			r.pages.sync()
			r.follow()
		}
	}
}

// hurry wakes Run if something is due before it meant to look again; 0 is never.
func (r *Registrar) hurry(due time.Duration) {
	if due == 0 || due >= time.Duration(r.wakes.Load()) {
		return
	}
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// schedule sets when something has to be done about a binding: its keep-alive or its end. It is called with the shard's lock
// held.
//
// Each binding has its own moment in the interval, by its id: so the pings of all are spread evenly whenever they registered.
func (r *Registrar) schedule(b *binding, now time.Duration) {
	b.due = b.expires
	d := r.o.Domain(b.owner.home.Value().domain)
	switch {
	case d == nil:
		b.due = now
	case pinged(b, &d.KeepAlive):
		every := time.Duration(d.KeepAlive.IntervalS) * time.Second
		phase := time.Duration(maphash.String(r.table.seed, b.id) % uint64(every))
		b.due = min(b.due, now+every-(now+every-phase)%every)
	}
	b.shard.reschedule(b)
}

// pinged tells whether a binding is kept alive.
func pinged(b *binding, p *sbc.KeepAlivePolicy) bool {
	stream := b.way.Value().transport != sbc.TransportUDP
	switch {
	case p.Mode == sbc.KeepAliveOff || stream && b.conn == 0:
		return false
	case stream:
		return !b.lost
	}
	return !p.NATOnly || b.kind() != sbc.NATNone
}

// beat does what is due and says how long there is nothing more to do.
func (r *Registrar) beat() (wait time.Duration) {
	defer r.recovered("keeping contacts", func() { wait = time.Second })
	wake := r.now() + longestRest
	r.wakes.Store(int64(wake))
	for i := range r.table.shards {
		if at := r.sweep(&r.table.shards[i]); at != 0 && at < wake {
			wake = at
		}
	}
	wake = max(wake, r.now()+rest)
	r.wakes.Store(int64(wake))
	return wake - r.now()
}

// sweep does what is due in one shard, and gives when the next thing is; 0 is never.
func (r *Registrar) sweep(s *shard) (at time.Duration) {
	u, configured := &update{r: r, now: r.now()}, r.o.Snapshot().Revision > 0
	var pings []ping
	s.mu.Lock()
	for range batch {
		var b *binding
		if b, at = s.next(u.now); b == nil {
			break
		}
		at = u.now
		d := r.o.Domain(b.owner.home.Value().domain)
		switch {
		case b.expires <= u.now:
			u.remove(s, b, goneExpired)
		case d == nil && !configured: // nobody knows whether it is out of service
			b.due = min(u.now+longestRest, b.expires)
			s.reschedule(b)
		case d == nil:
			u.remove(s, b, goneAccount)
		case d.KeepAlive.RemoveUnreachable && b.lost && int(b.misses) >= d.KeepAlive.MaxMisses && !b.wakes():
			u.remove(s, b, goneUnreachable)
		default:
			if pinged(b, &d.KeepAlive) {
				pings = append(pings, b.pingBy(d, u.now))
			}
			r.schedule(b, u.now)
		}
	}
	s.mu.Unlock()
	r.settle(u, nil)
	for i := range pings {
		r.ping(&pings[i])
	}
	return at
}

// follow looks whether the configuration says something else of keep-alives, or of domains, than it did. Then the moments of all
// contacts are set anew.
func (r *Registrar) follow() {
	snap := r.o.Snapshot()
	if snap == r.seen {
		return
	}
	r.seen = snap
	policies := make(map[string]sbc.KeepAlivePolicy, len(snap.Rows.Domains))
	for _, x := range snap.Rows.Domains {
		if d := r.o.Domain(x.ID); d != nil {
			policies[d.ID] = d.KeepAlive
		}
	}
	if r.policies != nil && maps.Equal(policies, r.policies) {
		return
	}
	r.policies = policies
	for i := range r.table.shards {
		s := &r.table.shards[i]
		s.mu.Lock()
		now := r.now()
		for _, o := range s.owners {
			for _, b := range o.bindings {
				r.schedule(b, now)
			}
		}
		s.mu.Unlock()
	}
}

// recovered is deferred around what must not take the process with it.
func (r *Registrar) recovered(what string, then func()) {
	if p := recover(); p != nil {
		r.metrics.panics.Inc()
		r.o.Log.Error("register: panic", "in", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if then != nil {
			then()
		}
	}
}
