package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func transactions(t *testing.T, fresh Fresh) {
	t.Run("the revision rises", func(t *testing.T) { rising(t, open(t, fresh)) })
	t.Run("roll back", func(t *testing.T) { rollBack(t, open(t, fresh)) })
	t.Run("a panic rolls back", func(t *testing.T) { panicRollsBack(t, open(t, fresh)) })
	t.Run("own writes are seen, others see them after", func(t *testing.T) { visibility(t, open(t, fresh)) })
	t.Run("everything follows every change", func(t *testing.T) { everything(t, open(t, fresh)) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, open(t, fresh)) })
}

func rising(t *testing.T, f *fixture) {
	last := f.revision()
	realm := newRealm(sbc.DefaultTenantID, "r")
	changes := []func(tx sbc.Tx) error{
		func(tx sbc.Tx) error { return tx.Put(realm) },
		func(tx sbc.Tx) error { return tx.Put(realm) }, // a write is a write
		func(tx sbc.Tx) error {
			return errors.Join(tx.Put(newRealm(sbc.DefaultTenantID, "a")), tx.Put(newRealm(sbc.DefaultTenantID, "b")))
		},
		func(tx sbc.Tx) error { return tx.Delete(sbc.KindRealm, realm.ID) },
	}
	for i, change := range changes {
		var promised int64
		f.update(func(tx sbc.Tx) error {
			promised = tx.Revision()
			return change(tx)
		})
		if got := f.revision(); got != last+1 || promised != got {
			t.Errorf("change %d: revision %d, promised %d, want %d", i, got, promised, last+1)
		}
		last++
	}
	f.update(func(tx sbc.Tx) error { return tx.Audit(sbc.AuditEvent{OperationID: "x"}) })
	if got := f.revision(); got != last {
		t.Errorf("an audit event alone made revision %d of %d", got, last)
	}
}

var errChanged = errors.New("the caller thought better of it")

func rollBack(t *testing.T, f *fixture) {
	kept := newRealm(sbc.DefaultTenantID, "kept")
	f.put(kept)
	before := f.revision()
	gone := newRealm(sbc.DefaultTenantID, "gone")
	err := f.Update(f.ctx, func(tx sbc.Tx) error {
		changed := *kept
		changed.Name = "changed"
		all := []error{
			tx.Put(gone), tx.Put(&changed), tx.Audit(sbc.AuditEvent{OperationID: "x"}), tx.Remember(sbc.Reply{Actor: "a", Key: "k"}),
		}
		if _, err := tx.All(); errors.Join(append(all, err)...) != nil {
			t.Error(errors.Join(all...), err)
		}
		return errChanged
	})
	if err != errChanged { // identity is the promise
		t.Errorf("got %v, want the caller's error as it is", err)
	}
	if got := f.revision(); got != before {
		t.Errorf("revision %d, want %d", got, before)
	}
	if got := get(f, "", kept); got.Name != "kept" {
		t.Errorf("got %+v", got)
	}
	_, err = f.Get(f.ctx, sbc.KindRealm, "", gone.ID)
	wantCode(t, err, sbc.CodeNotFound)
	if events, _, err := f.AuditEvents(f.ctx, sbc.AuditQuery{}); err != nil || len(events) != 0 {
		t.Errorf("audit: %v, %v", events, err)
	}
	if reply, err := f.Recall(f.ctx, "a", "k"); err != nil || reply != nil {
		t.Errorf("recall: %v, %v", reply, err)
	}
	if all, _, err := f.All(f.ctx); err != nil || len(all) != 2 {
		t.Errorf("all: %d, %v", len(all), err)
	}
}

func panicRollsBack(t *testing.T, f *fixture) {
	before := f.revision()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = f.Update(f.ctx, func(tx sbc.Tx) error {
			if err := tx.Put(newRealm(sbc.DefaultTenantID, "x")); err != nil {
				t.Error(err)
			}
			panic("a bug of the caller's")
		})
	}()
	if f.revision() != before || len(f.walk(sbc.Query{Kind: sbc.KindRealm})) != 0 {
		t.Error("the write stayed")
	}
	f.put(newRealm(sbc.DefaultTenantID, "x")) // and the store is not stuck
}

func visibility(t *testing.T, f *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "r")
	f.update(func(tx sbc.Tx) error {
		if err := tx.Put(realm); err != nil {
			return err
		}
		if _, err := tx.Get(sbc.KindRealm, "", realm.ID); err != nil {
			t.Errorf("a transaction does not see its own write: %v", err)
		}
		if all, err := tx.All(); err != nil || len(all) != 2 || all[1].Base().Revision != tx.Revision() {
			t.Errorf("All in the transaction: %d, %v", len(all), err)
		}
		_, err := f.Get(f.ctx, sbc.KindRealm, "", realm.ID)
		wantCode(t, err, sbc.CodeNotFound)
		if all, _, err := f.All(f.ctx); err != nil || len(all) != 1 {
			t.Errorf("All outside the transaction: %d, %v", len(all), err)
		}
		return nil
	})
	get(f, "", realm)
}

// everything: All gives the same as reading one by one, however the changes come: inside and outside of transactions, with and
// without a look in between, inserted, changed, deleted, made anew.
func everything(t *testing.T, f *fixture) {
	realms := map[string]*sbc.Realm{}
	check := func(where string, all []sbc.Resource, err error) {
		t.Helper()
		if err != nil || len(all) != len(realms)+1 {
			t.Fatalf("%s: %d resources, want %d, %v", where, len(all), len(realms)+1, err)
		}
		last := ""
		for _, r := range all[1:] {
			want := realms[r.Base().ID]
			if want == nil || r.Base().Name != want.Name || r.Base().ID <= last {
				t.Fatalf("%s: got %+v after %s, want %+v", where, r.Base(), last, want)
			}
			last = r.Base().ID
		}
	}
	look := func(where string) {
		all, revision, err := f.All(f.ctx)
		check(where, all, err)
		if revision != f.revision() {
			t.Fatalf("%s: revision %d, want %d", where, revision, f.revision())
		}
	}
	var ids []string
	for i := range 40 {
		f.update(func(tx sbc.Tx) error {
			for range 3 {
				r := newRealm(sbc.DefaultTenantID, sbc.NewID("n"))
				if len(ids) > 4 && i%3 == 1 { // change an old one instead
					r.ID = ids[i%len(ids)]
				} else {
					ids = append(ids, r.ID)
				}
				realms[r.ID] = r
				if err := tx.Put(r); err != nil {
					return err
				}
			}
			if i%4 == 2 {
				gone := ids[i/2]
				delete(realms, gone)
				if err := tx.Delete(sbc.KindRealm, gone); err != nil {
					return err
				}
				ids = append(ids[:i/2:i/2], ids[i/2+1:]...)
			}
			if i%5 < 3 {
				all, err := tx.All()
				check("in the transaction", all, err)
			}
			if i%5 == 1 { // and one more after the look
				r := newRealm(sbc.DefaultTenantID, sbc.NewID("n"))
				ids, realms[r.ID] = append(ids, r.ID), r
				return tx.Put(r)
			}
			return nil
		})
		if i%3 == 0 {
			look("after")
		}
	}
	look("at the end")
	look("again")
}

func cancelled(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(f.ctx)
	err := f.Update(ctx, func(tx sbc.Tx) error {
		cancel()
		return tx.Put(newRealm(sbc.DefaultTenantID, "x"))
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, err = f.Get(ctx, sbc.KindTenant, "", sbc.DefaultTenantID)
	wantCode(t, err, sbc.CodeUnavailable)
	f.put(newRealm(sbc.DefaultTenantID, "x"))
}
