package edge

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// metrics are the counters of the edge. Labels are bounded: unknown methods and codes have names of their own.
type metrics struct {
	requests        *prometheus.CounterVec
	responses       *prometheus.CounterVec
	retransmissions *prometheus.CounterVec
	parseErrors     *prometheus.CounterVec
	drops           *prometheus.CounterVec
	panics          prometheus.Counter
	durations       *prometheus.HistogramVec

	clients, servers atomic.Int64
	codes            [700]string
}

func newMetrics(r prometheus.Registerer, e *Edge) *metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		requests: vec("sbc_sip_requests_total", "SIP requests, retransmissions received included.",
			"direction", "method", "transport"),
		responses: vec("sbc_sip_responses_total", "SIP responses, retransmissions received included.",
			"direction", "method", "code"),
		retransmissions: vec("sbc_sip_retransmissions_total", "Messages sent again by us, and requests received again.",
			"direction", "method"),
		parseErrors: vec("sbc_sip_parse_errors_total", "What could not be read as SIP.", "transport", "reason"),
		drops:       vec("sbc_sip_queue_drops_total", "Messages and connections dropped without an answer.", "reason"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_sip_panics_total", Help: "Panics caught while a message or timer was handled.",
		}),
	}
	m.durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sbc_sip_request_duration_seconds", Help: "From a request's arrival to its final response.",
		Buckets: []float64{.001, .005, .02, .1, .5, 1, 2, 5, 10, 30, 60, 120}, NativeHistogramBucketFactor: 1.1,
	}, []string{"method"})
	for c := range m.codes {
		m.codes[c] = strconv.Itoa(c)
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, labels prometheus.Labels, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, f)
	}
	const kept = "SIP transactions kept, finished ones that absorb retransmissions included."
	all := []prometheus.Collector{
		m.requests, m.responses, m.retransmissions, m.parseErrors, m.drops, m.panics, m.durations,
		gauge("sbc_sip_transactions", kept, prometheus.Labels{"side": "client"}, func() float64 { return float64(m.clients.Load()) }),
		gauge("sbc_sip_transactions", kept, prometheus.Labels{"side": "server"}, func() float64 { return float64(m.servers.Load()) }),
		gauge("sbc_sip_connections", "Open stream connections.", prometheus.Labels{"transport": "tcp"},
			func() float64 { return float64(e.streams.count()) }),
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			e.log.Warn("edge: registering a metric", "error", err)
		}
	}
	return m
}

// method is the label of a method: one of ours, never a piece of a message, which would be kept alive by it.
func (m *metrics) method(method msg.Method) string {
	for _, known := range [...]msg.Method{
		msg.INVITE, msg.ACK, msg.BYE, msg.CANCEL, msg.OPTIONS, msg.REGISTER, msg.INFO, msg.UPDATE, msg.MESSAGE, msg.PRACK,
		msg.SUBSCRIBE, msg.NOTIFY, msg.REFER, msg.PUBLISH,
	} {
		if known == method {
			return string(known)
		}
	}
	return "other"
}

func (m *metrics) request(direction string, method msg.Method, transport sbc.Transport) {
	m.requests.WithLabelValues(direction, m.method(method), string(transport)).Inc()
}

func (m *metrics) took(req *msg.Message) {
	m.durations.WithLabelValues(m.method(req.Method)).Observe(time.Since(req.Hop.At).Seconds())
}

func (m *metrics) response(direction string, method msg.Method, code int) {
	if code < 0 || code >= len(m.codes) {
		code = 0
	}
	m.responses.WithLabelValues(direction, m.method(method), m.codes[code]).Inc()
}
