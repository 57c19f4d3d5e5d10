package config

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// Rows are the resources of a Snapshot by kind, each by rising id. They are shared by everyone who holds the Snapshot and must
// not be changed. Rules are not here: they are in the Snapshot's routing table only.
type Rows struct {
	Tenants    []*sbc.Tenant
	APIKeys    []*sbc.APIKey
	Realms     []*sbc.Realm
	Interfaces []*sbc.SIPInterface
	Pools      []*sbc.MediaPool
	Plans      []*sbc.RoutingPlan
	Lists      []*sbc.RouteList
	Trunks     []*sbc.Trunk
	Endpoints  []*sbc.Endpoint
	Identities []*sbc.Identity
	Targets    []*sbc.Target

	Signalling    []*sbc.SignallingProfile
	Media         []*sbc.MediaProfile
	Headers       []*sbc.HeaderProfile
	Limits        []*sbc.LimitProfile
	Announcements []*sbc.Announcement

	Domains     []*sbc.Domain
	AccessRules []*sbc.AccessRule
	Groups      []*sbc.Group
	NumberLists []*sbc.NumberList
	Floods      []*sbc.FloodProfile

	Dialplans    []*sbc.Dialplan
	Times        []*sbc.TimeProfile
	Calendars    []*sbc.HolidayCalendar
	NumberPlans  []*sbc.NumberPlan
	Numbers      []*sbc.Number
	Decks        []*sbc.RateDeck
	Qualities    []*sbc.QualityProfile
	Registrants  []*sbc.Registrant
	Authorities  []*sbc.CertificateAuthority
	Certificates []*sbc.Certificate
	TLS          []*sbc.TLSProfile
}

// edit is one resource before and after a write; Old is known for rules only, New is nil for a deleted one.
type edit struct {
	kind     sbc.Kind
	id       string
	old, new sbc.Resource
}

// sortRows takes resources apart by kind.
func sortRows(resources []sbc.Resource) (Rows, []*sbc.Rule) {
	var rows Rows
	var rules []*sbc.Rule
	for _, r := range resources {
		switch r := r.(type) {
		case *sbc.Rule:
			rules = append(rules, r)
		case *sbc.Tenant:
			rows.Tenants = append(rows.Tenants, r)
		case *sbc.APIKey:
			rows.APIKeys = append(rows.APIKeys, r)
		case *sbc.Realm:
			rows.Realms = append(rows.Realms, r)
		case *sbc.SIPInterface:
			rows.Interfaces = append(rows.Interfaces, r)
		case *sbc.MediaPool:
			rows.Pools = append(rows.Pools, r)
		case *sbc.RoutingPlan:
			rows.Plans = append(rows.Plans, r)
		case *sbc.RouteList:
			rows.Lists = append(rows.Lists, r)
		case *sbc.Trunk:
			rows.Trunks = append(rows.Trunks, r)
		case *sbc.Endpoint:
			rows.Endpoints = append(rows.Endpoints, r)
		case *sbc.Identity:
			rows.Identities = append(rows.Identities, r)
		case *sbc.Target:
			rows.Targets = append(rows.Targets, r)
		default:
			rows.profile(r)
		}
	}
	rows.order()
	return rows, rules
}

// profile takes up a profile or what profiles refer to.
func (rows *Rows) profile(r sbc.Resource) {
	switch r := r.(type) {
	case *sbc.SignallingProfile:
		rows.Signalling = append(rows.Signalling, r)
	case *sbc.MediaProfile:
		rows.Media = append(rows.Media, r)
	case *sbc.HeaderProfile:
		rows.Headers = append(rows.Headers, r)
	case *sbc.LimitProfile:
		rows.Limits = append(rows.Limits, r)
	case *sbc.Announcement:
		rows.Announcements = append(rows.Announcements, r)
	default:
		rows.access(r)
	}
}

