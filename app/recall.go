package app

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// maxRecalled bounds the records that are read at the start, recallPage is how many at once.
	maxRecalled, recallPage = 50_000, 500
	// longestCall is how long before a window a call of it may have begun.
	longestCall = 4 * time.Hour
	// recallTime is how long the store is waited for, recallPause between two looks.
	recallTime, recallPause = time.Minute, 100 * time.Millisecond
)

// recallQuality counts the newest records of this node's earlier processes, so that what trunks are worth outlives a restart. Calls do not wait for it.
func (a *App) recallQuality(ctx context.Context) {
	meter, started := a.reach.qualities.meter, time.Now()
	since := time.Time{}
	defer func() { meter.EndRecall(since) }()
	window := a.reach.qualities.longest()
	if window == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	r := recalling{app: a, begin: started.Add(-window), take: meter.Recall}
	err := r.newest(ctx)
	for !r.enough {
		_, oldest := a.journal.Backlog()
		last := err == nil && (oldest.IsZero() || oldest.After(started)) // the store has all that earlier processes left
		if err = r.read(ctx); last && err == nil {
			break
		}
		select {
		case <-ctx.Done():
			a.o.Log.Warn("the quality of trunks begins anew: the records cannot be read", "error", err)
			return
		case <-time.After(recallPause):
		}
	}
	since = r.since
}

// recalling is the reading of records.
type recalling struct {
	app *App
	// begin is that of the longest window, since the moment from which on all records are there.
	begin, since time.Time
	after        int64
	take         func(*sbc.CDR) bool
	enough       bool
}

// newest finds where to begin.
func (r *recalling) newest(ctx context.Context) error {
	last, err := r.app.store.CDRs(ctx, sbc.CDRQuery{Newest: true, Limit: 1})
	if r.since = r.begin; err != nil || len(last) == 0 {
		return err
	}
	if r.after = last[0].Sequence - maxRecalled; r.after <= 0 {
		r.after = 0
		return nil
	}
	first, err := r.app.store.CDRs(ctx, sbc.CDRQuery{After: r.after, Limit: 1})
	if err == nil && len(first) > 0 && first[0].EndedAt.After(r.since) {
		r.since = first[0].EndedAt
	}
	return err
}

// read takes what is there by now.
func (r *recalling) read(ctx context.Context) error {
	for {
		page, err := r.app.store.CDRs(ctx, sbc.CDRQuery{After: r.after, Limit: recallPage, StartedAfter: r.begin.Add(-longestCall)})
		if err != nil {
			return err
		}
		for i := range page {
			c := &page[i]
			r.after = c.Sequence
			if c.Node == r.app.o.Node && c.EndedAt.After(r.begin) && !r.take(c) {
				r.enough = true
				return nil
			}
		}
		if len(page) < recallPage {
			return nil
		}
	}
}
