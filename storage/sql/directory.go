package sql

import (
	"context"
	"crypto/rand"
	stdsql "database/sql"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport/sallyport/sbc"
)

// deletionRow is a row of listed_deletions.
type deletionRow struct {
	Revision int64
	ID       string
}

func (deletionRow) TableName() string { return "listed_deletions" }

// secretRow is a row of secrets.
type secretRow struct {
	Name  string `gorm:"primaryKey"`
	Value []byte
}

func (secretRow) TableName() string { return "secrets" }

// The bounds of what Changes lists and how far back it knows what was deleted, in revisions.
const (
	maxChanges   = 10_000
	deletionLife = 1000
)

// The statement that finds subscribers with their aliases: a row for each alias, and for each other resource that refers to one (then
// without a document). A statement sees one state of the database, so it needs no transaction around it. The kinds stand in it as
// they do in the partial index, else PostgreSQL would not use that.
const (
	selectEntries = `SELECT f.kind, f.document, a.document FROM resources f
		LEFT JOIN resource_refs x ON x.to_id = f.id AND f.kind = 'subscriber'
		LEFT JOIN resources a ON a.id = x.from_id AND a.kind = 'alias' AND a.enabled `
	entryByName = selectEntries + `WHERE f.kind IN ('subscriber', 'alias') AND f.parent_id = ? AND f.name = ? ORDER BY a.id LIMIT ?`
	entryByID   = selectEntries + `WHERE f.kind = 'subscriber' AND f.id = ? ORDER BY a.id LIMIT ?`
)

// FindSubscriber finds who has a name in a domain, as username or as alias. Aliases that are disabled count as if they were not there.
func (s *Store) FindSubscriber(ctx context.Context, domainID, name string) (e *sbc.Entry, err error) {
	err = s.run(ctx, "find_subscriber", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx)
		e, err = oneEntry(db.Raw(entryByName, domainID, name, maxLimit), name)
		if err != nil || e.Via == nil {
			return err
		}
		return db.Transaction(func(db *gorm.DB) error { // the alias is looked at again, in the state that its subscriber is in
			if e, err = oneEntry(db.Raw(entryByName, domainID, name, maxLimit), name); err != nil || e.Via == nil {
				return err
			}
			via := e.Via
			if e, err = oneEntry(db.Raw(entryByID, via.SubscriberID, maxLimit), via.SubscriberID); err == nil {
				e.Via = via
			}
			return err
		}, s.dialect.snapshot)
	})
	return e, err
}

// SubscriberByID finds a subscriber by its id.
func (s *Store) SubscriberByID(ctx context.Context, id string) (e *sbc.Entry, err error) {
	err = s.run(ctx, "subscriber_by_id", readTimeout, func(ctx context.Context) error {
		e, err = oneEntry(s.read.WithContext(ctx).Raw(entryByID, id, maxLimit), id)
		return err
	})
	return e, err
}

// oneEntry reads what a statement of the above finds: a subscriber with its aliases, or an alias that is enabled as Via alone.
func oneEntry(found *gorm.DB, name string) (*sbc.Entry, error) {
	rows, err := found.Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err below says what went wrong
	var e *sbc.Entry
	for rows.Next() {
		var kind sbc.Kind
		var document string
		var alias stdsql.NullString
		if err := rows.Scan(&kind, &document, &alias); err != nil {
			return nil, err
		}
		if e == nil {
			if e, err = newEntry(kind, document); err != nil {
				return nil, err
			}
		}
		if alias.Valid {
			if err := addAlias(e, alias.String); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case rows.Err() != nil:
		return nil, rows.Err()
	case e == nil, e.Via != nil && !e.Via.Enabled:
		return nil, notFound(sbc.KindSubscriber, name)
	}
	return e, nil
}

// newEntry makes an entry of a row of resources.
func newEntry(kind sbc.Kind, document string) (*sbc.Entry, error) {
	r, err := decodeResource(kind, document)
	switch r := r.(type) {
	case *sbc.Subscriber:
		return &sbc.Entry{Subscriber: r}, err
	case *sbc.Alias:
		return &sbc.Entry{Via: r}, err
	}
	return nil, err
}

// addAlias gives an entry one of its aliases.
func addAlias(e *sbc.Entry, document string) error {
	r, err := decodeResource(sbc.KindAlias, document)
	if a, ok := r.(*sbc.Alias); ok {
		e.Aliases = append(e.Aliases, *a)
	}
	return err
}

// Subscribers gives a page of all subscribers with their aliases.
func (s *Store) Subscribers(ctx context.Context, after string, most int) (page []*sbc.Entry, next string, err error) {
	err = s.run(ctx, "subscribers", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			page, next, err = entriesAfter(db, after, limit(most))
			return err
		}, s.dialect.snapshot)
	})
	return page, next, err
}

