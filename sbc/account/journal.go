package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Sink is where the records go: the store.
type Sink interface {
	// AppendCDRs stores records in the given order; writing a record twice is writing it once. CodeInvalid says that a record can
	// never be stored; after any other error the same records are offered again.
	AppendCDRs(ctx context.Context, records []sbc.CDR) error
}

// DocumentSink is a Sink that also takes each record's JSON, which the journal has anyhow, so as not to spell it again. The
// sequence in it does not matter.
type DocumentSink interface {
	// AppendCDRDocuments is AppendCDRs, with one text for each record.
	AppendCDRDocuments(ctx context.Context, records []sbc.CDR, documents []string) error
}

// The errors of Answered and End.
var (
	// ErrNotDurable says that the disk did not take the record. It is kept in memory and tried again.
	ErrNotDurable = errors.New("account: the record is only in memory")
	// ErrLost says that the disk did not take the record and memory holds too many already.
	ErrLost = errors.New("account: the record is lost")
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("account: the journal is closed")
)

// Options of Open. Dir is needed; the rest has defaults.
type Options struct {
	// Dir holds the journal's files; it is made if it does not exist. One journal at a time may have it.
	Dir string
	// Node is written into records that are made after a crash and name none.
	Node string
	// Spare are the records of calls that may go on in this process. They are left as they are until Settle.
	Spare []string
	// Heartbeat is how often the sign of life is written that dates the end of calls after a crash; 0 is 1 s.
	Heartbeat time.Duration
	// Sync is how often what was written is forced to the disk; 0 is 200 ms.
	Sync time.Duration
	// SegmentBytes is the size at which a new segment is begun; 0 is 8 MiB.
	SegmentBytes int64
	Log          *slog.Logger
	Registerer   prometheus.Registerer

	create createFunc
	keep   time.Duration
	boot   string
	// volatile leaves out the forcing to disk, for tests: it is no matter to processes that are killed.
	volatile bool
}

const (
	defaultHeartbeat = time.Second
	defaultSync      = 200 * time.Millisecond
	defaultSegment   = 8 << 20
	// maxQueue bounds the records waiting for the sink that are kept decoded; more are read back from the disk.
	maxQueue = 2048
	// maxOverflow bounds the lines in memory that the disk did not take.
	maxOverflow = 10_000
	// maxEnded bounds the memory for ids of ended calls, so that ending twice is ending once.
	maxEnded = 8192
	// defaultKeep is how long delivered records stay, for the store may lose with the power what it confirmed a moment ago.
	defaultKeep = time.Minute
)

func (o Options) withDefaults() Options {
	if o.Heartbeat <= 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Sync <= 0 {
		o.Sync = defaultSync
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = defaultSegment
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.create == nil {
		o.create = func(path string) (file, error) { return createFile(path, o.volatile) }
	}
	if o.keep == 0 {
		o.keep = defaultKeep
	}
	if o.boot == "" {
		o.boot = bootID()
	}
	return o
}

// position is a place between two lines.
type position struct {
	segment uint64
	offset  int64
}

// segment is a file of the journal.
type segment struct {
	number uint64
	size   int64
	// live counts the bytes of calls that were answered here and have not ended.
	live int64
	// passed is when everything in it had been delivered.
	passed time.Time
}

// place is where an answered call's line is.
type place struct {
	segment *segment
	offset  int64
	length  int64
}

// item is a line, in memory.
type item struct {
	kind kind
	id   string
	at   time.Time
	// end is the position behind it, if it is on the disk; else line holds its bytes.
	end  position
	line []byte
	// cdr is what the sink gets, nil once it has, and document its JSON.
	cdr      *sbc.CDR
	document string
}

// Journal is a crash-safe queue of records on the local disk. All methods may be called from any goroutine.
type Journal struct {
	o       Options
	metrics *metrics
	lock    *os.File
	beat    *slots
	beating sync.Mutex // held by who writes beat
	wake    chan struct{}
	stop    chan struct{}
	tended  sync.WaitGroup
	running sync.Mutex // held by Run

	mu       sync.Mutex
	closed   bool
	current  file // the newest of segments
	retired  []file
	segments []*segment
	dirty    bool
	open     map[string]place
	ended    ring
	// spared are the records of Options.Spare, true for those that the process before this one ended; nil once they are settled.
	// lastSign is that process's last sign of life.
	spared   map[string]bool
	lastSign time.Time
	// cursor is how far the sink has everything; it is kept in the file marks. Beyond it are, in this order: what is on the disk
	// only (if spilled), queue, and overflow, which is not on the disk.
	cursor   position
	marks    *slots
	spilled  bool
	queue    []item
	overflow []item
	backlog  int
	// oldest is the time of the oldest record that is on the disk only.
	oldest time.Time
}

// Open takes the directory and reads what an earlier process left there: see the package comment. Calls that it left without an
// end have their records when Open returns.
func Open(o Options) (*Journal, error) {
	j := &Journal{
		o: o.withDefaults(), wake: make(chan struct{}, 1), stop: make(chan struct{}), open: map[string]place{},
		ended: newRing(maxEnded),
	}
	if err := j.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("account: open the journal: %w", err), j.closeFiles())
	}
	j.tended.Go(j.tend)
	return j, nil
}

func (j *Journal) start() (err error) {
	if err = os.MkdirAll(j.o.Dir, 0o700); err != nil {
		return err
	}
	if j.lock, err = takeLock(j.o.Dir); err != nil {
		return err
	}
	j.metrics = newMetrics(j)
	if err = j.replay(); err != nil {
		return err
	}
	if err = j.metrics.register(); err != nil {
		return err
	}
	// Only now: until here the old heartbeat dates the calls that the dead process left.
	return j.heartbeat()
}

