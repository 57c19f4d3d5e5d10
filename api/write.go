package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// errUnchanged rolls a transaction back in which nothing was changed: no revision, no new snapshot, no audit event.
var errUnchanged = errors.New("nothing changes")

// change is one write of one resource on its way through a transaction.
type change struct {
	s      *server
	c      *caller
	p      place
	dryRun bool
	cond   conditions
	secret string       // of a key that is made
	old    sbc.Resource // nil: it is made
	result sbc.Resource
}

func (s *server) newChange(ctx context.Context, p place, dryRun *bool, cond conditions) *change {
	ch := &change{s: s, c: callerOf(ctx), p: p, dryRun: value(dryRun), cond: cond}
	if p.kind == sbc.KindAPIKey {
		ch.secret = token.New()
	}
	return ch
}

// inTx reads within the transaction.
func inTx(tx sbc.Tx) getter { return tx.Get }

// create makes a resource.
func create[G any](ctx context.Context, s *server, p place, dryRun *bool, body any) (view[G], error) {
	ch := s.newChange(ctx, p, dryRun, conditions{})
	var v view[G]
	err := ch.run(ctx, func(tx sbc.Tx) error {
		if err := ch.make(tx, body, ""); err != nil {
			return err
		}
		var err error
		if v, err = seen[G](ch); err != nil {
			return err
		}
		return s.remember(tx, ch, v.tag, v.location, v.body)
	})
	return v, err
}

// replace puts a whole resource in the place of another.
func replace[G any](ctx context.Context, s *server, p place, id string, dryRun *bool, cond conditions, body any) (view[G], error) {
	ch := s.newChange(ctx, p, dryRun, cond)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.p.find(inTx(tx), ch.c.tenant(), id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return decodeOnto(r, body) })
	})
	return finish[G](ch, err)
}

// patch changes some fields of a resource.
func patch[G any](ctx context.Context, s *server, p place, id string, dryRun *bool, cond conditions, body any) (view[G], error) {
	ch := s.newChange(ctx, p, dryRun, cond)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.p.find(inTx(tx), ch.c.tenant(), id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return patched(r, old, body) })
	})
	return finish[G](ch, err)
}

// patched decodes old with the patch applied onto r, which holds the defaults that null asks for.
func patched(r, old sbc.Resource, body any) error {
	is, err := object(old)
	if err != nil {
		return err
	}
	wanted, err := object(body)
	if err != nil {
		return err
	}
	return decodeOnto(r, merge(is, wanted))
}

// upsert makes or replaces the resource that another system knows by externalID.
func upsert[G any](ctx context.Context, s *server, p place, externalID string, dryRun *bool, cond conditions, body any) (view[G], error) {
	ch := s.newChange(ctx, p, dryRun, cond)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		tenant, err := ch.tenantOf(body)
		if err != nil {
			return err
		}
		old, err := ch.byExternalID(tx, tenant, externalID)
		if err != nil {
			return err
		}
		if old == nil {
			return ch.make(tx, body, externalID)
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error {
			if err := decodeOnto(r, body); err != nil {
				return err
			}
			return ch.named(r, externalID)
		})
	})
	return finish[G](ch, err)
}

// byExternalID finds what an upsert replaces; nil where there is nothing.
func (ch *change) byExternalID(tx sbc.Tx, tenant, externalID string) (sbc.Resource, error) {
	old, err := tx.ByExternalID(ch.p.kind, tenant, externalID)
	switch {
	case err != nil && sbc.CodeOf(err) == sbc.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case ch.p.kind == sbc.KindAPIKey && old.Base().TenantID != tenant:
		return nil, nil // a system-wide key looks in all tenants, but writes where it said
	case !ch.p.holds(old):
		return nil, &sbc.Error{Code: sbc.CodeConflict, Message: fmt.Sprintf("the external id belongs to a %s of another %s", words(ch.p.kind), words(ch.p.parent)),
			Faults: []sbc.Fault{{Parameter: "external_id", Code: "taken", Detail: "is taken by " + old.Base().ID}}}
	}
	return ch.p.find(inTx(tx), ch.c.tenant(), old.Base().ID)
}

