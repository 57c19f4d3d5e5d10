package register

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

var _ sbc.Registrations = (*Registrar)(nil)

// defaultPage is how many registrations a page has that names no limit.
const defaultPage = 1000

// Registrations lists registrations by rising id.
func (r *Registrar) Registrations(_ context.Context, q sbc.RegistrationQuery) (page []sbc.Registration, next string, err error) {
	f := filter{q: q, agent: strings.ToLower(q.UserAgent)}
	if err := f.readSource(); err != nil {
		return nil, "", err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	least := least{most: limit + 1}
	for i := range r.table.shards {
		s := &r.table.shards[i]
		if q.SubscriberID != "" && s != r.table.shard(q.SubscriberID) {
			continue
		}
		s.mu.Lock()
		for _, o := range s.owners {
			f.collect(o, &least)
		}
		s.mu.Unlock()
	}
	ids := least.list()
	for i, id := range ids {
		if i == limit {
			return page, ids[limit-1], nil
		}
		if b := r.table.find(id); b != nil {
			page = append(page, r.show(b))
		}
	}
	return page, "", nil
}

// Registration finds one registration.
func (r *Registrar) Registration(_ context.Context, tenantID, id string) (*sbc.Registration, error) {
	b, err := r.of(tenantID, id)
	if err != nil {
		return nil, err
	}
	shown := r.show(b)
	return &shown, nil
}

// of finds a binding that a tenant may see; "" sees all.
func (r *Registrar) of(tenantID, id string) (*binding, error) {
	b := r.table.find(id)
	if b == nil || tenantID != "" && tenantID != b.owner.home.Value().tenant {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no registration %s", clip(id, 64))
	}
	return b, nil
}

// Unregister takes a contact away. The phone does not hear of it; it is back when it registers again.
func (r *Registrar) Unregister(_ context.Context, tenantID, id string) error {
	b, err := r.of(tenantID, id)
	if err != nil {
		return err
	}
	u := &update{r: r, now: r.now()}
	b.shard.mu.Lock()
	u.remove(b.shard, b, goneAPI)
	b.shard.mu.Unlock()
	written := make(chan struct{})
	r.settle(u, func() { close(written) })
	<-written
	return nil
}

// Forget takes all contacts of a subscriber away, or, where subscriberID is "", of a domain: they are out of service.
func (r *Registrar) Forget(domainID, subscriberID string) {
	for i := range r.table.shards {
		s := &r.table.shards[i]
		if subscriberID != "" && s != r.table.shard(subscriberID) {
			continue
		}
		u := &update{r: r, now: r.now()}
		s.mu.Lock()
		for _, o := range s.owners {
			if subscriberID == "" && o.home.Value().domain == domainID || o.subscriber == subscriberID {
				for _, b := range slices.Clone(o.bindings) {
					u.remove(s, b, goneAccount)
				}
			}
		}
		s.mu.Unlock()
		r.settle(u, nil)
	}
}

// Subscribers gives the ids of those that have contacts, in no order.
func (r *Registrar) Subscribers() (ids []string) {
	for i := range r.table.shards {
		s := &r.table.shards[i]
		s.mu.Lock()
		for id := range s.owners {
			ids = append(ids, id)
		}
		s.mu.Unlock()
	}
	return ids
}

// RefreshRegistration pings a contact at once, whatever the domain's policy says, and gives what came of it.
func (r *Registrar) RefreshRegistration(ctx context.Context, tenantID, id string) (*sbc.Registration, error) {
	b, err := r.of(tenantID, id)
	if err != nil {
		return nil, err
	}
	d := r.o.Domain(b.owner.home.Value().domain)
	if d == nil {
		return nil, sbc.Errorf(sbc.CodeUnavailable, "the domain of the registration is out of service")
	}
	b.shard.mu.Lock()
	here := b.present()
	p := b.pingBy(d, r.now())
	p.options, p.to = true, b.describe()
	b.shard.mu.Unlock()
	if !here {
		return r.Registration(ctx, tenantID, id)
	}
	heard := make(chan struct{}, 1)
	p.done = func() { heard <- struct{}{} }
	r.options(&p)
	timer := time.NewTimer(patience + time.Second)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
	case <-ctx.Done():
		return nil, sbc.Errorf(sbc.CodeUnavailable, "nobody waited for the phone's answer")
	}
	return r.Registration(ctx, tenantID, id)
}

