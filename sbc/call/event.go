package call

import "github.com/sallyport/sallyport/sbc"

// event tells whoever listens what happened to the call; l is the leg that it concerns, nil for the call as a whole. The data are
// given away. It may be called from outside the call's queue.
func (c *Call) event(t sbc.EventType, l *leg, data map[string]string) {
	if c.m.o.Events == nil {
		return
	}
	e := sbc.Event{Type: t, At: now().UTC(), TenantID: c.tenant, CallID: c.id, Data: data}
	if l != nil {
		e.TrunkID = l.end.trunkID
	}
	c.m.o.Events(e)
}

// dead tells that a detector found the call, or the side of l, dead.
func (c *Call) dead(detector string, l *leg) {
	if c.st.ended {
		return
	}
	data := map[string]string{"detector": detector}
	if l != nil {
		data["side"] = string(l.side)
	}
	c.event(sbc.EventCallDead, l, data)
}
