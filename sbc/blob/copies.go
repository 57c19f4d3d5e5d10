package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// maxOpen bounds the files that are held open; others are opened when they are read, in the place of one of these.
	maxOpen = 256
	// maxSpare bounds the copies that nothing names any more, in octets.
	maxSpare = 64 << 20
)

// Source gives blobs by owner and name; sbc.Blobs is one.
type Source interface {
	Blob(ctx context.Context, ownerID, name string) (sbc.Blob, []byte, error)
}

// Options are what New needs. Dir and Source must be set.
type Options struct {
	// Dir is the folder of the copies; it is made if there is none.
	Dir    string
	Source Source
	// Log may be nil.
	Log *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Copies are the copies of this node. They are safe for concurrent use.
type Copies struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	// turn is held by whoever changes the folder: one at a time.
	turn chan struct{}
	// wake tells Run that something is missing.
	wake chan struct{}

	mu sync.RWMutex
	// files are what is in the folder, by hash; held counts those that are open.
	files map[string]*file
	held  int
	// wanted is what the configuration names, by hash; spare lists what is there besides, the oldest first.
	wanted map[string]sbc.Blob
	spare  []string
}

// file is one copy.
type file struct {
	size int64
	// f is nil if the file is not held open. It is never closed by us: whoever reads may do so longer than we know of it, and
	// os.File closes itself when nobody can any more.
	f *os.File
}

// New finds the copies that are in the folder already.
func New(o Options) (*Copies, error) {
	c := &Copies{
		o: o, log: o.Log, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		files: map[string]*file{}, wanted: map[string]sbc.Blob{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	for _, e := range entries {
		if err := c.found(e); err != nil {
			return nil, fmt.Errorf("blob: %w", err)
		}
	}
	c.metrics = newMetrics(o.Registerer, c)
	return c, nil
}

// found takes a file of the folder in; one that was not finished is deleted.
func (c *Copies) found(e os.DirEntry) error {
	if filepath.Ext(e.Name()) == unfinished {
		return os.Remove(c.path(e.Name()))
	}
	if !isHash(e.Name()) || !e.Type().IsRegular() {
		return nil // not ours
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	return c.add(e.Name(), info.Size())
}

// isHash tells whether a name is that of a copy.
func isHash(name string) bool {
	for i := range len(name) {
		if !('0' <= name[i] && name[i] <= '9' || 'a' <= name[i] && name[i] <= 'f') {
			return false
		}
	}
	return len(name) == 64
}

func (c *Copies) path(name string) string { return filepath.Join(c.o.Dir, name) }

// Open gives the content of a blob to be read, by its hash; false if there is no copy of it. It waits for no network and no
// content. What it gives may be read as long as it is kept, also when the copy is deleted meanwhile.
func (c *Copies) Open(b sbc.Blob) (io.ReaderAt, bool) {
	c.mu.RLock()
	have := c.files[b.SHA256]
	there := have != nil && have.size == b.Size
	if there && have.f != nil {
		defer c.mu.RUnlock()
		return have.f, true
	}
	c.mu.RUnlock()
	if !there {
		return nil, false
	}
	f, err := os.Open(c.path(b.SHA256))
	if err != nil {
		c.log.Warn("a copy of a blob cannot be opened", "owner_id", b.OwnerID, "name", b.Name, "error", err)
		return nil, false
	}
	c.hold(b.SHA256, have, f)
	return f, true
}

// hold holds a file open that was opened to be read, so that all who read it share it. If they are too many, another one is let
// go.
func (c *Copies) hold(hash string, have *file, f *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[hash] != have { // it was deleted or made anew meanwhile
		return
	}
	if have.f == nil {
		c.held++
	}
	have.f = f
	for _, other := range c.files {
		if c.held <= maxOpen {
			return
		}
		if other != have && other.f != nil {
			other.f = nil
			c.held--
		}
	}
}

// has tells whether there is a copy.
func (c *Copies) has(b sbc.Blob) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	have := c.files[b.SHA256]
	return have != nil && have.size == b.Size // a torn one has another size
}

// Want says what the configuration names from now on. What is missing is fetched by Run.
func (c *Copies) Want(named []sbc.Blob) {
	wanted := make(map[string]sbc.Blob, len(named))
	for _, b := range named {
		wanted[b.SHA256] = b
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for hash := range c.wanted {
		if _, still := wanted[hash]; !still && c.files[hash] != nil {
			c.spare = append(c.spare, hash)
		}
	}
	c.wanted = wanted
	kept := c.spare[:0]
	for _, hash := range c.spare {
		if _, again := wanted[hash]; !again {
			kept = append(kept, hash)
		}
	}
	c.spare = kept
	select { // it looks for what is missing and for what is too much
	case c.wake <- struct{}{}:
	default:
	}
}

// missing lists what is wanted and not there.
func (c *Copies) missing() (list []sbc.Blob) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for hash, b := range c.wanted {
		if have := c.files[hash]; have == nil || have.size != b.Size {
			list = append(list, b)
		}
	}
	return list
}

// add takes a copy into the table.
func (c *Copies) add(hash string, size int64) error {
	c.mu.RLock()
	hold := c.held < maxOpen
	c.mu.RUnlock()
	have := &file{size: size}
	if hold {
		f, err := os.Open(c.path(hash))
		if err != nil {
			return err
		}
		have.f = f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.files[hash]
	c.files[hash] = have
	if have.f != nil {
		c.held++
	}
	if old != nil && old.f != nil {
		c.held--
	}
	if _, wanted := c.wanted[hash]; !wanted && old == nil {
		c.spare = append(c.spare, hash)
	}
	return nil
}

// surplus takes the oldest spare copies out of the table that are too much, and gives their names.
func (c *Copies) surplus() (gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := int64(0)
	for _, hash := range c.spare {
		total += c.files[hash].size
	}
	for total > maxSpare {
		hash := c.spare[0]
		have := c.files[hash]
		total -= have.size
		if have.f != nil {
			c.held--
		}
		delete(c.files, hash)
		c.spare = c.spare[1:]
		gone = append(gone, hash)
	}
	return gone
}

// renew makes a spare copy the newest of them: it is about to be wanted.
func (c *Copies) renew(hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.Index(c.spare, hash); at >= 0 {
		c.spare = append(slices.Delete(c.spare, at, at+1), hash)
	}
}

// acquire waits for the turn.
func (c *Copies) acquire() { c.turn <- struct{}{} }

func (c *Copies) release() { <-c.turn }

// Keep makes a copy of a blob's content, which must be what its hash says. When it returns, the copy is safe on disk.
func (c *Copies) Keep(b sbc.Blob, content []byte) error {
	if !isHash(b.SHA256) {
		return fmt.Errorf("blob: %q is no hash", b.SHA256)
	}
	if c.has(b) {
		c.renew(b.SHA256)
		return nil
	}
	c.acquire()
	defer c.release()
	err := write(c.path(b.SHA256), content)
	if err == nil {
		err = c.add(b.SHA256, int64(len(content)))
	}
	if err != nil {
		c.metrics.failures.WithLabelValues("disk").Inc()
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// unfinished ends the names of files that are being written.
const unfinished = ".tmp"

// write makes a file in one step, readable by us alone.
func write(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "*"+unfinished)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
