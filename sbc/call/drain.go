package call

import "github.com/sallyport/sallyport/sbc"

// Drain ends the calls that use a trunk, or an endpoint of one, whose deadline has passed: over says why, "" for one that is not concerned.
// endpointID is "" for a leg from the trunk. It gives how many calls were ended.
func (m *Manager) Drain(over func(trunkID, endpointID string) (why string)) (ended int) {
	for _, c := range m.calls.all("") {
		c.look(func() {
			for _, l := range []*leg{c.a, c.b} {
				if c.st.ended || l == nil || l.trunk == nil {
					continue
				}
				if why := over(l.trunk.ID, l.endpointID); why != "" {
					ended++
					c.stopNow(stopOrder{reason: sbc.EndDrained, text: why})
					return
				}
			}
		})
	}
	return ended
}
