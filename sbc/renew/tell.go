package renew

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// stages are how many days before the end it is told.
func stages() []int { return []int{1, 7, 30} }

// tell raises an event when a certificate enters its last 30 days, 7 days, its last day, and when it is over: each once. Of one that lives
// shorter than a stage, that stage is not told.
func (k *Keeper) tell(ctx context.Context, r sbc.Resource, chain string, now time.Time) {
	list, err := sbc.ParseCertificates(chain)
	if err != nil || !r.Base().Enabled {
		return
	}
	leaf := list[0]
	left, life := leaf.NotAfter.Sub(now), leaf.NotAfter.Sub(leaf.NotBefore)
	stage := ""
	if left <= 0 {
		stage = "0"
	} else {
		for _, days := range stages() {
			if d := time.Duration(days) * 24 * time.Hour; left <= d && life > d {
				stage = strconv.Itoa(days)
				break
			}
		}
	}
	if stage == "" {
		return
	}
	id := r.Base().ID
	mark := leaf.SerialNumber.Text(16) + " " + stage
	if !k.first(ctx, id, mark) {
		return
	}
	data := map[string]string{"not_after": leaf.NotAfter.UTC().Format(time.RFC3339), "days": stage}
	if stage == "0" {
		k.event(r, sbc.EventCertificateExpired, data)
		return
	}
	k.event(r, sbc.EventCertificateExpiring, data)
}

// first tells whether nobody has told it yet, and keeps that it is told.
func (k *Keeper) first(ctx context.Context, id, mark string) bool {
	k.mu.Lock()
	known := k.told[id] == mark
	k.mu.Unlock()
	if known {
		return false
	}
	place := "certificate/told/" + id
	raw, err := k.o.State.State(ctx, place)
	if err != nil {
		return false // with the next look
	}
	if string(raw) != mark {
		if err := k.o.State.PutState(ctx, place, []byte(mark)); err != nil {
			return false
		}
	}
	k.mu.Lock()
	k.told[id] = mark
	k.mu.Unlock()
	return string(raw) != mark
}

// event raises an event of a certificate or authority.
func (k *Keeper) event(r sbc.Resource, kind sbc.EventType, data map[string]string) {
	m := r.Base()
	data["id"], data["kind"], data["name"] = m.ID, string(r.Kind()), m.Name
	k.o.Events(sbc.Event{Type: kind, At: time.Now().UTC(), TenantID: m.TenantID, Data: data})
}

// expiry is the metric of all ends.
type expiry struct {
	rows func() Rows
	desc *prometheus.Desc
}

// Expiry tells Prometheus when certificates end. Names are unique within a tenant and kind only.
func Expiry(rows func() Rows) prometheus.Collector {
	return &expiry{rows: rows, desc: prometheus.NewDesc("sbc_tls_certificate_expiry_timestamp_seconds",
		"When a certificate or the root of an authority ends, in seconds since 1970.", []string{"name", "tenant_id", "kind"}, nil)}
}

// Describe implements prometheus.Collector.
func (e *expiry) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect implements prometheus.Collector.
func (e *expiry) Collect(ch chan<- prometheus.Metric) {
	add := func(r sbc.Resource, chain string) {
		if list, err := sbc.ParseCertificates(chain); err == nil {
			m := r.Base()
			ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, float64(list[0].NotAfter.Unix()), m.Name, m.TenantID, string(r.Kind()))
		}
	}
	rows := e.rows()
	for _, c := range rows.Certificates {
		add(c, c.CertificatePEM)
	}
	for _, a := range rows.Authorities {
		add(a, a.CertificatePEM)
	}
}
