package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/sallyport/sallyport/sbc"
)

// source is a store of subscribers; every one it has is called by its name, and by "also-" and its name.
type source struct {
	mu    sync.Mutex
	names map[string]bool
	asked int
	fail  error
	gate  chan struct{} // where set, an answer waits for it, or for the end of the context
	crash bool
	pages int    // that were read
	last  func() // where set, it is called before the last page is given
}

func (s *source) find(ctx context.Context, name string) (*sbc.Entry, error) {
	s.mu.Lock()
	s.asked++
	has, fail, gate, crash := s.names[name], s.fail, s.gate, s.crash
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, sbc.Errorf(sbc.CodeUnavailable, "late")
		}
	}
	switch {
	case crash:
		panic("the store crashed")
	case fail != nil:
		return nil, fail
	case !has:
		return nil, sbc.Errorf(sbc.CodeNotFound, "nobody")
	}
	return &sbc.Entry{
		Subscriber: &sbc.Subscriber{Meta: sbc.Meta{ID: "sub_" + name}, Username: name},
		Aliases:    []sbc.Alias{{Meta: sbc.Meta{ID: "als_" + name}}},
	}, nil
}

func (s *source) FindSubscriber(ctx context.Context, _, name string) (*sbc.Entry, error) {
	return s.find(ctx, name)
}

func (s *source) Subscribers(_ context.Context, after string, limit int) (page []*sbc.Entry, next string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages++; s.fail != nil {
		return nil, "", s.fail
	}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if !s.names[name] || name <= after {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].Subscriber.Username, nil
		}
		page = append(page, &sbc.Entry{
			Subscriber: &sbc.Subscriber{Meta: sbc.Meta{ID: "sub_" + name}, DomainID: "dom", Username: name},
			Aliases:    []sbc.Alias{{Meta: sbc.Meta{ID: "als_" + name}}},
		})
	}
	if f := s.last; f != nil {
		f()
	}
	return page, "", nil
}

func (s *source) SubscriberByID(ctx context.Context, id string) (*sbc.Entry, error) {
	return s.find(ctx, id[len("sub_"):])
}

func (s *source) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// answer is what was handed out, in a form to compare.
func answer(e *sbc.Entry, err error) string {
	if err != nil {
		return string(sbc.CodeOf(err))
	}
	return e.Subscriber.Username
}

// ask asks and waits.
func ask(c *Cache, name string) string {
	var got string
	var wg sync.WaitGroup
	wg.Add(1)
	c.Ask("dom_1", name, func(e *sbc.Entry, err error) { got = answer(e, err); wg.Done() })
	wg.Wait()
	return got
}

func TestAskedOnce(t *testing.T) {
	s := &source{names: map[string]bool{"a": true}}
	c := New(Options{Source: s})
	if _, ok := c.Peek("dom_1", "a"); ok {
		t.Error("something is known before anything was asked")
	}
	for range 3 {
		if got := ask(c, "a") + " " + ask(c, "b"); got != "a not_found" {
			t.Fatalf("%s", got)
		}
	}
	if s.count() != 2 {
		t.Errorf("the store was asked %d times", s.count())
	}
	if e, ok := c.Peek("dom_1", "a"); !ok || e.Subscriber.ID != "sub_a" {
		t.Errorf("%+v %v", e, ok)
	}
	if e, ok := c.Peek("dom_1", "b"); ok || e != nil {
		t.Errorf("nobody is somebody: %+v", e)
	}
	if n := testing.AllocsPerRun(100, func() { c.Peek("dom_1", "a") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	direct := false // on a hit in the goroutine of who asks
	c.AskID("sub_a", func(*sbc.Entry, error) {})
	c.Ask("dom_1", "a", func(*sbc.Entry, error) { direct = true })
	if !direct {
		t.Error("a hit made somebody wait")
	}
}

// TestSingleFlight: a crowd that asks for one name makes one question, whose answer all get; who panics at it harms no other.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{names: map[string]bool{"a": true}, gate: make(chan struct{})}
		c := New(Options{Source: s})
		got := 0
		for i := range 100 {
			c.Ask("dom_1", "a", func(e *sbc.Entry, err error) {
				if i == 0 {
					panic("one of the crowd")
				}
				if answer(e, err) == "a" {
					got++
				}
			})
		}
		synctest.Wait()
		close(s.gate)
		synctest.Wait()
		if got != 99 || s.count() != 1 {
			t.Errorf("%d answers, %d questions", got, s.count())
		}
	})
}

