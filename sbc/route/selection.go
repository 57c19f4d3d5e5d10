package route

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/sallyport/sallyport/sbc"
)

// chooser picks among the items of one priority: left are those not picked yet, in order of their ids; it gives a place in left.
type chooser func(left []int32) int

// targets gives the order in which the targets of a list are tried.
func (p *planner) targets(l *list) sequence[target] {
	s := sequence[target]{scale: scale[target]{items: l.targets, rand: p.query.Rand}}
	switch how := l.row.Selection; how {
	case "", sbc.SelectWeighted:
	case sbc.SelectQuality:
		s.weigh = func(t *target) int { return t.weight * p.quality(l, t) }
	case sbc.SelectLeastCost:
		s.choose = byScore(s.scale, func(left []int32) []float64 { return p.costs(l, left) })
	default:
		s.weigh, s.choose = selected(p, s.scale, how, l.row.ID, func(t *target) (string, int, int) {
			if t.trunk == nil {
				return t.id, 0, 0
			}
			now, most := p.calls(t.trunk.row.ID, "")
			return t.id, now, most
		})
	}
	return s
}

// endpoints gives the order in which the endpoints of a trunk are tried.
func (p *planner) endpoints(t *trunk) sequence[endpoint] {
	s := sequence[endpoint]{scale: scale[endpoint]{items: t.endpoints, rand: p.query.Rand}}
	if p.query.Live != nil {
		s.weigh = p.weigh
	}
	if how := t.row.Selection; how != "" && how != sbc.SelectWeighted {
		s.weigh, s.choose = selected(p, s.scale, how, t.row.ID, func(e *endpoint) (string, int, int) {
			now, most := p.calls(t.row.ID, e.row.ID)
			return e.row.ID, now, most
		})
	}
	return s
}

// calls are those in progress, and how many there may be.
func (p *planner) calls(trunkID, endpointID string) (now, most int) {
	if p.query.Live == nil {
		return 0, 0
	}
	return p.query.Live.Calls(trunkID, endpointID)
}

// selected gives how items are weighed and chosen by a Selection. of is the list or trunk; about tells the id of an item, its calls, and
// how many it may have.
func selected[T ranked](p *planner, s scale[T], how sbc.Selection, of string, about func(*T) (id string, now, most int)) (
	func(*T) int, chooser) {
	switch how {
	case sbc.SelectOrder:
		return s.weigh, func([]int32) int { return 0 }
	case sbc.SelectRandom:
		return func(item *T) int {
			if s.weigh == nil {
				return 1
			}
			// What is left of the weight of one that comes back counts all the same.
			return s.weigh(item) / max(1, (*item).ranking().weight)
		}, nil
	case sbc.SelectRoundRobin:
		return s.weigh, inTurn(p, s, of)
	case sbc.SelectHashCaller:
		return s.weigh, byHash(s, p.query.Caller, about)
	case sbc.SelectHashCallee:
		return s.weigh, byHash(s, p.query.Number, about)
	case sbc.SelectHashCall:
		return s.weigh, byHash(s, p.query.CallID, about)
	case sbc.SelectLeastCalls:
		return s.weigh, byScore(s, scores(s, func(item *T, weight int) float64 {
			_, now, _ := about(item)
			return float64(now+1) / float64(weight)
		}))
	case sbc.SelectHeadroom:
		return s.weigh, byScore(s, scores(s, func(item *T, _ int) float64 {
			_, now, most := about(item)
			if most <= 0 {
				return math.Inf(-1)
			}
			return float64(now - most)
		}))
	}
	return s.weigh, nil
}

// scores makes a function that gives each item left a score.
func scores[T ranked](s scale[T], score func(item *T, weight int) float64) func(left []int32) []float64 {
	return func(left []int32) []float64 {
		all := make([]float64, len(left))
		for at, i := range left {
			all[at] = score(&s.items[i], max(1, s.weight(i)))
		}
		return all
	}
}

