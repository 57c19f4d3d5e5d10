package guard

import "github.com/prometheus/client_golang/prometheus"

// blocked are the reasons for which messages are kept out.
type blockedReason int

const (
	blockedBan blockedReason = iota
	blockedFlood
	blockedScanner
	blockedAccount
	blockedAuth
	blockedEgress
	blockedReasons
)

// metrics are the counters of the guard, looked up by their labels once: they are counted with every message that is kept out.
type metrics struct {
	blocked, observed [blockedReasons]prometheus.Counter
	failures          [2]prometheus.Counter
	untold            prometheus.Counter
}

func newMetrics(r prometheus.Registerer, g *Guard) *metrics {
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	blocked := vec("sbc_guard_blocked_total", "Messages and accounts kept out by the guard.", "reason")
	observed := vec("sbc_guard_observed_total", "What the guard would have kept out where it only observes.", "reason")
	failures := vec("sbc_auth_failures_total", "Wrong answers to challenges: with a nonce of ours, or with another.", "kind")
	m := &metrics{
		untold: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_guard_events_suppressed_total", Help: "Events of the guard that were too many to be told.",
		}),
	}
	for i, reason := range []string{"ban", "flood", "scanner", "account", "auth", "egress"} {
		m.blocked[i], m.observed[i] = blocked.WithLabelValues(reason), observed.WithLabelValues(reason)
	}
	m.failures[0], m.failures[1] = failures.WithLabelValues("foreign_nonce"), failures.WithLabelValues("wrong_password")
	if r != nil {
		r.MustRegister(blocked, observed, failures, m.untold, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sbc_bans", Help: "Networks that are banned.",
		}, func() float64 { return float64(g.bans.size()) }))
	}
	return m
}
