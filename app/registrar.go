package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/register"
	"github.com/sallyport/sallyport/storage/live"
)

// bindings are what an earlier process left of its registrations, and where they are kept.
type bindings struct {
	journal *live.Journal
	found   []sbc.LiveChange
}

// maxBindings bounds what is kept of registrations, in bytes: several millions of them.
const maxBindings = 4 << 30

// openRegistrations reads the registrations of an earlier process.
func (a *App) openRegistrations(context.Context) (err error) {
	a.bindings.journal, a.bindings.found, err = live.Open(live.Options{
		Dir: filepath.Join(a.o.DataDir, "registrations"), Name: "registrations.log", MaxBytes: maxBindings, Log: a.o.Log,
	})
	if err != nil {
		return err
	}
	a.life.onStop("registrations", func(context.Context) error { return a.bindings.journal.Close() })
	return nil
}

// openRegistrar makes the registrar with the contacts of an earlier process.
func (a *App) openRegistrar(ctx context.Context) error {
	secret, err := a.store.Secret(ctx, "gruu")
	if err != nil { // phones get others when they register again
		a.o.Log.Error("the addresses of phones (GRUU) are good until the next start only", "error", err)
	}
	a.registrar = register.New(register.Options{
		Snapshot: a.config.Current, Domain: a.activeDomain, Hosts: a.namesDomain, Wire: a.edge, Guard: a.guard, Asks: a.hooks,
		Journal: a.bindings.journal, Restored: a.bindings.found, Secret: secret, ServerName: sbc.ServerName,
		Events: a.events.Add, Log: a.o.Log, Registerer: a.metrics,
		Arrived: func(s *sbc.Subscriber, ids []string) { a.parts.mwi.Arrived(s, ids) },
	})
	a.parts.registrar = a.registrar
	a.bindings.found = nil
	a.life.background("registrar", a.registrar.Run)
	a.life.background("registrations of subscribers that are gone", a.sweepRegistrations)
	a.wantSweep() // who was deleted while this node was down
	return nil
}

// sweepEvery is the pace at which a sweep asks the store for subscribers: REGISTERs and calls are not to wait for it.
const sweepEvery = 2 * time.Millisecond

// wantSweep asks for a sweep.
func (a *App) wantSweep() {
	select {
	case a.sweep <- struct{}{}:
	default: // one is due already
	}
}

// sweepRegistrations looks, whenever it is asked to, whether those that have contacts are still there and enabled.
func (a *App) sweepRegistrations(ctx context.Context) {
	pace := time.NewTicker(sweepEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.sweep:
		}
		for _, id := range a.registrar.Subscribers() {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			a.forgetIfGone(id)
		}
	}
}

// forgetIfGone takes away the contacts of a subscriber that is deleted or disabled. Where the store cannot say, they stay.
func (a *App) forgetIfGone(id string) {
	if sbc.IsGuest(id) { // an upstream registrar knows who is there
		return
	}
	a.directory.AskID(id, func(e *sbc.Entry, err error) {
		if err == nil && !e.Subscriber.Enabled || sbc.CodeOf(err) == sbc.CodeNotFound {
			a.registrar.Forget("", id)
		}
	})
}

// listed hears of writes of subscribers and aliases: the directory forgets what it knew, and who is gone or disabled is not
// registered any more.
func (a *App) listed(changes []sbc.ListedChange) {
	a.directory.Changed(changes)
	if changes == nil { // any of them may have
		a.wantSweep()
	}
	for _, c := range changes {
		switch id := c.ID; {
		case c.Kind != sbc.KindSubscriber || a.registrar == nil:
		case c.DomainID == "":
			a.registrar.Forget("", id)
		case a.registrar.Registered(id):
			a.forgetIfGone(id)
		}
	}
}
