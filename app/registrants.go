package app

import (
	"context"
	"crypto/rand"
	"net/netip"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/registrant"
)

// openRegistrants makes who registers the border at carriers.
func (a *App) openRegistrants(ctx context.Context) {
	secret, err := a.store.Secret(ctx, "registrant")
	if err != nil { // carriers have two contacts of us for a while
		a.o.Log.Error("our contacts at carriers are good until the next start only", "error", err)
		secret = []byte(rand.Text())
	}
	a.registrants = registrant.New(registrant.Options{
		Snapshot: a.config.Current, Wire: a.edge, Secret: secret, ServerName: sbc.ServerName, Events: a.events.Add, Log: a.o.Log,
		Registerer: a.metrics, Resolve: a.addressesOf,
	})
}

// addressesOf gives the addresses of a name, whatever their ports.
func (a *App) addressesOf(ctx context.Context, host string, port int, transport sbc.Transport) (found []netip.Addr) {
	list, err := a.resolver.Lookup(ctx, host, port, transport)
	if err != nil {
		a.o.Log.Debug("the addresses of a registrar", "host", host, "error", err)
	}
	for _, x := range list {
		found = append(found, x.Addr.Addr())
	}
	return found
}

// registerAtCarriers begins to register when calls can be taken. At the end the carriers are told first, so that they send no more.
func (a *App) registerAtCarriers(context.Context) error {
	a.life.background("registrations at carriers", a.registrants.Run)
	a.life.onStop("registrants", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, a.o.DrainTimeout/4) // a carrier that is gone keeps nobody waiting
		defer cancel()
		return a.registrants.Close(ctx)
	})
	return nil
}

// registeredContact tells whether a request is for one of our contacts at carriers.
func (a *App) registeredContact(req *msg.Message) bool {
	_, _, _, ok := a.registrants.Inbound(req)
	return ok
}
