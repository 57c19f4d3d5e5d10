package sql

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/sallyport/sallyport/sbc"
)

// cdrRow is a row of cdrs, as far as gorm needs to know it.
type cdrRow struct {
	Sequence int64 `gorm:"column:sequence;primaryKey;autoIncrement:false"`
	ID       string
	Document string
}

func (cdrRow) TableName() string { return "cdrs" }

// cdrChunk is how many records one statement inserts at most: enough that its own cost does not count, and no more, since
// SQLite's driver looks for each value among all of its statement. Fewer go in powers of two, so that a handful of statements
// serve batches of any size.
const cdrChunk = 16

// cdrColumns are what insertCDRs fills, in the order of appendValues.
var cdrColumns = [...]string{
	"sequence", "id", "call_id", "tenant_id", "ingress_trunk_id", "egress_trunk_id", "caller", "callee", "started_at",
	"end_reason", "disposition", "document",
}

// insertCDRs spells the statements that insert 1, 2, 4 ... cdrChunk records.
func insertCDRs(placeholder func(n int) string) map[int]string {
	statements := map[int]string{}
	for rows := 1; rows <= cdrChunk; rows *= 2 {
		b := []byte("INSERT INTO cdrs (" + strings.Join(cdrColumns[:], ", ") + ") VALUES ")
		for n := range rows * len(cdrColumns) {
			switch {
			case n == 0:
				b = append(b, '(')
			case n%len(cdrColumns) == 0:
				b = append(b, "), ("...)
			default:
				b = append(b, ", "...)
			}
			b = append(b, placeholder(n+1)...)
		}
		statements[rows] = string(append(b, ')'))
	}
	return statements
}

// AppendCDRs stores records that are not there yet and numbers them. Errors: CodeInvalid where a record cannot be held by the
// database at all, anything else may be tried again.
func (s *Store) AppendCDRs(ctx context.Context, records []sbc.CDR) error {
	documents := make([]string, len(records))
	for i := range records {
		documents[i] = string(records[i].AppendJSON(make([]byte, 0, documentSize)))
	}
	return s.AppendCDRDocuments(ctx, records, documents)
}

// documentSize is about the length of a record's document.
const documentSize = 2048

// AppendCDRDocuments is AppendCDRs for a caller who has the records' JSON already, one text for each. The sequence they name does
// not matter.
func (s *Store) AppendCDRDocuments(ctx context.Context, records []sbc.CDR, documents []string) error {
	if len(records) == 0 {
		return nil
	}
	rows := make([]newCDR, len(records))
	for i := range records {
		rows[i] = newCDR{&records[i], documents[i]}
	}
	return s.run(ctx, "append_cdrs", recordTimeout, func(ctx context.Context) error {
		// Almost never is one there already, so that is not asked before: the unique index tells.
		err := s.appendCDRs(ctx, rows, false)
		if sbc.CodeOf(translate(err)) == sbc.CodeConflict {
			err = s.appendCDRs(ctx, rows, true)
		}
		return err
	})
}

// newCDR is a record on its way into the table.
type newCDR struct {
	*sbc.CDR
	document string
}

// appendCDRs inserts records in one transaction, leaving out those that are there if some may be.
func (s *Store) appendCDRs(ctx context.Context, rows []newCDR, some bool) error {
	return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		if some {
			// The counter is locked first, so nobody else inserts between the look and the insert.
			if _, err := raiseCounter(db, counterCDR, 0); err != nil {
				return err
			}
			var err error
			if rows, err = unknownCDRs(db, rows); err != nil || len(rows) == 0 {
				return err
			}
		}
		last, err := raiseCounter(db, counterCDR, len(rows))
		if err != nil {
			return err
		}
		sequence := last - int64(len(rows))
		within := ctx
		if s.dialect.local {
			within = context.WithoutCancel(ctx) // the driver starts a goroutine for each statement that can be interrupted
		}
		args := make([]any, 0, min(len(rows), cdrChunk)*len(cdrColumns))
		for chunk := range powersOfTwo(rows, cdrChunk) {
			args = args[:0]
			for _, row := range chunk {
				sequence++
				args = row.appendValues(args, sequence)
			}
			if _, err := db.Statement.ConnPool.ExecContext(within, s.insertCDRs[len(chunk)], args...); err != nil {
				return err
			}
		}
		return nil
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

// lookChunk bounds the identifiers that one statement looks for.
const lookChunk = 128

// unknownCDRs leaves out records that are in the table, and of those with one id all but the first.
func unknownCDRs(db *gorm.DB, rows []newCDR) ([]newCDR, error) {
	seen := make(map[string]bool, len(rows))
	for chunk := range slices.Chunk(rows, lookChunk) {
		ids := make([]string, len(chunk))
		for i, row := range chunk {
			ids[i] = row.ID
		}
		var known []string
		if err := db.Model(&cdrRow{}).Where("id IN ?", ids).Pluck("id", &known).Error; err != nil {
			return nil, err
		}
		for _, id := range known {
			seen[id] = true
		}
	}
	left := make([]newCDR, 0, len(rows))
	for _, row := range rows {
		if !seen[row.ID] {
			seen[row.ID] = true
			left = append(left, row)
		}
	}
	return left, nil
}

// appendValues appends what stands in the columns of cdrColumns.
func (c newCDR) appendValues(args []any, sequence int64) []any {
	args = append(args, sequence, c.ID)
	for _, s := range [...]string{c.CallID, c.TenantID, c.IngressTrunkID, c.EgressTrunkID, c.Caller, c.Callee} {
		args = appendText(args, s)
	}
	args = append(args, micros(c.StartedAt))
	args = appendText(args, string(c.EndReason))
	args = appendText(args, string(c.Disposition))
	return append(args, withoutNUL(c.document))
}

// appendText appends what a text column can hold of s. Many columns say what they said in the row before: that value serves twice.
func appendText(args []any, s string) []any {
	s = text(s)
	if above := len(args) - len(cdrColumns); above >= 0 && args[above] == any(s) {
		return append(args, args[above])
	}
	return append(args, s)
}

// CDRs gives records by rising sequence.
func (s *Store) CDRs(ctx context.Context, q sbc.CDRQuery) ([]sbc.CDR, error) {
	var rows []cdrRow
	err := s.run(ctx, "cdrs", readTimeout, func(ctx context.Context) error {
		db := filterCDRs(s.read.WithContext(ctx), q).Select("sequence", "document")
		if q.Newest {
			return db.Order("sequence DESC").Limit(limit(q.Limit)).Find(&rows).Error
		}
		return db.Order("sequence").Limit(limit(q.Limit)).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	if q.Newest {
		slices.Reverse(rows)
	}
	records := make([]sbc.CDR, len(rows))
	for i := range rows {
		if err := rows[i].decode(&records[i]); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// decode reads the document, which was written before the record had its sequence.
func (r *cdrRow) decode(c *sbc.CDR) error {
	if err := json.Unmarshal([]byte(r.Document), c); err != nil {
		return translate(fmt.Errorf("a call detail record: %w", err))
	}
	c.Sequence = r.Sequence
	return nil
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
	var rows []cdrRow
	err := s.run(ctx, "cdr", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx).Model(&cdrRow{}).Where("id = ?", id)
		if tenantID != "" {
			db = db.Where("tenant_id = ?", tenantID)
		}
		return db.Select("sequence", "document").Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no call detail record %q", id)
	}
	c := &sbc.CDR{}
	return c, rows[0].decode(c)
}
