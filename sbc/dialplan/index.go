package dialplan

import (
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// index finds the rules that look at one number. All lists of rules are by rising place in the dialplan.
type index struct {
	// plain has the patterns as they are, folded those that ignore case, in lower case.
	plain, folded words
	// ranges are by the length of their numbers.
	ranges      map[int]*ranges
	expressions []int
}

// words are exact numbers and prefixes.
type words struct {
	exact, prefix map[string][]int
	longest       int
}

// ranges are by rising beginning; highest is the highest end up to each.
type ranges struct {
	rules   []int
	highest []string
}

// put adds a rule.
func (x *index) put(place int, r *sbc.DialplanRule) {
	w, pattern := &x.plain, r.Pattern
	if r.IgnoreCase {
		w, pattern = &x.folded, fold(pattern)
	}
	switch r.Match {
	case sbc.MatchExact:
		add(&w.exact, pattern, place)
	case sbc.MatchPrefix:
		add(&w.prefix, pattern, place)
		w.longest = max(w.longest, len(pattern))
	case sbc.MatchRange:
		if x.ranges == nil {
			x.ranges = map[int]*ranges{}
		}
		if x.ranges[len(pattern)] == nil {
			x.ranges[len(pattern)] = &ranges{}
		}
		x.ranges[len(pattern)].rules = append(x.ranges[len(pattern)].rules, place)
	case sbc.MatchRegex:
		x.expressions = append(x.expressions, place)
	}
}

// fold makes letters small, those of ASCII alone: so numbers keep their length.
func fold(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func add(m *map[string][]int, key string, place int) {
	if *m == nil {
		*m = map[string][]int{}
	}
	(*m)[key] = append((*m)[key], place)
}

// ready puts the ranges in order.
func (x *index) ready(rules []rule) {
	for _, r := range x.ranges {
		slices.SortStableFunc(r.rules, func(a, b int) int { return strings.Compare(rules[a].row.Pattern, rules[b].row.Pattern) })
		highest := ""
		for _, place := range r.rules {
			highest = max(highest, rules[place].row.RangeEnd)
			r.highest = append(r.highest, highest)
		}
	}
}

// search is the search for the first rule, from a place on, that fits.
type search struct {
	p    *Plan
	at   time.Time
	from int
	best int
}

// offer takes the first of a list of rules that is not passed yet and holds at the moment.
func (s *search) offer(places []int) {
	for _, place := range places {
		if place >= s.best {
			return
		}
		if place >= s.from && s.p.holds(place, s.at) {
			s.best = place
			return
		}
	}
}

// number looks for the rules that fit a number.
func (s *search) number(x *index, number string) {
	s.words(&x.plain, number)
	if len(x.folded.exact)+len(x.folded.prefix) > 0 {
		s.words(&x.folded, fold(number))
	}
	if r := x.ranges[len(number)]; r != nil {
		after := sort.Search(len(r.rules), func(i int) bool { return s.p.rules[r.rules[i]].row.Pattern > number })
		for i := after - 1; i >= 0 && r.highest[i] >= number; i-- {
			if s.p.rules[r.rules[i]].row.RangeEnd >= number {
				s.offer(r.rules[i : i+1])
			}
		}
	}
	for _, place := range x.expressions {
		if place >= s.best {
			return
		}
		if place >= s.from && s.p.rules[place].expr.MatchString(number) && s.p.holds(place, s.at) {
			s.best = place
			return
		}
	}
}

func (s *search) words(w *words, number string) {
	if len(w.exact) > 0 {
		s.offer(w.exact[number])
	}
	if len(w.prefix) == 0 {
		return
	}
	for n := min(w.longest, len(number)); n >= 0; n-- {
		s.offer(w.prefix[number[:n]])
	}
}

// groups are $0 to $9 of a number that a rule fits.
func (r *rule) groups(number string, into *[10]string) []string {
	into[0] = number
	switch r.row.Match {
	case sbc.MatchPrefix:
		into[1] = number[len(r.row.Pattern):]
	case sbc.MatchRegex:
		found := r.expr.FindStringSubmatch(number)
		copy(into[1:], found[1:])
	}
	return into[:]
}

// compileExpr compiles an expression.
func compileExpr(row *sbc.DialplanRule) (*regexp.Regexp, error) {
	pattern := row.Pattern
	if row.IgnoreCase {
		pattern = "(?i)" + pattern
	}
	return sbc.Expression(pattern)
}
