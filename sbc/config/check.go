package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/route"
)

// blame is one fault and the resource whose it is.
type blame struct {
	resource  sbc.Resource
	fault     sbc.Fault
	collision bool
}

// blames collects what is wrong between resources.
type blames struct{ faults []blame }

// err makes one error of all faults. A pointer points into the body of the write that made this revision; a fault that such a
// write brought about in another resource names that resource instead.
func (b *blames) err(revision int64) error {
	if len(b.faults) == 0 {
		return nil
	}
	e := &sbc.Error{Code: sbc.CodeConflict, Message: "the configuration would contradict itself; see errors"}
	for _, f := range b.faults {
		if !f.collision {
			e.Code = sbc.CodeInvalid
		}
		if f.resource != nil && f.resource.Base().Revision != revision {
			m := f.resource.Base()
			f.fault.Detail = fmt.Sprintf("%s %s (%s), field %s: %s", f.resource.Kind(), m.ID, m.Name,
				strings.TrimPrefix(f.fault.Pointer, "#/"), f.fault.Detail)
			f.fault.Pointer = ""
		} else if f.resource != nil {
			f.fault.ResourceID = f.resource.Base().ID
		}
		e.Faults = append(e.Faults, f.fault)
	}
	return e
}

// collide blames of two resources the one that was written last: its writer can do something about it.
// Detail is a sentence that ends before the name of the other.
func (b *blames) collide(x, y sbc.Resource, pointer, detail string) {
	mx, my := x.Base(), y.Base()
	if cmp.Or(cmp.Compare(mx.Revision, my.Revision), strings.Compare(mx.ID, my.ID)) < 0 {
		x, y, my = y, x, mx
	}
	b.faults = append(b.faults, blame{x, sbc.Fault{
		Pointer: pointer, Code: "conflict", Detail: fmt.Sprintf("%s %s %s (%s)", detail, y.Kind(), my.ID, my.Name),
	}, true})
}

// numbers finds numbers of a tenant of which nobody can tell which one counts.
func (b *blames) numbers(t *route.Table) {
	if t == nil { // a rule is wrong
		return
	}
	for _, c := range t.Clashes() {
		if c[0].RangeEnd == "" {
			b.collide(c[0], c[1], "#/number", fmt.Sprintf("%s is already a number of ours:", c[0].Number))
			continue
		}
		b.collide(c[0], c[1], "#/range_end", "the range is the same as, or partly within, that of")
	}
}

// doubles finds resources with one id.
func (b *blames) doubles(rows *Rows) {
	seen := map[string]bool{}
	rows.each(func(r sbc.Resource) {
		if id := r.Base().ID; seen[id] {
			b.faults = append(b.faults, blame{r, sbc.Fault{Pointer: "#/id", Code: "conflict", Detail: id + " is there twice"}, true})
		} else {
			seen[id] = true
		}
	})
}

// references finds references to nothing. The store refuses them too; a cache file or another node's store might not have.
// Tenants and what is of
// listed kinds are left to the store: nothing here depends on their being there.
func (b *blames) references(rows *Rows, rules []*sbc.Rule) {
	there := map[sbc.Kind]map[string]bool{}
	for _, k := range sbc.Kinds() {
		there[k] = map[string]bool{}
	}
	rows.each(func(r sbc.Resource) { there[r.Kind()][r.Base().ID] = true })
	rows.each(func(r sbc.Resource) {
		for _, ref := range r.References() {
			if ref.Kind != sbc.KindTenant && !ref.Kind.Listed() && !there[ref.Kind][ref.ID] {
				b.missing(r, ref.Pointer, ref.Kind, ref.ID)
			}
		}
	})
	for _, r := range rules {
		b.rule(r, func(kind sbc.Kind, id string) bool { return there[kind][id] })
	}
}

// rules checks the references of changed rules.
func (b *blames) rules(rows *Rows, changes []route.RuleChange) {
	there := func(kind sbc.Kind, id string) bool {
		switch kind {
		case sbc.KindRoutingPlan:
			return find(rows.Plans, id) != nil
		case sbc.KindRouteList:
			return find(rows.Lists, id) != nil
		case sbc.KindTimeProfile:
			return find(rows.Times, id) != nil
		case sbc.KindAnnouncement:
			return find(rows.Announcements, id) != nil
		}
		return find(rows.Domains, id) != nil
	}
	for _, c := range changes {
		if c.New != nil {
			b.rule(c.New, there)
		}
	}
}

