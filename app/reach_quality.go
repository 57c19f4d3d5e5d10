package app

import (
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/quality"
)

// qualities is what trunks are worth, by the quality profiles of the configuration in service.
type qualities struct {
	meter   *quality.Meter
	current func() *config.Snapshot
	index   atomic.Pointer[qualityIndex]
}

// qualityIndex is which profiles of a configuration measure what.
type qualityIndex struct {
	of      *config.Snapshot
	byList  map[string]*sbc.QualityProfile
	byTrunk map[string][]*sbc.QualityProfile
}

// openQuality makes who measures trunks.
func (a *App) openQuality() *qualities {
	q := &qualities{current: a.config.Current}
	q.meter = quality.New(quality.Options{Profiles: q.profiles, Events: a.events.Add, Registerer: a.metrics})
	q.meter.BeginRecall()
	return q
}

// longest is the longest window of a profile in use, 0 for none.
func (q *qualities) longest() (d time.Duration) {
	for _, p := range q.now().byList {
		d = max(d, time.Duration(p.WindowS)*time.Second)
	}
	return d
}

// profiles are those of the route lists with a trunk.
func (q *qualities) profiles(trunkID string) []*sbc.QualityProfile { return q.now().byTrunk[trunkID] }

// now is the index of the configuration in service.
func (q *qualities) now() *qualityIndex {
	s := q.current()
	if x := q.index.Load(); x != nil && x.of == s {
		return x
	}
	x := newQualityIndex(s)
	q.index.Store(x)
	return x
}

func newQualityIndex(s *config.Snapshot) *qualityIndex {
	x := &qualityIndex{of: s, byList: map[string]*sbc.QualityProfile{}, byTrunk: map[string][]*sbc.QualityProfile{}}
	profiles := map[string]*sbc.QualityProfile{}
	for _, p := range s.Rows.Qualities {
		if p.Enabled {
			profiles[p.ID] = p
		}
	}
	if len(profiles) == 0 {
		return x
	}
	for _, l := range s.Rows.Lists {
		if p := profiles[l.QualityProfileID]; p != nil {
			x.byList[l.ID] = p
		}
	}
	type pair struct{ trunk, profile string }
	seen := map[pair]bool{}
	for _, t := range s.Rows.Targets {
		p := x.byList[t.RouteListID]
		if p == nil || t.TrunkID == "" || seen[pair{t.TrunkID, p.ID}] {
			continue
		}
		seen[pair{t.TrunkID, p.ID}] = true
		x.byTrunk[t.TrunkID] = append(x.byTrunk[t.TrunkID], p)
	}
	return x
}

// Quality is what is left of a trunk's weight in a route list for numbers like this one (route.Live).
func (r *reach) Quality(listID, trunkID, number string) (percent int, quarantined bool, why string) {
	p := r.qualities.now().byList[listID]
	if p == nil {
		return 100, false, ""
	}
	v := r.qualities.meter.Of(p, trunkID, number)
	if v == nil {
		return 100, false, ""
	}
	return v.WeightPercent, v.Quarantined(), v.Why
}

// TrunkQuality explains what a trunk is worth by each profile in use for it (api.Status).
func (h *health) TrunkQuality(id, digits string) []sbc.TrunkQuality {
	q, all := h.app.reach.qualities, []sbc.TrunkQuality{}
	for _, p := range q.profiles(id) {
		all = append(all, q.meter.List(p, id, digits)...)
	}
	return all
}

// measured is a ledger of which the trunks' quality is made, too.
type measured struct {
	call.Ledger
	meter *quality.Meter
}

// End counts a record, and keeps it.
func (l measured) End(r *sbc.CDR) error {
	l.meter.Observe(r) // before the store can have it: a record that is recalled from there is not counted twice
	return l.Ledger.End(r)
}
