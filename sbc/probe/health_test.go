package probe

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

var epoch = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return epoch.Add(time.Duration(seconds * float64(time.Second)))
}

func usual(change func(*sbc.Trunk)) (*sbc.Probe, *sbc.Outlier) {
	var t sbc.Trunk
	t.Defaults()
	t.Probe.Enabled = true
	if change != nil {
		change(&t)
	}
	return &t.Probe, &t.Outlier
}

// TestProbes: three failures in a row and not one less make an endpoint down, two answers in a row bring it back, and which answers
// count is said by the codes.
func TestProbes(t *testing.T) {
	t.Parallel()
	p, o := usual(func(t *sbc.Trunk) { t.Probe.DeadCodes = []string{"408", "503", "480"} })
	var h health
	for i, step := range []struct {
		code int
		want sbc.EndpointState
	}{
		{0, sbc.EndpointUnknown},
		{404, sbc.EndpointUp}, // whoever answers is there
		{0, sbc.EndpointUp},
		{503, sbc.EndpointUp},
		{200, sbc.EndpointUp}, // the row is broken
		{480, sbc.EndpointUp},
		{0, sbc.EndpointUp},
		{408, sbc.EndpointDown},
		{0, sbc.EndpointDown},
		{200, sbc.EndpointDown},
		{0, sbc.EndpointDown},
		{200, sbc.EndpointDown},
		{200, sbc.EndpointUp},
	} {
		h.probed(at(float64(30*i)), p, step.code, time.Millisecond, "no answer")
		v := h.verdict(at(float64(30*i)), o)
		if v.state != step.want || (v.state == sbc.EndpointDown) != (v.percent == 0) {
			t.Fatalf("step %d: %+v, want %s", i, v, step.want)
		}
		if v.state == sbc.EndpointDown && (v.why == "" || v.since.After(at(30*7)) || v.since.Before(at(30*7))) {
			t.Errorf("step %d: down without a reason, or since %s", i, v.since)
		}
	}
	if got := h.verdict(at(30*12), o).since; !got.Equal(at(30 * 12)) {
		t.Errorf("up since %s", got)
	}
}

// TestOutlier: five attempts in a row without success take an endpoint out for 30 s, then 60, 120, 240 and no longer; a
// success breaks the row; after some time in peace it begins with 30 s again.
func TestOutlier(t *testing.T) {
	t.Parallel()
	_, o := usual(nil)
	var h health
	fail := func(when time.Time) { h.attempted(when, when, o, false, "no answer") }
	for range 4 {
		fail(at(0))
	}
	h.attempted(at(0), at(0), o, true, "")
	for range 4 {
		fail(at(0))
	}
	if v := h.verdict(at(0), o); v.state != sbc.EndpointUp {
		t.Fatalf("after four in a row: %+v", v)
	}
	when := at(0)
	for n, seconds := range []int{30, 60, 120, 240, 240} {
		fail(when) // the fifth, later the first after it came back
		if v := h.verdict(when.Add(time.Duration(seconds)*time.Second-1), o); v.state != sbc.EndpointEjected || v.percent != 0 {
			t.Fatalf("ejection %d: %+v just before %d s", n+1, v, seconds)
		}
		fail(when.Add(time.Second)) // a late failure of an attempt from before or meanwhile says nothing
		when = when.Add(time.Duration(seconds) * time.Second)
		if v := h.verdict(when, o); v.state != sbc.EndpointUp || v.percent != 100 || !v.since.Equal(when) {
			t.Fatalf("ejection %d: %+v after %d s", n+1, v, seconds)
		}
	}
	when = when.Add(10 * time.Minute)
	h.attempted(when, when, o, true, "")
	for range 5 {
		fail(when)
	}
	if v := h.verdict(when.Add(30*time.Second), o); v.state != sbc.EndpointUp {
		t.Errorf("after a time in peace it is out for longer than 30 s: %+v", v)
	}
}

// TestOutlierLastResort: an endpoint that is ejected and answers all the same, because all were out, is back at once; one whose answer
// belongs to an attempt from before is not.
func TestOutlierLastResort(t *testing.T) {
	t.Parallel()
	_, o := usual(func(t *sbc.Trunk) { t.Outlier.Failures = 1 })
	var h health
	h.attempted(at(1), at(5), o, false, "no answer")
	h.attempted(at(0), at(6), o, true, "")
	if v := h.verdict(at(6), o); v.state != sbc.EndpointEjected {
		t.Fatalf("an answer to an older attempt: %+v", v)
	}
	h.attempted(at(7), at(8), o, true, "")
	if v := h.verdict(at(8), o); v.state != sbc.EndpointUp {
		t.Fatalf("an answer to a later attempt: %+v", v)
	}
	_, never := usual(func(t *sbc.Trunk) { t.Outlier.Failures = 0 })
	h = health{}
	for range 1000 {
		h.attempted(at(9), at(9), never, false, "no answer")
	}
	if v := h.verdict(at(9), never); v.percent != 100 {
		t.Errorf("failures 0 took it out: %+v", v)
	}
}

// TestSlowStart: the weight grows from the moment an endpoint is back, after its probes failed as after its calls did.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	p, o := usual(func(t *sbc.Trunk) { t.Outlier.SlowStartS, t.Outlier.Failures = 20, 1 })
	var h health
	if v := h.verdict(at(0), o); v.percent != 100 {
		t.Errorf("a new endpoint: %+v", v)
	}
	grows := func(from float64) {
		t.Helper()
		for s, want := range map[float64]int{0: 1, 1: 5, 10: 50, 19: 95, 20: 100, 400: 100} {
			if v := h.verdict(at(from+s), o); v.percent != want || (v.why != "") != (want < 100) || v.state != sbc.EndpointUp {
				t.Errorf("%g s after it is back: %+v, want %d", s, v, want)
			}
		}
	}
	h.probed(at(0), p, 200, 0, "")
	for i := range 3 {
		h.probed(at(float64(i)), p, 0, 0, "no answer")
	}
	h.probed(at(10), p, 200, 0, "")
	h.probed(at(11), p, 200, 0, "")
	grows(11)
	h.attempted(at(100), at(100), o, false, "answered 503")
	grows(130)
}

// TestSettle: who is not asked any more is not down, who may fail is not ejected.
func TestSettle(t *testing.T) {
	t.Parallel()
	p, o := usual(func(t *sbc.Trunk) { t.Probe.DownAfter, t.Outlier.Failures = 1, 1 })
	var h health
	h.attempted(at(1), at(1), o, false, "no answer")
	h.probed(at(1), p, 0, 0, "no answer")
	p.Enabled = false
	h.settle(at(2), p, o)
	if v := h.verdict(at(2), o); v.state != sbc.EndpointEjected {
		t.Errorf("without probes: %+v", v)
	}
	o.Failures = 0
	h.settle(at(3), p, o)
	if v := h.verdict(at(3), o); v.state != sbc.EndpointUnknown || v.percent != 100 {
		t.Errorf("without both: %+v", v)
	}
}
