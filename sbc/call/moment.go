package call

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// moment is what rules may look at besides the number that is called: the INVITE, and what is so now.
type moment struct {
	at   time.Time
	live route.Live
	// in is the INVITE, nil where nobody sent one; caller is who calls.
	in     *msg.Message
	caller string
	// variables are the call's.
	variables map[string]string
}

// moment is that of a call which begins with an INVITE of a trunk, or of a subscriber; in is nil where there is none.
func (m *Manager) moment(snap *config.Snapshot, in *msg.Message, trunk *sbc.Trunk, who *Origin) moment {
	at := moment{at: now(), live: m.o.Reach, in: in}
	if in != nil && !in.Hop.At.IsZero() {
		at.at = in.Hop.At
	}
	switch {
	case who != nil:
		at.caller, at.variables = who.Outside, who.Variables
	case in != nil && trunk != nil:
		at.caller = header.CallerOf(in, trunk, trustOf(snap, trunk)).Number
	}
	return at
}

// trustOf is the trust in the realm of a trunk.
func trustOf(snap *config.Snapshot, t *sbc.Trunk) sbc.Trust {
	if r := snap.Realm(t.RealmID); r != nil {
		return r.Trust
	}
	return sbc.TrustAccess
}

// query is the question to the routing table where the call leads that the decision is about.
func (d *decision) query(snap *config.Snapshot, trace bool) route.Query {
	q := route.Query{
		PlanID: d.trunk.RoutingPlanID, Number: d.caller.Number, Caller: d.moment.caller, TrunkID: d.trunk.ID,
		RouteGroup: d.trunk.RouteGroup, Variables: d.moment.variables, At: d.moment.at, Live: d.moment.live, Rand: rand.IntN, Trace: trace,
	}
	if in := d.moment.in; in != nil {
		q.Headers, q.CallID = in, in.CallID
	}
	if d.who != nil {
		q.RouteGroup = cmp.Or(d.who.Entry.Subscriber.RouteGroup, q.RouteGroup)
	}
	q.Class, q.Egress = d.class(snap), egress{snap}
	return q
}

// momentOf is that of a new call in the name of a leg.
func (c *Call) momentOf(l *leg) moment {
	at := c.m.moment(c.snap, nil, nil, l.who)
	if at.variables = c.rec.variables; l.who == nil {
		at.caller = c.rec.caller
		if l != c.a {
			at.caller = c.rec.normalised
		}
	}
	return at
}
