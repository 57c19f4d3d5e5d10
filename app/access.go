package app

import (
	"context"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/access"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/directory"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/subscription"
	"github.com/sallyport/sallyport/webhook"
)

// activeDomain finds a domain in service, nil if there is none.
func (a *App) activeDomain(id string) *sbc.Domain {
	s := a.config.Current()
	if !s.ActiveTrunk(id) {
		return nil
	}
	return s.Domain(id)
}

// namesDomain tells whether a host means a domain for requests that come by an interface: by a name of it, or by an address of
// ours where no other domain is meant.
func (a *App) namesDomain(d *sbc.Domain, interfaceID, host string) bool {
	s := a.config.Current()
	of := s.DomainOf(d.RealmID, host)
	if of != nil {
		return of.ID == d.ID
	}
	i := s.Interface(interfaceID)
	return i != nil && (host == i.BindAddress || host == i.AdvertisedAddress)
}

// openHooks makes the client of other systems.
func (a *App) openHooks(context.Context) error {
	a.hooks = webhook.New(webhook.Options{AllowLocal: a.o.AllowLocalWebhooks, Registerer: a.metrics})
	a.life.onStop("webhooks", func(context.Context) error { a.hooks.Close(); return nil })
	return nil
}

// openDoor makes the door of realms with domains, and what it needs. The nonces of all nodes are of one secret.
func (a *App) openDoor(ctx context.Context) error {
	secret, err := a.store.Secret(ctx, "nonce")
	if err != nil {
		return err
	}
	a.parts.door = access.New(access.Options{
		Snapshot: a.config.Current, Directory: accounts{a.directory}, Guard: a.guard, Registered: a.registrar.CameBy, Inbound: a.registeredContact,
		Nonces: digest.NewNonces(digest.NoncesOptions{Secret: secret}), Asks: a.hooks, Capabilities: a.calls.Capabilities,
		ServerName: sbc.ServerName, Log: a.o.Log, Events: a.events.Add, Registerer: a.metrics,
	})
	return nil
}

// accounts is the directory as the door asks it.
type accounts struct{ cache *directory.Cache }

func (c accounts) Ask(domainID, name string, done func(*sbc.Entry, error)) {
	c.cache.Ask(domainID, name, done)
}
func (c accounts) AskID(id string, done func(*sbc.Entry, error)) { c.cache.AskID(id, done) }

// enter serves a request that passed the door.
func (p *parts) enter(tx msg.ServerTx, m *msg.Message, c access.Caller) {
	if c.Entry == nil {
		p.serve(tx, m)
		return
	}
	switch m.Method {
	case msg.REGISTER:
		p.registrar.Handle(tx, m, c.Domain, c.Entry)
	case msg.MESSAGE, msg.SUBSCRIBE, msg.PUBLISH:
		if p.mwi.Subscribe(tx, m, c.Domain, c.Entry) || p.subscriptions.HandleFrom(tx, m, &subscription.Sender{
			Domain: c.Domain, Entry: c.Entry, Inside: c.Identity.Inside, Number: c.Identity.Outside, Display: c.Identity.Display,
			Anonymous: c.Identity.Anonymous,
		}) {
			return
		}
		fallthrough
	default:
		p.calls.HandleFrom(tx, m, origin(c))
	}
}

// origin is who passed the door in the words of calls.
func origin(c access.Caller) *call.Origin {
	return &call.Origin{
		Domain: c.Domain, Entry: c.Entry, How: c.How, Inside: c.Identity.Inside, Outside: c.Identity.Outside,
		Display: c.Identity.Display, Anonymous: c.Identity.Anonymous, Code: c.Permit.Code, Reason: c.Permit.Reason,
		MaxDurationS: c.Permit.MaxDurationS, Variables: c.Permit.Variables,
	}
}

// search has the decision of calls find whom a request outside of calls is for.
func (a *App) search(
	snap *config.Snapshot, req *msg.Message, from *subscription.Sender, local msg.Local, post func(job func()),
) subscription.Search {
	if from == nil {
		return a.calls.Search(snap, req, nil, local, post)
	}
	return a.calls.Search(snap, req, &call.Origin{
		Domain: from.Domain, Entry: from.Entry, How: "the door", Inside: from.Inside, Outside: from.Number, Display: from.Display,
		Anonymous: from.Anonymous,
	}, local, post)
}
