package live

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sallyport/sallyport/sbc"
)

// The errors of Write.
var (
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("live: the journal is closed")
	// ErrFull says that a record is too large, or that all together are.
	ErrFull = errors.New("live: no room for a record")
)

const (
	private = 0o600
	// maxRecord bounds one record, in bytes.
	maxRecord = 256 << 10
	// defaultMax bounds all records that are alive, in bytes.
	defaultMax = 512 << 20
	// leastSize is how large the file may grow whatever is alive in it, in bytes.
	leastSize = 1 << 20
	fileName  = "calls.log"
	sumLen    = 8
)

// castagnoli is the polynomial that processors have an instruction for. The table is made once and only read.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options of Open. Dir is needed.
type Options struct {
	// Dir holds the file; it is made if it does not exist.
	Dir string
	// Name is the file's; "" is calls.log.
	Name string
	// MaxBytes bounds the records that are alive; 0 is 512 MiB.
	MaxBytes int64
	Log      *slog.Logger
}

// place is where an id's newest line is, in one word, for there may be millions: its length in the lowest bits, its offset above. 0 is
// nowhere.
type place uint64

// lengthBits hold the length of any line: a record of maxRecord with its id and checksum.
const lengthBits = 20

func placeAt(offset, length int64) place { return place(offset<<lengthBits | length) }

func (p place) offset() int64 { return int64(p >> lengthBits) }

func (p place) length() int64 { return int64(p & (1<<lengthBits - 1)) }

// Journal keeps records by id. It is safe for concurrent use.
type Journal struct {
	dir  string
	name string
	max  int64
	log  *slog.Logger
	lock *os.File
	// syncing is held over a Sync: only there, and when nobody syncs any more, files are closed.
	syncing sync.Mutex

	mu      sync.Mutex
	f       *os.File // nil once closed
	size    int64
	alive   int64 // bytes of the newest lines
	at      map[string]place
	dirty   bool
	retired []*os.File // replaced by a newer one
	buf     []byte
}

// Open takes the folder and gives the records that are there, in the order in which they were written.
func Open(o Options) (*Journal, []sbc.LiveChange, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMax
	}
	j := &Journal{dir: o.Dir, name: cmp.Or(o.Name, fileName), max: o.MaxBytes, log: o.Log, at: map[string]place{}}
	records, err := j.open()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("live: open the journal: %w", err), j.close())
	}
	return j, records, nil
}

func (j *Journal) open() (records []sbc.LiveChange, err error) {
	if err = os.MkdirAll(j.dir, 0o700); err != nil {
		return nil, err
	}
	if j.lock, err = takeLock(j.dir); err != nil {
		return nil, err
	}
	if j.f, err = os.OpenFile(j.path(), os.O_RDWR|os.O_CREATE, private); err != nil {
		return nil, err
	}
	if err = j.f.Chmod(private); err != nil {
		return nil, err
	}
	found, err := j.scan()
	if err != nil {
		return nil, err
	}
	for id, b := range found {
		records = append(records, sbc.LiveChange{ID: id, Record: b})
	}
	slices.SortFunc(records, func(x, y sbc.LiveChange) int { return int(j.at[x.ID].offset() - j.at[y.ID].offset()) })
	return records, nil
}

func (j *Journal) path() string { return filepath.Join(j.dir, j.name) }

// scan reads the file. What follows the last whole line is overwritten by what is written next.
func (j *Journal) scan() (map[string][]byte, error) {
	found, broken := map[string][]byte{}, 0
	r := bufio.NewReaderSize(j.f, 256<<10)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if len(line) > 0 || broken > 0 {
				j.log.Warn("a journal holds broken lines", "file", j.path(), "lines", broken, "cut_short", len(line))
			}
			return found, errors.Join(err, j.f.Truncate(j.size))
		}
		at := placeAt(j.size, int64(len(line)))
		j.size += int64(len(line))
		id, record, ok := parse(line)
		if !ok || len(line) >= 1<<lengthBits { // none of ours is so long
			broken++
			continue
		}
		j.note(id, at, record != nil)
		if delete(found, id); record != nil {
			found[id] = record
		}
	}
}

// note enters a line into the books.
func (j *Journal) note(id string, at place, alive bool) {
	j.alive -= j.at[id].length()
	if !alive {
		delete(j.at, id)
		return
	}
	j.at[id] = at
	j.alive += at.length()
}