// byScore picks the smallest score, by weight among equals. What the scores of a priority are is found out once.
func byScore[T ranked](s scale[T], scores func(left []int32) []float64) chooser {
	var known []float64
	return func(left []int32) int {
		if len(known) != len(left) { // the first of its priority: of the one before at most the last is left, of which nobody asked
			known = scores(left)
		}
		least := slices.Min(known)
		var equals []int32
		for at, v := range known {
			if v == least {
				equals = append(equals, left[at])
			}
		}
		at := slices.Index(left, equals[s.draw(equals)])
		known = slices.Delete(known, at, at+1)
		return at
	}
}

// byHash has the same key lead to the same item as long as that is there: each item gets a value from its id and the key, and the largest
// one is first (rendezvous hashing, in proportion to the weights). An item that goes moves only its own keys. Calls without the key go by
// chance.
func byHash[T ranked](s scale[T], key string, about func(*T) (id string, now, most int)) chooser {
	if key == "" {
		return nil
	}
	return byScore(s, scores(s, func(item *T, weight int) float64 {
		id, _, _ := about(item)
		// A value between 0 and 1 that is never either; -ln(u)/w is distributed so that the smallest one is each item's as often as its
		// weight says.
		u := (float64(mixed(key, id)>>11) + 0.5) / (1 << 53)
		return -math.Log(u) / float64(weight)
	}))
}

// mixed makes a number of two texts: FNV-1a, and the end of MurmurHash3, after which each bit of it depends on all of both. All nodes must
// find the same, at all times.
func mixed(key, id string) uint64 {
	h := uint64(14695981039346656037)
	for _, text := range [...]string{key, "\x00", id} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 1099511628211
		}
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// inTurn takes the items in turn: the next number of the list's count says which is first, and the others follow in order. Items of
// different weights have as many places in the round as these say, spread over it.
func inTurn[T ranked](p *planner, s scale[T], of string) chooser {
	turn, asked, priority, next := uint64(0), false, -1, 0
	return func(left []int32) int {
		if now := s.items[left[0]].ranking().priority; now != priority {
			priority = now
			if !asked && p.query.Live != nil {
				turn = p.query.Live.Turn(of, true)
			}
			asked = true
			next = s.slot(left, turn)
		}
		return next % len(left) // the one that was picked is gone: what follows it stands in its place
	}
}

