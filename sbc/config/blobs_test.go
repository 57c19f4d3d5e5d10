package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// shelf is a Blobs that writes down what it is told.
type shelf struct {
	said []string
	fail error
}

func names(blobs []sbc.Blob) string {
	list := []string{}
	for _, b := range blobs {
		list = append(list, b.OwnerID+"="+b.SHA256)
	}
	return strings.Join(list, " ")
}

func (s *shelf) Keep(b sbc.Blob, content []byte) error {
	s.said = append(s.said, "keep "+b.OwnerID+" "+string(content))
	return s.fail
}

func (s *shelf) Load(_ context.Context, named []sbc.Blob) {
	s.said = append(s.said, "load "+names(named))
}

func (s *shelf) Want(named []sbc.Blob) { s.said = append(s.said, "want "+names(named)) }

// told gives what was said since the last time.
func (s *shelf) told() string {
	said := strings.Join(s.said, "; ")
	s.said = nil
	return said
}

// PutBlob keeps nothing: the tests here are about copies.
func (tx *transaction) PutBlob(b sbc.Blob, _ []byte) (sbc.Blob, error) { return b, nil }

func spoken(id, hash string) *sbc.Announcement {
	return &sbc.Announcement{
		Meta: sbc.Meta{ID: id, TenantID: "ten_1", Name: id, Enabled: true}, AudioSHA256: hash, AudioBytes: 5,
	}
}

// TestBlobsAreThereWhenTheyAreLive: a copy is made before the change that brings it is answered, but not by a dry run; a node
// that cannot make it refuses the change; what is served says what is wanted.
func TestBlobsAreThereWhenTheyAreLive(t *testing.T) {
	copies := &shelf{}
	m := New(Options{Store: newStore(t, basic), Blobs: copies})
	defer m.Close()
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := copies.told(); got != "load ; want " {
		t.Errorf("at the start: %s", got)
	}
	write := func(dryRun bool) error {
		return m.Update(t.Context(), dryRun, func(tx sbc.Tx) error {
			a := spoken("ann_1", "aa")
			if err := tx.Put(a); err != nil {
				return err
			}
			_, err := tx.PutBlob(a.Audio(), []byte("sound"))
			return err
		})
	}
	if err := write(true); err != nil || copies.told() != "" {
		t.Errorf("a dry run: %v", err)
	}
	copies.fail = errors.New("disk full")
	if err := write(false); sbc.CodeOf(err) != sbc.CodeUnavailable || m.Current().Announcement("ann_1") != nil {
		t.Errorf("without room: %v", err)
	}
	copies.fail, copies.said = nil, nil
	if err := write(false); err != nil {
		t.Fatal(err)
	}
	if got := copies.told(); got != "keep ann_1 sound; want ann_1=aa" {
		t.Errorf("a write: %s", got)
	}
	if err := m.Update(t.Context(), false, func(tx sbc.Tx) error { return tx.Delete(sbc.KindAnnouncement, "ann_1") }); err != nil {
		t.Fatal(err)
	}
	if got := copies.told(); got != "want " {
		t.Errorf("deleted: %s", got)
	}
}

// TestBlobsOfOthers: what another node wrote is fetched before it is served.
func TestBlobsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		copies, s := &shelf{}, newStore(t, basic)
		m := New(Options{Store: s, Blobs: copies})
		defer m.Close()
		if err := m.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		copies.told()
		if err := s.Update(t.Context(), func(tx sbc.Tx) error { return tx.Put(spoken("ann_1", "bb")) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultPoll + time.Second)
		synctest.Wait()
		if got := copies.told(); got != "load ann_1=bb; want ann_1=bb" {
			t.Errorf("got %s", got)
		}
	})
}

// TestAudioInAnOldCacheFile: a node that was upgraded and cannot serve what its store holds plays what the cache file of the
// program before holds.
func TestAudioInAnOldCacheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "snapshot.json")
	a := spoken("ann_1", "")
	a.AudioBytes = 0
	old := newStore(t, basic)
	resources, revision, err := old.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old.set(func() { old.down = errors.New("no store") })
	if err := writeCache(file, append(resources, audible{a}), revision, nil); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(file); err != nil || !strings.Contains(string(content), `"audio":"c291bmQ="`) {
		t.Fatalf("%v\n%s", err, content)
	}
	copies := &shelf{}
	m := New(Options{Store: old, Blobs: copies, CacheFile: file})
	defer m.Close()
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	hash := sbc.HashBlob([]byte("sound"))
	if got := copies.told(); got != "keep ann_1 sound; want ann_1="+hash {
		t.Errorf("got %s", got)
	}
	if a := m.Current().Announcement("ann_1"); a == nil || a.AudioSHA256 != hash || a.AudioBytes != 5 {
		t.Errorf("serves %+v", a)
	}
}

// audible is an announcement as it was written when its document held the audio.
type audible struct{ *sbc.Announcement }

func (a audible) MarshalJSON() ([]byte, error) {
	return []byte(`{"audio":"c291bmQ=","id":"` + a.ID + `","tenant_id":"ten_1","name":"a","enabled":true}`), nil
}
