package app

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/rates"
)

// prices is what is known of the costs of calls.
type prices struct {
	tables  *rates.Tables
	current func() *config.Snapshot
}

// rate finds the rate of a deck, nil where none holds, or where the deck is disabled or not there.
func (p *prices) rate(d *sbc.RateDeck, number string, at time.Time) *sbc.Rate {
	if d == nil || !d.Enabled {
		return nil
	}
	t := p.tables.Table(d.RatesSHA256)
	if t == nil {
		return nil
	}
	return t.Lookup(number, at)
}

// charge is what a call to a number costs by a deck (call.Options).
func (p *prices) charge(d *sbc.RateDeck, number string, at time.Time) *sbc.Charge {
	r := p.rate(d, number, at)
	if r == nil {
		return nil
	}
	return r.Charge(d)
}

// Cost is what a call to a number costs on a trunk (route.Live).
func (r *reach) Cost(trunkID, number string, at time.Time, seconds int) (amount int64, currency string, ok bool) {
	return r.prices.of(trunkID, number, at, seconds, func(t *sbc.Trunk) string { return t.CostDeckID })
}

// Price is what a call from a trunk, or a domain, to a number is charged.
func (r *reach) Price(fromTrunkID, number string, at time.Time, seconds int) (amount int64, currency string, ok bool) {
	return r.prices.of(fromTrunkID, number, at, seconds, func(t *sbc.Trunk) string { return t.PriceDeckID })
}

// of is the price of a call by one deck of a trunk.
func (p *prices) of(trunkID, number string, at time.Time, seconds int, deck func(*sbc.Trunk) string) (int64, string, bool) {
	s := p.current()
	t := s.Trunk(trunkID)
	if t == nil {
		return 0, "", false
	}
	d := s.Deck(deck(t))
	r := p.rate(d, number, at)
	if r == nil {
		return 0, "", false
	}
	return r.CallPrice(seconds), d.Currency, true
}

// Turn is the next number of a list or trunk.
func (r *reach) Turn(id string, take bool) uint64 {
	if !take {
		return r.turns.peek(id)
	}
	return r.turns.next(id)
}

// maxTurns bounds the counts of turns; beyond it all begin anew.
const maxTurns = 100_000

// turns counts by id.
type turns struct {
	mu  sync.RWMutex
	all map[string]*atomic.Uint64
}

// peek is the number that next would give.
func (t *turns) peek(id string) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.all[id]; n != nil {
		return n.Load()
	}
	return 0
}

func (t *turns) next(id string) uint64 {
	t.mu.RLock()
	n := t.all[id]
	t.mu.RUnlock()
	if n == nil {
		t.mu.Lock()
		if n = t.all[id]; n == nil {
			if t.all == nil || len(t.all) >= maxTurns {
				t.all = map[string]*atomic.Uint64{}
			}
			n = &atomic.Uint64{}
			t.all[id] = n
		}
		t.mu.Unlock()
	}
	return n.Add(1) - 1
}

// Calls are those in progress on the way out of a trunk or endpoint, and how many there may be by its own bounds and those of its limit
// profiles.
func (r *reach) Calls(trunkID, endpointID string) (now, most int) {
	s := r.prices.current()
	t := s.Trunk(trunkID)
	if t == nil {
		return 0, 0
	}
	c := admit.Claim{Trunk: t, EndpointID: endpointID}
	add := func(ids []string, key string) {
		for _, id := range ids {
			switch p := s.Limit(id); {
			case p == nil:
			case p.Key == sbc.LimitShared:
				c.Bounds = append(c.Bounds, admit.Bound{Profile: p})
			case p.Key == sbc.LimitEach: // those of numbers bound nobody in particular
				c.Bounds = append(c.Bounds, admit.Bound{Profile: p, Key: key})
			}
		}
	}
	add(t.LimitProfileIDs, t.ID)
	if e := s.Endpoint(endpointID); e != nil {
		add(e.LimitProfileIDs, e.ID)
	}
	return r.tally.Room(c)
}
