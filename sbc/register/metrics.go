package register

import "github.com/prometheus/client_golang/prometheus"

// metrics count what the registrar does.
type metrics struct {
	requests *prometheus.CounterVec
	pings    *prometheus.CounterVec
	trips    prometheus.Histogram
	upstream *prometheus.CounterVec
	removed  *prometheus.CounterVec
	unsaved  prometheus.Counter
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, r *Registrar) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_register_requests_total", Help: "REGISTER requests of known subscribers, by the class of their answer.",
		}, []string{"code"}),
		pings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_keepalives_total", Help: "Keep-alives sent to contacts, by what came of them.",
		}, []string{"result"}),
		trips: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sbc_keepalive_round_trip_seconds", Help: "How long contacts took to answer OPTIONS.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 3},
		}),
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_registrations_removed_total", Help: "Contacts taken away, by reason.",
		}, []string{"reason"}),
		upstream: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_register_upstream_total",
			Help: "REGISTER requests of domains with an upstream registrar, by the class of its answer: none, or absorbed where it was not asked.",
		}, []string{"result"}),
		unsaved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_registrations_unsaved_total", Help: "Changes of contacts that could not be written to the disk.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_register_panics_total", Help: "Faults of ours that were caught.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.pings, m.trips, m.upstream, m.removed, m.unsaved, m.panics, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "sbc_registrations", Help: "Contacts registered on this node."},
			func() float64 { return float64(r.table.count.Load()) },
		))
	}
	return m
}
