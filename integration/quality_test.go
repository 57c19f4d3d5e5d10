package integration

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestBadCarrierGetsFewerCalls: of two SIPp carriers of the same weight one answers 30 percent of its calls, the other 95. Its
// share shrinks once enough calls were seen; the API shows the ASR that the records have, and the event tells of it.
func TestBadCarrierGetsFewerCalls(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	careless := rest.Object{"outlier": rest.Object{"failures": 0}} // refusals are not what puts it out of service here
	w := b.connect(newSides(t), wish{eastTrunk: careless})
	profile := b.create("/quality-profiles", rest.Object{
		"name": "answers", "window_s": 600, "action": "penalty", "critical_percent": 5, "hysteresis_percent": 0, "prefix_digits": 2,
		"thresholds": []rest.Object{{"metric": "asr", "warning": 65, "critical": 60, "min_samples": 20}},
	})
	b.patch("/route-lists/"+w.list, rest.Object{"selection": "quality", "quality_profile_id": profile, "max_attempts": 1})
	second := newSides(t).eastPeer
	good := b.create("/trunks", with(rest.Object{"name": "second", "realm_id": w.eastRealm}, careless))
	b.create("/trunks/"+good+"/endpoints", rest.Object{"name": "peer", "address": second.String(), "port": 5060})
	b.create("/route-lists/"+w.list+"/targets", rest.Object{"name": "second", "trunk_id": good, "weight": 1})
	var only rest.Page[sbc.Target]
	b.do("GET", "/route-lists/"+w.list+"/targets?name=only", nil, &only)
	b.patch("/route-lists/"+w.list+"/targets/"+only.Items[0].ID, rest.Object{"weight": 1})
	sippServer(t, "callee_share.xml", w.eastPeer, "-set", "share", "30")
	sippServer(t, "callee_share.xml", second, "-set", "share", "95")
	calls := func(n int) {
		t.Helper()
		if err := sipp(patience(t, 30*time.Second), t, "caller_many.xml", calling(w.sides, "u1", n, "-r", "100")...); err != nil {
			t.Fatal(err)
		}
	}
	calls(100)
	b.cdrs(100)
	calls(100)
	records := b.cdrs(200)
	shown := func(trunk, prefix string) sbc.TrunkQuality {
		t.Helper()
		var page rest.Page[sbc.TrunkQuality]
		b.do("GET", "/trunks/"+trunk+"/quality?prefix="+prefix, nil, &page)
		if len(page.Items) != 1 || len(page.Items[0].Figures) != 1 || page.Items[0].ProfileID != profile {
			t.Fatalf("%+v", page)
		}
		return page.Items[0]
	}
	tell := func(trunk string) (attempts, took, late int) {
		for i, r := range records {
			for _, a := range r.Attempts {
				if a.TrunkID == trunk {
					attempts++
					if a.Code == 200 {
						took++
					}
					if i >= 100 {
						late++
					}
				}
			}
		}
		return attempts, took, late
	}
	for trunk, want := range map[string]sbc.QualityState{w.eastTrunk: sbc.QualityCritical, good: sbc.QualityGood} {
		attempts, took, late := tell(trunk)
		q := shown(trunk, "4930")
		f := q.Figures[0]
		if q.State != want || q.Prefix != "49" || f.Samples != attempts || f.Value != 100*float64(took)/float64(attempts) || f.Why == "" {
			t.Errorf("%+v, want %s with %d of %d answered", q, want, took, attempts)
		}
		if trunk == w.eastTrunk && late > 20 {
			t.Errorf("the bad carrier has %d of the last 100 calls, want about 5", late)
		}
	}
	if q := shown(good, "1"); q.State != sbc.QualityUnknown || q.Figures[0].Samples != 0 {
		t.Errorf("numbers that nobody called: %+v", q)
	}
	page, err := rest.Until(patience(t, 10*time.Second), b.Client, "/v1/events?type=gateway.quality",
		func(p rest.Page[sbc.Event]) bool { return len(p.Items) >= 1 })
	if err != nil {
		t.Fatal(err)
	}
	e := page.Items[len(page.Items)-1]
	if d := e.Data; e.TrunkID != w.eastTrunk || d["state"] != "critical" || d["metric"] != "asr" || d["prefix"] != "49" {
		t.Errorf("%+v", e)
	}
}
