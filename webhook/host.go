package webhook

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxHosts bounds the hosts that are remembered; beyond, those that nobody uses are forgotten.
const maxHosts = 4096

type hosts struct {
	mu     sync.Mutex
	byName map[string]*host
}

// host is how one other system is doing.
type host struct {
	places chan struct{}

	mu       sync.Mutex
	users    int
	failures int
	rests    time.Time // until then
}

func (h *hosts) of(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.byName[name]
	if x == nil {
		if len(h.byName) >= maxHosts {
			h.forget()
		}
		x = &host{places: make(chan struct{}, maxAtOnce)}
		h.byName[name] = x
	}
	return x
}

// forget lets go of hosts that nobody uses; one that somebody is about to use goes on without the others' knowledge of it.
func (h *hosts) forget() {
	for name, x := range h.byName {
		if len(x.places) == 0 {
			delete(h.byName, name)
		}
	}
}

// maxWaiting bounds how many wait for a place at one host.
const maxWaiting = 4 * maxAtOnce

// enter takes a place, and waits for one as long as the context lasts. Errors: ErrResting, ErrCrowded, the context's.
func (h *host) enter(ctx context.Context) error {
	h.mu.Lock()
	switch {
	case time.Now().Before(h.rests):
		h.mu.Unlock()
		return ErrResting
	case h.users >= maxAtOnce+maxWaiting:
		h.mu.Unlock()
		return ErrCrowded
	}
	h.users++
	h.mu.Unlock()
	select {
	case h.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		h.mu.Lock()
		defer h.mu.Unlock()
		h.users--
		return context.Cause(ctx)
	}
}

// leave gives the place back. What the other system said in time counts for it, whatever it said, but for its own faults.
func (h *host) leave(err error) {
	<-h.places
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users--
	if status := StatusError(0); err == nil || errors.As(err, &status) && status < 500 {
		h.failures = 0
		return
	}
	if errors.Is(err, context.Canceled) {
		return // whoever asked does not want to know any more
	}
	if h.failures++; h.failures >= maxFailures {
		h.failures, h.rests = maxFailures-1, time.Now().Add(restFor) // the first one after the rest decides
	}
}
