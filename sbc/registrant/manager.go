package registrant

import (
	"cmp"
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// tick is how often the configuration and what is due are looked at, burst how many REGISTERs leave at one look.
	tick, burst = 200 * time.Millisecond, 50
	// patience is how long a registrar has to answer, farewell when we only take our leave.
	patience, farewell = 10 * time.Second, 4 * time.Second
)

// Manager keeps the registrations of ours.
type Manager struct {
	o       Options
	metrics *metrics
	// some tells that there are entries: without any, a new call costs nothing here.
	some atomic.Bool

	mu      sync.RWMutex
	entries map[string]*entry // by the registrant's id
	leaving map[string]*entry // those that take their leave
	users   map[string][]*entry
	// seen is the configuration that was taken over; stale asks to do so again.
	seen   *config.Snapshot
	stale  bool
	closed bool
	// orders, events and later are carried out when the lock is given back.
	orders []*order
	events []sbc.Event
	later  []func()
	// routes are the ways out that carriers have told, by trunk.
	routes atomic.Pointer[map[string]way]
}

// New makes a Manager; Run has it work.
func New(o Options) *Manager {
	o.ServerName, o.Log = cmp.Or(o.ServerName, sbc.ServerName), cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return &Manager{
		o: o, metrics: newMetrics(o.Registerer), entries: map[string]*entry{}, leaving: map[string]*entry{}, users: map[string][]*entry{},
	}
}

// Run registers until the context ends.
func (m *Manager) Run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		m.do(m.look)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Close takes leave of every registrar and waits for the answers, until the context ends. Nothing is registered afterwards.
func (m *Manager) Close(ctx context.Context) error {
	m.do(func() {
		m.closed = true
		for _, e := range m.entries {
			m.leave(e)
		}
	})
	ticker := time.NewTicker(tick / 4)
	defer ticker.Stop()
	for {
		m.mu.RLock()
		left := len(m.leaving)
		m.mu.RUnlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			m.o.Log.Warn("registrations are left at carriers until they expire", "registrations", left)
			return nil
		case <-ticker.C:
		}
	}
}

// do changes entries and then, without the lock, sends what is to be sent and tells what is to be told. A fault of ours costs one
// step of one entry.
func (m *Manager) do(change func()) {
	m.mu.Lock()
	func() {
		defer m.recovered()
		change()
	}()
	orders, events, later := m.orders, m.events, m.later
	m.orders, m.events, m.later = nil, nil, nil
	m.some.Store(len(m.entries) > 0)
	m.mu.Unlock()
	defer m.recovered()
	if m.o.Events != nil {
		for _, e := range events {
			m.o.Events(e)
		}
	}
	for _, o := range orders {
		m.o.Wire.Send(msg.Outbound{Request: o.req, Target: o.target, Timers: msg.Timers{B: o.patience}, Owner: o})
	}
	for _, f := range later {
		f()
	}
}

func (m *Manager) recovered() {
	if p := recover(); p != nil {
		m.metrics.panics.Inc()
		m.o.Log.Error("panic while registering", "panic", p, "stack", string(debug.Stack()))
	}
}

// look takes over a new configuration and sends what is due.
func (m *Manager) look() {
	snap := m.o.Snapshot()
	if snap == nil || m.closed {
		return
	}
	if snap != m.seen || m.stale {
		m.seen, m.stale = snap, false
		m.reconcile(snap)
	}
	var due []*entry
	now := time.Now()
	for _, e := range m.entries {
		m.keep(e, now)
		if !e.busy && !e.due.IsZero() && !now.Before(e.due) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.r.ID, b.r.ID)) })
	for _, e := range due[:min(len(due), burst)] {
		m.begin(e)
	}
}

// wanted lists the registrants in service.
func wanted(snap *config.Snapshot) map[string]*sbc.Registrant {
	list := map[string]*sbc.Registrant{}
	for _, r := range snap.Rows.Registrants {
		if r.Enabled && snap.ActiveTrunk(r.TrunkID) {
			list[r.ID] = r
		}
	}
	return list
}

