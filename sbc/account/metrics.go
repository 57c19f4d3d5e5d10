package account

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count without a registerer too: the numbers are then seen by nobody.
type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector
	registered []prometheus.Collector

	records                 *prometheus.CounterVec
	errors                  *prometheus.CounterVec
	lost, recovered, broken prometheus.Counter
}

func newMetrics(j *Journal) *metrics {
	labels := prometheus.Labels{"sink": "store"}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		registerer: j.o.Registerer,
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_accounting_records_total", Help: "Call detail records by what became of them.",
			ConstLabels: prometheus.Labels{"sink": "store", "type": "cdr"},
		}, []string{"result"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_accounting_journal_errors_total", Help: "Operations of the accounting journal on its disk that failed.",
		}, []string{"op"}),
		lost:      counter("sbc_accounting_records_lost_total", "Lines of the journal that neither disk nor memory could take."),
		recovered: counter("sbc_accounting_records_recovered_total", "Call detail records made after a crash."),
		broken:    counter("sbc_accounting_journal_broken_lines_total", "Lines of the accounting journal found broken at its opening."),
	}
	m.all = []prometheus.Collector{
		m.records, m.errors, m.lost, m.recovered, m.broken,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sbc_accounting_queue_records", Help: "Call detail records waiting for the sink.", ConstLabels: labels,
		}, func() float64 {
			n, _ := j.Backlog()
			return float64(n)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sbc_accounting_oldest_unsent_seconds", Help: "Age of the oldest record waiting for the sink.", ConstLabels: labels,
		}, func() float64 {
			if _, oldest := j.Backlog(); !oldest.IsZero() {
				return time.Since(oldest).Seconds()
			}
			return 0
		}),
	}
	return m
}

// register shows them; only then may they be read, for reading asks the journal.
func (m *metrics) register() error {
	if m.registerer == nil {
		return nil
	}
	for _, c := range m.all {
		if err := m.registerer.Register(c); err != nil {
			return err
		}
		m.registered = append(m.registered, c)
	}
	return nil
}

func (m *metrics) failed(op string) { m.errors.WithLabelValues(op).Inc() }

// unregister makes room for the next journal on the same registry.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
	m.registered = nil
}
