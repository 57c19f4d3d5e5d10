package call

import (
	"cmp"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// drainingFor is the Retry-After in seconds of calls from a trunk that drains: long enough for its carrier to go elsewhere.
const drainingFor = 30

// drained refuses a call from a trunk that is taken out of service, which gets no new calls in either direction; calls for help pass.
func (d *decision) drained(snap *config.Snapshot, trace bool) bool {
	if !d.trunk.Draining || d.helps(snap) {
		return false
	}
	d.refuse(503, "", sbc.EndRejected)
	d.retryAfter = drainingFor
	d.step(trace, "admit", d.trunk.ID, "refused", "the trunk is draining: it gets no new calls")
	return true
}

// later tells a refused caller when to come again, if the decision says so (RFC 3261 21.5.4).
func (d *decision) later() []msg.Header {
	if d.retryAfter == 0 {
		return nil
	}
	return []msg.Header{{Name: "Retry-After", Value: strconv.Itoa(d.retryAfter)}}
}

// helps tells whether the call is one for help, also of a process before this one.
func (c *Call) helps() bool { return c.helping || c.decision.helps(c.snap) }

// Drain ends the calls that use a trunk or an endpoint whose deadline has passed: over says why, by its id. Calls for help go on to their end.
// Only calls with a place there are looked at. It gives how many were ended.
func (m *Manager) Drain(over map[string]string) (ended int) {
	for _, id := range m.o.Tally.Holders(over) {
		c := m.calls.call(id)
		if c == nil {
			continue
		}
		c.look(func() {
			if why := c.overdue(over); why != "" && !c.st.ended && !c.helps() {
				ended++
				c.stopNow(stopOrder{reason: sbc.EndDrained, text: why})
			}
		})
	}
	return ended
}

// overdue says why the call is to be ended, "" if it is not.
func (c *Call) overdue(over map[string]string) string {
	for _, l := range []*leg{c.a, c.b} {
		if l == nil || l.trunk == nil {
			continue
		}
		if why := cmp.Or(over[l.trunk.ID], over[l.endpointID]); why != "" {
			return why
		}
	}
	return ""
}