// TestBounds: a store that does not answer costs nobody more than the timeout, and no memory without end.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{gate: make(chan struct{})}
		c := New(Options{Source: s})
		var mu sync.Mutex
		said := map[string]int{}
		for i := range maxFlights + 100 {
			c.Ask("dom_1", fmt.Sprint(i), func(e *sbc.Entry, err error) {
				mu.Lock()
				defer mu.Unlock()
				said[answer(e, err)]++
			})
		}
		for range maxWaiting + 50 {
			c.Ask("dom_1", "0", func(e *sbc.Entry, err error) {
				mu.Lock()
				defer mu.Unlock()
				said[answer(e, err)]++
			})
		}
		mu.Lock()
		if said["unavailable"] != 100+51 || len(said) != 1 {
			t.Errorf("at once: %v", said)
		}
		mu.Unlock()
		<-time.After(DefaultTimeout + time.Millisecond)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if said["unavailable"] != maxFlights+100+maxWaiting+50 {
			t.Errorf("in the end: %v", said)
		}
		if c.flying != 0 || len(c.flights) != 0 {
			t.Errorf("%d flights are left", c.flying)
		}
	})
}

// TestChanged: what was written is asked for anew, the rest is not; what was on its way is handed on and not kept.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{names: map[string]bool{"a": true, "b": true}}
		c := New(Options{Source: s})
		known := func(name string) bool { _, ok := c.Peek("dom_1", name); return ok }
		all := func() {
			ask(c, "a")
			ask(c, "b")
			ask(c, "c")
		}
		all()
		c.Changed([]sbc.ListedChange{{ID: "sub_a"}})
		if known("a") || !known("b") {
			t.Error("the wrong one was forgotten")
		}
		all()
		c.Changed([]sbc.ListedChange{{ID: "als_b"}})
		if known("b") || !known("a") {
			t.Error("an alias was deleted, and the entry stayed")
		}
		all()
		c.Changed([]sbc.ListedChange{{ID: "als_new", DomainID: "dom_1", Name: "z", SubscriberID: "sub_a"}})
		if known("a") {
			t.Error("an alias was added, and the entry stayed")
		}
		all()
		s.set(func() { s.names["c"] = true })
		c.Changed([]sbc.ListedChange{{ID: "sub_c", DomainID: "dom_1", Name: "c"}})
		if got := ask(c, "c"); got != "c" {
			t.Errorf("made, and %s", got)
		}
		c.Changed(nil)
		if known("a") || known("b") || known("c") || len(c.ids) != 0 {
			t.Error("something was not forgotten")
		}
		gate := make(chan struct{})
		s.set(func() { s.gate = gate })
		var got string
		c.Ask("dom_1", "a", func(e *sbc.Entry, err error) { got = answer(e, err) })
		synctest.Wait()
		c.Changed([]sbc.ListedChange{{ID: "sub_a"}})
		close(gate)
		synctest.Wait()
		if got != "a" || known("a") {
			t.Errorf("an answer from before a write: %q, kept %v", got, known("a"))
		}
	})
}

