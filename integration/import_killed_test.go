package integration

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// TestImportOfAKilledNode: kill -9 in the middle of an import. The next start says that it was interrupted, and counts what was written: no
// batch by half, and at most one more than is counted. The same table once more, matched by name, brings the rest.
func TestImportOfAKilledNode(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := buildBinary(t)
	const rows = 12_000
	for name, database := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "s.db") },
		"postgres": func(t *testing.T) string { return pgtest.Database(t, pgtest.Start(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMortal(t, bin, "-database", database(t))
			m.homeOf("example.com")
			path := m.send("kind=subscribers&domain_id=example.com", table(rows))
			begun := func(j importJob) bool { return j.Counts.Rows >= 2*bulk.ChunkRows }
			if j, err := rest.Until(patience(t, time.Minute), m.Client, path, begun); err != nil || j.over() {
				t.Fatal(j, err)
			}
			m.killed()
			j := m.imported(path)
			if j.State != "failed" || j.Reason != "interrupted" || j.Counts.Created != j.Counts.Rows || j.Counts.Rows >= rows {
				t.Errorf("the job: %+v", j)
			}
			there := m.exported("/v1/subscribers/export")
			if there%bulk.ChunkRows != 0 || there < j.Counts.Created || there > j.Counts.Created+bulk.ChunkRows {
				t.Errorf("%d are there, %d are counted", there, j.Counts.Created)
			}
			j = m.imported(m.send("kind=subscribers&mode=upsert&domain_id=example.com", table(rows)))
			if j.State != "succeeded" || j.Counts.Unchanged != there || j.Counts.Created != rows-there {
				t.Errorf("the same again, %d were there: %+v", there, j)
			}
		})
	}
}
