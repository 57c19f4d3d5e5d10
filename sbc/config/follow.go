package config

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// maxBackoff is the longest wait before a revision that could not be served is tried again.
const maxBackoff = time.Minute

// follow asks the store for its revision, again and again, and serves what other nodes wrote.
func (m *Manager) follow(ctx context.Context) {
	ticker := time.NewTicker(m.o.Poll)
	defer ticker.Stop()
	var retry backoff
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		revision, err := m.o.Store.Revision(ctx)
		if err != nil {
			m.lost(ctx, err)
			continue
		}
		m.saw(revision)
		if revision == m.Current().Revision {
			m.healed(revision)
			retry = backoff{}
			continue
		}
		if !retry.due(revision, time.Now()) {
			continue
		}
		if err := m.refresh(ctx); err != nil {
			wait := retry.failed(revision, time.Now(), m.o.Poll)
			m.failed(err)
			m.log.Error("a revision of the configuration cannot be served, the one before stays", "revision", revision,
				"active", m.Current().Revision, "retry_in", wait, "error", err)
		}
	}
}

// refresh loads everything and serves it, if it is still not what is served.
func (m *Manager) refresh(ctx context.Context) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	revision, err := m.o.Store.Revision(ctx)
	if err != nil || m.started && revision == m.Current().Revision {
		return err
	}
	changes, err := m.o.Store.Changes(ctx, m.Current().Revision)
	if err != nil {
		return err
	}
	if m.started && !changes.Configured && changes.Revision > m.Current().Revision {
		m.unchanged(changes.Revision)
		m.listed(changes.Listed)
		return nil
	}
	before := m.Current().Revision
	resources, revision, err := m.o.Store.All(ctx)
	if err != nil {
		return err
	}
	m.load(ctx, resources)
	if err := m.replace(resources, revision); err != nil {
		return err
	}
	// Asked again, for more may have been written before everything was loaded.
	if changes, err = m.o.Store.Changes(ctx, before); err != nil || changes.Revision < before {
		changes.Listed = nil
	}
	m.listed(changes.Listed)
	m.log.Info("serving a revision of the configuration written elsewhere", "revision", revision)
	return nil
}

// unchanged serves a revision whose writes no Snapshot holds: nothing is compiled. The turn is held.
func (m *Manager) unchanged(revision int64) {
	same := *m.Current()
	same.Revision = revision
	m.saw(revision)
	m.current.Store(&same)
	m.served(revision)
}

// listed tells what was written of listed kinds.
func (m *Manager) listed(changes []sbc.ListedChange) {
	if m.o.Listed != nil && (changes == nil || len(changes) > 0) {
		m.guard("listed", func() { m.o.Listed(changes) })
	}
}

// lost notes that the store does not answer, and logs it once.
func (m *Manager) lost(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	m.metrics.failures.WithLabelValues("store").Inc()
	before := m.Status().LastError
	m.failed(err)
	if before == "" {
		m.log.Warn("the store cannot be asked for its revision, the last configuration stays", "error", err)
	}
}

// healed forgets the last error where the revision served is the store's.
func (m *Manager) healed(revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status.Active == revision {
		m.status.LastError = ""
	}
}

// backoff keeps a revision that cannot be served from being compiled again at every poll.
type backoff struct {
	revision int64
	wait     time.Duration
	until    time.Time
}

func (b *backoff) due(revision int64, now time.Time) bool {
	return revision != b.revision || !now.Before(b.until)
}

func (b *backoff) failed(revision int64, now time.Time, poll time.Duration) time.Duration {
	if revision != b.revision {
		b.revision, b.wait = revision, poll
	} else {
		b.wait = min(2*b.wait, maxBackoff)
	}
	b.until = now.Add(b.wait)
	return b.wait
}
