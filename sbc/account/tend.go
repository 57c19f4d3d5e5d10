package account

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tend does what no call should wait for: forcing to the disk, the sign of life, and removing what is not needed any more.
func (j *Journal) tend() {
	syncs, beats := time.NewTicker(j.o.Sync), time.NewTicker(j.o.Heartbeat)
	defer syncs.Stop()
	defer beats.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-syncs.C:
			j.guard("sync", func() error {
				j.flushOverflow()
				return j.sync()
			})
		case <-beats.C:
			j.guard("heartbeat", j.heartbeat)
			j.guard("clean", j.clean)
		}
	}
}

// guard counts and logs what goes wrong, panics included, and lets the journal go on.
func (j *Journal) guard(op string, f func() error) {
	defer func() {
		if p := recover(); p != nil {
			j.metrics.failed(op)
			j.o.Log.Error("a panic in the journal", "op", op, "panic", p)
		}
	}()
	if err := f(); err != nil {
		j.metrics.failed(op)
		j.o.Log.Error("the journal's disk", "op", op, "error", err)
	}
}

// heartbeat writes the sign of life. It is forced to the disk only while it would date somebody's end.
func (j *Journal) heartbeat() error {
	j.mu.Lock()
	calls, waits := len(j.open), j.spared != nil
	j.mu.Unlock()
	if waits {
		return nil
	}
	j.beating.Lock()
	defer j.beating.Unlock()
	if err := j.beat.write(strconv.FormatInt(time.Now().UnixMicro(), 10)); err != nil || calls == 0 || j.o.volatile {
		return err
	}
	return datasync(j.beat.f)
}

// sync forces to the disk what was written since the last time, without holding anybody up.
func (j *Journal) sync() error {
	j.mu.Lock()
	current, retired, dirty := j.current, j.retired, j.dirty
	j.retired, j.dirty = nil, false
	j.mu.Unlock()
	var first error
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	for _, f := range retired {
		note(f.Sync())
		note(f.Close())
	}
	if len(retired) > 0 {
		note(j.syncDir())
	}
	if dirty && current != nil {
		note(current.Sync())
	}
	return first
}

// flushOverflow writes to the disk what it did not take before, in order, until it refuses again.
func (j *Journal) flushOverflow() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.overflow) > 0 {
		it := j.overflow[0]
		if err := j.write(it.kind, it.id, it.line); err != nil {
			return
		}
		j.overflow = j.overflow[1:]
		if it.cdr != nil && !j.spilled {
			it.line, it.end = nil, j.tail()
			j.queue = append(j.queue, it)
		}
	}
	j.overflow = nil
}

// clean removes the oldest segments while everything in them has been delivered for long enough. They are removed in order, so
// that the end of a call never goes before its beginning. Calls that still go on are carried over into the current segment,
// where that is worth it.
func (j *Journal) clean() error {
	for {
		j.mu.Lock()
		s := j.segments[0]
		done := s.number < j.cursor.segment && s != j.last() && time.Since(s.passed) >= j.o.keep
		carry := done && s.live > 0
		if carry && !j.worthCarrying(s) {
			done = false
		}
		j.mu.Unlock()
		if !done {
			return nil
		}
		if carry {
			if err := j.carry(s); err != nil {
				return err
			}
		}
		if err := os.Remove(filepath.Join(j.o.Dir, segmentName(s.number))); err != nil && !missing(err) {
			return err
		}
		j.mu.Lock()
		j.segments = j.segments[1:]
		j.mu.Unlock()
	}
}

// worthCarrying: little of the segment is alive, or the journal is four times as large as what is alive in it. So carrying costs
// at most a third of what is written anyhow, and the disk needed stays in proportion to the calls that go on.
func (j *Journal) worthCarrying(s *segment) bool {
	var size, live int64
	for _, s := range j.segments {
		size, live = size+s.size, live+s.live
	}
	return s.live*4 <= s.size || size > 4*live+4*j.o.SegmentBytes
}

// carry copies the calls of a segment that have not ended into the current one and forces them to the disk.
func (j *Journal) carry(s *segment) error {
	j.mu.Lock()
	calls := map[string]place{}
	for id, p := range j.open {
		if p.segment == s {
			calls[id] = p
		}
	}
	j.mu.Unlock()
	for id, p := range calls {
		b, err := j.readLine(p)
		if err != nil {
			return err
		}
		j.mu.Lock()
		if j.open[id] == p { // it may have ended meanwhile
			err = j.write(kindAnswered, id, b)
		}
		j.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return j.sync()
}
