package rates

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// MaxRates bounds a Table.
const MaxRates = 1_000_000

// maxDigits is the longest prefix, and what of a number is looked at (E.164 6.1).
const maxDigits = 15

// Table is the rates of a deck. It is immutable and safe for concurrent use; the zero Table has none.
type Table struct {
	// Row by row, in order of prefix and then of the moment from which it holds: the prefix as pack makes it, the price of a minute, and
	// where terms and name are.
	keys  []uint64
	price []int64
	terms []uint32
	name  []uint32
	// parents is the last row of the longest prefix of the row's prefix that has rows; -1 where there is none.
	parents []int32

	allTerms []terms
	allNames []string
}

// terms is what many rates have in common.
type terms struct {
	connection         int64
	minimum, increment int32
	// from and until are seconds since 1970; 0 is no bound.
	from, until int64
}

// holds tells whether the terms do at a moment.
func (t *terms) holds(at int64) bool { return t.from <= at && (t.until == 0 || at < t.until) }

// pack puts the leading digits of a number in one value whose order is that of the numbers as texts: four bits for each, a digit and one,
// the first in the highest. A leading + is passed over; the first other character ends the number.
func pack(number string) uint64 {
	number = strings.TrimPrefix(number, "+")
	key := uint64(0)
	for i := range min(len(number), maxDigits) {
		c := number[i]
		if c < '0' || c > '9' {
			break
		}
		key |= uint64(c-'0'+1) << (60 - 4*i)
	}
	return key
}

// unpack is the prefix of a key.
func unpack(key uint64) string {
	var b [maxDigits]byte
	n := 0
	for ; key != 0; key <<= 4 {
		b[n] = byte(key>>60) - 1 + '0'
		n++
	}
	return string(b[:n])
}

// leads tells whether the prefix of one key begins the other.
func leads(prefix, key uint64) bool {
	if prefix == 0 {
		return true
	}
	below := bits.TrailingZeros64(prefix) &^ 3
	return prefix>>below == key>>below
}

// Len is the number of rates.
func (t *Table) Len() int { return len(t.keys) }

// Lookup finds the rate of a number at a moment: of those that hold then, that of the longest prefix; of these the one that came into
// force last. Nil where none holds.
func (t *Table) Lookup(number string, at time.Time) *sbc.Rate {
	key := pack(number)
	i, _ := slices.BinarySearch(t.keys, key+1) // the row after the last one that is not greater
	moment := at.Unix()
	for i--; i >= 0; {
		own := t.keys[i]
		if leads(own, key) {
			for j := i; j >= 0 && t.keys[j] == own; j-- {
				if t.allTerms[t.terms[j]].holds(moment) {
					r := t.row(j)
					return &r
				}
			}
		}
		// Whatever begins the number and is shorter begins this prefix, too: it stands between both.
		i = int(t.parents[i])
	}
	return nil
}

// row is one rate.
func (t *Table) row(i int) sbc.Rate {
	c := &t.allTerms[t.terms[i]]
	return sbc.Rate{
		Prefix: unpack(t.keys[i]), PerMinute: t.price[i], Connection: c.connection, MinimumS: int(c.minimum), IncrementS: int(c.increment),
		From: moment(c.from), Until: moment(c.until), Name: t.allNames[t.name[i]],
	}
}

func moment(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// builder gathers rates in the order in which they come.
type builder struct {
	table   Table
	termsAt map[terms]uint32
	namesAt map[string]uint32
}

func newBuilder() *builder {
	return &builder{termsAt: map[terms]uint32{}, namesAt: map[string]uint32{}}
}

// add takes one rate; text may be used again by the caller afterwards.
func (b *builder) add(key uint64, price int64, c terms, name string) {
	t := &b.table
	at, ok := b.termsAt[c]
	if !ok {
		at = uint32(len(t.allTerms))
		t.allTerms, b.termsAt[c] = append(t.allTerms, c), at
	}
	named, ok := b.namesAt[name]
	if !ok {
		name = strings.Clone(name)
		named = uint32(len(t.allNames))
		t.allNames, b.namesAt[name] = append(t.allNames, name), named
	}
	t.keys, t.price = append(t.keys, key), append(t.price, price)
	t.terms, t.name = append(t.terms, at), append(t.name, named)
}

// finish gives the table; double is told of rates that cannot be told from one before: both by their places in the order of add.
func (b *builder) finish(double func(first, second int)) *Table {
	in := &b.table
	type place struct {
		key  uint64
		from int64
		at   int32
	}
	order := make([]place, len(in.keys))
	for i, key := range in.keys {
		order[i] = place{key, in.allTerms[in.terms[i]].from, int32(i)}
	}
	slices.SortFunc(order, func(x, y place) int {
		return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.from, y.from), cmp.Compare(x.at, y.at))
	})
	n := len(order)
	out := &Table{
		keys: make([]uint64, n), price: make([]int64, n), terms: make([]uint32, n), name: make([]uint32, n), parents: make([]int32, n),
		allTerms: slices.Clip(in.allTerms), allNames: slices.Clip(in.allNames),
	}
	first := 0 // of those that are alike
	for i, o := range order {
		if i > 0 && order[i-1].key == o.key && order[i-1].from == o.from {
			double(int(order[first].at), int(o.at))
		} else {
			first = i
		}
		out.keys[i], out.price[i], out.terms[i], out.name[i] = o.key, in.price[o.at], in.terms[o.at], in.name[o.at]
	}
	out.climb()
	return out
}

// climb finds the parents: while going along, the prefixes of the one that was met last are a stack.
func (t *Table) climb() {
	var stack []int32 // the last row of each
	for i, key := range t.keys {
		if i > 0 && t.keys[i-1] == key {
			t.parents[i] = t.parents[i-1]
			stack[len(stack)-1] = int32(i)
			continue
		}
		for len(stack) > 0 && !leads(t.keys[stack[len(stack)-1]], key) {
			stack = stack[:len(stack)-1]
		}
		t.parents[i] = -1
		if len(stack) > 0 {
			t.parents[i] = stack[len(stack)-1]
		}
		stack = append(stack, int32(i))
	}
}
