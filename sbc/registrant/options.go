package registrant

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Wire sends requests; edge.Edge is one.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
}

// Options are what a Manager needs.
type Options struct {
	Snapshot func() *config.Snapshot
	Wire     Wire
	// Secret is the installation's: of it contacts are made that nobody can guess.
	Secret     []byte
	ServerName string
	Events     func(sbc.Event) // may be nil
	Log        *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// metrics count what a Manager does.
type metrics struct {
	requests *prometheus.CounterVec
	states   *prometheus.GaugeVec
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_registrant_requests_total",
			Help: "REGISTER requests of ours to carriers, by the class of the answer: none where there was none.",
		}, []string{"result"}),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sbc_registrants", Help: "Registrations of ours at carriers, by state.",
		}, []string{"state"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_registrant_panics_total", Help: "Faults of ours that were caught.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.states, m.panics)
	}
	return m
}
