package subscription

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Sender is a subscriber that sends a request.
type Sender struct {
	Domain *sbc.Domain
	Entry  *sbc.Entry
	// Inside is the name or number that others in the domain see, Number what all others see, Display the name beside both; Anonymous says
	// that its From names nobody.
	Inside, Number, Display string
	Anonymous               bool
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
	caller := identify.Caller{TrunkID: from.Domain.ID, SubscriberID: from.Entry.Subscriber.ID, Number: req.RequestURI.Number()}
	return m.serve(m.newErrand(snap, caller, from, tx, req))
}
