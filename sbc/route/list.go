package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// list is a route list with what its targets lead to.
type list struct {
	row *sbc.RouteList
	// targets are those in service, by priority and then id; out are the others, with the reason.
	targets []target
	out     []skipped
	// attempts is how many addresses the list can give.
	attempts int
}

// target is a trunk of a list, or a subscriber.
type target struct {
	rank
	id             string
	trunk          *trunk
	subscriberID   string
	public, follow bool
}

// trunk is a trunk with its endpoints in service, by priority and then id.
type trunk struct {
	row       *sbc.Trunk
	endpoints []endpoint
	out       []skipped
}

// endpoint is one address of a trunk.
type endpoint struct {
	rank
	row *sbc.Endpoint
}

// skipped is something that is not used, and why.
type skipped struct{ id, why string }

// rank is what orders targets and endpoints.
type rank struct{ priority, weight int }

func (r rank) ranking() rank { return r }

// ranked is anything with a rank.
type ranked interface{ ranking() rank }

// compileLists gathers what the route lists lead to.
func compileLists(rows Rows) map[string]*list {
	trunks := compileTrunks(rows)
	lists := make(map[string]*list, len(rows.Lists))
	for _, l := range rows.Lists {
		lists[l.ID] = &list{row: l}
	}
	for _, t := range rows.Targets {
		l := lists[t.RouteListID]
		if l == nil {
			continue
		}
		to := trunks[t.TrunkID]
		if why := unusable(t, to, rows.Out); why != "" {
			l.out = append(l.out, skipped{t.ID, why})
			continue
		}
		l.targets = append(l.targets, target{rank{t.Priority, t.Weight}, t.ID, to, t.SubscriberID, t.Public, l.row.FollowForwarding})
		if l.attempts++; to != nil {
			l.attempts += len(to.endpoints) - 1
		}
	}
	for _, l := range lists {
		slices.SortFunc(l.targets, func(a, b target) int {
			return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.id, b.id))
		})
		sortSkipped(l.out)
	}
	return lists
}

// compileTrunks gathers the endpoints of the trunks.
func compileTrunks(rows Rows) map[string]*trunk {
	trunks := make(map[string]*trunk, len(rows.Trunks))
	for _, t := range rows.Trunks {
		trunks[t.ID] = &trunk{row: t}
	}
	for _, e := range rows.Endpoints {
		t := trunks[e.TrunkID]
		switch {
		case t == nil:
		case !e.Enabled:
			t.out = append(t.out, skipped{e.ID, "the endpoint is disabled"})
		default:
			t.endpoints = append(t.endpoints, endpoint{rank{e.Priority, e.Weight}, e})
		}
	}
	for _, t := range trunks {
		slices.SortFunc(t.endpoints, func(a, b endpoint) int {
			return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.row.ID, b.row.ID))
		})
		sortSkipped(t.out)
	}
	return trunks
}

func sortSkipped(s []skipped) {
	slices.SortFunc(s, func(a, b skipped) int { return strings.Compare(a.id, b.id) })
}

// unusable says why a target cannot be used, "" if it can.
func unusable(t *sbc.Target, to *trunk, out func(*sbc.Trunk) string) string {
	switch {
	case !t.Enabled:
		return "the target is disabled"
	case t.SubscriberID != "":
		return ""
	case to == nil:
		return "trunk " + t.TrunkID + " does not exist"
	case !to.row.Enabled:
		return "trunk " + t.TrunkID + " is disabled"
	}
	if out != nil {
		if why := out(to.row); why != "" {
			return "trunk " + t.TrunkID + ": " + why
		}
	}
	if len(to.endpoints) == 0 {
		return "trunk " + t.TrunkID + " has no endpoint in service"
	}
	return ""
}

// scale weighs items.
type scale[T ranked] struct {
	items []T
	rand  func(n int) int
	// weigh, where it is set, gives the weight of an item at this moment in place of its own.
	weigh func(*T) int
}

// sequence gives the order in which ranked things are tried: by priority, and within one priority by chance, each as often
// first as its weight says (RFC 2782, "Weight"). It picks as it goes, so that only what is asked for costs anything.
type sequence[T ranked] struct {
	scale[T]
	// choose, where it is set, picks in place of chance.
	choose chooser
	// next is the first item of the priority after the current one; left are the items of the current one not picked yet.
	next int
	left []int32
	room [16]int32
}

// pick gives the next item, false after the last.
func (s *sequence[T]) pick() (*T, bool) {
	if len(s.left) == 0 && !s.fill() {
		return nil, false
	}
	at := 0
	switch {
	case len(s.left) == 1:
	case s.choose != nil:
		at = s.choose(s.left)
	default:
		at = s.draw(s.left)
	}
	i := s.left[at]
	// Order is kept: the same numbers of chance give the same order.
	s.left = append(s.left[:at], s.left[at+1:]...)
	return &s.items[i], true
}

// fill takes the items of the next priority.
func (s *sequence[T]) fill() bool {
	if s.next == len(s.items) {
		return false
	}
	s.left = s.room[:0]
	priority := s.items[s.next].ranking().priority
	for ; s.next < len(s.items) && s.items[s.next].ranking().priority == priority; s.next++ {
		s.left = append(s.left, int32(s.next))
	}
	return true
}

// draw picks by weight among the items left.
func (s *scale[T]) draw(left []int32) int {
	sum := 0
	for _, i := range left {
		sum += s.weight(i)
	}
	if s.rand == nil || sum <= 0 {
		return 0
	}
	chance := s.rand(sum)
	for at, i := range left {
		if chance -= s.weight(i); chance < 0 {
			return at
		}
	}
	return len(left) - 1
}

// weight is that of the item i.
func (s *scale[T]) weight(i int32) int {
	if s.weigh != nil {
		return s.weigh(&s.items[i])
	}
	return s.items[i].ranking().weight
}
