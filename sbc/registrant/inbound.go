package registrant

import (
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Inbound finds the trunk of a request to a contact that we have registered. The number is who is called: the contact says nothing of
// it, so that P-Called-Party-ID (RFC 7315 4.2) or To does. ok is false for any other request.
func (m *Manager) Inbound(req *msg.Message) (trunkID, registrantID, number string, ok bool) {
	if !m.some.Load() {
		return "", "", "", false
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, e := range m.users[req.RequestURI.User] {
		if e.local.Interface != req.Hop.Interface || !time.Now().Before(e.until) ||
			e.r.ContactUser != "" && !e.known(req.Hop.Remote.Addr()) {
			continue
		}
		number = req.To.URI.Number()
		if called, err := msg.ParseNameAddr(req.Get("P-Called-Party-ID")); err == nil && called.URI.User != "" {
			number = called.URI.Number()
		}
		return e.r.TrunkID, e.r.ID, number, true
	}
	return "", "", "", false
}
