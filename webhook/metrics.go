package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sallyport_webhook_requests_total",
			Help: "Requests to other systems, by purpose and result (ok, status, timeout, resting, crowded, forbidden, failed).",
		}, []string{"purpose", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sallyport_webhook_seconds", Help: "How long requests to other systems took, by purpose.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"purpose"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.seconds)
	}
	return m
}

func (m *metrics) done(purpose string, err error, took time.Duration) {
	m.requests.WithLabelValues(purpose, result(err)).Inc()
	m.seconds.WithLabelValues(purpose).Observe(took.Seconds())
}

func result(err error) string {
	var status StatusError
	var slow interface{ Timeout() bool }
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &status):
		return "status"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case errors.Is(err, ErrResting):
		return "resting"
	case errors.Is(err, ErrCrowded):
		return "crowded"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	}
	return "failed"
}
