package guard

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// TestPikeLimits are the figures of OpenSIPS' own documentation and of defaults.md: a lone IPv4 address is blocked between its
// density and three times as many, an IPv6 one between it and eight times as many.
func TestPikeLimits(t *testing.T) {
	for name, c := range map[string]struct {
		addr  string
		first int // the first hit that is blocked within one unit, in an empty tree
	}{
		// 7 hits make the first octet hot, one more each of the next, then 30 of the address itself.
		"IPv4": {"192.0.2.1", 7 + 2 + 30},
		"IPv6": {"2001:db8::1", 7 + 14 + 30},
	} {
		p := &pike{density: 30, unit: 2 * time.Second}
		a := netip.MustParseAddr(c.addr)
		first := 0
		for n := 1; n <= 240 && first == 0; n++ {
			red, newly := p.mark(a, time.Second)
			if red {
				if first = n; !newly {
					t.Errorf("%s: the first block is not a new one", name)
				}
			}
		}
		if first != c.first {
			t.Errorf("%s: hit %d is the first that is blocked, %d was expected", name, first, c.first)
		}
		// It stays blocked for this unit and the next, and is free when neither is hot.
		if red, newly := p.mark(a, 1900*time.Millisecond); !red || newly {
			t.Errorf("%s: it is not blocked on", name)
		}
		if red, _ := p.mark(a, 3*time.Second); !red {
			t.Errorf("%s: in the next unit it is not blocked", name)
		}
		if red, _ := p.mark(a, 5*time.Second); red {
			t.Errorf("%s: two units later it is blocked", name)
		}
	}
}

// TestPikeMean: two units of which neither is hot, but their mean is.
func TestPikeMean(t *testing.T) {
	p := &pike{density: 30}
	for hits, want := range map[[2]int]bool{
		{30, 0}: true, {0, 30}: true, {29, 29}: false, {29, 31}: true, {0, 29}: false, {29, 0}: false,
	} {
		if p.hot(hits, 30) != want {
			t.Errorf("%v is hot: %v", hits, !want)
		}
	}
}

// TestPikeIsOpenSIPS runs random hits against the plain reading of ip_tree.c below.
func TestPikeIsOpenSIPS(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		p, o := &pike{density: 30, unit: 2 * time.Second}, &openSIPS{max: 30, roots: map[byte]*ipNode{}}
		now := time.Duration(0)
		blocked := 0
		for n := range 10_000 {
			step := time.Duration(r.ExpFloat64() * float64(10*time.Millisecond))
			if r.IntN(2000) == 0 {
				step = time.Duration(r.IntN(300)) * time.Second
			}
			for left := step; left > 0; { // OpenSIPS' timers: swap each unit, clean as we do before a hit
				to := min(left, (now/(2*time.Second)+1)*2*time.Second-now)
				now, left = now+to, left-to
				if now%(2*time.Second) == 0 {
					o.swap()
				}
			}
			o.clean(now)
			a := netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(r.IntN(3))})
			red, _ := p.mark(a, now)
			b := a.As4()
			if want := o.mark(b[:], now); red != want {
				t.Fatalf("seed %d, hit %d at %v of %v: blocked %v, in OpenSIPS %v", seed, n, now, a, red, want)
			}
			if red {
				blocked++
			}
		}
		if blocked == 0 || blocked == 10_000 {
			t.Errorf("seed %d: %d of 10000 were blocked: nothing was compared", seed, blocked)
		}
	}
}

// openSIPS is ip_tree.c and pike_funcs.c without locks, with whole-tree swaps.
type openSIPS struct {
	max   int
	roots map[byte]*ipNode
}

type ipNode struct {
	prev, cur, leafPrev, leafCur int
	isLeaf, isRed, inTimer       bool
	expires                      time.Duration
	dad                          *ipNode
	kids                         map[byte]*ipNode
}

func (o *openSIPS) nonLeafHot(n *ipNode) bool {
	return n.prev >= o.max>>2 || n.cur >= o.max>>2 || (n.prev+n.cur)>>1 >= o.max>>2
}

func (o *openSIPS) leafHot(n *ipNode) bool {
	return n.leafPrev >= o.max || n.leafCur >= o.max || (n.leafPrev+n.leafCur)>>1 >= o.max
}

func (o *openSIPS) mark(ip []byte, now time.Duration) bool {
	var node *ipNode
	depth := 0
	for kids := o.roots; depth < len(ip) && kids[ip[depth]] != nil; depth++ {
		node = kids[ip[depth]]
		kids = node.kids
	}
	switch {
	case depth == len(ip):
		node.isLeaf = true
		node.leafCur++
		node.isRed = node.isRed || o.leafHot(node)
		node.expires = now + pikeLatency
		return node.isRed
	case depth == 0:
		o.roots[ip[0]] = &ipNode{cur: 1, kids: map[byte]*ipNode{}, inTimer: true, expires: now + pikeLatency}
		return false
	}
	node.cur++
	if o.nonLeafHot(node) {
		kid := &ipNode{kids: map[byte]*ipNode{}, inTimer: true, expires: now + pikeLatency, dad: node}
		if node.cur >= 1 {
			kid.cur = node.cur - 1
		}
		if node.leafCur >= 1 {
			kid.leafPrev = node.leafPrev - 1
		}
		node.kids[ip[depth]] = kid
		if !node.isLeaf && len(node.kids) == 1 {
			node.inTimer = false
		}
	} else if node.cur >= o.max>>2 && (node.isLeaf || len(node.kids) == 0) {
		node.expires = now + pikeLatency
	}
	return false
}

func (o *openSIPS) each(f func(kids map[byte]*ipNode, octet byte, n *ipNode)) {
	var walk func(map[byte]*ipNode)
	walk = func(kids map[byte]*ipNode) {
		for octet, n := range kids {
			walk(n.kids)
			f(kids, octet, n)
		}
	}
	walk(o.roots)
}

func (o *openSIPS) swap() {
	o.each(func(_ map[byte]*ipNode, _ byte, n *ipNode) {
		n.prev, n.cur, n.leafPrev, n.leafCur = n.cur, 0, n.leafCur, 0
		n.isRed = n.isRed && o.leafHot(n)
	})
}

func (o *openSIPS) clean(now time.Duration) {
	o.each(func(kids map[byte]*ipNode, octet byte, n *ipNode) {
		if !n.inTimer || n.expires > now || len(n.kids) > 0 {
			return
		}
		delete(kids, octet)
		if n.dad != nil && len(n.dad.kids) == 0 && !n.dad.isLeaf {
			n.dad.inTimer, n.dad.expires = true, now+pikeLatency
		}
	})
}
