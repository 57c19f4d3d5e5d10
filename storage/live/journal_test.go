package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func open(t testing.TB, o Options) (*Journal, map[string]string) {
	t.Helper()
	j, records, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	m := map[string]string{}
	for _, r := range records {
		m[r.ID] = string(r.Record)
	}
	return j, m
}

func write(t testing.TB, j *Journal, pairs ...string) {
	t.Helper()
	var cs []sbc.LiveChange
	for i := 0; i < len(pairs); i += 2 {
		c := sbc.LiveChange{ID: pairs[i]}
		if pairs[i+1] != "" {
			c.Record = []byte(pairs[i+1])
		}
		cs = append(cs, c)
	}
	if err := j.Write(cs); err != nil {
		t.Fatal(err)
	}
}

// TestNewestCounts: what was written last of each id is there after a restart, and what is gone is not.
func TestNewestCounts(t *testing.T) {
	dir := t.TempDir()
	j, found := open(t, Options{Dir: dir})
	if len(found) != 0 {
		t.Fatalf("a new journal holds %v", found)
	}
	write(t, j, "a", `{"n":1}`, "b", `{"n":2}`, "c", `{"n":3}`)
	write(t, j, "a", `{"n":4}`, "b", "", "d", "", "e", `{"n":5}`, "e", "")
	if j.Len() != 2 {
		t.Errorf("%d records alive", j.Len())
	}
	if _, _, err := Open(Options{Dir: dir}); err == nil {
		t.Error("two processes have the journal")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Write(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	_, found = open(t, Options{Dir: dir})
	if len(found) != 2 || found["a"] != `{"n":4}` || found["c"] != `{"n":3}` {
		t.Errorf("%v", found)
	}
	for _, name := range []string{fileName, "lock"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}

// TestCutShort: whatever a crash or a bad disk left of the file, whole lines are read, and the next one is written behind them.
func TestCutShort(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, Options{Dir: dir})
	write(t, j, "a", "one", "b", "two", "c", "three")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		j, found := open(t, Options{Dir: dir})
		if want := strings.Count(string(whole[:n]), "\n"); len(found) != want {
			t.Fatalf("%d bytes: %d records, want %d", n, len(found), want)
		}
		write(t, j, "z", "last")
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		again, found := open(t, Options{Dir: dir})
		if found["z"] != "last" {
			t.Fatalf("%d bytes: what was written behind is lost: %v", n, found)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	bad := []byte(strings.Replace(string(whole), "two", "tvo", 1))
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, found := open(t, Options{Dir: dir}); len(found) != 2 || found["b"] != "" {
		t.Errorf("a line with a wrong checksum: %v", found)
	}
}

// TestStaysSmall: the file is in proportion to what is alive, however much was written.
func TestStaysSmall(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, Options{Dir: dir})
	text := strings.Repeat("x", 4000)
	for i := range 5000 {
		write(t, j, fmt.Sprint("call", i), text+fmt.Sprint(i))
		if i >= 10 {
			write(t, j, fmt.Sprint("call", i-10), "")
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || st.Size() > 2*leastSize {
		t.Errorf("%d bytes for %d records: %v", st.Size(), j.Len(), err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, found := open(t, Options{Dir: dir}); len(found) != 10 || found["call4999"] != text+"4999" {
		t.Errorf("%d records", len(found))
	}
}

// TestBounds: what is too large is refused alone, and an old record of it does not stay.
func TestBounds(t *testing.T) {
	j, _ := open(t, Options{Dir: t.TempDir(), MaxBytes: 1000})
	write(t, j, "a", "small", "b", "small")
	err := j.Write([]sbc.LiveChange{{ID: "a", Record: make([]byte, maxRecord+1)}, {ID: "c", Record: []byte("small")}})
	if !errors.Is(err, ErrFull) || j.Len() != 2 {
		t.Errorf("%v, %d records", err, j.Len())
	}
	if err := j.Write([]sbc.LiveChange{{ID: "d", Record: make([]byte, 990)}}); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the bound of all: %v", err)
	}
	if err := j.Write([]sbc.LiveChange{{ID: "d", Record: []byte("a\nb")}}); !errors.Is(err, ErrFull) {
		t.Errorf("two lines: %v", err)
	}
}

// BenchmarkWrite is a batch of ten records of the usual size.
func BenchmarkWrite(b *testing.B) {
	j, _ := open(b, Options{Dir: b.TempDir()})
	cs := make([]sbc.LiveChange, 10)
	for i := range cs {
		cs[i] = sbc.LiveChange{ID: fmt.Sprint(i), Record: []byte(strings.Repeat("x", 5000))}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Write(cs); err != nil {
			b.Fatal(err)
		}
	}
}
