package storage_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/auth/seal"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
	"github.com/sallyport/sallyport/storage/storagetest"
)

// TestNoSecretInTheFiles: whoever has a copy of the database file has no secret; and what an older version wrote is sealed at the first
// start.
func TestNoSecretInTheFiles(t *testing.T) {
	t.Parallel()
	const secret = "carrier-password-4711"
	path := filepath.Join(t.TempDir(), "s.db")
	write := func(o storage.Options) {
		t.Helper()
		s, err := storage.Open(t.Context(), "sqlite://"+path, o)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Update(t.Context(), func(tx sbc.Tx) error {
			for _, r := range storagetest.Secrets(secret) {
				if err := tx.Put(r); err != nil {
					return err
				}
			}
			return tx.Remember(sbc.Reply{Actor: "a", Key: "k", Body: []byte("key " + secret)})
		})
		if err != nil && o.Sealer == nil {
			t.Fatal(err)
		}
		if r, err := s.Recall(t.Context(), "a", "k"); err != nil || r == nil || string(r.Body) != "key "+secret {
			t.Errorf("%+v %v", r, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	write(storage.Options{Sealer: sealed})
	lookFor(t, path, secret, false)
	path = filepath.Join(t.TempDir(), "old.db")
	write(storage.Options{})
	lookFor(t, path, secret, true)
	s, err := storage.Open(t.Context(), "sqlite://"+path, storage.Options{Sealer: sealed})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), sbc.KindCertificate, "", "crt_s")
	if c, ok := r.(*sbc.Certificate); err != nil || !ok || c.PrivateKeyPEM != secret {
		t.Errorf("%+v %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lookFor(t, path, secret, false)
}

// lookFor searches the files of a database for a text.
func lookFor(t *testing.T, path, text string, there bool) {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(raw, []byte(text))
	}
	if found != there {
		t.Errorf("%s: found is %v, want %v", path, found, there)
	}
}
