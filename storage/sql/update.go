package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport/sallyport/sbc"
)

// Update runs change in one serialised transaction. The revision rises if change wrote a resource; a change that only audits or
// remembers leaves it.
func (s *Store) Update(ctx context.Context, change func(tx sbc.Tx) error) error {
	var refused error
	err := s.run(ctx, "update", updateTimeout, func(ctx context.Context) error {
		t := &tx{store: s, deleted: map[string]sbc.Kind{}}
		err := s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			current, err := counterValue(db, counterRevision, s.dialect.lock)
			if err != nil {
				return err
			}
			t.db, t.revision = db, current+1
			if refused = change(t); refused != nil {
				return refused
			}
			if t.writes == 0 {
				return nil
			}
			if err := t.noteRevision(current); err != nil {
				return err
			}
			return setCounter(db, counterRevision, t.revision)
		})
		if refused != nil {
			return nil
		}
		if err == nil {
			t.committed()
		}
		return err
	})
	if refused != nil {
		return refused // as it is, whatever the rollback said
	}
	return err
}

// tx implements sbc.Tx.
type tx struct {
	store    *Store
	db       *gorm.DB
	revision int64
	// writes counts Puts and Deletes; deleted are the ids of the latter.
	writes  int
	deleted map[string]sbc.Kind
	// configured tells whether one of them was not of a listed kind.
	configured bool
	// view is what All saw last, when viewed writes had been made.
	view   *view
	viewed int
	// isMany says that it is prepared for statements on many rows.
	isMany bool
}

// Revision is the number this transaction will have.
func (t *tx) Revision() int64 { return t.revision }

// Get reads as the transaction sees it.
func (t *tx) Get(kind sbc.Kind, tenantID, id string) (sbc.Resource, error) {
	return getResource(t.db, t.store.codec, kind, tenantID, "id", id)
}

// ByExternalID reads as the transaction sees it.
func (t *tx) ByExternalID(kind sbc.Kind, tenantID, externalID string) (sbc.Resource, error) {
	return getResource(t.db, t.store.codec, kind, tenantID, "external_id", externalID)
}

// List reads as the transaction sees it.
func (t *tx) List(q sbc.Query) (page []sbc.Resource, next string, err error) {
	return listResources(t.db, t.store.codec, q)
}

// Put inserts or replaces.
func (t *tx) Put(r sbc.Resource) error {
	m := r.Base()
	if m.ID == "" {
		m.ID = sbc.NewID(r.Kind().Prefix())
	}
	rows, err := t.known(r)
	if err != nil {
		return translate(err)
	}
	old := rows[m.ID]
	if err := t.check(r, rows); err != nil {
		return translate(err)
	}
	m.Revision, m.UpdatedAt = t.revision, now()
	m.CreatedAt = m.UpdatedAt
	if old != nil {
		m.CreatedAt = fromMicros(old.Created)
	}
	row, err := t.store.codec.row(r)
	if err != nil {
		return err
	}
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}
	if err := t.db.Clauses(upsert).Create(row).Error; err != nil {
		return translate(err)
	}
	if err := t.satellites(r, old != nil); err != nil {
		return translate(err)
	}
	delete(t.deleted, m.ID)
	t.wrote(r.Kind())
	return nil
}

// known reads what is there of a resource and of those it refers to, by id.
func (t *tx) known(r sbc.Resource) (map[string]*resourceRow, error) {
	ids := []string{r.Base().ID}
	for _, ref := range r.References() {
		ids = append(ids, ref.ID)
	}
	return t.rowsOf(ids)
}

func (t *tx) rowsOf(ids []string) (map[string]*resourceRow, error) {
	var rows []resourceRow
	if err := t.among(t.db.Select("id", "kind", "tenant_id", "parent_id", "created_at"), "id", ids).Find(&rows).Error; err != nil {
		return nil, err
	}
	found := make(map[string]*resourceRow, len(rows))
	for i := range rows {
		found[rows[i].ID] = &rows[i]
	}
	return found, nil
}

