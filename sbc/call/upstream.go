package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
)

// returns leads a call of an upstream registrar to the phones that it means, where it calls a contact that was registered
// there in their place (features.md 2.2). Its own plan has no say: what was dialled is no number.
func (m *Manager) returns(snap *config.Snapshot, d *decision, trace bool) {
	if !snap.Upstream(d.caller.TrunkID) || m.o.Location == nil || !snap.ActiveTrunk(d.caller.TrunkID) {
		return
	}
	_, domainID, username, ok := m.o.Location.ByToken(d.dialled())
	if !ok {
		return
	}
	if trace { // what the plan would have said was not asked
		d.steps = d.steps[:1]
	}
	domain := snap.Domain(domainID)
	if domain == nil || domain.Registration.UpstreamTrunkID != d.caller.TrunkID {
		d.plan.Attempts, d.plan.DomainID = nil, ""
		d.refuse(404, "", sbc.EndNoRoute)
		d.step(trace, "subscriber", "", "refused", "the contact that the upstream registrar calls stands for nobody any more")
		return
	}
	d.plan.Reject, d.plan.Attempts, d.plan.DomainID, d.code, d.reason, d.end = nil, nil, "", 0, "", ""
	e := domain.Guest(username)
	d.dest = &destination{domain: domain, entry: e, number: username, token: d.dialled()}
	d.step(trace, "subscriber", e.Subscriber.ID, "taken", "the upstream registrar calls a contact that stands for the subscriber's")
	m.reach(snap, d, trace)
}
