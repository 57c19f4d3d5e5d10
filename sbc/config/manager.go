package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/route"
)

// DefaultPoll is how often the store is asked for other nodes' writes.
const DefaultPoll = 2 * time.Second

// Party is somebody who owns things that live and follow the configuration: listeners, media pools.
type Party interface {
	// Prepare does all that can fail on the way from old to new, without serving it yet. Old is nil at the start of the node: a
	// party that can serve only a part of new should then do so and say the rest in its own status, because a node that refuses to
	// start cannot be repaired through its API. Neither Snapshot may be changed. The error is shown to whoever made the change; an
	// *sbc.Error is handed on as it is. Prepare is called within the store's transaction: it must not use the store, and not wait
	// for the network.
	Prepare(old, new *Snapshot) (Change, error)
}

// Change is what a Party has prepared. Exactly one of its methods is called, once. A nil Change has nothing to do.
type Change interface {
	// Commit serves the new Snapshot and lets go of what only the old one had. It cannot fail.
	Commit()
	// Abort undoes Prepare.
	Abort()
}

// Options are what a Manager needs.
type Options struct {
	Store sbc.Provisioning
	// Parties are asked and told in this order.
	Parties []Party
	// Listed hears of writes of listed kinds (sbc.Kind.Listed), which no Snapshot holds: of this node's before Update returns, of
	// others' with the next poll. nil says that any of them may have changed. It must not wait; nil Listed is nobody.
	Listed func(changes []sbc.ListedChange)
	// Log may be nil.
	Log *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Poll is how often the store is asked for other nodes' writes; 0 is DefaultPoll.
	Poll time.Duration
	// Blobs keeps copies of the blobs that the configuration names; nil keeps none.
	Blobs Blobs
	// Advertised tells by which address the world sees a SIP interface or media pool, "" where nobody was asked or has told; nil is
	// never. What it tells is served in place of what is configured, by this node only. It must not wait.
	Advertised func(r sbc.Resource) string
	// CacheFile keeps the last configuration for a start without the store; "" keeps none.
	CacheFile string
	// Sealer encrypts the secrets in the cache file (auth/seal); nil writes them as they are, for tests.
	Sealer Sealer
}

// Sealer encrypts secrets, each for one place. A text that was sealed says so.
type Sealer interface {
	Sealed(text string) bool
	Seal(place, plain string) string
	Open(place, sealed string) (plain string, fresh bool, err error)
}

// Manager holds the current Snapshot and replaces it. It is safe for concurrent use.
type Manager struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	current atomic.Pointer[Snapshot]
	// turn is held by whoever replaces the Snapshot: one at a time.
	turn chan struct{}
	// started is set once the parties serve a Snapshot; turn guards it.
	started bool
	// save wakes the keeper of the cache file.
	save chan struct{}

	mu     sync.Mutex
	status sbc.ConfigStatus

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New makes a Manager that serves an empty Snapshot of revision 0.
func New(o Options) *Manager {
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	m := &Manager{o: o, log: o.Log, turn: make(chan struct{}, 1), save: make(chan struct{}, 1), stop: func() {}}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	empty := &Snapshot{Identify: &identify.Table{}, Route: &route.Table{}, Header: &header.Table{}}
	empty.index = newIndex(&empty.Rows, nil)
	m.current.Store(empty)
	m.metrics = newMetrics(o.Registerer, m)
	return m
}

// Start loads and commits the first Snapshot, from the cache file if the store has none to give, and follows the store until
// ctx ends or Close. It follows the store also where it returns an error, so that the node heals when the store does; then
// Current is empty.
func (m *Manager) Start(ctx context.Context) error {
	ctx, m.stop = context.WithCancel(ctx)
	err := m.first(ctx)
	m.goes(ctx, "poll", m.follow)
	if m.o.CacheFile != "" {
		m.goes(ctx, "cache", m.keep)
	}
	return err
}

// first serves the store's configuration, or else the cache file's.
func (m *Manager) first(ctx context.Context) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	resources, revision, err := m.o.Store.All(ctx)
	if err == nil {
		m.saw(revision)
		m.load(ctx, resources)
		if err = m.replace(resources, revision); err == nil {
			return nil
		}
	}
	m.failed(err)
	if m.o.CacheFile == "" {
		return err
	}
	m.log.Warn("the store's configuration cannot be served, trying the cache file", "error", err)
	resources, revision, cacheErr := readCache(m.o.CacheFile, m.keepBlob, m.o.Sealer)
	if cacheErr != nil {
		return errors.Join(err, cacheErr)
	}
	if cacheErr := m.replace(resources, revision); cacheErr != nil {
		return errors.Join(err, cacheErr)
	}
	m.failed(err) // still to be told: what is served is not the store's
	m.log.Warn("serving the configuration of the cache file", "revision", revision)
	return nil
}

