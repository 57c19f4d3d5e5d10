package sql

import (
	"context"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"github.com/sallyport/sallyport/sbc"
)

// cdrRow is a row of cdrs.
type cdrRow struct {
	Sequence       int64 `gorm:"column:sequence;primaryKey;autoIncrement:false"`
	ID             string
	CallID         string
	TenantID       string
	IngressTrunkID string
	EgressTrunkID  string
	Caller         string
	Callee         string
	StartedAt      int64
	EndReason      sbc.EndReason
	Disposition    sbc.Disposition
	Document       string
}

func (cdrRow) TableName() string { return "cdrs" }

// cdrChunk is how many records one statement inserts at most. Fewer go in powers of two, so that a handful of statements serve
// batches of any size: both sides keep each of them prepared.
const cdrChunk = 128

// AppendCDRs stores records that are not there yet and numbers them. Errors: CodeInvalid where a record cannot be held by the
// database at all, anything else may be tried again.
func (s *Store) AppendCDRs(ctx context.Context, records []sbc.CDR) error {
	if len(records) == 0 {
		return nil
	}
	return s.run(ctx, "append_cdrs", recordTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			last, err := counterValue(db, counterCDR, s.dialect.lock)
			if err != nil {
				return err
			}
			sequence := last
			for chunk := range powersOfTwo(records, cdrChunk) {
				if sequence, err = appendChunk(db, chunk, sequence); err != nil {
					return err
				}
			}
			if sequence == last {
				return nil
			}
			return setCounter(db, counterCDR, sequence)
		})
	})
}

// powersOfTwo cuts a slice into pieces of n, which is one, and then of ever smaller ones.
func powersOfTwo[T any](all []T, n int) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			for n > len(all) {
				n /= 2
			}
			k := n
			if !yield(all[:k]) {
				return
			}
			all = all[k:]
		}
	}
}

// appendChunk inserts what is new of a chunk behind a sequence and gives the last one used. The counter is locked, so nobody
// else inserts between the look and the insert.
func appendChunk(db *gorm.DB, records []sbc.CDR, sequence int64) (int64, error) {
	ids := make([]string, len(records))
	for i := range records {
		ids[i] = records[i].ID
	}
	var known []string
	if err := db.Model(&cdrRow{}).Where("id IN ?", ids).Pluck("id", &known).Error; err != nil {
		return 0, err
	}
	seen := make(map[string]bool, len(records))
	for _, id := range known {
		seen[id] = true
	}
	rows := make([]cdrRow, 0, len(records))
	for i := range records {
		c := records[i]
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		sequence++
		c.Sequence = sequence
		rows = append(rows, newCDRRow(&c))
	}
	if len(rows) == 0 {
		return sequence, nil
	}
	return sequence, db.Create(&rows).Error
}

func newCDRRow(c *sbc.CDR) cdrRow {
	return cdrRow{
		Sequence: c.Sequence, ID: c.ID, CallID: text(c.CallID), TenantID: text(c.TenantID),
		IngressTrunkID: text(c.IngressTrunkID), EgressTrunkID: text(c.EgressTrunkID),
		Caller: text(c.Caller), Callee: text(c.Callee), StartedAt: micros(c.StartedAt),
		EndReason: sbc.EndReason(text(string(c.EndReason))), Disposition: sbc.Disposition(text(string(c.Disposition))),
		Document: withoutNUL(string(c.AppendJSON(make([]byte, 0, documentSize)))),
	}
}

// documentSize is about the length of a record's document.
const documentSize = 2048

// CDRs gives records by rising sequence.
func (s *Store) CDRs(ctx context.Context, q sbc.CDRQuery) ([]sbc.CDR, error) {
	var documents []string
	err := s.run(ctx, "cdrs", readTimeout, func(ctx context.Context) error {
		return filterCDRs(s.read.WithContext(ctx), q).Order("sequence").Limit(limit(q.Limit)).Pluck("document", &documents).Error
	})
	if err != nil {
		return nil, err
	}
	records := make([]sbc.CDR, len(documents))
	for i, d := range documents {
		if err := json.Unmarshal([]byte(d), &records[i]); err != nil {
			return nil, translate(fmt.Errorf("a call detail record: %w", err))
		}
	}
	return records, nil
}

func filterCDRs(db *gorm.DB, q sbc.CDRQuery) *gorm.DB {
	db = db.Model(&cdrRow{}).Where("sequence > ?", q.After)
	for _, f := range []struct{ column, value string }{
		{"tenant_id", q.TenantID}, {"call_id", q.CallID}, {"ingress_trunk_id", q.IngressTrunkID},
		{"egress_trunk_id", q.EgressTrunkID}, {"caller", q.Caller}, {"callee", q.Callee},
		{"end_reason", string(q.EndReason)}, {"disposition", string(q.Disposition)},
	} {
		if f.value != "" {
			db = db.Where(f.column+" = ?", text(f.value))
		}
	}
	if !q.StartedAfter.IsZero() {
		db = db.Where("started_at >= ?", micros(q.StartedAfter))
	}
	if !q.StartedBefore.IsZero() {
		db = db.Where("started_at < ?", micros(q.StartedBefore))
	}
	return db
}

// CDR finds one record.
func (s *Store) CDR(ctx context.Context, tenantID, id string) (*sbc.CDR, error) {
	var documents []string
	err := s.run(ctx, "cdr", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx).Model(&cdrRow{}).Where("id = ?", id)
		if tenantID != "" {
			db = db.Where("tenant_id = ?", tenantID)
		}
		return db.Pluck("document", &documents).Error
	})
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no call detail record %q", id)
	}
	c := &sbc.CDR{}
	if err := json.Unmarshal([]byte(documents[0]), c); err != nil {
		return nil, translate(fmt.Errorf("a call detail record: %w", err))
	}
	return c, nil
}
