package storagetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func nodes(t *testing.T, fresh Fresh) {
	t.Run("concurrent writers", func(t *testing.T) { f := open(t, fresh); concurrentWriters(t, []*fixture{f, f}) })
	t.Run("two nodes", func(t *testing.T) {
		f := open(t, fresh)
		if f.url == Lonely {
			t.Skip("this database cannot be opened twice")
		}
		other := openURL(t, f.url)
		t.Run("write at once", func(t *testing.T) { concurrentWriters(t, []*fixture{f, other}) })
		t.Run("see each other", func(t *testing.T) { seeEachOther(t, f, other) })
	})
}

// concurrentWriters: every write makes one revision, none is lost, a counter kept in a label never misses one, and readers see
// only whole revisions.
func concurrentWriters(t *testing.T, stores []*fixture) {
	const writers, rounds = 4, 8
	tally := newRealm(sbc.DefaultTenantID, sbc.NewID("tally"))
	tally.Labels = map[string]string{"n": "0"}
	stores[0].put(tally)
	before := stores[0].revision()
	stop := make(chan struct{})
	var readers, wg sync.WaitGroup
	for _, f := range stores {
		readers.Go(func() { wholeRevisions(f, tally.ID, stop) })
	}
	for w := range writers {
		wg.Go(func() {
			f := stores[w%len(stores)]
			for range rounds {
				if err := f.Update(f.ctx, func(tx sbc.Tx) error { return count(tx, tally.ID) }); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	for _, f := range stores {
		if got := get(f, "", tally).Labels["n"]; got != fmt.Sprint(writers*rounds) {
			t.Errorf("the tally is %s after %d writes", got, writers*rounds)
		}
		if got := f.revision(); got != before+writers*rounds {
			t.Errorf("revision %d, want %d", got, before+writers*rounds)
		}
	}
}

// count adds one to the tally and writes a realm beside it with that number.
func count(tx sbc.Tx, id string) error {
	r, err := tx.Get(sbc.KindRealm, sbc.DefaultTenantID, id)
	if err != nil {
		return err
	}
	var n int
	if _, err := fmt.Sscan(r.Base().Labels["n"], &n); err != nil {
		return err
	}
	r.Base().Labels["n"] = fmt.Sprint(n + 1)
	beside := newRealm(sbc.DefaultTenantID, fmt.Sprintf("%s-%d", id, n+1))
	if err := tx.Put(beside); err != nil {
		return err
	}
	return tx.Put(r)
}

// wholeRevisions reads everything again and again: the tally and the newest realm beside it always agree, and carry no revision
// newer than the one that All names.
func wholeRevisions(f *fixture, tally string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		all, revision, err := f.All(f.ctx)
		if err != nil {
			f.t.Errorf("all: %v", err)
			return
		}
		var beside int
		var n string
		for _, r := range all {
			switch m := r.Base(); {
			case m.Revision > revision:
				f.t.Errorf("All at revision %d holds a row of %d", revision, m.Revision)
			case m.ID == tally:
				n = m.Labels["n"]
			case len(m.Name) > len(tally) && m.Name[:len(tally)] == tally:
				beside++
			}
		}
		if n != fmt.Sprint(beside) {
			f.t.Errorf("at revision %d the tally is %s, but %d realms were written with it", revision, n, beside)
			return
		}
	}
}

// seeEachOther: each node sees at once what another committed, deletions too.
func seeEachOther(t *testing.T, a, b *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "shared")
	total := func(f *fixture) int {
		all, revision, err := f.All(f.ctx)
		if err != nil || revision != a.revision() {
			t.Fatalf("all: revision %d, want %d, %v", revision, a.revision(), err)
		}
		return len(all)
	}
	n := total(a)
	if total(b) != n {
		t.Fatal("the nodes begin with different views")
	}
	a.put(realm)
	get(b, "", realm)
	if total(b) != n+1 {
		t.Error("b misses the realm")
	}
	b.update(func(tx sbc.Tx) error {
		if err := tx.Delete(sbc.KindRealm, realm.ID); err != nil {
			return err
		}
		all, err := tx.All()
		if len(all) != n {
			t.Errorf("b's transaction sees %d, want %d", len(all), n)
		}
		return err
	})
	if total(a) != n || total(b) != n {
		t.Error("the deleted realm is still seen")
	}
	// A deletion and an insertion at once, looked at by one who saw neither.
	a.put(realm)
	total(b)
	a.update(func(tx sbc.Tx) error {
		if err := tx.Delete(sbc.KindRealm, realm.ID); err != nil {
			return err
		}
		return tx.Put(newRealm(sbc.DefaultTenantID, "instead"))
	})
	b.update(func(tx sbc.Tx) error {
		all, err := tx.All()
		if len(all) != n+1 {
			t.Errorf("b's transaction sees %d, want %d", len(all), n+1)
		}
		for _, r := range all {
			if r.Base().ID == realm.ID {
				t.Error("b still sees what a deleted")
			}
		}
		return err
	})
}