// replace compiles, prepares and commits; the turn is held.
func (m *Manager) replace(resources []sbc.Resource, revision int64) error {
	next, err := compile(m.allSeen(resources), revision, m.Current())
	if err != nil {
		return m.failure("compile", err)
	}
	p, err := m.prepare(next)
	if err != nil {
		return err
	}
	m.commit(p)
	return nil
}

// prepared is a Snapshot that every party is ready to serve.
type prepared struct {
	next    *Snapshot
	changes []Change
}

// prepare asks every party; if one refuses, those asked before it undo what they did.
func (m *Manager) prepare(next *Snapshot) (*prepared, error) {
	var old *Snapshot
	if m.started {
		old = m.current.Load()
	}
	p := &prepared{next: next}
	for _, party := range m.o.Parties {
		change, err := ask(party, old, next)
		if err != nil {
			m.abort(p)
			return nil, m.failure("prepare", err)
		}
		if change != nil {
			p.changes = append(p.changes, change)
		}
	}
	return p, nil
}

// ask turns a party's panic into an error: a fault of theirs must not take the node down with a write half done.
func ask(party Party, old, next *Snapshot) (change Change, err error) {
	defer func() {
		if r := recover(); r != nil {
			change, err = nil, sbc.Errorf(sbc.CodeInternal, "preparing the change failed: %v", r)
		}
	}()
	return party.Prepare(old, next)
}

// commit makes a prepared Snapshot the current one.
func (m *Manager) commit(p *prepared) {
	for _, c := range p.changes {
		m.guard("commit", c.Commit)
	}
	if m.o.Blobs != nil {
		m.guard("blobs", func() { m.o.Blobs.Want(p.next.Rows.blobs()) })
	}
	m.current.Store(p.next)
	m.started = true
	m.served(p.next.Revision)
	select {
	case m.save <- struct{}{}:
	default:
	}
}

// abort undoes what was prepared, the last first.
func (m *Manager) abort(p *prepared) {
	if p == nil {
		return
	}
	for i := len(p.changes) - 1; i >= 0; i-- {
		m.guard("abort", p.changes[i].Abort)
	}
}

// guard calls f and counts its panic.
func (m *Manager) guard(what string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			m.metrics.failures.WithLabelValues("panic").Inc()
			m.log.Error("a party of the configuration panicked", "during", what, "panic", fmt.Sprint(r))
		}
	}()
	f()
}

// Current is the Snapshot in service. It is never nil; before Start it is empty.
func (m *Manager) Current() *Snapshot { return m.current.Load() }

// Status tells which revision is served.
func (m *Manager) Status() sbc.ConfigStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Close stops following the store and waits until nothing of the Manager runs. The Snapshot stays.
func (m *Manager) Close() {
	m.stop()
	m.running.Wait()
}

// acquire waits for the turn.
func (m *Manager) acquire(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &sbc.Error{Code: sbc.CodeUnavailable, Message: "another change of the configuration takes too long", Cause: ctx.Err()}
	}
}

func (m *Manager) release() { <-m.turn }

// goes runs f until ctx ends; a panic is logged and f begun again.
func (m *Manager) goes(ctx context.Context, name string, f func(context.Context)) {
	m.running.Go(func() {
		for ctx.Err() == nil {
			m.guard(name, func() { f(ctx) })
		}
	})
}

// saw notes the store's revision.
func (m *Manager) saw(revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Revision = revision
}

// served notes that a revision is live.
func (m *Manager) served(revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Active, m.status.Since, m.status.LastError = revision, time.Now(), ""
	m.status.Revision = max(m.status.Revision, revision)
}

// failed notes why the newest revision is not served.
func (m *Manager) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.LastError = err.Error()
}

// failure counts an error and gives it on; errors that are not sbc's own are marked as refusals by the machine.
func (m *Manager) failure(stage string, err error) error {
	m.metrics.failures.WithLabelValues(stage).Inc()
	var e *sbc.Error
	if errors.As(err, &e) {
		return err
	}
	return &sbc.Error{Code: sbc.CodeUnavailable, Message: "the change cannot be served by this node: " + err.Error(), Cause: err}
}
