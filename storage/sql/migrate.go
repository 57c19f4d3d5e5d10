package sql

import (
	"context"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sallyport/sallyport/sbc"
)

//go:embed migrations
var migrations embed.FS

// provider prepares goose. Its own table is goose_db_version. Nodes that start at the same time on one PostgreSQL migrate one
// after the other.
func (s *Store) provider() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+s.dialect.name)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{
		goose.WithLogger(goose.NopLogger()),
		goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(s.moveAudio()),
	}
	gooseDialect := goose.DialectSQLite3
	if s.dialect.name == "postgres" {
		gooseDialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(gooseDialect, s.pools[0], dir, options...)
}

// Version tells which schema version the database has, and which one this program wants.
func (s *Store) Version(ctx context.Context) (current, wanted int64, err error) {
	p, err := s.provider()
	if err != nil {
		return 0, 0, translate(err)
	}
	current, wanted, err = p.GetVersions(ctx)
	return current, wanted, translate(err)
}

// Migrate brings the schema to a version, up or down.
func (s *Store) Migrate(ctx context.Context, version int64) error {
	p, err := s.provider()
	if err != nil {
		return translate(err)
	}
	current, wanted, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return translate(err)
	case version < 0 || version > wanted:
		return sbc.Errorf(sbc.CodeInvalid, "there is no schema version %d: they go from 0 to %d", version, wanted)
	case version < current:
		_, err = p.DownTo(ctx, version)
	default:
		_, err = p.UpTo(ctx, version)
	}
	s.cache.clear()
	return translate(err)
}

// migrateUp brings the schema to what this program wants. A newer schema is left alone: migrations are made so that the program
// before them still works (nodes are upgraded one by one).
func (s *Store) migrateUp(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return translate(err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return translate(err)
	}
	for _, m := range done {
		s.log.Info("database migrated", "version", m.Source.Version, "duration", m.Duration)
	}
	return nil
}