// rule checks the references of one rule, without the list of References that a million of them would make.
func (b *blames) rule(r *sbc.Rule, there func(kind sbc.Kind, id string) bool) {
	if !there(sbc.KindRoutingPlan, r.RoutingPlanID) {
		b.missing(r, "#/routing_plan_id", sbc.KindRoutingPlan, r.RoutingPlanID)
	}
	if r.RouteListID != "" && !there(sbc.KindRouteList, r.RouteListID) {
		b.missing(r, "#/route_list_id", sbc.KindRouteList, r.RouteListID)
	}
	if r.DomainID != "" && !there(sbc.KindDomain, r.DomainID) {
		b.missing(r, "#/domain_id", sbc.KindDomain, r.DomainID)
	}
	if r.JumpPlanID != "" && !there(sbc.KindRoutingPlan, r.JumpPlanID) {
		b.missing(r, "#/jump_plan_id", sbc.KindRoutingPlan, r.JumpPlanID)
	}
	if r.TimeProfileID != "" && !there(sbc.KindTimeProfile, r.TimeProfileID) {
		b.missing(r, "#/time_profile_id", sbc.KindTimeProfile, r.TimeProfileID)
	}
	if r.AnnouncementID != "" && !there(sbc.KindAnnouncement, r.AnnouncementID) {
		b.missing(r, "#/announcement_id", sbc.KindAnnouncement, r.AnnouncementID)
	}
}

// routing blames the rule that the routing table cannot be made of.
func (b *blames) routing(err error) {
	var fault *route.RuleError
	switch {
	case errors.As(err, &fault):
		b.faults = append(b.faults, blame{resource: fault.Rule, fault: fault.Fault})
	case err != nil:
		b.faults = append(b.faults, blame{fault: sbc.Fault{Code: "invalid", Detail: err.Error()}})
	}
}

func (b *blames) missing(r sbc.Resource, pointer string, kind sbc.Kind, id string) {
	b.faults = append(b.faults, blame{r, sbc.Fault{
		Pointer: pointer, Code: "reference", Detail: fmt.Sprintf("there is no %s %s", kind, id),
	}, false})
}

// interfaces finds SIP interfaces that would listen on the same place.
func (b *blames) interfaces(active []*sbc.SIPInterface) {
	type place struct {
		transport sbc.Transport
		port      int
	}
	at := map[place][]*sbc.SIPInterface{}
	for _, i := range active {
		p := place{i.Transport, i.Port}
		if p.transport.Stream() { // all are spoken over TCP
			p.transport = sbc.TransportTCP
		}
		for _, other := range at[p] {
			if overlap(i.Bind().Addr(), other.Bind().Addr()) {
				b.collide(i, other, "#/port", fmt.Sprintf("%s port %d over %s is taken by", i.BindAddress, i.Port, i.Transport))
				break
			}
		}
		at[p] = append(at[p], i)
	}
}

// overlap tells whether two sockets with the same port would want the same packets: equal addresses, or one that is "all" of the
// other's family. (An interface on :: serves IPv6 alone.)
func overlap(a, b netip.Addr) bool {
	a, b = a.Unmap(), b.Unmap()
	return a == b || a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}

// pools finds media pools whose ports overlap on one address.
func (b *blames) pools(active []*sbc.MediaPool) {
	byAddress := map[netip.Addr][]*sbc.MediaPool{}
	for _, p := range active {
		if a, err := netip.ParseAddr(p.Address); err == nil {
			byAddress[a.Unmap()] = append(byAddress[a.Unmap()], p)
		}
	}
	for _, p := range active { // in the order of ids, so that faults come in an order
		a, err := netip.ParseAddr(p.Address)
		if err != nil {
			continue
		}
		pools := byAddress[a.Unmap()]
		at := slices.Index(pools, p)
		for _, other := range pools[:at] {
			if p.PortMin <= other.PortMax && other.PortMin <= p.PortMax {
				b.collide(p, other, "#/port_min", fmt.Sprintf("ports %d to %d of %s overlap with those of",
					p.PortMin, p.PortMax, p.Address))
				break
			}
		}
	}
}

// shared finds SIP interfaces over UDP whose port lies within a media pool of the same address.
func (b *blames) shared(interfaces []*sbc.SIPInterface, pools []*sbc.MediaPool) {
	for _, i := range interfaces {
		if i.Transport != sbc.TransportUDP {
			continue
		}
		for _, p := range pools {
			a, err := netip.ParseAddr(p.Address)
			if err != nil || i.Port < p.PortMin || i.Port > p.PortMax || !overlap(i.Bind().Addr(), a) {
				continue
			}
			// The pointer depends on which of the two is blamed.
			if newer := cmp.Or(cmp.Compare(i.Revision, p.Revision), strings.Compare(i.ID, p.ID)) > 0; newer {
				b.collide(i, p, "#/port", fmt.Sprintf("UDP port %d of %s belongs to", i.Port, p.Address))
			} else {
				b.collide(p, i, "#/port_min", fmt.Sprintf("UDP port %d of %s is that of", i.Port, p.Address))
			}
		}
	}
}
