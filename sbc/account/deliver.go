package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// batchSize is how many records the sink gets at once.
	batchSize = 200
	// linger is the least time from one batch to the next, unless a full one waits: a transaction costs the store more than a
	// record does. A record that comes alone goes at once.
	linger = 200 * time.Millisecond
	// The pauses between tries of a sink that fails.
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	// farewell bounds the last try when Run is stopped.
	farewell = 2 * time.Second
)

// batch is what the sink gets at once.
type batch struct {
	records []sbc.CDR
	// documents are their JSON.
	documents []string
	// end is the cursor after it, if it came from the disk or the queue.
	end position
	// queued and overflowed count the items it was taken from.
	queued, overflowed int
}

// Run brings records to the sink, in order, until ctx ends; what is left then has one more try of 2 s and stays in the journal. A
// sink that fails is tried again for ever, with pauses up to 5 s. One Run at a time: a second one waits.
func (j *Journal) Run(ctx context.Context, sink Sink) {
	j.running.Lock()
	defer j.running.Unlock()
	var before time.Time
	for j.waitForWork(ctx, before) {
		before = time.Now()
		if !j.drain(ctx, sink) {
			break
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	for {
		b, err := j.next()
		if err != nil || len(b.records) == 0 || offer(last, sink, b.records, b.documents) != nil {
			return
		}
		j.delivered(b)
	}
}

// waitForWork waits for a first record, and for more if the batch before was begun a moment ago; false when ctx ended.
func (j *Journal) waitForWork(ctx context.Context, before time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-j.wake:
	}
	left := linger - time.Since(before)
	if n, _ := j.Backlog(); n < batchSize && left > 0 {
		return pause(ctx, left)
	}
	return true
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// drain delivers until nothing is left; false when ctx ended before.
func (j *Journal) drain(ctx context.Context, sink Sink) bool {
	for tries := 0; ; {
		b, err := j.next()
		if err == nil && len(b.records) == 0 {
			return true
		}
		if err == nil {
			err = j.deliver(ctx, sink, b)
		}
		if err == nil {
			if tries > 0 {
				j.o.Log.Info("records reach the store again", "tries", tries)
			}
			tries = 0
			continue
		}
		if tries++; tries == 1 { // once for each outage
			j.o.Log.Error("records cannot be delivered; they wait in the journal", "error", err)
		}
		if !pause(ctx, backoff(tries)) {
			return false
		}
	}
}

// backoff doubles, up to a bound, and is a little different for each node.
func backoff(tries int) time.Duration {
	d := maxPause
	if tries < 8 {
		d = min(minPause<<(tries-1), maxPause)
	}
	return d/2 + rand.N(d/2)
}

// deliver offers a batch; where a record of it can never be stored, the batch is halved until that one is alone.
func (j *Journal) deliver(ctx context.Context, sink Sink, b batch) error {
	if err := j.offerOrSplit(ctx, sink, b.records, b.documents); err != nil {
		j.metrics.records.WithLabelValues("failed").Add(float64(len(b.records)))
		return err
	}
	j.delivered(b)
	return nil
}

func (j *Journal) offerOrSplit(ctx context.Context, sink Sink, records []sbc.CDR, documents []string) error {
	err := offer(ctx, sink, records, documents)
	if err == nil {
		j.metrics.records.WithLabelValues("delivered").Add(float64(len(records)))
		return nil
	}
	var e *sbc.Error
	if !errors.As(err, &e) || e.Code != sbc.CodeInvalid {
		return err
	}
	if half := len(records) / 2; half > 0 {
		if err := j.offerOrSplit(ctx, sink, records[:half], documents[:half]); err != nil {
			return err
		}
		return j.offerOrSplit(ctx, sink, records[half:], documents[half:])
	}
	if err := reject(j.o.Dir, []byte(documents[0]+"\n")); err != nil {
		return err
	}
	j.metrics.records.WithLabelValues("rejected").Inc()
	j.o.Log.Error("the store can never hold a record; it is in rejected.ndjson", "cdr", records[0].ID, "error", err)
	return nil
}

// offer calls the sink and turns a panic of it into an error.
func offer(ctx context.Context, sink Sink, records []sbc.CDR, documents []string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a panic in the sink: %v", p)
		}
	}()
	if both, ok := sink.(DocumentSink); ok {
		return both.AppendCDRDocuments(ctx, records, documents)
	}
	return sink.AppendCDRs(ctx, records)
}

// next finds the oldest records that the sink has not got: none, if it has all. They stay where they are until delivered.
func (j *Journal) next() (batch, error) {
	for {
		j.mu.Lock()
		if !j.spilled {
			b := j.fromMemory()
			j.mu.Unlock()
			return b, nil
		}
		from, to := j.cursor, j.tail()
		segments := append([]*segment(nil), j.segments...)
		j.mu.Unlock()

		b, oldest, err := j.fromDisk(from, to, segments)
		if err != nil {
			return batch{}, err
		}
		j.mu.Lock()
		j.oldest = oldest
		if len(b.records) == 0 && b.end == j.tail() { // nothing came meanwhile: from here on memory has everything
			j.spilled = false
			j.backlog = 0
			for _, it := range j.overflow {
				if it.cdr != nil {
					j.backlog++
				}
			}
		}
		j.mu.Unlock()
		if len(b.records) > 0 {
			return b, nil
		}
		j.moveCursor(b.end)
	}
}

