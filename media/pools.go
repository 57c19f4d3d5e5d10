package media

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/sallyport/sallyport/media/port"
	"github.com/sallyport/sallyport/media/relay"
)

// errOverlap says that two pools claim one port.
var errOverlap = errors.New("range overlaps that of another pool on the same address")

type ports = port.Pool[*relay.Port]

type pair = port.Pair[*relay.Port]

// pool is a Pool in service. Immutable but for its ports.
type pool struct {
	Pool
	ports *ports
}

// advertised is the address that stands in SDP.
func (p *pool) advertised() netip.Addr {
	if p.Advertised.IsValid() {
		return p.Advertised
	}
	return p.Address
}

// Change is a prepared set of pools, not yet in use.
type Change struct {
	e    *Engine
	next map[string]*pool
}

// Prepare checks pools: addresses can be bound and ranges do not overlap. Errors are *PoolError. Nothing changes until Commit;
// one change at a time.
func (e *Engine) Prepare(pools []Pool) (*Change, error) {
	now := *e.pools.Load()
	c := &Change{e: e, next: make(map[string]*pool, len(pools))}
	probed := make(map[netip.Addr]bool)
	for i, p := range pools {
		p.Address, p.Advertised = p.Address.Unmap(), p.Advertised.Unmap()
		if slices.ContainsFunc(pools[:i], func(q Pool) bool { return overlap(p, q) }) {
			return nil, &PoolError{p.ID, errOverlap}
		}
		if old := now[p.ID]; old != nil && old.Address == p.Address && old.PortMin == p.PortMin && old.PortMax == p.PortMax {
			c.next[p.ID] = &pool{Pool: p, ports: old.ports}
			continue
		}
		ports, err := port.New(port.Options{
			Address: p.Address, Min: p.PortMin, Max: p.PortMax, Quarantine: e.o.Quarantine, Budget: e.budget,
		}, e.mover.Open)
		if err != nil {
			return nil, &PoolError{p.ID, err}
		}
		if !probed[p.Address] {
			if err := port.Probe(p.Address, e.mover.Open); err != nil {
				return nil, &PoolError{p.ID, err}
			}
			probed[p.Address] = true
		}
		c.next[p.ID] = &pool{Pool: p, ports: ports}
	}
	return c, nil
}

// overlap says whether two pools are the same one or share a port.
func overlap(p, q Pool) bool {
	return p.ID == q.ID || p.Address == q.Address.Unmap() && p.PortMin <= q.PortMax && q.PortMin <= p.PortMax
}

// Commit puts the pools to use. Removed pools drain: calls keep their ports.
func (c *Change) Commit() {
	e := c.e
	e.mu.Lock()
	before := *e.pools.Load()
	e.pools.Store(&c.next)
	e.draining = slices.DeleteFunc(e.draining, func(p *pool) bool { return drained(p) })
	var gone []*pool
	for id, p := range before {
		if n := c.next[id]; n == nil || n.ports != p.ports {
			gone = append(gone, p)
		}
	}
	e.draining = append(e.draining, gone...)
	e.mu.Unlock()
	for _, p := range gone {
		p.ports.Close()
	}
}

// Abort forgets the change.
func (c *Change) Abort() {}

func drained(p *pool) bool {
	select {
	case <-p.ports.Drained():
		return true
	default:
		return false
	}
}

// PoolStatus counts the ports of a pool; false if there is no such pool, not even one that drains.
func (e *Engine) PoolStatus(id string) (PoolStatus, bool) {
	if p := (*e.pools.Load())[id]; p != nil {
		return status("ready", p), true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.draining {
		if p.ID == id && !drained(p) {
			return status("draining", p), true
		}
	}
	return PoolStatus{}, false
}

func status(state string, p *pool) PoolStatus {
	s := p.ports.Status()
	return PoolStatus{State: state, Total: s.Total, InUse: s.InUse, Quarantined: s.Quarantined}
}

// all lists the pools in service, in order of their ids.
func (e *Engine) all() []*pool {
	m := *e.pools.Load()
	list := make([]*pool, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[id])
	}
	return list
}

// take gives a pair of the first pool of the wanted family with room. An invalid wanted address means any family.
func (e *Engine) take(ids []string, wanted netip.Addr) (*pool, *pair, error) {
	pools := *e.pools.Load()
	var last error
	for _, id := range ids {
		p := pools[id]
		if p == nil || wanted.IsValid() && wanted.Is4() != p.Address.Is4() {
			continue
		}
		pair, err := p.ports.Take()
		if err == nil {
			return p, pair, nil
		}
		last = err
	}
	e.noPorts.Add(1)
	if last == nil {
		return nil, nil, fmt.Errorf("%w: no pool of the address family of %v", ErrNoPorts, wanted)
	}
	return nil, nil, fmt.Errorf("%w: %w", ErrNoPorts, last)
}
