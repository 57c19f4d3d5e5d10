package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// errUnchanged rolls a transaction back in which nothing was changed: no revision, no new snapshot, no audit event.
var errUnchanged = errors.New("nothing changes")

// write is what a client asks to be written.
type write struct {
	place  place
	id     string // of the resource; for an upsert the external id
	dryRun bool
	body   map[string]any
	// The preconditions (see precondition.go).
	ifMatch, ifNoneMatch *string
}

// change is one write of one resource on its way through a transaction.
type change struct {
	write
	s      *server
	c      *caller
	secret string       // of a key that is made
	audio  []byte       // of an announcement, where it is uploaded
	rates  *table       // of a rate deck, where they are uploaded
	old    sbc.Resource // nil: it is made
	result sbc.Resource
}

func (s *server) newChange(ctx context.Context, w write) *change {
	ch := &change{write: w, s: s, c: callerOf(ctx)}
	if w.place.kind == sbc.KindAPIKey {
		ch.secret = token.New()
	}
	return ch
}

// kept tells whether the change is meant to last.
func (ch *change) kept() bool { return !ch.dryRun }

// inTx reads within the transaction.
func inTx(tx sbc.Tx) getter { return tx.Get }

// create makes a resource.
func (s *server) create(ctx context.Context, w write) (view, error) {
	ch := s.newChange(ctx, w)
	var v view
	err := ch.run(ctx, func(tx sbc.Tx) error {
		if err := ch.make(tx, ""); err != nil {
			return err
		}
		if ch.c.retry == nil {
			return nil
		}
		var err error
		if v, err = ch.seen(); err != nil {
			return err
		}
		if !ch.kept() {
			return nil
		}
		return s.remember(tx, ch.c, http.StatusCreated, map[string]string{"ETag": v.tag, "Location": v.location}, v.body)
	})
	if err == nil && ch.c.retry != nil {
		return v, nil // exactly what a repetition will get
	}
	return ch.finish(err)
}

// replace puts a whole resource in the place of another.
func (s *server) replace(ctx context.Context, w write) (view, error) {
	ch := s.newChange(ctx, w)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.place.find(inTx(tx), ch.c.tenant(), w.id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return decodeOnto(r, w.body) })
	})
	return ch.finish(err)
}

// patch changes some fields of a resource.
func (s *server) patch(ctx context.Context, w write) (view, error) {
	ch := s.newChange(ctx, w)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.place.find(inTx(tx), ch.c.tenant(), w.id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return patched(r, old, w.body) })
	})
	return ch.finish(err)
}

// patched decodes old with the patch applied onto r, which holds the defaults that null asks for.
func patched(r, old sbc.Resource, body map[string]any) error {
	is, err := object(old)
	if err != nil {
		return err
	}
	replaceSecret(is, body)
	return decodeOnto(r, merge(is, body))
}

// upsert makes or replaces the resource that another system knows by an external id.
func (s *server) upsert(ctx context.Context, w write) (view, error) {
	ch := s.newChange(ctx, w)
	err := ch.run(ctx, func(tx sbc.Tx) error {
		tenant, err := ch.tenantOf(w.body)
		if err != nil {
			return err
		}
		old, err := ch.byExternalID(tx, tenant, w.id)
		if err != nil {
			return err
		}
		if old == nil {
			return ch.make(tx, w.id)
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error {
			if err := decodeOnto(r, w.body); err != nil {
				return err
			}
			return named(r, w.id)
		})
	})
	return ch.finish(err)
}

// byExternalID finds what an upsert replaces; nil where there is nothing.
func (ch *change) byExternalID(tx sbc.Tx, tenant, externalID string) (sbc.Resource, error) {
	old, err := tx.ByExternalID(ch.place.kind, tenant, externalID)
	switch {
	case err != nil && sbc.CodeOf(err) == sbc.CodeNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case ch.place.kind == sbc.KindAPIKey && old.Base().TenantID != tenant:
		return nil, nil // a system-wide key looks in all tenants, but writes where it said
	case !ch.place.holds(old):
		return nil, &sbc.Error{Code: sbc.CodeConflict,
			Message: fmt.Sprintf("the external id belongs to a %s of another %s", words(ch.place.kind),
				words(ch.place.parent)),
			Faults: []sbc.Fault{{Parameter: "external_id", Code: "taken", Detail: "is taken by " + old.Base().ID}}}
	}
	return ch.place.find(inTx(tx), ch.c.tenant(), old.Base().ID)
}

// remove deletes a resource.
func (s *server) remove(ctx context.Context, w write) error {
	ch := s.newChange(ctx, w)
	return ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.place.find(inTx(tx), ch.c.tenant(), w.id)
		if err != nil {
			return err
		}
		if err := ch.allowed(tx, old, nil); err != nil {
			return err
		}
		if err := tx.Delete(ch.place.kind, w.id); err != nil {
			return err
		}
		return ch.audit(tx, old, nil)
	})
}

// run carries the change out and lets the keyring know.
func (ch *change) run(ctx context.Context, do func(tx sbc.Tx) error) error {
	err := ch.s.o.Config.Update(ctx, !ch.kept(), func(tx sbc.Tx) error {
		ch.old, ch.result = nil, nil // the store may begin again after a collision
		return do(tx)
	})
	if err == nil && ch.kept() && (ch.place.kind == sbc.KindAPIKey || ch.place.kind == sbc.KindTenant) {
		ch.s.keys.forget()
	}
	return err
}

