package quality

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// profile is one of the defaults, changed.
func profile(change func(*sbc.QualityProfile)) *sbc.QualityProfile {
	p := &sbc.QualityProfile{}
	p.Defaults()
	p.ID, p.PrefixDigits, p.WindowS = "qpr_1", 2, 300
	if change != nil {
		change(p)
	}
	return p
}

// asr leaves only that bound, of 80 and 50 percent of 10 calls.
func asr(p *sbc.QualityProfile) {
	p.Thresholds = []sbc.QualityThreshold{{Metric: sbc.QualityASR, Warning: 80, Critical: 50, MinSamples: 10}}
}

// metering is a Meter of one profile with the events that it told.
func metering(p *sbc.QualityProfile) (*Meter, *[]sbc.Event) {
	told := &[]sbc.Event{}
	return New(Options{
		Profiles: func(string) []*sbc.QualityProfile { return []*sbc.QualityProfile{p} },
		Events:   func(e sbc.Event) { *told = append(*told, e) },
	}), told
}

// record is a call that ends now after attempts with these answers on these trunks.
func record(number string, trunks []string, codes []int) *sbc.CDR {
	now := time.Now()
	r := &sbc.CDR{CalleeNormalised: number, EndedAt: now, MediaMode: sbc.MediaRelay}
	for i, code := range codes {
		start, ring := now.Add(-20*time.Second), now.Add(-18*time.Second)
		a := sbc.CDRAttempt{TrunkID: trunks[i], StartedAt: start, EndedAt: &now, Code: code}
		if code == 200 {
			a.ProgressAt, r.AnsweredAt, r.DurationMS = &ring, &ring, 18_000
		}
		if code == 0 {
			a.Reason = "timeout"
		}
		r.Attempts = append(r.Attempts, a)
	}
	return r
}

func calls(m *Meter, n, code int) {
	for range n {
		m.Observe(record("+4930", []string{"trk"}, []int{code}))
	}
}

// TestFiguresAreThoseOfTheRecords: the figures of random records over a day are what an obvious computation makes of those records that
// ended since the moment named.
func TestFiguresAreThoseOfTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile(nil)
		m, _ := metering(p)
		chance := rand.New(rand.NewPCG(1, 2))
		var all []*sbc.CDR
		for range 5000 {
			time.Sleep(time.Duration(chance.IntN(5000)) * time.Millisecond) // the bubble's clock
			n := 1 + chance.IntN(3)
			trunks, codes := make([]string, n), make([]int, n)
			for i := range n {
				trunks[i], codes[i] = fmt.Sprint("trk", chance.IntN(3)), []int{503, 486, 0, 603, 408}[chance.IntN(5)]
			}
			if chance.IntN(2) == 0 {
				codes[n-1] = 200
			}
			r := record([]string{"+4930", "+4312", "118"}[chance.IntN(3)], trunks, codes)
			all = append(all, r)
			m.Observe(r)
			if chance.IntN(50) != 0 {
				continue
			}
			trunk, number := fmt.Sprint("trk", chance.IntN(3)), r.CalleeNormalised
			v := m.Of(p, trunk, number)
			if v == nil {
				continue
			}
			if age := time.Since(v.MeasuredSince); age > 300*time.Second || age < 290*time.Second {
				t.Fatalf("measured since %s ago", age)
			}
			attempts, took, good := 0, 0, 0
			for _, r := range all {
				for _, a := range r.Attempts {
					if r.CalleeNormalised == number && a.TrunkID == trunk && !r.EndedAt.Before(v.MeasuredSince) {
						attempts++
						if a.Code == 200 {
							took++
						}
						if a.Code == 200 || a.Code == 486 {
							good++
						}
					}
				}
			}
			f := v.Figures
			if f[0].Samples != attempts || f[1].Samples != attempts || f[2].Samples != took || f[3].Samples != took {
				t.Fatalf("samples %+v, want %d and %d", f, attempts, took)
			}
			if attempts > 0 && (f[0].Value != 100*float64(took)/float64(attempts) || f[1].Value != 100*float64(good)/float64(attempts)) {
				t.Fatalf("%+v, want %d and %d of %d", f, took, good, attempts)
			}
			if took > 0 && (f[2].Value != 2000 || f[3].Value != 18) {
				t.Fatalf("PDD and ACD %+v", f)
			}
		}
	})
}

