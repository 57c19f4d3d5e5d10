package app

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/access"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/mwi"
	"github.com/sallyport/sallyport/sbc/register"
	"github.com/sallyport/sallyport/sbc/subscription"
)

// border hands messages from the edge to the calls and the subscriptions; it breaks the circle that each needs the other to be
// made.
type border struct{ parts atomic.Pointer[parts] }

type parts struct {
	calls         *call.Manager
	subscriptions *subscription.Manager
	door          *access.Door
	registrar     *register.Registrar
	mwi           *mwi.Service
}

func (b *border) admit(m *msg.Message) msg.Decision {
	p := b.parts.Load()
	if p == nil {
		return msg.Decision{Action: msg.Silence}
	}
	if d, ok := p.door.Admit(m); ok {
		return d
	}
	if d, ok := p.mwi.Admit(m); ok {
		return d
	}
	if d, ok := p.subscriptions.Admit(m); ok {
		return d
	}
	return p.door.Gone(m, p.calls.Admit(m))
}

func (b *border) handle(tx msg.ServerTx, m *msg.Message) {
	switch p := b.parts.Load(); {
	case p == nil:
	case p.door.Guards(m):
		p.door.Identify(tx, m, func(c access.Caller) { p.enter(tx, m, c) })
	default:
		p.serve(tx, m)
	}
}

// serve takes a request of a trunk, or one within a dialog.
func (p *parts) serve(tx msg.ServerTx, m *msg.Message) {
	if !p.mwi.Handle(tx, m) && !p.subscriptions.Handle(tx, m) {
		p.calls.Handle(tx, m)
	}
}

func (b *border) ack(m *msg.Message) {
	if p := b.parts.Load(); p != nil {
		p.calls.Ack(m)
	}
}

// closed tells the registrar of a connection that is gone.
func (b *border) closed(h msg.Hop) {
	if p := b.parts.Load(); p != nil {
		p.registrar.Closed(h)
	}
}

// party makes a config.Party of a function.
type party struct {
	prepare func(old, new *config.Snapshot) (config.Change, error)
}

func (p party) Prepare(old, new *config.Snapshot) (config.Change, error) { return p.prepare(old, new) }

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

// testHeaders adapts the trial of header rules to the API.
func testHeaders(p *sbc.HeaderProfile, stage sbc.HeaderStage, message string, fields map[string]string) (api.HeaderTrial, error) {
	t, err := header.Test(p, stage, message, fields)
	return api.HeaderTrial{Before: t.Before, After: t.After, Applied: t.Applied}, err
}
