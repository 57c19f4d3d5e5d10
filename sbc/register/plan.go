package register

import (
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Reasons for which a binding goes, as the event registration.removed tells them.
const (
	goneUnregistered = "unregistered"
	goneExpired      = "expired"
	goneReplaced     = "replaced"
	goneAPI          = "api"
	goneUnreachable  = "unreachable"
	goneUpstream     = "upstream" // its registrar does not take it any more
	goneAccount      = "account"  // the domain or the subscriber is out of service
)

// step is one change of a subscriber's bindings.
type step struct {
	b    *binding // nil for one to be made
	w    *wish    // what it becomes; nil where it goes
	gone string   // why it goes
}

// plan says what a REGISTER does to the bindings that a subscriber has (RFC 3261 10.3 steps 6 and 7). It changes nothing: either
// all steps are made or, with a refusal, none.
func plan(have []*binding, a *ask, most int, overflow sbc.ContactOverflow, now time.Duration) ([]step, *refusal) {
	if a.wildcard {
		steps := make([]step, 0, len(have))
		for _, b := range have {
			if b.stale(a) {
				return nil, refuse(400, "CSeq Out Of Order")
			}
			steps = append(steps, step{b: b, gone: goneUnregistered})
		}
		return steps, nil
	}
	var steps []step
	for i := range a.wishes {
		w := &a.wishes[i]
		if slices.ContainsFunc(steps, func(s step) bool { return s.w != nil && twice(s.w, w) }) {
			continue // RFC 3261 says nothing of a contact that stands there twice; the first counts
		}
		at := slices.IndexFunc(have, func(b *binding) bool { return b.is(a, w) })
		if at >= 0 && have[at].stale(a) {
			return nil, refuse(400, "CSeq Out Of Order")
		}
		switch {
		case at >= 0 && w.expires == 0:
			steps = append(steps, step{b: have[at], gone: goneUnregistered})
		case at >= 0:
			steps = append(steps, step{b: have[at], w: w})
		case w.expires > 0:
			steps = append(steps, step{w: w})
		}
	}
	steps = leftovers(steps, have)
	return overflowing(steps, have, most, overflow)
}

// stale tells whether a REGISTER is older than what it would change. The same number may come again: some phones repeat it.
func (b *binding) stale(a *ask) bool { return b.callID == a.callID && a.cseq < b.cseq }

func twice(x, y *wish) bool {
	if x.regID > 0 || y.regID > 0 {
		return x.regID == y.regID && x.instance == y.instance
	}
	return sameURI(x.addr.URI.Raw, y.addr.URI.Raw)
}

// leftovers adds the end of dead bindings of phones that register with another contact.
func leftovers(steps []step, have []*binding) []step {
	for _, s := range steps {
		if s.b != nil || s.w == nil {
			continue
		}
		for _, b := range have {
			if b.leftover(s.w) && !slices.ContainsFunc(steps, func(x step) bool { return x.b == b }) {
				steps = append(steps, step{b: b, gone: goneReplaced})
			}
		}
	}
	return steps
}

// overflowing sees to it that no more than most are left.
func overflowing(steps []step, have []*binding, most int, rule sbc.ContactOverflow) ([]step, *refusal) {
	left, added := len(have), 0
	touched := map[*binding]bool{}
	for _, s := range steps {
		switch {
		case s.w == nil:
			left--
		case s.b == nil:
			left++
			added++
		}
		if s.b != nil {
			touched[s.b] = true
		}
	}
	if left <= most || added == 0 {
		return steps, nil
	}
	if rule != sbc.OverflowReplaceOldest || added > most {
		return nil, refuse(403, "Too Many Contacts")
	}
	old := slices.DeleteFunc(slices.Clone(have), func(b *binding) bool { return touched[b] })
	slices.SortStableFunc(old, func(x, y *binding) int { return int(x.refreshed - y.refreshed) })
	for _, b := range old {
		if left <= most {
			break
		}
		steps = append(steps, step{b: b, gone: goneReplaced})
		left--
	}
	if left > most {
		return nil, refuse(403, "Too Many Contacts")
	}
	return steps, nil
}
