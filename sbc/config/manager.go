package config

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// Party is somebody who owns things that live and follow the configuration: listeners, media pools.
type Party interface {
	// Prepare does all that can fail on the way from old to new, without serving it yet. Old is nil at the start of the node: a party
	// that can serve only a part of new should then do so and say the rest in its own status, because a node that refuses to start
	// cannot be repaired through its API. Neither Snapshot may be changed. The error is shown to whoever made the change.
	Prepare(old, new *Snapshot) (Change, error)
}

// Change is what a Party has prepared. Exactly one of its methods is called, once.
type Change interface {
	// Commit serves the new Snapshot and lets go of what only the old one had. It cannot fail.
	Commit()
	// Abort undoes Prepare.
	Abort()
}

// Options are what a Manager needs.
type Options struct {
	Store   sbc.Provisioning
	Parties []Party
	Log     *slog.Logger
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Poll is how often the store is asked for other nodes' writes; 0 is 2 s.
	Poll time.Duration
	// CacheFile keeps the last configuration for a start without the store; "" keeps none.
	CacheFile string
}

// Manager holds the current Snapshot and replaces it. It is safe for concurrent use.
type Manager struct{}

// New makes a Manager that serves an empty Snapshot.
func New(o Options) *Manager { return &Manager{} }

// Start loads and commits the first Snapshot and follows the store until ctx ends.
func (m *Manager) Start(ctx context.Context) error { return nil }

// Current is the Snapshot in service. It is never nil.
func (m *Manager) Current() *Snapshot { return nil }

// Update makes a change and returns when it is live.
func (m *Manager) Update(ctx context.Context, dryRun bool, change func(tx sbc.Tx) error) error {
	return nil
}

// Status tells which revision is served.
func (m *Manager) Status() sbc.ConfigStatus { return sbc.ConfigStatus{} }

// Close stops following the store and waits until nothing of the Manager runs.
func (m *Manager) Close() {}
