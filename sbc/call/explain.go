package call

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Explain decides on a call that has not happened, by the same function as on live ones, and shows every step. Limits are
// shown, not taken. Errors: CodeInvalid for addresses and interfaces that cannot be.
func (m *Manager) Explain(req sbc.ExplainRequest) (sbc.Explanation, error) {
	m = m.asking()
	snap := m.o.Snapshot()
	src, faults := explainSource(snap, req)
	faults = append(faults, req.Validate()...)
	if err := sbc.Invalid(faults); err != nil {
		return sbc.Explanation{}, err
	}
	in := explainInvite(snap, req, src)
	d, known, err := m.explainDecision(snap, req, src, in)
	if err != nil {
		return sbc.Explanation{}, err
	}
	e := sbc.Explanation{
		TrunkID: d.caller.TrunkID, IdentityID: d.caller.IdentityID, Number: d.caller.Number, RoutingPlanID: d.plan.RoutingPlanID,
		RuleID: d.plan.RuleID, Steps: d.steps, Attempts: []sbc.DecisionAttempt{}, Outcome: sbc.OutcomeRoute,
	}
	switch {
	case !known:
		s := m.strangerOf(snap, src.Interface)
		e.Outcome = sbc.OutcomeSilent
		if s == sbc.UnknownReject {
			e.Outcome, e.RejectCode, e.RejectReason = sbc.OutcomeReject, 403, msg.StatusText(403)
		}
		return e, nil
	case !d.carried(snap):
		refused(&e, 405, "")
		e.Steps = append(e.Steps, sbc.DecisionStep{Stage: "admit", Subject: d.trunk.ID, Verdict: "refused",
			Detail: "its signalling profile lets no " + string(d.method) + " outside of calls come"})
		return e, nil
	case d.code != 0:
		refused(&e, d.code, d.reason)
		return e, nil
	}
	forwards, err := m.explainForwards(snap, &d)
	if err != nil {
		return sbc.Explanation{}, err
	}
	e.Steps = append(e.Steps, forwards...)
	e.Steps = append(e.Steps, m.limitSteps(snap, &d, req.Caller)...)
	if err := m.explainAttempts(snap, &d, &e); err != nil {
		return sbc.Explanation{}, err
	}
	if at := &d.plan.Attempts[0]; at.Agent == "" && !unexpanded(at) && d.method == "" {
		e.Message = m.explainMessage(snap, in, d, at)
	}
	return e, nil
}

// asking is a manager by which nothing is changed: who asks takes no turn of those that take turns.
func (m *Manager) asking() *Manager {
	o := m.o
	if o.Reach != nil {
		o.Reach = route.Still{Live: o.Reach}
	}
	return &Manager{o: o, metrics: m.metrics}
}

// refused says that a call is answered with a code; reason is the phrase, "" for the standard one.
func refused(e *sbc.Explanation, code int, reason string) {
	e.Outcome, e.RejectCode, e.RejectReason = sbc.OutcomeReject, code, reason
	if reason == "" {
		e.RejectReason = msg.StatusText(code)
	}
}

// strangerOf is what a realm does with strangers.
func (m *Manager) strangerOf(snap *config.Snapshot, interfaceID string) sbc.UnknownSource {
	if i := snap.Interface(interfaceID); i != nil {
		if r := snap.Realm(i.RealmID); r != nil {
			return r.UnknownSource
		}
	}
	return sbc.UnknownDrop
}

