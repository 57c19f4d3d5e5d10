package quality

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestRecall: what is recalled is counted as it was at its time, tells nobody, and nothing is counted twice; a quarantine goes on.
func TestRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &sbc.QualityProfile{WindowS: 60, Action: sbc.QualityQuarantine, QuarantineS: 30,
			Thresholds: []sbc.QualityThreshold{{Metric: sbc.QualityASR, Warning: 60, Critical: 50, MinSamples: 5}}}
		p.ID = "qpr_1"
		time.Sleep(time.Hour)
		start := time.Now()
		events := 0
		m := New(Options{Profiles: func(string) []*sbc.QualityProfile { return []*sbc.QualityProfile{p} }, Events: func(sbc.Event) { events++ }})
		m.BeginRecall()
		failed := func(i int, ago time.Duration) *sbc.CDR {
			at := start.Add(-ago)
			return &sbc.CDR{ID: fmt.Sprint("cdr_", i), CalleeNormalised: "4930", EndedAt: at,
				Attempts: []sbc.CDRAttempt{{TrunkID: "trk_1", Code: 503, StartedAt: at, EndedAt: &at}}}
		}
		m.Observe(failed(9, 0))
		if q := m.Of(p, "trk_1", "4930"); !q.MeasuredSince.Equal(start) {
			t.Errorf("measured since %v, before anything was recalled", q.MeasuredSince)
		}
		for i := range 5 {
			if !m.Recall(failed(i, 20*time.Second)) {
				t.Fatal("nothing to recall")
			}
		}
		m.Recall(failed(9, 0))
		m.EndRecall(start.Add(-time.Minute))
		q := m.Of(p, "trk_1", "4930")
		if q.State != sbc.QualityQuarantined || !q.QuarantinedUntil.Equal(start.Add(10*time.Second)) || q.Figures[0].Samples != 6 || events != 0 {
			t.Errorf("%+v, %d events", q, events)
		}
		if m.Recall(failed(6, 0)) {
			t.Error("recalled after the end")
		}
		time.Sleep(11 * time.Second)
		if q = m.Of(p, "trk_1", "4930"); q.State != sbc.QualityUnknown || events != 1 {
			t.Errorf("%+v, %d events", q, events)
		}
	})
}
