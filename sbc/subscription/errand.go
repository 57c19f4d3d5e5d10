package subscription

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
	"github.com/sallyport/sallyport/sbc/route"
)

// errand is a request outside a dialog on its way: routed as a call, one attempt after the other.
type errand struct {
	m     *Manager
	snap  *config.Snapshot
	tx    msg.ServerTx
	in    *msg.Message
	trunk *sbc.Trunk // it came from
	from  *Sender    // the subscriber it came from, nil for a trunk
	plan  []route.Attempt
	next  int
	queue *serial
	// event is the event package and what follows it, of SUBSCRIBE and PUBLISH.
	event   notify.Event
	expires int // asked for, in seconds; -1: nothing was said
	// sub is what a SUBSCRIBE makes; state what a PUBLISH goes on with, nil at its first.
	sub   *subscription
	state *state
	// names are for header rules; to is the trunk of the attempt under way, nil before the first.
	names names
	to    *sbc.Trunk
	// code and why are what is answered if nobody takes it; told says that it was answered.
	code int
	why  []msg.Header
	told bool
}

// longest is what is granted at most, in seconds.
const longest = 7200

func (m *Manager) newErrand(snap *config.Snapshot, caller identify.Caller, from *Sender, tx msg.ServerTx, req *msg.Message) *errand {
	e := &errand{m: m, snap: snap, tx: tx, in: req, trunk: snap.Trunk(caller.TrunkID), from: from, expires: -1}
	e.names = names{header.CallerOf(req, e.trunk, trust(snap, e.trunk)).Number, caller.Number}
	e.in = e.names.received(snap, e.trunk, req)
	e.queue = &serial{fault: func(r any) {
		m.fault("a request outside of calls", r)
		e.refuse(500)
	}}
	if e.trunk.RoutingPlanID != "" && caller.Number != "" && from.permitted(snap, caller.Number) {
		p := snap.Route.Plan(route.Query{
			PlanID: e.trunk.RoutingPlanID, Number: caller.Number, TrunkID: e.trunk.ID, RouteGroup: e.trunk.RouteGroup, Caller: e.names.caller,
			CallID: req.CallID, Headers: req, At: time.Now(), Rand: rand.IntN,
		})
		// Of subscribers only those of the directory are known here, and they are asked before.
		e.plan = slices.DeleteFunc(p.Attempts, func(at route.Attempt) bool { return at.SubscriberID != "" })
		if e.code = 404; p.Reject != nil {
			e.code = p.Reject.Code
		}
	} else {
		e.code = 403
	}
	return e
}

// begin checks the request in the order of RFC 3261 8.2 and makes the first attempt.
func (e *errand) begin() {
	if e.in.MaxForwards == 0 {
		e.refuse(483)
		return
	}
	if e.in.Has("Replaces") || e.in.Has("Join") { // RFC 3891 3, RFC 3911 4: they are of INVITEs
		e.refuse(400)
		return
	}
	if bad := e.in.Values("Require"); len(bad) > 0 {
		e.refuse(420, msg.Header{Name: "Unsupported", Value: strings.Join(bad, ", ")})
		return
	}
	if e.in.Method != msg.MESSAGE {
		e.event = notify.Parse(e.in)
		if p := e.snap.Signalling(e.trunk); !e.event.In(p) { // RFC 6665 8.3.2
			e.refuse(489, allowEvents(p))
			return
		}
		e.expires = notify.Seconds(e.in.Get("Expires"))
	}
	if code, hs := e.bodyFits(); code != 0 {
		e.refuse(code, hs...)
		return
	}
	switch e.in.Method {
	case msg.SUBSCRIBE:
		if code := e.subscribe(); code != 0 {
			e.refuse(code)
			return
		}
	case msg.PUBLISH:
		if code := e.publish(); code != 0 {
			e.refuse(code)
			return
		}
	}
	e.try()
}

// try makes the next attempt, or gives up.
func (e *errand) try() {
	for e.next < len(e.plan) && (e.sub == nil || !e.sub.over) { // a NOTIFY may have ended it before its answer
		at := &e.plan[e.next]
		e.next++
		t := e.snap.Trunk(at.TrunkID)
		if t == nil || !e.snap.ActiveTrunk(t.ID) {
			e.code = 503
			continue
		}
		if p := e.snap.Signalling(t); e.in.Method == msg.MESSAGE && !p.PassMessages || e.in.Method != msg.MESSAGE && !e.event.In(p) {
			e.code, e.why = 489, []msg.Header{allowEvents(e.snap.Signalling(e.trunk))}
			if e.in.Method == msg.MESSAGE {
				e.code, e.why = 405, []msg.Header{{Name: "Allow", Value: ownMethods}}
			}
			continue
		}
		e.send(at, t)
		return
	}
	e.refuse(e.code, e.why...)
}