// check finds everything that speaks against writing r: first what can never be right (references, a change of tenant), then
// what collides with others.
func (t *tx) check(r sbc.Resource, known map[string]*resourceRow) error {
	if err := misfit(r, known); err != nil {
		return err
	}
	return t.collisions(r)
}

// misfit finds what can never be right of a resource, whatever others are called.
func misfit(r sbc.Resource, known map[string]*resourceRow) error {
	m, kind, old := r.Base(), r.Kind(), known[r.Base().ID]
	if old != nil && old.Kind != kind {
		return &sbc.Error{Code: sbc.CodeConflict, Message: fmt.Sprintf("the id %s belongs to a resource of another kind", m.ID)}
	}
	var faults []sbc.Fault
	switch {
	case kind == sbc.KindTenant && m.TenantID != "":
		faults = append(faults, sbc.Fault{Pointer: "#/tenant_id", Code: "forbidden", Detail: "a tenant belongs to no tenant"})
	case old != nil && old.TenantID != m.TenantID:
		faults = append(faults, sbc.Fault{Pointer: "#/tenant_id", Code: "immutable", Detail: "a resource cannot change its tenant"})
	case m.TenantID == "" && kind != sbc.KindTenant && kind != sbc.KindAPIKey:
		faults = append(faults, sbc.Fault{Pointer: "#/tenant_id", Code: "required", Detail: "must name the tenant it belongs to"})
	}
	return sbc.Invalid(append(faults, brokenReferences(r, known)...))
}

// brokenReferences lists references to what does not exist, is of another kind or belongs to another tenant; who asks cannot
// tell these apart, so that nobody learns what other tenants have.
func brokenReferences(r sbc.Resource, known map[string]*resourceRow) (faults []sbc.Fault) {
	for _, ref := range r.References() {
		to := known[ref.ID]
		if to != nil && to.Kind == ref.Kind && (to.TenantID == r.Base().TenantID || ref.Kind == sbc.KindTenant) {
			if ref.Kind == sbc.KindSubscriber && to.ParentID != parentOf(r) {
				faults = append(faults, sbc.Fault{Pointer: ref.Pointer, Code: "mismatch", Detail: "is a subscriber of another domain"})
			}
			continue
		}
		faults = append(faults, sbc.Fault{
			Pointer: ref.Pointer, Code: "reference",
			Detail: fmt.Sprintf("there is no %s with the id %q in this tenant", ref.Kind, ref.ID),
		})
	}
	return faults
}

