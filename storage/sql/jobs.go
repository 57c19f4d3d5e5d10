package sql

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport/sallyport/sbc"
)

// jobRow is a row of jobs.
type jobRow struct {
	ID        string `gorm:"primaryKey"`
	TenantID  string
	State     sbc.JobState
	Ended     bool
	Node      string
	Cancelled bool
	Created   int64 `gorm:"column:created_at"`
	Written   int64 `gorm:"column:written_at"`
	Document  string
}

func (jobRow) TableName() string { return "jobs" }

// jobErrorRow is a row of job_errors.
type jobErrorRow struct {
	JobID    string `gorm:"primaryKey"`
	Number   int    `gorm:"primaryKey;autoIncrement:false"`
	Document string
}

func (jobErrorRow) TableName() string { return "job_errors" }

// PutJob writes a job; whether it is cancelled is not changed by that.
func (s *Store) PutJob(ctx context.Context, j *sbc.Job) (cancelled bool, err error) {
	doc, err := document(j)
	if err != nil {
		return false, err
	}
	row := jobRow{
		ID: j.ID, TenantID: j.TenantID, State: j.State, Ended: j.State.Ended(), Node: j.Node, Created: micros(j.CreatedAt),
		Written: micros(now()), Document: doc,
	}
	err = s.run(ctx, "put_job", recordTimeout, func(ctx context.Context) error {
		upsert := clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.AssignmentColumns([]string{"state", "ended", "node", "written_at", "document"}),
		}
		db := s.write.WithContext(ctx)
		if err := db.Clauses(upsert).Create(&row).Error; err != nil {
			return err
		}
		var rows []jobRow
		err := db.Select("cancelled").Where("id = ?", j.ID).Find(&rows).Error
		cancelled = len(rows) == 1 && rows[0].Cancelled
		return err
	})
	return cancelled, err
}

// Job finds a job.
func (s *Store) Job(ctx context.Context, tenantID, id string) (*sbc.Job, error) {
	var rows []jobRow
	err := s.run(ctx, "job", readTimeout, func(ctx context.Context) error {
		q := s.read.WithContext(ctx).Where("id = ?", id)
		if tenantID != "" {
			q = q.Where("tenant_id = ?", tenantID)
		}
		return q.Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no job %q", id)
	}
	jobs, err := decodeJobs(rows)
	if err != nil {
		return nil, err
	}
	return &jobs[0], nil
}

func decodeJobs(rows []jobRow) ([]sbc.Job, error) {
	jobs := make([]sbc.Job, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Document), &jobs[i]); err != nil {
			return nil, &sbc.Error{Code: sbc.CodeInternal, Message: "the database holds a broken job", Cause: err}
		}
	}
	return jobs, nil
}

// Jobs gives a page, the newest first.
func (s *Store) Jobs(ctx context.Context, q sbc.JobQuery) (page []sbc.Job, next string, err error) {
	n := limit(q.Limit)
	var rows []jobRow
	err = s.run(ctx, "jobs", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx)
		if q.TenantID != "" {
			db = db.Where("tenant_id = ?", q.TenantID)
		}
		if q.State != "" {
			db = db.Where("state = ?", q.State)
		}
		if q.Before != "" {
			db = db.Where("id < ?", q.Before)
		}
		return db.Order("id DESC").Limit(n + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].ID
	}
	page, err = decodeJobs(rows)
	return page, next, err
}

// CancelJob marks a job that is not over.
func (s *Store) CancelJob(ctx context.Context, id string) error {
	return s.run(ctx, "cancel_job", recordTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Model(&jobRow{}).Where("id = ? AND ended = ?", id, false).Update("cancelled", true).Error
	})
}

// AppendJobErrors keeps faults in their order.
func (s *Store) AppendJobErrors(ctx context.Context, id string, faults []sbc.JobError) error {
	return s.run(ctx, "append_job_errors", recordTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			var last []int
			err := db.Model(&jobErrorRow{}).Where("job_id = ?", id).Order("number DESC").Limit(1).Pluck("number", &last).Error
			if err != nil {
				return err
			}
			rows := make([]jobErrorRow, len(faults))
			for i, f := range faults {
				doc, err := document(f)
				if err != nil {
					return err
				}
				rows[i] = jobErrorRow{JobID: id, Number: i + 1, Document: doc}
				if len(last) > 0 {
					rows[i].Number += last[0]
				}
			}
			return insert(db, rows)
		})
	})
}

// JobErrors gives a page of faults.
func (s *Store) JobErrors(ctx context.Context, id string, after, most int) (page []sbc.JobError, next int, err error) {
	n := limit(most)
	var rows []jobErrorRow
	err = s.run(ctx, "job_errors", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Where("job_id = ? AND number > ?", id, after).Order("number").Limit(n + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, 0, err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].Number
	}
	page = make([]sbc.JobError, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Document), &page[i]); err != nil {
			return nil, 0, &sbc.Error{Code: sbc.CodeInternal, Message: "the database holds a broken fault of a job", Cause: err}
		}
	}
	return page, next, nil
}

// TouchJobs writes the time into the jobs of a node.
func (s *Store) TouchJobs(ctx context.Context, node string) error {
	return s.run(ctx, "touch_jobs", recordTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Model(&jobRow{}).Where("node = ? AND ended = ?", node, false).Update("written_at", micros(now())).Error
	})
}

// LostJobs gives jobs that nobody works on.
func (s *Store) LostJobs(ctx context.Context, node string, before time.Time) ([]sbc.Job, error) {
	var rows []jobRow
	err := s.run(ctx, "lost_jobs", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Where("ended = ? AND (node = ? OR written_at < ?)", false, node, micros(before)).
			Order("id").Limit(maxLimit).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	return decodeJobs(slices.Clip(rows))
}

// ForgetJobs deletes old jobs; their faults go with them.
func (s *Store) ForgetJobs(ctx context.Context, before time.Time) error {
	return s.run(ctx, "forget_jobs", recordTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Where("created_at < ? AND ended = ?", micros(before), true).Delete(&jobRow{}).Error
	})
}
