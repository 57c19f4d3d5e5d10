package sql

import "gorm.io/gorm"

// preparePostgres keeps the server from walking through all of a table for each row. It plans by statistics, of which there are none of a
// table that has just begun to grow, and for statements that come again, its own checks of references among them, it goes on with its
// plan until there are new ones. (To have each planned anew would mean 200,000 plans for 100,000 subscribers.) So a table is looked at
// anew when it has doubled: by a sample, and only the columns that are searched.
func preparePostgres(db *gorm.DB) error {
	if err := db.Exec("SET LOCAL enable_seqscan = off").Error; err != nil {
		return err
	}
	for _, table := range []struct{ name, columns string }{
		{"resources", "id, kind, tenant_id, parent_id, name, external_id"},
		{"resource_refs", "from_id, to_id"},
		{"resource_labels", "resource_id, label"},
	} {
		var grown bool
		err := db.Raw("SELECT pg_relation_size(oid) > 8192 * (8 + 2 * relpages::bigint) FROM pg_class WHERE oid = ?::regclass",
			table.name).Scan(&grown).Error
		if err != nil {
			return err
		}
		if !grown {
			continue
		}
		for _, statement := range []string{"SET LOCAL default_statistics_target = 10", "ANALYZE " + table.name + " (" + table.columns + ")"} {
			if err := db.Exec(statement).Error; err != nil {
				return err
			}
		}
	}
	return nil
}
