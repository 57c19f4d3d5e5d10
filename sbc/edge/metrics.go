package edge

import (
	"slices"
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
	handshakes      *prometheus.CounterVec
	panics          prometheus.Counter
	durations       *prometheus.HistogramVec

	clients, servers atomic.Int64

	// What is counted with every message, looked up by its labels once: direction, method, and transport or code.
	requestsBy  [2][methodCount][len(transports)]resolved[prometheus.Counter]
	responsesBy [2][methodCount]atomic.Pointer[codes]
	durationsBy [methodCount]resolved[prometheus.Observer]
	shedBy      resolved[prometheus.Counter]
}

// codes are the counters of one direction and method by status code.
type codes [700]resolved[prometheus.Counter]

// resolved is a metric that is looked up when it is needed first: none is exposed that was never used.
type resolved[T any] struct{ is atomic.Pointer[T] }

func (r *resolved[T]) known() (v T, ok bool) {
	if p := r.is.Load(); p != nil {
		return *p, true
	}
	return v, false
}

func (r *resolved[T]) keep(v T) T {
	r.is.Store(&v)
	return v
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
		handshakes: vec("sbc_sip_tls_handshakes_total", "TLS handshakes of SIP connections: ok, timeout or failed.",
			"direction", "result"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sbc_sip_panics_total", Help: "Panics caught while a message or timer was handled.",
		}),
	}
	m.durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "sbc_sip_request_duration_seconds", Help: "From a request's arrival to its final response.",
		Buckets: []float64{.001, .005, .02, .1, .5, 1, 2, 5, 10, 30, 60, 120}, NativeHistogramBucketFactor: 1.1,
	}, []string{"method"})
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
		m.handshakes,
	}
	for _, t := range transports[1:] {
		all = append(all, gauge("sbc_sip_connections", "Open stream connections.", prometheus.Labels{"transport": string(t)},
			func() float64 { return float64(e.count(t)) }))
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			e.log.Warn("edge: registering a metric", "error", err)
		}
	}
	return m
}

// transports are those served. It is read only.
var transports = [...]sbc.Transport{sbc.TransportUDP, sbc.TransportTCP, sbc.TransportTLS, sbc.TransportWS, sbc.TransportWSS}

// methods are the labels of methods: ours, never a piece of a message, which would be kept alive by it. It is read only.
var methods = [methodCount]string{
	"other", string(msg.INVITE), string(msg.ACK), string(msg.BYE), string(msg.CANCEL), string(msg.OPTIONS), string(msg.REGISTER),
	string(msg.INFO), string(msg.UPDATE), string(msg.MESSAGE), string(msg.PRACK), string(msg.SUBSCRIBE), string(msg.NOTIFY),
	string(msg.REFER), string(msg.PUBLISH),
}

const methodCount = 15

// methodIndex is a method's place in methods.
func methodIndex(method msg.Method) int {
	for i := 1; i < methodCount; i++ {
		if methods[i] == string(method) {
			return i
		}
	}
	return 0
}

// method is the label of a method.
func (m *metrics) method(method msg.Method) string { return methods[methodIndex(method)] }

// way is the index of a direction.
func way(direction string) int {
	if direction == "out" {
		return 1
	}
	return 0
}

func (m *metrics) request(direction string, method msg.Method, transport sbc.Transport) {
	i := methodIndex(method)
	by := &m.requestsBy[way(direction)][i][max(0, slices.Index(transports[:], transport))]
	c, ok := by.known()
	if !ok {
		c = by.keep(m.requests.WithLabelValues(direction, methods[i], string(transport)))
	}
	c.Inc()
}

func (m *metrics) took(req *msg.Message) {
	i := methodIndex(req.Method)
	by := &m.durationsBy[i]
	o, ok := by.known()
	if !ok {
		o = by.keep(m.durations.WithLabelValues(methods[i]))
	}
	o.Observe(time.Since(req.Hop.At).Seconds())
}

func (m *metrics) response(direction string, method msg.Method, code int) {
	if code < 0 || code >= len(codes{}) {
		code = 0
	}
	i := methodIndex(method)
	at := &m.responsesBy[way(direction)][i]
	by := at.Load()
	if by == nil {
		by = &codes{}
		if !at.CompareAndSwap(nil, by) {
			by = at.Load()
		}
	}
	c, ok := by[code].known()
	if !ok {
		c = by[code].keep(m.responses.WithLabelValues(direction, methods[i], strconv.Itoa(code)))
	}
	c.Inc()
}

// shed counts a request that was refused or dropped for overload.
func (m *metrics) shed() {
	c, ok := m.shedBy.known()
	if !ok {
		c = m.shedBy.keep(m.drops.WithLabelValues("overload"))
	}
	c.Inc()
}
