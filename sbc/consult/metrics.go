package consult

import "github.com/prometheus/client_golang/prometheus"

type metrics struct{ asked *prometheus.CounterVec }

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{asked: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sbc_routing_decisions_total",
		Help: "Calls whose way another system was to decide: answered, cached, stale (an old answer counted), failed.",
	}, []string{"result"})}
	if r != nil {
		r.MustRegister(m.asked)
	}
	return m
}
