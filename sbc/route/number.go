package route

import (
	"cmp"
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
			if other := o.single[n.Number]; other == nil || n.ID < other.ID {
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
		}
	}
	return all
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
