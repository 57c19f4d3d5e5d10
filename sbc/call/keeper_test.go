package call

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// shelf is a LiveJournal in memory.
type shelf struct {
	mu     sync.Mutex
	kept   map[string][]byte
	writes int // of records
	synced int
	err    error
	dead   bool
}

func (s *shelf) Write(changes []sbc.LiveChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, c := range changes {
		switch {
		case s.dead:
		case c.Record == nil:
			delete(s.kept, c.ID)
		default:
			s.writes++
			s.kept[c.ID] = c.Record
		}
	}
	return nil
}

func (s *shelf) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced++
	return nil
}

// written is how many records were.
func (s *shelf) written() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// put puts something there by hand.
func (s *shelf) put(id string, record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = record
}

// all copies what is there.
func (s *shelf) all() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.kept)
}

// fails makes it refuse, or with nil no more.
func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) records() (list []sbc.LiveChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.kept)) {
		list = append(list, sbc.LiveChange{ID: id, Record: s.kept[id]})
	}
	return list
}

// keeping makes the world one whose calls are kept.
type keeping struct {
	*world
	shelf *shelf
	edit  func(o *Options)
	stop  func()
}

func runKeeping(t *testing.T, edit func(string, sbc.Resource), options func(o *Options), play func(w *keeping)) {
	t.Helper()
	run(t, edit, func(w *world) {
		k := &keeping{world: w, shelf: &shelf{kept: map[string][]byte{}}, edit: options}
		k.begin()
		play(k)
		k.stop()
		if n := len(k.shelf.records()); n != 0 {
			t.Errorf("%d calls are kept that are over", n)
		}
	})
}

// begin starts a process.
func (k *keeping) begin() {
	snap := k.snap
	o := Options{
		Snapshot: func() *config.Snapshot { return snap }, Wire: k.wire, Engine: k.engine, Ledger: k.ledger, Tally: k.tally,
		Node: "node-1", Events: k.events.add, Log: slog.New(&complaints{w: k.world, TextHandler: slog.NewTextHandler(io.Discard, nil)}),
		Live: k.shelf,
	}
	if k.edit != nil {
		k.edit(&o)
	}
	k.m = New(o)
	ctx, cancel := context.WithCancel(background())
	done := make(chan struct{})
	m := k.m
	go func() { defer close(done); m.Keep(ctx) }()
	k.stop = func() { cancel(); <-done }
}

// kill ends the process: nothing it does afterwards counts.
func (k *keeping) kill() {
	k.t.Helper()
	synctest.Wait()
	k.shelf.mu.Lock()
	k.shelf.dead = true
	k.shelf.mu.Unlock()
	for _, c := range k.m.calls.all("") {
		c.look(func() {
			for kind := range timerCount {
				c.disarm(kind)
			}
		})
	}
	k.stop()
	k.wire.mu.Lock()
	k.wire.sent, k.wire.acks = nil, nil
	k.wire.mu.Unlock()
	k.tally, k.engine = admit.New(admit.Options{}), &engine{bomb: &k.bomb}
}

// restart begins another process, which finds what is kept. The last sign of life of the other one was at sign.
func (k *keeping) restart(sign time.Time) {
	k.t.Helper()
	k.shelf.mu.Lock()
	k.shelf.dead = false
	k.shelf.mu.Unlock()
	k.begin()
	k.m.Restore(k.shelf.records(), sign, func(id string) bool {
		return slices.ContainsFunc(k.ledger.ends, func(d *sbc.CDR) bool { return d.ID == id })
	})
	synctest.Wait()
}

// byes answers every BYE that waits, and gives their Call-IDs in order.
func (k *keeping) byes() (ids []string) {
	synctest.Wait()
	k.wire.mu.Lock()
	all := slices.Clone(k.wire.sent)
	k.wire.mu.Unlock()
	for _, s := range all {
		if s.req.Method == msg.BYE && !s.taken {
			s.taken = true
			s.reply(200)
			ids = append(ids, s.req.CallID)
		}
	}
	slices.Sort(ids)
	return ids
}

// TestShortCallsCostNothing: what ends within the interval is never written.
func TestShortCallsCostNothing(t *testing.T) {
	runKeeping(t, nil, func(o *Options) { o.KeepEvery = 10 * time.Second }, func(w *keeping) {
		a, _, _, _ := w.talk()
		time.Sleep(9 * time.Second)
		w.end(a)
		time.Sleep(20 * time.Second)
		if n := w.shelf.written(); n != 0 {
			t.Errorf("%d records were written", n)
		}
		a, _, _, _ = w.talk()
		time.Sleep(60 * time.Second)
		if n := w.shelf.written(); n != 1 {
			t.Errorf("a call that does not change was written %d times", n)
		}
		w.end(a)
	})
}

// TestUnsettledIsWrittenAgain: while the source of a stream is not known, the call is looked at again, not for ever.
func TestUnsettledIsWrittenAgain(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		w.engine.unsettled.Store(true)
		a, _, _, _ := w.talk()
		time.Sleep(3*time.Second + time.Millisecond)
		if n := w.shelf.written(); n != 3 {
			t.Errorf("%d writes in 3 s", n)
		}
		time.Sleep(50 * time.Second)
		if n := w.shelf.written(); n != keepLooks+1 {
			t.Errorf("%d writes in 53 s", n)
		}
		w.end(a)
	})
}

// TestDiskIsFull: a journal that takes nothing holds up no call, and is tried again.
func TestDiskIsFull(t *testing.T) {
	for _, through := range []bool{false, true} {
		runKeeping(t, nil, func(o *Options) { o.WriteThrough = through }, func(w *keeping) {
			w.errors.Store(true)
			w.shelf.fails(errors.New("no space left on device"))
			a, _, _, _ := w.talk()
			over, _, _, _ := w.talk()
			time.Sleep(5 * time.Second)
			w.end(over)
			w.shelf.fails(nil)
			time.Sleep(2 * time.Second)
			if n := len(w.shelf.records()); n != 1 {
				t.Errorf("%d calls are kept", n)
			}
			w.end(a)
		})
	}
}

// TestGracefulStopKeepsNothing: a stop releases the calls as ever, and the next process finds none.
func TestGracefulStopKeepsNothing(t *testing.T) {
	runKeeping(t, nil, nil, func(w *keeping) {
		a, b, _, _ := w.talk()
		time.Sleep(2 * time.Second)
		closed := make(chan error, 1)
		go func() { closed <- w.m.Close(background()) }()
		if got := w.byes(); len(got) != 2 || !slices.Contains(got, a.callID) || !slices.Contains(got, b.callID) {
			t.Errorf("BYEs in %v", got)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if d := w.cdr(); d.EndReason != sbc.EndShutdown {
			t.Errorf("%+v", d)
		}
	})
}
