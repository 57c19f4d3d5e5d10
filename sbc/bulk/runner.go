package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Bounds of a node: bodies that are being received, and jobs that wait for their turn.
const (
	maxReceiving = 4
	maxWaiting   = 8
)

// A job that no node has written for abandoned is nobody's any more; jobs are forgotten after memory.
const (
	abandoned = 10 * time.Minute
	memory    = 7 * 24 * time.Hour
	tend      = time.Minute
)

// ending bounds the last write of a job whose node is stopped.
const ending = 4 * time.Second

// Options are what a Runner needs.
type Options struct {
	Jobs sbc.Jobs
	// Update writes the audit event of a job that is over.
	Update func(ctx context.Context, change func(tx sbc.Tx) error) error
	// Dir is where bodies wait for their turn; the Runner empties it when it starts.
	Dir  string
	Node string
	// Log may be nil.
	Log *slog.Logger
}

// Runner works off imports, one at a time. Its methods may be called from anywhere.
type Runner struct {
	o         Options
	receiving chan struct{}
	queue     chan *Task
}

// New makes a Runner; nothing is worked on before Run.
func New(o Options) (*Runner, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.RemoveAll(o.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	return &Runner{o: o, receiving: make(chan struct{}, maxReceiving), queue: make(chan *Task, maxWaiting)}, nil
}

// Body is a body that was received: it lies on disk until Close.
type Body struct {
	file *os.File
	// Size is its length in bytes.
	Size int64
}

// Receive keeps a body of at most so many bytes. tee gets a copy of it.
func (r *Runner) Receive(from io.Reader, tee io.Writer) (*Body, error) {
	select {
	case r.receiving <- struct{}{}:
		defer func() { <-r.receiving }()
	default:
		return nil, sbc.Errorf(sbc.CodeUnavailable, "%d imports are being received already", maxReceiving)
	}
	file, err := os.OpenFile(filepath.Join(r.o.Dir, sbc.NewID(sbc.PrefixJob)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, &sbc.Error{Code: sbc.CodeUnavailable, Message: "the body cannot be kept", Cause: err}
	}
	b := &Body{file: file}
	if b.Size, err = io.Copy(file, io.TeeReader(from, tee)); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Open reads the body from its beginning.
func (b *Body) Open() io.Reader { return io.NewSectionReader(b.file, 0, b.Size) }

// Close forgets the body.
func (b *Body) Close() error {
	err := b.file.Close()
	return errors.Join(err, os.Remove(b.file.Name()))
}

// Work does what a job is for, and says with Task what becomes of it. Its error is why the job did not come to its end.
type Work func(ctx context.Context, t *Task) error

// Start takes a job over, with its body, which is closed in any case, and gives the job as it waits.
func (r *Runner) Start(ctx context.Context, job sbc.Job, body *Body, work Work) (sbc.Job, error) {
	job.Node, job.State, job.Bytes, job.CreatedAt = r.o.Node, sbc.JobWaiting, body.Size, time.Now().UTC()
	t := &Task{Job: job, Body: body, runner: r, work: work}
	if _, err := r.o.Jobs.PutJob(ctx, &t.Job); err != nil {
		return job, errors.Join(err, body.Close())
	}
	select {
	case r.queue <- t:
		return job, nil
	default:
	}
	full := sbc.Errorf(sbc.CodeUnavailable, "%d imports wait already", maxWaiting)
	t.fail(sbc.JobUnavailable, full.Message)
	_, err := r.o.Jobs.PutJob(ctx, &t.Job)
	return t.Job, errors.Join(full, err, body.Close())
}

// Run works until ctx ends. What it is working on then, or what waits, is interrupted.
func (r *Runner) Run(ctx context.Context) {
	r.tend(ctx, true)
	ticker := time.NewTicker(tend)
	defer ticker.Stop()
	var working sync.WaitGroup
	working.Go(func() {
		for {
			select {
			case <-ctx.Done():
				r.leave()
				return
			case t := <-r.queue:
				t.run(ctx)
			}
		}
	})
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			r.tend(ctx, false)
		}
	}
	working.Wait()
}

// leave ends the jobs that wait.
func (r *Runner) leave() {
	for {
		select {
		case t := <-r.queue:
			t.fail(sbc.JobInterrupted, "the node was stopped before it began")
			t.end()
		default:
			return
		}
	}
}

// tend ends the jobs that a node left behind, and forgets old ones. At the start of a node those of its own are all left behind.
func (r *Runner) tend(ctx context.Context, first bool) {
	node, err := r.o.Node, error(nil)
	if !first {
		node, err = "", r.o.Jobs.TouchJobs(ctx, r.o.Node)
	}
	lost, wrong := r.o.Jobs.LostJobs(ctx, node, time.Now().Add(-abandoned))
	for i := range lost {
		t := &Task{Job: lost[i], runner: r}
		t.fail(sbc.JobInterrupted, fmt.Sprintf("the node %s was stopped; up to %d rows after those that are counted may have been written",
			t.Job.Node, ChunkRows))
		t.end()
	}
	err = errors.Join(err, wrong, r.o.Jobs.ForgetJobs(ctx, time.Now().Add(-memory)))
	if err != nil && ctx.Err() == nil {
		r.o.Log.Warn("jobs cannot be looked after", "error", err)
	}
}
