package sbc

import "fmt"

// NumberClass sorts dialled numbers by what they cost and whom they reach.
type NumberClass string

// The classes.
const (
	ClassEmergency     NumberClass = "emergency"
	ClassLocal         NumberClass = "local"
	ClassNational      NumberClass = "national"
	ClassMobile        NumberClass = "mobile"
	ClassInternational NumberClass = "international"
	ClassPremium       NumberClass = "premium"
	ClassFreephone     NumberClass = "freephone"
)

// NumberClasses lists every class.
func NumberClasses() []NumberClass {
	return []NumberClass{ClassEmergency, ClassLocal, ClassNational, ClassMobile, ClassInternational, ClassPremium, ClassFreephone}
}

// ClassPrefix gives the numbers that begin with a prefix a class. A prefix that ends in "$" is a whole number ("112$").
type ClassPrefix struct {
	Prefix string      `json:"prefix"`
	Class  NumberClass `json:"class"`
}

// DefaultNumberClasses are a beginning that fits most countries; operators replace it by their own.
func DefaultNumberClasses() []ClassPrefix {
	return []ClassPrefix{
		{"112$", ClassEmergency}, {"911$", ClassEmergency}, {"999$", ClassEmergency}, {"110$", ClassEmergency}, {"000$", ClassEmergency},
		{"+", ClassInternational}, {"00", ClassInternational}, {"011", ClassInternational}, {"0", ClassNational},
		{"0800", ClassFreephone}, {"+800", ClassFreephone}, {"00800", ClassFreephone}, {"0900", ClassPremium}, {"+979", ClassPremium},
	}
}

func validateClasses(f *faults, at string, classes []ClassPrefix) {
	if len(classes) > 5000 {
		f.add(at, "too_many", "at most 5000 prefixes are allowed")
		return
	}
	for i, c := range classes {
		p := fmt.Sprintf("%s/%d", at, i)
		whole := c.Prefix
		if n := len(whole); n > 0 && whole[n-1] == '$' {
			whole = whole[:n-1]
		}
		f.number(p+"/prefix", whole)
		oneOf(f, p+"/class", c.Class, NumberClasses()...)
	}
}

// Group is a set of permissions. A subscriber may dial what any of its groups permits; within a group the longest prefix of Allow and
// Deny decides, then the class. Emergency numbers are always permitted.
type Group struct {
	Meta
	Classes []NumberClass `json:"classes"`
	Allow   []string      `json:"allow"`
	Deny    []string      `json:"deny"`
}

// Kind names the kind.
func (*Group) Kind() Kind { return KindGroup }

// Base gives the common fields.
func (g *Group) Base() *Meta { return &g.Meta }

// Defaults are local and freephone numbers.
func (g *Group) Defaults() {
	g.Classes, g.Allow, g.Deny = []NumberClass{ClassLocal, ClassFreephone}, []string{}, []string{}
}

// Validate checks classes and prefixes.
func (g *Group) Validate() []Fault {
	f := faults(g.Meta.validate())
	f.entries("#/classes", len(g.Classes))
	for i, c := range g.Classes {
		oneOf(&f, fmt.Sprintf("#/classes/%d", i), c, NumberClasses()...)
	}
	for _, l := range []struct {
		at   string
		list []string
	}{{"#/allow", g.Allow}, {"#/deny", g.Deny}} {
		if len(l.list) > 5000 {
			f.add(l.at, "too_many", "at most 5000 prefixes are allowed")
			continue
		}
		for i, p := range l.list {
			f.number(fmt.Sprintf("%s/%d", l.at, i), p)
		}
	}
	return f
}

// References lists the resources it needs.
func (g *Group) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: g.TenantID})
}

// groups are references to groups.
func groups(at string, ids []string) []Reference {
	list := make([]Reference, len(ids))
	for i, id := range ids {
		list[i] = Reference{Pointer: fmt.Sprintf("%s/%d", at, i), Kind: KindGroup, ID: id}
	}
	return list
}

// NumberList is a list of numbers to block or to let pass, for incoming or outgoing calls of the subscribers that name it. The longest
// prefix decides; numbers that none matches pass, or not, as Default says.
type NumberList struct {
	Meta
	Default ListVerdict   `json:"default"`
	Entries []NumberEntry `json:"entries"`
}

// ListVerdict is what a list says of a number.
type ListVerdict string

// The verdicts.
const (
	ListAllow ListVerdict = "allow"
	ListDeny  ListVerdict = "deny"
)

// NumberEntry is one prefix of a list; with "$" at its end a whole number.
type NumberEntry struct {
	Prefix  string      `json:"prefix"`
	Verdict ListVerdict `json:"verdict"`
}

// Kind names the kind.
func (*NumberList) Kind() Kind { return KindNumberList }

// Base gives the common fields.
func (l *NumberList) Base() *Meta { return &l.Meta }

// Defaults lets pass what is not listed.
func (l *NumberList) Defaults() { l.Default, l.Entries = ListAllow, []NumberEntry{} }

// Validate checks the entries.
func (l *NumberList) Validate() []Fault {
	f := faults(l.Meta.validate())
	oneOf(&f, "#/default", l.Default, ListAllow, ListDeny)
	if len(l.Entries) > 10_000 {
		f.add("#/entries", "too_many", "at most 10000 entries are allowed")
		return f
	}
	for i, e := range l.Entries {
		p, whole := fmt.Sprintf("#/entries/%d", i), e.Prefix
		if n := len(whole); n > 0 && whole[n-1] == '$' {
			whole = whole[:n-1]
		}
		f.number(p+"/prefix", whole)
		oneOf(&f, p+"/verdict", e.Verdict, ListAllow, ListDeny)
	}
	return f
}

// References lists the resources it needs.
func (l *NumberList) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: l.TenantID})
}
