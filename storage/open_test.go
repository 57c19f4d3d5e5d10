package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/account"
	"github.com/sallyport/sallyport/storage"
)

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("this is no database, and long enough to be seen as none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]sbc.Code{
		"":                         sbc.CodeInvalid,
		"mysql://x/y":              sbc.CodeInvalid,
		"sqlite://":                sbc.CodeInvalid,
		"sqlite:///x?mode=rw":      sbc.CodeInvalid,
		"postgres://x:secret@%zz/": sbc.CodeInvalid,
		"sqlite://" + file:         sbc.CodeUnavailable,
		"sqlite://" + file + "/x":  sbc.CodeUnavailable,
		"postgres://x:secret@127.0.0.1:1/none?sslmode=disable": sbc.CodeUnavailable,
	} {
		s, err := storage.Open(t.Context(), url, storage.Options{})
		if s != nil || err == nil || sbc.CodeOf(err) != want {
			t.Errorf("%q: got %v, %v, want %s", url, s, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
}

// TestFileIsPrivate: the database holds who called whom.
func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "folder", "x.db")
	s, err := storage.Open(t.Context(), "sqlite://"+path, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, p := range []string{path, path + "-wal"} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
}

// TestDatabaseDiesInService: PostgreSQL is killed while calls end, and comes back. Writes of the configuration say so at once,
// and every record arrives exactly once, in the feed's order, without a new connection being asked for.
func TestDatabaseDiesInService(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	s, err := storage.Open(t.Context(), pgtest.Database(t, server.URL), storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j, err := account.Open(account.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.Run(ctx, s)
	}()
	defer func() {
		cancel()
		<-done
		if err := errors.Join(j.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}()
	const calls = 300
	ids := map[string]bool{}
	end := func(from, to int) {
		for i := from; i < to; i++ {
			c := typicalCDR()
			c.CallID = fmt.Sprint("call ", i)
			if err := errors.Join(j.Answered(&c), j.End(&c)); err != nil {
				t.Error(err)
			}
			ids[c.ID] = true
		}
	}
	end(0, 100)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	end(100, 200)
	began := time.Now()
	err = s.Update(ctx, func(sbc.Tx) error { return nil })
	if sbc.CodeOf(err) != sbc.CodeUnavailable || err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("a write without a database: %v after %s", err, time.Since(began))
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	end(200, calls)
	checkFeed(t, s, ids, func() bool { n, _ := j.Backlog(); return n == 0 })
}

// checkFeed reads the feed until everything is there.
func checkFeed(t *testing.T, s storage.Store, ids map[string]bool, drained func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !drained() && time.Now().Before(deadline) {
		if _, err := s.CDRs(t.Context(), sbc.CDRQuery{Limit: 1}); err != nil { // also passes the time
			t.Logf("not back yet: %v", err)
		}
	}
	got, err := s.CDRs(t.Context(), sbc.CDRQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range got {
		if !ids[c.ID] || c.Sequence != int64(i+1) || c.Recovered {
			t.Errorf("record %d: %s, sequence %d", i, c.ID, c.Sequence)
		}
		delete(ids, c.ID)
	}
	if len(ids) > 0 {
		t.Errorf("%d records never arrived", len(ids))
	}
}