// TestStoreGone: who was known stays known, who was not is unavailable, and never "not found".
func TestStoreGone(t *testing.T) {
	s := &source{names: map[string]bool{"a": true}}
	now := time.Unix(0, 0)
	c := New(Options{Source: s, Now: func() time.Time { return now }})
	ask(c, "a")
	now = now.Add(DefaultLife + time.Second)
	s.set(func() { s.fail = errors.New("gone") })
	if got := ask(c, "a") + " " + ask(c, "b"); got != "a unavailable" {
		t.Errorf("%s", got)
	}
	if asked := s.count(); ask(c, "a") != "a" || s.count() != asked {
		t.Error("a store that is gone is asked again at once")
	}
	s.set(func() { s.fail, s.crash = nil, true })
	if got := ask(c, "b"); got != "unavailable" {
		t.Errorf("a crash is %s", got)
	}
	s.set(func() { s.crash = false })
	now = now.Add(time.Minute)
	if got := ask(c, "a") + " " + ask(c, "b"); got != "a not_found" {
		t.Errorf("after that: %s", got)
	}
	now = now.Add(absentLife)
	s.set(func() { s.names["b"] = true })
	if got := ask(c, "b"); got != "b" {
		t.Errorf("nobody for ever: %s", got)
	}
}

// TestScannerPushesNobodyOut: a million names that nobody has take the place of each other only, and memory stays bounded.
func TestScannerPushesNobodyOut(t *testing.T) {
	s := &source{names: map[string]bool{}}
	for i := range 50 {
		s.names[fmt.Sprint("sub", i)] = true
	}
	c := New(Options{Source: s, Size: 100})
	for i := range 50 {
		ask(c, fmt.Sprint("sub", i))
	}
	for i := range 1000 {
		ask(c, fmt.Sprint("scan", i))
	}
	asked := s.count()
	for i := range 50 {
		ask(c, fmt.Sprint("sub", i))
	}
	if s.count() != asked {
		t.Errorf("%d subscribers were pushed out", s.count()-asked)
	}
	if len(c.absent.items) > 100 || len(c.absent.ring) != len(c.absent.items) {
		t.Errorf("%d failures are kept", len(c.absent.items))
	}
	for i := range 300 {
		s.set(func() { s.names[fmt.Sprint("more", i)] = true })
		ask(c, fmt.Sprint("more", i))
	}
	if len(c.known.items) != 100 || len(c.known.ring) != 100 || len(c.ids) != 200 {
		t.Errorf("%d entries, %d ids", len(c.known.items), len(c.ids))
	}
}

func TestConcurrent(t *testing.T) {
	s := &source{names: map[string]bool{"0": true, "1": true, "2": true}}
	c := New(Options{Source: s, Size: 2})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				name := fmt.Sprint((i + g) % 5)
				if got := ask(c, name); got != name && got != "not_found" {
					t.Errorf("%s is %s", name, got)
				}
				c.Peek("dom_1", name)
				if i%50 == 0 {
					c.Changed([]sbc.ListedChange{{ID: "sub_" + name, DomainID: "dom_1", Name: name}})
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkPeek(b *testing.B) {
	s := &source{names: map[string]bool{"a": true}}
	c := New(Options{Source: s})
	ask(c, "a")
	b.ReportAllocs()
	for b.Loop() {
		c.Peek("dom_1", "a")
	}
}

// TestNamesOfStrangers: a name that was asked for is kept without the message that it was a piece of, and one that nobody can
// have is neither asked for nor kept.
func TestNamesOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{names: map[string]bool{"alice": true}}
		c := New(Options{Source: src})
		for _, name := range []string{"alice", "mallory"} {
			message := strings.Repeat("x", 1000) + name
			c.Ask("dom_1", message[1000:], func(*sbc.Entry, error) {})
			synctest.Wait()
			for _, p := range []*pool{&c.known, &c.absent} {
				for k := range p.items {
					if k.name == name && unsafe.StringData(k.name) == unsafe.StringData(message[1000:]) {
						t.Errorf("%s keeps its message", name)
					}
				}
			}
		}
		if c.known.items[key{"dom_1", "alice"}] == nil || c.absent.items[key{"dom_1", "mallory"}] == nil {
			t.Error("not kept")
		}
		asked := src.count()
		got := ask(c, strings.Repeat("a", 1000))
		if got != string(sbc.CodeNotFound) || src.count() != asked || len(c.absent.items) != 1 {
			t.Errorf("a name of a thousand letters: %s, %d asked, %d kept", got, src.count()-asked, len(c.absent.items))
		}
	})
}
