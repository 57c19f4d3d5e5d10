package route

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// numbers are those of ours, by tenant.
type numbers map[string]*owned

// owned are the numbers of one tenant.
type owned struct {
	single map[string]*sbc.Number
	// clashes are pairs of which nobody can tell which one counts.
	clashes [][2]*sbc.Number
	// ranges are sorted by their first number, apart for each length of number.
	ranges map[int]*ranges
}

// ranges are ranges of numbers of one length by their first number; most is, for each, the greatest last number of it and those before.
type ranges struct {
	rows []*sbc.Number
	most []string
}

// compileNumbers indexes the enabled numbers. Of two that are the same the one with the smaller id counts.
func compileNumbers(rows []*sbc.Number) numbers {
	all := numbers{}
	for _, n := range rows {
		if !n.Enabled {
			continue
		}
		o := all[n.TenantID]
		if o == nil {
			o = &owned{single: map[string]*sbc.Number{}, ranges: map[int]*ranges{}}
			all[n.TenantID] = o
		}
		if n.RangeEnd == "" {
			other := o.single[n.Number]
			if other != nil {
				o.clashes = append(o.clashes, [2]*sbc.Number{other, n})
			}
			if other == nil || n.ID < other.ID {
				o.single[n.Number] = n
			}
			continue
		}
		r := o.ranges[len(n.Number)]
		if r == nil {
			r = &ranges{}
			o.ranges[len(n.Number)] = r
		}
		r.rows = append(r.rows, n)
	}
	for _, o := range all {
		for _, r := range o.ranges {
			r.sort()
			o.clashes = r.clashes(o.clashes)
		}
	}
	return all
}

// clashes adds the ranges that are there twice, or partly within each other, to a list.
func (r *ranges) clashes(list [][2]*sbc.Number) [][2]*sbc.Number {
	var around []*sbc.Number // those that the next one may be within, the narrowest last
	for _, n := range r.rows {
		for len(around) > 0 && around[len(around)-1].RangeEnd < n.Number {
			around = around[:len(around)-1]
		}
		if len(around) > 0 {
			if by := around[len(around)-1]; n.RangeEnd > by.RangeEnd || n.Number == by.Number && n.RangeEnd == by.RangeEnd {
				list = append(list, [2]*sbc.Number{by, n})
			}
		}
		around = append(around, n)
	}
	return list
}

// Clashes are pairs of numbers or ranges of one tenant of which nobody can tell which one counts.
func (t *Table) Clashes() (list [][2]*sbc.Number) {
	for _, tenant := range slices.Sorted(maps.Keys(t.numbers)) {
		list = append(list, t.numbers[tenant].clashes...)
	}
	return list
}

func (r *ranges) sort() {
	slices.SortFunc(r.rows, func(a, b *sbc.Number) int {
		return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(b.RangeEnd, a.RangeEnd), strings.Compare(a.ID, b.ID))
	})
	for i, n := range r.rows {
		most := n.RangeEnd
		if i > 0 {
			most = max(most, r.most[i-1])
		}
		r.most = append(r.most, most)
	}
}

// find gives what is known of a number of a tenant, nil if it is none of ours: a single number goes before a range, a range that begins
// later, or ends sooner, before a wider one.
func (all numbers) find(tenantID, number string) *sbc.Number {
	o := all[tenantID]
	if o == nil {
		return nil
	}
	if n := o.single[number]; n != nil {
		return n
	}
	r := o.ranges[len(number)]
	if r == nil {
		return nil
	}
	for i := sort.Search(len(r.rows), func(i int) bool { return r.rows[i].Number > number }) - 1; i >= 0 && r.most[i] >= number; i-- {
		if n := r.rows[i]; n.RangeEnd >= number && numeric(number) == numeric(n.Number) {
			return n
		}
	}
	return nil
}

// numeric tells whether a number begins with a digit, and not with a plus.
func numeric(number string) bool { return !strings.HasPrefix(number, "+") }
