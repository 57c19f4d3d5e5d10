package integration

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// careless is a trunk that no refusal takes out of service.
func careless() rest.Object { return rest.Object{"outlier": rest.Object{"failures": 0}} }

// judged makes the route list one by quality, and gives its profile.
func (b *border) judged(w wiring, more rest.Object) string {
	b.t.Helper()
	profile := b.create("/quality-profiles", with(rest.Object{
		"name": "answers", "window_s": 600, "prefix_digits": 2, "hysteresis_percent": 0,
		"thresholds": []rest.Object{{"metric": "asr", "warning": 65, "critical": 60, "min_samples": 20}},
	}, more))
	b.patch("/route-lists/"+w.list, rest.Object{"selection": "quality", "quality_profile_id": profile, "max_attempts": 1})
	return profile
}

// quality is the verdict on a trunk for numbers of Germany.
func (b *border) quality(trunk string) sbc.TrunkQuality {
	b.t.Helper()
	var page rest.Page[sbc.TrunkQuality]
	b.do("GET", "/trunks/"+trunk+"/quality?prefix=49", nil, &page)
	if len(page.Items) != 1 || len(page.Items[0].Figures) != 1 {
		b.t.Fatalf("%+v", page)
	}
	return page.Items[0]
}

// TestQualityOutlivesARestart: the figures of a trunk, and the verdict on them, are after a restart what they were before; records that come
// while the old ones are read are counted once.
func TestQualityOutlivesARestart(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	dir := t.TempDir()
	o := app.Options{DataDir: dir, Database: "sqlite://" + filepath.Join(dir, "s.db")}
	b := startBorder(t, o)
	w := b.connect(newSides(t), wish{eastTrunk: careless()})
	b.judged(w, nil)
	sippServer(t, "callee_share.xml", w.eastPeer, "-set", "share", "40")
	calls := func(n int) {
		t.Helper()
		if err := sipp(patience(t, 30*time.Second), t, "caller_many.xml", calling(w.sides, "u1", n, "-r", "100")...); err != nil {
			t.Fatal(err)
		}
	}
	calls(60)
	b.cdrs(60)
	before := b.quality(w.eastTrunk)
	if before.State != sbc.QualityCritical || before.Figures[0].Samples != 60 {
		t.Fatalf("%+v", before)
	}
	if err := b.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = startBorder(t, o)
	waitFor(t, func() bool { return b.quality(w.eastTrunk).Figures[0].Samples == 60 }, "the figures of before")
	after := b.quality(w.eastTrunk)
	if f := after.Figures[0]; f != before.Figures[0] || after.State != before.State || after.Prefix != "49" {
		t.Errorf("after the restart %+v\nbefore it %+v", after, before)
	}
	var told rest.Page[sbc.Event]
	b.do("GET", "/events?type=gateway.quality", nil, &told)
	if len(told.Items) != 0 {
		t.Errorf("what was known is told again: %+v", told.Items)
	}
	calls(20)
	b.cdrs(80)
	took := 0
	for _, r := range b.cdrs(80) {
		if r.FinalCode == 200 {
			took++
		}
	}
	if f := b.quality(w.eastTrunk).Figures[0]; f.Samples != 80 || f.Value != 100*float64(took)/80 {
		t.Errorf("%+v, and %d of 80 records are answered", f, took)
	}
	if asr := b.metric("sbc_trunk_asr_ratio", w.eastTrunk); asr < float64(took)/80-0.001 || asr > float64(took)/80+0.001 {
		t.Errorf("the metric says %v, the records %d of 80", asr, took)
	}
	if weight := b.metric("sbc_trunk_quality_weight_percent", w.eastTrunk); weight != 5 {
		t.Errorf("the weight is %v percent", weight)
	}
}

// TestQuarantine: of two SIPp carriers one that answers no call is put in quarantine and gets none while it lasts, as the API and the event
// say; then it is tried again, answers, and counts as good.
func TestQuarantine(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true, eastTrunk: careless()})
	bad, mended, good := w.eastPeer, newSides(t).eastPeer, newSides(t).eastPeer
	at := "/trunks/" + w.eastTrunk + "/endpoints"
	endpoint := b.create(at, rest.Object{"name": "peer", "address": bad.String(), "port": 5060})
	second := b.create("/trunks", with(rest.Object{"name": "second", "realm_id": w.eastRealm}, careless()))
	b.create("/trunks/"+second+"/endpoints", rest.Object{"name": "peer", "address": good.String(), "port": 5060})
	b.create("/route-lists/"+w.list+"/targets", rest.Object{"name": "second", "trunk_id": second, "weight": 1})
	b.judged(w, rest.Object{"action": "quarantine", "quarantine_s": 5, "window_s": 60,
		"thresholds": []rest.Object{{"metric": "asr", "warning": 65, "critical": 60, "min_samples": 5}}})
	sippServer(t, "callee_share.xml", bad, "-set", "share", "0")
	sippServer(t, "callee.xml", mended)
	sippServer(t, "callee.xml", good)
	records, to := 0, map[string]int{}
	calls := func(n int) {
		t.Helper()
		if err := sipp(patience(t, 30*time.Second), t, "caller_many.xml", calling(w.sides, "u1", n, "-r", "50")...); err != nil {
			t.Fatal(err)
		}
		clear(to)
		for _, r := range b.cdrs(records + n)[records:] {
			to[r.EgressTrunkID]++
		}
		records += n
	}
	for range 20 {
		if b.quality(w.eastTrunk).State == sbc.QualityQuarantined {
			break
		}
		calls(10)
	}
	q := b.quality(w.eastTrunk)
	if q.State != sbc.QualityQuarantined || q.QuarantinedUntil == nil || q.WeightPercent != 0 || q.Why == "" || q.Figures[0].Value != 0 {
		t.Fatalf("%+v", q)
	}
	calls(20)
	if left := time.Until(*q.QuarantinedUntil); left < 0 {
		t.Skipf("the machine is too slow: the quarantine was over %v ago", -left)
	}
	if to[w.eastTrunk] != 0 || to[second] != 20 {
		t.Errorf("calls in the quarantine: %v", to)
	}
	b.patch(at+"/"+endpoint, rest.Object{"address": mended.String()})
	waitFor(t, func() bool { return b.quality(w.eastTrunk).State != sbc.QualityQuarantined }, "the end of the quarantine")
	if time.Now().Before(*q.QuarantinedUntil) {
		t.Error("the quarantine ended early")
	}
	for i := 0; b.quality(w.eastTrunk).State != sbc.QualityGood && i < 10; i++ {
		calls(20)
	}
	if q = b.quality(w.eastTrunk); q.State != sbc.QualityGood || q.Figures[0].Value != 100 || q.WeightPercent != 100 {
		t.Errorf("after the quarantine: %+v", q)
	}
	var page rest.Page[sbc.Event]
	b.do("GET", "/events?type=gateway.quality", nil, &page)
	states := ""
	for _, e := range page.Items {
		if e.TrunkID == w.eastTrunk {
			states += " " + e.Data["state"]
		}
	}
	if states != " quarantined unknown" && states != " quarantined good" {
		t.Errorf("the events say%s", states)
	}
}
