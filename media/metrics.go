package media

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/media/secure"
)

// collector reads the engine's counters when it is asked, so that moving packets costs nothing for it.
type collector struct {
	e *Engine

	ports, sessions                            *prometheus.Desc
	packets, bytes, dropped, timeouts, noPorts *prometheus.Desc
	panics, bare, srtp, handshakes             *prometheus.Desc
}

func newCollector(e *Engine) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sbc_"+name, help, labels, nil)
	}
	return &collector{
		e:          e,
		ports:      desc("media_ports", "Pairs of ports of a pool by state.", "pool", "state"),
		bare:       desc("media_ports_without_rtcp", "Pairs of ports without RTCP, for want of file descriptors.", "pool"),
		sessions:   desc("media_sessions", "Calls with media open."),
		packets:    desc("rtp_packets_total", "Media packets by direction (out: relayed).", "direction"),
		bytes:      desc("rtp_bytes_total", "Octets of media relayed."),
		dropped:    desc("rtp_dropped_total", "Media packets not relayed, by reason.", "reason"),
		timeouts:   desc("media_silences_total", "Calls reported as silent."),
		noPorts:    desc("media_ports_exhausted_total", "Times no pool had a free pair of ports."),
		srtp:       desc("srtp_streams", "Media streams of parties that are encrypted between them and us, by suite.", "suite"),
		handshakes: desc("dtls_handshakes_total", "Handshakes for keys of media, by result (failed: given up).", "result"),
		panics:     desc("media_panics_total", "Panics caught while moving packets."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.ports, c.sessions, c.packets, c.bytes, c.dropped, c.timeouts, c.noPorts, c.panics, c.bare, c.srtp, c.handshakes,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	for _, p := range c.e.all() {
		s := p.ports.Status()
		gauge(c.ports, s.InUse, p.ID, "in_use")
		gauge(c.ports, s.Quarantined, p.ID, "quarantined")
		gauge(c.ports, s.Total-s.InUse-s.Quarantined-s.Failed, p.ID, "free")
		gauge(c.ports, s.Failed, p.ID, "unbindable")
		gauge(c.bare, s.Bare, p.ID)
	}
	gauge(c.sessions, int(c.e.sessions.Load()))
	for _, s := range secure.Suites() {
		gauge(c.srtp, int(c.e.census.Count(s)), string(s))
	}
	t := c.e.mover.Totals()
	counter(c.packets, t.Packets+t.Consumed+t.Unsent+t.NoSession+t.WrongSource+t.Malformed+t.Unauthentic+t.Replayed, "in")
	counter(c.packets, t.Packets, "out")
	counter(c.bytes, t.Octets)
	counter(c.dropped, t.NoSession, "no_session")
	counter(c.dropped, t.WrongSource, "wrong_source")
	counter(c.dropped, t.Malformed, "malformed")
	counter(c.dropped, t.Unauthentic, "srtp_auth")
	counter(c.dropped, t.Replayed, "srtp_replay")
	counter(c.dropped, t.Unsent, "unsent")
	counter(c.dropped, t.Consumed, "no_destination")
	counter(c.timeouts, c.e.timeouts.Load())
	counter(c.noPorts, c.e.noPorts.Load())
	counter(c.handshakes, c.e.shaken.Load(), "done")
	counter(c.handshakes, c.e.unshaken.Load(), "failed")
	counter(c.panics, t.Panics)
}
