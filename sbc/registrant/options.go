package registrant

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Wire sends requests, and keeps open the ways they went; edge.Edge is one.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
	// KeepAlive sends what keeps a NAT binding or a connection open; msg.ErrClosed says that it is gone.
	KeepAlive(h msg.Hop) error
	// Hold keeps a connection from being closed for its silence for so long.
	Hold(h msg.Hop, d time.Duration)
}

// Options are what a Manager needs.
type Options struct {
	Snapshot func() *config.Snapshot
	Wire     Wire
	// Secret is the installation's: of it contacts are made that nobody can guess.
	Secret     []byte
	ServerName string
	Events     func(sbc.Event) // may be nil
	// Resolve gives all addresses of a registrar, from any of which its calls may come; nil knows none.
	Resolve    func(ctx context.Context, host string, port int, transport sbc.Transport) []netip.Addr
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
