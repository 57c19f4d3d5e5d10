package registrant

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// maxRoutes bounds the proxies that a registrar may name.
const maxRoutes = 8

// way is by which proxies what we send to a carrier goes (RFC 3608 6.1), for as long as we are registered there.
type way struct {
	routes []msg.NameAddr
	next   msg.Target
	until  time.Time
}

// Route gives the Route headers of a request outside of dialogs to a trunk whose registrar has named proxies on the way to it, and where
// it is sent; the transport and the interfaces are the caller's to choose where Target has none. Of several registrants of a trunk the
// first one counts. ok is false where there are none. The slice is not the caller's to change.
func (m *Manager) Route(trunkID string) (routes []msg.NameAddr, next msg.Target, ok bool) {
	all := m.routes.Load()
	if all == nil {
		return nil, msg.Target{}, false
	}
	w, ok := (*all)[trunkID]
	if !ok || !time.Now().Before(w.until) {
		return nil, msg.Target{}, false
	}
	return w.routes, w.next, true
}

// routed takes the Service-Route of a 200: each replaces the one before, and none is none (RFC 3608 6.1).
func (m *Manager) routed(e *entry, res *msg.Message) {
	had := len(e.routes) > 0
	e.routes = serviceRoute(res)
	if had || len(e.routes) > 0 {
		m.publish()
	}
}

// unrouted forgets the routes of an entry that is not registered any more.
func (m *Manager) unrouted(e *entry) {
	if len(e.routes) > 0 {
		e.routes = nil
		m.publish()
	}
}

// publish makes the routes anew; it is done when some have changed.
func (m *Manager) publish() {
	ways := map[string]way{}
	for _, id := range slices.Sorted(maps.Keys(m.entries)) {
		e := m.entries[id]
		if _, there := ways[e.r.TrunkID]; there || len(e.routes) == 0 {
			continue
		}
		ways[e.r.TrunkID] = way{routes: e.routes, next: e.nextHop(), until: e.until}
	}
	m.routes.Store(&ways)
}

// nextHop is where requests go that have the entry's routes: to the first of them, unless the trunk has an outbound proxy.
func (e *entry) nextHop() msg.Target {
	if host, port, ok := sbc.SplitHost(e.proxy); ok && e.proxy != "" {
		return msg.Target{Host: host, Port: port}
	}
	u := e.routes[0].URI
	t := msg.Target{Host: strings.Trim(u.Host, "[]"), Port: u.Port}
	if v, ok := msg.Param(u.UriParams, "transport"); ok {
		if named := sbc.Transport(strings.ToLower(v)); named == sbc.TransportUDP || named == sbc.TransportTCP || named == sbc.TransportTLS {
			t.Transport = named
		}
	}
	// The registrar named it, which is somebody else: where it may lead is bounded, but for the registrar's own addresses.
	at, err := netip.ParseAddr(t.Host)
	t.Supplied = !strings.EqualFold(t.Host, e.r.Registrar) && (err != nil || !e.known(at))
	return t
}

// serviceRoute reads Service-Route. What cannot be used as a route set of loose routers (RFC 3608 5) counts as none.
func serviceRoute(res *msg.Message) []msg.NameAddr {
	list, err := res.Addresses("Service-Route")
	if err != nil || len(list) > maxRoutes {
		return nil
	}
	for i := range list {
		if _, loose := msg.Param(list[i].URI.UriParams, "lr"); !loose || !list[i].URI.IsSIP() || list[i].URI.Host == "" {
			return nil
		}
	}
	return list
}
