package call

import (
	"context"

	"github.com/sallyport/sallyport/sbc"
)

// HangUpAll ends the calls that pass the filter as HangUp does, and gives their ids; with dryRun it ends none. A filter without
// Limit means all of them. It stops with the context's error when that ends: the ids are of the calls that were ended until then.
func (m *Manager) HangUpAll(ctx context.Context, f sbc.CallFilter, reason string, dryRun bool) ([]string, error) {
	ids := []string{}
	for _, c := range m.calls.all(f.After) {
		if err := ctx.Err(); err != nil {
			return ids, err
		}
		if f.Limit > 0 && len(ids) == f.Limit {
			break
		}
		c.look(func() {
			if !c.matches(&f) { // in one step with the end, so that a call that has changed since is not hit
				return
			}
			ids = append(ids, c.id)
			if !dryRun {
				c.stopNow(stopOrder{reason: sbc.EndAdmin, text: reason})
			}
		})
	}
	return ids, nil
}