// access takes up what the access side has. Subscribers and aliases are of listed kinds and not here.
func (rows *Rows) access(r sbc.Resource) {
	switch r := r.(type) {
	case *sbc.Domain:
		rows.Domains = append(rows.Domains, r)
	case *sbc.AccessRule:
		rows.AccessRules = append(rows.AccessRules, r)
	case *sbc.Group:
		rows.Groups = append(rows.Groups, r)
	case *sbc.NumberList:
		rows.NumberLists = append(rows.NumberLists, r)
	case *sbc.FloodProfile:
		rows.Floods = append(rows.Floods, r)
	default:
		rows.routing(r)
	}
}

// routing takes up what numbers and the choice of trunks are decided by.
func (rows *Rows) routing(r sbc.Resource) {
	switch r := r.(type) {
	case *sbc.Dialplan:
		rows.Dialplans = append(rows.Dialplans, r)
	case *sbc.TimeProfile:
		rows.Times = append(rows.Times, r)
	case *sbc.HolidayCalendar:
		rows.Calendars = append(rows.Calendars, r)
	case *sbc.NumberPlan:
		rows.NumberPlans = append(rows.NumberPlans, r)
	case *sbc.Number:
		rows.Numbers = append(rows.Numbers, r)
	case *sbc.RateDeck:
		rows.Decks = append(rows.Decks, r)
	case *sbc.QualityProfile:
		rows.Qualities = append(rows.Qualities, r)
	case *sbc.Registrant:
		rows.Registrants = append(rows.Registrants, r)
	default:
		rows.security(r)
	}
}

// security takes up what TLS needs.
func (rows *Rows) security(r sbc.Resource) {
	switch r := r.(type) {
	case *sbc.CertificateAuthority:
		rows.Authorities = append(rows.Authorities, r)
	case *sbc.Certificate:
		rows.Certificates = append(rows.Certificates, r)
	case *sbc.TLSProfile:
		rows.TLS = append(rows.TLS, r)
	}
}

// order puts every kind in the order of ids.
func (r *Rows) order() {
	byID(r.Tenants)
	byID(r.APIKeys)
	byID(r.Realms)
	byID(r.Interfaces)
	byID(r.Pools)
	byID(r.Plans)
	byID(r.Lists)
	byID(r.Trunks)
	byID(r.Endpoints)
	byID(r.Identities)
	byID(r.Targets)
	byID(r.Signalling)
	byID(r.Media)
	byID(r.Headers)
	byID(r.Limits)
	byID(r.Announcements)
	byID(r.Domains)
	byID(r.AccessRules)
	byID(r.Groups)
	byID(r.NumberLists)
	byID(r.Floods)
	byID(r.Dialplans)
	byID(r.Times)
	byID(r.Calendars)
	byID(r.NumberPlans)
	byID(r.Numbers)
	byID(r.Decks)
	byID(r.Qualities)
	byID(r.Registrants)
	byID(r.Authorities)
	byID(r.Certificates)
	byID(r.TLS)
}

func byID[T sbc.Resource](rows []T) {
	slices.SortStableFunc(rows, func(a, b T) int { return strings.Compare(a.Base().ID, b.Base().ID) })
}

// with gives rows in which some resources are changed; kinds without changes are shared.
func (r Rows) with(edits []edit) Rows {
	for _, e := range edits {
		switch e.kind {
		case sbc.KindTenant:
			apply(&r.Tenants, e)
		case sbc.KindAPIKey:
			apply(&r.APIKeys, e)
		case sbc.KindRealm:
			apply(&r.Realms, e)
		case sbc.KindSIPInterface:
			apply(&r.Interfaces, e)
		case sbc.KindMediaPool:
			apply(&r.Pools, e)
		case sbc.KindRoutingPlan:
			apply(&r.Plans, e)
		case sbc.KindRouteList:
			apply(&r.Lists, e)
		case sbc.KindTrunk:
			apply(&r.Trunks, e)
		case sbc.KindEndpoint:
			apply(&r.Endpoints, e)
		case sbc.KindIdentity:
			apply(&r.Identities, e)
		case sbc.KindTarget:
			apply(&r.Targets, e)
		default:
			r.withProfile(e)
		}
	}
	return r
}