// remove deletes a resource.
func remove(ctx context.Context, s *server, p place, id string, dryRun *bool, cond conditions) error {
	ch := s.newChange(ctx, p, dryRun, cond)
	return ch.run(ctx, func(tx sbc.Tx) error {
		old, err := p.find(inTx(tx), ch.c.tenant(), id)
		if err != nil {
			return err
		}
		if err := ch.allowed(tx, old, nil); err != nil {
			return err
		}
		if err := tx.Delete(p.kind, id); err != nil {
			return err
		}
		return ch.audit(tx, old, nil)
	})
}

// run carries the change out and lets the keyring know.
func (ch *change) run(ctx context.Context, do func(tx sbc.Tx) error) error {
	err := ch.s.o.Config.Update(ctx, ch.dryRun, func(tx sbc.Tx) error {
		ch.old, ch.result = nil, nil // the store may begin again after a collision
		return do(tx)
	})
	if err == nil && !ch.dryRun && (ch.p.kind == sbc.KindAPIKey || ch.p.kind == sbc.KindTenant) {
		ch.s.keys.forget()
	}
	return err
}

// make puts a new resource. externalID is set by an upsert.
func (ch *change) make(tx sbc.Tx, body any, externalID string) error {
	r := sbc.New(ch.p.kind)
	if err := decodeOnto(r, body); err != nil {
		return err
	}
	if err := ch.named(r, externalID); err != nil {
		return err
	}
	owner, err := ch.p.owner(inTx(tx), ch.c.tenant())
	if err != nil {
		return err
	}
	if err := ch.place(r, owner); err != nil {
		return err
	}
	if key, ok := r.(*sbc.APIKey); ok {
		key.Hash, key.Hint = token.Sum(ch.secret).String(), token.Hint(ch.secret)
	}
	if err := ch.allowed(tx, nil, r); err != nil {
		return err
	}
	if err := faultsIn(inTx(tx), r); err != nil {
		return err
	}
	r.Base().ID = sbc.NewID(ch.p.kind.Prefix())
	if err := tx.Put(r); err != nil {
		return err
	}
	ch.result = r
	return ch.audit(tx, nil, r)
}

// exchange puts a changed resource in the place of old.
func (ch *change) exchange(tx sbc.Tx, old sbc.Resource, decode func(r sbc.Resource) error) error {
	r := sbc.New(ch.p.kind)
	if err := decode(r); err != nil {
		return err
	}
	if err := ch.keep(r, old); err != nil {
		return err
	}
	if err := ch.allowed(tx, old, r); err != nil {
		return err
	}
	if err := faultsIn(inTx(tx), r); err != nil {
		return err
	}
	ch.old = old
	if same(old, r) {
		ch.result = old
		return errUnchanged
	}
	if err := tx.Put(r); err != nil {
		return err
	}
	ch.result = r
	return ch.audit(tx, old, r)
}

// keep carries over what a body cannot change, and refuses a body that tries.
func (ch *change) keep(r, old sbc.Resource) error {
	m, was := r.Base(), old.Base()
	if m.TenantID != "" && m.TenantID != was.TenantID {
		return immutable("tenant_id", was.TenantID)
	}
	if m.ID != "" && m.ID != was.ID {
		return immutable("id", was.ID)
	}
	m.ID, m.TenantID, m.Revision, m.CreatedAt, m.UpdatedAt = was.ID, was.TenantID, was.Revision, was.CreatedAt, was.UpdatedAt
	setParent(r, ch.p.id)
	if key, ok := r.(*sbc.APIKey); ok {
		if before, ok := old.(*sbc.APIKey); ok {
			key.Hash, key.Hint = before.Hash, before.Hint
		}
	}
	return nil
}

