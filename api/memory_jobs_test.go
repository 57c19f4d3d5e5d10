package api

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// memoryJobs is the store of jobs of the tests.
type memoryJobs struct {
	mu        sync.Mutex
	jobs      map[string]sbc.Job
	faults    map[string][]sbc.JobError
	cancelled map[string]bool
}

// imports runs imports until the test ends.
func imports(t testing.TB, jobs sbc.Jobs, store sbc.Provisioning) *bulk.Runner {
	t.Helper()
	r, err := bulk.New(bulk.Options{Jobs: jobs, Update: store.Update, Dir: t.TempDir(), Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

func (m *memoryJobs) seed(j sbc.Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.cancelled)
	m.jobs[j.ID] = j
	m.faults[j.ID] = []sbc.JobError{{Row: 17, Key: "alice", Pointer: "#/username", Code: "taken", Detail: "is taken"}}
}

func (m *memoryJobs) PutJob(_ context.Context, j *sbc.Job) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs[j.ID] = *j
	return m.cancelled[j.ID], nil
}

func (m *memoryJobs) Job(_ context.Context, tenantID, id string) (*sbc.Job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, ok := m.jobs[id]
	if !ok || tenantID != "" && tenantID != j.TenantID {
		return nil, sbc.Errorf(sbc.CodeNotFound, "no job")
	}
	return &j, nil
}

func (m *memoryJobs) Jobs(_ context.Context, q sbc.JobQuery) (page []sbc.Job, next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := slices.Sorted(maps.Keys(m.jobs))
	slices.Reverse(ids)
	for _, id := range ids {
		j := m.jobs[id]
		if q.Before != "" && id >= q.Before || q.TenantID != "" && q.TenantID != j.TenantID || q.State != "" && q.State != j.State {
			continue
		}
		if len(page) == q.Limit {
			return page, page[len(page)-1].ID, nil
		}
		page = append(page, j)
	}
	return page, "", nil
}

func (m *memoryJobs) CancelJob(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancelled[id] = true
	return nil
}

func (m *memoryJobs) AppendJobErrors(_ context.Context, id string, faults []sbc.JobError) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[id] = append(m.faults[id], faults...)
	return nil
}

func (m *memoryJobs) JobErrors(_ context.Context, id string, after, limit int) ([]sbc.JobError, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.faults[id]
	page := all[min(after, len(all)):]
	if len(page) > limit {
		return slices.Clone(page[:limit]), after + limit, nil
	}
	return slices.Clone(page), 0, nil
}

func (m *memoryJobs) LostJobs(context.Context, string, time.Time) ([]sbc.Job, error) { return nil, nil }
func (m *memoryJobs) TouchJobs(context.Context, string) error                        { return nil }
func (m *memoryJobs) ForgetJobs(context.Context, time.Time) error                    { return nil }
