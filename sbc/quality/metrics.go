package quality

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// gauge is a figure in the units of Prometheus: ratios from 0 to 1, and seconds.
type gauge struct {
	metric sbc.QualityMetric
	desc   *prometheus.Desc
	scale  float64
}

func figures() []gauge {
	return []gauge{
		{sbc.QualityASR, ofTrunk("asr_ratio", "Answered of all attempts"), 0.01},
		{sbc.QualityCCR, ofTrunk("ccr_ratio", "Completed (no 5xx, 6xx or timeout) of all attempts"), 0.01},
		{sbc.QualityPDD, ofTrunk("post_dial_delay_seconds", "Mean time from INVITE to the first sign of ringing"), 0.001},
		{sbc.QualityACD, ofTrunk("call_duration_seconds", "Mean duration of answered calls"), 1},
		{sbc.QualityMOS, ofTrunk("mos", "Mean opinion score of what the trunk sent"), 1},
		{sbc.QualityLoss, ofTrunk("rtp_loss_ratio", "Packets lost of those that the trunk sent"), 0.01},
		{sbc.QualityOneWay, ofTrunk("one_way_audio_ratio", "Answered calls of 10 s and more in which the trunk sent nothing"), 0.01},
	}
}

func ofTrunk(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("sbc_trunk_"+name, help+", over the window of the trunk's first quality profile in use, all numbers.",
		[]string{"trunk"}, nil)
}

// gauges shows the figures as they are when somebody asks (prometheus.Collector).
type gauges struct {
	meter   *Meter
	weight  *prometheus.Desc
	figures []gauge
}

// register makes the metrics known to r, or to nobody if r is nil.
func (m *Meter) register(r prometheus.Registerer) {
	m.count = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sbc_trunk_quality_changes_total",
		Help: "Verdicts on the quality of a trunk for a prefix that changed, by the new state."}, []string{"trunk", "state"})
	if r == nil {
		return
	}
	r.MustRegister(m.count, &gauges{m, prometheus.NewDesc("sbc_trunk_quality_weight_percent",
		"What quality leaves of the weight of a trunk, for the prefix that it is worst for.", []string{"trunk"}, nil), figures()})
}

// changed counts a verdict that is another one.
func (m *Meter) changed(e *sbc.Event) { m.count.WithLabelValues(e.TrunkID, e.Data["state"]).Inc() }

// Describe names the gauges.
func (g *gauges) Describe(c chan<- *prometheus.Desc) {
	c <- g.weight
	for _, f := range g.figures {
		c <- f.desc
	}
}

// Collect gives the gauges of each trunk with calls; a figure without samples is left out.
func (g *gauges) Collect(c chan<- prometheus.Metric) {
	type trunk struct {
		sum    counts
		weight int
	}
	all, now := map[string]*trunk{}, time.Now()
	for _, x := range g.meter.all() {
		profiles := g.meter.o.Profiles(x.key.trunk)
		for i, p := range profiles {
			if p.ID != x.key.profile {
				continue
			}
			t := all[x.key.trunk]
			if t == nil {
				t = &trunk{weight: 100}
				all[x.key.trunk] = t
			}
			t.weight = min(t.weight, g.meter.verdict(x, p, now).WeightPercent)
			if i == 0 {
				sum := x.sum(now)
				t.sum.add(&sum)
			}
		}
	}
	for id, t := range all {
		c <- prometheus.MustNewConstMetric(g.weight, prometheus.GaugeValue, float64(t.weight), id)
		for _, f := range g.figures {
			if value, samples := t.sum.figure(f.metric); samples > 0 {
				c <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, value*f.scale, id)
			}
		}
	}
}

// all lists the cells.
func (m *Meter) all() []*cell {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]*cell, 0, len(m.cells))
	for _, at := range m.cells {
		all = append(all, at.Value.(*cell))
	}
	return all
}

// sum is what a cell has within its window.
func (c *cell) sum(now time.Time) counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.sum(now)
}
