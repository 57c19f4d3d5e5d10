package probe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// metrics are what the Prober publishes: counts, and the states of the endpoints as they are when somebody asks.
type metrics struct {
	prober  *Prober
	probes  *prometheus.CounterVec
	changes *prometheus.CounterVec
	trips   prometheus.Histogram
	up      *prometheus.Desc
	weight  *prometheus.Desc
}

// newMetrics registers with r, or with nobody if r is nil.
func newMetrics(p *Prober, r prometheus.Registerer) *metrics {
	m := &metrics{
		prober: p,
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sbc_probes_total",
			Help: "OPTIONS sent to endpoints, by what became of them."}, []string{"result"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sbc_endpoint_changes_total",
			Help: "Endpoints that began to get no calls, or to get them again, by the new state."}, []string{"state"}),
		trips: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sbc_probe_round_trip_seconds",
			Help: "From a probe to its final answer.", Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5}}),
		up: prometheus.NewDesc("sbc_endpoint_up", "1 where calls go to an endpoint, 0 where it is down or ejected.",
			[]string{"trunk", "endpoint"}, nil),
		weight: prometheus.NewDesc("sbc_endpoint_weight_percent", "What is left of the weight of an endpoint.",
			[]string{"trunk", "endpoint"}, nil),
	}
	if r != nil {
		r.MustRegister(m.probes, m.changes, m.trips, m)
	}
	return m
}

// probed counts a probe.
func (m *metrics) probed(alive bool, code int, trip time.Duration) {
	switch {
	case alive:
		m.probes.WithLabelValues("alive").Inc()
	case code != 0:
		m.probes.WithLabelValues("refused").Inc()
	default:
		m.probes.WithLabelValues("silent").Inc()
		return
	}
	m.trips.Observe(trip.Seconds())
}

// Describe names the states (prometheus.Collector).
func (m *metrics) Describe(c chan<- *prometheus.Desc) {
	c <- m.up
	c <- m.weight
}

// Collect gives the states (prometheus.Collector).
func (m *metrics) Collect(c chan<- prometheus.Metric) {
	now := time.Now()
	for id, e := range *m.prober.table.Load() {
		e.mu.Lock()
		v, trunk := e.health.verdict(now, &e.source.Outlier), e.source.TrunkID
		e.mu.Unlock()
		up := 0.0
		if v.state != sbc.EndpointDown && v.state != sbc.EndpointEjected {
			up = 1
		}
		c <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, up, trunk, id)
		c <- prometheus.MustNewConstMetric(m.weight, prometheus.GaugeValue, float64(v.percent), trunk, id)
	}
}