// make puts a new resource. externalID is set by an upsert.
func (ch *change) make(tx sbc.Tx, externalID string) error {
	r := sbc.New(ch.place.kind)
	if err := decodeOnto(r, ch.body); err != nil {
		return err
	}
	if err := named(r, externalID); err != nil {
		return err
	}
	owner, err := ch.place.owner(inTx(tx), ch.c.tenant())
	if err != nil {
		return err
	}
	if err := ch.settle(r, owner); err != nil {
		return err
	}
	if key, ok := r.(*sbc.APIKey); ok {
		key.Hash, key.Hint = token.Sum(ch.secret).String(), token.Hint(ch.secret)
	}
	if err := ch.allowed(tx, nil, r); err != nil {
		return err
	}
	alike(r)
	if err := faultsIn(inTx(tx), r); err != nil {
		return err
	}
	if err := hashSecret(inTx(tx), r); err != nil {
		return err
	}
	if err := complete(inTx(tx), r, nil); err != nil {
		return err
	}
	r.Base().ID = sbc.NewID(ch.place.kind.Prefix())
	if err := tx.Put(r); err != nil {
		return err
	}
	ch.result = r
	return ch.audit(tx, nil, r)
}

// exchange puts a changed resource in the place of old.
func (ch *change) exchange(tx sbc.Tx, old sbc.Resource, decode func(r sbc.Resource) error) error {
	r := sbc.New(ch.place.kind)
	if err := decode(r); err != nil {
		return err
	}
	if err := ch.keep(r, old); err != nil {
		return err
	}
	alike(r)
	if err := ch.allowed(tx, old, r); err != nil {
		return err
	}
	if err := faultsIn(inTx(tx), r); err != nil {
		return err
	}
	if err := guardSecrets(tx, old, r); err != nil {
		return err
	}
	if err := complete(inTx(tx), r, old); err != nil {
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
	if err := errors.Join(ch.putAudio(tx, r), ch.putRates(tx, r)); err != nil {
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
	setParent(r, ch.place.id)
	switch before := old.(type) {
	case *sbc.APIKey:
		if key, ok := r.(*sbc.APIKey); ok {
			key.Hash, key.Hint = before.Hash, before.Hint
		}
	case *sbc.Announcement:
		if a, ok := r.(*sbc.Announcement); ok {
			a.AudioSHA256, a.AudioBytes, a.DurationMS = before.AudioSHA256, before.AudioBytes, before.DurationMS
			if ch.audio != nil {
				a.AudioSHA256, a.AudioBytes = sbc.HashBlob(ch.audio), len(ch.audio)
				a.DurationMS = len(ch.audio) / bytesPerMS
			}
		}
	case *sbc.RateDeck:
		if d, ok := r.(*sbc.RateDeck); ok {
			ch.keepRates(d, before)
		}
	default:
		return ch.keepAccess(r, old)
	}
	return nil
}

func immutable(name, is string) error {
	return sbc.Invalid([]sbc.Fault{{Pointer: "#/" + name, Code: "immutable",
		Detail: fmt.Sprintf("is %q and cannot be changed", is)}})
}

// named sets the external id that the path of an upsert gives.
func named(r sbc.Resource, externalID string) error {
	m := r.Base()
	if externalID == "" {
		return nil
	}
	if m.ExternalID != "" && m.ExternalID != externalID {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#/external_id", Code: "immutable",
			Detail: "differs from the one in the path; leave it out"}})
	}
	m.ExternalID = externalID
	return nil
}

// faultsIn finds everything wrong with a resource: by itself, and in what it refers to.
func faultsIn(get getter, r sbc.Resource) error {
	faults := r.Validate()
	for _, ref := range r.References() {
		if parent, _ := partOf(r.Kind()); ref.Owns && parent != "" {
			continue // it was found on the way here
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
	e.Kind, e.Revision = ch.place.kind, tx.Revision()
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
		shown, err := object(bare(side.r))
		if err != nil {
			return err
		}
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

// seen is the result of a change as the API shows it. The secret of a key is shown once, when it is made.
func (ch *change) seen() (view, error) {
	m := ch.result.Base()
	v := view{tag: etag(m.Revision), location: ch.locate(m.ID), created: ch.old == nil} // an exchange has an old one
	var err error
	if v.created && ch.secret != "" {
		v.body, err = convert[gen.APIKeyCreated](bare(ch.result), append(ch.s.runtime(ch.result), field{"key", ch.secret})...)
		return v, err
	}
	v.body, err = ch.s.present(ch.result)
	return v, err
}

// finish shows the result of a change that may have changed nothing.
func (ch *change) finish(err error) (view, error) {
	if err != nil && !errors.Is(err, errUnchanged) {
		return view{}, err
	}
	return ch.seen()
}

// locate is the path of a resource: the one of the request without its end.
func (ch *change) locate(id string) string {
	path, _, _ := strings.Cut(ch.c.path, "/by-external-id/")
	return strings.TrimSuffix(path, "/") + "/" + id
}
