package config

import (
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// prefixes finds what the longest prefix of a number says. An entry that ends in "$" is a whole number and beats every prefix.
type prefixes[T any] struct {
	whole, begins map[string]T
	longest       int
}

// put adds an entry; the first of two with the same prefix stays, unless the other one replaces it.
func (p *prefixes[T]) put(prefix string, says T, replaces bool) {
	list := &p.begins
	if number, whole := strings.CutSuffix(prefix, "$"); whole {
		list, prefix = &p.whole, number
	} else {
		p.longest = max(p.longest, len(prefix))
	}
	if *list == nil {
		*list = map[string]T{}
	}
	if _, there := (*list)[prefix]; !there || replaces {
		(*list)[prefix] = says
	}
}

// find gives what the longest prefix says.
func (p *prefixes[T]) find(number string) (says T, found bool) {
	if says, found = p.whole[number]; found {
		return says, true
	}
	for n := min(p.longest, len(number)); n >= 0; n-- {
		if says, found = p.begins[number[:n]]; found {
			return says, true
		}
	}
	return says, false
}

// permissions are what subscribers may dial and who may call them, compiled.
type permissions struct {
	// classes sort the numbers of each domain.
	classes map[string]*classes
	groups  map[string]*group
	lists   map[string]*numberList
}

// classes are the compiled NumberClasses of a domain.
type classes struct {
	row *sbc.Domain
	prefixes[sbc.NumberClass]
}

// group is a compiled sbc.Group.
type group struct {
	row     *sbc.Group
	classes map[sbc.NumberClass]bool
	allows  prefixes[bool]
}

// numberList is a compiled sbc.NumberList.
type numberList struct {
	row     *sbc.NumberList
	passes  bool // what no entry fits
	entries prefixes[bool]
}

// newPermissions compiles classes, groups and lists. A disabled group permits nothing; a disabled list blocks nothing. What was
// compiled before from the same rows is taken as it is: a list may have 10,000 entries.
func newPermissions(rows *Rows, before *permissions) permissions {
	p := permissions{
		classes: make(map[string]*classes, len(rows.Domains)), groups: make(map[string]*group, len(rows.Groups)),
		lists: make(map[string]*numberList, len(rows.NumberLists)),
	}
	for _, row := range rows.Domains {
		if p.classes[row.ID] = before.classes[row.ID]; p.classes[row.ID] == nil || p.classes[row.ID].row != row {
			p.classes[row.ID] = compileClasses(row)
		}
	}
	for _, row := range rows.Groups {
		if !row.Enabled {
			continue
		}
		if p.groups[row.ID] = before.groups[row.ID]; p.groups[row.ID] == nil || p.groups[row.ID].row != row {
			p.groups[row.ID] = compileGroup(row)
		}
	}
	for _, row := range rows.NumberLists {
		if !row.Enabled {
			continue
		}
		if p.lists[row.ID] = before.lists[row.ID]; p.lists[row.ID] == nil || p.lists[row.ID].row != row {
			p.lists[row.ID] = compileList(row)
		}
	}
	return p
}

func compileClasses(row *sbc.Domain) *classes {
	c := &classes{row: row}
	for _, x := range row.NumberClasses {
		c.put(x.Prefix, x.Class, false)
	}
	return c
}

func compileGroup(row *sbc.Group) *group {
	g := &group{row: row, classes: map[sbc.NumberClass]bool{}}
	for _, c := range row.Classes {
		g.classes[c] = true
	}
	for _, prefix := range row.Allow {
		g.allows.put(prefix, true, true)
	}
	for _, prefix := range row.Deny {
		g.allows.put(prefix, false, true) // what is both allowed and denied is denied
	}
	return g
}

func compileList(row *sbc.NumberList) *numberList {
	l := &numberList{row: row, passes: row.Default != sbc.ListDeny}
	for _, e := range row.Entries {
		l.entries.put(e.Prefix, e.Verdict != sbc.ListDeny, e.Verdict == sbc.ListDeny)
	}
	return l
}

// Class sorts a number that a subscriber of the domain dialled, by the number plan of the domain, else by its own classes; what no prefix
// fits is local.
func (s *Snapshot) Class(d *sbc.Domain, number string) sbc.NumberClass {
	if d != nil {
		if p := s.NumberPlan(d.NumberPlanID); p != nil {
			if class, found := p.Class(number, p.Normal(number)); found {
				return class
			}
		}
		if c := s.index.permissions.classes[d.ID]; c != nil {
			if class, found := c.find(number); found {
				return class
			}
		}
	}
	return sbc.ClassLocal
}

// Permitted tells whether a subscriber of the domain may dial a number, and says why in words. Emergency numbers are always
// permitted. Without groups, its own or the domain's, all is; otherwise one of them has to permit it.
func (s *Snapshot) Permitted(d *sbc.Domain, sub *sbc.Subscriber, number string) (
	permitted bool, class sbc.NumberClass, reason string,
) {
	return s.permitted(d, sub, number, number, s.Class(d, number))
}

// permitted decides on a number of a class that is known.
func (s *Snapshot) permitted(d *sbc.Domain, sub *sbc.Subscriber, dialled, number string, class sbc.NumberClass) (
	permitted bool, counts sbc.NumberClass, reason string,
) {
	var groups []string
	if d != nil {
		groups = d.DefaultGroupIDs
	}
	if sub != nil && len(sub.GroupIDs) > 0 {
		groups = sub.GroupIDs
	}
	switch {
	case class == sbc.ClassEmergency:
		return true, class, "emergency numbers are always permitted"
	case len(groups) == 0:
		return true, class, "no group bounds what may be dialled"
	}
	for _, id := range groups {
		if g := s.index.permissions.groups[id]; g != nil && g.permits(dialled, number, class) {
			return true, class, fmt.Sprintf("group %s permits the number of class %s", id, class)
		}
	}
	return false, class, fmt.Sprintf("none of the groups %s permits the number of class %s", strings.Join(groups, ", "), class)
}

// permits decides by the longest prefix, then by the class.
func (g *group) permits(dialled, number string, class sbc.NumberClass) bool {
	if allowed, found := g.allows.find(dialled); found {
		return allowed
	}
	if allowed, found := g.allows.find(number); found && number != dialled {
		return allowed
	}
	return g.classes[class]
}

// Screen tells whether all of some number lists let a number pass. A list that is disabled, or gone, blocks nothing.
func (s *Snapshot) Screen(listIDs []string, number string) bool {
	for _, id := range listIDs {
		l := s.index.permissions.lists[id]
		if l == nil {
			continue
		}
		passes, found := l.entries.find(number)
		if !found {
			passes = l.passes
		}
		if !passes {
			return false
		}
	}
	return true
}

// Flood gives the profile that bounds what strangers may send by a realm: the realm's own, the defaults in a realm of trust access,
// else nil, which is no bound.
func (s *Snapshot) Flood(realmID string) *sbc.FloodProfile {
	r := s.index.realms[realmID]
	if r == nil {
		return nil
	}
	if p := s.index.floods[r.FloodProfileID]; p != nil {
		return p
	}
	if r.Trust == sbc.TrustAccess {
		return s.index.usualFlood
	}
	return nil
}
