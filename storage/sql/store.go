package sql

import (
	"context"
	stdsql "database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/sallyport/sallyport/sbc"
)

// How long one operation may take before it fails with CodeUnavailable, unless the caller's context ends sooner. An update is
// given more, because its caller binds sockets within it.
const (
	readTimeout   = 5 * time.Second
	recordTimeout = 15 * time.Second
	updateTimeout = 30 * time.Second
	blobTimeout   = 15 * time.Second
	sealTimeout   = 10 * time.Minute
)

// lockTimeout bounds the wait for another writer, in milliseconds.
const lockTimeout = 10_000

const defaultMaxConns = 8

// Options of OpenSQLite and OpenPostgres, as in storage.Options.
type Options struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer
	MaxConns   int
	NoMigrate  bool
	// Sealer encrypts secrets; nil writes them as they are, for tests.
	Sealer Sealer
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	return o
}

// dialect is what differs between the databases beyond what gorm hides.
type dialect struct {
	// name is goose's and that of the folder of migrations.
	name string
	// snapshot are the options of a transaction whose reads all see one state.
	snapshot *stdsql.TxOptions
	// placeholder stands in a statement for its n-th value.
	placeholder func(n int) string
	// local says that a short statement needs no deadline: no network is between, and its transaction holds the lock already.
	local bool
	// lock is appended to the statement that reads a counter in order to raise it.
	lock string
	// arrays says that a value of a statement may be an array.
	arrays bool
	// many prepares a transaction for statements on many rows; nil where that needs nothing.
	many func(db *gorm.DB) error
}

// Store implements storage.Store. All methods may be called from any goroutine; Update must not be called within Update.
type Store struct {
	dialect dialect
	// read and write are the same on PostgreSQL; on SQLite write has one connection and read cannot write.
	read, write *gorm.DB
	pools       []*stdsql.DB
	// insertCDRs are the statements that insert so many records.
	insertCDRs map[int]string
	cleanup    func() error
	log        *slog.Logger
	metrics    *metrics
	cache      cache
	codec      codec
}

// open finishes a Store: ping, migrations. On an error everything is closed again.
func open(ctx context.Context, s *Store, o Options) (*Store, error) {
	s.log = o.Log
	s.codec = codec{o.Sealer}
	s.cache.codec = s.codec
	s.insertCDRs = insertCDRs(s.dialect.placeholder)
	var err error
	if s.metrics, err = newMetrics(o.Registerer); err == nil {
		err = s.Ping(ctx)
	}
	if err == nil && !o.NoMigrate {
		err = s.migrateUp(ctx)
	}
	if err == nil {
		err = s.seal(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openGorm puts gorm over a pool of connections.
func openGorm(d gorm.Dialector, prepare bool) (*gorm.DB, error) {
	return gorm.Open(d, &gorm.Config{
		// Every write stands in a transaction of ours already.
		SkipDefaultTransaction: true,
		// Statements and their values hold numbers of people: they never reach a log.
		Logger:               logger.Discard,
		DisableAutomaticPing: true,
		PrepareStmt:          prepare,
		PrepareStmtMaxSize:   preparedStatements,
	})
}

// preparedStatements bounds those kept on each connection.
const preparedStatements = 128

// run carries out one operation: in bounded time, measured, with its error translated.
func (s *Store) run(ctx context.Context, op string, limit time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	err := translate(f(ctx))
	s.metrics.observe(op, time.Since(start), err)
	return err
}

// Ping asks the database whether it is there: nil, or CodeUnavailable.
func (s *Store) Ping(ctx context.Context) error {
	return s.run(ctx, "ping", readTimeout, func(ctx context.Context) error {
		for _, p := range s.pools {
			if err := p.PingContext(ctx); err != nil {
				return unavailable(err)
			}
		}
		return nil
	})
}

// Close ends all connections.
func (s *Store) Close() error {
	var errs []error
	for _, p := range s.pools {
		errs = append(errs, p.Close())
	}
	if s.cleanup != nil {
		errs = append(errs, s.cleanup())
	}
	if s.metrics != nil {
		s.metrics.unregister()
	}
	return errors.Join(errs...)
}

// Revision is that of the last write.
func (s *Store) Revision(ctx context.Context) (revision int64, err error) {
	err = s.run(ctx, "revision", readTimeout, func(ctx context.Context) error {
		revision, err = counterValue(s.read.WithContext(ctx), counterRevision, "")
		return err
	})
	return revision, err
}

// The counters.
const (
	counterRevision   = "revision"
	counterConfigured = "configured" // the revision of the last write of what is not of a listed kind
	counterNoted      = "noted"      // the last revision whose writer raised that counter: nodes of an older version do not
	counterCDR        = "cdr"
)

// counterValue reads a counter; lock is the dialect's clause where it is about to be raised.
func counterValue(db *gorm.DB, name, lock string) (int64, error) {
	var values []int64
	err := db.Raw("SELECT value FROM counters WHERE name = ?"+lock, name).Scan(&values).Error
	if err == nil && len(values) != 1 {
		err = sbc.Errorf(sbc.CodeInternal, "the database has no counter %q: has it been migrated?", name)
	}
	if err != nil {
		return 0, err
	}
	return values[0], nil
}

// raiseCounter adds to a counter and gives its new value. The counter is locked until the transaction ends, also if nothing is added.
func raiseCounter(db *gorm.DB, name string, by int) (int64, error) {
	var values []int64
	err := db.Raw("UPDATE counters SET value = value + ? WHERE name = ? RETURNING value", by, name).Scan(&values).Error
	if err == nil && len(values) != 1 {
		err = sbc.Errorf(sbc.CodeInternal, "the database has no counter %q: has it been migrated?", name)
	}
	if err != nil {
		return 0, err
	}
	return values[0], nil
}

func setCounter(db *gorm.DB, name string, value int64) error {
	return db.Exec("UPDATE counters SET value = ? WHERE name = ?", value, name).Error
}
