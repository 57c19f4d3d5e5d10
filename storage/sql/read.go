package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/sallyport/sallyport/sbc"
)

// The size of a page where the caller names none, and the largest.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

func limit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// Get finds a resource by its id.
func (s *Store) Get(ctx context.Context, kind sbc.Kind, tenantID, id string) (r sbc.Resource, err error) {
	err = s.run(ctx, "get", readTimeout, func(ctx context.Context) error {
		r, err = getResource(s.read.WithContext(ctx), s.codec, kind, tenantID, "id", id)
		return err
	})
	return r, err
}

// ByExternalID finds a resource by the key of another system.
func (s *Store) ByExternalID(ctx context.Context, kind sbc.Kind, tenantID, externalID string) (r sbc.Resource, err error) {
	err = s.run(ctx, "by_external_id", readTimeout, func(ctx context.Context) error {
		r, err = getResource(s.read.WithContext(ctx), s.codec, kind, tenantID, "external_id", externalID)
		return err
	})
	return r, err
}

// getResource finds one by a column that is unique; column is never input. An external id is unique only within a tenant: of
// several tenants' the oldest is found.
func getResource(db *gorm.DB, c codec, kind sbc.Kind, tenantID, column, value string) (sbc.Resource, error) {
	q := db.Model(&resourceRow{}).Where("kind = ? AND "+column+" = ?", kind, value)
	if tenantID != "" {
		q = q.Where("tenant_id = ?", tenantID)
	}
	var documents []string
	if err := q.Order("id").Limit(1).Pluck("document", &documents).Error; err != nil {
		return nil, translate(err)
	}
	if len(documents) == 0 {
		return nil, notFound(kind, value)
	}
	return c.decode(kind, documents[0])
}

func notFound(kind sbc.Kind, id string) error {
	return sbc.Errorf(sbc.CodeNotFound, "there is no %s %q", kind, id)
}

// List gives a page of one kind.
func (s *Store) List(ctx context.Context, q sbc.Query) (page []sbc.Resource, next string, err error) {
	err = s.run(ctx, "list", readTimeout, func(ctx context.Context) error {
		page, next, err = listResources(s.read.WithContext(ctx), s.codec, q)
		return err
	})
	return page, next, err
}

func listResources(db *gorm.DB, c codec, q sbc.Query) (page []sbc.Resource, next string, err error) {
	n := limit(q.Limit)
	var rows []resourceRow
	err = filterResources(db, q).Select("id", "document").Order("id").Limit(n + 1).Find(&rows).Error
	if err != nil {
		return nil, "", translate(err)
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].ID
	}
	page = make([]sbc.Resource, len(rows))
	for i, row := range rows {
		if page[i], err = c.decode(q.Kind, row.Document); err != nil {
			return nil, "", err
		}
	}
	return page, next, nil
}

func filterResources(db *gorm.DB, q sbc.Query) *gorm.DB {
	db = db.Model(&resourceRow{}).Where("kind = ? AND id > ?", q.Kind, q.After)
	for _, f := range []struct{ column, value string }{
		{"tenant_id", q.TenantID}, {"name", q.Name}, {"external_id", q.ExternalID},
	} {
		if f.value != "" {
			db = db.Where(f.column+" = ?", f.value)
		}
	}
	if q.Enabled != nil {
		db = db.Where("enabled = ?", *q.Enabled)
	}
	if q.Ref != "" {
		db = db.Where("id IN (SELECT from_id FROM resource_refs WHERE to_id = ?)", q.Ref)
	}
	for _, k := range slices.Sorted(maps.Keys(q.Labels)) {
		db = db.Where("id IN (SELECT resource_id FROM resource_labels WHERE label = ? AND value = ?)", k, q.Labels[k])
	}
	return db
}

// replyLife is how long a reply is remembered.
const replyLife = 24 * time.Hour

// replyRow is a row of replies.
type replyRow struct {
	Actor       string `gorm:"primaryKey"`
	Key         string `gorm:"primaryKey"`
	Fingerprint string
	Status      int
	Header      string
	Body        []byte
	Created     int64 `gorm:"column:created_at"`
}

func (replyRow) TableName() string { return "replies" }

// replyPlace is where a reply is sealed.
func replyPlace(actor, key string) string { return "reply " + actor + " " + key }

// Recall finds a reply that is not older than 24 hours.
func (s *Store) Recall(ctx context.Context, actor, key string) (*sbc.Reply, error) {
	var rows []replyRow
	err := s.run(ctx, "recall", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).
			Where("actor = ? AND key = ? AND created_at >= ?", actor, key, micros(now().Add(-replyLife))).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	row := rows[0]
	// The reply to the making of an API key holds the key. One that cannot be opened was sealed with a key that is gone, and is forgotten.
	if row.Body, err = s.codec.openSecret(replyPlace(actor, key), row.Body); err != nil {
		return nil, nil
	}
	reply := &sbc.Reply{
		Actor: row.Actor, Key: row.Key, Fingerprint: row.Fingerprint, Status: row.Status, Body: row.Body,
		CreatedAt: fromMicros(row.Created),
	}
	if err := json.Unmarshal([]byte(row.Header), &reply.Header); err != nil {
		return nil, translate(fmt.Errorf("a reply's header: %w", err))
	}
	return reply, nil
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