// ownMethods is what may be sent outside a dialog to a trunk that takes no messages.
const ownMethods = "INVITE, ACK, CANCEL, OPTIONS"

// flow says between which trunks the request passes.
func (e *errand) flow(to *sbc.Trunk) header.Flow { return flowOf(e.snap, e.trunk, to) }

func flowOf(snap *config.Snapshot, from, to *sbc.Trunk) header.Flow {
	return header.Flow{FromTrunk: from, ToTrunk: to, FromTrust: trust(snap, from), ToTrust: trust(snap, to)}
}

// trust is how far a trunk's realm is believed; no realm is believed least.
func trust(snap *config.Snapshot, t *sbc.Trunk) sbc.Trust {
	if r := snap.Realm(t.RealmID); r != nil {
		return r.Trust
	}
	return sbc.TrustAccess
}

// send sends the request to an address.
func (e *errand) send(at *route.Attempt, t *sbc.Trunk) {
	f := e.flow(t)
	in := e.from.introduce(e.in)
	f.Vouched = e.from != nil
	withheld := header.Withheld(in, f)
	if withheld && f.ToTrust != sbc.TrustPeer && f.ToTrust != sbc.TrustCore {
		f.Also = header.Names(in)
	}
	var uri, to msg.URI
	uri.Scheme, uri.User, uri.Host, uri.Port = "sip", msg.EscapeUser(at.Number), strings.Trim(at.Address, "[]"), at.Port
	to.Scheme, to.User, to.Host = "sip", uri.User, uri.Host
	if at.Transport != "" && at.Transport != sbc.TransportUDP {
		uri.UriParams = msg.SetParam(uri.UriParams, "transport", string(at.Transport))
	}
	from := sender(in, f, withheld || e.from != nil && e.from.Anonymous)
	out := &outbound{m: e.m, from: from, req: dialog.NewRequest(e.in.Method, uri, from, msg.NameAddr{URI: to}), queue: e.queue}
	out.from = out.from.WithTag(out.req.From.Tag())
	if e.in.MaxForwards >= 0 {
		out.req.SetMaxForwards(e.in.MaxForwards - 1)
	}
	out.pass(e.snap.Header.Request(in, f))
	out.req.Append("User-Agent", e.m.o.ServerName)
	if e.in.Method != msg.MESSAGE {
		out.req.Append("Event", e.event.Name)
		if e.expires >= 0 {
			out.req.Append("Expires", strconv.Itoa(min(e.expires, longest)))
		}
	}
	switch e.in.Method {
	case msg.SUBSCRIBE:
		e.sub.attempt(out, t)
		notify.Accepts(out.req, e.in)
	case msg.PUBLISH:
		if e.state != nil {
			out.req.Append("SIP-If-Match", e.state.theirs)
		}
	}
	if !e.body(out, f) { // RFC 3261 8.2.3
		e.refuse(415, msg.Header{Name: "Accept", Value: notify.Kinds})
		return
	}
	f.Also = append(wordsOf(e.in), f.Also...)
	out.settle(e.names, e.snap, t, f)
	if e.to = t; e.sub != nil {
		e.sub.asked = out.req
		out.again = func(req *msg.Message) { e.sub.asked = req }
	}
	answered := func(res *msg.Message) {
		e.queue.do(func() { e.answered(at, t, out, e.names.received(e.snap, t, res)) })
	}
	out.send(e.way(out.req, at, t), msg.Timers{}, answered, func(err error) { e.queue.do(func() { e.failed(t, 408, nil, nil) }) })
}

// way says where a request to an address of a trunk is sent, by the proxies that the trunk's registrar wants (RFC 3608 6.1).
func (e *errand) way(req *msg.Message, at *route.Attempt, t *sbc.Trunk) msg.Target {
	host, port := t.NextHop(at.Address, at.Port)
	to := msg.Target{Host: host, Port: port, Transport: at.Transport, Interfaces: e.snap.InterfacesOf(at.RealmID)}
	to.TLSProfile, to.Secure = t.TLSProfileID, e.in.RequestURI.Scheme == "sips"
	if e.m.o.Route == nil {
		return to
	}
	if routes, next, ok := e.m.o.Route(t.ID); ok {
		for _, r := range routes {
			req.Append("Route", r.String())
		}
		to.Host, to.Port, to.Supplied, to.Transport = next.Host, next.Port, next.Supplied, cmp.Or(next.Transport, to.Transport)
	}
	return to
}

