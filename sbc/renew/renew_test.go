package renew

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/certs"
)

// world is a configuration, a state and events, in memory; several Keepers may share it.
type world struct {
	t      *testing.T
	mu     sync.Mutex
	rows   map[string]sbc.Resource
	state  map[string][]byte
	leases map[string]string
	events []sbc.Event
	audits []sbc.AuditEvent
	orders int
	// refuse is what ACME answers; nil gives a certificate.
	refuse error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, rows: map[string]sbc.Resource{}, state: map[string][]byte{}, leases: map[string]string{}}
	a := &sbc.CertificateAuthority{}
	a.Defaults()
	a.ID, a.Name, a.Enabled = "cau_1", "ours", true
	if err := certs.Complete(a, nil, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	w.rows[a.ID] = a
	return w
}

// certificate adds one.
func (w *world) certificate(id string, change func(c *sbc.Certificate)) {
	c := &sbc.Certificate{}
	c.Defaults()
	c.ID, c.Name, c.Enabled, c.Names, c.AuthorityID, c.Revision = id, id, true, []string{"a.example"}, "cau_1", 1
	change(c)
	if err := certs.Complete(c, nil, w.authority, time.Now()); err != nil {
		w.t.Fatal(err)
	}
	w.rows[id] = c
}

func (w *world) authority(string) (*sbc.CertificateAuthority, error) {
	a, _ := w.rows["cau_1"].(*sbc.CertificateAuthority)
	return a, nil
}

func (w *world) State(_ context.Context, name string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state[name], nil
}

func (w *world) PutState(_ context.Context, name string, value []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state[name] = value
	return nil
}

func (w *world) DeleteState(_ context.Context, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.state, name)
	return nil
}

func (w *world) Lease(_ context.Context, name, holder string, _ time.Duration) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.leases[name]; other != "" && other != holder {
		return false, nil
	}
	w.leases[name] = holder
	return true, nil
}

// memoryTx is a transaction of a world.
type memoryTx struct {
	sbc.Tx // what is not used here
	w      *world
}

func (t memoryTx) Revision() int64 { return 7 }

func (t memoryTx) Get(_ sbc.Kind, _, id string) (sbc.Resource, error) {
	switch r := t.w.rows[id].(type) {
	case *sbc.Certificate:
		c := *r
		return &c, nil
	case *sbc.CertificateAuthority:
		return r, nil
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "no %s", id)
}

func (t memoryTx) Put(r sbc.Resource) error {
	r.Base().Revision++
	t.w.rows[r.Base().ID] = r
	return nil
}

func (t memoryTx) Audit(e sbc.AuditEvent) error {
	t.w.audits = append(t.w.audits, e)
	return nil
}

func (w *world) now() Rows {
	w.mu.Lock()
	defer w.mu.Unlock()
	var r Rows
	for _, id := range slices.Sorted(maps.Keys(w.rows)) {
		switch x := w.rows[id].(type) {
		case *sbc.Certificate:
			r.Certificates = append(r.Certificates, x)
		case *sbc.CertificateAuthority:
			r.Authorities = append(r.Authorities, x)
		}
	}
	return r
}

// run starts a Keeper in the world; stop ends it.
func (w *world) run(node string, every time.Duration) (k *Keeper, stop func()) {
	k = New(Options{
		Rows: w.now, State: w, Node: node, Every: every,
		Update: func(_ context.Context, change func(tx sbc.Tx) error) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return change(memoryTx{w: w})
		},
		Obtain: func(_ context.Context, c *sbc.Certificate) (string, string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.orders++; w.refuse != nil {
				return "", "", w.refuse
			}
			got := *c
			err := certs.Renew(&got, w.authority, time.Now())
			return got.CertificatePEM, got.PrivateKeyPEM, err
		},
		Events: func(e sbc.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	return k, func() { cancel(); <-done }
}

// took gives what was told since the last time.
func (w *world) took() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.events {
		list = append(list, strings.TrimSpace(fmt.Sprint(e.Data["name"], " ", strings.TrimPrefix(string(e.Type), "certificate."), " ", e.Data["days"])))
		for _, v := range e.Data {
			if strings.Contains(v, "PRIVATE") {
				w.t.Error("an event shows a key")
			}
		}
	}
	w.events = nil
	return strings.Join(list, ", ")
}

const day = 24 * time.Hour

// TestRenewedBeforeTheEnd: ours when a third of the time is left, or when the certificate says; each once, with two nodes at it.
func TestRenewedBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.certificate("crt_a", func(c *sbc.Certificate) { c.Source = sbc.CertificateInternal })
		w.certificate("crt_b", func(c *sbc.Certificate) { c.Source, c.RenewBeforeDays = sbc.CertificateInternal, 10 })
		w.certificate("crt_off", func(c *sbc.Certificate) { c.Source = sbc.CertificateInternal })
		w.rows["crt_off"].Base().Enabled = false
		k, stop := w.run("n1", time.Hour)
		_, stop2 := w.run("n2", time.Hour)
		defer stop()
		defer stop2()
		time.Sleep(59 * day)
		if got := w.took(); got != "" {
			t.Errorf("told %q", got)
		}
		var s sbc.CertificateStatus
		if k.Status(w.now().Certificates[0], &s); s.RenewalAt == nil || time.Until(*s.RenewalAt) > 2*day {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * day)
		if got := w.took(); got != "crt_b expiring 30, crt_a renewed" && got != "crt_a renewed, crt_b expiring 30" {
			t.Errorf("told %q", got)
		}
		time.Sleep(20 * day)
		if got := w.took(); got != "crt_b renewed" || len(w.audits) != 2 || strings.Contains(fmt.Sprint(w.audits), "PRIVATE") {
			t.Errorf("told %q, audited %d", got, len(w.audits))
		}
	})
}

