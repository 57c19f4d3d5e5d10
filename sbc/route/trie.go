package route

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// node is a place in the trie of one plan. Nodes are never changed once a Table is out: see change.go for how a new trie shares
// them. A million of them must fit beside the calls, so a node is 64 bytes and most have nothing below.
type node struct {
	// edge are the characters from the parent to here; empty only at the root.
	edge edge
	// rule is the first rule of this prefix, the zero rule if there is none; more are the others, by priority and then id.
	rule rule
	more *[]rule
	fan  *fan
}

// maxEdge is the longest edge; a longer way is made of several nodes.
const maxEdge = 15

// edge holds characters in place: to follow it, nothing else has to be fetched from memory.
type edge struct {
	n     uint8
	chars [maxEdge]byte
}

// edgeOf makes an edge of at most maxEdge characters.
func edgeOf(s string) (e edge) {
	e.n = uint8(copy(e.chars[:], s))
	return e
}

func (e *edge) len() int       { return int(e.n) }
func (e *edge) first() byte    { return e.chars[0] }
func (e *edge) String() string { return string(e.chars[:e.n]) }

// leads tells whether a text begins with the edge.
func (e *edge) leads(text string) bool {
	return len(text) >= int(e.n) && text[:e.n] == string(e.chars[:e.n]) // compared in place
}

// fan is what is below a node.
type fan struct {
	// bits has one bit for each character (ASCII) with which a child's edge begins; kids are in the order of these bits.
	bits [2]uint64
	kids []node
}

// rule is a sbc.Rule reduced to what a decision needs.
type rule struct {
	id       string
	do       *action
	priority uint16
	enabled  bool
	// timed says that the rule holds at times only, picky that it has any terms: time, groups or conditions.
	timed, picky bool
}

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
func (r rule) before(o rule) int {
	if r.timed != o.timed {
		if r.timed {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(r.priority, o.priority), strings.Compare(r.id, o.id))
}

// has tells whether a rule ends at the node.
func (n *node) has() bool { return n.rule.id != "" }

// deciding gives the first enabled rule at the node: it decides there, if its terms hold.
func (n *node) deciding() *rule {
	if n.rule.enabled {
		return &n.rule
	}
	if n.more != nil {
		for i := range *n.more {
			if (*n.more)[i].enabled {
				return &(*n.more)[i]
			}
		}
	}
	return nil
}

// each goes over the rules of the node, in order.
func (n *node) each(yield func(*rule) bool) {
	if !n.has() || !yield(&n.rule) || n.more == nil {
		return
	}
	for i := range *n.more {
		if !yield(&(*n.more)[i]) {
			return
		}
	}
}

// rules lists all rules of the node.
func (n *node) rules() []rule {
	if !n.has() {
		return nil
	}
	all := []rule{n.rule}
	if n.more != nil {
		all = append(all, *n.more...)
	}
	return all
}

// setRules replaces the rules of a node that nobody else sees yet; all must be in order.
func (n *node) setRules(all []rule) {
	n.rule, n.more = rule{}, nil
	if len(all) > 0 {
		n.rule = all[0]
	}
	if len(all) > 1 {
		rest := slices.Clone(all[1:])
		n.more = &rest
	}
}

// at gives the place of a character among the children, and whether there is one.
func (f *fan) at(c byte) (int, bool) {
	if f == nil || c >= 128 {
		return 0, false
	}
	word, bit := c>>6, uint64(1)<<(c&63)
	i := bits.OnesCount64(f.bits[word] & (bit - 1))
	if word == 1 {
		i += bits.OnesCount64(f.bits[0])
	}
	return i, f.bits[word]&bit != 0
}

// child gives the node below by which a number goes on, nil if there is none.
func (n *node) child(rest string) *node {
	if rest == "" {
		return nil
	}
	i, ok := n.fan.at(rest[0])
	if !ok {
		return nil
	}
	if kid := &n.fan.kids[i]; kid.edge.leads(rest) {
		return kid
	}
	return nil
}

// find gives the first enabled rule of the longest prefix of a number, nil if there is none.
func (n *node) find(number string) *rule {
	var found *rule
	for n != nil {
		if n.has() {
			if r := n.deciding(); r != nil {
				found = r
			}
		}
		kid := n.child(number)
		if kid != nil {
			number = number[kid.edge.len():]
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
			depth += kid.edge.len()
		}
		n = kid
	}
	slices.Reverse(nodes)
	slices.Reverse(lengths)
	return nodes, lengths
}

// entry is one rule on its way into a trie.
type entry struct {
	prefix string
	rule   rule
}

// root makes the trie of entries in order of prefix and then of rule.
func root(entries []entry) node { return build(entries, 0, 0) }

// build makes the node whose edge are the characters from depth to end, in which the entries agree.
func build(entries []entry, depth, end int) node {
	n := node{edge: edgeOf(entries[0].prefix[depth:end])}
	here := 0
	for here < len(entries) && len(entries[here].prefix) == end {
		here++
	}
	n.take(entries[:here])
	if below := entries[here:]; len(below) > 0 {
		n.fan = buildFan(below, end)
	}
	return n
}

// take stores the entries that end at the node.
func (n *node) take(entries []entry) {
	if len(entries) > 0 {
		n.rule = entries[0].rule
	}
	if len(entries) > 1 {
		more := make([]rule, len(entries)-1)
		for i, e := range entries[1:] {
			more[i] = e.rule
		}
		n.more = &more
	}
}

// buildFan makes the children of entries that are all longer than depth.
func buildFan(entries []entry, depth int) *fan {
	f := &fan{}
	kids := 0
	for i, e := range entries {
		if c := e.prefix[depth]; i == 0 || c != entries[i-1].prefix[depth] {
			f.bits[c>>6] |= 1 << (c & 63)
			kids++
		}
	}
	f.kids = make([]node, 0, kids)
	for lo := 0; lo < len(entries); {
		hi := lo + 1
		for hi < len(entries) && entries[hi].prefix[depth] == entries[lo].prefix[depth] {
			hi++
		}
		// In order, what the first and the last have in common all have.
		end := depth + commonPrefix(entries[lo].prefix[depth:], entries[hi-1].prefix[depth:])
		f.kids = append(f.kids, build(entries[lo:hi], depth, min(end, depth+maxEdge)))
		lo = hi
	}
	return f
}
