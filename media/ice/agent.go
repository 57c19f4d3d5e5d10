package ice

import (
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// Consent is how long after its last check a peer goes on getting media (RFC 7675 5.1).
	Consent = 30 * time.Second
	// mostPairs bounds the sources that are remembered of one component: what a peer checks from at once.
	mostPairs = 16
	// failureRate is how many checks a second are verified of sources that are not known to be the peer's, pairRate of each that is.
	failureRate, pairRate = 50, 50
)

// Component is a port of an m-line (RFC 8445 2).
type Component uint8

// The components. With rtcp-mux there is only the first.
const (
	RTP  Component = iota // with RTCP, where that is multiplexed
	RTCP                  // alone
	components
)

// Watcher is told what becomes of an agent. Its methods are called without any lock: Selected by the thread that moves packets,
// Lost by a goroutine of a timer; they must not block.
type Watcher interface {
	// Selected tells the one source that media of a component come from and go to from now on.
	Selected(c Component, source netip.AddrPort)
	// Lost tells that the peer has not asked for media of a component for Consent.
	Lost(c Component)
}

// Agent answers the checks for one m-line. Safe for concurrent use.
type Agent struct {
	watcher Watcher

	mu     sync.Mutex
	local  Credentials
	former Credentials // of before a restart, good for consent until a pair of the new ones is chosen
	remote Credentials
	parts  [components]component
	closed bool
	msg    stun.Message // scratch
	spare  bucket       // for sources that are not known
	stats  Stats
}

// component is what is known of one port.
type component struct {
	pairs    []pair
	selected netip.AddrPort
	fresh    bool  // selected by the credentials of now
	heard    int64 // when the selected pair was checked last
	timer    *time.Timer
	lost     bool
	// urged is the source nominated last, for the urges-th time without another one between.
	urged netip.AddrPort
	urges int
}

// pair is a source of checks that proved to be the peer.
type pair struct {
	source    netip.AddrPort
	priority  uint32
	nominated bool
	last      int64
	budget    bucket
}

// Stats counts checks.
type Stats struct {
	Answered  uint64 // successes
	Refused   uint64 // answered with an error
	Discarded uint64 // of strangers, malformed, or too many
}

// New makes an agent with credentials of its own.
func New(w Watcher) *Agent {
	return &Agent{watcher: w, local: NewCredentials(), spare: bucket{left: failureRate}}
}

// Local are our credentials.
func (a *Agent) Local() Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.local
}

// Remote are those of the peer, zero before Expect.
func (a *Agent) Remote() Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remote
}

// Restarts reports whether a peer that says these credentials begins anew (RFC 8445 9): then Restart is due before ours are told.
func (a *Agent) Restarts(remote Credentials) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remote != (Credentials{}) && a.remote != remote
}

// Restart makes credentials anew and forgets which sources were the peer's. Media go on where they go until the peer chooses
// again.
func (a *Agent) Restart() Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.former, a.local, a.remote = a.local, NewCredentials(), Credentials{}
	for i := range a.parts {
		a.parts[i].pairs, a.parts[i].fresh = nil, false
	}
	return a.local
}

// Expect sets the peer's credentials; other ones than before forget which sources were the peer's (another device answered).
func (a *Agent) Expect(remote Credentials) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.remote == remote {
		return
	}
	a.remote = remote
	for i := range a.parts {
		a.parts[i].pairs, a.parts[i].fresh = nil, false
	}
}

// Selected is the source chosen for a component; invalid if there is none, or it was lost.
func (a *Agent) Selected(c Component) netip.AddrPort {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := &a.parts[c]; !p.lost {
		return p.selected
	}
	return netip.AddrPort{}
}

// Valid reports whether a source has proved to be the peer, chosen or not.
func (a *Agent) Valid(c Component, source netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &a.parts[c]
	return !p.lost && (p.selected == source || p.find(source) != nil)
}

// Stats copies the figures.
func (a *Agent) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

// Close ends it: no check is answered any more, and nobody is told anything.
func (a *Agent) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for i := range a.parts {
		if t := a.parts[i].timer; t != nil {
			t.Stop()
		}
	}
}

func (p *component) find(source netip.AddrPort) *pair {
	for i := range p.pairs {
		if p.pairs[i].source == source {
			return &p.pairs[i]
		}
	}
	return nil
}

// learn gives the pair of a source that proved to be the peer, a new one in place of that which was silent longest.
func (p *component) learn(source netip.AddrPort, now int64) *pair {
	if q := p.find(source); q != nil {
		return q
	}
	if len(p.pairs) < mostPairs {
		p.pairs = append(p.pairs, pair{source: source, budget: bucket{at: now, left: pairRate}})
		return &p.pairs[len(p.pairs)-1]
	}
	oldest := 0
	for i := range p.pairs {
		if p.pairs[i].source != p.selected && p.pairs[i].last < p.pairs[oldest].last || p.pairs[oldest].source == p.selected {
			oldest = i
		}
	}
	p.pairs[oldest] = pair{source: source, budget: bucket{at: now, left: pairRate}}
	return &p.pairs[oldest]
}

// urge counts the nominations of one source that follow one another.
func (p *component) urge(source netip.AddrPort) {
	if p.urged != source {
		p.urged, p.urges = source, 0
	}
	p.urges++
}

// chooses says whether a nomination moves the media: that of another pair does when the peer has just decided so, or prefers
// it. One that nominates all its pairs and goes on doing so (RFC 5245 8.1.1.2) thereby settles on its best. One that nominates only
// the pair that it uses, as browsers do, and goes back to one of before, says nothing new of that: but it says no more of the other.
func (p *component) chooses(q *pair, again bool) bool {
	if !p.fresh || !p.selected.IsValid() || p.lost {
		return true
	}
	if p.selected == q.source {
		return false
	}
	now := p.find(p.selected)
	return now == nil || !now.nominated || !again || q.priority > now.priority || p.urges > 1
}

// bucket bounds a rate.
type bucket struct {
	at   int64 // nanoseconds
	left float64
}

// take says whether one more is within so many a second.
func (b *bucket) take(now int64, rate float64) bool {
	b.left = min(rate, b.left+float64(now-b.at)*rate/1e9)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
