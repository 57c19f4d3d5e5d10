package app

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/eventlog"
	"github.com/sallyport/sallyport/sbc/guard"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// openGuard makes the log of events, and the guard with the bans of the last life. Its rules come with the configuration.
func (a *App) openGuard(context.Context) (err error) {
	a.events = eventlog.New(eventlog.Options{Registerer: a.metrics})
	a.guard, err = guard.New(guard.Options{
		Exempt: a.known, Trusted: func(h msg.Hop) { a.edge.Trust(h) }, Banned: a.disconnect, Events: a.events.Add,
		File: filepath.Join(a.o.DataDir, "bans.json"), Log: a.o.Log, Registerer: a.metrics,
	})
	if err == nil {
		a.life.background("guard", a.guard.Run)
	}
	return err
}

// known tells whether a source is a trunk's.
func (a *App) known(h msg.Hop) bool {
	_, ok := a.config.Current().Identify.Known(identify.From(h))
	return ok
}

// disconnect closes the connections of a network that was banned.
func (a *App) disconnect(realmID string, network netip.Prefix) {
	var interfaces []string
	if realmID != "" {
		interfaces = append([]string{}, a.config.Current().InterfacesOf(realmID)...)
	}
	a.edge.Disconnect(interfaces, network)
}

// guardChange puts rules of the guard in force.
type guardChange struct {
	guard  *guard.Guard
	realms []guard.Realm
}

func (c guardChange) Commit() { c.guard.Configure(c.realms) }
func (guardChange) Abort()    {}

// prepareGuard collects what holds in each realm.
func (a *App) prepareGuard(_, s *config.Snapshot) (config.Change, error) {
	peers := map[string][]netip.Prefix{}
	for _, e := range s.Rows.Endpoints { // addresses that trunks are reached at are as good as those that they are known by
		if addr, err := netip.ParseAddr(e.Address); err == nil && s.ActiveTrunk(e.TrunkID) {
			addr = addr.Unmap()
			realm := s.Trunk(e.TrunkID).RealmID
			peers[realm] = append(peers[realm], netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	c := guardChange{guard: a.guard}
	for _, r := range s.Rows.Realms {
		c.realms = append(c.realms, guard.Realm{
			ID: r.ID, Interfaces: s.InterfacesOf(r.ID), Profile: s.Flood(r.ID), Exempt: peers[r.ID], Egress: a.egressOf(s, r),
		})
	}
	return c, nil
}

// egressOf bounds where the peers of a realm of strangers may have us send: nowhere into our own networks, and not to trunks.
func (a *App) egressOf(s *config.Snapshot, r *sbc.Realm) *guard.Egress {
	if r.Trust != sbc.TrustAccess {
		return nil
	}
	e := &guard.Egress{}
	for _, n := range r.EgressAllow {
		if p, err := sbc.ParseCIDR(n); err == nil { // Validate has seen to it
			e.Allow = append(e.Allow, p)
		}
	}
	add := func(list *[]netip.Prefix, address string) {
		if addr, err := netip.ParseAddr(address); err == nil && !addr.IsUnspecified() {
			*list = append(*list, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		}
	}
	for _, i := range s.ActiveInterfaces() {
		add(&e.Ours, i.BindAddress)
		add(&e.Ours, i.AdvertisedAddress)
	}
	for _, p := range s.ActivePools() {
		add(&e.Ours, p.Address)
		add(&e.Ours, p.AdvertisedAddress)
	}
	local, err := net.InterfaceAddrs()
	if err != nil {
		a.o.Log.Warn("the addresses of this machine are not known to the egress guard", "error", err)
	}
	for _, l := range local {
		if n, ok := l.(*net.IPNet); ok {
			add(&e.Ours, n.IP.String())
		}
	}
	for _, x := range s.Rows.Endpoints {
		add(&e.Gateways, x.Address)
	}
	return e
}

// emergency tells calls for help: by the numbers of the domain they are made in, or by the number plan of the trunk that they come from,
// else by the usual ones.
func (a *App) emergency() func(m *msg.Message) bool {
	usual := map[string]bool{}
	for _, c := range sbc.DefaultNumberClasses() {
		if number, whole := strings.CutSuffix(c.Prefix, "$"); whole && c.Class == sbc.ClassEmergency {
			usual[number] = true
		}
	}
	return func(m *msg.Message) bool {
		s, number := a.config.Current(), m.RequestURI.Number()
		if r := s.RealmOf(m.Hop.Interface); r != nil {
			if d := s.DomainOf(r.ID, m.RequestURI.Host); d != nil {
				return s.Class(d, number) == sbc.ClassEmergency
			}
		}
		if emergency, known := s.Emergency(identify.From(m.Hop), number); known {
			return emergency
		}
		return usual[number]
	}
}

// overloaded tells that requests begin to be refused for overload, or that this is over.
func (a *App) overloaded(begins bool) {
	data := map[string]string{"state": "end", "reason": "the queues of the SIP interfaces are short again"}
	if begins {
		data = map[string]string{"state": "begin", "reason": "more waits at the SIP interfaces than can be served"}
	}
	a.events.Add(sbc.Event{Type: sbc.EventOverload, Data: data})
}
