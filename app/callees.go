package app

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/register"
	"github.com/sallyport/sallyport/sbc/route"
)

// Peek finds a subscriber in memory, for calls.
func (c accounts) Peek(domainID, name string) (*sbc.Entry, bool) { return c.cache.Peek(domainID, name) }

// location is the registrar in the words of calls. It is opened after them.
type location struct{ app *App }

func (l location) Contacts(subscriberID string) []call.Contact {
	return contacts(l.app.registrar.Contacts(subscriberID))
}

func (l location) ByGRUU(u msg.URI, subscriberID string) (phones []call.Contact, owner string, ok bool) {
	found, owner, ok := l.app.registrar.ByGRUU(u, subscriberID)
	return contacts(found), owner, ok
}

func (l location) ByToken(token string) (phones []call.Contact, domainID, username string, ok bool) {
	found, domainID, username, ok := l.app.registrar.ByToken(token)
	return contacts(found), domainID, username, ok
}

func (l location) Registered(subscriberID string) bool {
	return l.app.registrar.Registered(subscriberID)
}

// contacts are phones in the words of calls.
func contacts(found []register.Contact) []call.Contact {
	list := make([]call.Contact, len(found))
	for i := range found {
		list[i] = call.Contact{Phone: phone(&found[i]), Q: found[i].Q}
	}
	return list
}

func phone(c *register.Contact) route.Phone {
	p := route.Phone{RegistrationID: c.RegistrationID, URI: c.URI, Routes: c.Path, Target: c.Target}
	for i := range c.Others {
		p.Others = append(p.Others, phone(&c.Others[i]))
	}
	return p
}

func (l location) Asleep(d *sbc.Domain, subscriberID string) bool {
	return l.app.registrar.Asleep(d, subscriberID)
}

func (l location) Wake(d *sbc.Domain, s *sbc.Subscriber, callID, caller string, then func()) {
	l.app.registrar.Wake(register.Waking{Domain: d, Subscriber: s, CallID: callID, Caller: caller}, then)
}
