package probe

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// doublings bounds how often the time for which an endpoint is ejected doubles: up to eight times.
const doublings = 3

// health is what is known of one endpoint. The zero value knows nothing.
type health struct {
	heard bool // it answered something
	down  bool // its probes fail
	// run counts probes in a row: above zero with success, below without.
	run int
	// failures counts attempts in a row without success; from is when it was ejected last, until when that ends or ended, times how
	// often that happened soon after the time before.
	failures    int
	from, until time.Time
	times       int
	// back is when it came back after its probes had failed; since is when down or heard changed.
	back, since time.Time
	// why says what made it down or ejected.
	whyDown, whyEjected string
	// of the last probe
	asked time.Time
	code  int
	trip  time.Duration
}

// verdict is what health comes to at one instant.
type verdict struct {
	state   sbc.EndpointState
	percent int
	since   time.Time
	why     string
}

// verdict tells whether calls go to the endpoint.
func (h *health) verdict(now time.Time, o *sbc.Outlier) verdict {
	switch {
	case h.down:
		return verdict{sbc.EndpointDown, 0, h.since, h.whyDown}
	case now.Before(h.until):
		return verdict{sbc.EndpointEjected, 0, h.from, h.whyEjected}
	}
	v := verdict{state: sbc.EndpointUnknown, percent: 100, since: later(h.since, h.until)}
	if h.heard {
		v.state = sbc.EndpointUp
	}
	back, slow := later(h.back, h.until), time.Duration(o.SlowStartS)*time.Second
	if gone := now.Sub(back); !back.IsZero() && gone < slow {
		v.percent = max(1, int(100*gone/slow))
		v.why = fmt.Sprintf("it came back %s ago and takes %s to its full weight", gone.Truncate(time.Second), slow)
	}
	return v
}

// probed notes what became of a probe: code is that of the final answer, 0 with why there is none.
func (h *health) probed(now time.Time, p *sbc.Probe, code int, trip time.Duration, why string) {
	h.asked, h.code = now, code
	if code != 0 {
		h.trip = trip
	}
	if code == 0 || !p.Alive(code) {
		if code != 0 {
			why = fmt.Sprintf("answered %d", code)
		}
		h.run = min(h.run, 0) - 1
		if -h.run >= p.DownAfter {
			h.whyDown = fmt.Sprintf("%d probes in a row failed, the last one: %s", -h.run, why)
			if !h.down {
				h.down, h.since = true, now
			}
		}
		return
	}
	h.run = max(h.run, 0) + 1
	switch {
	case h.down && h.run >= p.UpAfter:
		h.down, h.heard, h.since, h.back, h.whyDown = false, true, now, now, ""
	case !h.down && !h.heard:
		h.heard, h.since = true, now
	}
}

// attempted notes what became of an attempt of a call that began at some time. One that began before the endpoint was ejected, or
// while it was, says nothing of what it is like now if it failed.
func (h *health) attempted(began, now time.Time, o *sbc.Outlier, ok bool, why string) {
	switch {
	case ok && began.Before(h.from):
	case ok:
		h.failures = 0
		if now.Before(h.until) { // somebody was let try because all others were out, too
			h.until = now
		}
		if !h.heard && !h.down {
			h.heard, h.since = true, now
		}
	case o.Failures == 0 || began.Before(h.until):
	default:
		if h.failures++; h.failures >= o.Failures {
			h.eject(now, o, why)
		}
	}
}

// eject takes the endpoint out. Its failures stay counted: the first attempt after that which fails, too, takes it out again.
func (h *health) eject(now time.Time, o *sbc.Outlier, why string) {
	unit := time.Duration(o.EjectS) * time.Second
	if h.times > 0 && now.Sub(h.until) > unit<<doublings {
		h.times = 0
	}
	h.from, h.until = now, now.Add(unit<<min(h.times, doublings))
	h.times++
	h.whyEjected = fmt.Sprintf("%d attempts in a row failed, the last one: %s; it is left alone until %s", h.failures, why,
		h.until.UTC().Format(time.RFC3339))
}

// settle brings the state into line with settings that have changed: who is not probed is not down, who may fail is not ejected.
func (h *health) settle(now time.Time, p *sbc.Probe, o *sbc.Outlier) {
	if !p.Enabled {
		if h.down {
			h.down, h.heard, h.since, h.whyDown = false, false, now, ""
		}
		h.run = 0
	}
	if o.Failures == 0 {
		h.failures, h.times = 0, 0
		if now.Before(h.until) {
			h.until = now
		}
	}
}

// calm tells that all is well and another success would change nothing.
func (h *health) calm(now time.Time, o *sbc.Outlier) bool {
	v := h.verdict(now, o)
	return h.heard && h.failures == 0 && v.percent == 100
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
