package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// ChunkRows is how many rows are written in one transaction.
const ChunkRows = 1000

// Task is a job while it is worked on; only the goroutine that works on it touches it.
type Task struct {
	// Job is what others see after the next Save.
	Job    sbc.Job
	Body   *Body
	runner *Runner
	work   Work
	// faults have not been saved yet; kept counts those that have.
	faults []sbc.JobError
	kept   int
}

// errCancelled says that somebody wants the job to end.
var errCancelled = errors.New("bulk: cancelled")

// Fault notes what is wrong with a row, if not too much has been noted.
func (t *Task) Fault(f sbc.JobError) {
	if t.kept+len(t.faults) < sbc.MaxJobErrors {
		t.faults = append(t.faults, f)
	}
}

// Save makes progress known. Its error ends the work.
func (t *Task) Save(ctx context.Context) error {
	if len(t.faults) > 0 {
		if err := t.runner.o.Jobs.AppendJobErrors(ctx, t.Job.ID, t.faults); err != nil {
			return err
		}
		t.kept += len(t.faults)
		t.faults = nil
	}
	cancelled, err := t.runner.o.Jobs.PutJob(ctx, &t.Job)
	if err == nil && cancelled {
		return errCancelled
	}
	return err
}

// Chunks reads the body and gives its rows on, ChunkRows at a time, saving the job after each.
func (t *Task) Chunks(ctx context.Context, do func(rows []Row) error) error {
	reader, err := NewReader(t.Body.Open(), t.Job.ContentType, t.Job.Kind)
	if err != nil {
		return &unreadable{err}
	}
	rows := make([]Row, 0, ChunkRows)
	for done := false; !done; {
		row, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			done = true
		case err != nil:
			return &unreadable{fmt.Errorf("row %d: %w", row.Number, err)}
		default:
			rows = append(rows, row)
		}
		if len(rows) == ChunkRows || done && len(rows) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(rows); err != nil {
				return err
			}
			t.Job.BytesRead, t.Job.Counts.Rows = rows[len(rows)-1].End, t.Job.Counts.Rows+len(rows)
			if err := t.Save(ctx); err != nil {
				return err
			}
			clear(rows)
			rows = rows[:0]
		}
	}
	t.Job.BytesRead = t.Job.Bytes
	return nil
}

// unreadable is an error of the body.
type unreadable struct{ error }

func (u *unreadable) Unwrap() error { return u.error }

// run does the work and says how it ended.
func (t *Task) run(ctx context.Context) {
	at := time.Now().UTC()
	t.Job.State, t.Job.StartedAt = sbc.JobRunning, &at
	err := t.Save(ctx)
	if err == nil {
		err = t.guarded(ctx)
	}
	var body *unreadable
	switch {
	case err == nil && t.Job.Counts.Failed == 0:
		t.Job.State = sbc.JobSucceeded
	case err == nil:
		t.Job.State = sbc.JobPartial
	case errors.Is(err, errCancelled):
		t.Job.State = sbc.JobCancelled
	case errors.As(err, &body):
		t.fail(sbc.JobUnreadable, err.Error())
	case ctx.Err() != nil:
		t.fail(sbc.JobInterrupted, "the node was stopped")
	case sbc.CodeOf(err) == sbc.CodeUnavailable:
		t.fail(sbc.JobUnavailable, err.Error())
	default:
		t.runner.o.Log.Error("an import failed", "job", t.Job.ID, "error", err)
		t.fail(sbc.JobBroken, "the log of the node has it")
	}
	t.end()
}

// guarded keeps a panic from taking the node down.
func (t *Task) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return t.work(ctx, t)
}

func (t *Task) fail(reason sbc.JobReason, detail string) {
	t.Job.State, t.Job.Reason, t.Job.Detail = sbc.JobFailed, reason, detail
}

// end keeps the end of the job, and one audit event of all that it wrote. It does so also while the node stops.
func (t *Task) end() {
	at := time.Now().UTC()
	t.Job.EndedAt = &at
	ctx, cancel := context.WithTimeout(context.Background(), ending)
	defer cancel()
	err := t.Save(ctx)
	if errors.Is(err, errCancelled) {
		err = nil
	}
	if err == nil && !t.Job.DryRun {
		err = t.runner.o.Update(ctx, func(tx sbc.Tx) error { return tx.Audit(t.event()) })
	}
	if t.Body != nil {
		err = errors.Join(err, t.Body.Close())
	}
	if err != nil {
		t.runner.o.Log.Error("the end of an import cannot be kept", "job", t.Job.ID, "state", t.Job.State, "actor", t.Job.Actor,
			"counts", t.Job.Counts, "error", err)
	}
}

// event is the audit event of the whole job.
func (t *Task) event() sbc.AuditEvent {
	return sbc.AuditEvent{
		ID: sbc.NewID(sbc.PrefixAudit), At: *t.Job.EndedAt, TenantID: t.Job.TenantID, Actor: t.Job.Actor, SourceIP: t.Job.SourceIP,
		RequestID: t.Job.RequestID, OperationID: "importResources", Kind: t.Job.Kind, ResourceID: t.Job.ID,
		After: map[string]any{
			"mode": t.Job.Mode, "match_on": t.Job.MatchOn, "state": t.Job.State, "reason": t.Job.Reason, "counts": t.Job.Counts,
		},
	}
}
