package api

import (
	"time"

	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// place says where a resource is in the API: its kind and, for a part of another resource, that resource.
type place struct {
	kind   sbc.Kind
	parent sbc.Kind // "" for a resource of its own
	id     string   // of the parent
	field  string   // that refers to the parent (see partOf)
}

func top(kind sbc.Kind) place { return place{kind: kind} }

// getter finds a resource of a tenant ("" for any): a transaction or the store does it.
type getter func(kind sbc.Kind, tenantID, id string) (sbc.Resource, error)

// stored reads outside a transaction.
func (s *server) stored(ctx context.Context) getter {
	return func(kind sbc.Kind, tenantID, id string) (sbc.Resource, error) {
		return s.o.Store.Get(ctx, kind, tenantID, id)
	}
}

// find reads a resource as the caller may see it: of the caller's tenant, and of the parent that the path names.
func (p place) find(get getter, tenant, id string) (sbc.Resource, error) {
	if p.kind == sbc.KindTenant {
		// A tenant belongs to no tenant: the store would not find it for a key that does.
		if tenant != "" && tenant != id {
			return nil, missing(p.kind, id)
		}
		tenant = ""
	}
	r, err := get(p.kind, tenant, id)
	switch {
	case sbc.CodeOf(err) == sbc.CodeNotFound && err != nil:
		return nil, missing(p.kind, id)
	case err != nil:
		return nil, err
	case !p.holds(r):
		return nil, missing(p.kind, id)
	}
	return r, nil
}

// holds tells whether a resource is part of the parent in the path.
func (p place) holds(r sbc.Resource) bool {
	if p.parent == "" {
		return true
	}
	for _, ref := range r.References() {
		if ref.Owns {
			return ref.ID == p.id
		}
	}
	return false
}

// owner reads the parent in the path; nil where there is none.
func (p place) owner(get getter, tenant string) (sbc.Resource, error) {
	if p.parent == "" {
		return nil, nil
	}
	return top(p.parent).find(get, tenant, p.id)
}

func missing(kind sbc.Kind, id string) error {
	return sbc.Errorf(sbc.CodeNotFound, "there is no %s %s", words(kind), clip(id))
}

// words is a kind as people say it.
func words(kind sbc.Kind) string { return strings.ReplaceAll(string(kind), "-", " ") }

// present maps a resource to its generated type and adds its runtime state.
func (s *server) present(r sbc.Resource, more ...field) (any, error) {
	return s.presenters[r.Kind()](bare(r), append(s.runtime(r), more...)...)
}

// bare is a resource without what the API never shows: the hash of a key, what names the audio of an announcement, secrets.
func bare(r sbc.Resource) sbc.Resource {
	switch r := r.(type) {
	case *sbc.APIKey:
		shown := *r
		shown.Hash = ""
		return &shown
	case *sbc.Announcement:
		shown := *r
		shown.AudioSHA256, shown.AudioBytes = "", 0
		return &shown
	case *sbc.RateDeck:
		shown := *r
		shown.RatesSHA256, shown.RatesBytes, shown.Rates = "", 0, nil
		return &shown
	}
	return sbc.WithoutSecrets(r)
}

// runtime is what a resource is doing now, if its kind does anything.
func (s *server) runtime(r sbc.Resource) []field {
	m := r.Base()
	switch r.Kind() {
	case sbc.KindSIPInterface:
		status, ok := s.o.Status.InterfaceStatus(m.ID)
		if !ok {
			status = sbc.InterfaceStatus{State: idle(m.Enabled), Since: m.UpdatedAt}
		}
		return []field{{"status", status}}
	case sbc.KindMediaPool:
		status, ok := s.o.Status.PoolStatus(m.ID)
		if !ok {
			status = sbc.PoolStatus{State: idle(m.Enabled)}
		}
		return []field{{"status", status}}
	case sbc.KindTrunk, sbc.KindEndpoint, sbc.KindRegistrant:
		return []field{{"status", s.reach(r)}}
	case sbc.KindRateDeck:
		var status sbc.RateDeckStatus
		if d, ok := r.(*sbc.RateDeck); ok && d.Rates != nil {
			status = *d.Rates
		}
		return []field{{"status", status}}
	case sbc.KindCertificate, sbc.KindCertificateAuthority:
		return []field{{"status", s.certificateStatus(r)}}
	case sbc.KindAPIKey:
		status := gen.APIKeyStatus{}
		if at := s.keys.lastUsed(m.ID); !at.IsZero() {
			status.LastUsedAt = &at
		}
		return []field{{"status", status}}
	}
	return nil
}

// reach is the state of what calls go to.
func (s *server) reach(r sbc.Resource) any {
	m, state := r.Base(), "unknown"
	if !m.Enabled {
		state = "disabled"
	}
	switch r.Kind() {
	case sbc.KindTrunk:
		if status, ok := s.o.Status.TrunkStatus(m.ID); ok {
			return status
		}
		return sbc.TrunkStatus{State: state, Since: m.UpdatedAt}
	case sbc.KindEndpoint:
		if status, ok := s.o.Status.EndpointStatus(m.ID); ok {
			return status
		}
		return sbc.EndpointStatus{State: sbc.EndpointState(state), Since: m.UpdatedAt}
	}
	if status, ok := s.o.Status.RegistrantStatus(m.ID); ok {
		return status
	}
	status := sbc.RegistrantStatus{State: sbc.RegistrantRegistering, Since: m.UpdatedAt}
	if !m.Enabled {
		status.State = sbc.RegistrantDisabled
	}
	return status
}

// idle is the state of what the engine does not know: it is on its way there, or not wanted.
func idle(enabled bool) string {
	if enabled {
		return "starting"
	}
	return "disabled"
}

// show reads one resource. Kinds with a runtime state know no If-None-Match: that state changes without the ETag.
// effective adds the profiles that count, which change without it, too.
func (s *server) show(ctx context.Context, p place, id string, ifNoneMatch *string, effective bool) (view, error) {
	r, err := p.find(s.stored(ctx), callerOf(ctx).tenant(), id)
	if err != nil {
		return view{}, err
	}
	tag := etag(r.Base().Revision)
	var more []field
	if effective {
		profiles, ok := s.o.Effective(p.kind, id)
		if !ok {
			return view{}, sbc.Errorf(sbc.CodeUnavailable, "the configuration with this %s is not in service on this node yet", words(p.kind))
		}
		more = []field{{"effective", profiles}}
	} else if err := unmodified(ifNoneMatch, tag); err != nil {
		return view{}, err
	}
	body, err := s.present(r, more...)
	return view{body: body, tag: tag}, err
}

// list reads one page of resources.
func (s *server) list(ctx context.Context, c *caller, asked url.Values) (items []any, next *string, err error) {
	p, _ := c.where()
	q, err := c.selection(asked)
	if err != nil {
		return nil, nil, err
	}
	if owner, err := p.owner(s.stored(ctx), c.tenant()); err != nil {
		return nil, nil, err
	} else if owner != nil {
		q.Ref = p.id
	}
	page, after, err := s.page(ctx, c, q)
	if err != nil {
		return nil, nil, err
	}
	items = make([]any, 0, len(page))
	for _, r := range page {
		shown, err := s.present(r)
		if err != nil {
			return nil, nil, err
		}
		items = append(items, shown)
	}
	if after != "" {
		cursor := makeCursor(c.scope, after)
		next = &cursor
	}
	return items, next, nil
}

// page asks the store, except for the one tenant that a tenant's key can see.
func (s *server) page(ctx context.Context, c *caller, q sbc.Query) ([]sbc.Resource, string, error) {
	if q.Kind != sbc.KindTenant || c.tenant() == "" {
		return s.o.Store.List(ctx, q)
	}
	r, err := s.o.Store.Get(ctx, sbc.KindTenant, "", c.tenant())
	if err != nil {
		return nil, "", err
	}
	if !selected(r, q) {
		return nil, "", nil
	}
	return []sbc.Resource{r}, "", nil
}

// selected does for one resource what the store does for many.
func selected(r sbc.Resource, q sbc.Query) bool {
	m := r.Base()
	for key, value := range q.Labels {
		if v, ok := m.Labels[key]; !ok || v != value {
			return false
		}
	}
	return (q.Name == "" || q.Name == m.Name) && (q.ExternalID == "" || q.ExternalID == m.ExternalID) &&
		(q.Enabled == nil || *q.Enabled == m.Enabled) && m.ID > q.After
}

const defaultLimit = 100

func limitOf(limit *int) int {
	if limit == nil {
		return defaultLimit
	}
	return *limit
}

// selection turns the query parameters, which were checked, into what the store understands. A parameter that is the id of
// something other than the resource's tenant and external system asks for what refers to it; the store can follow one.
func (c *caller) selection(asked url.Values) (sbc.Query, error) {
	q := sbc.Query{Kind: c.op.kind, Limit: number(asked.Get("limit"), defaultLimit), Name: asked.Get("name"),
		ExternalID: asked.Get("external_id")}
	if q.Kind == sbc.KindSubscriber {
		q.Name = asked.Get("username")
	}
	cursor, tenant := asked.Get("cursor"), asked.Get("tenant_id")
	var err error
	if q.After, err = openCursor(c.scope, &cursor); err != nil {
		return q, err
	}
	if q.TenantID, err = c.choose(&tenant); err != nil {
		return q, err
	}
	if c.op.kind == sbc.KindTenant {
		q.TenantID = ""
	}
	for name, values := range asked {
		switch {
		case !strings.HasSuffix(name, "_id") || name == "external_id" || name == "tenant_id" || values[0] == "":
		case q.Ref != "":
			return q, sbc.Errorf(codeParameter, "give only one of the parameters that name another resource")
		default:
			q.Ref = values[0]
		}
	}
	if enabled := asked.Get("enabled"); enabled != "" {
		is := enabled == "true"
		q.Enabled = &is
	}
	for _, l := range asked["label"] {
		if q.Labels == nil {
			q.Labels = map[string]string{}
		}
		k, v, _ := strings.Cut(l, "=")
		q.Labels[k] = v
	}
	return q, nil
}

// choose is the tenant a list is about: the key's own, or for a system-wide key the one asked for ("" for all).
func (c *caller) choose(asked *string) (string, error) {
	own := c.tenant()
	switch {
	case asked == nil || *asked == "" || *asked == own:
		return own, nil
	case own == "":
		return *asked, nil
	}
	return "", sbc.Errorf(sbc.CodeForbidden, "the key sees the tenant %s only", own)
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// unknownReference is the fault of a reference to nothing.
func unknownReference(ref sbc.Reference) sbc.Fault {
	return sbc.Fault{
		Pointer: ref.Pointer, Code: "unknown_reference", Detail: fmt.Sprintf("there is no %s %s", words(ref.Kind),
			clip(ref.ID)),
	}
}

// certificateStatus is what a certificate or the root of an authority is good for.
func (s *server) certificateStatus(r sbc.Resource) sbc.CertificateStatus {
	switch r := r.(type) {
	case *sbc.Certificate:
		status := sbc.StatusOf(r.CertificatePEM, time.Now())
		if s.o.CertificateStatus != nil {
			s.o.CertificateStatus(r, &status)
		}
		return status
	case *sbc.CertificateAuthority:
		return sbc.StatusOf(r.CertificatePEM, time.Now())
	}
	return sbc.CertificateStatus{}
}
