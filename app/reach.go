package app

import (
	"context"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/probe"
	"github.com/sallyport/sallyport/sbc/route"
)

// reach is what is alive, as calls ask for it while they are decided.
type reach struct {
	route.Well
	*probe.Prober
	tally  *admit.Tally
	prices *prices
	turns  turns
	// qualities is what trunks are worth.
	qualities *qualities
}

// openReach makes who asks endpoints whether they are alive.
func (a *App) openReach() {
	a.reach = &reach{tally: a.tally, prices: a.prices, qualities: a.openQuality(), Prober: probe.New(probe.Options{
		Revision: func() int64 { return a.config.Current().Revision }, Sources: func() []probe.Source { return endpoints(a.config.Current()) },
		Wire: a.edge, Events: a.events.Add, ServerName: sbc.ServerName, Log: a.o.Log, Registerer: a.metrics,
	})}
}

// Endpoint is the part of its weight that an endpoint has (route.Live).
func (r *reach) Endpoint(id string) (percent int, why string) { return r.Prober.Endpoint(id) }

// endpoints are those of a configuration that are in service.
func endpoints(s *config.Snapshot) []probe.Source {
	list := make([]probe.Source, 0, len(s.Rows.Endpoints))
	for _, e := range s.Rows.Endpoints {
		t := s.Trunk(e.TrunkID)
		if t == nil || !e.Enabled || !s.ActiveTrunk(t.ID) {
			continue
		}
		p := probe.Source{ID: e.ID, TrunkID: t.ID, TenantID: e.TenantID, Probe: t.Probe, Outlier: t.Outlier, Credentials: s.Credentials(t)}
		p.URI.Scheme, p.URI.Host, p.URI.Port = "sip", strings.Trim(e.Address, "[]"), e.Port
		if e.Transport.Stream() {
			p.URI.UriParams = msg.SetParam(nil, "transport", string(e.Transport))
		}
		host, port := t.NextHop(e.Address, e.Port)
		p.Target = msg.Target{Host: host, Port: port, Transport: e.NamedTransport(), Interfaces: s.InterfacesOf(t.RealmID),
			TLSProfile: t.TLSProfileID}
		list = append(list, p)
	}
	return list
}

// drainEvery is how often deadlines are looked at.
const drainEvery = time.Second

// drain ends the calls of trunks and endpoints that are taken out of service when their deadlines have passed.
func (a *App) drain(ctx context.Context) {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if over := a.overdue(now); len(over) > 0 {
				if n := a.calls.Drain(over); n > 0 {
					a.o.Log.Info("calls ended: a trunk or endpoint is taken out of service", "calls", n)
				}
			}
		}
	}
}

// overdue are the trunks and endpoints that still have calls though their deadline has passed, by id, with what is said of it.
func (a *App) overdue(now time.Time) map[string]string {
	s, over := a.config.Current(), map[string]string{}
	passed := func(d *sbc.Drain) bool { return d.Draining && d.DrainDeadline != nil && !now.Before(*d.DrainDeadline) }
	for _, t := range s.Rows.Trunks {
		if passed(&t.Drain) {
			if u := a.tally.OfTrunk(t.ID); u.In+u.Out > 0 {
				over[t.ID] = "trunk drained"
			}
		}
	}
	for _, e := range s.Rows.Endpoints {
		if passed(&e.Drain) && a.tally.OfEndpoint(e.ID) > 0 {
			over[e.ID] = "endpoint drained"
		}
	}
	return over
}
