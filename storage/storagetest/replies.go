package storagetest

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func replies(t *testing.T, fresh Fresh) {
	t.Run("remember and recall", func(t *testing.T) { recall(t, open(t, fresh)) })
	t.Run("forgotten after a day", func(t *testing.T) { expiry(t, open(t, fresh)) })
	t.Run("one of many wins", func(t *testing.T) { oneWins(t, open(t, fresh)) })
}

func recall(t *testing.T, f *fixture) {
	want := sbc.Reply{
		Actor: "key_1", Key: "k'; --", Fingerprint: "abc", Status: 201, Header: map[string]string{"ETag": `"7"`},
		Body: []byte("{\"a\":1}\x00\xff"), CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
	f.update(func(tx sbc.Tx) error { return tx.Remember(want) })
	got, err := f.Recall(f.ctx, "key_1", "k'; --")
	if err != nil || !reflect.DeepEqual(got, &want) {
		t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
	}
	for _, who := range [][2]string{{"key_2", "k'; --"}, {"key_1", "k"}, {"", ""}} {
		if got, err := f.Recall(f.ctx, who[0], who[1]); err != nil || got != nil {
			t.Errorf("%v: got %+v, %v", who, got, err)
		}
	}
	realm := newRealm(sbc.DefaultTenantID, "second try")
	e := f.refused(func(tx sbc.Tx) error { return errors.Join(tx.Put(realm), tx.Remember(want)) })
	wantCode(t, e, sbc.CodeConflict)
	_, err = f.Get(f.ctx, sbc.KindRealm, "", realm.ID)
	wantCode(t, err, sbc.CodeNotFound)
	f.update(func(tx sbc.Tx) error { return tx.Remember(sbc.Reply{Actor: "key_2", Key: "k'; --"}) }) // another's key is another key
}

func expiry(t *testing.T, f *fixture) {
	old := sbc.Reply{Actor: "a", Key: "old", Status: 1, CreatedAt: time.Now().Add(-24*time.Hour - time.Minute)}
	young := sbc.Reply{Actor: "a", Key: "young", Status: 1, CreatedAt: time.Now().Add(-24*time.Hour + time.Minute)}
	f.update(func(tx sbc.Tx) error { return errors.Join(tx.Remember(old), tx.Remember(young)) })
	if got, err := f.Recall(f.ctx, "a", "old"); err != nil || got != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := f.Recall(f.ctx, "a", "young"); err != nil || got == nil {
		t.Errorf("got %+v, %v", got, err)
	}
	old.Status, old.CreatedAt = 2, time.Time{} // the key is free again
	f.update(func(tx sbc.Tx) error { return tx.Remember(old) })
	if got, err := f.Recall(f.ctx, "a", "old"); err != nil || got == nil || got.Status != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	wantCode(t, f.refused(func(tx sbc.Tx) error { return tx.Remember(young) }), sbc.CodeConflict)
}

// oneWins: of requests with the same key at the same time one is carried out.
func oneWins(t *testing.T, f *fixture) {
	var wg sync.WaitGroup
	var won, lost atomic.Int32
	for range 8 {
		wg.Go(func() {
			err := f.Update(f.ctx, func(tx sbc.Tx) error {
				return errors.Join(tx.Put(newRealm(sbc.DefaultTenantID, sbc.NewID("n"))), tx.Remember(sbc.Reply{Actor: "a", Key: "k"}))
			})
			switch {
			case err == nil:
				won.Add(1)
			case sbc.CodeOf(err) == sbc.CodeConflict:
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 7 || len(f.walk(sbc.Query{Kind: sbc.KindRealm})) != 1 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}
