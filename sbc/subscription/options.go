package subscription

import (
	"cmp"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Wire sends requests; edge.Edge is one. Its callbacks come in order.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
}

// Search hands out where a request outside of dialogs goes, as calls would; call.Search is one. It belongs to the queue of the request.
type Search interface {
	// Next hands the next attempt to then, once: at once, or on the queue when it is known; nil where nobody is left.
	Next(then func(at *route.Attempt))
	// More tells whether somebody else may be asked if the attempt under way comes to nothing.
	More() bool
	// Failed notes that an attempt ended with a code, 408 for silence, 503 where it could not be sent. best says that this is what the sender
	// is to be told unless something better comes. Skip notes that one was not made because its trunk takes no such requests.
	Failed(at *route.Attempt, code int) (best bool)
	Skip(code int)
	// Refusal is what the sender is told if nobody took the request; headers go with it.
	Refusal() (code int, reason string, headers []msg.Header)
	// Number is the number called, as it is routed; Shown the request as an attempt is shown it, of who sends it.
	Number() string
	Shown(in *msg.Message, at *route.Attempt) *msg.Message
}

// Options are what a Manager needs. Snapshot, Wire, Recognise and Search must be set.
type Options struct {
	// Snapshot gives the configuration in service; a subscription takes it once.
	Snapshot func() *config.Snapshot
	Wire     Wire
	// Recognise says of which trunk a request outside of dialogs is; ok is false for strangers and subscribers.
	Recognise func(snap *config.Snapshot, req *msg.Message) (c identify.Caller, ok bool)
	// Search begins the search for whom a request is for, without waiting for anything: from is the subscriber that sends it, nil for a
	// trunk, local our address where it came in, and post brings jobs to the queue of the request.
	Search func(snap *config.Snapshot, req *msg.Message, from *Sender, local msg.Local, post func(job func())) Search
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
