package api

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// importer is one import: what it is checked by, and what it has seen.
type importer struct {
	s              *server
	c              *caller // who asked for it, as if each row were a PATCH
	job            sbc.Job
	create, update *operation
	domain         string // of all rows, "" where they say it themselves
	// claims are the rows that took a name or an external id; named are the resources that rows stand for, both as hashes: a million
	// rows must not weigh much.
	claims map[uint64]int
	named  []uint64
	seed   maphash.Seed
}

// outcome is what became of some rows, known once their transaction has ended.
type outcome struct {
	created, updated, unchanged, failed int
	faults                              []sbc.JobError
	named                               []uint64
}

// work writes the rows of a body.
func (im *importer) work(ctx context.Context, t *bulk.Task) error {
	im.seed = maphash.MakeSeed()
	err := t.Chunks(ctx, func(rows []bulk.Row) error {
		for i := range rows {
			im.strip(&rows[i])
		}
		return im.write(ctx, t, rows)
	})
	if err != nil || im.job.Mode != sbc.ImportSync {
		return err
	}
	return im.sweep(ctx, t)
}

// write puts some rows in one transaction. Where the configuration as a whole refuses them, which does not say whose fault it is, they are
// halved until it does.
func (im *importer) write(ctx context.Context, t *bulk.Task, rows []bulk.Row) error {
	var out *outcome
	err := im.try(ctx, func(tx sbc.Tx) error {
		b := &batch{importer: im, tx: &memo{Tx: tx, known: map[string]sbc.Resource{}}, rows: rows, out: &outcome{}}
		out = b.out
		return b.run()
	})
	switch code := sbc.CodeOf(err); {
	case err == nil, errors.Is(err, errUnchanged):
		out.count(t)
		im.named = append(im.named, out.named...)
		return nil
	case code == sbc.CodeUnavailable, code == sbc.CodeInternal:
		return err
	case len(rows) > 1:
		half := len(rows) / 2
		return errors.Join(im.write(ctx, t, rows[:half]), im.write(ctx, t, rows[half:]))
	}
	(&outcome{failed: 1, faults: errorsOf(&rows[0], im.job.Kind, err)}).count(t)
	return nil
}

// count adds what became of rows to what the job knows.
func (o *outcome) count(t *bulk.Task) {
	n := &t.Job.Counts
	n.Created, n.Updated, n.Unchanged, n.Failed = n.Created+o.created, n.Updated+o.updated, n.Unchanged+o.unchanged, n.Failed+o.failed
	for _, f := range o.faults {
		t.Fault(f)
	}
}

// try carries out a transaction, again if the store was away for a moment.
func (im *importer) try(ctx context.Context, change func(tx sbc.Tx) error) error {
	for _, wait := range []time.Duration{time.Second, 3 * time.Second, 0} {
		err := im.s.o.Config.Update(ctx, im.job.DryRun, change)
		if err == nil || sbc.CodeOf(err) != sbc.CodeUnavailable || wait == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return nil
}

// sweep deletes what no row named, if every row was good and there were rows at all.
func (im *importer) sweep(ctx context.Context, t *bulk.Task) error {
	switch {
	case t.Job.Counts.Failed > 0:
		t.Job.Detail = "nothing was deleted, because some rows were refused"
		return nil
	case t.Job.Counts.Rows == 0:
		t.Job.Detail = "nothing was deleted, because there were no rows"
		return nil
	}
	slices.Sort(im.named)
	q := sbc.Query{Kind: im.job.Kind, TenantID: im.job.TenantID, Ref: im.domain, Limit: bulk.ChunkRows}
	for {
		page, next, err := im.s.o.Store.List(ctx, q)
		if err != nil {
			return err
		}
		gone := slices.DeleteFunc(page, func(r sbc.Resource) bool {
			_, named := slices.BinarySearch(im.named, im.hash(r.Base().ID))
			return named || t.Job.StartedAt != nil && r.Base().CreatedAt.After(*t.Job.StartedAt)
		})
		if err := im.remove(ctx, t, gone); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		q.After = next
	}
}

// remove deletes some resources.
func (im *importer) remove(ctx context.Context, t *bulk.Task, gone []sbc.Resource) error {
	if len(gone) == 0 {
		return nil
	}
	ids := make([]string, len(gone))
	for i, r := range gone {
		ids[i] = r.Base().ID
	}
	var refused map[int]error
	err := im.try(ctx, func(tx sbc.Tx) (err error) {
		refused, err = tx.DeleteAll(im.job.Kind, ids)
		if err == nil && len(refused) == len(ids) {
			return errUnchanged
		}
		return err
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return err
	}
	for i, r := range gone {
		if refused[i] == nil {
			t.Job.Counts.Deleted++
			continue
		}
		for _, f := range errorsOf(&bulk.Row{}, im.job.Kind, refused[i]) {
			f.Key = r.Base().Name
			t.Fault(f)
		}
		t.Job.Detail = "something that no row named could not be deleted; see the errors of row 0"
	}
	return t.Save(ctx)
}

func (im *importer) hash(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(im.seed)
	for _, p := range parts {
		_, _ = h.WriteString(p) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// claim takes the names of a resource for a row, and tells which row had one before.
func (im *importer) claim(row *bulk.Row, r sbc.Resource, parent string) []sbc.Fault {
	var faults []sbc.Fault
	m := r.Base()
	for _, c := range []struct{ field, parent, value string }{{nameField(im.job.Kind), parent, m.Name}, {"external_id", "", m.ExternalID}} {
		if c.value == "" {
			continue
		}
		key := im.hash(c.field, c.parent, c.value)
		switch before := im.claims[key]; {
		case before == 0 || before > row.Number:
			im.claims[key] = row.Number
		case before < row.Number:
			faults = append(faults, sbc.Fault{Pointer: "#/" + c.field, Code: "duplicate", Detail: fmt.Sprintf("stands in row %d already", before)})
		}
	}
	return faults
}

// memo is a transaction that remembers what it has read, so that rows which name the same things ask once.
type memo struct {
	sbc.Tx
	known map[string]sbc.Resource // nil where there is none
}

func (m *memo) add(found ...sbc.Resource) {
	for _, r := range found {
		m.known[r.Base().ID] = r
	}
}

// Get looks in the memory first.
func (m *memo) Get(kind sbc.Kind, tenantID, id string) (sbc.Resource, error) {
	r, seen := m.known[id]
	if !seen {
		var err error
		r, err = m.Tx.Get(kind, "", id)
		if err != nil && sbc.CodeOf(err) != sbc.CodeNotFound {
			return nil, err
		}
		if err != nil {
			r = nil
		}
		m.known[id] = r
	}
	if r == nil || r.Kind() != kind || tenantID != "" && r.Base().TenantID != tenantID {
		return nil, missing(kind, id)
	}
	return r, nil
}
