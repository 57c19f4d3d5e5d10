package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/sbc/service"
)

// Features switches what subscribers dial codes for.
type Features interface {
	// Switch changes a subscriber as a feature and what follows its code say. It does not block: then is called once, within seconds,
	// from any goroutine. Errors: CodeInvalid for what cannot be, CodeNotFound, CodeUnavailable.
	Switch(subscriberID string, f sbc.Feature, argument string, then func(error))
}

// featureOrder is what a subscriber dialled a code for.
type featureOrder struct {
	feature  sbc.Feature
	argument string
}

// dialsFeature tells whether the subscriber dialled a code of its domain; the decision is then about that.
func (m *Manager) dialsFeature(snap *config.Snapshot, d *decision, trace bool) bool {
	dom, s := d.who.Domain, d.who.Entry.Subscriber
	f, argument, ok := service.Find(dom.FeatureCodes, d.caller.Number)
	if !ok || sbc.IsGuest(s.ID) || m.o.Features == nil && f != sbc.FeatureMailbox || d.who.emergency(snap, d.caller.Number) {
		return false
	}
	d.step(trace, "service", s.ID, "taken", "a code for "+service.Describe(f, argument))
	if d.trunk == nil || !snap.ActiveTrunk(dom.ID) {
		d.refuse(403, "", sbc.EndRejected)
		return true
	}
	agent := route.AgentConfirm
	switch _, err := service.Apply(s, f, argument); {
	case f == sbc.FeatureMailbox:
		agent = route.AgentMessages
	case err != nil:
		agent = route.AgentDecline
		d.step(trace, "service", s.ID, "refused", err.Error())
	default:
		d.feature = &featureOrder{f, argument}
	}
	d.plan.Attempts = []route.Attempt{{TrunkID: dom.ID, Mailbox: s.ID, Number: d.caller.Number, Agent: agent}}
	return true
}

// switchFeature has the change made that the caller dialled; it hears by a tone what became of it.
func (c *Call) switchFeature() {
	f := c.decision.feature
	c.m.o.Features.Switch(c.decision.who.subscriberID(), f.feature, f.argument, func(err error) {
		c.post(job{kind: jobOrder, run: func() { c.switched(err) }})
	})
}

// switched goes on when the change is made, or not.
func (c *Call) switched(err error) {
	if c.st.ended || c.st.a != callerInviting || c.st.b != calleeNone {
		return
	}
	switch {
	case err == nil:
	case sbc.CodeOf(err) == sbc.CodeInvalid:
		c.hunt.plan[0].Agent = route.AgentDecline
	default:
		c.m.o.Log.Warn("a feature was not switched", "call_id", c.id, "error", err)
		c.hunt.final(503, "", sbc.EndError)
	}
	c.openMedia()
	c.startHunt()
}
