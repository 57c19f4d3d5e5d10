package admit

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the Tally publishes.
type metrics struct {
	tally   *Tally
	calls   *prometheus.Desc
	blocked *prometheus.CounterVec
}

// newMetrics registers with r, or with nobody if r is nil.
func newMetrics(r prometheus.Registerer, t *Tally) *metrics {
	m := &metrics{
		tally: t,
		calls: prometheus.NewDesc("sbc_trunk_calls", "Calls in progress by trunk and direction.", []string{"trunk", "direction"}, nil),
		blocked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_calls_limited_total", Help: "Calls refused by a limit of a trunk.",
		}, []string{"reason"}),
	}
	if r != nil {
		r.MustRegister(m, m.blocked)
	}
	return m
}

// refused counts a refusal.
func (m *metrics) refused(v Verdict) {
	reason := "calls"
	if v.Reason == ReasonRate {
		reason = "rate"
	}
	m.blocked.WithLabelValues(reason).Inc()
}

// Describe names the gauge.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.calls }

// Collect reads the counts as they are now.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.tally.Each(func(id string, u Usage) {
		ch <- prometheus.MustNewConstMetric(m.calls, prometheus.GaugeValue, float64(u.In), id, string(In))
		ch <- prometheus.MustNewConstMetric(m.calls, prometheus.GaugeValue, float64(u.Out), id, string(Out))
	})
}