func immutable(name, is string) error {
	return sbc.Invalid([]sbc.Fault{{Pointer: "#/" + name, Code: "immutable", Detail: fmt.Sprintf("is %q and cannot be changed", is)}})
}

// named sets the external id that the path of an upsert gives.
func (ch *change) named(r sbc.Resource, externalID string) error {
	m := r.Base()
	if externalID == "" {
		return nil
	}
	if m.ExternalID != "" && m.ExternalID != externalID {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#/external_id", Code: "immutable", Detail: "differs from the one in the path; leave it out"}})
	}
	m.ExternalID = externalID
	return nil
}

// setParent writes the parent's id into the field that refers to it.
func setParent(r sbc.Resource, id string) {
	switch r := r.(type) {
	case *sbc.Endpoint:
		r.TrunkID = id
	case *sbc.Identity:
		r.TrunkID = id
	case *sbc.Rule:
		r.RoutingPlanID = id
	case *sbc.Target:
		r.RouteListID = id
	}
}

// faultsIn finds everything wrong with a resource: by itself, and in what it refers to.
func faultsIn(get getter, r sbc.Resource) error {
	faults := r.Validate()
	for _, ref := range r.References() {
		if ref.Owns {
			continue // the parent was found on the way here
		}
		tenant := r.Base().TenantID
		if ref.Kind == sbc.KindTenant {
			tenant = ""
		}
		switch _, err := get(ref.Kind, tenant, ref.ID); {
		case err == nil:
		case sbc.CodeOf(err) == sbc.CodeNotFound:
			faults = append(faults, unknownReference(ref))
		default:
			return err
		}
	}
	return sbc.Invalid(faults)
}

// same tells whether two states of a resource differ in nothing a client can write.
func same(a, b sbc.Resource) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// audit writes the event of the change into the same transaction.
func (ch *change) audit(tx sbc.Tx, before, after sbc.Resource) error {
	e := ch.c.event()
	e.Kind, e.Revision = ch.p.kind, tx.Revision()
	for _, side := range []struct {
		r  sbc.Resource
		to *any
	}{{before, &e.Before}, {after, &e.After}} {
		if side.r == nil {
			continue
		}
		e.ResourceID, e.TenantID = side.r.Base().ID, side.r.Base().TenantID
		if side.r.Kind() == sbc.KindTenant {
			e.TenantID = side.r.Base().ID
		}
		shown, err := object(side.r)
		if err != nil {
			return err
		}
		delete(shown, "hash") // of an API key: no secret, but nobody's business
		*side.to = shown
	}
	return tx.Audit(e)
}

// event begins an audit event with who, whence and what.
func (c *caller) event() sbc.AuditEvent {
	return sbc.AuditEvent{
		ID: sbc.NewID(sbc.PrefixAudit), At: time.Now().UTC(), TenantID: c.tenant(), Actor: c.key.id, SourceIP: c.sourceIP,
		RequestID: c.requestID, OperationID: c.op.id,
	}
}

// seen is the result of a change as the API shows it.
func seen[G any](ch *change) (view[G], error) {
	var more []field
	created := ch.old == nil
	if created && ch.secret != "" {
		more = append(more, field{"key", ch.secret})
	}
	body, err := present[G](ch.s, ch.result, more...)
	m := ch.result.Base()
	return view[G]{body: body, tag: etag(m.Revision), location: ch.locate(m.ID), created: created}, err
}

// finish shows the result of a change that may have changed nothing.
func finish[G any](ch *change, err error) (view[G], error) {
	if err != nil && !errors.Is(err, errUnchanged) {
		return view[G]{}, err
	}
	return seen[G](ch)
}

// locate is the path of a resource: the one of the request without its end.
func (ch *change) locate(id string) string {
	path, _, _ := strings.Cut(ch.c.path, "/by-external-id/")
	return strings.TrimSuffix(path, "/") + "/" + id
}
