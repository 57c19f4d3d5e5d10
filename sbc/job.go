package sbc

import (
	"context"
	"time"
)

// ImportMode says what an import does with a row whose resource is there already, and with resources that no row names.
type ImportMode string

// The modes.
const (
	ImportInsert ImportMode = "insert" // a row whose resource is there is refused
	ImportUpsert ImportMode = "upsert" // a row whose resource is there changes the fields that it has
	ImportSync   ImportMode = "sync"   // as upsert; what no row names is deleted, if every row was good
)

// JobState is how far a job is.
type JobState string

// The states. The last four are ends.
const (
	JobWaiting   JobState = "waiting"
	JobRunning   JobState = "running"
	JobSucceeded JobState = "succeeded" // every row was good
	JobPartial   JobState = "partial"   // it came to its end; some rows were refused
	JobFailed    JobState = "failed"    // it did not come to its end: Reason says why
	JobCancelled JobState = "cancelled"
)

// Ended tells whether the job is over.
func (s JobState) Ended() bool { return s != JobWaiting && s != JobRunning }

// JobReason says why a job failed.
type JobReason string

// The reasons.
const (
	JobInterrupted JobReason = "interrupted" // its node was stopped; up to a chunk of rows after Counts.Rows may have been written
	JobUnavailable JobReason = "unavailable" // the store could not be had
	JobUnreadable  JobReason = "unreadable"  // the body cannot be read any further
	JobBroken      JobReason = "internal"    // a fault of ours
)

// Job is an import under way, or one that is over. It is not part of the configuration.
type Job struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	// Kind is what is imported; Mode, MatchOn and DryRun are as they were asked for.
	Kind    Kind        `json:"kind"`
	Mode    ImportMode  `json:"mode"`
	MatchOn LookupField `json:"match_on"`
	DryRun  bool        `json:"dry_run"`
	// ContentType is that of the body: text/csv or application/x-ndjson.
	ContentType string    `json:"content_type"`
	State       JobState  `json:"state"`
	Reason      JobReason `json:"reason,omitempty"`
	// Detail says more of a failure, for people.
	Detail string `json:"detail,omitempty"`
	// Node is the node that works on it.
	Node string `json:"node"`
	// Actor, SourceIP and RequestID are of the request that began it.
	Actor     string `json:"actor"`
	SourceIP  string `json:"source_ip,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Bytes is the length of the body; BytesRead is how much of it has been worked on.
	Bytes     int64      `json:"bytes"`
	BytesRead int64      `json:"bytes_read"`
	Counts    JobCounts  `json:"counts"`
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// JobCounts counts rows: every row is created, updated, unchanged or failed. Deleted counts resources that no row named.
type JobCounts struct {
	Rows      int `json:"rows"`
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
	Deleted   int `json:"deleted"`
}

// MaxJobErrors is how many faults of one job are kept, the first ones; its counts know all rows.
const MaxJobErrors = 10_000

// JobError is one fault of one row.
type JobError struct {
	// Row counts from 1, the header of a CSV body left out; 0 is no row (a resource that a sync could not delete).
	Row int `json:"row"`
	// Key is how the row names its resource: its external id or its name, where it has one.
	Key string `json:"key,omitempty"`
	// Pointer is the field as the row calls it, as a JSON pointer fragment.
	Pointer string `json:"pointer,omitempty"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// JobQuery selects jobs, the newest first.
type JobQuery struct {
	TenantID string
	State    JobState
	// Before is the id before which the page begins.
	Before string
	Limit  int
}

// Jobs is the store of jobs.
type Jobs interface {
	// PutJob writes a job and tells whether somebody wants it to end.
	PutJob(ctx context.Context, j *Job) (cancelled bool, err error)
	Job(ctx context.Context, tenantID, id string) (*Job, error)
	Jobs(ctx context.Context, q JobQuery) (page []Job, next string, err error)
	// CancelJob asks for the end of a job. One that is over stays as it is.
	CancelJob(ctx context.Context, id string) error
	// AppendJobErrors keeps faults behind those that are there.
	AppendJobErrors(ctx context.Context, id string, faults []JobError) error
	// JobErrors gives faults in their order, after so many; next is 0 on the last page.
	JobErrors(ctx context.Context, id string, after, limit int) (page []JobError, next int, err error)
	// TouchJobs is a sign of life of a node for all its jobs that are not over.
	TouchJobs(ctx context.Context, node string) error
	// LostJobs gives jobs that are not over and of this node, or that have had no sign of life since before.
	LostJobs(ctx context.Context, node string, before time.Time) ([]Job, error)
	// ForgetJobs deletes jobs that were made before a time, and their faults.
	ForgetJobs(ctx context.Context, before time.Time) error
}
