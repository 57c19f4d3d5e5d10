package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// job finds a job that the caller may see.
func (s *server) job(ctx context.Context, id string) (*sbc.Job, error) {
	j, err := s.o.Jobs.Job(ctx, callerOf(ctx).tenant(), id)
	if err != nil && sbc.CodeOf(err) == sbc.CodeNotFound {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no job %s", clip(id))
	}
	return j, err
}

// ListJobs serves jobs, the newest first.
func (s *server) ListJobs(ctx context.Context, r gen.ListJobsRequestObject) (gen.ListJobsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	before, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	jobs, more, err := s.o.Jobs.Jobs(ctx, sbc.JobQuery{
		TenantID: tenant, State: sbc.JobState(value(p.State)), Before: before, Limit: limitOf(p.Limit),
	})
	if err != nil {
		return nil, err
	}
	items, err := convert[[]gen.Job](jobs)
	if err != nil {
		return nil, err
	}
	page := gen.ListJobs200JSONResponse{Items: items}
	if more != "" {
		cursor := makeCursor(c.scope, more)
		page.NextCursor = &cursor
	}
	return page, nil
}

// GetJob tells how far a job is.
func (s *server) GetJob(ctx context.Context, r gen.GetJobRequestObject) (gen.GetJobResponseObject, error) {
	j, err := s.job(ctx, r.JobID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Job](j)
	return gen.GetJob200JSONResponse(body), err
}

// CancelJob ends a job early.
func (s *server) CancelJob(ctx context.Context, r gen.CancelJobRequestObject) (gen.CancelJobResponseObject, error) {
	j, err := s.job(ctx, r.JobID)
	if err != nil {
		return nil, err
	}
	if !value(r.Params.DryRun) {
		if err := s.o.Jobs.CancelJob(ctx, j.ID); err != nil {
			return nil, err
		}
		s.tell(ctx, told{tenant: j.TenantID, call: j.ID, after: map[string]any{"cancelled": true}, status: http.StatusNoContent})
	}
	return gen.CancelJob204Response{}, nil
}

// ListJobErrors serves what was wrong with the rows of a job.
func (s *server) ListJobErrors(ctx context.Context, r gen.ListJobErrorsRequestObject) (gen.ListJobErrorsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	cursor, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	j, err := s.job(ctx, r.JobID)
	if err != nil {
		return nil, err
	}
	faults, more, err := s.o.Jobs.JobErrors(ctx, j.ID, number(cursor, 0), limitOf(p.Limit))
	if err != nil {
		return nil, err
	}
	if value(p.Format) == gen.ListJobErrorsParamsFormatCsv {
		table, err := tableOf(faults)
		return gen.ListJobErrors200TextCsvResponse{Body: bytes.NewReader(table), ContentLength: int64(len(table))}, err
	}
	items, err := convert[[]gen.JobError](faults)
	if err != nil {
		return nil, err
	}
	page := gen.ListJobErrors200JSONResponse{Items: items}
	if more > 0 {
		next := makeCursor(c.scope, strconv.Itoa(more))
		page.NextCursor = &next
	}
	return page, nil
}

// tableOf spells faults as CSV.
func tableOf(faults []sbc.JobError) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	lines := [][]string{{"row", "key", "pointer", "code", "detail"}}
	for _, f := range faults {
		lines = append(lines, []string{strconv.Itoa(f.Row), f.Key, f.Pointer, f.Code, f.Detail})
	}
	err := w.WriteAll(lines)
	return b.Bytes(), err
}
