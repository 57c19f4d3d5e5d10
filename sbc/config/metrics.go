package config

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the Manager publishes.
type metrics struct {
	manager  *Manager
	revision *prometheus.Desc
	newest   *prometheus.Desc
	limit    *prometheus.Desc
	failures *prometheus.CounterVec
	seconds  prometheus.Histogram
}

// newMetrics registers with r, or with nobody if r is nil.
func newMetrics(r prometheus.Registerer, m *Manager) *metrics {
	x := &metrics{
		manager:  m,
		revision: prometheus.NewDesc("sbc_config_revision", "Revision of the configuration that this node serves.", nil, nil),
		newest:   prometheus.NewDesc("sbc_config_store_revision", "Newest revision seen in the store.", nil, nil),
		limit: prometheus.NewDesc("sbc_trunk_call_limit",
			"Most calls in progress a trunk may have, by trunk; absent without a limit.", []string{"trunk"}, nil),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_config_failures_total", Help: "Configurations that could not be served, by stage.",
		}, []string{"stage"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sbc_config_update_seconds", Help: "Time from a write to its being live.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	if r != nil {
		r.MustRegister(x, x.failures, x.seconds)
	}
	return x
}

// Describe names the gauges.
func (x *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- x.revision
	ch <- x.newest
	ch <- x.limit
}

// Collect reads the state as it is now.
func (x *metrics) Collect(ch chan<- prometheus.Metric) {
	current := x.manager.Current()
	ch <- prometheus.MustNewConstMetric(x.revision, prometheus.GaugeValue, float64(current.Revision))
	ch <- prometheus.MustNewConstMetric(x.newest, prometheus.GaugeValue, float64(x.manager.Status().Revision))
	for _, t := range current.index.parties {
		if t.MaxCalls > 0 {
			ch <- prometheus.MustNewConstMetric(x.limit, prometheus.GaugeValue, float64(t.MaxCalls), t.ID)
		}
	}
}
