package call

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// metrics are what the Manager publishes. No label holds a number, an address or a Call-ID.
type metrics struct {
	calls      *prometheus.GaugeVec
	states     map[sbc.CallState]prometheus.Gauge // of calls, read only
	attempts   *prometheus.CounterVec
	finished   *prometheus.CounterVec
	releases   *prometheus.CounterVec
	blocked    *prometheus.CounterVec
	intrusions *prometheus.CounterVec
	pdd        *prometheus.HistogramVec
	duration   *prometheus.HistogramVec
	silences   prometheus.Counter
	panics     prometheus.Counter
	stale      *prometheus.CounterVec
	ledger     prometheus.Counter
	keeping    prometheus.Counter
	restored   *prometheus.CounterVec
}

// newMetrics registers with r, or with nobody if r is nil.
func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"trunk",
			"direction"})
	}
	m := &metrics{
		calls: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sbc_calls", Help: "Calls in progress by state."},
			[]string{"state"}),
		attempts: counter("sbc_call_attempts_total", "Calls that came in from a trunk, and attempts that went out to one.", "trunk",
			"direction"),
		finished: counter("sbc_calls_finished_total", "Calls that ended, by trunk and outcome.", "trunk", "direction", "outcome",
			"code"),
		releases: counter("sbc_call_releases_total", "Calls that ended, by who released them and why.", "by", "reason"),
		blocked:  counter("sbc_blocked_total", "Requests that got no service.", "reason"),
		intrusions: counter("sbc_dialog_intrusions_total",
			"Requests with the tag of a call in progress that were not its peer's: wrong source, tags or sequence.", "reason"),
		pdd: histogram("sbc_call_post_dial_delay_seconds", "From the INVITE to the first ringing or the final answer.",
			[]float64{.05, .1, .25, .5, 1, 2, 3, 5, 8, 15, 30}),
		duration: histogram("sbc_call_duration_seconds", "From the answer to the end, answered calls only.",
			[]float64{1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400}),
		silences: prometheus.NewCounter(prometheus.CounterOpts{Name: "sbc_media_timeouts_total",
			Help: "Calls ended because no media came."}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "sbc_call_panics_total",
			Help: "Faults of ours that ended one call."}),
		stale: counter("sbc_call_stale_total",
			"Calls found without a live leg, and places on trunks held by no call. It should be zero.", "kind"),
		ledger: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_call_record_errors_total", Help: "Records that the ledger did not take at once."}),
	}
	m.keeping = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sbc_call_keep_errors_total", Help: "Failures to keep calls in progress for a restart of the process."})
	m.restored = counter("sbc_calls_restored_total",
		"Calls of an earlier process, by what became of them at the start: restored, or released.", "outcome")
	m.states = map[sbc.CallState]prometheus.Gauge{}
	for _, s := range []sbc.CallState{sbc.CallSetup, sbc.CallEarly, sbc.CallAnswered, sbc.CallConfirmed, sbc.CallTerminating} {
		m.states[s] = m.calls.WithLabelValues(string(s))
	}
	for _, reason := range []string{badSource, badTags, badSequence} {
		m.intrusions.WithLabelValues(reason)
	}
	m.stale.WithLabelValues("call") // so that they read zero
	m.stale.WithLabelValues("place")
	if r != nil {
		r.MustRegister(m.calls, m.attempts, m.finished, m.releases, m.blocked, m.intrusions, m.pdd, m.duration, m.silences, m.panics,
			m.stale, m.ledger, m.keeping, m.restored)
	}
	return m
}

// moved counts a call in its new state; "" before is a new call.
func (m *metrics) moved(before, after sbc.CallState) {
	if g := m.states[before]; g != nil {
		g.Dec()
	}
	if g := m.states[after]; g != nil {
		g.Inc()
	}
}

// observe writes the end of a call down for one of its trunks.
func (m *metrics) observe(trunk, direction, outcome, code string, pdd, duration time.Duration) {
	if trunk == "" {
		return
	}
	m.finished.WithLabelValues(trunk, direction, outcome, code).Inc()
	m.pdd.WithLabelValues(trunk, direction).Observe(pdd.Seconds())
	if duration >= 0 {
		m.duration.WithLabelValues(trunk, direction).Observe(duration.Seconds())
	}
}