// fromMemory takes a batch from the queue or, when that is empty, of what the disk did not take.
func (j *Journal) fromMemory() (b batch) {
	waiting := j.queue[:min(len(j.queue), batchSize)]
	b.records, b.documents = make([]sbc.CDR, 0, len(waiting)), make([]string, 0, len(waiting))
	for i := range waiting {
		it := &waiting[i]
		b.records, b.documents = append(b.records, *it.cdr), append(b.documents, it.document)
		b.end = it.end
		b.queued++
	}
	if b.queued > 0 {
		return b
	}
	for _, it := range j.overflow {
		if it.cdr != nil && len(b.records) < batchSize {
			b.records, b.documents = append(b.records, *it.cdr), append(b.documents, it.document)
			b.overflowed++
		}
	}
	return b
}

// fromDisk reads a batch between two positions; oldest is the time of its first record.
func (j *Journal) fromDisk(from, to position, segments []*segment) (b batch, oldest time.Time, err error) {
	b.end = from
	for _, s := range segments {
		if s.number < from.segment || s.number > to.segment {
			continue
		}
		if s.number > b.end.segment {
			b.end = position{segment: s.number}
		}
		if b.end.covers(to) {
			break
		}
		if err := j.readSegment(s, to, &b, &oldest); err != nil {
			return b, oldest, err
		}
		if len(b.records) >= batchSize {
			return b, oldest, nil
		}
	}
	b.end = to
	return b, oldest, nil
}

// errEnough ends the reading of a segment.
var errEnough = errors.New("enough")

// readSegment adds the final records of a segment from b.end on, but nothing behind to.
func (j *Journal) readSegment(s *segment, to position, b *batch, oldest *time.Time) error {
	f, err := os.Open(filepath.Join(j.o.Dir, segmentName(s.number)))
	if missing(err) {
		j.metrics.failed("read")
		j.o.Log.Error("a segment of the journal is gone", "segment", s.number)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	if _, err := f.Seek(b.end.offset, io.SeekStart); err != nil {
		return err
	}
	err = eachLine(f, func(raw []byte) error {
		end := position{s.number, b.end.offset + int64(len(raw))}
		if len(b.records) >= batchSize || !to.covers(end) {
			return errEnough
		}
		b.end = end
		l, err := parseLine(raw)
		if err != nil || l.kind != kindEnd {
			return nil // broken ones were counted when the journal was opened
		}
		var c sbc.CDR
		if err := json.Unmarshal(l.cdr, &c); err != nil {
			j.metrics.failed("read")
			return nil
		}
		if len(b.records) == 0 {
			*oldest = l.at
		}
		b.records, b.documents = append(b.records, c), append(b.documents, string(l.cdr))
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// delivered forgets what the sink has got.
func (j *Journal) delivered(b batch) {
	j.mu.Lock()
	j.backlog = max(0, j.backlog-len(b.records))
	switch {
	case b.overflowed > 0:
		j.forgetOverflow(b.records)
	case b.queued > 0 && !j.spilled: // if spilled, the queue went to the disk while the sink was at work
		clear(j.queue[:b.queued])
		j.queue = j.queue[b.queued:]
	}
	if j.backlog == 0 && !j.spilled {
		b.end = j.tail()
	}
	j.mu.Unlock()
	j.moveCursor(b.end)
}

// forgetOverflow marks records as delivered which wait for the disk. They are written nevertheless, so that their calls end
// there too; those that were written meanwhile have gone to the queue, whence they go once more.
func (j *Journal) forgetOverflow(records []sbc.CDR) {
	gone := make(map[string]bool, len(records))
	for i := range records {
		gone[records[i].ID] = true
	}
	for i := range j.overflow {
		if it := &j.overflow[i]; it.cdr != nil && gone[it.id] {
			it.cdr = nil
			delete(gone, it.id)
		}
	}
	j.backlog += len(gone)
}

// moveCursor remembers how far the sink came, on the disk too; it never goes back.
func (j *Journal) moveCursor(p position) {
	j.mu.Lock()
	if j.cursor.covers(p) {
		j.mu.Unlock()
		return
	}
	now := time.Now()
	for _, s := range j.segments {
		if s.number >= j.cursor.segment && s.number < p.segment {
			s.passed = now
		}
	}
	j.cursor = p
	j.mu.Unlock()
	if err := j.marks.write(formatCursor(p, j.o.boot)); err != nil {
		// The records will be sent once more after a restart, which does no harm.
		j.metrics.failed("cursor")
		j.o.Log.Warn("the journal's cursor cannot be written", "error", err)
	}
}
