package access

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	challenges    *prometheus.CounterVec
	authenticated *prometheus.CounterVec
	refused       *prometheus.CounterVec
	panics        prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sallyport_access_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		challenges:    counter("challenges_total", "Challenges sent, by what was brought (none, stale).", "answer"),
		authenticated: counter("authenticated_total", "Requests of subscribers that were proved, by algorithm.", "algorithm"),
		refused: counter("refused_total", "Requests refused at the door, by reason (foreign, route, unknown_user, wrong_password, "+
			"no_hash, barred, replay, uri, disabled, identity, budget, unavailable).", "reason"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sallyport_access_panics_total", Help: "Panics at the door.",
		}),
	}
	if r != nil {
		r.MustRegister(m.challenges, m.authenticated, m.refused, m.panics)
	}
	return m
}
