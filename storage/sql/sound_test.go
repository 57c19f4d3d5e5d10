package sql

import (
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestSoundsAreShared: config keeps the announcement that it read in the transaction; the audio is not in memory a second time
// when everything is read later.
func TestSoundsAreShared(t *testing.T) {
	ctx := t.Context()
	s, err := OpenSQLite(ctx, filepath.Join(t.TempDir(), "x.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // nothing is to be kept
	if _, _, err := s.All(ctx); err != nil {
		t.Fatal(err)
	}
	a := &sbc.Announcement{Meta: sbc.Meta{ID: sbc.NewID("ann_"), TenantID: sbc.DefaultTenantID, Name: "a", Enabled: true}}
	for round := range byte(2) { // new, and replaced
		var kept sbc.Resource
		a.Audio = []byte{1, 2, 3, round}
		if err := s.Update(ctx, func(tx sbc.Tx) error {
			if err := tx.Put(a); err != nil {
				return err
			}
			kept, err = tx.Get(sbc.KindAnnouncement, "", a.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		all, _, err := s.All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if got, ok := r.(*sbc.Announcement); ok && (&got.Audio[0] != &kept.(*sbc.Announcement).Audio[0] || got.Audio[3] != round) {
				t.Errorf("round %d: the audio is in memory twice, or another: %v", round, got.Audio)
			}
		}
		if len(s.cache.sounds) != 0 {
			t.Error("audio is kept that nobody needs")
		}
	}
}
