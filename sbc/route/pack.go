package route

import (
	"runtime"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// packer reduces rules, so that the rows they came from can be forgotten.
type packer struct {
	actions map[action]*action
	// recent are some of them.
	recent [64]*action
	// many packs ids into pieces of memory of this size; 0 gives each its own.
	many  int
	piece *strings.Builder
	// fault is the first one that was found.
	fault error
}

// lot is what one processor found in its part of the rules: their spots by plan, in order, and those that lead on.
type lot struct {
	spots map[string]*[]spot
	jumps jumps
	fault error
}

// pack reduces all rules to the entries of b, in parts that are worked on at once.
func (b builder) pack(rows []*sbc.Rule) []lot {
	parts := 1
	if len(rows) >= parallel {
		parts = runtime.GOMAXPROCS(0)
	}
	lots := make([]lot, parts)
	share(parts, func(i int) {
		lots[i] = b.part(rows, len(rows)*i/parts, len(rows)*(i+1)/parts)
	})
	return lots
}

// part reduces the rules from lo to hi. Neither the order of the rows nor that of the parts makes a difference to a trie.
func (b builder) part(rows []*sbc.Rule, lo, hi int) lot {
	l := lot{spots: map[string]*[]spot{}}
	packs := packer{actions: map[action]*action{}, many: 16 << 10}
	var planID string
	var spots *[]spot
	for i := lo; i < hi; i++ {
		r := rows[i]
		if l.fault = checkPrefix(r); l.fault != nil {
			return l
		}
		if leadsOn(r) {
			l.jumps = append(l.jumps, r)
		}
		if b.entries[i] = packs.pack(r); packs.fault != nil {
			l.fault = packs.fault
			return l
		}
		if spots == nil || r.RoutingPlanID != planID {
			planID = r.RoutingPlanID
			if spots = l.spots[planID]; spots == nil {
				spots = new([]spot)
				if len(l.spots) == 0 { // most tables have one plan that is large
					*spots = make([]spot, 0, hi-i)
				}
				l.spots[planID] = spots
			}
		}
		*spots = append(*spots, spotOf(r.Prefix, i))
	}
	for _, p := range l.spots {
		slices.SortFunc(*p, b.compare)
	}
	return l
}

// pack reduces a rule; its prefix is still the row's, for the trie copies it.
func (p *packer) pack(r *sbc.Rule) entry {
	a := action{kind: r.Action, code: r.RejectCode, reason: r.RejectReason, listID: r.RouteListID, strip: r.Strip, add: r.AddPrefix,
		fallback: r.Fallback}
	switch r.Action {
	case sbc.ActionSubscriber:
		a.domainID = r.DomainID
	case sbc.ActionRedirect:
		a.code = r.RedirectCode
	}
	if a.more = p.more(r); a.more != nil {
		do := a
		n := p.rule(r, &do)
		if n.marks |= picky; r.TimeProfileID != "" {
			n.marks |= timed
		}
		if !isPicky(r) {
			n.marks &^= picky
		}
		return entry{prefix: r.Prefix, rule: n}
	}
	return entry{prefix: r.Prefix, rule: p.rule(r, p.action(&a))}
}

// rule makes a rule without terms.
func (p *packer) rule(r *sbc.Rule, do *action) node {
	n := node{priority: uint16(r.Priority), do: do, id: p.text(r.ID)}
	if r.Enabled {
		n.marks = enabled
	}
	return n
}

// action gives the shared action that is equal to one.
func (p *packer) action(a *action) *action {
	// Neighbours mostly do one of a few things: those are found without a hash of all that an action is.
	recent := &p.recent[(len(a.listID)+int(last(a.listID))+int(last(a.add)))%len(p.recent)]
	if *recent != nil && **recent == *a {
		return *recent
	}
	do := p.actions[*a]
	if do == nil {
		own := *a
		own.reason, own.listID, own.add = strings.Clone(a.reason), strings.Clone(a.listID), strings.Clone(a.add)
		own.domainID = strings.Clone(a.domainID)
		do = &own
		p.actions[own] = do
	}
	*recent = do
	return do
}

// last gives the last character of a text, 0 if it is empty.
func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// isPicky tells whether a rule holds for some calls only.
func isPicky(r *sbc.Rule) bool {
	return r.TimeProfileID != "" || len(r.RouteGroups) > 0 || len(r.Conditions) > 0
}

// more is what few rules have, nil for most.
func (p *packer) more(r *sbc.Rule) *more {
	announced := r.Action == sbc.ActionReject && r.AnnouncementID != ""
	asks := r.Action == sbc.ActionHTTP || r.Action == sbc.ActionENUM || r.Action == sbc.ActionJump
	if !isPicky(r) && !announced && !asks && len(r.Variables) == 0 {
		return nil
	}
	m := &more{announcementID: r.AnnouncementID, jumpPlanID: r.JumpPlanID, http: r.HTTP, enumSuffix: r.ENUMSuffix, variables: r.Variables}
	var err error
	if m.terms, err = compileTerms(r); err != nil && p.fault == nil {
		p.fault = err
	}
	return m
}

// text copies a string. A builder that never outgrows its first piece of memory gives strings that stay where they are.
func (p *packer) text(s string) string {
	if len(s) > p.many/4 {
		return strings.Clone(s)
	}
	if p.piece == nil || p.piece.Cap()-p.piece.Len() < len(s) {
		p.piece = &strings.Builder{}
		p.piece.Grow(p.many)
	}
	at := p.piece.Len()
	p.piece.WriteString(s)
	return p.piece.String()[at:]
}
