package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/storage/live"
)

// past is what an earlier process left of its calls.
type past struct {
	journal *live.Journal // nil if calls are not kept
	calls   []sbc.LiveChange
}

// openLive reads what is kept of calls in progress. Where calls are not kept, what there was is forgotten: it would be ever older.
func (a *App) openLive(context.Context) (err error) {
	dir := filepath.Join(a.o.DataDir, "live")
	if a.o.CallPersistence == PersistNone {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("forget the calls of an earlier process: %w", err)
		}
		return nil
	}
	a.past.journal, a.past.calls, err = live.Open(live.Options{Dir: dir, Log: a.o.Log})
	if err != nil {
		return err
	}
	a.life.onStop("live calls", func(context.Context) error { return a.past.journal.Close() })
	return nil
}

// records are those of the calls that may go on.
func (p *past) records() []string {
	ids := make([]string, len(p.calls))
	for i, c := range p.calls {
		ids[i] = call.RecordID(c)
	}
	return ids
}

// keepCalls tells the calls where they are kept.
func (a *App) keepCalls(o *call.Options) {
	if a.past.journal != nil {
		o.Live, o.WriteThrough, o.KeepEvery = a.past.journal, a.o.CallPersistence == PersistWriteThrough, a.o.PersistInterval
	}
}

// restoreCalls makes the calls of an earlier process go on, and only then lets requests in: the ports of those calls are theirs, and
// their peers' requests find them.
func (a *App) restoreCalls(context.Context) error {
	taken := a.calls.Restore(a.past.calls, a.journal.LastSign(), a.journal.Ended)
	a.past.calls = nil
	if err := a.journal.Settle(func(id string) bool { return taken[id] }); err != nil {
		a.o.Log.Error("the journal's disk", "error", err)
	}
	a.border.parts.Store(a.parts)
	return nil
}
