package app

import (
	"fmt"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
)

// EndpointStatus tells whether calls go to an endpoint.
func (h *health) EndpointStatus(id string) (sbc.EndpointStatus, bool) {
	s := h.app.config.Current()
	e := s.Endpoint(id)
	if e == nil {
		return sbc.EndpointStatus{}, false
	}
	return h.endpoint(s, e), true
}

// endpoint is the state of an endpoint: what the configuration says comes before what was found out.
func (h *health) endpoint(s *config.Snapshot, e *sbc.Endpoint) sbc.EndpointStatus {
	status, known := h.app.reach.Status(e.ID)
	if !known { // the prober has not seen this revision yet, or never will
		status = sbc.EndpointStatus{State: sbc.EndpointUnknown, Since: e.UpdatedAt, WeightPercent: 100}
	}
	say := func(state sbc.EndpointState, m *sbc.Meta, why string) {
		status.State, status.Since, status.Reason, status.WeightPercent = state, m.UpdatedAt, why, 0
	}
	switch t := s.Trunk(e.TrunkID); {
	case !e.Enabled:
		say(sbc.EndpointDisabled, &e.Meta, "the endpoint is disabled")
	case t == nil || !s.ActiveTrunk(t.ID):
		say(sbc.EndpointDisabled, &e.Meta, "its trunk is out of service")
	case e.Draining:
		say(sbc.EndpointDraining, &e.Meta, drainWords("the endpoint", &e.Drain))
	case t.Draining:
		say(sbc.EndpointDraining, &t.Meta, drainWords("its trunk", &t.Drain))
	}
	status.ActiveCalls = h.app.tally.OfEndpoint(e.ID)
	return status
}

// drainWords say until when something drains.
func drainWords(what string, d *sbc.Drain) string {
	if d.DrainDeadline == nil {
		return what + " is draining"
	}
	return fmt.Sprintf("%s is draining, calls are ended at %s", what, d.DrainDeadline.UTC().Format("2006-01-02T15:04:05Z"))
}

// TrunkStatus tells whether calls go to a trunk.
func (h *health) TrunkStatus(id string) (sbc.TrunkStatus, bool) {
	s := h.app.config.Current()
	t := s.Trunk(id)
	if t == nil {
		return sbc.TrunkStatus{}, false
	}
	use := h.app.tally.OfTrunk(id)
	status := sbc.TrunkStatus{State: "unknown", Since: t.UpdatedAt, ActiveCalls: use.In + use.Out}
	switch {
	case !t.Enabled:
		status.State, status.Reason = "disabled", "the trunk is disabled"
		return status, true
	case !s.ActiveTrunk(id):
		status.State, status.Reason = "disabled", "its realm or tenant is disabled"
		return status, true
	case t.Draining:
		status.State, status.Reason = "draining", drainWords("the trunk", &t.Drain)
		return status, true
	}
	h.members(s, t, &status)
	return status, true
}

// members makes the state of a trunk of those of its endpoints.
func (h *health) members(s *config.Snapshot, t *sbc.Trunk, status *sbc.TrunkStatus) {
	all, out, up, first := 0, 0, 0, ""
	for _, e := range s.Rows.Endpoints {
		if e.TrunkID != t.ID || !e.Enabled {
			continue
		}
		m := h.endpoint(s, e)
		all++
		switch m.State {
		case sbc.EndpointUp:
			up++
		case sbc.EndpointUnknown:
		default:
			if out++; first == "" {
				first = fmt.Sprintf("%s is %s: %s", e.Name, m.State, m.Reason)
			}
		}
		if m.Since.After(status.Since) {
			status.Since = m.Since
		}
	}
	switch {
	case all == 0:
		status.Reason = "it has no endpoint"
	case out == all:
		status.State, status.Reason = "down", fmt.Sprintf("none of %d endpoints takes calls: %s", all, first)
	case out > 0:
		status.State, status.Reason = "degraded", fmt.Sprintf("%d of %d endpoints take no calls: %s", out, all, first)
	case up > 0:
		status.State = "up"
	}
}
