// Package pgtest gives tests a PostgreSQL of their own.
//
// It starts a server from the machine's binaries (Debian's /usr/lib/postgresql/*/bin, or those in PATH) in a temporary folder,
// reached by a Unix socket in that folder, and stops it at the end of the test. PostgreSQL refuses to run as root: then it is
// run as the user postgres. SALLYPORT_TEST_POSTGRES names a running server instead; each test then gets a database of its own on
// it. With neither, the test is skipped.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvURL names the variable with the URL of a server on which tests may create and drop databases.
const EnvURL = "SALLYPORT_TEST_POSTGRES"

const timeout = time.Minute

// Start gives the URL of a server for one test or for a whole test binary's (call it once in the parent test); Database makes
// databases on it.
func Start(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(EnvURL); u != "" {
		return u
	}
	return Own(t).URL
}

// Own gives a server that belongs to the test alone, to be killed and started again. It skips the test where the machine has no
// binaries, even if SALLYPORT_TEST_POSTGRES is set.
func Own(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Skipf("no PostgreSQL: set %s to the URL of a server, or install Debian's postgresql (%v)", EnvURL, err)
	}
	server, err := startServer(bin)
	if err != nil {
		t.Fatalf("PostgreSQL from %s does not start: %v", bin, err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("PostgreSQL does not stop: %v", err)
		}
	})
	return server
}

// Database makes an empty database on a server, gives its URL and drops it when the test is over.
func Database(t testing.TB, server string) string {
	t.Helper()
	name := "test_" + rand.Text()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("the URL of the server: %v", err)
	}
	run := func(statement string) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, fmt.Sprintf(statement, pgx.Identifier{name}.Sanitize()))
		return closing(err, conn.Close(ctx))
	}
	if err := run("CREATE DATABASE %s"); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := run("DROP DATABASE %s WITH (FORCE)"); err != nil {
			t.Logf("drop the database: %v", err) // the server may have been stopped on purpose
		}
	})
	u.Path = "/" + name
	return u.String()
}

// closing keeps the first of two errors.
func closing(err, after error) error {
	if err != nil {
		return err
	}
	return after
}

// binaries finds the newest installed server.
func binaries() (string, error) {
	const pattern = "/usr/lib/postgresql/*/bin/initdb"
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("neither %s nor initdb in PATH", pattern)
}
