package storagetest

import (
	"sync"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func feed(t *testing.T, fresh Fresh) {
	t.Run("twice is once", func(t *testing.T) { twiceIsOnce(t, open(t, fresh)) })
	t.Run("large batches and pages", func(t *testing.T) { largeBatch(t, open(t, fresh)) })
	t.Run("order under concurrent writers", func(t *testing.T) { f := open(t, fresh); feedOrder(t, []*fixture{f, f}) })
	t.Run("order with two nodes", func(t *testing.T) {
		f := open(t, fresh)
		if f.url == Lonely {
			t.Skip("this database cannot be opened twice")
		}
		feedOrder(t, []*fixture{f, openURL(t, f.url)})
	})
}

func twiceIsOnce(t *testing.T, f *fixture) {
	a, b, c := newCDR(sbc.DefaultTenantID), newCDR(sbc.DefaultTenantID), newCDR(sbc.DefaultTenantID)
	f.add(a, b)
	changed := b
	changed.Caller = "somebody else"
	f.add(changed, a, c, c) // known ones, and one twice within a batch
	f.add(a, b, c)
	got := f.cdrs(sbc.CDRQuery{})
	if len(got) != 3 || got[0].ID != a.ID || got[1].ID != b.ID || got[2].ID != c.ID {
		t.Fatalf("got %+v", got)
	}
	if got[1].Caller != b.Caller {
		t.Error("a record that was there has been changed")
	}
	for i, r := range got {
		if r.Sequence != int64(i+1) {
			t.Errorf("record %d has sequence %d: records that are left out must leave no gap", i, r.Sequence)
		}
	}
}

func largeBatch(t *testing.T, f *fixture) {
	const n = 1101
	batch := make([]sbc.CDR, n)
	for i := range batch {
		batch[i] = newCDR(sbc.DefaultTenantID)
	}
	f.add(batch...)
	after, seen := int64(0), 0
	for {
		page := f.cdrs(sbc.CDRQuery{After: after, Limit: 1000})
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if r.ID != batch[seen].ID {
				t.Fatalf("record %d is not the one appended as such", seen)
			}
			seen++
		}
		after = page[len(page)-1].Sequence
	}
	if seen != n || after != n {
		t.Errorf("read %d of %d, last sequence %d", seen, n, after)
	}
}

// feedOrder: readers that keep only the last sequence they saw, while several write, see every record once, in order, without
// gaps, and each writer's records in its order.
func feedOrder(t *testing.T, stores []*fixture) {
	const writers, batches, size = 4, 8, 5
	ids := make([][]string, writers)
	var wg, readers sync.WaitGroup
	stop := make(chan struct{})
	feeds := make([][]string, len(stores))
	for i, f := range stores {
		readers.Go(func() { feeds[i] = follow(f, stop) })
	}
	for w := range writers {
		wg.Go(func() {
			f := stores[w%len(stores)]
			for range batches {
				batch := make([]sbc.CDR, size)
				for k := range batch {
					batch[k] = newCDR(sbc.DefaultTenantID)
					ids[w] = append(ids[w], batch[k].ID)
				}
				if err := f.AppendCDRs(f.ctx, batch); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	for _, got := range feeds {
		if len(got) != writers*batches*size {
			t.Fatalf("a reader saw %d records, want %d", len(got), writers*batches*size)
		}
		place := make(map[string]int, len(got))
		for i, id := range got {
			place[id] = i
		}
		for w := range ids {
			for k := 1; k < len(ids[w]); k++ {
				if place[ids[w][k]] <= place[ids[w][k-1]] {
					t.Fatalf("writer %d: record %d comes before the one written earlier", w, k)
				}
			}
		}
	}
}

// follow reads the feed until it is told to stop and finds nothing more.
func follow(f *fixture, stop <-chan struct{}) (ids []string) {
	var last int64
	for stopped := false; ; {
		select {
		case <-stop:
			stopped = true
		default:
		}
		page, err := f.CDRs(f.ctx, sbc.CDRQuery{After: last, Limit: 50})
		if err != nil {
			f.t.Errorf("feed: %v", err)
			return ids
		}
		for _, r := range page {
			if r.Sequence != last+1 {
				f.t.Errorf("feed: sequence %d follows %d", r.Sequence, last)
			}
			last = r.Sequence
			ids = append(ids, r.ID)
		}
		if stopped && len(page) == 0 {
			return ids
		}
	}
}
