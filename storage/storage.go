// Package storage opens the store of the configuration and of call detail records by its URL.
//
//	sqlite:///var/lib/sallyport/sallyport.db   a file (relative: sqlite://data/sallyport.db)
//	sqlite::memory:                            gone with the process, for tests and trials
//	postgres://user:password@host/database     PostgreSQL 13 or newer, with the parameters of libpq
//
// What a store has to do is said by the packages that use it: sbc.Provisioning by config and api, sbc.Records by account and
// api, sbc.Blobs by whoever has binary data, sbc.Jobs by imports. storagetest holds the contract that every backend's test runs. Today there is one
// implementation, storage/sql, for both databases.
package storage

import (
	"context"
	"log/slog"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage/sql"
)

// Store is everything that Sallyport keeps in a database. All methods may be called from any goroutine.
type Store interface {
	sbc.Provisioning
	sbc.Records
	sbc.Directory
	sbc.Secrets
	sbc.SharedState
	sbc.Blobs
	sbc.Voicemails
	sbc.Jobs
	// Ping asks the database whether it is there: nil, or an sbc.Error with CodeUnavailable.
	Ping(ctx context.Context) error
	// Version tells which schema version the database has, and which one this program wants.
	Version(ctx context.Context) (current, wanted int64, err error)
	// Migrate brings the schema to a version, up or down, and keeps the data that both versions can hold.
	Migrate(ctx context.Context, version int64) error
	// Close ends all connections. Transactions under way fail.
	Close() error
}

// Options of Open. The zero value is good.
type Options struct {
	// Log gets what is worth knowing (never statements or their values); nil discards it.
	Log *slog.Logger
	// Registerer gets the metrics; nil registers none.
	Registerer prometheus.Registerer
	// MaxConns bounds the connections for reading; 0 is 8.
	MaxConns int
	// NoMigrate opens the database as it is; otherwise Open brings it to the version this program wants.
	NoMigrate bool
	// Sealer encrypts secrets (auth/seal); nil writes them as they are, for tests.
	Sealer sql.Sealer
}

// Open connects to the database of a URL and, unless told not to, brings its schema up to date. Errors: CodeInvalid for a URL
// that names no known database, CodeUnavailable where it cannot be reached.
func Open(ctx context.Context, target string, o Options) (Store, error) {
	so := sql.Options{Log: o.Log, Registerer: o.Registerer, MaxConns: o.MaxConns, NoMigrate: o.NoMigrate, Sealer: o.Sealer}
	scheme, rest, ok := strings.Cut(target, ":")
	switch {
	case ok && scheme == "sqlite":
		path, err := sqlitePath(rest)
		if err != nil {
			return nil, err
		}
		return opened(sql.OpenSQLite(ctx, path, so))
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return opened(sql.OpenPostgres(ctx, target, so))
	}
	return nil, sbc.Errorf(sbc.CodeInvalid, "the database URL must begin with sqlite:// or postgres://")
}

// opened keeps a nil *sql.Store from becoming a Store that is not nil.
func opened(s *sql.Store, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// sqlitePath reads what follows "sqlite:": "///absolute", "//relative" or ":memory:".
func sqlitePath(rest string) (string, error) {
	path, err := url.PathUnescape(strings.TrimPrefix(rest, "//"))
	if err != nil || path == "" || strings.ContainsAny(path, "?\x00") {
		return "", sbc.Errorf(sbc.CodeInvalid, "the database URL names no file: use sqlite:///path/to/file.db or sqlite::memory:")
	}
	return path, nil
}
