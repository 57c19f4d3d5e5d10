package call

import (
	"strconv"

	"github.com/sallyport/sallyport/sbc"
)

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

// wanted tells whether anybody wants to hear how the call's state changes.
func (c *Call) wanted() bool { return c.m.o.Wants != nil && c.m.o.Wants(sbc.EventCallState) }

// tellState tells the call's new state with what identifies it, if anybody wants to hear.
func (c *Call) tellState(s sbc.CallState) {
	if c.wanted() {
		c.event(sbc.EventCallState, c.a, c.stateFacts(s))
	}
}

// tellEnd is tellState with what the record says of the end.
func (c *Call) tellEnd(d *sbc.CDR) {
	if !c.wanted() {
		return
	}
	data := c.stateFacts(sbc.CallEnded)
	data["end_reason"], data["released_by"] = string(d.EndReason), string(d.ReleasedBy)
	data["final_code"], data["duration_ms"] = strconv.Itoa(d.FinalCode), strconv.FormatInt(d.DurationMS, 10)
	c.event(sbc.EventCallState, c.a, data)
}

// stateFacts are the data of a change of state.
func (c *Call) stateFacts(s sbc.CallState) map[string]string {
	data := map[string]string{
		"state": string(s), "opensips_state": strconv.Itoa(s.OpenSIPS()), "caller": c.rec.caller, "callee": c.rec.callee,
	}
	if egress := c.egress(); egress != "" {
		data["egress_trunk_id"] = egress
	}
	return data
}
