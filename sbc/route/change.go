package route

import (
	"slices"
)

// with gives a trie that also holds r at prefix. Only the nodes from the root to there are new; everything else is shared.
func (n node) with(prefix string, r rule) node {
	if prefix == "" {
		all := n.rules()
		at, _ := slices.BinarySearchFunc(all, r, rule.before)
		n.setRules(slices.Insert(all, at, r))
		return n
	}
	i, ok := n.fan.at(prefix[0])
	if !ok {
		n.fan = n.fan.insert(i, leaf(prefix, r))
		return n
	}
	kid := n.fan.kids[i]
	way := kid.edge.String()
	common := commonPrefix(way, prefix)
	if common < len(way) {
		// The new prefix leaves the edge half way: a node is put in between.
		lower := kid
		lower.edge = edgeOf(way[common:])
		kid = node{edge: edgeOf(way[:common]), fan: (*fan)(nil).insert(0, lower)}
	}
	n.fan = n.fan.replace(i, kid.with(prefix[common:], r))
	return n
}

// leaf makes the nodes for one rule that is alone on its way.
func leaf(prefix string, r rule) node {
	if len(prefix) <= maxEdge {
		return node{edge: edgeOf(prefix), rule: r}
	}
	return node{edge: edgeOf(prefix), fan: (*fan)(nil).insert(0, leaf(prefix[maxEdge:], r))}
}

// without gives a trie that does not hold the rule with this id at prefix. Nodes that are not needed any more
// go.
func (n node) without(prefix, id string) node {
	if prefix == "" {
		all := n.rules()
		n.setRules(slices.DeleteFunc(all, func(r rule) bool { return r.id == id }))
		return n
	}
	i, ok := n.fan.at(prefix[0])
	if !ok || !n.fan.kids[i].edge.leads(prefix) {
		return n
	}
	kid := n.fan.kids[i]
	kid = kid.without(prefix[kid.edge.len():], id)
	switch {
	case kid.has():
	case kid.fan == nil:
		n.fan = n.fan.remove(i)
		return n
	case len(kid.fan.kids) == 1:
		if only := kid.fan.kids[0]; kid.edge.len()+only.edge.len() <= maxEdge {
			only.edge = edgeOf(kid.edge.String() + only.edge.String())
			kid = only
		}
	}
	n.fan = n.fan.replace(i, kid)
	return n
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// insert gives a fan with one child more; f may be nil.
func (f *fan) insert(i int, kid node) *fan {
	next := &fan{}
	if f != nil {
		next.bits = f.bits
		next.kids = make([]node, 0, len(f.kids)+1)
		next.kids = append(append(append(next.kids, f.kids[:i]...), kid), f.kids[i:]...)
	} else {
		next.kids = []node{kid}
	}
	next.bits[kid.edge.first()>>6] |= 1 << (kid.edge.first() & 63)
	return next
}

// replace gives a fan with another child at i, whose edge begins with the same character.
func (f *fan) replace(i int, kid node) *fan {
	next := &fan{bits: f.bits, kids: slices.Clone(f.kids)}
	next.kids[i] = kid
	return next
}

// remove gives a fan without the child at i, nil if it was the last.
func (f *fan) remove(i int) *fan {
	if len(f.kids) == 1 {
		return nil
	}
	c := f.kids[i].edge.first()
	next := &fan{bits: f.bits, kids: make([]node, 0, len(f.kids)-1)}
	next.bits[c>>6] &^= 1 << (c & 63)
	next.kids = append(append(next.kids, f.kids[:i]...), f.kids[i+1:]...)
	return next
}
