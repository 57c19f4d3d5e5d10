package account

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// replay reads the folder: how far the sink came, what it has not got, and which calls were left without an end.
func (j *Journal) replay() error {
	var mark, beat string
	var err error
	if j.marks, mark, err = openSlots(filepath.Join(j.o.Dir, "cursor")); err != nil {
		return err
	}
	if j.beat, beat, err = openSlots(filepath.Join(j.o.Dir, "heartbeat")); err != nil {
		return err
	}
	j.cursor = parseCursor(mark, j.o.boot)
	j.lastSign = parseHeartbeat(beat)
	if len(j.o.Spare) > 0 {
		j.spared = make(map[string]bool, len(j.o.Spare))
		for _, id := range j.o.Spare {
			j.spared[id] = false
		}
	}
	numbers, err := listSegments(j.o.Dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		seen, err := j.scan(n)
		if err != nil {
			return err
		}
		if seen.After(j.lastSign) {
			j.lastSign = seen
		}
	}
	j.spilled = true // whatever is there is on the disk only
	// A full disk must not keep the border from starting: then the first line will be told.
	if err := j.rotate(); err != nil {
		j.metrics.failed("write")
		j.o.Log.Error("the journal cannot be written", "error", err)
		if len(j.segments) == 0 {
			j.segments = []*segment{{}}
		}
	}
	j.recoverCalls(func(id string) bool { _, spared := j.spared[id]; return spared })
	if j.backlog == 0 {
		j.spilled = false
		j.moveCursor(j.tail())
	}
	j.signal()
	return errors.Join(j.sync(), j.syncDir())
}

// scan reads one segment and gives the time of its last line.
func (j *Journal) scan(number uint64) (last time.Time, err error) {
	f, err := os.Open(filepath.Join(j.o.Dir, segmentName(number)))
	if err != nil {
		return last, err
	}
	defer func() { _ = f.Close() }() // only read
	s := &segment{number: number, passed: time.Now()}
	j.segments = append(j.segments, s)
	broken := 0
	err = eachLine(f, func(b []byte) error {
		at := place{segment: s, offset: s.size, length: int64(len(b))}
		s.size += at.length
		l, err := parseLine(b)
		var c struct{ ID string }
		if err != nil || json.Unmarshal(l.cdr, &c) != nil {
			broken++
			return nil
		}
		if l.at.After(last) {
			last = l.at
		}
		j.book(l, c.ID, at)
		return nil
	})
	if broken > 0 {
		// One at the end of a segment is what a crash leaves; more are worth a look at the disk.
		j.metrics.broken.Add(float64(broken))
		j.o.Log.Warn("the journal holds broken lines", "segment", number, "lines", broken)
	}
	return last, err
}

// book enters a line that was read into the books.
func (j *Journal) book(l line, id string, at place) {
	if old, ok := j.open[id]; ok {
		old.segment.live -= old.length
		delete(j.open, id)
	}
	switch l.kind {
	case kindAnswered:
		j.open[id] = at
		at.segment.live += at.length
	case kindEnd:
		if _, spared := j.spared[id]; spared {
			j.spared[id] = true
		}
		if !j.cursor.covers(position{at.segment.number, at.offset + at.length}) {
			if j.backlog++; j.backlog == 1 {
				j.oldest = l.at
			}
		}
	}
}

// covers tells whether p is not beyond the cursor.
func (c position) covers(p position) bool {
	return p.segment < c.segment || p.segment == c.segment && p.offset <= c.offset
}