// collisions looks for others with the same name or external id.
func (t *tx) collisions(r sbc.Resource) error {
	m, kind := r.Base(), r.Kind()
	var others []resourceRow
	same := t.db.Where("parent_id = ? AND name = ?", parentOf(r), m.Name)
	if m.ExternalID != "" {
		same = same.Or("external_id = ?", m.ExternalID)
	}
	err := t.db.Select("id", "parent_id", "name", "external_id").
		Where("kind = ? AND tenant_id = ? AND id <> ?", kind, m.TenantID, m.ID).Where(same).Order("id").Find(&others).Error
	if err != nil {
		return err
	}
	faults, err := t.called(r)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ParentID == parentOf(r) && o.Name == m.Name {
			pointer := "#/name"
			if kind == sbc.KindSubscriber {
				pointer = "#/username" // of which the name is a copy
			}
			faults = append(faults, taken(pointer, kind, o.ID, "name"))
		}
		if o.ExternalID != nil && *o.ExternalID == m.ExternalID {
			faults = append(faults, taken("#/external_id", kind, o.ID, "external id"))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &sbc.Error{Code: sbc.CodeConflict, Message: namesake, Faults: faults}
}

// called looks for a subscriber or alias of the domain with the same name: usernames and aliases share one name space.
func (t *tx) called(r sbc.Resource) ([]sbc.Fault, error) {
	other, pointer := sbc.KindAlias, "#/username"
	switch r.Kind() {
	case sbc.KindSubscriber:
	case sbc.KindAlias:
		other, pointer = sbc.KindSubscriber, "#/name"
	default:
		return nil, nil
	}
	var ids []string
	err := t.db.Model(&resourceRow{}).Where("kind = ? AND tenant_id = ? AND parent_id = ? AND name = ?", other, r.Base().TenantID,
		parentOf(r), r.Base().Name).Pluck("id", &ids).Error
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return []sbc.Fault{taken(pointer, other, ids[0], "name")}, nil
}

// What a write is refused with.
const (
	namesake   = "another resource has this name or external id"
	referenced = "the %s is needed by others; change or delete them first"
)

func taken(pointer string, kind sbc.Kind, id, what string) sbc.Fault {
	return sbc.Fault{Pointer: pointer, Code: "taken", Detail: fmt.Sprintf("the %s %s has this %s", kind, id, what)}
}

// satellites writes the rows of references and labels, those that were there before are replaced.
func (t *tx) satellites(r sbc.Resource, replaces bool) error {
	id := r.Base().ID
	if replaces {
		if err := t.db.Where("from_id = ?", id).Delete(&refRow{}).Error; err != nil {
			return err
		}
		if err := t.db.Where("resource_id = ?", id).Delete(&labelRow{}).Error; err != nil {
			return err
		}
	}
	refs, labels := rowsBeside(r)
	if len(refs) > 0 {
		if err := t.db.Create(&refs).Error; err != nil {
			return err
		}
	}
	if len(labels) == 0 {
		return nil
	}
	return t.db.Create(&labels).Error
}

// rowsBeside are the rows of a resource's references and labels.
func rowsBeside(r sbc.Resource) (refs []refRow, labels []labelRow) {
	id := r.Base().ID
	for _, ref := range r.References() {
		refs = append(refs, refRow{FromID: id, Pointer: ref.Pointer, ToID: ref.ID})
	}
	for _, k := range slices.Sorted(maps.Keys(r.Base().Labels)) {
		labels = append(labels, labelRow{ResourceID: id, Label: k, Value: r.Base().Labels[k]})
	}
	return refs, labels
}

// maxReferrers bounds the list that a refused deletion gives.
const maxReferrers = 100

// Delete refuses while others refer to the resource.
func (t *tx) Delete(kind sbc.Kind, id string) error {
	known, err := t.rowsOf([]string{id})
	if err != nil {
		return translate(err)
	}
	if old := known[id]; old == nil || old.Kind != kind {
		return notFound(kind, id)
	}
	var referrers []sbc.Referrer
	err = t.db.Model(&resourceRow{}).Select("kind", "id", "name").
		Where("id IN (SELECT from_id FROM resource_refs WHERE to_id = ? AND from_id <> ?)", id, id).
		Order("kind, id").Limit(maxReferrers).Scan(&referrers).Error
	if err != nil {
		return translate(err)
	}
	if len(referrers) > 0 {
		return &sbc.Error{
			Code: sbc.CodeReferenced, Message: fmt.Sprintf(referenced, kind),
			Referrers: referrers,
		}
	}
	if err := t.db.Where("id = ?", id).Delete(&resourceRow{}).Error; err != nil {
		return translate(err)
	}
	t.deleted[id] = kind
	t.wrote(kind)
	return translate(t.deletedListed(kind, []string{id}))
}

// Remember keeps a reply, for 24 hours from its CreatedAt (now, if that is zero).
func (t *tx) Remember(r sbc.Reply) error {
	if r.CreatedAt.IsZero() {
		r.CreatedAt = now()
	}
	header, err := json.Marshal(r.Header)
	if err != nil {
		return translate(err)
	}
	if err := t.db.Where("created_at < ?", micros(now().Add(-replyLife))).Delete(&replyRow{}).Error; err != nil {
		return translate(err)
	}
	row := replyRow{
		Actor: r.Actor, Key: r.Key, Fingerprint: r.Fingerprint, Status: r.Status,
		Header: string(header), Body: t.store.codec.sealSecret(replyPlace(r.Actor, r.Key), r.Body), Created: micros(r.CreatedAt),
	}
	done := t.db.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if done.Error != nil {
		return translate(done.Error)
	}
	if done.RowsAffected == 0 {
		return sbc.Errorf(sbc.CodeConflict, "the idempotency key has been used before")
	}
	return nil
}