// TestToldOnce: 30 days, 7 days, a day, and over; not again by the next process.
func TestToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.certificate("crt_a", func(c *sbc.Certificate) { c.Source = sbc.CertificateInternal })
		if c, ok := w.rows["crt_a"].(*sbc.Certificate); ok {
			c.Source = sbc.CertificateUpload // nobody renews it
		}
		want := []string{"", "crt_a expiring 30", "", "crt_a expiring 7", "crt_a expiring 1", "crt_a expired 0", ""}
		for i, wait := range []time.Duration{50 * day, 11 * day, 10 * day, 13 * day, 5*day + time.Hour, day, 10 * day} {
			_, stop := w.run("n1", time.Hour)
			time.Sleep(wait)
			stop()
			if got := w.took(); got != want[i] {
				t.Errorf("step %d: told %q, want %q", i, got, want[i])
			}
		}
	})
}

// TestFailuresWait: each failure is told and doubles the wait, over a restart too; a change of the certificate tries at once.
func TestFailuresWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuse = errors.New("the server refused")
		w.certificate("crt_a", func(c *sbc.Certificate) { c.Source = sbc.CertificateACME })
		k, stop := w.run("n1", time.Minute)
		time.Sleep(time.Second)
		s := sbc.CertificateStatus{State: sbc.CertificatePending}
		if k.Status(w.now().Certificates[0], &s); s.State != sbc.CertificateFailed || s.Reason != "the server refused" {
			t.Errorf("%+v", s)
		}
		time.Sleep(20 * time.Minute)
		stop()
		if w.orders != 5 { // after 0, 1, 3, 7 and 15 minutes
			t.Errorf("%d orders in 20 minutes", w.orders)
		}
		k, stop = w.run("n1", time.Minute)
		defer stop()
		time.Sleep(10 * time.Minute)
		if w.orders != 5 {
			t.Errorf("%d orders after a restart", w.orders)
		}
		w.mu.Lock()
		changed := *w.rows["crt_a"].(*sbc.Certificate)
		changed.Revision, w.refuse = 9, nil
		w.rows["crt_a"] = &changed
		w.mu.Unlock()
		k.Wake()
		time.Sleep(time.Second)
		s = sbc.CertificateStatus{State: sbc.CertificateValid}
		if k.Status(w.now().Certificates[0], &s); w.orders != 6 || s.Reason != "" || w.now().Certificates[0].CertificatePEM == "" {
			t.Errorf("%d orders: %+v", w.orders, s)
		}
		if got := w.took(); !strings.HasSuffix(got, "crt_a failed, crt_a renewed") {
			t.Errorf("told %q", got)
		}
	})
}

// TestExpiryMetric: every end, once.
func TestExpiryMetric(t *testing.T) {
	w := newWorld(t)
	w.certificate("crt_a", func(c *sbc.Certificate) { c.Source = sbc.CertificateInternal })
	w.certificate("crt_p", func(c *sbc.Certificate) { c.Source = sbc.CertificateACME })
	r := prometheus.NewRegistry()
	r.MustRegister(Expiry(w.now))
	families, err := r.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 2 {
		t.Errorf("%v, %v", families, err)
	}
}
