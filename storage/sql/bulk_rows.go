package sql

import (
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// insertAll writes the rows of many resources, of one kind and revision, and what stands beside them.
func insertAll(db *gorm.DB, rows []*resourceRow, refs []refRow, labels []labelRow) error {
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, UpdateAll: true}
	if err := insert(db.Clauses(upsert), rows); err != nil {
		return err
	}
	if err := insert(db, refs); err != nil {
		return err
	}
	return insert(db, labels)
}

func insert[T any](db *gorm.DB, rows []T) error {
	db = db.Session(&gorm.Session{})
	for part := range slices.Chunk(rows, bulkRows) {
		if err := db.Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// The statements of insertArrays. What is the same in all rows comes once, all else as arrays, one for each column: the statement
// stays the same however many rows there are, so it is parsed once, and few values are bound.
const (
	insertResources = `INSERT INTO resources
 (id, kind, tenant_id, parent_id, name, external_id, enabled, revision, created_at, updated_at, document)
 SELECT u.id, ?::text, u.tenant_id, u.parent_id, u.name, u.external_id, u.enabled, ?::bigint, u.created_at, ?::bigint, u.document::jsonb
 FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::boolean[], ?::bigint[], ?::text[])
 AS u(id, tenant_id, parent_id, name, external_id, enabled, created_at, document)
 ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, tenant_id = excluded.tenant_id, parent_id = excluded.parent_id,
 name = excluded.name, external_id = excluded.external_id, enabled = excluded.enabled, revision = excluded.revision,
 created_at = excluded.created_at, updated_at = excluded.updated_at, document = excluded.document`
	insertRefs   = `INSERT INTO resource_refs (from_id, pointer, to_id) SELECT * FROM unnest(?::text[], ?::text[], ?::text[])`
	insertLabels = `INSERT INTO resource_labels (resource_id, label, value) SELECT * FROM unnest(?::text[], ?::text[], ?::text[])`
)

// insertArrays is insertAll for PostgreSQL.
func insertArrays(db *gorm.DB, rows []*resourceRow, refs []refRow, labels []labelRow) error {
	if len(rows) > 0 {
		ids, tenants, parents := column(rows, rowID), column(rows, rowTenant), column(rows, rowParent)
		names := column(rows, func(r *resourceRow) string { return r.Name })
		external := column(rows, func(r *resourceRow) *string { return r.ExternalID })
		enabled := column(rows, func(r *resourceRow) bool { return r.Enabled })
		created := column(rows, func(r *resourceRow) int64 { return r.Created })
		documents := column(rows, func(r *resourceRow) string { return r.Document })
		err := db.Exec(insertResources, string(rows[0].Kind), rows[0].Revision, rows[0].Updated,
			ids, tenants, parents, names, external, enabled, created, documents).Error
		if err != nil {
			return err
		}
	}
	if len(refs) > 0 {
		err := db.Exec(insertRefs, column(refs, func(r refRow) string { return r.FromID }),
			column(refs, func(r refRow) string { return r.Pointer }), column(refs, func(r refRow) string { return r.ToID })).Error
		if err != nil {
			return err
		}
	}
	if len(labels) == 0 {
		return nil
	}
	return db.Exec(insertLabels, column(labels, func(r labelRow) string { return r.ResourceID }),
		column(labels, func(r labelRow) string { return r.Label }), column(labels, func(r labelRow) string { return r.Value })).Error
}

func rowID(r *resourceRow) string     { return r.ID }
func rowTenant(r *resourceRow) string { return r.TenantID }
func rowParent(r *resourceRow) string { return r.ParentID }

// column is one field of all rows. It is a pointer, because gorm would make a value of a statement of each element of a slice.
func column[R, V any](rows []R, field func(R) V) *[]V {
	values := make([]V, len(rows))
	for i, r := range rows {
		values[i] = field(r)
	}
	return &values
}

// among asks for the rows whose column has one of some values.
func (t *tx) among(db *gorm.DB, column string, values []string) *gorm.DB {
	if t.store.dialect.arrays {
		return db.Where(column+" = ANY(?::text[])", &values)
	}
	return db.Where(column+" IN ?", values)
}

// matching reads the columns of those resources that have one of some values in a column, and fit otherwise. PostgreSQL looks for each value by
// itself: asked for all at once it prefers, with no statistics of a table that has just grown, to walk through everything of the kind.
func (t *tx) matching(where map[string]string, column string, values, columns []string, into *[]resourceRow) error {
	others := slices.Sorted(maps.Keys(where))
	if !t.store.dialect.arrays {
		q := t.db.Select(columns).Where(column+" IN ?", values)
		for _, name := range others {
			q = q.Where(name+" = ?", where[name])
		}
		return q.Find(into).Error
	}
	var fits strings.Builder
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	given := []any{&values}
	for _, name := range others {
		fits.WriteString(name + " = ? AND ")
		given = append(given, where[name])
	}
	return t.db.Raw("SELECT r.* FROM unnest(?::text[]) AS v(value) CROSS JOIN LATERAL (SELECT "+strings.Join(columns, ", ")+
		" FROM resources WHERE "+fits.String()+column+" = v.value OFFSET 0) AS r", given...).Scan(into).Error
}
