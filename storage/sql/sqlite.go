package sql

import (
	"context"
	stdsql "database/sql"
	"errors"
	"os"
	"path/filepath"

	"github.com/glebarez/sqlite"

	"github.com/sallyport/sallyport/sbc"
)

// The connections' settings. WAL lets readers go on while one writes; synchronous NORMAL cannot corrupt the file, and what a
// loss of power takes from its end is still in the journal of sbc/account. The log is folded into the file every 16 MB: pages that
// many records touch are then written there once and not four times.
const (
	sqliteCommon = "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=temp_store(memory)"
	sqliteWrite  = sqliteCommon + "&_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(4000)&_txlock=immediate"
	sqliteRead   = sqliteCommon + "&_pragma=query_only(1)"
	syncNormal   = "&_pragma=synchronous(normal)"
	syncOff      = "&_pragma=synchronous(off)"
)

// memory is the path that stands for a database without a file.
const memory = ":memory:"

// OpenSQLite opens a file, making it and its folder if there is none. The path ":memory:" is a database that is gone with the
// Store. (It is a file in a temporary folder, without any forcing to disk: SQLite's own databases in memory cannot be shared by
// connections that read while another writes.)
func OpenSQLite(ctx context.Context, path string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{dialect: dialect{
		name: "sqlite", snapshot: &stdsql.TxOptions{ReadOnly: true}, placeholder: func(int) string { return "?" }, local: true,
	}}
	sync := syncNormal
	if path == memory {
		dir, err := os.MkdirTemp("", "sallyport-sqlite-")
		if err != nil {
			return nil, unavailable(err)
		}
		path, sync = filepath.Join(dir, "memory.db"), syncOff
		s.cleanup = func() error { return os.RemoveAll(dir) }
	} else if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unavailable(err)
	}
	if err := s.connectSQLite(path, sync, o.MaxConns); err != nil {
		return nil, errors.Join(unavailable(err), s.Close())
	}
	return open(ctx, s, o)
}

// connectSQLite opens the two pools, the writing one first, since it makes the file and sets its journal mode.
func (s *Store) connectSQLite(path, sync string, readers int) error {
	if err := private(path); err != nil {
		return err
	}
	write, err := stdsql.Open(sqlite.DriverName, path+sqliteWrite+sync)
	if err != nil {
		return err
	}
	write.SetMaxOpenConns(1)
	s.pools = append(s.pools, write)
	if s.write, err = openGorm(&sqlite.Dialector{Conn: write}, true); err != nil {
		return err
	}
	read, err := stdsql.Open(sqlite.DriverName, path+sqliteRead)
	if err != nil {
		return err
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	s.pools = append(s.pools, read)
	s.read, err = openGorm(&sqlite.Dialector{Conn: read}, true)
	return err
}

// private makes the file for us alone before SQLite would make it for everyone: it holds who called whom.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// unavailable wraps an error of connecting.
func unavailable(err error) error {
	return &sbc.Error{Code: sbc.CodeUnavailable, Message: "the database cannot be reached", Cause: err}
}
