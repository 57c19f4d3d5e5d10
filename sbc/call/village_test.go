package call

import (
	"cmp"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// The domain of the tests: alice calls, bob is called.
const bobIP, bobIP2, bobIP3 = "192.0.2.50", "192.0.2.51", "192.0.2.52"

// book is a Directory and a Location in memory.
type book struct {
	entries map[string]*sbc.Entry // by name in dom_1
	phones  map[string][]Contact  // by subscriber
	lost    map[string]bool       // registered, but not reachable
	gruus   map[string]string     // instance in gr= → registration
	tokens  map[string]string     // contact of ours upstream → id under which phones are kept
	guests  string                // the domain of those
	err     error
	// slow keeps answers back until it is closed.
	slow chan struct{}
	// sleeps says that phones must be woken; waker goes on when they are awake, caller is who is said to call.
	sleeps bool
	waker  func()
	caller string
}

func (b *book) Ask(domainID, name string, done func(*sbc.Entry, error)) {
	answer := func() {
		e := b.entries[name]
		switch {
		case b.err != nil:
			done(nil, b.err)
		case e == nil || e.Subscriber.DomainID != domainID:
			done(nil, sbc.Errorf(sbc.CodeNotFound, "nobody"))
		default:
			done(e, nil)
		}
	}
	if b.slow == nil {
		answer()
		return
	}
	go func() {
		<-b.slow
		answer()
	}()
}

func (b *book) AskID(id string, done func(*sbc.Entry, error)) {
	for _, e := range b.entries {
		if e.Subscriber.ID == id {
			done(e, nil)
			return
		}
	}
	done(nil, sbc.Errorf(sbc.CodeNotFound, "nobody"))
}

func (b *book) Peek(domainID, name string) (*sbc.Entry, bool) {
	e := b.entries[name]
	return e, b.slow == nil && b.err == nil && e != nil && e.Subscriber.DomainID == domainID && e.Via == nil
}

func (b *book) Contacts(id string) []Contact { return slices.Clone(b.phones[id]) }

func (b *book) ByGRUU(u msg.URI, id string) ([]Contact, string, bool) {
	name, there := u.Param("gr")
	if there && u.User == "tgruu-gone" {
		return nil, "", true
	}
	if !there || id == "" {
		return nil, "", false
	}
	var list []Contact
	for _, p := range b.phones[id] {
		if p.RegistrationID == b.gruus[name] {
			list = append(list, p)
		}
	}
	return list, id, true
}

func (b *book) ByToken(token string) ([]Contact, string, string, bool) {
	id, ok := b.tokens[token]
	return b.phones[id], b.guests, "bob", ok
}

func (b *book) Registered(id string) bool { return len(b.phones[id]) > 0 || b.lost[id] }

func (b *book) Asleep(d *sbc.Domain, _ string) bool { return d.Push.URL != "" && b.sleeps }

func (b *book) Wake(_ *sbc.Domain, _ *sbc.Subscriber, _, caller string, then func()) {
	b.waker, b.caller = then, caller
}

// phone makes a contact of bob's.
func phone(reg, host string, q float64) Contact {
	u, _ := msg.ParseURI("sip:secret-" + reg + "@" + host + ":5062")
	return Contact{Q: q, Phone: route.Phone{
		RegistrationID: reg, URI: u, Target: msg.Target{Host: host, Port: 5062, Transport: sbc.TransportUDP, Interfaces: []string{"sif_a"}},
	}}
}

// village is a world with a domain.
type village struct {
	*world
	book  *book
	alice *Origin
	bob   *sbc.Entry
}

func runVillage(t *testing.T, edit func(d *sbc.Domain), play func(v *village)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, edit)
		play(v)
		synctest.Wait()
		v.clean()
	})
}

func newVillage(t testing.TB, edit func(d *sbc.Domain), more ...sbc.Resource) *village {
	d := &sbc.Domain{Meta: meta("dom_1")}
	d.Defaults()
	d.Name, d.RealmID, d.RoutingPlanID, d.FailoverCodes = "example.com", "rlm_a", "rpl_1", []string{"5xx"}
	if edit != nil {
		edit(d)
	}
	rule := &sbc.Rule{Meta: meta("rul_9")}
	rule.Defaults()
	rule.RoutingPlanID, rule.Prefix, rule.Action, rule.DomainID = "rpl_1", "4977", sbc.ActionSubscriber, "dom_1"
	v := &village{world: newWorldOf(t, append(append(slices.DeleteFunc(resources(nil), func(r sbc.Resource) bool {
		return r.Base().ID == d.ID
	}), d, rule), more...)), book: &book{
		entries: map[string]*sbc.Entry{}, phones: map[string][]Contact{}, lost: map[string]bool{}, gruus: map[string]string{},
	}}
	v.m.o.Directory, v.m.o.Location = v.book, v.book
	alice := v.person("sub_alice", "alice", "+49771", "+4977")
	v.alice = &Origin{
		Domain: v.snap.Domain("dom_1"), Entry: alice, How: "digest", Inside: "alice", Outside: "+49771", Display: "Alice",
	}
	v.bob = v.person("sub_bob", "bob", "49772")
	return v
}

// person adds a subscriber with aliases.
func (v *village) person(id, name string, aliases ...string) *sbc.Entry {
	s := &sbc.Subscriber{Meta: meta(id)}
	s.Defaults()
	s.Name, s.Username, s.DomainID = name, name, "dom_1"
	e := &sbc.Entry{Subscriber: s}
	for _, a := range aliases {
		e.Aliases = append(e.Aliases, sbc.Alias{Meta: sbc.Meta{ID: "als_" + a, Name: a}, DomainID: "dom_1", SubscriberID: id})
	}
	v.book.entries[name] = e
	for i := range e.Aliases {
		v.book.entries[e.Aliases[i].Name] = &sbc.Entry{Subscriber: s, Aliases: e.Aliases, Via: &e.Aliases[i]}
	}
	return e
}

// call lets alice call somebody.
func (v *village) call(callee string) (*peer, *server) {
	a := v.caller()
	a.uri = "sip:" + callee + "@example.com"
	a.from = v.alice
	return a, a.invite(sdp(callerIP, 4000))
}

// invites takes all INVITEs that were sent and not taken, by target.
func (v *village) invites(n int) []*sent {
	v.t.Helper()
	var list []*sent
	for range n {
		list = append(list, v.wire.next(msg.INVITE))
	}
	v.wire.none(msg.INVITE)
	slices.SortFunc(list, func(x, y *sent) int { return cmp.Compare(x.target.Host, y.target.Host) })
	return list
}
