package guard

import (
	"net/netip"
	"sync"
	"time"
)

// pikeLatency is how long OpenSIPS keeps a node after its last hit (remove_latency).
const pikeLatency = 120 * time.Second

// pikeNodes bounds the nodes of a tree. OpenSIPS lets pass what it has no memory for, and so do we.
const pikeNodes = 65_536

// maxHits is where OpenSIPS' counters of 16 bits stop.
const maxHits = 1<<16 - 2

// pike is the tree of OpenSIPS' module pike (modules/pike/ip_tree.c and pike_funcs.c), for networks that were tuned to its
// arithmetic: hits are counted in units of time, the current and the one before. An address is blocked while either of them, or
// their mean, reaches the density; the tree grows by an octet where a prefix reaches a quarter of it. So a lone IPv4 address is
// blocked between its density and about three times as many hits. It may be used by several goroutines at once.
type pike struct {
	density int
	unit    time.Duration

	mu    sync.Mutex
	roots [256]*pikeNode
	nodes int
	// first and last are the nodes that expire, the next first.
	first, last *pikeNode
}

type pikeNode struct {
	octet      byte
	leaf       bool // a whole address
	red        bool // it is blocked
	timed      bool // it expires
	unit       int64
	hits       [2]int // of the prefix, in the unit before and in this one
	leafHits   [2]int // of the address
	expires    time.Duration
	dad, kids  *pikeNode
	prev, next *pikeNode // among the kids of dad
	sooner     *pikeNode
	later      *pikeNode
}

// before and current are the indices of hits.
const (
	before = iota
	current
)

// mark counts a hit of an address and tells whether it is blocked, and whether it was not before. Now is the time since the
// start.
func (p *pike) mark(a netip.Addr, now time.Duration) (red, newly bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clean(now)
	var room [16]byte
	ip := room[:]
	if a.Is4() || a.Is4In6() {
		four := a.Unmap().As4()
		ip = room[:copy(room[:], four[:])]
	} else {
		room = a.As16()
	}
	n, depth := p.longest(ip)
	if n == nil {
		p.plant(ip[0], now)
		return false, false
	}
	p.swap(n, now)
	if depth == len(ip) {
		n.leaf = true
		n.leafHits[current] = min(n.leafHits[current]+1, maxHits)
		if !n.red && p.hot(n.leafHits, p.density) {
			n.red, newly = true, true
		}
		p.prolong(n, now)
		return n.red, newly
	}
	n.hits[current] = min(n.hits[current]+1, maxHits)
	switch quarter := p.density >> 2; {
	case p.hot(n.hits, quarter):
		p.split(n, ip[depth], now)
	case n.hits[current] >= quarter && (n.leaf || n.kids == nil):
		p.prolong(n, now)
	}
	return false, false
}

// hot is the arithmetic: the unit before, this one, or the mean of both.
func (p *pike) hot(hits [2]int, density int) bool {
	return hits[before] >= density || hits[current] >= density || (hits[before]+hits[current])>>1 >= density
}

// longest finds the node of the longest prefix, and how many octets it stands for.
func (p *pike) longest(ip []byte) (n *pikeNode, depth int) {
	kid := p.roots[ip[0]]
	for kid != nil && depth < len(ip) {
		for kid != nil && kid.octet != ip[depth] {
			kid = kid.next
		}
		if kid != nil {
			n, kid = kid, kid.kids
			depth++
		}
	}
	return n, depth
}

// swap makes the current unit the one before wherever a unit has ended since the node was looked at: swap_routine does it for all
// nodes at the end of a unit, with the same result.
func (p *pike) swap(n *pikeNode, now time.Duration) {
	unit := int64(now / p.unit)
	for ; n.unit < unit && n.hits != [2]int{} || n.unit < unit && n.leafHits != [2]int{}; n.unit++ {
		n.hits = [2]int{n.hits[current], 0}
		n.leafHits = [2]int{n.leafHits[current], 0}
		if n.red && !p.hot(n.leafHits, p.density) {
			n.red = false
		}
	}
	n.unit = unit
}

func (p *pike) plant(octet byte, now time.Duration) {
	if p.nodes >= pikeNodes {
		return
	}
	n := &pikeNode{octet: octet, unit: int64(now / p.unit), hits: [2]int{0, 1}}
	p.roots[octet] = n
	p.nodes++
	p.schedule(n, now+pikeLatency)
}

// split gives a prefix a kid for the next octet. The kid has one hit less than its father, and the father expires no more by
// itself.
func (p *pike) split(dad *pikeNode, octet byte, now time.Duration) {
	if p.nodes >= pikeNodes {
		return
	}
	n := &pikeNode{octet: octet, unit: dad.unit, dad: dad, next: dad.kids}
	if dad.hits[current] >= 1 {
		n.hits[current] = dad.hits[current] - 1
	}
	if dad.leafHits[current] >= 1 {
		n.leafHits[before] = dad.leafHits[before] - 1
	}
	if dad.kids != nil {
		dad.kids.prev = n
	}
	dad.kids = n
	p.nodes++
	p.schedule(n, now+pikeLatency)
	if !dad.leaf && n.next == nil {
		p.unschedule(dad)
	}
}

func (p *pike) prolong(n *pikeNode, now time.Duration) {
	p.unschedule(n)
	p.schedule(n, now+pikeLatency)
}

// clean removes what has expired (clean_routine). A father that loses its last kid expires by itself from then on.
func (p *pike) clean(now time.Duration) {
	for n := p.first; n != nil && n.expires <= now; n = p.first {
		p.unschedule(n)
		if n.kids != nil {
			n.leaf, n.leafHits[current] = false, 0
			continue
		}
		p.remove(n)
		if dad := n.dad; dad != nil && dad.kids == nil && !dad.leaf {
			p.schedule(dad, now+pikeLatency)
		}
	}
}

func (p *pike) remove(n *pikeNode) {
	p.nodes--
	switch {
	case n.dad == nil:
		p.roots[n.octet] = nil
	case n.dad.kids == n:
		n.dad.kids = n.next
	default:
		n.prev.next = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	}
}

// schedule puts a node at the end of those that expire: all have the same latency, so they stay in order.
func (p *pike) schedule(n *pikeNode, at time.Duration) {
	n.timed, n.expires, n.sooner, n.later = true, at, p.last, nil
	if p.last != nil {
		p.last.later = n
	} else {
		p.first = n
	}
	p.last = n
}

func (p *pike) unschedule(n *pikeNode) {
	if !n.timed {
		return
	}
	if n.sooner != nil {
		n.sooner.later = n.later
	} else {
		p.first = n.later
	}
	if n.later != nil {
		n.later.sooner = n.sooner
	} else {
		p.last = n.sooner
	}
	n.timed, n.sooner, n.later = false, nil, nil
}
