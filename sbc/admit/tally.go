package admit

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Direction is which way a call goes, seen from the border.
type Direction string

// The directions.
const (
	In  Direction = "in"  // the call came from the trunk
	Out Direction = "out" // the call goes to the trunk
)

// The reasons of a refusal.
const (
	ReasonCalls = "call limit reached"
	ReasonRate  = "call rate exceeded"
)

// Claim is one wish for a place.
type Claim struct {
	// Call is the id of the call. A count of a profile that a call touches with both its legs holds it once.
	Call      string
	Trunk     *sbc.Trunk
	Direction Direction
	// EndpointID is the endpoint of the trunk that the call goes to, "" for none.
	EndpointID string
	// Bounds are the limit profiles besides the trunk's own limits; one that is named twice with the same key counts once.
	Bounds []Bound
	// Always counts the call wherever it counts and refuses it nowhere: it is a call for help.
	Always bool
	// Request says that it is no call but a request outside of calls: it holds no place, and counts in rates only, apart from calls, so that
	// a flood of messages keeps no call away.
	Request bool
}

// ofRequests stands before the profile where requests outside of calls are counted: no id is like it.
const ofRequests = "requests:"

// of is where a claim is counted of what is counted for calls under a profile.
func (c *Claim) of(profile string) string {
	if c.Request {
		return ofRequests + profile
	}
	return profile
}

// Bound is a limit profile, and the key under which it counts the call.
type Bound struct {
	Profile *sbc.LimitProfile
	Key     string
}

// Verdict is the decision on one call.
type Verdict struct {
	OK bool
	// Code and Reason are the SIP answer of a refusal: 503 (RFC 3261 21.5.4), or what the profile says.
	Code   int
	Reason string
	// RetryAfter is when trying again makes sense, in whole seconds; 0 where nobody knows (a call must end first). A client may
	// send nothing at all for that long (RFC 3261 21.5.4), so it is never longer than needed.
	RetryAfter time.Duration
	// Bound is the profile and key that refused; its zero value is the trunk.
	Bound Bound
}

// Options are what a Tally needs; the zero value will do.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Tally counts calls. It is safe for concurrent use.
type Tally struct {
	now     func() time.Time
	epoch   time.Time
	metrics *metrics

	mu sync.Mutex
	// counts are by profile and key; those of the trunks themselves by "" and the trunk's id, those of endpoints by ofEndpoint and theirs.
	counts map[string]map[string]*count
	// fading are counts without calls, of which the last second is still known, by the time of their last call's end.
	fading []fading
	// places are all that are taken, newest first.
	places *Place
}

// New makes an empty Tally.
func New(o Options) *Tally {
	t := &Tally{now: o.Now, counts: map[string]map[string]*count{}}
	if t.now == nil {
		t.now = time.Now
	}
	t.epoch = t.now()
	t.metrics = newMetrics(o.Registerer, t)
	return t
}

// Take takes a place for one call on a trunk and within all bounds, or says why not; then nothing was counted. A call through
// the border takes two: one on each trunk. The place is nil after a refusal, and for requests that are no calls. The trunk's rate (MaxCallsPerSecond) is of calls
// that come from it; refused calls count towards no rate.
func (t *Tally) Take(c Claim) (*Place, Verdict) {
	t.mu.Lock()
	now := t.sweep()
	v := Verdict{OK: true}
	if !c.Always {
		v = t.check(&c, now)
	}
	if !v.OK {
		t.mu.Unlock()
		t.metrics.refused(v)
		return nil, v
	}
	p := t.take(&c, now)
	if c.Request { // what is left of it is its moment
		t.free(p)
		p = nil
	}
	t.mu.Unlock()
	return p, v
}

// Look says what Take would say now. It takes nothing.
func (t *Tally) Look(c Claim) Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.check(&c, t.sweep())
}

// check looks whether there is room everywhere; the lock is held.
func (t *Tally) check(c *Claim, now time.Duration) Verdict {
	if v := t.counts[c.of("")][c.Trunk.ID].trunkHas(c.Trunk, c.Direction, now); !v.OK {
		return v
	}
	for _, b := range c.Bounds {
		if v := t.counts[c.of(b.Profile.ID)][b.Key].has(b.Profile, c, now); !v.OK {
			v.Bound = b
			return v
		}
	}
	return Verdict{OK: true}
}

