package subscription

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
	"github.com/sallyport/sallyport/sbc/route"
)

// errand is a request outside a dialog on its way: routed as a call, one attempt after the other.
type errand struct {
	m      *Manager
	snap   *config.Snapshot
	tx     msg.ServerTx
	in     *msg.Message
	trunk  *sbc.Trunk // it came from
	from   *Sender    // the subscriber it came from, nil for a trunk
	search Search
	queue  *serial
	// event is the event package and what follows it, of SUBSCRIBE and PUBLISH.
	event   notify.Event
	expires int // asked for, in seconds; -1: nothing was said
	// sub is what a SUBSCRIBE makes; state what a PUBLISH goes on with, nil at its first.
	sub   *subscription
	state *state
	// names are for header rules; to is the trunk of the attempt under way, nil before the first.
	names names
	to    *sbc.Trunk
	// asked is how many requests of the attempt under way have no answer; left are the phones that it asks after them.
	asked int
	left  []route.Phone
	// code and why are the best failure of an attempt, 0 before there is one; told says that it was answered.
	code int
	why  []msg.Header
	told bool
}

// longest is what is granted at most, in seconds.
const longest = 7200

func (m *Manager) newErrand(snap *config.Snapshot, caller identify.Caller, from *Sender, tx msg.ServerTx, req *msg.Message) *errand {
	e := &errand{m: m, snap: snap, tx: tx, in: req, trunk: snap.Trunk(caller.TrunkID), from: from, expires: -1}
	e.queue = &serial{fault: func(r any) {
		m.fault("a request outside of calls", r)
		e.refuse(500, "")
	}}
	e.search = m.o.Search(snap, req, from, tx.Local(), e.queue.do)
	e.names = names{header.CallerOf(req, e.trunk, trust(snap, e.trunk)).Number, e.search.Number()}
	e.in = e.names.received(snap, e.trunk, req)
	return e
}

// begin checks the request in the order of RFC 3261 8.2 and makes the first attempt.
func (e *errand) begin() {
	if e.in.MaxForwards == 0 {
		e.refuse(483, "")
		return
	}
	if e.in.Has("Replaces") || e.in.Has("Join") { // RFC 3891 3, RFC 3911 4: they are of INVITEs
		e.refuse(400, "")
		return
	}
	if bad := e.in.Values("Require"); len(bad) > 0 {
		e.refuse(420, "", msg.Header{Name: "Unsupported", Value: strings.Join(bad, ", ")})
		return
	}
	if e.in.Method != msg.MESSAGE {
		e.event = notify.Parse(e.in)
		if p := e.snap.Signalling(e.trunk); !e.event.In(p) { // RFC 6665 8.3.2
			e.refuse(489, "", allowEvents(p))
			return
		}
		e.expires = notify.Seconds(e.in.Get("Expires"))
	}
	if code, hs := e.bodyFits(); code != 0 {
		e.refuse(code, "", hs...)
		return
	}
	switch e.in.Method {
	case msg.SUBSCRIBE:
		if code := e.subscribe(); code != 0 {
			e.refuse(code, "")
			return
		}
	case msg.PUBLISH:
		if code := e.publish(); code != 0 {
			e.refuse(code, "")
			return
		}
	}
	e.try()
}

// try makes the next attempt, or gives up. A NOTIFY may have ended a subscription before its answer.
func (e *errand) try() {
	if e.told || e.sub != nil && e.sub.over {
		e.giveUp()
		return
	}
	e.search.Next(func(at *route.Attempt) {
		switch {
		case e.told:
		case at == nil:
			e.giveUp()
		default:
			e.attempt(at)
		}
	})
}

// giveUp answers with the best failure there was.
func (e *errand) giveUp() {
	code, reason, headers := e.search.Refusal()
	if code == e.code || e.sub != nil && e.sub.over && e.code != 0 {
		code, reason, headers = e.code, "", e.why
	}
	e.refuse(code, reason, headers...)
}

