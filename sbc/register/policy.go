package register

import (
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// denied are hosts that no Contact may name (features.md 13.7), of one configuration.
type denied struct {
	snap     *config.Snapshot
	gateways map[string]bool    // addresses and names of trunks, lower case
	ours     map[place][]string // our interfaces, with their transports
}

// place is an address or a name, in lower case, with a port.
type place struct {
	host string
	port uint16
}

// deniedNow gives the hosts of the day.
func (r *Registrar) deniedNow() *denied {
	snap := r.o.Snapshot()
	if d := r.denied.Load(); d != nil && d.snap == snap {
		return d
	}
	d := &denied{snap: snap, gateways: map[string]bool{}, ours: map[place][]string{}}
	for _, e := range snap.Rows.Endpoints {
		d.gateways[spelled(e.Address)] = true
	}
	for _, i := range snap.Rows.Interfaces {
		for _, host := range []string{i.BindAddress, i.AdvertisedAddress} {
			if host != "" {
				at := place{spelled(host), uint16(i.Port)}
				d.ours[at] = append(d.ours[at], string(i.Transport))
			}
		}
	}
	r.denied.Store(d)
	return d
}

// spelled gives one spelling to each host.
func spelled(host string) string {
	if a, ok := address(host); ok {
		return a.String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// screen holds the contacts of a REGISTER against the policy, and says of each by which way it is reached. What is taken away is
// not looked at: it leads nowhere.
func (r *Registrar) screen(a *ask, d *sbc.Domain) *refusal {
	for i := range a.wishes {
		w := &a.wishes[i]
		w.tests = test(a.m, w.addr.URI)
		if w.expires == 0 {
			continue
		}
		why := r.objection(a.m, w.addr.URI, d)
		if why != "" {
			return &refusal{code: 403, reason: "Contact Not Allowed", contact: clip(w.addr.URI.Raw, maxContact), why: why}
		}
		w.direct = direct(a.m, w, d.Registration.ContactSource)
	}
	return nil
}

// objection says what is wrong with a contact, "" for nothing.
func (r *Registrar) objection(m *msg.Message, u msg.URI, d *sbc.Domain) string {
	if !u.IsSIP() {
		return "scheme"
	}
	host, source := spelled(u.Host), m.Hop.Remote.Addr()
	addr, literal := address(u.Host)
	itself := literal && addr == source
	no, at := r.deniedNow(), place{host, portOf(u.Port)}
	switch _, ours := no.ours[at]; {
	case ours, itself && m.Hop.Remote.Port() != at.port && r.anyOurs(no, addr, at.port):
		return "an address of the border"
	case no.gateways[host] && !itself:
		return "a gateway"
	case literal && !itself && unusable(addr):
		return "an address of one machine or link"
	case literal && !itself && r.trunkAt(m.Hop, addr, at.port):
		return "a gateway"
	}
	if _, there := u.Param("maddr"); there { // it would lead elsewhere than the host says (RFC 3261 19.1.1)
		return "maddr"
	}
	switch d.Registration.ContactSource {
	case sbc.ContactSame:
		if !itself {
			return "not the source's address"
		}
	case sbc.ContactPrivate:
		if !itself && !(literal && isPrivate(addr)) && !strings.HasSuffix(host, ".invalid") {
			return "neither the source's address nor a private one"
		}
	}
	return ""
}

// anyOurs tells whether an interface that listens on every address has the port.
func (r *Registrar) anyOurs(no *denied, a netip.Addr, port uint16) bool {
	all := "0.0.0.0"
	if a.Is6() {
		all = "::"
	}
	_, there := no.ours[place{all, port}]
	return there && a.IsLoopback()
}

// unusable tells addresses that mean something on one machine or link only, and those that are nobody's: the metadata services of
// clouds are among them (169.254.169.254).
func unusable(a netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() ||
		a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240)
}

// trunkAt tells whether an address is one that a trunk of the realm is known by.
func (r *Registrar) trunkAt(h msg.Hop, a netip.Addr, port uint16) bool {
	c, known := r.o.Snapshot().Identify.Known(identify.Source{
		Interface: h.Interface, Transport: h.Transport, Addr: a, Port: int(port),
	})
	return known && r.o.Domain(c.TrunkID) == nil
}

// direct tells whether a contact's own host is where requests go: on a stream without NAT, whose connection may close and be
// opened by us; and, where the policy believes whatever a phone says, a host that is not the phone's own mistake about its
// address.
// Over WebSocket a phone is reached by its connection alone: nobody listens there (RFC 7118 5).
func direct(m *msg.Message, w *wish, rule sbc.ContactSource) bool {
	if m.Hop.Transport.WebSocket() {
		return false
	}
	if m.Hop.Transport != sbc.TransportUDP && w.tests&(contactAddress|viaAddress) == 0 {
		_, literal := address(w.addr.URI.Host)
		return literal && w.addr.URI.Port != int(m.Hop.Remote.Port()) // the near end of a connection listens to nobody
	}
	return rule == sbc.ContactAny && w.tests&viaAddress == 0 && !w.tests.private() && w.tests&contactAddress != 0
}