// take counts; the lock is held.
func (t *Tally) take(c *Claim, now time.Duration) *Place {
	p := &Place{tally: t, call: c.Call, dir: c.Direction, trunk: t.count(c.of(""), c.Trunk.ID), next: t.places}
	if t.places != nil {
		t.places.prev = p
	}
	t.places = p
	p.trunk.add(p, c.Direction == In && c.Trunk.MaxCallsPerSecond > 0, now)
	if !c.Request {
		t.enter(p, c.EndpointID, now)
	}
	for _, b := range c.Bounds {
		if n := t.count(c.of(b.Profile.ID), b.Key); !slices.Contains(p.more, n) {
			p.more = append(p.more, n)
			n.add(p, true, now)
		}
	}
	return p
}

// count finds a count, or makes it; the lock is held.
func (t *Tally) count(profile, key string) *count {
	of := t.counts[profile]
	if of == nil {
		of = map[string]*count{}
		t.counts[profile] = of
	}
	n := of[key]
	if n == nil {
		n = &count{profile: profile, key: key}
		if profile != "" && profile != ofEndpoint {
			n.holders = map[string]int{}
		}
		of[key] = n
	}
	return n
}

// Usage is how many calls of a trunk are in progress.
type Usage struct{ In, Out int }

// OfTrunk counts the calls of one trunk.
func (t *Tally) OfTrunk(trunkID string) Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.counts[""][trunkID]; n != nil {
		return Usage{n.in, n.out}
	}
	return Usage{}
}

// ofEndpoint stands for a profile where endpoints are counted: no id of a profile is like it.
const ofEndpoint = "endpoint"

// enter counts a place on an endpoint, if it is on one; the lock is held.
func (t *Tally) enter(p *Place, endpointID string, now time.Duration) {
	if endpointID != "" {
		p.endpoint = t.count(ofEndpoint, endpointID)
		p.endpoint.add(p, false, now)
	}
}

// OfEndpoint counts the calls in progress that went out to an endpoint.
func (t *Tally) OfEndpoint(endpointID string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.counts[ofEndpoint][endpointID]; n != nil {
		return n.out
	}
	return 0
}

// Each gives the counts of every trunk with calls, in no order; f is called without a lock held.
func (t *Tally) Each(f func(trunkID string, u Usage)) {
	t.mu.Lock()
	all := make(map[string]Usage, len(t.counts[""]))
	for id, n := range t.counts[""] {
		if n.in+n.out > 0 {
			all[id] = Usage{n.in, n.out}
		}
	}
	t.mu.Unlock()
	for id, u := range all {
		f(id, u)
	}
}

// Usage gives the counts of a limit profile that are not zero, by key.
func (t *Tally) Usage(profileID string) []sbc.LimitUsage {
	list := []sbc.LimitUsage{}
	if profileID == "" {
		return list
	}
	t.mu.Lock()
	now := t.sweep()
	for key, n := range t.counts[profileID] {
		u := sbc.LimitUsage{Key: key, CallsIn: n.in, CallsOut: n.out, RateIn: n.recentIn.count(now), RateOut: n.recentOut.count(now)}
		if u.CallsIn+u.CallsOut+u.RateIn+u.RateOut > 0 {
			list = append(list, u)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(list, func(x, y sbc.LimitUsage) int { return strings.Compare(x.Key, y.Key) })
	return list
}

// Reconcile gives the places back whose calls are no more, and says how many there were. Alive is called without a lock held; it
// must know a call from before its first place is taken until after its last one was given back.
func (t *Tally) Reconcile(alive func(call string) bool) int {
	t.mu.Lock()
	places := make([]*Place, 0, 64)
	calls := make([]string, 0, 64)
	for p := t.places; p != nil; p = p.next {
		places, calls = append(places, p), append(calls, p.call)
	}
	t.mu.Unlock()
	found := 0
	for i, p := range places {
		if !alive(calls[i]) && p.releaseOf(calls[i]) {
			found++
		}
	}
	return found
}
