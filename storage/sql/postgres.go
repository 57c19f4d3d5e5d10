package sql

import (
	"context"
	stdsql "database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"

	"github.com/sallyport/sallyport/sbc"
)

const (
	postgresConnectTimeout = 2 * time.Second
	postgresIdle           = 5 * time.Minute
)

// OpenPostgres connects to a server by a URL of libpq's form.
func OpenPostgres(ctx context.Context, url string, o Options) (*Store, error) {
	o = o.withDefaults()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx leaves the password out of its error.
		return nil, &sbc.Error{Code: sbc.CodeInvalid, Message: "the database URL cannot be read", Cause: err}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresConnectTimeout
	}
	set := func(name, value string) {
		if _, ok := config.RuntimeParams[name]; !ok {
			config.RuntimeParams[name] = value
		}
	}
	set("application_name", "sallyport")
	set("lock_timeout", strconv.Itoa(lockTimeout))
	// A record that the store took is forgotten by the journal: the server must have it in its log, whatever its own setting is.
	set("synchronous_commit", "on")
	// A node that died without closing its connection must not hold the writers' lock.
	set("idle_in_transaction_session_timeout", strconv.FormatInt(2*updateTimeout.Milliseconds(), 10))

	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns)
	pool.SetConnMaxIdleTime(postgresIdle)
	s := &Store{
		dialect: dialect{
			name:        "postgres",
			snapshot:    &stdsql.TxOptions{Isolation: stdsql.LevelRepeatableRead, ReadOnly: true},
			lock:        " FOR UPDATE",
			arrays:      true,
			many:        preparePostgres,
			placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
		},
		pools: []*stdsql.DB{pool},
	}
	// pgx prepares statements itself.
	db, err := openGorm(postgres.New(postgres.Config{Conn: pool}), false)
	if err != nil {
		return nil, errors.Join(unavailable(err), s.Close())
	}
	s.read, s.write = db, db
	return open(ctx, s, o)
}
