package call

import (
	"net/netip"
	"sync/atomic"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// flow is where a peer's messages come from.
type flow struct {
	addr      netip.AddrPort
	transport sbc.Transport
}

// endpoint is how a dialog is found by our tag: what may be read outside the call's queue.
type endpoint struct {
	// call is whose queue the leg belongs to: it changes when two calls are merged.
	call atomic.Pointer[Call]
	leg  *leg
	// token names the leg's dialog to others than its peer (dialogToken), nil before.
	token atomic.Pointer[string]
	// over says that its dialog has ended.
	over atomic.Bool
	// trunkID is the leg's; peer is whence its peer was last heard, nil before. Only what belongs to the dialog is heard.
	// subscriberID is of one that is gone.
	trunkID, subscriberID string
	peer                  atomic.Pointer[flow]
	// policy says whence else requests are believed.
	policy sbc.SourcePolicy
	gone   atomic.Bool
}

// disposes tells whether the peer of a dialog may name another one as its own in a transfer: one of its trunk, or of another trunk of
// the same tenant at the same address.
func (e *endpoint) disposes(of *endpoint) bool {
	if e.trunkID == of.trunkID {
		return true
	}
	here, there := e.peer.Load(), of.peer.Load()
	return e.leg.trunk != nil && of.leg.trunk != nil && e.leg.trunk.TenantID == of.leg.trunk.TenantID &&
		here != nil && there != nil && here.addr.Addr() == there.addr.Addr()
}

// owner is the call that the leg belongs to now.
func (e *endpoint) owner() *Call { return e.call.Load() }

// heard notes whence a message of the peer came.
func (e *endpoint) heard(h msg.Hop) {
	old := e.peer.Load()
	if h.Remote.IsValid() && (old == nil || *old != flow{h.Remote, h.Transport}) {
		e.peer.Store(&flow{h.Remote, h.Transport}) // made only here: nearly every message comes whence the last one came
	}
}

// late is what is known of the endpoint when its call is over.
func (e *endpoint) late() *endpoint {
	e.over.Store(true)
	l := &endpoint{trunkID: e.trunkID, subscriberID: e.subscriber(), policy: e.policy}
	l.peer.Store(e.peer.Load())
	l.gone.Store(true)
	return l
}

// subscriber is whose leg it is, "" for a trunk's. It is known before the leg can be found by its tag.
func (e *endpoint) subscriber() string {
	if e.leg == nil {
		return e.subscriberID
	}
	return e.leg.who.subscriberID()
}

// fromPeer tells whether a request comes from where the leg's policy believes it: strictly the flow on which the peer was last
// heard, its address, or any address of its trunk: one that an identity or an endpoint names. Addresses that a domain knows are each
// of one subscriber.
func (m *Manager) fromPeer(snap *config.Snapshot, e *endpoint, req *msg.Message) bool {
	peer, from := e.peer.Load(), req.Hop.Remote
	switch {
	case e.policy == sbc.SourceStrict:
		return peer != nil && *peer == flow{from, req.Hop.Transport}
	case peer != nil && peer.addr.Addr() == from.Addr():
		return true
	case e.policy == sbc.SourceSameIP:
		return false
	}
	return snap.FromTrunk(source(req.Hop), e.trunkID, e.subscriber())
}

// Why a request that bears a dialog's tag is not the peer's.
const (
	badSource   = "source"   // it came from where the policy does not believe it
	badTags     = "tags"     // our tag is right, the peer's is not (RFC 3261 12.2.2)
	badSequence = "sequence" // its number is below the last one (RFC 3261 12.2.2)
)

// intruded counts and tells a request that bears our tag of a call in progress and is not the peer's. It has changed nothing, and
// its answer tells nothing.
func (m *Manager) intruded(e *endpoint, req *msg.Message, reason string) {
	m.metrics.intrusions.WithLabelValues(reason).Inc()
	e.owner().event(sbc.EventSecurityDialog, e.leg, map[string]string{
		"method": string(req.Method), "source": req.Hop.Remote.String(), "transport": string(req.Hop.Transport), "reason": reason,
	})
}
