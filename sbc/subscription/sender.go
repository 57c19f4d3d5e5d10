package subscription

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Sender is a subscriber that sends a request.
type Sender struct {
	Domain     *sbc.Domain
	Subscriber *sbc.Subscriber
	// Number and Display are what others see of it; Anonymous says that its From names nobody.
	Number, Display string
	Anonymous       bool
}

// HandleFrom is Handle for a request of a subscriber outside of dialogs: its domain is the trunk that the request comes from.
func (m *Manager) HandleFrom(tx msg.ServerTx, req *msg.Message, from *Sender) bool {
	snap := m.o.Snapshot()
	switch req.Method {
	case msg.SUBSCRIBE, msg.PUBLISH, msg.MESSAGE:
	default:
		return false
	}
	if !passes(snap, from.Domain.ID, req) {
		return false
	}
	caller := identify.Caller{TrunkID: from.Domain.ID, SubscriberID: from.Subscriber.ID, Number: req.RequestURI.Number()}
	return m.serve(m.newErrand(snap, caller, from, tx, req))
}

// permitted tells whether the sender may reach a number; who is no subscriber is bound by its plan only.
func (s *Sender) permitted(snap *config.Snapshot, number string) bool {
	if s == nil {
		return true
	}
	ok, _, _ := snap.Permitted(s.Domain, s.Subscriber, number)
	return ok
}

// introduce gives a request as its sender is known to others.
func (s *Sender) introduce(in *msg.Message) *msg.Message {
	if s == nil {
		return in
	}
	return header.Introduce(in, s.Number, s.Display, s.Anonymous)
}
