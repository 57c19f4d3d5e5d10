package call

import (
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// recognised says whose a request outside of dialogs is: of the trunk whose carrier calls a contact that we have registered there, else of
// whom its source belongs to.
func (m *Manager) recognised(snap *config.Snapshot, req *msg.Message) (identify.Caller, bool) {
	if m.o.Inbound != nil {
		if trunkID, registrantID, called, ok := m.o.Inbound(req); ok {
			return identify.Caller{
				TrunkID: trunkID, Number: called,
				Reason: "the request is for the contact that registrant " + registrantID + " has registered",
			}, true
		}
	}
	return snap.Identify.Identify(source(req.Hop), number(req.RequestURI))
}

// forUs tells whether a request is for a contact that we have registered somewhere.
func (m *Manager) forUs(req *msg.Message) bool {
	if m.o.Inbound == nil {
		return false
	}
	_, _, _, ok := m.o.Inbound(req)
	return ok
}
