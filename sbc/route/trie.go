package route

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// node is a place in the trie of one plan, with the rule of its prefix. Nodes are never changed once a Table is out: see change.go for how
// a new trie shares them.
//
// A million of them must fit beside the calls, and a look-up costs what it has to fetch from memory. So a node is one line of the processor's
// cache (64 bytes), tells by itself whether a number goes on below, and has everything that is below in one slice: one line for each step.
type node struct {
	// digits has one bit for each digit with which a child's edge begins.
	digits   uint16
	priority uint16
	marks    marks
	// edge are the n characters from the parent to here; none at the root.
	n    uint8
	edge [maxEdge]byte
	// kids are the children that begin with digits, in their order, then those that begin with other characters, in theirs, and last, with
	// empty edges and nothing below, the further rules of this node's prefix, in order.
	kids []node
	// do is nil if the prefix has no rule; id is that of the rule.
	do *action
	id string
}

// maxEdge is the longest edge; a longer way is made of several nodes.
const maxEdge = 10

// marks are what is true of a rule, or of a node.
type marks uint8

const (
	enabled marks = 1 << iota
	timed         // the rule holds at times only
	picky         // the rule has any terms: time, groups or conditions
	several       // the node has further rules
)

// way gives the characters of the edge.
func (n *node) way() []byte { return n.edge[:n.n] }

// setWay makes the edge, of at most maxEdge characters.
func (n *node) setWay(s string) {
	n.edge = [maxEdge]byte{} // nothing is left of a longer one: equal tries have equal nodes
	n.n = uint8(copy(n.edge[:], s))
}

// leads tells whether a text, which begins with the first character of the edge, begins with all of it.
func (n *node) leads(text string) bool {
	return n.n == 1 || len(text) >= int(n.n) && text[:n.n] == string(n.edge[:n.n]) // compared in place
}

// is tells whether a mark is set.
func (n *node) is(m marks) bool { return n.marks&m != 0 }

// action is what a rule does. Most rules of a plan do the same few things, so actions are shared.
type action struct {
	kind   sbc.Action
	code   int
	reason string
	listID string
	// domainID is set where a subscriber is called.
	domainID string
	strip    int
	add      string
	fallback bool
	// more is what few rules have; nil for most. An action that has more is not shared.
	more *more
}

// more is what few rules have.
type more struct {
	terms          terms
	announcementID string
	jumpPlanID     string
	http           *sbc.HTTPDecision
	enumSuffix     string
	variables      map[string]string
}

// before orders rules of one prefix: those that hold at times come first, then the smallest priority, then the smallest id.
func (n *node) before(o *node) int {
	if n.is(timed) != o.is(timed) {
		if n.is(timed) {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(n.priority, o.priority), strings.Compare(n.id, o.id))
}

// has tells whether a rule ends at the node.
func (n *node) has() bool { return n.do != nil }

// deciding gives the first enabled rule at the node: it decides there, if its terms hold.
func (n *node) deciding() *node {
	if n.is(enabled) {
		return n
	}
	further := n.further()
	for i := range further {
		if further[i].is(enabled) {
			return &further[i]
		}
	}
	return nil
}

// further are the rules of the node beside the first.
func (n *node) further() []node {
	if !n.is(several) {
		return nil // without a look at what is below
	}
	return n.kids[n.below():]
}

// below counts the children.
func (n *node) below() int {
	i := bits.OnesCount16(n.digits)
	for i < len(n.kids) && n.kids[i].n > 0 {
		i++
	}
	return i
}

// each goes over the rules of the node, in order.
func (n *node) each(yield func(*node) bool) {
	if !n.has() || !yield(n) {
		return
	}
	further := n.further()
	for i := range further {
		if !yield(&further[i]) {
			return
		}
	}
}

// bare gives the rule of a node without what is below, as a further one is kept.
func (n *node) bare() node {
	return node{priority: n.priority, marks: n.marks &^ several, do: n.do, id: n.id}
}

// rules lists all rules of the node.
func (n *node) rules() (all []node) {
	for r := range n.each {
		all = append(all, r.bare())
	}
	return all
}

// ruled gives a node with other rules, in order; there must be one, or it has none.
func (n node) ruled(all []node) node {
	children := n.kids[:n.below()]
	first := node{}
	if len(all) > 0 {
		first, all = all[0], all[1:]
	}
	n.priority, n.marks, n.do, n.id, n.kids = first.priority, first.marks, first.do, first.id, children
	if len(children) == 0 {
		n.kids = nil
	}
	if len(all) > 0 {
		n.marks |= several
		n.kids = append(append(make([]node, 0, len(children)+len(all)), children...), all...)
	}
	return n
}

// at gives the place of a character among the children, and whether there is one.
func (n *node) at(c byte) (int, bool) {
	if d := c - '0'; d <= 9 {
		bit := uint16(1) << d
		return bits.OnesCount16(n.digits & (bit - 1)), n.digits&bit != 0
	}
	i := bits.OnesCount16(n.digits)
	for ; i < len(n.kids) && n.kids[i].n > 0; i++ {
		if first := n.kids[i].edge[0]; first >= c {
			return i, first == c
		}
	}
	return i, false
}

// child gives the node below by which a number goes on, nil if there is none.
func (n *node) child(rest string) *node {
	if rest == "" {
		return nil
	}
	i, ok := n.at(rest[0])
	if !ok {
		return nil
	}
	if kid := &n.kids[i]; kid.leads(rest) {
		return kid
	}
	return nil
}

// find gives the first enabled rule of the longest prefix of a number, nil if there is none.
func (n *node) find(number string) (found *node) {
	for n != nil {
		if n.has() {
			if r := n.deciding(); r != nil {
				found = r
			}
		}
		kid := n.child(number)
		if kid != nil {
			number = number[kid.n:]
		}
		n = kid
	}
	return found
}

// maxPath is how many prefixes of a number have rules, at most, in plans of this world.
const maxPath = 8

// path adds the nodes that hold rules for a number to lists, the longest prefix first, with the length of each.
func (n *node) path(number string, nodes []*node, lengths []int) ([]*node, []int) {
	depth := 0
	for n != nil {
		if n.has() {
			nodes, lengths = append(nodes, n), append(lengths, depth)
		}
		kid := n.child(number[depth:])
		if kid != nil {
			depth += int(kid.n)
		}
		n = kid
	}
	slices.Reverse(nodes)
	slices.Reverse(lengths)
	return nodes, lengths
}
