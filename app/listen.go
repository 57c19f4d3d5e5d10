package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/edge"
)

// rebindEvery is how often SIP interfaces that could not be bound at the start are tried again.
const rebindEvery = 2 * time.Second

// listening remembers which SIP interfaces are wanted. At the start of the node one that cannot be bound is left out, so that
// the API comes up and it can be mended; it is tried again until it listens.
type listening struct {
	mu     sync.Mutex
	wanted []edge.Listener
}

// listenChange is an edge.Change that also notes what is wanted from then on.
type listenChange struct {
	*edge.Change
	state  *listening
	wanted []edge.Listener
}

// Commit notes before it serves: while the edge's change is open, no other can be prepared.
func (c listenChange) Commit() {
	c.state.mu.Lock()
	c.state.wanted = c.wanted
	c.state.mu.Unlock()
	c.Change.Commit()
}

// prepareEdge binds the SIP interfaces of a configuration. A running node refuses a change that asks for one it cannot bind.
func (a *App) prepareEdge(old, new *config.Snapshot) (config.Change, error) {
	var listeners []edge.Listener
	for _, i := range new.ActiveInterfaces() {
		listeners = append(listeners, edge.Listener{
			ID: i.ID, Transport: i.Transport, Bind: i.Bind(), AdvertisedHost: i.AdvertisedAddress, MaxMessage: i.MaxMessageBytes,
			MaxConns: i.MaxConnections, MaxConnsPerSource: i.MaxConnectionsPerSource, Idle: time.Duration(i.IdleTimeoutS) * time.Second,
			STUN: i.STUN, STUNPort: i.STUNPort, TLSProfileID: i.TLSProfileID, Origins: i.Origins,
		})
	}
	spared := func(id string) bool { return old == nil || a.wants(id) && !a.listens(id) }
	change, err := a.bind(listeners, spared)
	var fault *edge.BindError
	switch {
	case errors.As(err, &fault):
		return nil, bindFault(new, fault)
	case err != nil:
		return nil, err
	}
	return listenChange{change, &a.listening, listeners}, nil
}

// bind prepares the listeners. Those that are spared may fail: the node starts without them, and a change of something else does
// not suffer for one that was down before.
func (a *App) bind(listeners []edge.Listener, spared func(id string) bool) (*edge.Change, error) {
	left := slices.Clone(listeners)
	for {
		change, err := a.edge.Prepare(left)
		var fault *edge.BindError
		if !errors.As(err, &fault) || !spared(fault.ID) {
			return change, err
		}
		a.o.Log.Error("a SIP interface cannot be bound; it is tried again", "sip_interface", fault.ID, "error", fault.Err)
		left = slices.DeleteFunc(left, func(l edge.Listener) bool { return l.ID == fault.ID })
	}
}

// listens tells whether an interface is being served.
func (a *App) listens(id string) bool {
	s, ok := a.edge.Status(id)
	return ok && s.State == "listening"
}

// wants tells whether an interface was already wanted.
func (a *App) wants(id string) bool {
	return slices.ContainsFunc(a.listening.now(), func(l edge.Listener) bool { return l.ID == id })
}

func (l *listening) now() []edge.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted
}

// rebind tries again what is wanted and does not listen, until the context ends.
func (a *App) rebind(ctx context.Context) {
	ticker := time.NewTicker(rebindEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		wanted := a.listening.now()
		if !slices.ContainsFunc(wanted, func(l edge.Listener) bool { return !a.listens(l.ID) }) {
			continue
		}
		change, err := a.edge.Prepare(wanted)
		switch {
		case err != nil: // not yet
		case sameList(wanted, a.listening.now()):
			change.Commit()
			a.o.Log.Info("every SIP interface listens")
		default: // the configuration changed meanwhile
			change.Abort()
		}
	}
}

// sameList tells whether two lists are one and the same.
func sameList(a, b []edge.Listener) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
