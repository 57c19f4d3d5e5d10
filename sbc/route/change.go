package route

import "slices"

// with gives a trie that also holds r at prefix. Only the nodes from the root to there are new; everything else is shared.
func (n node) with(prefix string, r node) node {
	if prefix == "" {
		all := n.rules()
		at, _ := slices.BinarySearchFunc(all, r, func(x, y node) int { return x.before(&y) })
		return n.ruled(slices.Insert(all, at, r))
	}
	i, ok := n.at(prefix[0])
	if !ok {
		return n.insert(i, leaf(prefix, r))
	}
	kid := n.kids[i]
	way := string(kid.way())
	common := commonPrefix(way, prefix)
	if common < len(way) {
		// The new prefix leaves the edge half way: a node is put in between.
		lower := kid
		lower.setWay(way[common:])
		kid = node{}
		kid.setWay(way[:common])
		kid = kid.insert(0, lower)
	}
	return n.replace(i, kid.with(prefix[common:], r))
}

// leaf makes the nodes for one rule that is alone on its way.
func leaf(prefix string, r node) node {
	if len(prefix) <= maxEdge {
		r.setWay(prefix)
		return r
	}
	n := node{}
	n.setWay(prefix[:maxEdge])
	return n.insert(0, leaf(prefix[maxEdge:], r))
}

// without gives a trie that does not hold the rule with this id at prefix. Nodes that are not needed any more
// go.
func (n node) without(prefix, id string) node {
	if prefix == "" {
		return n.ruled(slices.DeleteFunc(n.rules(), func(r node) bool { return r.id == id }))
	}
	i, ok := n.at(prefix[0])
	if !ok || !n.kids[i].leads(prefix) {
		return n
	}
	kid := n.kids[i]
	kid = kid.without(prefix[kid.n:], id)
	switch {
	case kid.has():
	case len(kid.kids) == 0:
		return n.remove(i)
	case len(kid.kids) == 1:
		if only := kid.kids[0]; kid.n+only.n <= maxEdge {
			only.setWay(string(kid.way()) + string(only.way()))
			kid = only
		}
	}
	return n.replace(i, kid)
}

func commonPrefix(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return i
}

// insert gives a node with one child more, at i.
func (n node) insert(i int, kid node) node {
	kids := make([]node, 0, len(n.kids)+1)
	n.kids = append(append(append(kids, n.kids[:i]...), kid), n.kids[i:]...)
	n.digits |= digit(kid.edge[0])
	return n
}

// replace gives a node with another child at i, whose edge begins with the same character.
func (n node) replace(i int, kid node) node {
	n.kids = slices.Clone(n.kids)
	n.kids[i] = kid
	return n
}

// remove gives a node without the child at i.
func (n node) remove(i int) node {
	n.digits &^= digit(n.kids[i].edge[0])
	var kids []node
	if len(n.kids) > 1 {
		kids = make([]node, 0, len(n.kids)-1)
		kids = append(append(kids, n.kids[:i]...), n.kids[i+1:]...)
	}
	n.kids = kids
	return n
}

// digit gives the bit of a character in node.digits, 0 for one that is no digit.
func digit(c byte) uint16 {
	if d := c - '0'; d <= 9 {
		return 1 << d
	}
	return 0
}
