package route

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// entry is one rule on its way into a trie. Its prefix is still the row's, for the trie copies it.
type entry struct {
	prefix string
	rule   node
}

// spot is where an entry stands in the order of prefixes. Orders are made and read without going to the entries, which are all over the
// memory.
type spot struct {
	// lead are the first eight characters, zeros after the last; n is the length.
	lead uint64
	n    uint32
	// at is the index of the entry.
	at int32
}

func spotOf(prefix string, at int) spot {
	var b [8]byte
	copy(b[:], prefix)
	return spot{lead: binary.BigEndian.Uint64(b[:]), n: uint32(len(prefix)), at: int32(at)}
}

// builder makes tries of entries.
type builder struct{ entries []entry }

// compare orders by prefix and then by rule.
func (b builder) compare(x, y spot) int {
	if x.lead != y.lead {
		return cmp.Compare(x.lead, y.lead)
	}
	if x.n <= 8 && y.n <= 8 && x.n != y.n {
		return cmp.Compare(x.n, y.n)
	}
	m, n := &b.entries[x.at], &b.entries[y.at]
	return cmp.Or(strings.Compare(m.prefix, n.prefix), m.rule.before(&n.rule))
}

// merge gives the spots of sorted lists in one sorted list.
func (b builder) merge(lists [][]spot) []spot {
	for len(lists) > 1 {
		x, y := lists[0], lists[1]
		all := make([]spot, 0, len(x)+len(y))
		for len(x) > 0 && len(y) > 0 {
			if b.compare(y[0], x[0]) < 0 {
				x, y = y, x
			}
			all, x = append(all, x[0]), x[1:]
		}
		all = append(append(all, x...), y...)
		lists = append(slices.Clip(lists[2:]), all)
	}
	return lists[0]
}

// char gives a character of a prefix that is longer than depth.
func (b builder) char(p spot, depth int) byte {
	if depth < 8 {
		return byte(p.lead >> (56 - 8*depth))
	}
	return b.entries[p.at].prefix[depth]
}

// common tells how many characters two prefixes have in common.
func (b builder) common(x, y spot) int {
	if x.at == y.at {
		return int(x.n)
	}
	if n := min(bits.LeadingZeros64(x.lead^y.lead)/8, int(x.n), int(y.n)); n < 8 {
		return n
	}
	return commonPrefix(b.entries[x.at].prefix, b.entries[y.at].prefix)
}

// parallel is from how many rules on a table is made by all processors.
const parallel = 20_000

// build makes the node whose edge are the characters from depth to end, in which the entries, which are in order, agree.
func (b builder) build(spots []spot, depth, end int) node {
	here := 0
	for here < len(spots) && int(spots[here].n) == end {
		here++
	}
	var n node
	if here > 0 {
		n = b.entries[spots[0].at].rule
	}
	if n.n = uint8(end - depth); end <= 8 { // without a look at the entry
		var lead [8]byte
		binary.BigEndian.PutUint64(lead[:], spots[0].lead)
		copy(n.edge[:], lead[depth:end])
	} else {
		n.setWay(b.entries[spots[0].at].prefix[depth:end])
	}
	if here != 1 || len(spots) > 1 {
		b.settle(&n, spots, here, end)
	}
	return n
}

// branch is a child to be made: of the spots between lo and hi.
type branch struct{ lo, hi, kid int }

// settle lays out what is below a node: the spots from here on, which are all longer than depth, and the further rules before them.
func (b builder) settle(n *node, spots []spot, here, depth int) {
	below := spots[here:]
	var room [16]branch
	branches, others := room[:0], 0
	for lo := 0; lo < len(below); {
		c, hi := b.char(below[lo], depth), lo+1
		for hi < len(below) && b.char(below[hi], depth) == c {
			hi++
		}
		if n.digits |= digit(c); digit(c) == 0 {
			others++
		}
		branches = append(branches, branch{lo: lo, hi: hi})
		lo = hi
	}
	digits := bits.OnesCount16(n.digits)
	n.kids = make([]node, digits+others+max(0, here-1))
	numeral, other := 0, digits
	for i := range branches {
		at := &numeral
		if digit(b.char(below[branches[i].lo], depth)) == 0 {
			at = &other
		}
		branches[i].kid = *at
		*at++
	}
	for i := 1; i < here; i++ {
		n.marks |= several
		n.kids[other+i-1] = b.entries[spots[i].at].rule
	}
	if len(below) >= parallel {
		b.wide(n, below, slices.Clone(branches), depth)
		return
	}
	for _, br := range branches {
		b.grow(n.kids, below, br, depth)
	}
}

// wide makes the children of a node with all processors. Apart from settle, for what work shared refers to goes to the heap.
func (b builder) wide(n *node, below []spot, branches []branch, depth int) {
	kids := n.kids
	share(len(branches), func(i int) { b.grow(kids, below, branches[i], depth) })
}

// grow makes one child.
func (b builder) grow(kids []node, below []spot, br branch, depth int) {
	lot := below[br.lo:br.hi]
	// In order, what the first and the last have in common all have.
	end := b.common(lot[0], lot[len(lot)-1])
	kids[br.kid] = b.build(lot, depth, min(end, depth+maxEdge))
}
