package integration

import (
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/auth/seal"
	"github.com/sallyport/sallyport/storage"
)

// openStore opens the database of a border as the border does: with the key in its data directory.
func openStore(t testing.TB, dir string) storage.Store {
	t.Helper()
	key, err := seal.File(filepath.Join(dir, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(t.Context(), "sqlite://"+filepath.Join(dir, "sallyport.db"), storage.Options{Sealer: box})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
