package subscription

import (
	"cmp"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Wire sends requests; edge.Edge is one. Its callbacks come in order.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
}

// Options are what a Manager needs. Snapshot and Wire must be set.
type Options struct {
	// Snapshot gives the configuration in service; a subscription takes it once.
	Snapshot func() *config.Snapshot
	Wire     Wire
	// ServerName is what User-Agent and Server say; "" is sbc.ServerName.
	ServerName string
	Log        *slog.Logger
	// Events hears of requests that came from where they may not (security.dialog); it must not block. nil: nobody.
	Events func(sbc.Event)
	// Route gives the proxies on the way to a trunk that its registrar has named (RFC 3608), and where they begin; nil knows of none.
	Route func(trunkID string) (routes []msg.NameAddr, next msg.Target, ok bool)
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Max bounds the subscriptions, the published states, and the requests under way, each; 0 is 20,000. MaxPerTrunk bounds them
	// for each trunk that they come from; 0 is 5,000.
	Max, MaxPerTrunk int
}

const (
	defaultMax         = 20_000
	defaultMaxPerTrunk = 5_000
)

func (o Options) withDefaults() Options {
	o.ServerName, o.Log = cmp.Or(o.ServerName, sbc.ServerName), cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Max, o.MaxPerTrunk = cmp.Or(o.Max, defaultMax), cmp.Or(o.MaxPerTrunk, defaultMaxPerTrunk)
	return o
}

// metrics are what the Manager publishes.
type metrics struct {
	live       prometheus.Gauge
	requests   *prometheus.CounterVec
	intrusions prometheus.Counter
	panics     prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		live: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sbc_subscriptions", Help: "Subscriptions that the border carries."}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_subscription_requests_total", Help: "SUBSCRIBE, NOTIFY, PUBLISH and MESSAGE outside of calls, by final answer.",
		}, []string{"method", "code"}),
		intrusions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_subscription_intrusions_total", Help: "Requests with the tag of a subscription that were not its peer's.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_subscription_panics_total", Help: "Faults of ours that ended one subscription.",
		}),
	}
	if r != nil {
		r.MustRegister(m.live, m.requests, m.intrusions, m.panics)
	}
	return m
}