// eachLine calls f for every line, a last one without a newline included.
func eachLine(r io.Reader, f func(b []byte) error) error {
	br := bufio.NewReaderSize(r, 256<<10)
	for {
		b, err := br.ReadBytes('\n')
		if len(b) > 0 {
			if err := f(b); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// recoverCalls ends the calls of a dead process that do not go on in this one.
func (j *Journal) recoverCalls(goesOn func(id string) bool) {
	j.mu.Lock()
	places, lastSign := make([]place, 0, len(j.open)), j.lastSign
	for id, p := range j.open {
		if !goesOn(id) {
			places = append(places, p)
		}
	}
	j.mu.Unlock()
	if len(places) == 0 {
		return
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.segment.number, b.segment.number), cmp.Compare(a.offset, b.offset))
	})
	for _, p := range places {
		if err := j.recoverCall(p, lastSign); err != nil { // one bad line must not keep the border from starting
			j.metrics.failed("recover")
			j.o.Log.Error("a call that ended with the process before this one has no record", "error", err)
		}
	}
	j.o.Log.Warn("calls ended with the process before this one", "calls", len(places), "last_sign_of_life", lastSign)
}

// recoverCall ends one.
func (j *Journal) recoverCall(p place, lastSign time.Time) error {
	b, err := j.readLine(p)
	if err != nil {
		return err
	}
	l, err := parseLine(b)
	if err != nil {
		return err
	}
	c := &sbc.CDR{}
	if err := json.Unmarshal(l.cdr, c); err != nil {
		return err
	}
	finish(c, l.at, lastSign, j.o.Node)
	if err := j.End(c); err != nil && !errors.Is(err, ErrNotDurable) {
		return err
	}
	j.metrics.recovered.Inc()
	return nil
}

// finish makes the final record of a call whose node died: it lasted until the node's last sign of life.
func finish(c *sbc.CDR, written, lastSign time.Time, node string) {
	if c.AnsweredAt == nil {
		c.AnsweredAt = &written
	}
	c.EndedAt = lastSign.UTC()
	if c.EndedAt.Before(*c.AnsweredAt) {
		c.EndedAt = *c.AnsweredAt
	}
	c.DurationMS = c.EndedAt.Sub(*c.AnsweredAt).Milliseconds()
	c.BillableMS = c.DurationMS
	c.Cost, c.Price = c.Cost.Bill(c.BillableMS), c.Price.Bill(c.BillableMS)
	c.Disposition, c.EndReason, c.ReleasedBy = sbc.DispositionAnswered, sbc.EndNodeFailure, sbc.SideSBC
	c.Recovered = true
	c.FinalCode = 200
	if c.Node == "" {
		c.Node = node
	}
}

// readLine reads one line back.
func (j *Journal) readLine(p place) ([]byte, error) {
	f, err := os.Open(filepath.Join(j.o.Dir, segmentName(p.segment.number)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b := make([]byte, p.length)
	if _, err := f.ReadAt(b, p.offset); err != nil {
		return nil, err
	}
	if bytes.IndexByte(b, '\n') != len(b)-1 {
		return nil, errBroken
	}
	return b, nil
}

// The contents of the two files of slots.

func formatCursor(p position, boot string) string {
	return fmt.Sprintf("%d %d %s", p.segment, p.offset, boot)
}

// parseCursor gives the beginning where there is no cursor, or one from before the machine's last start.
func parseCursor(s, boot string) position {
	f := strings.Fields(s)
	if len(f) < 2 || len(f) > 2 && f[2] != boot {
		return position{}
	}
	n, err := strconv.ParseUint(f[0], 10, 64)
	offset, err2 := strconv.ParseInt(f[1], 10, 64)
	if err != nil || err2 != nil {
		return position{}
	}
	return position{n, offset}
}

func parseHeartbeat(s string) time.Time {
	us, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// LastSign is the last sign of life of the process before this one.
func (j *Journal) LastSign() time.Time { return j.lastSign }

// Ended tells of a record of Options.Spare whether the process before this one had finished it.
func (j *Journal) Ended(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.spared[id]
}

// Settle ends the calls of Options.Spare that do not go on after all. Until then no sign of life is written: the old one dates their
// ends.
func (j *Journal) Settle(goesOn func(id string) bool) error {
	j.mu.Lock()
	spared := j.spared
	j.mu.Unlock()
	j.recoverCalls(func(id string) bool { _, was := spared[id]; return !was || goesOn(id) })
	j.mu.Lock()
	j.spared = nil
	j.mu.Unlock()
	return j.heartbeat()
}
