package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func ask(t *testing.T, url, query string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var answer string
	if err := conn.QueryRow(ctx, query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestDatabases: each test has a database of its own, also after the server was killed and started again.
func TestDatabases(t *testing.T) {
	server := Own(t)
	a, b := Database(t, server.URL), Database(t, server.URL)
	if x, y := ask(t, a, "SELECT current_database()"), ask(t, b, "SELECT current_database()"); x == y {
		t.Fatalf("two databases have one name: %s", x)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ask(t, a, "SELECT version()")
}

// TestEnvironment: a server named in the environment is used as it is.
func TestEnvironment(t *testing.T) {
	t.Setenv(EnvURL, "postgres://somewhere/else")
	if got := Start(t); got != "postgres://somewhere/else" {
		t.Fatalf("got %s", got)
	}
}