// explainSource checks where the call would come from.
func explainSource(snap *config.Snapshot, req sbc.ExplainRequest) (src identify.Source, faults []sbc.Fault) {
	a, err := netip.ParseAddr(req.SourceAddress)
	if err != nil {
		faults = append(faults, sbc.Fault{Pointer: "#/source_address", Code: "address",
			Detail: fmt.Sprintf("%q is not an IPv4 or IPv6 address", req.SourceAddress)})
	}
	i := snap.Interface(req.SIPInterfaceID)
	if i == nil {
		faults = append(faults, sbc.Fault{Pointer: "#/sip_interface_id", Code: "reference",
			Detail: fmt.Sprintf("there is no SIP interface %q", req.SIPInterfaceID)})
	}
	if req.SourcePort < 0 || req.SourcePort > 65535 {
		faults = append(faults, sbc.Fault{Pointer: "#/source_port", Code: "out_of_range", Detail: "must be between 0 and 65535"})
	}
	if req.Callee == "" {
		faults = append(faults, sbc.Fault{Pointer: "#/callee", Code: "required", Detail: "must be the number dialled"})
	}
	if len(faults) > 0 {
		return src, faults
	}
	src = identify.Source{Addr: a.Unmap(), Port: req.SourcePort, Interface: req.SIPInterfaceID, Transport: req.Transport}
	if src.Transport == "" {
		src.Transport = i.Transport
	}
	if req.TLSName != "" && src.Transport.Encrypted() {
		src.Names = []string{strings.ToLower(req.TLSName)}
	}
	return src, nil
}

// explainInvite is the INVITE that would come, or the request outside of calls.
func explainInvite(snap *config.Snapshot, req sbc.ExplainRequest, src identify.Source) *msg.Message {
	i := snap.Interface(req.SIPInterfaceID)
	var to, from msg.URI
	to.Scheme, to.User, to.Host, to.Port = "sip", req.Callee, i.BindAddress, i.Port
	from.Scheme, from.User, from.Host = "sip", req.Caller, src.Addr.String()
	method := msg.Method(cmp.Or(req.Method, string(msg.INVITE)))
	in := msg.NewRequest(method, to)
	in.SetFrom(msg.NameAddr{URI: from}.WithTag("example"))
	in.SetTo(msg.NameAddr{URI: to})
	in.SetCallID(cmp.Or(req.CallID, "example"))
	in.SetCSeq(1, method)
	in.SetMaxForwards(70)
	in.Hop = msg.Hop{Interface: src.Interface, Transport: src.Transport, Local: i.Bind(),
		Remote: netip.AddrPortFrom(src.Addr, uint16(src.Port)), At: req.At, Secure: src.Transport.Encrypted()}
	if len(src.Names) > 0 {
		in.Hop.Peer = &msg.Peer{Names: src.Names}
	}
	for _, name := range slices.Sorted(maps.Keys(req.Headers)) {
		in.Append(name, req.Headers[name])
	}
	return in
}

// explainMessage is the INVITE that would go out, built as live ones are.
func (m *Manager) explainMessage(snap *config.Snapshot, in *msg.Message, d decision, at *route.Attempt) string {
	c := &Call{m: m, snap: snap, invite: in, decision: d}
	c.a = c.newLeg(sbc.SideCaller, d.caller.TrunkID, d.trunk, 0)
	c.invite = c.received(c.a, in)
	if c.a.who = d.who; d.who != nil {
		c.rec.begin(in, d, d.who.Outside)
	} else {
		c.rec.begin(in, d, header.CallerOf(c.invite, d.trunk, c.trust(c.a)).Number)
	}
	l := c.newLeg(sbc.SideCallee, at.TrunkID, snap.Trunk(at.TrunkID), 1)
	l.who = c.origin(at)
	r := c.buildInvite(l, at)
	if at.Callee != nil {
		r.toPhone(&at.Callee.Phones[0])
	}
	r.settle()
	local := msg.Local{Transport: at.Transport, Host: "sbc.invalid", Port: 5060}
	for _, id := range snap.InterfacesOf(at.RealmID) {
		i := snap.Interface(id)
		if i == nil || at.Transport != "" && i.Transport != at.Transport {
			continue
		}
		local = msg.Local{Interface: id, Transport: i.Transport, Host: i.BindAddress, Port: i.Port}
		if i.AdvertisedAddress != "" {
			local.Host = i.AdvertisedAddress
		}
		break
	}
	r.Prepare(r.req, local)
	r.req.Prepend("Via", msg.Via{Transport: viaTransport(local.Transport), Host: local.Host, Port: local.Port,
		Params: msg.SetParam(nil, "branch", msg.NewBranch())}.String())
	return string(r.req.AppendTo(nil))
}

// viaTransport spells a transport as Via does.
func viaTransport(t sbc.Transport) string {
	return strings.ToUpper(cmp.Or(string(t), string(sbc.TransportUDP)))
}
