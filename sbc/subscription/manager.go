package subscription

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Manager carries the subscriptions, publications and messages of a node. It is safe for concurrent use.
type Manager struct {
	o       Options
	metrics *metrics
	states  *states
	// secret makes names of ours out of those that others publish.
	secret string
	// errands are the requests outside a dialog that are under way, subs the subscriptions.
	errands, subs *share

	mu   sync.Mutex
	tags map[string]*side // by our tag
}

// New makes a Manager without subscriptions.
func New(o Options) *Manager {
	o = o.withDefaults()
	return &Manager{
		o: o, metrics: newMetrics(o.Registerer), states: newStates(o), secret: msg.NewTag(), tags: map[string]*side{},
		errands: newShare(o), subs: newShare(o),
	}
}

// Admit decides on a request before a transaction exists for it. ok is false for requests that are not for this package: those of
// calls, of strangers, and those that the trunk may not send.
func (m *Manager) Admit(req *msg.Message) (d msg.Decision, ok bool) {
	if req.To.Tag() == "" {
		_, ok = m.welcome(m.o.Snapshot(), req)
		return msg.Decision{Action: msg.Serve}, ok
	}
	s := m.side(req.To.Tag())
	if s == nil {
		return d, false
	}
	if m.fromPeer(s, req) {
		return msg.Decision{Action: msg.Serve}, true
	}
	m.intruded(s, req)
	if _, known := m.o.Snapshot().Identify.Known(source(req.Hop)); known && req.Method != msg.ACK {
		return msg.Decision{Action: msg.Refuse, Status: 481}, true
	}
	return d, false // what becomes of strangers is not ours to say
}

// Handle takes a request for which a transaction exists; false if it is not for this package. It does not block.
func (m *Manager) Handle(tx msg.ServerTx, req *msg.Message) bool {
	if tag := req.To.Tag(); tag != "" {
		s := m.side(tag)
		if s == nil {
			return false
		}
		if !s.sub.queue.offer(func() { s.sub.request(s, tx, req) }) {
			m.respond(tx, m.response(req, 503, msg.Header{Name: "Retry-After", Value: "1"}))
		}
		return true
	}
	snap := m.o.Snapshot()
	caller, ok := m.welcome(snap, req)
	if !ok {
		return false
	}
	return m.serve(m.newErrand(snap, caller, nil, tx, req))
}

// serve begins an errand unless there are too many.
func (m *Manager) serve(e *errand) bool {
	if !m.errands.take(e.trunk.ID) {
		m.respond(e.tx, m.response(e.in, 503, msg.Header{Name: "Retry-After", Value: "10"}))
		return true
	}
	e.queue.do(e.begin)
	return true
}

// welcome tells whether a request outside a dialog is one that the trunk it comes from may send.
func (m *Manager) welcome(snap *config.Snapshot, req *msg.Message) (identify.Caller, bool) {
	switch req.Method {
	case msg.SUBSCRIBE, msg.PUBLISH, msg.MESSAGE:
	default:
		return identify.Caller{}, false
	}
	caller, ok := m.o.Recognise(snap, req)
	if !ok { // subscribers come by HandleFrom
		return caller, false
	}
	return caller, passes(snap, caller.TrunkID, req)
}

// passes tells whether a trunk may send a request of a kind.
func passes(snap *config.Snapshot, trunkID string, req *msg.Message) bool {
	if !snap.ActiveTrunk(trunkID) {
		return false
	}
	return snap.Signalling(snap.Trunk(trunkID)).Carries(string(req.Method))
}

// source says where a message came from, in the words of identify.
func source(h msg.Hop) identify.Source {
	return identify.From(h)
}

// side finds a dialog by our tag.
func (m *Manager) side(tag string) *side {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tags[tag]
}

// add makes both dialogs of a subscription findable unless there are too many.
func (m *Manager) add(s *subscription) bool {
	if !m.subs.take(s.near.trunk().ID) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tags[s.near.tag] = s.near
	m.metrics.live.Inc()
	return true
}

// know makes the far dialog of an attempt findable instead of that of the one before, nil for none.
func (m *Manager) know(s, old *side) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old != nil {
		delete(m.tags, old.tag)
	}
	m.tags[s.tag] = s
}

// remove forgets a subscription.
func (m *Manager) remove(s *subscription) {
	m.subs.give(s.near.trunk().ID)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tags, s.near.tag)
	if s.far != nil {
		delete(m.tags, s.far.tag)
	}
	m.metrics.live.Dec()
}

// fromPeer tells whether a request comes from where the policy of its side believes it, as in calls.
func (m *Manager) fromPeer(s *side, req *msg.Message) bool {
	peer, policy := s.peer.Load(), s.terms.Load().policy
	switch {
	case policy == sbc.SourceStrict:
		return peer != nil && peer.Remote == req.Hop.Remote && peer.Transport == req.Hop.Transport
	case peer != nil && peer.Remote.Addr() == req.Hop.Remote.Addr():
		return true
	case policy == sbc.SourceSameIP:
		return false
	}
	return m.o.Snapshot().FromTrunk(source(req.Hop), s.trunk().ID, s.subscriberID)
}

// intruded counts and tells a request that bears a tag of ours and is not the peer's.
func (m *Manager) intruded(s *side, req *msg.Message) {
	m.metrics.intrusions.Inc()
	if m.o.Events != nil {
		t := s.trunk()
		m.o.Events(sbc.Event{Type: sbc.EventSecurityDialog, TenantID: t.TenantID, TrunkID: t.ID, Data: map[string]string{
			"method": string(req.Method), "source": req.Hop.Remote.String(), "transport": string(req.Hop.Transport), "reason": "source",
		}})
	}
}

// response begins a response with our name on it.
func (m *Manager) response(req *msg.Message, code int, headers ...msg.Header) *msg.Message {
	res := msg.NewResponse(req, code, "")
	if res.To.Tag() == "" {
		res.SetToTag(msg.NewTag())
	}
	res.Append("Server", m.o.ServerName)
	for _, h := range headers {
		res.Append(h.Name, h.Value)
	}
	return res
}

// respond sends a final response.
func (m *Manager) respond(tx msg.ServerTx, res *msg.Message) {
	method := "other"
	switch res.CSeq.Method {
	case msg.SUBSCRIBE, msg.NOTIFY, msg.PUBLISH, msg.MESSAGE:
		method = string(res.CSeq.Method)
	}
	m.metrics.requests.WithLabelValues(method, strconv.Itoa(res.Status)).Inc()
	if err := tx.Respond(res); err != nil { // the transport is gone, and the peer with it
		m.o.Log.Debug("response not sent", "status", res.Status, "error", err)
	}
}

// fault notes a panic.
func (m *Manager) fault(what string, r any) {
	m.metrics.panics.Inc()
	m.o.Log.Error("panic in "+what, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// allowEvents is Allow-Events of a trunk (RFC 6665 8.2.2).
func allowEvents(p *sbc.SignallingProfile) msg.Header {
	return msg.Header{Name: "Allow-Events", Value: strings.Join(p.PassEvents, ", ")}
}
