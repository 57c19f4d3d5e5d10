// Package account keeps call detail records safe between the end of a call and the store.
package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Sink is where the records go: the store.
type Sink interface {
	// AppendCDRs stores records in the given order; writing a record twice is writing it once.
	AppendCDRs(ctx context.Context, records []sbc.CDR) error
}

// Options of Open.
type Options struct {
	// Dir holds the journal's files; it is made if it does not exist. One journal at a time may have it.
	Dir string
	// Node is written into records that are made after a crash and name none.
	Node string
	// Heartbeat is how often the sign of life is written that dates the end of calls after a crash; 0 is 1 s.
	Heartbeat time.Duration
	// Sync is how often what was written is forced to the disk; 0 is 200 ms.
	Sync       time.Duration
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Journal is a crash-safe queue of records on the local disk. All methods may be called from any goroutine.
type Journal struct{}

var errNotYet = errors.New("not built yet")

// Open takes the directory and reads what an earlier process left there.
func Open(o Options) (*Journal, error) { return nil, errNotYet }

// Answered keeps the record of a call so far.
func (j *Journal) Answered(c *sbc.CDR) error { return errNotYet }

// End keeps the final record of a call.
func (j *Journal) End(c *sbc.CDR) error { return errNotYet }

// Run brings records to the sink, in order, until ctx ends.
func (j *Journal) Run(ctx context.Context, sink Sink) {}

// Backlog tells how many records wait for the sink, and since when the oldest does.
func (j *Journal) Backlog() (records int, oldest time.Time) { return 0, time.Time{} }

// Close writes what is left and gives the directory back.
func (j *Journal) Close() error { return errNotYet }