// Answered keeps the record of a call so far, for the case that the process dies before End. It is with the operating system when
// Answered returns nil.
func (j *Journal) Answered(c *sbc.CDR) error { return j.record(kindAnswered, c) }

// End keeps the final record of a call. It is with the operating system when End returns nil. Ending a call again changes
// nothing. The record must not be changed afterwards.
func (j *Journal) End(c *sbc.CDR) error { return j.record(kindEnd, c) }

func (j *Journal) record(k kind, c *sbc.CDR) error {
	e, _ := encoders.Get().(*encoder)
	defer e.release()
	at := time.Now()
	b := e.encode(k, at, c)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return ErrClosed
	case j.ended.has(c.ID):
		return nil
	}
	if len(j.overflow) == 0 {
		err := j.write(k, c.ID, b)
		if err == nil {
			if k == kindEnd {
				j.enqueue(item{kind: k, id: c.ID, at: at, end: j.tail(), cdr: c}, b)
			}
			return nil
		}
		j.metrics.failed("write")
		j.o.Log.Error("the journal cannot be written; records wait in memory", "error", err)
	}
	return j.keepInMemory(item{kind: k, id: c.ID, at: at, cdr: c}, b)
}

// keepInMemory is for lines that the disk does not take. The oldest are kept: they can still be billed when the rest is known
// to be lost.
func (j *Journal) keepInMemory(it item, b []byte) error {
	if len(j.overflow) >= maxOverflow {
		j.metrics.lost.Inc()
		return ErrLost
	}
	it.line = append([]byte(nil), b...)
	if it.kind == kindEnd {
		it.document = documentOf(b)
		j.ended.add(it.id)
		j.backlog++
		j.signal()
	} else {
		it.cdr = nil
	}
	j.overflow = append(j.overflow, it)
	return ErrNotDurable
}

// enqueue hands a record that is on the disk to Run; b is its line.
func (j *Journal) enqueue(it item, b []byte) {
	j.ended.add(it.id)
	j.backlog++
	switch {
	case j.spilled:
		if j.oldest.IsZero() {
			j.oldest = it.at
		}
	case len(j.queue) < maxQueue:
		it.document = documentOf(b)
		j.queue = append(j.queue, it)
	default: // Run reads everything from the disk again, from the cursor on
		j.spilled, j.oldest = true, j.queue[0].at
		j.queue = nil
	}
	j.signal()
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// write appends a line to the current segment and keeps the books about calls without an end.
func (j *Journal) write(k kind, id string, b []byte) error {
	if j.current == nil || j.last().size >= j.o.SegmentBytes {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	s := j.last()
	if _, err := j.current.WriteAt(b, s.size); err != nil {
		// What was written of the line goes away again; if even that fails, nothing more is written to this segment.
		if undo := j.current.Truncate(s.size); undo != nil {
			j.retire()
			err = errors.Join(err, undo)
		}
		return err
	}
	at := place{segment: s, offset: s.size, length: int64(len(b))}
	s.size += at.length
	j.dirty = true
	if old, ok := j.open[id]; ok {
		old.segment.live -= old.length
		delete(j.open, id)
	}
	if k == kindAnswered {
		s.live += at.length
		j.open[id] = at
	}
	return nil
}

func (j *Journal) last() *segment { return j.segments[len(j.segments)-1] }

// tail is the position behind the last line.
func (j *Journal) tail() position {
	s := j.last()
	return position{s.number, s.size}
}

// retire leaves the current segment to tend, which forces it to the disk and closes it.
func (j *Journal) retire() {
	if j.current != nil {
		j.retired = append(j.retired, j.current)
		j.current = nil
	}
}

// rotate begins a new segment.
func (j *Journal) rotate() error {
	number := uint64(1)
	if len(j.segments) > 0 {
		number = j.last().number + 1
	}
	f, err := j.o.create(filepath.Join(j.o.Dir, segmentName(number)))
	if err != nil {
		return err
	}
	j.retire()
	j.current = f
	j.segments = append(j.segments, &segment{number: number})
	return nil
}

// Backlog tells how many records wait for the sink, and since when the oldest does.
func (j *Journal) Backlog() (records int, oldest time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.spilled && !j.oldest.IsZero():
		return j.backlog, j.oldest
	case len(j.queue) > 0:
		return j.backlog, j.queue[0].at
	}
	for _, it := range j.overflow {
		if it.cdr != nil {
			return j.backlog, it.at
		}
	}
	return j.backlog, time.Time{}
}

// Close writes what is left and gives the directory back. What the sink has not got is there at the next Open. Run should have
// been stopped before.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.tended.Wait()
	j.flushOverflow()
	j.mu.Lock()
	if n := len(j.overflow); n > 0 {
		j.o.Log.Error("the journal is closed with records that the disk never took", "records", n)
		for _, it := range j.overflow {
			if it.cdr != nil {
				j.metrics.lost.Inc()
			}
		}
	}
	j.mu.Unlock()
	err := errors.Join(j.sync(), j.heartbeat())
	return errors.Join(err, j.closeFiles())
}

// closeFiles closes whatever is open.
func (j *Journal) closeFiles() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	j.retire()
	for _, f := range j.retired {
		errs = append(errs, f.Close())
	}
	j.retired = nil
	for _, s := range []*slots{j.beat, j.marks} {
		if s != nil {
			errs = append(errs, s.f.Close())
		}
	}
	if j.metrics != nil {
		j.metrics.unregister()
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	return errors.Join(errs...)
}
