package call

import (
	"cmp"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// maxList bounds a page of List that names no limit.
const maxList = 1000

// List gives the calls in progress that pass the filter, by rising id.
func (m *Manager) List(f sbc.CallFilter) []sbc.CallInfo {
	limit := f.Limit
	if limit <= 0 {
		limit = maxList
	}
	infos := []sbc.CallInfo{}
	rest := m.calls.after(f.After)
	for c := rest.pop(); c != nil && len(infos) < limit; c = rest.pop() {
		show := func() {
			if c.matches(&f) {
				infos = append(infos, c.shows())
			}
		}
		if f.Stale { // as Check: a busy one is alive
			show = func() {
				if why := c.stale(); why != "" && c.matches(&f) {
					infos = append(infos, c.shows())
					infos[len(infos)-1].Stale = why
				}
			}
			c.glance(show)
			continue
		}
		c.look(show)
	}
	return infos
}

// matches tells whether the call passes a filter, on the call's queue. It costs less than to build what is shown.
func (c *Call) matches(f *sbc.CallFilter) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	state := c.visible()
	return (state != sbc.CallEnded || f.Stale) && is(f.TenantID, c.tenant) && is(string(f.State), string(state)) &&
		is(f.IngressTrunkID, c.decision.caller.TrunkID) && is(f.EgressTrunkID, c.egress()) && is(f.Caller, c.rec.caller) &&
		is(f.Callee, c.rec.callee) && (f.Variable == "" || has(c.rec.variables, f.Variable, f.Value))
}

// egress is the trunk of the first callee, or that of the attempt under way; "" before.
func (c *Call) egress() string {
	if c.b == nil {
		return ""
	}
	return cmp.Or(c.rec.egress, c.b.end.trunkID)
}

// has tells whether a variable is there with a value, which may be the empty one.
func has(variables map[string]string, name, value string) bool {
	v, ok := variables[name]
	return ok && v == value
}

// Get finds a call in progress.
func (m *Manager) Get(id string) (sbc.CallInfo, bool) {
	c := m.calls.call(id)
	if c == nil {
		return sbc.CallInfo{}, false
	}
	i := c.info()
	return i, i.State != sbc.CallEnded
}

// Messages gives the ladder of a call in progress, or of one that ended not too long ago.
func (m *Manager) Messages(id string) ([]sbc.TraceMessage, bool) {
	if c := m.calls.call(id); c != nil {
		return c.ladder.messages(), true
	}
	if p, ok := m.past.get(id); ok {
		return p.ladder.messages(), true
	}
	return nil, false
}

// Media gives the streams of a call in progress as they are, or those of an ended one as they were.
func (m *Manager) Media(id string) (stats []sbc.StreamStats, ok bool) {
	if c := m.calls.call(id); c != nil {
		c.look(func() {
			if c.session != nil {
				stats = c.streams(c.session.Stats())
			}
			ok = !c.st.ended
		})
	}
	if ok {
		return append([]sbc.StreamStats{}, stats...), true
	}
	p, ok := m.past.get(id)
	if !ok {
		return nil, false
	}
	return append([]sbc.StreamStats{}, p.media...), true
}

// info is the call as the API shows it.
func (c *Call) info() (i sbc.CallInfo) {
	c.look(func() { i = c.shows() })
	return i
}

// shows is info on the call's queue.
func (c *Call) shows() sbc.CallInfo {
	i := sbc.CallInfo{
		ID: c.id, TenantID: c.tenant, State: c.visible(), IngressTrunkID: c.decision.caller.TrunkID,
		Caller: c.rec.caller, Callee: c.rec.callee, CallerSubscriberID: c.rec.subscriber, CalleeSubscriberID: c.calleeSubscriber(),
		StartedAt: c.started.UTC(), AnsweredAt: when(c.rec.answeredAt), ConfigRevision: c.snap.Revision,
		Legs: make([]sbc.LegInfo, 0, 2),
	}
	for _, s := range [...]sbc.Side{sbc.SideCaller, sbc.SideCallee} {
		if l := c.legAt(s); l != nil && !l.gone {
			i.Legs = append(i.Legs, c.legInfo(l))
		}
	}
	i.OpenSIPSState = i.State.OpenSIPS()
	if i.EgressTrunkID = c.egress(); c.b != nil && !c.rec.answeredAt.IsZero() {
		i.EndsAt = when(c.rec.answeredAt.Add(c.maxDuration()))
	}
	if c.tr != nil && !c.tr.old.gone {
		i.Transfer = c.tr.stage
	}
	i.LinkedCallIDs = c.rec.links
	i.MaxDurationS, i.Variables, i.Held = int(c.maxDuration()/time.Second), c.rec.variables, c.heldSides()
	i.Playing, i.MediaMode = c.playedTo(), c.rec.mode
	return i
}

// legInfo is a leg as the API shows it.
func (c *Call) legInfo(l *leg) sbc.LegInfo {
	i := sbc.LegInfo{
		Side: l.side, LocalTag: l.tag, UserAgent: l.agent, TrunkID: l.end.trunkID, EndpointID: l.endpointID, State: c.legState(l),
	}
	if i.SIPCallID = c.sipCallID(l); l == c.a {
		i.Transport, i.LocalAddress, i.RemoteAddress = c.rec.transport, c.rec.local, c.rec.remote
	}
	if l.d != nil {
		p := l.d.Peer()
		i.RemoteTag, i.Transport, i.LocalAddress, i.RemoteAddress = l.d.RemoteTag(), p.Transport, addr(p.Local), addr(p.Remote)
	}
	return i
}

// legState spells the machine's half of a leg.
func (c *Call) legState(l *leg) string {
	if l == c.a {
		return [...]string{"inviting", "answered", "leaving", "confirmed", "terminating", "ended", "away"}[c.st.a]
	}
	return [...]string{"none", "calling", "ringing", "terminating", "terminating", "answered", "confirmed", "terminating",
		"ended", "away"}[c.st.b]
}
