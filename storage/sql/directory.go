package sql

import (
	"context"
	"crypto/rand"

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

// FindSubscriber finds who has a name in a domain, as username or as alias. Aliases that are disabled count as if they were not there.
func (s *Store) FindSubscriber(ctx context.Context, domainID, name string) (e *sbc.Entry, err error) {
	err = s.run(ctx, "find_subscriber", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			e, err = findEntry(db, domainID, name)
			return err
		}, s.dialect.snapshot)
	})
	return e, err
}

func findEntry(db *gorm.DB, domainID, name string) (*sbc.Entry, error) {
	var rows []resourceRow
	// The kinds stand in the statement as they do in the partial index, else PostgreSQL would not use it.
	err := db.Select("kind", "document").
		Where("kind IN ('subscriber', 'alias') AND parent_id = ? AND name = ?", domainID, name).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, notFound(sbc.KindSubscriber, name)
	}
	r, err := decodeResource(rows[0].Kind, rows[0].Document)
	if err != nil {
		return nil, err
	}
	switch r := r.(type) {
	case *sbc.Subscriber:
		return entryOf(db, r)
	case *sbc.Alias:
		if !r.Enabled {
			return nil, notFound(sbc.KindSubscriber, name)
		}
		e, err := entryByID(db, r.SubscriberID)
		if err != nil {
			return nil, err
		}
		e.Via = r
		return e, nil
	}
	return nil, notFound(sbc.KindSubscriber, name)
}

// SubscriberByID finds a subscriber by its id.
func (s *Store) SubscriberByID(ctx context.Context, id string) (e *sbc.Entry, err error) {
	err = s.run(ctx, "subscriber_by_id", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			e, err = entryByID(db, id)
			return err
		}, s.dialect.snapshot)
	})
	return e, err
}

func entryByID(db *gorm.DB, id string) (*sbc.Entry, error) {
	r, err := getResource(db, sbc.KindSubscriber, "", "id", id)
	if err != nil {
		return nil, err
	}
	sub, ok := r.(*sbc.Subscriber)
	if !ok {
		return nil, notFound(sbc.KindSubscriber, id)
	}
	return entryOf(db, sub)
}

// entryOf adds the aliases that are enabled.
func entryOf(db *gorm.DB, sub *sbc.Subscriber) (*sbc.Entry, error) {
	e := &sbc.Entry{Subscriber: sub}
	var documents []string
	err := db.Model(&resourceRow{}).Order("id").Limit(maxLimit).
		Where("kind = ? AND enabled = ? AND id IN (SELECT from_id FROM resource_refs WHERE to_id = ?)", sbc.KindAlias, true, sub.ID).
		Pluck("document", &documents).Error
	if err != nil {
		return nil, err
	}
	for _, d := range documents {
		r, err := decodeResource(sbc.KindAlias, d)
		if err != nil {
			return nil, err
		}
		if a, ok := r.(*sbc.Alias); ok {
			e.Aliases = append(e.Aliases, *a)
		}
	}
	return e, nil
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
		if secret, err = readSecret(s.read.WithContext(ctx), name); err != nil || secret != nil {
			return err
		}
		fresh := make([]byte, secretBytes)
		rand.Read(fresh) // never fails: crypto/rand ends the process instead
		db := s.write.WithContext(ctx)
		if err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&secretRow{Name: name, Value: fresh}).Error; err != nil {
			return err
		}
		secret, err = readSecret(db, name)
		return err
	})
	return secret, err
}

func readSecret(db *gorm.DB, name string) ([]byte, error) {
	var rows []secretRow
	if err := db.Where("name = ?", name).Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].Value, nil
}