// reconcile makes entries of what is configured. One that is to be somebody else takes its leave first.
func (m *Manager) reconcile(snap *config.Snapshot) {
	want := wanted(snap)
	for id, e := range m.entries {
		switch r, trunk := want[id], snap.Trunk(e.r.TrunkID); {
		case r == nil || !e.same(r):
			m.leave(e)
		case r.Revision != e.r.Revision || trunk.OutboundProxy != e.proxy:
			e.change(r, trunk)
		}
	}
	for id, r := range want {
		if m.entries[id] == nil && m.leaving[id] == nil {
			m.enter(r, snap.Trunk(r.TrunkID))
		}
	}
}

// enter makes an entry.
func (m *Manager) enter(r *sbc.Registrant, trunk *sbc.Trunk) {
	e := &entry{callID: msg.NewCallID(), tag: msg.NewTag(), user: cmp.Or(r.ContactUser, m.token(r.ID))}
	e.change(r, trunk)
	m.entries[r.ID], m.users[e.user] = e, append(m.users[e.user], e)
	m.turn(e, sbc.RegistrantRegistering, 0, "")
}

// leave ends an entry: at once where no registrar knows it.
func (m *Manager) leave(e *entry) {
	id := e.r.ID
	delete(m.entries, id)
	m.unrouted(e)
	m.users[e.user] = slices.DeleteFunc(m.users[e.user], func(x *entry) bool { return x == e })
	if len(m.users[e.user]) == 0 {
		delete(m.users, e.user)
	}
	if !e.busy && !time.Now().Before(e.until) {
		m.left(e)
		return
	}
	m.leaving[id], e.leaving = e, true
	m.turn(e, sbc.RegistrantUnregistering, e.status.Code, "")
	if !e.busy {
		m.begin(e)
	}
}

// left is the end of an entry.
func (m *Manager) left(e *entry) {
	delete(m.leaving, e.r.ID)
	m.turn(e, sbc.RegistrantDisabled, e.status.Code, "it is not registered any more")
	m.metrics.states.WithLabelValues(string(e.status.State)).Dec()
	m.stale = true // it may be wanted again
}

// turn notes a state of an entry, and tells of it if it is another.
func (m *Manager) turn(e *entry, s sbc.RegistrantState, code int, reason string) {
	before := e.status.State
	e.status.Code, e.status.Reason = code, reason
	if s == before {
		return
	}
	if before != "" {
		m.metrics.states.WithLabelValues(string(before)).Dec()
	}
	m.metrics.states.WithLabelValues(string(s)).Inc()
	e.status.State, e.status.Since = s, time.Now().UTC()
	m.events = append(m.events, e.event(before))
	m.o.Log.Info("a registration of ours", "registrant_id", e.r.ID, "state", s, "code", code, "reason", reason)
}

// Register has a registrant try now, unless dry, whatever it waits for, and tells how far it is; false where none of that id is in service.
func (m *Manager) Register(id string, dry bool) (s sbc.RegistrantStatus, ok bool) {
	m.do(func() {
		e := m.entries[id]
		if e == nil {
			return
		}
		if !dry {
			e.soon()
		}
		s, ok = e.shown(), true
	})
	return s, ok
}

// Status tells how far a registrant is; false where it is not known.
func (m *Manager) Status(id string) (sbc.RegistrantStatus, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e := m.entries[id]
	if e == nil {
		e = m.leaving[id]
	}
	if e != nil {
		return e.shown(), true
	}
	snap := m.o.Snapshot()
	i := slices.IndexFunc(snap.Rows.Registrants, func(r *sbc.Registrant) bool { return r.ID == id })
	if i < 0 || !snap.Rows.Registrants[i].Enabled || snap.ActiveTrunk(snap.Rows.Registrants[i].TrunkID) {
		return sbc.RegistrantStatus{}, false
	}
	return sbc.RegistrantStatus{
		State: sbc.RegistrantDisabled, Since: snap.Rows.Registrants[i].UpdatedAt, Reason: "its trunk is out of service",
	}, true
}