// filter selects bindings.
type filter struct {
	q      sbc.RegistrationQuery
	agent  string
	source netip.Prefix
}

func (f *filter) readSource() error {
	if f.q.Source == "" {
		return nil
	}
	if a, err := netip.ParseAddr(f.q.Source); err == nil {
		f.source = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(f.q.Source)
	if err != nil {
		return sbc.Invalid([]sbc.Fault{{
			Parameter: "source", Code: "cidr", Detail: "must be an address or a network such as 192.0.2.0/28",
		}})
	}
	f.source = p.Masked()
	return nil
}

// collect notes the bindings of a subscriber that are selected. It is called with the shard's lock held.
func (f *filter) collect(o *owner, to *least) {
	q := &f.q
	if q.TenantID != "" && q.TenantID != o.home.Value().tenant || q.DomainID != "" && q.DomainID != o.home.Value().domain ||
		q.SubscriberID != "" && q.SubscriberID != o.subscriber || q.AOR != "" && q.AOR != o.aor() {
		return
	}
	for _, b := range o.bindings {
		if b.id > q.After && f.wants(b) {
			to.add(b.id)
		}
	}
}

func (f *filter) wants(b *binding) bool {
	q := &f.q
	switch {
	case q.Transport != "" && q.Transport != b.way.Value().transport, q.NAT != "" && q.NAT != b.kind(),
		q.Reachable != nil && *q.Reachable == b.lost:
		return false
	case f.source.IsValid() && !f.source.Contains(b.source.Addr()):
		return false
	}
	return f.agent == "" || strings.Contains(strings.ToLower(b.agent.Value()), f.agent)
}

// least keeps the lowest ids of many.
type least struct {
	most int
	ids  []string
	// limit is the highest id that still matters, "" while all do.
	limit string
}

func (l *least) add(id string) {
	if l.limit != "" && id >= l.limit {
		return
	}
	l.ids = append(l.ids, id)
	if len(l.ids) >= 4*l.most {
		l.trim()
	}
}

func (l *least) trim() {
	slices.Sort(l.ids)
	if len(l.ids) > l.most {
		l.ids = l.ids[:l.most]
		l.limit = l.ids[l.most-1]
	}
}

func (l *least) list() []string {
	l.trim()
	return l.ids
}

// show is a binding as the API has it.
func (r *Registrar) show(b *binding) sbc.Registration {
	s := b.shard
	s.mu.Lock()
	x := sbc.Registration{
		ID: b.id, TenantID: b.owner.home.Value().tenant, DomainID: b.owner.home.Value().domain,
		SubscriberID: b.owner.subscriber, AOR: b.owner.aor(),
		Contact: b.contact(), Q: float64(b.q) / 1000, InstanceID: b.instance(), RegID: int(b.regID), Path: b.routes(),
		UserAgent: b.agent.Value(), SIPInterfaceID: b.way.Value().iface, Transport: b.way.Value().transport,
		Source: b.source.String(), NAT: b.kind(), NATTests: b.tests.names(),
		Reachable: !b.lost, RoundTripMS: float64(b.trip.Microseconds()) / 1000, Misses: int(b.misses),
		RegisteredAt: r.at(b.registered).UTC(), RefreshedAt: r.at(b.refreshed).UTC(), ExpiresAt: r.at(b.expires).UTC(),
	}
	if b.pinged != 0 {
		at := r.at(b.pinged).UTC()
		x.PingedAt = &at
	}
	if b.gruu && b.instance() != "" {
		x.PublicGRUU = r.gruus.public(b.owner, b.instance())
	}
	x.Push, x.Upstream = b.wakes(), b.up.show(r)
	hop := b.hop()
	s.mu.Unlock()
	x.Connected = hop.Transport == sbc.TransportUDP || hop.Conn != 0 && r.o.Wire.Connected(hop)
	return x
}
