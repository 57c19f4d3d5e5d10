package app

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/msg"
)

// border hands messages from the edge to the calls; it breaks the circle that each needs the other to be made.
type border struct{ calls atomic.Pointer[call.Manager] }

func (b *border) admit(m *msg.Message) msg.Decision {
	if c := b.calls.Load(); c != nil {
		return c.Admit(m)
	}
	return msg.Decision{Action: msg.Silence}
}

func (b *border) handle(tx msg.ServerTx, m *msg.Message) {
	if c := b.calls.Load(); c != nil {
		c.Handle(tx, m)
	}
}

func (b *border) ack(m *msg.Message) {
	if c := b.calls.Load(); c != nil {
		c.Ack(m)
	}
}

// party makes a config.Party of a function.
type party struct {
	prepare func(old, new *config.Snapshot) (config.Change, error)
}

func (p party) Prepare(old, new *config.Snapshot) (config.Change, error) { return p.prepare(old, new) }

// prepareEdge binds the SIP interfaces of a configuration. At the start of the node (old is nil) an interface that cannot be
// bound is left out, so that the API comes up and it can be mended; later it refuses the change that asked for it.
func (a *App) prepareEdge(old, new *config.Snapshot) (config.Change, error) {
	var listeners []edge.Listener
	for _, i := range new.ActiveInterfaces() {
		listeners = append(listeners, edge.Listener{
			ID: i.ID, Transport: i.Transport, Bind: i.Bind(), AdvertisedHost: i.AdvertisedAddress, MaxMessage: i.MaxMessageBytes,
			MaxConns: i.MaxConnections, MaxConnsPerSource: i.MaxConnectionsPerSource, Idle: time.Duration(i.IdleTimeoutS) * time.Second,
		})
	}
	for {
		change, err := a.edge.Prepare(listeners)
		var fault *edge.BindError
		switch {
		case err == nil:
			return change, nil
		case !errors.As(err, &fault):
			return nil, err
		case old != nil:
			return nil, bindFault(new, fault)
		}
		a.o.Log.Error("a SIP interface cannot be bound and is left out", "sip_interface", fault.ID, "error", fault.Err)
		listeners = without(listeners, fault.ID)
	}
}

// bindFault tells whoever changed the configuration which interface cannot be had.
func bindFault(s *config.Snapshot, fault *edge.BindError) error {
	bind := ""
	if i := s.Interface(fault.ID); i != nil {
		bind = i.Bind().String() + "/" + string(i.Transport)
	}
	return &sbc.Error{
		Code: sbc.CodeConflict, Message: "SIP interface " + fault.ID + " cannot listen on " + bind, Cause: fault,
		Faults: []sbc.Fault{{Pointer: "#/bind_address", Code: "bind", Detail: bind + ": " + fault.Err.Error()}},
	}
}

func without(ls []edge.Listener, id string) []edge.Listener {
	kept := ls[:0]
	for _, l := range ls {
		if l.ID != id {
			kept = append(kept, l)
		}
	}
	return kept
}

// prepareMedia readies the media pools of a configuration, with the same leniency at the start.
func (a *App) prepareMedia(old, new *config.Snapshot) (config.Change, error) {
	var pools []media.Pool
	for _, p := range new.ActivePools() {
		address, err := netip.ParseAddr(p.Address)
		if err != nil {
			return nil, err // Validate has seen to it
		}
		pool := media.Pool{ID: p.ID, Address: address, PortMin: p.PortMin, PortMax: p.PortMax}
		if p.AdvertisedAddress != "" {
			if pool.Advertised, err = netip.ParseAddr(p.AdvertisedAddress); err != nil {
				return nil, err
			}
		}
		pools = append(pools, pool)
	}
	for {
		change, err := a.engine.Prepare(pools)
		var fault *media.PoolError
		switch {
		case err == nil:
			return change, nil
		case !errors.As(err, &fault):
			return nil, err
		case old != nil:
			return nil, &sbc.Error{
				Code: sbc.CodeConflict, Message: "media pool " + fault.ID + " cannot be served", Cause: fault,
				Faults: []sbc.Fault{{Pointer: "#/address", Code: "bind", Detail: fault.Err.Error()}},
			}
		}
		a.o.Log.Error("a media pool cannot be served and is left out", "media_pool", fault.ID, "error", fault.Err)
		kept := pools[:0]
		for _, p := range pools {
			if p.ID != fault.ID {
				kept = append(kept, p)
			}
		}
		pools = kept
	}
}

// explain adapts the calls' dry run to the API.
func (a *App) explain(_ context.Context, r sbc.ExplainRequest) (sbc.Explanation, error) {
	return a.calls.Explain(r)
}
