package quality

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// mostDoubled is how often a quarantine doubles: up to eight times its length.
const mostDoubled = 3

// cell is the figures of a trunk for a prefix, by one profile, and the verdict on them.
type cell struct {
	key     key
	verdict atomic.Pointer[verdict]
	begun   *atomic.Int64 // the Meter's

	mu     sync.Mutex
	window window
	// since is when the window was last cleared, the zero time for never.
	since  time.Time
	levels map[sbc.QualityMetric]sbc.QualityState
	state  sbc.QualityState
	// until is the end of the quarantine, ended that of the one before, doubled how often it was doubled.
	until, ended time.Time
	doubled      int
}

// verdict is a TrunkQuality that holds until a moment, as long as the profile is the same.
type verdict struct {
	sbc.TrunkQuality
	profile *sbc.QualityProfile
	until   time.Time
}

// feed counts something (nil for nothing) at a moment, and judges. It gives the event of a verdict that has changed.
func (c *cell) feed(p *sbc.QualityProfile, now, at time.Time, n *counts) *sbc.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.window.width != width(p) { // new, or the profile has another window now
		if c.window.width != 0 {
			c.since = now
		}
		c.window.clear(width(p))
	}
	if c.state == sbc.QualityQuarantined && (p.Action != sbc.QualityQuarantine || !now.Before(c.until)) {
		// What was before the quarantine is why it was: the trunk begins anew.
		c.ended, c.since, c.levels = now, now, nil
		c.window.clear(width(p))
		n = onlyAfter(n, at, now)
		return c.judge(p, now, n, at, true)
	}
	return c.judge(p, now, n, at, false)
}

// onlyAfter leaves out what was before a moment.
func onlyAfter(n *counts, at, moment time.Time) *counts {
	if at.Before(moment) {
		return nil
	}
	return n
}

// judge makes the verdict. released says that a quarantine is over.
func (c *cell) judge(p *sbc.QualityProfile, now time.Time, n *counts, at time.Time, released bool) *sbc.Event {
	if n != nil && !at.Before(c.since) {
		c.window.add(at, n)
	}
	figures, worst := c.figures(p, now)
	before, state := c.state, sbc.QualityUnknown
	if len(figures) > 0 {
		state = figures[worst].State
	}
	switch {
	case before == sbc.QualityQuarantined && !released:
		state = before
	case state == sbc.QualityCritical && p.Action == sbc.QualityQuarantine:
		state = sbc.QualityQuarantined
		c.doubled = min(c.doubled+1, mostDoubled)
		if c.ended.IsZero() || now.Sub(c.ended) > time.Duration(p.WindowS)*time.Second {
			c.doubled = 0
		}
		c.until = now.Add(time.Duration(p.QuarantineS) * time.Second << c.doubled)
	}
	c.state = state
	v := &verdict{profile: p, until: time.Unix(0, (c.window.slot(now)+1)*int64(c.window.width))}
	v.TrunkQuality = sbc.TrunkQuality{
		ProfileID: p.ID, Prefix: c.key.prefix, State: state, WeightPercent: percent(p, state),
		MeasuredSince: c.window.begin(now), Figures: figures,
	}
	for _, since := range [...]time.Time{c.since, time.Unix(0, c.begun.Load())} {
		if since.After(v.MeasuredSince) {
			v.MeasuredSince = since.UTC()
		}
	}
	if state == sbc.QualityQuarantined {
		end := c.until.UTC()
		v.QuarantinedUntil = &end
		if c.until.Before(v.until) {
			v.until = c.until
		}
	}
	v.Why = c.why(v, worst)
	c.verdict.Store(v)
	if rank(before) == rank(state) {
		return nil
	}
	return c.event(p, v, worst)
}

// figures judges each figure, and tells which is the worst.
func (c *cell) figures(p *sbc.QualityProfile, now time.Time) (all []sbc.QualityFigure, worst int) {
	sum := c.window.sum(now)
	all = make([]sbc.QualityFigure, len(p.Thresholds))
	levels := make(map[sbc.QualityMetric]sbc.QualityState, len(all))
	for i, t := range p.Thresholds {
		value, samples := sum.figure(t.Metric)
		f := sbc.QualityFigure{
			Metric: t.Metric, Value: value, Samples: int(samples), MinSamples: t.MinSamples,
			Warning: t.Warning, Critical: t.Critical, State: sbc.QualityUnknown,
		}
		if f.Samples >= t.MinSamples {
			f.State = level(&f, c.levels[t.Metric], p.HysteresisPercent)
		}
		all[i], levels[t.Metric] = f, f.State
		if rank(f.State) > rank(all[worst].State) || f.State == sbc.QualityGood && all[worst].State == sbc.QualityUnknown {
			worst = i
		}
	}
	c.levels = levels
	return all, worst
}