// withProfile is with for profiles and what they refer to.
func (r *Rows) withProfile(e edit) {
	switch e.kind {
	case sbc.KindSignallingProfile:
		apply(&r.Signalling, e)
	case sbc.KindMediaProfile:
		apply(&r.Media, e)
	case sbc.KindHeaderProfile:
		apply(&r.Headers, e)
	case sbc.KindLimitProfile:
		apply(&r.Limits, e)
	case sbc.KindAnnouncement:
		apply(&r.Announcements, e)
	default:
		r.withAccess(e)
	}
}

// withAccess is with for what the access side has.
func (r *Rows) withAccess(e edit) {
	switch e.kind {
	case sbc.KindDomain:
		apply(&r.Domains, e)
	case sbc.KindAccessRule:
		apply(&r.AccessRules, e)
	case sbc.KindGroup:
		apply(&r.Groups, e)
	case sbc.KindNumberList:
		apply(&r.NumberLists, e)
	case sbc.KindFloodProfile:
		apply(&r.Floods, e)
	default:
		r.withRouting(e)
	}
}

// withRouting is with for what numbers and the choice of trunks are decided by.
func (r *Rows) withRouting(e edit) {
	switch e.kind {
	case sbc.KindDialplan:
		apply(&r.Dialplans, e)
	case sbc.KindTimeProfile:
		apply(&r.Times, e)
	case sbc.KindHolidayCalendar:
		apply(&r.Calendars, e)
	case sbc.KindNumberPlan:
		apply(&r.NumberPlans, e)
	case sbc.KindNumber:
		apply(&r.Numbers, e)
	case sbc.KindRateDeck:
		apply(&r.Decks, e)
	case sbc.KindQualityProfile:
		apply(&r.Qualities, e)
	case sbc.KindRegistrant:
		apply(&r.Registrants, e)
	case sbc.KindCertificateAuthority:
		apply(&r.Authorities, e)
	case sbc.KindCertificate:
		apply(&r.Certificates, e)
	case sbc.KindTLSProfile:
		apply(&r.TLS, e)
	}
}

// apply makes a new slice with one resource put in, replaced or taken out.
func apply[T sbc.Resource](rows *[]T, e edit) {
	at, there := search(*rows, e.id)
	next := make([]T, 0, len(*rows)+1)
	next = append(next, (*rows)[:at]...)
	if n, ok := e.new.(T); ok {
		next = append(next, n)
	}
	if there {
		at++
	}
	*rows = append(next, (*rows)[at:]...)
}

// search finds the place of an id.
func search[T sbc.Resource](rows []T, id string) (int, bool) {
	return slices.BinarySearchFunc(rows, id, func(r T, id string) int { return strings.Compare(r.Base().ID, id) })
}

// find gives the resource with an id, the zero T if there is none.
func find[T sbc.Resource](rows []T, id string) T {
	if at, ok := search(rows, id); ok {
		return rows[at]
	}
	var none T
	return none
}

// each walks over all rows in the order of Kinds.
func (r *Rows) each(f func(sbc.Resource)) {
	walk(r.Tenants, f)
	walk(r.APIKeys, f)
	walk(r.Floods, f)
	walk(r.Announcements, f)
	walk(r.Signalling, f)
	walk(r.Media, f)
	walk(r.Headers, f)
	walk(r.Limits, f)
	walk(r.Authorities, f)
	walk(r.Certificates, f)
	walk(r.TLS, f)
	walk(r.Realms, f)
	walk(r.Interfaces, f)
	walk(r.Pools, f)
	walk(r.Calendars, f)
	walk(r.Times, f)
	walk(r.NumberPlans, f)
	walk(r.Dialplans, f)
	walk(r.Decks, f)
	walk(r.Qualities, f)
	walk(r.Plans, f)
	walk(r.Lists, f)
	walk(r.Trunks, f)
	walk(r.Endpoints, f)
	walk(r.Identities, f)
	walk(r.Registrants, f)
	walk(r.Groups, f)
	walk(r.NumberLists, f)
	walk(r.Domains, f)
	walk(r.AccessRules, f)
	walk(r.Targets, f)
	walk(r.Numbers, f)
}

func walk[T sbc.Resource](rows []T, f func(sbc.Resource)) {
	for _, r := range rows {
		f(r)
	}
}
