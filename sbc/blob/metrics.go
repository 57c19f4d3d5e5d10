package blob

import "github.com/prometheus/client_golang/prometheus"

// metrics are what Copies publish.
type metrics struct {
	copies   *Copies
	missing  *prometheus.Desc
	bytes    *prometheus.Desc
	failures *prometheus.CounterVec
}

// newMetrics registers with r, or with nobody if r is nil.
func newMetrics(r prometheus.Registerer, c *Copies) *metrics {
	x := &metrics{
		copies: c,
		missing: prometheus.NewDesc("sbc_blobs_missing",
			"Blobs that the configuration names and of which this node has no copy yet.", nil, nil),
		bytes: prometheus.NewDesc("sbc_blob_copies_bytes", "Size of this node's copies of blobs, in octets.", nil, nil),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sbc_blob_failures_total", Help: "Copies of blobs that could not be made, by what failed: store or disk.",
		}, []string{"part"}),
	}
	if r != nil {
		r.MustRegister(x, x.failures)
	}
	return x
}

// Describe names the gauges.
func (x *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- x.missing
	ch <- x.bytes
}

// Collect reads the state as it is now.
func (x *metrics) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(x.missing, prometheus.GaugeValue, float64(len(x.copies.missing())))
	ch <- prometheus.MustNewConstMetric(x.bytes, prometheus.GaugeValue, float64(x.copies.size()))
}

// size is that of all copies.
func (c *Copies) size() (total int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, f := range c.files {
		total += f.size
	}
	return total
}