func entriesAfter(db *gorm.DB, after string, n int) (page []*sbc.Entry, next string, err error) {
	var rows []resourceRow
	err = db.Select("id", "document").Where("kind = ? AND id > ?", sbc.KindSubscriber, after).Order("id").Limit(n + 1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].ID
	}
	page, at := make([]*sbc.Entry, len(rows)), make(map[string]int, len(rows))
	for i, row := range rows {
		at[row.ID] = i
		if page[i], err = newEntry(sbc.KindSubscriber, row.Document); err != nil {
			return nil, "", err
		}
	}
	var aliases []struct{ ToID, Document string }
	err = db.Raw(`SELECT x.to_id, a.document FROM resource_refs x JOIN resources a ON a.id = x.from_id
		WHERE x.to_id BETWEEN ? AND ? AND a.kind = 'alias' AND a.enabled ORDER BY a.id`, rows[0].ID, rows[len(rows)-1].ID).Scan(&aliases).Error
	if err != nil {
		return nil, "", err
	}
	for _, a := range aliases {
		if i, found := at[a.ToID]; found {
			if err := addAlias(page[i], a.Document); err != nil {
				return nil, "", err
			}
		}
	}
	return page, next, nil
}

// Changes tells what was written after a revision.
func (s *Store) Changes(ctx context.Context, after int64) (c sbc.Changes, err error) {
	err = s.run(ctx, "changes", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			c, err = changesAfter(db, after)
			return err
		}, s.dialect.snapshot)
	})
	return c, err
}

func changesAfter(db *gorm.DB, after int64) (c sbc.Changes, err error) {
	if c.Revision, err = counterValue(db, counterRevision, ""); err != nil {
		return c, err
	}
	configured, err := counterValue(db, counterConfigured, "")
	if err != nil {
		return c, err
	}
	noted, err := counterValue(db, counterNoted, "")
	if err != nil {
		return c, err
	}
	if noted != c.Revision { // the last write was of a node of an older version
		c.Configured = true
		return c, nil
	}
	c.Configured = configured > after
	if after < c.Revision-deletionLife {
		return c, nil
	}
	var gone []string
	if err := db.Model(&deletionRow{}).Where("revision > ?", after).Limit(maxChanges+1).Pluck("id", &gone).Error; err != nil {
		return c, err
	}
	var rows []resourceRow
	err = db.Select("kind", "document").Where("revision > ? AND kind IN ('subscriber', 'alias')", after).Limit(maxChanges + 1).
		Find(&rows).Error
	if err != nil || len(gone)+len(rows) > maxChanges {
		return c, err
	}
	c.Listed = make([]sbc.ListedChange, 0, len(gone)+len(rows))
	for _, id := range gone {
		c.Listed = append(c.Listed, sbc.ListedChange{ID: id})
	}
	for _, row := range rows {
		r, err := decodeResource(row.Kind, row.Document)
		if err != nil {
			return c, err
		}
		c.Listed = append(c.Listed, sbc.ListedChangeOf(r))
	}
	return c, nil
}

// wrote notes what a Put or Delete touched: nodes hold the one kind and look the other up.
func (t *tx) wrote(kind sbc.Kind) {
	t.writes++
	t.configured = t.configured || !kind.Listed()
}

// noteRevision raises the counters that tell what a revision concerns. What a node of an older version wrote before this one may
// concern everybody.
func (t *tx) noteRevision(before int64) error {
	noted, err := counterValue(t.db, counterNoted, "")
	if err != nil {
		return err
	}
	if t.configured || noted != before {
		if err := setCounter(t.db, counterConfigured, t.revision); err != nil {
			return err
		}
	}
	return setCounter(t.db, counterNoted, t.revision)
}

// deletedListed keeps in mind for a while what is gone of a listed kind.
func (t *tx) deletedListed(kind sbc.Kind, ids []string) error {
	if !kind.Listed() || len(ids) == 0 {
		return nil
	}
	if err := t.db.Where("revision < ?", t.revision-deletionLife).Delete(&deletionRow{}).Error; err != nil {
		return err
	}
	rows := make([]deletionRow, len(ids))
	for i, id := range ids {
		rows[i] = deletionRow{Revision: t.revision, ID: id}
	}
	return insert(t.db.Clauses(clause.OnConflict{DoNothing: true}), rows)
}

// secretBytes is the length of a secret.
const secretBytes = 32

// Secret gives the secret of a name, and makes it when it is first asked for. Of nodes that ask at the same time one makes it.
func (s *Store) Secret(ctx context.Context, name string) (secret []byte, err error) {
	err = s.run(ctx, "secret", updateTimeout, func(ctx context.Context) error {
		if secret, err = s.openedSecret(s.read.WithContext(ctx), name); err != nil || secret != nil {
			return err
		}
		fresh := make([]byte, secretBytes)
		rand.Read(fresh) // never fails: crypto/rand ends the process instead
		row := &secretRow{Name: name, Value: s.codec.sealSecret(name, fresh)}
		db := s.write.WithContext(ctx)
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(row).Error; err != nil {
			return err
		}
		secret, err = s.openedSecret(db, name)
		return err
	})
	return secret, err
}

func (s *Store) openedSecret(db *gorm.DB, name string) ([]byte, error) {
	value, err := readSecret(db, name)
	if err != nil || value == nil {
		return nil, err
	}
	return s.codec.openSecret(name, value)
}

func readSecret(db *gorm.DB, name string) ([]byte, error) {
	var rows []secretRow
	if err := db.Where("name = ?", name).Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].Value, nil
}

// saveSecret writes what is kept under a name.
func saveSecret(db *gorm.DB, name string, value []byte) error {
	return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&secretRow{Name: name, Value: value}).Error
}
