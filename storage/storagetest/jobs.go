package storagetest

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func newJob(node string) *sbc.Job {
	return &sbc.Job{
		ID: sbc.NewID(sbc.PrefixJob), TenantID: sbc.DefaultTenantID, Kind: sbc.KindSubscriber, Mode: sbc.ImportUpsert,
		MatchOn: sbc.LookupName, ContentType: "text/csv", State: sbc.JobWaiting, Node: node, Actor: "key_1", Bytes: 12,
		CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
}

// jobs checks that jobs and their faults are kept, cancelled, found when they are lost, and forgotten.
func jobs(t *testing.T, fresh Fresh) {
	f := open(t, fresh)
	put := func(j *sbc.Job) bool {
		t.Helper()
		cancelled, err := f.PutJob(f.ctx, j)
		if err != nil {
			t.Fatal(err)
		}
		return cancelled
	}
	a, b := newJob("one"), newJob("two")
	a.Mode = sbc.ImportSync
	put(a)
	put(b)
	if got, err := f.Job(f.ctx, "", a.ID); err != nil || *got != *a {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := f.Job(f.ctx, "ten_other", a.ID)
	wantCode(t, err, sbc.CodeNotFound)

	page, next, err := f.Jobs(f.ctx, sbc.JobQuery{Limit: 1})
	if err != nil || len(page) != 1 || page[0].ID != b.ID || next != b.ID {
		t.Errorf("first page %v, %q, %v", page, next, err)
	}
	page, next, err = f.Jobs(f.ctx, sbc.JobQuery{Limit: 1, Before: next})
	if err != nil || len(page) != 1 || page[0].ID != a.ID || next != "" {
		t.Errorf("second page %v, %q, %v", page, next, err)
	}
	if page, _, err = f.Jobs(f.ctx, sbc.JobQuery{State: sbc.JobFailed}); err != nil || len(page) != 0 {
		t.Errorf("failed are %v, %v", page, err)
	}
	if page, _, err = f.Jobs(f.ctx, sbc.JobQuery{TenantID: "ten_other"}); err != nil || len(page) != 0 {
		t.Errorf("of another tenant %v, %v", page, err)
	}

	if err := f.CancelJob(f.ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	a.State = sbc.JobRunning
	if !put(a) || put(b) {
		t.Error("the one that was cancelled is not, or the other is")
	}
	jobsLost(f, a, b)
	jobErrors(f, b)
}

func jobsLost(f *fixture, a, b *sbc.Job) {
	f.t.Helper()
	lost := func(node string, before time.Time) (ids []string) {
		list, err := f.LostJobs(f.ctx, node, before)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, j := range list {
			ids = append(ids, j.ID)
		}
		return ids
	}
	if got := lost("one", time.Now().Add(-time.Hour)); !slices.Equal(got, []string{a.ID}) {
		f.t.Errorf("lost by node one: %v", got)
	}
	if got := lost("three", time.Now().Add(time.Hour)); !slices.Equal(got, []string{a.ID, b.ID}) {
		f.t.Errorf("lost by all: %v", got)
	}
	written := time.Now()
	if err := f.TouchJobs(f.ctx, "two"); err != nil {
		f.t.Fatal(err)
	}
	if got := lost("three", written); !slices.Equal(got, []string{a.ID}) {
		f.t.Errorf("lost although its node lives: %v", got)
	}
	a.State = sbc.JobCancelled
	if _, err := f.PutJob(f.ctx, a); err != nil {
		f.t.Fatal(err)
	}
	if got := lost("one", time.Now().Add(-time.Hour)); len(got) != 0 {
		f.t.Errorf("lost although it is over: %v", got)
	}
}

func jobErrors(f *fixture, b *sbc.Job) {
	f.t.Helper()
	faults := make([]sbc.JobError, 600)
	for i := range faults {
		faults[i] = sbc.JobError{Row: i + 1, Key: "k", Pointer: "#/username", Code: "pattern", Detail: "is wrong \x00"}
	}
	for _, part := range [][]sbc.JobError{faults[:500], faults[500:]} {
		if err := f.AppendJobErrors(f.ctx, b.ID, part); err != nil {
			f.t.Fatal(err)
		}
	}
	page, next, err := f.JobErrors(f.ctx, b.ID, 0, 550)
	if err != nil || len(page) != 550 || next != 550 || page[549].Row != 550 {
		f.t.Fatalf("%d faults, next %d, %v", len(page), next, err)
	}
	page, next, err = f.JobErrors(f.ctx, b.ID, next, 550)
	if err != nil || len(page) != 50 || next != 0 || page[49].Row != 600 {
		f.t.Fatalf("%d faults, next %d, %v", len(page), next, err)
	}
	b.State = sbc.JobPartial
	if _, err := f.PutJob(f.ctx, b); err != nil {
		f.t.Fatal(err)
	}
	if err := f.ForgetJobs(f.ctx, b.CreatedAt.Add(time.Second)); err != nil {
		f.t.Fatal(err)
	}
	_, err = f.Job(f.ctx, "", b.ID)
	wantCode(f.t, err, sbc.CodeNotFound)
	if page, _, err = f.JobErrors(f.ctx, b.ID, 0, 10); err != nil || len(page) != 0 {
		f.t.Errorf("faults of a job that is forgotten: %v, %v", page, err)
	}
}