// TestPenalty: too few calls change nothing; then bounds do, until a figure is back by the hysteresis, or forgotten.
func TestPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile(asr)
		m, told := metering(p)
		want := func(state sbc.QualityState, percent int) {
			t.Helper()
			if v := m.Of(p, "trk", "4930"); v.State != state || v.WeightPercent != percent || v.Why == "" {
				t.Fatalf("%+v, want %s", v, state)
			}
		}
		if m.Of(p, "trk", "4930") != nil {
			t.Fatal("known before any call")
		}
		calls(m, 9, 486)
		want(sbc.QualityUnknown, 100)
		calls(m, 1, 486)
		want(sbc.QualityCritical, 5)
		calls(m, 11, 200) // 11 of 21: 52 percent, not yet 55
		want(sbc.QualityCritical, 5)
		calls(m, 4, 200) // 15 of 25: 60 percent
		want(sbc.QualityWarning, 50)
		calls(m, 30, 200) // 45 of 55: 82 percent, not yet 88
		want(sbc.QualityWarning, 50)
		calls(m, 60, 200)
		want(sbc.QualityGood, 100)
		calls(m, 500, 486)
		want(sbc.QualityCritical, 5)
		time.Sleep(301 * time.Second)
		want(sbc.QualityUnknown, 100)
		var states []string
		for _, e := range *told {
			if e.TrunkID != "trk" || e.Data["prefix"] != "49" || e.Data["metric"] != "asr" || e.Data["value"] == "" || e.Data["bound"] == "" {
				t.Errorf("%+v", e)
			}
			states = append(states, e.Data["state"])
		}
		if got := fmt.Sprint(states); got != "[critical warning good warning critical unknown]" {
			t.Error(got)
		}
		if l := m.List(p, "trk", "+49301"); len(l) != 1 || l[0].Figures[0].Why == "" || l[0].Prefix != "49" {
			t.Errorf("%+v", l)
		}
		if l := m.List(p, "trk", "43"); len(l) != 1 || l[0].State != sbc.QualityUnknown || l[0].Prefix != "43" {
			t.Errorf("of another prefix: %+v", l)
		}
	})
}

// TestQuarantine: it doubles with each that follows within a window, up to eight times; after it the trunk begins anew.
func TestQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := profile(func(p *sbc.QualityProfile) { asr(p); p.Action = sbc.QualityQuarantine })
		m, _ := metering(p)
		for _, s := range []int{60, 120, 240, 480, 480} {
			calls(m, 10, 503)
			v := m.Of(p, "trk", "4930")
			if !v.Quarantined() || v.WeightPercent != 0 || v.QuarantinedUntil.Sub(time.Now()) != time.Duration(s)*time.Second {
				t.Fatalf("%+v, want %d s", v, s)
			}
			time.Sleep(time.Duration(s)*time.Second - 1)
			if v := m.Of(p, "trk", "4930"); !v.Quarantined() {
				t.Fatalf("too early: %+v", v)
			}
			time.Sleep(1)
			if v := m.Of(p, "trk", "4930"); v.State != sbc.QualityUnknown || v.Figures[0].Samples != 0 {
				t.Fatalf("%+v", v)
			}
		}
		time.Sleep(301 * time.Second)
		calls(m, 10, 503)
		if v := m.Of(p, "trk", "4930"); v.QuarantinedUntil.Sub(time.Now()) != time.Minute {
			t.Errorf("long after: %+v", v)
		}
	})
}

// TestMedia: what the callee's side sent, and only that.
func TestMedia(t *testing.T) {
	p := profile(nil)
	m, _ := metering(p)
	call := func(change func(*sbc.CDR), streams ...sbc.StreamStats) {
		r := record("4930", []string{"trk"}, []int{200})
		r.Media = append(streams, sbc.StreamStats{Side: sbc.SideCaller, Media: "audio", Packets: 9, Lost: 9, MOS: 1})
		if change != nil {
			change(r)
		}
		m.Observe(r)
	}
	callee := sbc.StreamStats{Side: sbc.SideCallee, Media: "audio", Packets: 90, Lost: 10, MOS: 4}
	call(nil, callee)
	call(nil, sbc.StreamStats{Side: sbc.SideCallee, Media: "audio"})
	call(func(r *sbc.CDR) { r.DurationMS = 9_999 }, sbc.StreamStats{Side: sbc.SideCallee, Media: "audio"})
	call(func(r *sbc.CDR) { r.MediaMode = sbc.MediaDirect }, callee)
	call(func(r *sbc.CDR) { r.Legs = []sbc.CDRLeg{{Role: "transferor"}} }, callee)
	f := m.Of(p, "trk", "4930").Figures
	if f[4].Value != 4 || f[4].Samples != 1 || f[5].Value != 10 || f[5].Samples != 1 || f[6].Value != 50 || f[6].Samples != 2 {
		t.Errorf("%+v", f[4:])
	}
}

// TestBound: of too many prefixes the one that was fed least lately is forgotten; readers and writers may come at once.
func TestBound(t *testing.T) {
	p := profile(func(p *sbc.QualityProfile) { p.PrefixDigits = 8 })
	m := New(Options{Profiles: func(string) []*sbc.QualityProfile { return []*sbc.QualityProfile{p} }})
	m.most = 100
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for i := range 500 {
				number := fmt.Sprint(10_000_000 + w*1000 + i)
				m.Observe(record(number, []string{"trk"}, []int{200}))
				m.Of(p, "trk", number)
				m.List(p, "trk", "1000")
			}
		})
	}
	wait.Wait()
	if len(m.cells) != 100 || m.order.Len() != 100 {
		t.Errorf("%d cells, %d in order", len(m.cells), m.order.Len())
	}
	m.Observe(record("99999999", []string{"trk"}, []int{200}))
	if v := m.Of(p, "trk", "99999999"); v == nil || v.Figures[0].Samples != 1 {
		t.Errorf("the last one: %+v", v)
	}
}
