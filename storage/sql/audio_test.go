package sql

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestOldAudioMoves: announcements written when their documents held the audio have it among the blobs after the migration, and a
// document that cannot be read does not keep the node from starting.
func TestOldAudioMoves(t *testing.T) {
	s := openFile(t, Options{})
	ctx := t.Context()
	audio := bytes.Repeat([]byte{0, 1, 0xff, 0x80}, 4000)
	a := &sbc.Announcement{Meta: sbc.Meta{ID: "ann_1", TenantID: sbc.DefaultTenantID, Name: "a", Enabled: true}, DurationMS: 1000}
	silent := &sbc.Announcement{Meta: sbc.Meta{ID: "ann_2", TenantID: sbc.DefaultTenantID, Name: "b"}}
	broken := &sbc.Announcement{Meta: sbc.Meta{ID: "ann_3", TenantID: sbc.DefaultTenantID, Name: "c"}}
	if err := s.Update(ctx, func(tx sbc.Tx) error {
		for _, r := range []sbc.Resource{a, silent, broken} {
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(ctx, audioVersion-1); err != nil {
		t.Fatal(err)
	}
	old, err := sbc.PutAudioBack([]byte(s.stored(t, a.ID)), audio)
	if err != nil {
		t.Fatal(err)
	}
	s.rewrite(t, a.ID, string(old))
	s.rewrite(t, broken.ID, strings.TrimSuffix(s.stored(t, broken.ID), "}")+`,"audio":"?"}`)
	for range 2 { // up, and once more after a way back
		if err := s.Migrate(ctx, audioVersion); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(ctx, sbc.KindAnnouncement, "", a.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := r.(*sbc.Announcement)
		about, content, err := s.Blob(ctx, a.ID, sbc.BlobAudio)
		if err != nil || !bytes.Equal(content, audio) || got.AudioSHA256 != about.SHA256 || got.Revision != a.Revision {
			t.Errorf("got %+v, %d octets, %v", about, len(content), err)
		}
		if got.AudioSHA256 != sbc.HashBlob(audio) || got.Audio().Size != about.Size {
			t.Errorf("the announcement names %+v", got.Audio())
		}
		if strings.Contains(s.stored(t, a.ID), `"audio":`) {
			t.Error("the document still holds the audio")
		}
		if _, _, err := s.Blob(ctx, silent.ID, sbc.BlobAudio); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Errorf("an announcement without audio: %v", err)
		}
		if err := s.Migrate(ctx, audioVersion-1); err != nil {
			t.Fatal(err)
		}
		var before struct {
			Audio       []byte `json:"audio"`
			AudioSHA256 string `json:"audio_sha256"`
		}
		if err := json.Unmarshal([]byte(s.stored(t, a.ID)), &before); err != nil || !bytes.Equal(before.Audio, audio) ||
			before.AudioSHA256 != "" {
			t.Errorf("the program before finds %d octets, %v", len(before.Audio), err)
		}
	}
}

// stored is a resource's document as it is kept.
func (s *Store) stored(t *testing.T, id string) (document string) {
	t.Helper()
	if err := s.read.Raw("SELECT document FROM resources WHERE id = ?", id).Scan(&document).Error; err != nil {
		t.Fatal(err)
	}
	return document
}

func (s *Store) rewrite(t *testing.T, id, document string) {
	t.Helper()
	if err := s.write.Exec("UPDATE resources SET document = ? WHERE id = ?", document, id).Error; err != nil {
		t.Fatal(err)
	}
}
