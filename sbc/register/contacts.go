package register

import (
	"slices"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Contact is a way to a subscriber's phone, as calls need it. It is a copy.
type Contact struct {
	RegistrationID, SubscriberID, DomainID string
	// URI is what stands in the Request-URI, Path the values of Route headers in their order (RFC 3327).
	URI  msg.URI
	Path []string
	// Target is where the request really goes: the flow by which the phone registered.
	Target msg.Target
	// Q is the phone's preference from 0 to 1 (RFC 3261 10.2.1.2).
	Q float64
	// InstanceID names the phone, RegID its flow (RFC 5626 4.1).
	InstanceID string
	RegID      int
	Push       Push
	UserAgent  string
	// Others are further flows of the same phone: one is tried after the other, never two at once (RFC 5626 5.3).
	Others []Contact
}

// Push is how a phone is woken (RFC 8599 4): a push service, the phone's name there, and what else the service wants.
type Push struct{ Provider, PRID, Param string }

// Contacts gives the contacts of a subscriber that can be called now, those with the highest q first, then those that registered
// last.
func (r *Registrar) Contacts(subscriberID string) []Contact {
	return r.choose(subscriberID, func(b *binding) bool { return !b.lost })
}

// Sleeping gives the contacts that can be called once they are woken: those with push parameters, reachable or not.
func (r *Registrar) Sleeping(subscriberID string) []Contact {
	return slices.DeleteFunc(r.choose(subscriberID, func(*binding) bool { return true }), func(c Contact) bool { return c.Push.Provider == "" })
}

// Registered tells whether a subscriber has any contact, reachable or not.
func (r *Registrar) Registered(subscriberID string) bool {
	s, now := r.table.shard(subscriberID), r.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[subscriberID]
	return o != nil && slices.ContainsFunc(o.bindings, func(b *binding) bool { return b.expires > now })
}

// choose gives those contacts of a subscriber that are wanted, in their order.
func (r *Registrar) choose(subscriberID string, wanted func(*binding) bool) []Contact {
	s, now := r.table.shard(subscriberID), r.now()
	s.mu.Lock()
	o := s.owners[subscriberID]
	if o == nil {
		s.mu.Unlock()
		return nil
	}
	list := make([]*binding, 0, len(o.bindings))
	for _, b := range o.bindings {
		if b.expires > now && wanted(b) {
			list = append(list, b)
		}
	}
	slices.SortStableFunc(list, func(x, y *binding) int {
		if x.q != y.q {
			return int(y.q) - int(x.q)
		}
		return int(y.refreshed - x.refreshed)
	})
	found := make([]Contact, 0, len(list))
	for _, b := range list {
		c := b.describe()
		same := func(x Contact) bool { return b.regID > 0 && x.RegID > 0 && x.InstanceID == b.instance() }
		if i := slices.IndexFunc(found, same); i >= 0 {
			found[i].Others = append(found[i].Others, c)
			continue
		}
		found = append(found, c)
	}
	s.mu.Unlock()
	return found
}

// wakes tells whether a phone can be woken: it may sleep between calls.
func (b *binding) wakes() bool { return b.describe().Push.Provider != "" }

// describe copies what calls need. It is called with the lock held.
func (b *binding) describe() Contact {
	u, err := msg.ParseURI(b.contact())
	if err != nil { // it was read when it came
		u = msg.URI{}
	}
	push := pushOf(u)
	u.Headers = nil // RFC 3261 19.1.1: not in a Request-URI
	if _, there := u.Param("method"); there {
		u.UriParams = msg.RemoveParam(u.UriParams, "method")
	}
	return Contact{
		RegistrationID: b.id, SubscriberID: b.owner.subscriber, DomainID: b.owner.home.Value().domain,
		URI: u, Path: b.routes(), Target: b.target(u),
		Q: float64(b.q) / 1000, InstanceID: b.instance(), RegID: int(b.regID), Push: push, UserAgent: b.agent.Value(),
	}
}

// target is where requests for the contact go. A phone behind a NAT is reached over its own connection or not at all; with a Path
// the way begins where the REGISTER came from, which is the proxy that wrote the topmost value.
func (b *binding) target(u msg.URI) msg.Target {
	t := msg.Target{
		Host: b.source.Addr().String(), Port: int(b.source.Port()),
		Transport: b.way.Value().transport, Interfaces: []string{b.way.Value().iface},
	}
	if b.direct {
		t.Host, t.Port = u.Host, u.Port
		a, literal := address(u.Host)
		t.Supplied = !literal || a != b.source.Addr() // it may lead anywhere by now, whatever was there when it registered
	}
	if b.way.Value().transport != sbc.TransportUDP {
		h := b.hop()
		t.Flow = &h
		if !b.direct {
			t.Host, t.Port = "", 0 // nobody listens there
		}
	}
	return t
}
