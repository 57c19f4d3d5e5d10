package admit

import (
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// count is what is counted under one key. Nil is one without calls.
type count struct {
	profile, key string
	in, out      int
	// recentIn and recentOut are the calls admitted within the last second.
	recentIn, recentOut window
	// holders are the calls, with how many places each has; nil for a trunk's own count, where each leg is a call.
	holders map[string]int
	// fading tells that it waits in Tally.fading.
	fading bool
}

// trunkHas checks a trunk's own limits.
func (n *count) trunkHas(trunk *sbc.Trunk, dir Direction, now time.Duration) Verdict {
	if n == nil {
		return Verdict{OK: true}
	}
	if trunk.MaxCalls > 0 && n.in+n.out >= trunk.MaxCalls {
		return Verdict{Code: 503, Reason: ReasonCalls}
	}
	if dir == In && trunk.MaxCallsPerSecond > 0 {
		if wait := n.recentIn.wait(now, trunk.MaxCallsPerSecond); wait > 0 {
			return Verdict{Code: 503, Reason: ReasonRate, RetryAfter: wholeSeconds(wait)}
		}
	}
	return Verdict{OK: true}
}

// has checks the limits of a profile.
func (n *count) has(p *sbc.LimitProfile, c *Claim, now time.Duration) Verdict {
	if n == nil {
		return Verdict{OK: true}
	}
	at, most, rate, recent := n.in, p.MaxCallsIn, p.MaxCallsPerSecondIn, &n.recentIn
	if c.Direction == Out {
		at, most, rate, recent = n.out, p.MaxCallsOut, p.MaxCallsPerSecondOut, &n.recentOut
	}
	if most > 0 && at >= most || p.MaxCalls > 0 && len(n.holders) >= p.MaxCalls && n.holders[c.Call] == 0 {
		return Verdict{Code: p.RejectCode, Reason: ReasonCalls}
	}
	if rate > 0 {
		if wait := recent.wait(now, rate); wait > 0 {
			return Verdict{Code: p.RejectCode, Reason: ReasonRate, RetryAfter: wholeSeconds(wait)}
		}
	}
	return Verdict{OK: true}
}

// add counts a place, and its time where a rate is kept.
func (n *count) add(p *Place, rated bool, now time.Duration) {
	recent := &n.recentIn
	if p.dir == Out {
		n.out++
		recent = &n.recentOut
	} else {
		n.in++
	}
	if rated {
		recent.add(now)
	}
	if n.holders != nil {
		n.holders[p.call]++
	}
}

// drop takes a place off.
func (n *count) drop(p *Place) {
	if p.dir == Out {
		n.out--
	} else {
		n.in--
	}
	n.unhold(p.call)
}

// unhold takes one place of a call off.
func (n *count) unhold(call string) {
	if n.holders == nil {
		return
	}
	if n.holders[call]--; n.holders[call] <= 0 {
		delete(n.holders, call)
	}
}

// empty tells whether nothing is left to be known.
func (n *count) empty(now time.Duration) bool {
	return n.in+n.out == 0 && n.recentIn.count(now) == 0 && n.recentOut.count(now) == 0
}

// Place is one leg's hold on its counts. It is safe for concurrent use.
type Place struct {
	tally      *Tally
	call       string
	dir        Direction
	trunk      *count
	endpoint   *count // nil for none
	more       []*count
	next, prev *Place
	done       bool
}

// Release gives the place back, once. A nil place is none.
func (p *Place) Release() {
	if p == nil {
		return
	}
	t := p.tally
	t.mu.Lock()
	t.free(p)
	t.mu.Unlock()
}

// releaseOf gives a place back that is still a call's; false if it is not any more.
func (p *Place) releaseOf(call string) bool {
	t := p.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.done || p.call != call {
		return false
	}
	t.free(p)
	return true
}

// MoveTo makes the place another call's: its leg goes on there. A nil place is none.
func (p *Place) MoveTo(call string) {
	if p == nil {
		return
	}
	t := p.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.done {
		return
	}
	for _, n := range p.more {
		n.unhold(p.call)
		n.holders[call]++
	}
	p.call = call
}

// free takes a place off its counts and off the list; the lock is held.
func (t *Tally) free(p *Place) {
	if p.done {
		return
	}
	p.done = true
	now := t.now().Sub(t.epoch)
	p.trunk.drop(p)
	t.forget(p.trunk, now)
	if p.endpoint != nil {
		p.endpoint.drop(p)
		t.forget(p.endpoint, now)
	}
	for _, n := range p.more {
		n.drop(p)
		t.forget(n, now)
	}
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		t.places = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev, p.more = nil, nil, nil
}

// fading is a count that will be nothing soon.
type fading struct {
	n     *count
	since time.Duration
}

// forget removes a count that is nothing any more; the lock is held.
func (t *Tally) forget(n *count, now time.Duration) {
	switch {
	case n.in+n.out > 0 || n.fading:
	case n.empty(now):
		if of := t.counts[n.profile]; of[n.key] == n {
			if delete(of, n.key); len(of) == 0 {
				delete(t.counts, n.profile)
			}
		}
	default:
		n.fading = true
		t.fading = append(t.fading, fading{n, now})
	}
}

// sweep removes the counts that have faded, and gives the time; the lock is held.
func (t *Tally) sweep() (now time.Duration) {
	now = t.now().Sub(t.epoch)
	gone := 0
	for gone < len(t.fading) && now-t.fading[gone].since >= span {
		n := t.fading[gone].n
		n.fading = false
		t.forget(n, now)
		gone++
	}
	t.fading = slices.Delete(t.fading, 0, gone)
	return now
}

// wholeSeconds rounds up: Retry-After counts in seconds (RFC 3261 20.33).
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}
