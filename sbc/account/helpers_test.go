package account

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sallyport/sallyport/sbc"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// quiet are options under which nothing happens by itself.
func quiet(dir string) Options {
	return Options{Dir: dir, Node: "node-1", Heartbeat: time.Hour, Sync: time.Hour, boot: "boot-1", volatile: true}
}

func mustOpen(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

// crash drops a journal as if its process had died: nothing is flushed, no last heartbeat is written.
func crash(t testing.TB, j *Journal) {
	t.Helper()
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.tended.Wait()
	if err := j.closeFiles(); err != nil {
		t.Fatal(err)
	}
}

// answered is the record of a call so far.
func answered(id string) *sbc.CDR {
	start := time.Now().UTC().Truncate(time.Microsecond)
	return &sbc.CDR{
		ID: id, CallID: "call_" + id, TenantID: "ten_1", Caller: "+4930", Callee: "0049", StartedAt: start, AnsweredAt: &start,
		Legs:     []sbc.CDRLeg{{Side: sbc.SideCaller, SIPCallID: "x@y", UserAgent: "<phone & \"co\">"}, {Side: sbc.SideCallee}},
		Attempts: []sbc.CDRAttempt{{Number: 1, TrunkID: "trk_1", StartedAt: start, Code: 200}},
	}
}

// ended is its final record.
func ended(id string) *sbc.CDR {
	c := answered(id)
	c.EndedAt = c.AnsweredAt.Add(time.Minute)
	c.EndReason, c.FinalCode = sbc.EndCallerBye, 200
	c.Media = []sbc.StreamStats{{Side: sbc.SideCaller, Media: "audio", MOS: 4.4, Packets: 3000}}
	return c
}

func end(t testing.TB, j *Journal, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := j.End(ended(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func answer(t testing.TB, j *Journal, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := j.Answered(answered(id)); err != nil {
			t.Fatal(err)
		}
	}
}

// names gives n different ids.
func names(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%05d", prefix, i)
	}
	return ids
}

// shop is a sink that remembers what it got, and can be made to fail.
type shop struct {
	mu      sync.Mutex
	changed chan struct{}
	got     []sbc.CDR
	largest int
	refuse  func(records []sbc.CDR) error
}

func newShop() *shop { return &shop{changed: make(chan struct{}, 1)} }

func (s *shop) AppendCDRs(_ context.Context, records []sbc.CDR) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		select {
		case s.changed <- struct{}{}:
		default:
		}
	}()
	s.largest = max(s.largest, len(records))
	if s.refuse != nil {
		if err := s.refuse(records); err != nil {
			return err
		}
	}
	s.got = append(s.got, records...)
	return nil
}

func (s *shop) setRefuse(f func(records []sbc.CDR) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

func (s *shop) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, len(s.got))
	for i := range s.got {
		ids[i] = s.got[i].ID
	}
	return ids
}

// run starts Run; the returned function stops it and waits.
func run(j *Journal, s Sink) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.Run(ctx, s)
	}()
	return func() {
		cancel()
		<-done
	}
}

// wait waits until the shop has got as many records.
func (s *shop) wait(t testing.TB, n int) {
	t.Helper()
	late := time.After(patience)
	for len(s.ids()) < n {
		select {
		case <-s.changed:
		case <-late:
			t.Fatalf("got %d records, want %d", len(s.ids()), n)
		}
	}
}

// deliver brings everything to a shop.
func deliver(t testing.TB, j *Journal, s *shop) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	j.Run(ctx, s) // a stopped Run makes one last try
	if n, _ := j.Backlog(); n != 0 {
		t.Fatalf("%d records were not delivered", n)
	}
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, segmentPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var errFull = errors.New("no space left on device")

// disk makes files that can be full.
type disk struct {
	mu sync.Mutex
	// room is how many bytes still fit; noTruncate makes undoing fail too.
	room       int
	noTruncate bool
}

func (d *disk) create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, private)
	return &fullFile{File: f, d: d}, err
}

func (d *disk) set(room int, noTruncate bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room, d.noTruncate = room, noTruncate
}

type fullFile struct {
	*os.File
	d *disk
}

func (f *fullFile) WriteAt(b []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if len(b) <= f.d.room {
		f.d.room -= len(b)
		return f.File.WriteAt(b, off)
	}
	n, err := f.File.WriteAt(b[:f.d.room], off)
	f.d.room = 0
	return n, errors.Join(errFull, err)
}

func (f *fullFile) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.noTruncate {
		return errFull
	}
	return f.File.Truncate(size)
}

// counted reads a counter.
func counted(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
