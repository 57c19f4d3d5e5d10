package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// source is a store in memory.
type source struct {
	mu    sync.Mutex
	by    map[string][]byte
	down  bool
	asked int
}

func (s *source) Blob(_ context.Context, ownerID, name string) (sbc.Blob, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	content, ok := s.by[ownerID]
	switch {
	case s.down:
		return sbc.Blob{}, nil, sbc.Errorf(sbc.CodeUnavailable, "away")
	case !ok:
		return sbc.Blob{}, nil, sbc.Errorf(sbc.CodeNotFound, "no %s", name)
	}
	return named(ownerID, content), content, nil
}

func (s *source) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *source) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// named is a blob with a content.
func named(owner string, content []byte) sbc.Blob {
	return sbc.Blob{OwnerID: owner, Name: "audio", Size: int64(len(content)), SHA256: sbc.HashBlob(content)}
}

func start(t testing.TB, dir string, s *source) *Copies {
	t.Helper()
	c, err := New(Options{Dir: dir, Source: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reads tells what the copy of a blob holds; "" if there is none.
func reads(t testing.TB, c *Copies, b sbc.Blob) string {
	t.Helper()
	r, ok := c.Open(b)
	if !ok {
		return ""
	}
	content, err := io.ReadAll(io.NewSectionReader(r, 0, b.Size))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestKeptCopiesOutliveTheStore: what was kept is there after a restart without any store, and a copy that was torn is not.
func TestKeptCopiesOutliveTheStore(t *testing.T) {
	dir, s := t.TempDir(), &source{down: true}
	c := start(t, dir, s)
	a, b := named("a", []byte("first")), named("b", []byte("second"))
	for blob, content := range map[sbc.Blob]string{a: "first", b: "second"} {
		if err := c.Keep(blob, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if reads(t, c, a) != "first" {
		t.Error("what was kept cannot be read")
	}
	if err := c.Keep(sbc.Blob{SHA256: "../../etc/passwd"}, nil); err == nil {
		t.Error("a path is taken for a hash")
	}
	for name, content := range map[string]string{b.SHA256: "sec", "1" + unfinished: "x", "README": "not ours"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = start(t, dir, s)
	if reads(t, c, a) != "first" || reads(t, c, b) != "" {
		t.Errorf("after a restart: %q, %q", reads(t, c, a), reads(t, c, b))
	}
	if err := c.Keep(b, []byte("second")); err != nil || reads(t, c, b) != "second" {
		t.Errorf("the torn copy was not mended: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestFetchedBehindAndBefore: what is wanted is fetched as soon as the store gives it, and never under a wrong name.
func TestFetchedBehindAndBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{by: map[string][]byte{"a": []byte("first"), "b": []byte("second")}, down: true}
		c := start(t, t.TempDir(), s)
		go c.Run(t.Context())
		a, b, gone := named("a", []byte("first")), named("b", []byte("second")), named("c", []byte("third"))
		c.Load(t.Context(), []sbc.Blob{a, b})
		if s.times() != 1 {
			t.Errorf("a store that is away was asked %d times", s.times())
		}
		c.Want([]sbc.Blob{a, gone})
		time.Sleep(10 * time.Minute)
		if n := s.times(); n < 10 || n > 20 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		s.set(func() { s.down = false })
		time.Sleep(lastRetry)
		synctest.Wait()
		if reads(t, c, a) != "first" || reads(t, c, gone) != "" || reads(t, c, b) != "" {
			t.Errorf("%q, %q, %q", reads(t, c, a), reads(t, c, gone), reads(t, c, b))
		}
		c.Load(t.Context(), []sbc.Blob{gone, a, b})
		if reads(t, c, b) != "second" {
			t.Error("not loaded")
		}
		s.set(func() { s.by["c"] = []byte("another") })
		time.Sleep(2 * lastRetry)
		if reads(t, c, gone) != "" {
			t.Error("something else was taken for it")
		}
		s.set(func() { s.by["c"] = []byte("third") })
		time.Sleep(lastRetry)
		synctest.Wait()
		if reads(t, c, gone) != "third" || len(c.missing()) != 0 {
			t.Error("not fetched in the end")
		}
		n := s.times()
		time.Sleep(time.Hour)
		if s.times() != n {
			t.Error("it goes on asking with nothing missing")
		}
	})
}

// TestSpareCopiesAreBounded: what is wanted stays; of what was, the newest; and who reads an old one reads it to its end.
func TestSpareCopiesAreBounded(t *testing.T) {
	const each = 8 << 20
	dir := t.TempDir()
	c := start(t, dir, &source{})
	content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, each) }
	var blobs []sbc.Blob
	for i := range maxSpare/each + 3 {
		b := named(fmt.Sprint(i), content(i))
		blobs = append(blobs, b)
		if err := c.Keep(b, content(i)); err != nil {
			t.Fatal(err)
		}
	}
	old, ok := c.Open(blobs[1])
	if !ok {
		t.Fatal("not there")
	}
	c.Want(blobs[:1])
	c.sweep()
	for i, b := range blobs {
		if _, ok := c.Open(b); ok != (i == 0 || i > 2) {
			t.Errorf("copy %d: %v", i, ok)
		}
	}
	var one [1]byte
	if _, err := old.ReadAt(one[:], each-1); err != nil || one[0] != 1 {
		t.Errorf("%v, %v", one, err)
	}
	c.Want(nil) // the first is the newest of the spare ones now
	c.sweep()
	if _, ok := c.Open(blobs[0]); !ok {
		t.Error("the newest went")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != maxSpare/each || c.size() != maxSpare {
		t.Errorf("%d files, %v, %d octets", len(files), err, c.size())
	}
}

// TestManyCopies: beyond the bound files are not held open, and can be read nevertheless.
func TestManyCopies(t *testing.T) {
	dir := t.TempDir()
	c := start(t, dir, &source{})
	var last sbc.Blob
	for i := range maxOpen + 5 {
		content := fmt.Append(nil, i)
		last = named("x", content)
		if err := os.WriteFile(filepath.Join(dir, last.SHA256), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.add(last.SHA256, last.Size); err != nil {
			t.Fatal(err)
		}
	}
	if c.held != maxOpen || reads(t, c, last) != fmt.Sprint(maxOpen+4) || c.held != maxOpen {
		t.Errorf("%d are open, the last reads %q", c.held, reads(t, c, last))
	}
	one, _ := c.Open(last)
	if two, _ := c.Open(last); one == nil || one != two {
		t.Error("it is opened twice")
	}
	for hash, have := range c.files {
		if have.f == nil {
			if err := os.Remove(c.path(hash)); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.Open(sbc.Blob{SHA256: hash, Size: have.size}); ok {
				t.Error("a copy that was taken away is opened")
			}
			break
		}
	}
}
