package storage_test

import (
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/storage/storagetest"
)

func TestSQLiteFile(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB) string { return "sqlite://" + filepath.Join(t.TempDir(), "a b%20c.db") })
}

func TestSQLiteMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(testing.TB) string { return storagetest.Lonely })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	storagetest.Run(t, func(t testing.TB) string { return pgtest.Database(t, server) })
}
