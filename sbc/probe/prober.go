package probe

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// look is how often the Prober looks what is due and whether the configuration is another one.
	look = 100 * time.Millisecond
	// most bounds the probes under way; what is due beyond waits for a place.
	most = 1024
)

// Source is an endpoint of the configuration that is in service.
type Source struct {
	ID, TrunkID, TenantID string
	Probe                 sbc.Probe
	Outlier               sbc.Outlier
	// URI is what is asked (the Request-URI), Target where that is sent. Where either changes, the endpoint is another one of which
	// nothing is known.
	URI    msg.URI
	Target msg.Target
	// Credentials answer its challenges; nil for none.
	Credentials *sbc.ClientCredentials
}

// same tells whether two sources are the same endpoint at the same place.
func (s *Source) same(t *Source) bool {
	return s.URI.String() == t.URI.String() && s.Target.Host == t.Target.Host && s.Target.Port == t.Target.Port &&
		s.Target.Transport == t.Target.Transport
}

// Wire sends requests: the edge.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
}

// Options are what a Prober needs.
type Options struct {
	// Revision tells which configuration is in service, Sources its endpoints. Sources is asked when Revision changes.
	Revision func() int64
	Sources  func() []Source
	Wire     Wire
	// Events hears of changes; it must not block. nil: nobody.
	Events func(sbc.Event)
	// ServerName is what User-Agent says.
	ServerName string
	Log        *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Prober knows the endpoints of the configuration. It is safe for concurrent use.
type Prober struct {
	o        Options
	table    atomic.Pointer[map[string]*endpoint]
	revision int64 // of the table; Run's alone
	seen     int   // endpoints there ever were, for their places in the interval; Run's alone
	flying   atomic.Int64
	metrics  *metrics
}

// endpoint is one endpoint with its state.
type endpoint struct {
	// calm says that all is well, so that nobody needs the lock. A weight that is still growing is not calm.
	calm atomic.Bool

	mu     sync.Mutex
	source Source
	health health
	told   sbc.EndpointState
	due    time.Time // of the next probe
	phase  float64   // its place in the interval, 0 to 1
	asking bool
}

// New makes a Prober that knows no endpoint yet: Run looks for them.
func New(o Options) *Prober {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Prober{o: o, revision: -1}
	p.table.Store(&map[string]*endpoint{})
	p.metrics = newMetrics(p, o.Registerer)
	return p
}

// Run follows the configuration and asks endpoints until the context ends.
func (p *Prober) Run(ctx context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		p.round(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// round does what is due now. A fault costs a round.
func (p *Prober) round(now time.Time) {
	defer p.recovered()
	if r := p.o.Revision(); r != p.revision {
		p.set(now, p.o.Sources())
		p.revision = r
	}
	for _, e := range *p.table.Load() {
		if e.calm.Load() && !e.dueAt(now) {
			continue
		}
		if ask, source := p.turn(e, now); ask {
			p.ask(e, source)
		}
	}
}

func (p *Prober) recovered() {
	if r := recover(); r != nil {
		p.o.Log.Error("panic while probing", "panic", r)
	}
}

// dueAt tells whether a probe is due.
func (e *endpoint) dueAt(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.source.Probe.Enabled && !now.Before(e.due)
}

// turn notes what time has changed, and decides on a probe.
func (p *Prober) turn(e *endpoint, now time.Time) (ask bool, s *Source) {
	e.mu.Lock()
	if e.source.Probe.Enabled && !e.asking && !now.Before(e.due) && p.flying.Load() < most {
		every := time.Duration(e.source.Probe.IntervalS) * time.Second
		if e.due = e.due.Add(every); !e.due.After(now) { // it waited for a place, or the node slept
			e.due = now.Add(every)
		}
		e.asking = true
		p.flying.Add(1)
		ask, s = true, &Source{URI: e.source.URI, Target: e.source.Target, Probe: e.source.Probe, Credentials: e.source.Credentials}
	}
	event := p.changed(e, now)
	e.mu.Unlock()
	p.tell(event)
	return ask, s
}

// set makes the table of a configuration. What is known of an endpoint that is still there stays.
func (p *Prober) set(now time.Time, sources []Source) {
	old := *p.table.Load()
	table := make(map[string]*endpoint, len(sources))
	for i := range sources {
		s := &sources[i]
		e := old[s.ID]
		if e == nil || !e.source.same(s) {
			e = p.added(now, s)
		}
		table[s.ID] = e
		p.tell(p.settle(e, now, s))
	}
	p.table.Store(&table)
}

// added makes an endpoint of which nothing is known. The golden ratio spreads any number of them evenly over the interval.
func (p *Prober) added(now time.Time, s *Source) *endpoint {
	_, phase := math.Modf(float64(p.seen) * math.Phi)
	p.seen++
	e := &endpoint{source: *s, told: sbc.EndpointUnknown, phase: phase}
	e.health.since = now
	return e
}

// settle gives an endpoint its settings.
func (p *Prober) settle(e *endpoint, now time.Time, s *Source) *sbc.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if was := e.source.Probe; e.due.IsZero() || s.Probe.Enabled && (!was.Enabled || was.IntervalS != s.Probe.IntervalS) {
		e.due = now.Add(time.Duration(e.phase * float64(s.Probe.IntervalS) * float64(time.Second)))
	}
	e.source = *s
	e.health.settle(now, &s.Probe, &s.Outlier)
	return p.changed(e, now)
}

// changed notes whether all is well, and makes an event of a change that others want to know; the lock is held.
func (p *Prober) changed(e *endpoint, now time.Time) *sbc.Event {
	e.calm.Store(e.health.calm(now, &e.source.Outlier))
	v := e.health.verdict(now, &e.source.Outlier)
	before := e.told
	e.told = v.state
	if v.state == before || usable(v.state) && usable(before) {
		return nil
	}
	return &sbc.Event{Type: sbc.EventGatewayState, TenantID: e.source.TenantID, TrunkID: e.source.TrunkID, Data: map[string]string{
		"endpoint_id": e.source.ID, "state": string(v.state), "before": string(before), "reason": v.why,
	}}
}

// usable tells whether calls go to an endpoint in a state.
func usable(s sbc.EndpointState) bool { return s != sbc.EndpointDown && s != sbc.EndpointEjected }

// tell raises an event, if there is one.
func (p *Prober) tell(e *sbc.Event) {
	if e == nil {
		return
	}
	p.metrics.changes.WithLabelValues(e.Data["state"]).Inc()
	p.o.Log.Info("an endpoint changed its state", "endpoint", e.Data["endpoint_id"], "trunk", e.TrunkID, "state", e.Data["state"],
		"reason", e.Data["reason"])
	if p.o.Events != nil {
		p.o.Events(*e)
	}
}

// Endpoint tells how much of its weight an endpoint has, in percent: 0 is no call, with the reason. Who is not known has all.
func (p *Prober) Endpoint(id string) (percent int, why string) {
	e := (*p.table.Load())[id]
	if e == nil || e.calm.Load() {
		return 100, ""
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	v := e.health.verdict(time.Now(), &e.source.Outlier)
	return v.percent, v.why
}

// Attempted hears what became of an attempt of a call: code is that of a final answer or of a call that was answered, 0 where the
// endpoint gave no answer at all.
func (p *Prober) Attempted(id string, began time.Time, code int) {
	e := (*p.table.Load())[id]
	why, failed := "no answer", code == 0
	switch code {
	case 500, 502, 503, 504:
		why, failed = "answered "+itoa(code), true
	}
	if e == nil || !failed && e.calm.Load() {
		return
	}
	e.mu.Lock()
	now := time.Now()
	e.health.attempted(began, now, &e.source.Outlier, !failed, why)
	event := p.changed(e, now)
	e.mu.Unlock()
	p.tell(event)
}

// Status tells how an endpoint is doing, but for its calls; false for one that is not in service.
func (p *Prober) Status(id string) (sbc.EndpointStatus, bool) {
	e := (*p.table.Load())[id]
	if e == nil {
		return sbc.EndpointStatus{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	h := &e.health
	v := h.verdict(time.Now(), &e.source.Outlier)
	s := sbc.EndpointStatus{
		State: v.state, Since: v.since.UTC(), Reason: v.why, WeightPercent: v.percent, LastCode: h.code,
		RoundTripMS: float64(h.trip.Microseconds()) / 1000,
	}
	if !h.asked.IsZero() {
		asked := h.asked.UTC()
		s.LastProbeAt = &asked
	}
	return s, true
}
