// Package storagetest is the contract of a store: one suite that every backend's test runs against the real thing.
package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
)

// Fresh makes an empty database for one test and gives its URL. Opening the URL again must reach the same database, unless
// Lonely says that it cannot.
type Fresh func(t testing.TB) string

// Lonely is a URL that gives another database each time it is opened: tests with several nodes are left out.
const Lonely = "sqlite::memory:"

// Run runs the whole contract.
func Run(t *testing.T, fresh Fresh) {
	t.Run("resources", func(t *testing.T) { resources(t, fresh) })
	t.Run("bulk", func(t *testing.T) { bulk(t, fresh) })
	t.Run("jobs", func(t *testing.T) { jobs(t, fresh) })
	t.Run("lists", func(t *testing.T) { lists(t, fresh) })
	t.Run("transactions", func(t *testing.T) { transactions(t, fresh) })
	t.Run("directory", func(t *testing.T) { directory(t, fresh) })
	t.Run("nodes", func(t *testing.T) { nodes(t, fresh) })
	t.Run("audit", func(t *testing.T) { audit(t, fresh) })
	t.Run("replies", func(t *testing.T) { replies(t, fresh) })
	t.Run("blobs", func(t *testing.T) { blobs(t, fresh) })
	t.Run("voicemail", func(t *testing.T) { voicemail(t, fresh) })
	t.Run("records", func(t *testing.T) { records(t, fresh) })
	t.Run("feed", func(t *testing.T) { feed(t, fresh) })
	t.Run("sealing", func(t *testing.T) { sealing(t, fresh) })
	t.Run("state", func(t *testing.T) { state(t, fresh) })
	t.Run("schema", func(t *testing.T) { schema(t, fresh) })
}

// patience bounds every operation of the suite.
const patience = 2 * time.Minute

// fixture is a store with what a test needs around it.
type fixture struct {
	storage.Store
	t   testing.TB
	ctx context.Context
	url string
}

// open opens a fresh database.
func open(t testing.TB, fresh Fresh) *fixture {
	t.Helper()
	return openURL(t, fresh(t))
}

// openURL opens a database, perhaps once more, as another node would.
func openURL(t testing.TB, url string) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s, err := storage.Open(ctx, url, storage.Options{Sealer: box(t, theKey())})
	if err != nil {
		cancel()
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &fixture{Store: s, t: t, ctx: ctx, url: url}
}

// update must succeed.
func (f *fixture) update(change func(tx sbc.Tx) error) {
	f.t.Helper()
	if err := f.Update(f.ctx, change); err != nil {
		f.t.Fatalf("update: %v", err)
	}
}

// put writes resources in one transaction.
func (f *fixture) put(rs ...sbc.Resource) {
	f.t.Helper()
	f.update(func(tx sbc.Tx) error {
		for _, r := range rs {
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// refused gives the error of a write that must fail.
func (f *fixture) refused(change func(tx sbc.Tx) error) *sbc.Error {
	f.t.Helper()
	before := f.revision()
	err := f.Update(f.ctx, change)
	var e *sbc.Error
	if !errors.As(err, &e) {
		f.t.Fatalf("update: got %v, want an sbc.Error", err)
	}
	if after := f.revision(); after != before {
		f.t.Errorf("a refused write raised the revision from %d to %d", before, after)
	}
	return e
}

func (f *fixture) revision() int64 {
	f.t.Helper()
	n, err := f.Revision(f.ctx)
	if err != nil {
		f.t.Fatalf("revision: %v", err)
	}
	return n
}

// get must find it.
func get[T sbc.Resource](f *fixture, tenantID string, r T) T {
	f.t.Helper()
	got, err := f.Get(f.ctx, r.Kind(), tenantID, r.Base().ID)
	if err != nil {
		f.t.Fatalf("get %s: %v", r.Base().ID, err)
	}
	return got.(T)
}

// page must succeed.
func (f *fixture) page(q sbc.Query) ([]sbc.Resource, string) {
	f.t.Helper()
	got, next, err := f.List(f.ctx, q)
	if err != nil {
		f.t.Fatalf("list: %v", err)
	}
	return got, next
}

// walk reads all pages.
func (f *fixture) walk(q sbc.Query) (ids []string) {
	f.t.Helper()
	for {
		got, next := f.page(q)
		for _, r := range got {
			ids = append(ids, r.Base().ID)
		}
		if next == "" {
			return ids
		}
		q.After = next
	}
}

// fault finds the fault at a pointer.
func fault(t testing.TB, e *sbc.Error, pointer string) sbc.Fault {
	t.Helper()
	for _, f := range e.Faults {
		if f.Pointer == pointer {
			return f
		}
	}
	t.Fatalf("no fault at %s in %v", pointer, e)
	return sbc.Fault{}
}

func wantCode(t testing.TB, err error, want sbc.Code) {
	t.Helper()
	if err == nil || sbc.CodeOf(err) != want {
		t.Fatalf("got %v, want code %s", err, want)
	}
}