// level is the state of a figure that counts: a breach there was goes on until the figure is back beyond its bound by the hysteresis.
func level(f *sbc.QualityFigure, before sbc.QualityState, hysteresis int) sbc.QualityState {
	switch {
	case f.Metric.Worse(f.Value, f.Critical):
		return sbc.QualityCritical
	case before == sbc.QualityCritical && f.Metric.Worse(f.Value, back(f.Metric, f.Critical, hysteresis)):
		return sbc.QualityCritical
	case f.Metric.Worse(f.Value, f.Warning):
		return sbc.QualityWarning
	case rank(before) > 0 && f.Metric.Worse(f.Value, back(f.Metric, f.Warning, hysteresis)):
		return sbc.QualityWarning
	}
	return sbc.QualityGood
}

// back is to where a figure must come back; never to what it cannot be.
func back(m sbc.QualityMetric, bound float64, hysteresis int) float64 {
	part := float64(hysteresis) / 100
	switch m {
	case sbc.QualityASR, sbc.QualityCCR:
		return min(bound*(1+part), 100)
	case sbc.QualityMOS:
		return min(bound*(1+part), 4.3) // G.711 without a fault is 4.4
	case sbc.QualityACD:
		return bound * (1 + part)
	}
	return bound * (1 - part)
}

// rank orders states by what they do; those that do nothing are 0.
func rank(s sbc.QualityState) int {
	switch s {
	case sbc.QualityWarning:
		return 1
	case sbc.QualityCritical:
		return 2
	case sbc.QualityQuarantined:
		return 3
	}
	return 0
}

// percent is what is left of a weight.
func percent(p *sbc.QualityProfile, s sbc.QualityState) int {
	switch s {
	case sbc.QualityWarning:
		return p.WarningPercent
	case sbc.QualityCritical:
		return p.CriticalPercent
	case sbc.QualityQuarantined:
		return 0
	}
	return 100
}

// why is the sentence of a verdict.
func (c *cell) why(v *verdict, worst int) string {
	switch v.State {
	case sbc.QualityUnknown:
		return "too few calls were seen to judge: it counts as good"
	case sbc.QualityGood:
		return "no figure is beyond its bounds"
	case sbc.QualityQuarantined:
		return "in quarantine until " + v.QuarantinedUntil.Format(time.RFC3339)
	}
	return sentence(&v.Figures[worst])
}

// sentence explains a figure.
func sentence(f *sbc.QualityFigure) string {
	switch {
	case f.Samples == 0:
		return fmt.Sprintf("%s: no call that tells it yet", f.Metric)
	case f.State == sbc.QualityUnknown:
		return fmt.Sprintf("%s is %s, of %d samples: it counts from %d on", f.Metric, number(f.Value), f.Samples, f.MinSamples)
	case f.State == sbc.QualityGood:
		return fmt.Sprintf("%s is %s, of %d samples: within its bounds of %s and %s", f.Metric, number(f.Value), f.Samples,
			number(f.Warning), number(f.Critical))
	}
	bound := bound(f)
	how := "beyond"
	if !f.Metric.Worse(f.Value, bound) {
		how = "not far enough back from"
	}
	return fmt.Sprintf("%s is %s, of %d samples: %s the %s bound of %s", f.Metric, number(f.Value), f.Samples, how, f.State,
		number(bound))
}

// bound is the one that a state is about.
func bound(f *sbc.QualityFigure) float64 {
	if f.State == sbc.QualityCritical {
		return f.Critical
	}
	return f.Warning
}

func number(v float64) string { return strconv.FormatFloat(float64(int64(v*100+0.5))/100, 'f', -1, 64) }

// event tells that a verdict is another one.
func (c *cell) event(p *sbc.QualityProfile, v *verdict, worst int) *sbc.Event {
	e := &sbc.Event{Type: sbc.EventGatewayQuality, TenantID: p.TenantID, TrunkID: c.key.trunk, Data: map[string]string{
		"profile_id": p.ID, "prefix": c.key.prefix, "state": string(v.State),
	}}
	if len(v.Figures) > 0 {
		f := &v.Figures[worst]
		e.Data["metric"], e.Data["value"], e.Data["bound"] = string(f.Metric), number(f.Value), number(bound(f))
	}
	return e
}
