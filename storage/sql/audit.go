package sql

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sallyport/sallyport/sbc"
)

// auditRow is a row of audit_events.
type auditRow struct {
	ID         string `gorm:"column:id;primaryKey"`
	At         int64
	TenantID   string
	Actor      string
	Kind       sbc.Kind
	ResourceID string
	Document   string
}

func (auditRow) TableName() string { return "audit_events" }

// Audit appends an event. An event without an id gets one, and one without a time is of now.
func (t *tx) Audit(e sbc.AuditEvent) error {
	if e.ID == "" {
		e.ID = sbc.NewID(sbc.PrefixAudit)
	}
	if e.At.IsZero() {
		e.At = now()
	}
	d, err := document(e)
	if err != nil {
		return err
	}
	row := auditRow{
		ID: e.ID, At: micros(e.At), TenantID: e.TenantID, Actor: text(e.Actor), Kind: e.Kind, ResourceID: text(e.ResourceID),
		Document: d,
	}
	return translate(t.db.Create(&row).Error)
}

// AuditEvents gives a page by rising id. Before and After are json.RawMessage, so that nothing of them is lost.
func (s *Store) AuditEvents(ctx context.Context, q sbc.AuditQuery) (page []sbc.AuditEvent, next string, err error) {
	n := limit(q.Limit)
	var rows []auditRow
	err = s.run(ctx, "audit_events", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx).Select("id", "document").Where("id > ?", q.After)
		for _, f := range []struct{ column, value string }{
			{"tenant_id", q.TenantID}, {"actor", q.Actor}, {"kind", string(q.Kind)}, {"resource_id", q.ResourceID},
		} {
			if f.value != "" {
				db = db.Where(f.column+" = ?", f.value)
			}
		}
		return db.Order("id").Limit(n + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].ID
	}
	page = make([]sbc.AuditEvent, len(rows))
	for i, row := range rows {
		if page[i], err = decodeAudit(row.Document); err != nil {
			return nil, "", err
		}
	}
	return page, next, nil
}

// decodeAudit keeps Before and After as the text they are.
func decodeAudit(document string) (sbc.AuditEvent, error) {
	var e sbc.AuditEvent
	var before, after json.RawMessage
	e.Before, e.After = &before, &after
	if err := json.Unmarshal([]byte(document), &e); err != nil {
		return e, translate(fmt.Errorf("an audit event: %w", err))
	}
	e.Before, e.After = nil, nil
	if before != nil {
		e.Before = before
	}
	if after != nil {
		e.After = after
	}
	return e, nil
}