// sender is who sends, as the other side sees it: a number, or nobody.
func sender(in *msg.Message, f header.Flow, withheld bool) msg.NameAddr {
	var u msg.URI
	u.Scheme, u.User = "sip", "anonymous"
	if withheld {
		u.Host = "anonymous.invalid" // RFC 3323 4.1.1.3
		return msg.NameAddr{URI: u}
	}
	policy := header.Policy(f.ToTrunk)
	n := header.CallerOf(in, f.FromTrunk, f.FromTrust).Number
	if n != "" && !isAddress(n) && !strings.EqualFold(n, in.From.URI.Host) {
		u.User = msg.EscapeUser(header.Format(n, policy.Format))
	}
	if policy.FromUser != "" {
		u.User = msg.EscapeUser(policy.FromUser)
	}
	u.Host = policy.FromHost
	return msg.NameAddr{URI: u}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// answered is a final response.
func (e *errand) answered(at *route.Attempt, t *sbc.Trunk, out *outbound, res *msg.Message) {
	if res.Status/100 != 2 {
		e.failed(t, res.Status, res, e.snap.Header.Response(res, flowOf(e.snap, t, e.trunk)))
		return
	}
	reply := msg.NewResponse(e.in, 200, "")
	if e.sub != nil {
		reply.SetToTag(e.sub.near.tag)
	} else {
		reply.SetToTag(msg.NewTag())
	}
	reply.Append("Server", e.m.o.ServerName)
	switch e.in.Method {
	case msg.SUBSCRIBE:
		e.sub.accepted(e, reply, res)
	case msg.PUBLISH:
		e.published(at, reply, res)
	}
	for _, h := range e.snap.Header.Response(res, flowOf(e.snap, t, e.trunk)) {
		reply.Append(h.Name, header.Fill(h.Value, e.tx.Local().Host))
	}
	e.tell(reply)
}

// failed is the end of an attempt: the next one follows where the trunk's policy lets it.
func (e *errand) failed(t *sbc.Trunk, code int, res *msg.Message, pass []msg.Header) {
	e.code, e.why = translate(code), nil
	for _, h := range pass {
		if strings.Contains(h.Value, header.HostToken) {
			h.Value = header.Fill(h.Value, e.tx.Local().Host)
		}
		e.why = append(e.why, h)
	}
	switch {
	case e.code == 423 && res != nil: // RFC 3261 21.4.17, RFC 6665 4.2.1.1
		if n := notify.Seconds(res.Get("Min-Expires")); n > 0 {
			e.why = append(e.why, msg.Header{Name: "Min-Expires", Value: strconv.Itoa(n)})
		}
	case e.code == 489:
		e.why = append(e.why, allowEvents(e.snap.Signalling(e.trunk)))
	case e.code == 412 && e.state != nil: // RFC 3903 4.1: the state is gone, and our tag with it
		e.m.states.drop(e.state.ours)
	}
	if !t.Advances(code) || e.state != nil {
		e.next = len(e.plan)
	}
	e.try()
}

// refuse answers with a failure.
func (e *errand) refuse(code int, headers ...msg.Header) {
	if e.sub != nil {
		e.sub.end()
	}
	e.tell(e.m.response(e.in, code, slices.Clip(headers)...))
}

// tell sends the final answer, once.
func (e *errand) tell(res *msg.Message) {
	if e.told {
		return
	}
	e.told = true
	e.m.errands.give(e.trunk.ID)
	var f *header.Flow
	if e.to != nil {
		x := flowOf(e.snap, e.to, e.trunk)
		f = &x
	}
	e.m.respond(e.tx, e.names.answer(e.snap, e.trunk, f, e.tx, res))
}

// translate gives the code with which a failure of one side is told to the other, as calls do.
func translate(code int) int {
	switch {
	case code/100 == 3:
		return 480
	case code == 401, code == 407:
		return 403
	case code == 481, code == 482, code == 483, code == 420, code == 421, code == 494:
		return 500
	case code < 400 || code > 699:
		return 500
	}
	return code
}
