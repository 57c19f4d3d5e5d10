package rates

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// retry is after how long a table whose blob was not there is looked for again.
const retry = time.Second

// Pack makes the blob of a table. The same table always makes the same one.
func Pack(t *Table) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		err = t.Write(z)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	if b.Len() > sbc.MaxBlobBytes {
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#", Code: "too_long",
			Detail: fmt.Sprintf("the rates take %d octets, compressed; at most %d are allowed", b.Len(), sbc.MaxBlobBytes)}})
	}
	return b.Bytes(), nil
}

// Unpack makes the table of a blob.
func Unpack(r io.Reader) (*Table, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	t, faults, err := Read(z)
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("%s %s", faults[0].Pointer, faults[0].Detail)
	}
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	return t, nil
}

// Copies are the node's copies of blobs; blob.Copies is one.
type Copies interface {
	Keep(b sbc.Blob, content []byte) error
	Load(ctx context.Context, named []sbc.Blob)
	Want(named []sbc.Blob)
	Open(b sbc.Blob) (io.ReaderAt, bool)
}

// Tables are the tables of the decks of the configuration, by the hash of their blobs. They stand between the configuration and the
// copies of blobs: whoever brings a blob there brings its table here, so that it is at hand when the change is live. They are safe for
// concurrent use.
type Tables struct {
	Copies
	log *slog.Logger
	// wake tells Run that a table is missing.
	wake chan struct{}

	mu     sync.RWMutex
	tables map[string]*Table
	wanted map[string]sbc.Blob
}

// NewTables makes Tables without a table. log may be nil.
func NewTables(copies Copies, log *slog.Logger) *Tables {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Tables{Copies: copies, log: log, wake: make(chan struct{}, 1), tables: map[string]*Table{}, wanted: map[string]sbc.Blob{}}
}

// Table gives the table of a blob by its hash, nil where it is not at hand.
func (t *Tables) Table(sha256 string) *Table {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tables[sha256]
}

func (t *Tables) put(hash string, table *Table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tables[hash] = table
}

// Keep makes a copy of a blob, and the table of it where it is one of rates.
func (t *Tables) Keep(b sbc.Blob, content []byte) error {
	if b.Name == sbc.BlobRates && t.Table(b.SHA256) == nil {
		table, err := Unpack(bytes.NewReader(content))
		if err != nil {
			return err
		}
		t.put(b.SHA256, table)
	}
	return t.Copies.Keep(b, content)
}

// Load fetches what is missing of the blobs named, and makes the tables of those of rates, until ctx ends.
func (t *Tables) Load(ctx context.Context, named []sbc.Blob) {
	t.Copies.Load(ctx, named)
	for _, b := range named {
		if b.Name == sbc.BlobRates && t.Table(b.SHA256) == nil && ctx.Err() == nil {
			t.open(b)
		}
	}
}

// open makes the table of a blob that there is a copy of; false where there is none.
func (t *Tables) open(b sbc.Blob) bool {
	content, ok := t.Open(b)
	if !ok {
		return false
	}
	table, err := Unpack(io.NewSectionReader(content, 0, b.Size))
	if err != nil {
		t.log.Error("the rates of a deck cannot be read", "rate_deck_id", b.OwnerID, "error", err)
		return false
	}
	t.put(b.SHA256, table)
	return true
}

// Want says which blobs the configuration names from now on; tables of others are let go.
func (t *Tables) Want(named []sbc.Blob) {
	t.Copies.Want(named)
	wanted := map[string]sbc.Blob{}
	for _, b := range named {
		if b.Name == sbc.BlobRates {
			wanted[b.SHA256] = b
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = wanted
	for hash := range t.tables {
		if _, still := wanted[hash]; !still {
			delete(t.tables, hash)
		}
	}
	if len(t.tables) < len(wanted) {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// missing lists the blobs whose tables are wanted and not there.
func (t *Tables) missing() (list []sbc.Blob) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for hash, b := range t.wanted {
		if t.tables[hash] == nil {
			list = append(list, b)
		}
	}
	return list
}

// Run makes the tables whose blobs come late, until ctx ends.
func (t *Tables) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		for t.some(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-t.wake:
			case <-time.After(retry):
			}
		}
	}
}

// some makes what tables it can; it tells whether others are missing.
func (t *Tables) some(ctx context.Context) (more bool) {
	for _, b := range t.missing() {
		if ctx.Err() != nil || !t.open(b) {
			more = true
		}
	}
	return more
}