// attempt makes an attempt, if its trunk takes such requests. A MESSAGE goes to all phones of a subscriber that would ring at once, anything
// else to one of them after the other: of two that take a SUBSCRIBE only one could have the dialog.
func (e *errand) attempt(at *route.Attempt) {
	t := e.snap.Trunk(at.TrunkID)
	if t == nil || !e.snap.ActiveTrunk(t.ID) {
		e.search.Skip(503)
		e.try()
		return
	}
	if p := e.snap.Signalling(t); e.in.Method == msg.MESSAGE && !p.PassMessages || e.in.Method != msg.MESSAGE && !e.event.In(p) {
		code, why := 489, allowEvents(e.snap.Signalling(e.trunk))
		if e.in.Method == msg.MESSAGE {
			code, why = 405, msg.Header{Name: "Allow", Value: ownMethods}
		}
		if e.search.Skip(code); e.code == 0 || e.code == code {
			e.code, e.why = code, []msg.Header{why}
		}
		e.try()
		return
	}
	if e.asked, e.left = 1, nil; at.Callee == nil {
		e.send(at, t, nil)
		return
	}
	phones := at.Callee.Phones[:min(len(at.Callee.Phones), maxPhones)]
	if e.in.Method != msg.MESSAGE {
		e.left = phones[1:]
		e.send(at, t, &phones[0])
		return
	}
	e.asked = len(phones)
	for i := range phones {
		e.send(at, t, &phones[i])
	}
}

// maxPhones bounds the phones of one attempt.
const maxPhones = 32

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

// answered is a final response.
func (e *errand) answered(at *route.Attempt, t *sbc.Trunk, phone *route.Phone, out *outbound, res *msg.Message) {
	if e.told { // another phone was quicker
		return
	}
	if res.Status/100 != 2 {
		e.failed(at, t, phone, res.Status, res, e.snap.Header.Response(res, flowOf(e.snap, t, e.trunk)))
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

// failed is the end of a request of an attempt: another flow of the phone follows, another phone, or the next attempt.
func (e *errand) failed(at *route.Attempt, t *sbc.Trunk, phone *route.Phone, code int, res *msg.Message, pass []msg.Header) {
	if e.told {
		return
	}
	if phone != nil && len(phone.Others) > 0 && (res == nil || code == 430) { // RFC 5626 5.3
		other := phone.Others[0]
		other.Others = phone.Others[1:]
		e.send(at, t, &other)
		return
	}
	if code == 412 && e.state != nil { // RFC 3903 4.1: the state is gone, and our tag with it
		e.m.states.drop(e.state.ours)
	}
	if e.search.Failed(at, code) {
		e.code, _, _ = e.search.Refusal()
		e.why = e.beside(res, pass)
	}
	switch {
	case len(e.left) > 0 && code/100 != 6:
		next := &e.left[0]
		e.left = e.left[1:]
		e.send(at, t, next)
	case e.asked > 1:
		e.asked--
	default:
		e.try()
	}
}

// beside are the headers that go with a failure to the sender.
func (e *errand) beside(res *msg.Message, pass []msg.Header) (why []msg.Header) {
	for _, h := range pass {
		if strings.Contains(h.Value, header.HostToken) {
			h.Value = header.Fill(h.Value, e.tx.Local().Host)
		}
		why = append(why, h)
	}
	switch {
	case e.code == 423 && res != nil: // RFC 3261 21.4.17, RFC 6665 4.2.1.1
		if n := notify.Seconds(res.Get("Min-Expires")); n > 0 {
			why = append(why, msg.Header{Name: "Min-Expires", Value: strconv.Itoa(n)})
		}
	case e.code == 489:
		why = append(why, allowEvents(e.snap.Signalling(e.trunk)))
	}
	return why
}

// refuse answers with a failure.
func (e *errand) refuse(code int, reason string, headers ...msg.Header) {
	if e.sub != nil {
		e.sub.end()
	}
	res := e.m.response(e.in, code, slices.Clip(headers)...)
	if reason != "" {
		res.Reason = reason
	}
	e.tell(res)
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
