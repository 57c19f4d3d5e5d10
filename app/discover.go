package app

import (
	"context"
	"net/netip"
	"path/filepath"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/discover"
)

// newFinder makes who asks STUN servers by which addresses the world sees ours.
func (a *App) newFinder() *discover.Finder {
	return discover.New(discover.Options{
		Sources: a.seenByOthers, Ask: a.askSTUN, Changed: a.readvertise, File: filepath.Join(a.o.DataDir, "advertised.json"), Log: a.o.Log,
	})
}

// seenByOthers lists the interfaces and pools in service that have a server asked.
func (a *App) seenByOthers() (list []discover.Source) {
	s := a.config.Current()
	for _, i := range s.ActiveInterfaces() {
		if i.Server != "" && a.listens(i.ID) {
			list = append(list, source(i, &i.AdvertisedSTUN, netip.Addr{}))
		}
	}
	for _, p := range s.ActivePools() {
		if p.Server != "" {
			address, _ := netip.ParseAddr(p.Address) // Validate has seen to it
			list = append(list, source(p, &p.AdvertisedSTUN, address.Unmap()))
		}
	}
	return list
}

func source(r sbc.Resource, s *sbc.AdvertisedSTUN, address netip.Addr) discover.Source {
	host, port := s.Asked()
	return discover.Source{
		Kind: r.Kind(), ID: r.Base().ID, Tenant: r.Base().TenantID, Address: address, Host: host, Port: port, Server: s.Server,
		Every: s.Refresh(),
	}
}

// askSTUN asks from the very socket of an interface, or from an address of a pool.
func (a *App) askSTUN(ctx context.Context, s discover.Source) (answer discover.Answer, err error) {
	if s.Kind == sbc.KindSIPInterface {
		answer.Mapped, answer.Own, err = a.edge.MappedOf(ctx, s.ID, s.Host, s.Port)
	} else {
		answer.Mapped, err = a.edge.MappedFrom(ctx, s.Address, s.Host, s.Port)
	}
	return answer, err
}

// advertised is what a server told of an interface or pool.
func (a *App) advertised(r sbc.Resource) string {
	switch r := r.(type) {
	case *sbc.SIPInterface:
		return a.finder.Address(r.ID, r.Server)
	case *sbc.MediaPool:
		return a.finder.Address(r.ID, r.Server)
	}
	return ""
}

// readvertise has new calls told a new address.
func (a *App) readvertise(ctx context.Context, s discover.Source, before, now netip.Addr) error {
	if err := a.config.Readvertise(ctx); err != nil {
		a.o.Log.Error("an address that a STUN server told cannot be served", "id", s.ID, "address", now, "error", err)
		return err
	}
	data := map[string]string{"resource": string(s.Kind), "id": s.ID, "address": now.String(), "server": s.Server}
	if before.IsValid() {
		data["before"] = before.String()
	}
	a.o.Log.Info("a STUN server told another address of ours", "id", s.ID, "before", before, "address", now)
	a.events.Add(sbc.Event{Type: sbc.EventAddress, TenantID: s.Tenant, Data: data})
	return nil
}