// slot is the place in left of a turn.
func (s *scale[T]) slot(left []int32, turn uint64) int {
	divisor, sum, alike := 0, 0, true
	for _, i := range left {
		w := s.weight(i)
		divisor, sum, alike = gcd(divisor, w), sum+w, alike && w == s.weight(left[0])
	}
	if sum <= 0 || alike {
		return int(turn % uint64(len(left)))
	}
	round := uint64(sum / divisor)
	// A step of about 0.62 of the round that has no divisor in common with it visits every place once, far from the one before.
	step := max(1, uint64(float64(round)*0.618))
	for gcd(int(step), int(round)) != 1 {
		step++
	}
	hi, lo := bits.Mul64(turn%round, step)
	_, place := bits.Div64(hi, lo, round)
	chance := int(place)
	for at, i := range left {
		if chance -= s.weight(i) / divisor; chance < 0 {
			return at
		}
	}
	return len(left) - 1
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// quality is the part of its weight that a target has by the quality profile of its list, in hundredths.
func (p *planner) quality(l *list, t *target) int {
	if t.trunk == nil || p.query.Live == nil || l.row.QualityProfileID == "" {
		return 100
	}
	percent, _, _ := p.query.Live.Quality(l.row.ID, t.trunk.row.ID, p.query.Number)
	return max(0, percent)
}

// costs gives the targets left scores by what a call of the reference duration costs on them. Amounts of different currencies are not compared: the currency is
// that of the call's price, or else of the first target that has one; targets with another one, or without a cost, come after.
func (p *planner) costs(l *list, left []int32) []float64 {
	type cost struct {
		amount   int64
		currency string
		known    bool
	}
	all := make([]cost, len(left))
	currency := ""
	for at, i := range left {
		c := &all[at]
		if t := l.targets[i].trunk; t != nil && p.query.Live != nil {
			c.amount, c.currency, c.known = p.query.Live.Cost(t.row.ID, p.query.Number, p.query.At, l.row.Reference())
		}
		if c.known {
			currency = cmp.Or(currency, c.currency)
		}
	}
	if p.query.Live != nil {
		_, of, ok := p.query.Live.Price(p.query.TrunkID, p.query.Number, p.query.At, l.row.Reference())
		if ok && slices.ContainsFunc(all, func(c cost) bool { return c.known && c.currency == of }) {
			currency = of
		}
	}
	scores := make([]float64, len(left))
	for at, c := range all {
		id := l.targets[left[at]].id
		switch {
		case !c.known:
			scores[at] = math.Inf(1)
			p.step(id, passed, "it is not known what a call costs there: it comes after those of which it is")
		case c.currency != currency:
			scores[at] = math.Inf(1)
			if p.query.Trace {
				p.step(id, passed, "a call of %d s costs %s %s there, which is not compared with %s: it comes after", l.row.Reference(),
					amount(c.amount), c.currency, currency)
			}
		default:
			scores[at] = float64(c.amount)
			if p.query.Trace {
				p.step(id, taken, "a call of %d s costs %s %s there", l.row.Reference(), amount(c.amount), c.currency)
			}
		}
	}
	return scores
}

// margin says why a target is left out because the call would earn too little on it, "" where it would not. Where one of both is not known,
// or they are in different currencies, nobody can say that it earns enough.
func (p *planner) margin(l *list, t *target) string {
	if !l.row.CheckMargin || t.trunk == nil || p.query.Live == nil || p.query.Class == sbc.ClassEmergency {
		return ""
	}
	price, of, ok := p.query.Live.Price(p.query.TrunkID, p.query.Number, p.query.At, l.row.Reference())
	if !ok {
		return "the margin cannot be told: the call has no price"
	}
	cost, in, ok := p.query.Live.Cost(t.trunk.row.ID, p.query.Number, p.query.At, l.row.Reference())
	switch {
	case !ok:
		return "the margin cannot be told: it is not known what a call costs there"
	case in != of:
		return fmt.Sprintf("the margin cannot be told: a call of %d s costs %s %s there and is charged at %s %s", l.row.Reference(),
			amount(cost), in, amount(price), of)
	case float64(cost)*100 > float64(price)*float64(100-l.row.MinMarginPercent):
		return fmt.Sprintf("a call of %d s costs %s %s there and is charged at %s: less than %d percent are left", l.row.Reference(),
			amount(cost), in, amount(price), l.row.MinMarginPercent)
	}
	return ""
}

// usable tells whether a target may be tried at all: the call earns enough on it, and its quality is not so bad that it gets no calls. One of
// bad quality is remembered as what seems dead is.
func (p *planner) usable(l *list, t *target) bool {
	if why := p.margin(l, t); why != "" {
		p.step(t.id, passed, "%s", why)
		return false
	}
	if l.row.QualityProfileID == "" || t.trunk == nil || p.query.Live == nil || p.query.Class == sbc.ClassEmergency {
		return true
	}
	left, out, why := p.query.Live.Quality(l.row.ID, t.trunk.row.ID, p.query.Number)
	if !out {
		if p.query.Trace && left < 100 && l.row.Selection == sbc.SelectQuality {
			p.step(t.id, taken, "%d %% of its weight are left: %s", left, why)
		}
		return true
	}
	p.step(t.id, passed, "the trunk gets no calls of this list now: %s", why)
	order := p.endpoints(t.trunk)
	for e, ok := order.pick(); ok; e, ok = order.pick() {
		if p.alive(t, e) && len(p.dead) < MaxAttempts {
			p.dead = append(p.dead, dead{t, e})
		}
	}
	return false
}

// amount writes billionths of a currency.
func amount(v int64) string { return fmt.Sprintf("%d.%09d", v/1_000_000_000, v%1_000_000_000) }
