package sql

import (
	"context"
	stdsql "database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport/sallyport/sbc"
)

// translate gives an error of the database a code that callers know. Errors that have one already stay as they are.
func translate(err error) error {
	var known *sbc.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	code, message := classify(err)
	return &sbc.Error{Code: code, Message: message, Cause: err}
}

// classify sorts foreign errors. In doubt an error is internal, which tells the accounting journal to keep its records.
func classify(err error) (sbc.Code, string) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return classifyPostgres(pg.Code)
	}
	var coded interface{ Code() int } // *sqlite.Error of the driver, which gorm's dialect does not export
	if errors.As(err, &coded) {
		return classifySQLite(coded.Code())
	}
	var network net.Error
	var connect *pgconn.ConnectError
	for _, gone := range []error{
		context.DeadlineExceeded, context.Canceled, driver.ErrBadConn, stdsql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, gone) {
			return sbc.CodeUnavailable, "the database did not answer"
		}
	}
	if errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) {
		return sbc.CodeUnavailable, "the database cannot be reached"
	}
	return sbc.CodeInternal, "the database refused an operation"
}

// classifyPostgres reads an SQLSTATE (appendix A of the PostgreSQL manual).
func classifyPostgres(state string) (sbc.Code, string) {
	if len(state) != 5 {
		return sbc.CodeInternal, "the database refused an operation"
	}
	if state == "25P02" { // a statement after one that failed in the same transaction: ours to avoid
		return sbc.CodeInternal, "the database refused an operation"
	}
	switch state[:2] {
	case "22", "54": // data exception; program limit exceeded
		return sbc.CodeInvalid, "the database cannot hold a value"
	case "23": // integrity constraint violation
		return sbc.CodeConflict, "the input collides with what exists"
	case "08", "25", "28", "40", "53", "55", "57", "58": // connection, read-only, login, rollback, resources, locks, operator, I/O
		return sbc.CodeUnavailable, "the database cannot do this now"
	case "3D": // no such database
		return sbc.CodeUnavailable, "the database does not exist"
	}
	return sbc.CodeInternal, "the database refused an operation"
}

// classifySQLite reads a result code (sqlite.org/rescode.html); its low byte is the primary one.
func classifySQLite(code int) (sbc.Code, string) {
	switch code & 0xff {
	case 18, 20, 25: // TOOBIG, MISMATCH, RANGE
		return sbc.CodeInvalid, "the database cannot hold a value"
	case 19: // CONSTRAINT
		return sbc.CodeConflict, "the input collides with what exists"
	// PERM BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT FULL CANTOPEN PROTOCOL NOTADB
	case 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26:
		return sbc.CodeUnavailable, "the database cannot do this now"
	}
	return sbc.CodeInternal, "the database refused an operation"
}
