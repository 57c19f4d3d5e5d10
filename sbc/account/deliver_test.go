package account

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// reader is a sink that takes documents, and tells when each record came.
type reader struct {
	came      chan time.Time
	batches   chan int
	documents map[string]string
}

func (r *reader) AppendCDRs(context.Context, []sbc.CDR) error {
	return sbc.Errorf(sbc.CodeInternal, "the journal has documents and spells them again")
}

func (r *reader) AppendCDRDocuments(_ context.Context, records []sbc.CDR, documents []string) error {
	for i := range records {
		r.documents[records[i].ID] = documents[i]
	}
	r.batches <- len(records)
	r.came <- time.Now()
	return nil
}

// TestLoneRecordGoesAtOnce: who asks for the record of a call that just ended finds it; those that follow come together.
func TestLoneRecordGoesAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := mustOpen(t, quiet(dir))
		ctx, cancel := context.WithCancel(t.Context())
		r := &reader{came: make(chan time.Time, 9), batches: make(chan int, 9), documents: map[string]string{}}
		done := make(chan struct{})
		go func() { defer close(done); j.Run(ctx, r) }()
		time.Sleep(time.Second) // the clock of the bubble
		begin := time.Now()
		end(t, j, "first")
		if d := (<-r.came).Sub(begin); d != 0 {
			t.Errorf("a lone record waited %v", d)
		}
		synctest.Wait()
		end(t, j, "second")
		end(t, j, "third")
		if d := (<-r.came).Sub(begin); d != linger {
			t.Errorf("the next ones came after %v, want %v", d, linger)
		}
		if a, b := <-r.batches, <-r.batches; a != 1 || b != 2 {
			t.Errorf("batches of %d and %d, want 1 and 2", a, b)
		}
		cancel()
		<-done
	})
}

// TestDocumentsAreTheLines: whatever way a record takes, memory, disk or overflow, its document is its JSON.
func TestDocumentsAreTheLines(t *testing.T) {
	dir := t.TempDir()
	want := typical()
	for name, open := range map[string]func() *Journal{
		"memory": func() *Journal { return mustOpen(t, quiet(dir+"/a")) },
		"disk": func() *Journal {
			j := mustOpen(t, quiet(dir+"/b"))
			if err := j.End(want); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, quiet(dir+"/b"))
		},
	} {
		j := open()
		if err := j.End(want); err != nil {
			t.Fatal(err)
		}
		b, err := j.next()
		if err != nil || len(b.documents) == 0 || len(b.documents) != len(b.records) {
			t.Errorf("%s: %d documents for %d records, %v", name, len(b.documents), len(b.records), err)
			continue
		}
		if got := b.documents[0]; got != string(want.AppendJSON(nil)) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}
