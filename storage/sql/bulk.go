package sql

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/sbc"
)

// How much one statement on many rows takes: rows it writes, and values it asks for. Both databases bound the values of a statement
// (SQLite: 32,766), and each length is a statement of its own to be prepared.
const (
	bulkRows   = 250
	bulkValues = 500
)

// PutAll writes many resources of one kind in few statements.
func (t *tx) PutAll(list []sbc.Resource) (map[int]error, error) {
	b := &bulk{tx: t, list: list, refused: map[int]error{}}
	for _, step := range []func() error{t.many, b.look, b.namesakes, b.write} {
		if err := step(); err != nil {
			return nil, translate(err)
		}
	}
	return b.refused, nil
}

// many makes the transaction fit for statements on many rows.
func (t *tx) many() error {
	if t.isMany || t.store.dialect.many == nil {
		return nil
	}
	t.isMany = true
	return t.store.dialect.many(t.db)
}

// bulk is one PutAll.
type bulk struct {
	*tx
	list    []sbc.Resource
	refused map[int]error
	// known is what is there of the resources and of those they refer to.
	known map[string]*resourceRow
}

// look reads what is there and refuses what can never be right.
func (b *bulk) look() error {
	ids, at := map[string]bool{}, map[string]int{}
	for i, r := range b.list {
		m := r.Base()
		if m.ID == "" {
			m.ID = sbc.NewID(r.Kind().Prefix())
		}
		if _, twice := at[m.ID]; twice {
			b.refused[i] = sbc.Errorf(sbc.CodeConflict, "the id %s is there twice", m.ID)
		}
		at[m.ID], ids[m.ID] = i, true
		for _, ref := range r.References() {
			ids[ref.ID] = true
		}
	}
	b.known = make(map[string]*resourceRow, len(ids))
	for part := range slices.Chunk(keys(ids), bulkValues) {
		rows, err := b.rowsOf(part)
		if err != nil {
			return err
		}
		for id, row := range rows {
			b.known[id] = row
		}
	}
	for i, r := range b.list {
		if err := misfit(r, b.known); err != nil && b.refused[i] == nil {
			b.refused[i] = err
		}
	}
	return nil
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// space is where a name or an external id is taken once.
type space struct{ kind, tenant, parent, column string }

// claim is one value of a resource in a space.
type claim struct {
	space space
	value string
}

// owner is who has a value.
type owner struct {
	kind sbc.Kind
	id   string
}

// claims are the names that a resource takes; subscribers and aliases of a domain share theirs.
func claims(r sbc.Resource) []claim {
	m, kind := r.Base(), r.Kind()
	name := kind
	if kind == sbc.KindAlias {
		name = sbc.KindSubscriber
	}
	list := []claim{{space{string(name), m.TenantID, parentOf(r), "name"}, m.Name}}
	if m.ExternalID != "" {
		list = append(list, claim{space{string(kind), m.TenantID, "", "external_id"}, m.ExternalID})
	}
	return list
}

// namesakes refuses what has the name or external id of another resource, in the store or earlier in the list.
func (b *bulk) namesakes() error {
	wanted := map[space][]string{}
	for i, r := range b.list {
		for _, c := range claims(r) {
			if b.refused[i] == nil {
				wanted[c.space] = append(wanted[c.space], c.value)
			}
		}
	}
	owners := map[claim]owner{}
	for s, values := range wanted {
		for part := range slices.Chunk(values, bulkValues) {
			if err := b.owned(s, part, owners); err != nil {
				return err
			}
		}
	}
	for i, r := range b.list {
		if b.refused[i] == nil {
			b.refuse(i, r, owners)
		}
	}
	return nil
}

// owned notes who has some values of a space.
func (b *bulk) owned(s space, values []string, owners map[claim]owner) error {
	kinds := []sbc.Kind{sbc.Kind(s.kind)}
	if s.column == "name" && sbc.Kind(s.kind) == sbc.KindSubscriber {
		kinds = append(kinds, sbc.KindAlias)
	}
	var rows []resourceRow
	for _, kind := range kinds {
		where := map[string]string{"kind": string(kind), "tenant_id": s.tenant}
		if s.column == "name" {
			where["parent_id"] = s.parent
		}
		var some []resourceRow
		if err := b.matching(where, s.column, values, []string{"id", "kind", "name", "external_id"}, &some); err != nil {
			return err
		}
		rows = append(rows, some...)
	}
	for _, row := range rows {
		value := row.Name
		if s.column != "name" && row.ExternalID != nil {
			value = *row.ExternalID
		}
		owners[claim{s, value}] = owner{row.Kind, row.ID}
	}
	return nil
}

// refuse looks whether one may have its names, and takes them.
func (b *bulk) refuse(i int, r sbc.Resource, owners map[claim]owner) {
	var faults []sbc.Fault
	all := claims(r)
	for _, c := range all {
		if o, is := owners[c]; is && o.id != r.Base().ID {
			faults = append(faults, taken(pointerOf(r.Kind(), c.space.column), o.kind, o.id, words(c.space.column)))
		}
	}
	if len(faults) > 0 {
		b.refused[i] = &sbc.Error{Code: sbc.CodeConflict, Message: namesake, Faults: faults}
		return
	}
	for _, c := range all {
		owners[c] = owner{r.Kind(), r.Base().ID}
	}
}

// pointerOf is the field of a body that holds a column. The name of a subscriber is a copy of its username.
func pointerOf(kind sbc.Kind, column string) string {
	if kind == sbc.KindSubscriber && column == "name" {
		return "#/username"
	}
	return "#/" + column
}

func words(column string) string {
	if column == "external_id" {
		return "external id"
	}
	return column
}

// write inserts and replaces what was not refused.
func (b *bulk) write() error {
	var rows []*resourceRow
	var refs []refRow
	var labels []labelRow
	var replaced []string
	at := now()
	for i, r := range b.list {
		if b.refused[i] != nil {
			continue
		}
		m := r.Base()
		m.Revision, m.UpdatedAt, m.CreatedAt = b.revision, at, at
		if old := b.known[m.ID]; old != nil {
			m.CreatedAt = fromMicros(old.Created)
			replaced = append(replaced, m.ID)
		}
		row, err := b.store.codec.row(r)
		if err != nil {
			b.refused[i] = err
			continue
		}
		rows = append(rows, row)
		itsRefs, itsLabels := rowsBeside(r)
		refs, labels = append(refs, itsRefs...), append(labels, itsLabels...)
		delete(b.deleted, m.ID)
	}
	for _, row := range rows {
		b.wrote(row.Kind)
	}
	if err := b.clear(replaced); err != nil {
		return err
	}
	if b.store.dialect.arrays {
		return insertArrays(b.db, rows, refs, labels)
	}
	return insertAll(b.db, rows, refs, labels)
}

// clear takes away the references and labels of resources that are replaced.
func (b *bulk) clear(ids []string) error {
	for part := range slices.Chunk(ids, bulkValues) {
		if err := b.among(b.db, "from_id", part).Delete(&refRow{}).Error; err != nil {
			return err
		}
		if err := b.among(b.db, "resource_id", part).Delete(&labelRow{}).Error; err != nil {
			return err
		}
	}
	return nil
}

// DeleteAll deletes many resources of one kind in few statements.
func (t *tx) DeleteAll(kind sbc.Kind, ids []string) (map[int]error, error) {
	refused := map[int]error{}
	at := make(map[string]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	if err := t.many(); err != nil {
		return nil, translate(err)
	}
	for part := range slices.Chunk(ids, bulkValues) {
		known, err := t.rowsOf(part)
		if err != nil {
			return nil, translate(err)
		}
		for _, id := range part {
			if row := known[id]; row == nil || row.Kind != kind {
				refused[at[id]] = notFound(kind, id)
			}
		}
		if err := t.needed(kind, part, at, refused); err != nil {
			return nil, translate(err)
		}
		gone := slices.DeleteFunc(slices.Clone(part), func(id string) bool { return refused[at[id]] != nil })
		if err := t.db.Where("id IN ?", gone).Delete(&resourceRow{}).Error; err != nil {
			return nil, translate(err)
		}
		for _, id := range gone {
			t.deleted[id] = kind
			t.wrote(kind)
		}
		if err := t.deletedListed(kind, gone); err != nil {
			return nil, translate(err)
		}
	}
	return refused, nil
}

// needed refuses those that others refer to.
func (t *tx) needed(kind sbc.Kind, ids []string, at map[string]int, refused map[int]error) error {
	var rows []struct {
		ToID, ID, Name string
		Kind           sbc.Kind
	}
	err := t.db.Table("resource_refs").Joins("JOIN resources ON resources.id = resource_refs.from_id").
		Select("to_id", "resources.id AS id", "kind", "name").Where("to_id IN ? AND from_id <> to_id", ids).
		Order("to_id, kind, resources.id").Scan(&rows).Error
	if err != nil {
		return err
	}
	for _, row := range rows {
		i := at[row.ToID]
		e, _ := refused[i].(*sbc.Error)
		if e == nil {
			e = &sbc.Error{Code: sbc.CodeReferenced, Message: fmt.Sprintf(referenced, kind)}
			refused[i] = e
		}
		one := sbc.Referrer{Kind: row.Kind, ID: row.ID, Name: row.Name}
		if len(e.Referrers) < maxReferrers && !slices.Contains(e.Referrers, one) {
			e.Referrers = append(e.Referrers, one)
		}
	}
	return nil
}

// Find reads many resources of one kind by what is known of them.
func (t *tx) Find(l sbc.Lookup) ([]sbc.Resource, error) {
	column := map[sbc.LookupField]string{sbc.LookupID: "id", sbc.LookupName: "name", sbc.LookupExternalID: "external_id"}[l.By]
	if column == "" {
		return nil, sbc.Errorf(sbc.CodeInternal, "there is no lookup by %q", l.By)
	}
	if err := t.many(); err != nil {
		return nil, translate(err)
	}
	var found []sbc.Resource
	for part := range slices.Chunk(l.Values, bulkValues) {
		where := map[string]string{"kind": string(l.Kind)}
		if l.TenantID != "" {
			where["tenant_id"] = l.TenantID
		}
		if l.ParentID != "" {
			where["parent_id"] = l.ParentID
		}
		var rows []resourceRow
		if err := t.matching(where, column, part, []string{"document"}, &rows); err != nil {
			return nil, translate(err)
		}
		for _, row := range rows {
			r, err := t.store.codec.decode(l.Kind, row.Document)
			if err != nil {
				return nil, err
			}
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b sbc.Resource) int { return cmp.Compare(a.Base().ID, b.Base().ID) })
	return found, nil
}