// parse reads a line: "checksum id record\n".
func parse(line []byte) (id string, record []byte, ok bool) {
	if len(line) < sumLen+2 {
		return "", nil, false
	}
	body := line[sumLen+1 : len(line)-1]
	if string(line[:sumLen]) != fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli)) {
		return "", nil, false
	}
	name, rest, ok := bytes.Cut(body, []byte(" "))
	if !ok || len(name) == 0 {
		return "", nil, false
	}
	if string(rest) == "-" {
		return string(name), nil, true
	}
	return string(name), rest, true
}

// put appends a line to the buffer.
func (j *Journal) put(id string, record []byte) place {
	begin := len(j.buf)
	j.buf = append(append(append(j.buf, "00000000 "...), id...), ' ')
	if record == nil {
		j.buf = append(j.buf, '-')
	} else {
		j.buf = append(j.buf, record...)
	}
	body := j.buf[begin+sumLen+1:]
	var sum [sumLen / 2]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(body, castagnoli))
	hex.Encode(j.buf[begin:], sum[:])
	j.buf = append(j.buf, '\n')
	return placeAt(j.size+int64(begin), int64(len(j.buf)-begin))
}

// Write keeps changes, all of them or none: they are with the operating system when it returns. ErrFull says that some were refused
// and the others were kept. After any other error nothing was, and the same changes may be written again.
func (j *Journal) Write(changes []sbc.LiveChange) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f == nil {
		return ErrClosed
	}
	var full error
	j.buf = j.buf[:0]
	places, alive := make([]place, len(changes)), j.alive
	for i, c := range changes {
		record := c.Record
		if record != nil && (len(record) > maxRecord || alive+int64(len(record)) > j.max || bytes.IndexByte(record, '\n') >= 0) {
			record, full = nil, ErrFull
		}
		if at := j.put(c.ID, record); record != nil {
			places[i] = at
			alive += at.length()
		}
	}
	if _, err := j.f.WriteAt(j.buf, j.size); err != nil {
		return errors.Join(err, j.f.Truncate(j.size))
	}
	j.size += int64(len(j.buf))
	j.dirty = true
	for i, c := range changes {
		j.note(c.ID, places[i], places[i] != 0)
	}
	if cap(j.buf) > 4*leastSize {
		j.buf = nil
	}
	if err := j.compact(); err != nil { // the old file goes on
		j.log.Error("a journal cannot be written anew", "file", j.path(), "error", err)
	}
	return full
}

// compact writes the file anew when three quarters of it are of the past.
func (j *Journal) compact() error {
	if j.size <= leastSize || j.size <= 4*j.alive {
		return nil
	}
	next, err := os.OpenFile(j.path()+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, private)
	if err != nil {
		return err
	}
	at, size, err := j.copyTo(next)
	if err == nil {
		err = errors.Join(datasync(next), os.Rename(next.Name(), j.path()))
	}
	if err != nil {
		return errors.Join(err, next.Close())
	}
	j.retired = append(j.retired, j.f)
	j.f, j.at, j.size, j.alive = next, at, size, size
	return syncDir(j.dir)
}

// copyTo copies the newest lines, in their order.
func (j *Journal) copyTo(next *os.File) (at map[string]place, size int64, err error) {
	ids := make([]string, 0, len(j.at))
	for id := range j.at {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y string) int { return int(j.at[x].offset() - j.at[y].offset()) })
	at = make(map[string]place, len(ids))
	w := bufio.NewWriterSize(next, 256<<10)
	for _, id := range ids {
		p := j.at[id]
		if _, err := io.Copy(w, io.NewSectionReader(j.f, p.offset(), p.length())); err != nil {
			return nil, 0, err
		}
		at[id] = placeAt(size, p.length())
		size += p.length()
	}
	return at, size, w.Flush()
}

// Sync forces what was written to the disk. Nobody who writes waits for it.
func (j *Journal) Sync() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	f, dirty, retired := j.f, j.dirty, j.retired
	j.dirty, j.retired = false, nil
	j.mu.Unlock()
	var errs []error
	for _, old := range retired {
		errs = append(errs, old.Close())
	}
	if f != nil && dirty {
		errs = append(errs, datasync(f))
	}
	return errors.Join(errs...)
}

// Len is how many records are alive.
func (j *Journal) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.at)
}

// Close forces what is left to the disk and gives the folder back. Idempotent.
func (j *Journal) Close() error {
	return errors.Join(j.Sync(), j.close())
}

func (j *Journal) close() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, f := range []**os.File{&j.f, &j.lock} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	return errors.Join(errs...)
}

// syncDir makes new names of the folder last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
