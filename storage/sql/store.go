// Package sql keeps the configuration and call detail records in SQLite or PostgreSQL.
package sql

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Options of OpenSQLite and OpenPostgres, as in storage.Options.
type Options struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer
	MaxConns   int
	NoMigrate  bool
}

// Store implements storage.Store.
type Store struct{}

var errNotYet = errors.New("not built yet")

// OpenSQLite opens a file, or ":memory:".
func OpenSQLite(ctx context.Context, path string, o Options) (*Store, error) { return nil, errNotYet }

// OpenPostgres connects to a server.
func OpenPostgres(ctx context.Context, url string, o Options) (*Store, error) { return nil, errNotYet }

func (s *Store) Update(ctx context.Context, change func(tx sbc.Tx) error) error { return errNotYet }
func (s *Store) Get(ctx context.Context, kind sbc.Kind, tenantID, id string) (sbc.Resource, error) {
	return nil, errNotYet
}
func (s *Store) ByExternalID(ctx context.Context, kind sbc.Kind, tenantID, externalID string) (sbc.Resource, error) {
	return nil, errNotYet
}
func (s *Store) List(ctx context.Context, q sbc.Query) ([]sbc.Resource, string, error) {
	return nil, "", errNotYet
}
func (s *Store) All(ctx context.Context) ([]sbc.Resource, int64, error) { return nil, 0, errNotYet }
func (s *Store) Revision(ctx context.Context) (int64, error)            { return 0, errNotYet }
func (s *Store) Recall(ctx context.Context, actor, key string) (*sbc.Reply, error) {
	return nil, errNotYet
}
func (s *Store) AuditEvents(ctx context.Context, q sbc.AuditQuery) ([]sbc.AuditEvent, string, error) {
	return nil, "", errNotYet
}
func (s *Store) AppendCDRs(ctx context.Context, records []sbc.CDR) error { return errNotYet }
func (s *Store) CDRs(ctx context.Context, q sbc.CDRQuery) ([]sbc.CDR, error) {
	return nil, errNotYet
}
func (s *Store) CDR(ctx context.Context, tenantID, id string) (*sbc.CDR, error) {
	return nil, errNotYet
}
func (s *Store) Ping(ctx context.Context) error { return errNotYet }
func (s *Store) Version(ctx context.Context) (current, wanted int64, err error) {
	return 0, 0, errNotYet
}
func (s *Store) Migrate(ctx context.Context, version int64) error { return errNotYet }
func (s *Store) Close() error                                     { return errNotYet }
