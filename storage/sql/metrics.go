package sql

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// metrics count without a registerer too: the numbers are then seen by nobody.
type metrics struct {
	duration *prometheus.HistogramVec
	up       prometheus.Gauge

	registerer prometheus.Registerer
	registered []prometheus.Collector
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sbc_db_query_duration_seconds",
			Help:    "Time taken by operations on the store.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"op"}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sbc_store_up",
			Help: "Whether the last operation found the store working (1) or gone (0).",
		}),
	}
	if r == nil {
		return m, nil
	}
	m.registerer = r
	for _, c := range []prometheus.Collector{m.duration, m.up} {
		if err := r.Register(c); err != nil {
			m.unregister()
			return nil, err
		}
		m.registered = append(m.registered, c)
	}
	return m, nil
}

// unregister makes room for the next store on the same registry.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}

// observe counts one operation. Only what says that the database is gone takes it down: a conflict is an answer too.
func (m *metrics) observe(op string, d time.Duration, err error) {
	m.duration.WithLabelValues(op).Observe(d.Seconds())
	switch {
	case errors.Is(err, context.Canceled): // the caller went away, not the database
	case err == nil:
		m.up.Set(1)
	case sbc.CodeOf(err) == sbc.CodeUnavailable:
		m.up.Set(0)
	}
}
