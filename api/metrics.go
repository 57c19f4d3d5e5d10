package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what the API does. Labels are bounded: operation ids come from openapi.yaml, codes from the catalogue.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_http_requests_total", Help: "Requests to the API by operation and status code.",
		}, []string{"operation_id", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sbc_http_request_duration_seconds", Help: "Time to answer a request to the API.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"operation_id"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_http_panics_total", Help: "Requests to the API that met a fault of ours.",
		}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.panics} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// unmatched stands for requests that no operation serves.
const unmatched = "none"

func (m *metrics) observe(operation string, code int, took time.Duration) {
	if operation == "" {
		operation = unmatched
	}
	m.requests.WithLabelValues(operation, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(operation).Observe(took.Seconds())
}
