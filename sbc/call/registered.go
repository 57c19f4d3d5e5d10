package call

import (
	"cmp"

	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
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

// preload gives a request that opens a dialog with a trunk the route set that the trunk's registrar wants (RFC 3608 6.1).
func (m *Manager) preload(req *msg.Message, at *route.Attempt) {
	if m.o.Route == nil || at.Supplied {
		return
	}
	routes, _, _ := m.o.Route(at.TrunkID)
	for _, r := range routes {
		req.Append("Route", r.String())
	}
}

// routed has a request with a preloaded route set go where that begins.
func (m *Manager) routed(req *msg.Message, at *route.Attempt, to *msg.Target) {
	if m.o.Route == nil || at.Supplied || !req.Has("Route") {
		return
	}
	if _, next, ok := m.o.Route(at.TrunkID); ok {
		to.Host, to.Port, to.Supplied, to.Transport = next.Host, next.Port, next.Supplied, cmp.Or(next.Transport, to.Transport)
	}
}
