package integration

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestAudioWithoutTheStore: a node has the audio that another one was given, and goes on playing it when the store is away.
func TestAudioWithoutTheStore(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	url := pgtest.Database(t, server.URL)
	first := startBorder(t, app.Options{Database: url})
	profile := first.create("/signalling-profiles", rest.Object{"name": "friendly", "announcements": []rest.Object{
		{"codes": []string{"486"}, "announcement_id": first.announcement("busy", 400*time.Millisecond)},
	}})
	w := first.connect(newSides(t), wish{westTrunk: rest.Object{"signalling_profile_id": profile}})
	if err := first.app.Stop(t.Context()); err != nil { // it has the ports
		t.Fatal(err)
	}
	dir := t.TempDir()
	startBorder(t, app.Options{Database: url, DataDir: dir, DrainTimeout: time.Second})
	if copies, err := filepath.Glob(filepath.Join(dir, "blobs", "*")); err != nil || len(copies) != 1 {
		t.Fatalf("copies %v, %v", copies, err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // it is stopped once more
		if err := server.Start(); err != nil {
			t.Error(err)
		}
	})
	alice := phones(t, w, func(c *phone.Call) { c.Reject(486) })
	c, err := alice.Dial("4930", phoneTarget(w.sides))
	if err != nil {
		t.Fatal(err)
	}
	waitTone(t, c, playedTone)
	if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code != 486 {
		t.Errorf("final %d, %v", code, err)
	}
	if h := c.Heard(); h.Packets != 20 || h.Lost != 0 {
		t.Errorf("heard %+v, 20 packets were to come", h)
	}
}

// TestAudioComesBack: what is downloaded is what was uploaded.
func TestAudioComesBack(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	const d = 300 * time.Millisecond
	id := b.announcement("x", d)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL+"/v1/announcements/"+id+"/audio", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, wavFile(d)) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// weighed is a border beside many long announcements.
type weighed struct {
	*border
	dir, trunk string
	heap       uint64 // octets, more than before it was started
}

// weigh starts a border with so many announcements of two minutes in SQLite, and waits until it has a copy of each.
func weigh(t testing.TB, announcements int) *weighed {
	t.Helper()
	w := &weighed{dir: t.TempDir()}
	s := openStore(t, w.dir)
	audio := make([]byte, sbc.MaxAnnouncementBytes)
	for i := range announcements {
		copy(audio, fmt.Sprint("announcement ", i))
		a := &sbc.Announcement{
			Meta:       sbc.Meta{ID: sbc.NewID(sbc.PrefixAnnouncement), TenantID: sbc.DefaultTenantID, Name: fmt.Sprint(i), Enabled: true},
			DurationMS: 120_000, AudioSHA256: sbc.HashBlob(audio), AudioBytes: len(audio),
		}
		if err := s.Update(t.Context(), func(tx sbc.Tx) error {
			if err := tx.Put(a); err != nil {
				return err
			}
			_, err := tx.PutBlob(a.Audio(), audio)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := heap()
	w.border = startBorder(t, app.Options{DataDir: w.dir})
	realm := w.create("/realms", rest.Object{"name": "west", "trust": "peer"})
	w.trunk = w.create("/trunks", rest.Object{"name": "west", "realm_id": realm})
	within(t, time.Minute, "a copy of each", func() bool {
		copies, err := filepath.Glob(filepath.Join(w.dir, "blobs", "????????????????*[0-9a-f]"))
		return err == nil && len(copies) == announcements
	})
	w.heap = max(heap(), before) - before
	return w
}

// write changes the configuration once.
func (w *weighed) write(i int) {
	w.do("PATCH", "/trunks/"+w.trunk, rest.Object{"max_calls": 1 + i}, nil)
}

// heap is what is in use on the heap, in octets.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// within waits for a condition.
func within(t testing.TB, d time.Duration, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// TestAudioWeighsNothing: what callers hear costs neither memory nor time of a write. The benchmark below has the full size.
func TestAudioWeighsNothing(t *testing.T) {
	const announcements, most = 25, 30 * time.Millisecond
	w := weigh(t, announcements)
	best := time.Hour
	for i := range 10 { // the machine may have other things to do
		begun := time.Now()
		w.write(i)
		best = min(best, time.Since(begun))
	}
	if best > most {
		t.Errorf("a write took %v, at most %v are wanted", best, most)
	}
	if w.heap > announcements*sbc.MaxAnnouncementBytes/4 {
		t.Errorf("%d MB on the heap", w.heap>>20)
	}
	file := filepath.Join(w.dir, "snapshot.json")
	within(t, 10*time.Second, "a cache file", func() bool { _, err := os.Stat(file); return err == nil })
	if info, err := os.Stat(file); err != nil || info.Size() > 100_000 {
		t.Errorf("the cache file: %v, %v", info, err)
	}
}

// BenchmarkWriteBesideAudio: one operation is one write of the configuration through the API, beside 200 announcements of two
// minutes on SQLite.
func BenchmarkWriteBesideAudio(b *testing.B) {
	w := weigh(b, 200)
	slowest := time.Duration(0)
	b.ResetTimer()
	for i := range b.N {
		begun := time.Now()
		w.write(i)
		slowest = max(slowest, time.Since(begun))
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	b.ReportMetric(float64(w.heap)/(1<<20), "heap-MB")
	b.ReportMetric(resident(b), "rss-MB")
}

// resident is the memory of this process, in megabytes.
func resident(t testing.TB) float64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kB float64
		if n, _ := fmt.Sscanf(strings.TrimSpace(lines.Text()), "VmRSS: %f kB", &kB); n == 1 {
			return kB / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
