package subscription

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
)

// subscription is one subscription: the dialog with the subscriber and that with the notifier. All but what is said of side
// belongs to its queue.
type subscription struct {
	m     *Manager
	snap  *config.Snapshot
	queue *serial
	event notify.Event // as the subscriber named it
	names names
	near  *side // the subscriber
	far   *side // the notifier of the attempt under way; nil before
	// asked is our SUBSCRIBE, by which a NOTIFY that comes before its answer is known.
	asked *msg.Message
	timer *time.Timer
	// until is when it is over unless it is refreshed.
	until time.Time
	// notices are the NOTIFYs on their way to the subscriber.
	notices int
	over    bool
}

// side is one of our dialogs. All but d may be read outside the queue.
type side struct {
	sub   *subscription
	terms atomic.Pointer[terms]
	// tag is ours, user the user part of our Contact, which tells nobody anything.
	tag, user string
	// subscriberID is whose side it is, "" for a trunk's.
	subscriberID string
	d            *dialog.Dialog
	peer         atomic.Pointer[msg.Hop]
}

// terms are what the configuration says of a side; a refresh takes those of the day.
type terms struct {
	trunk  *sbc.Trunk
	policy sbc.SourcePolicy
}

func (s *side) agree(snap *config.Snapshot, t *sbc.Trunk) {
	s.terms.Store(&terms{t, snap.Signalling(t).InDialogSource})
}

func (s *side) trunk() *sbc.Trunk { return s.terms.Load().trunk }

// heard notes whence the peer's messages come.
func (s *side) heard(h msg.Hop) { s.peer.Store(&h) }

// grace is how long a subscription outlives its time: a refresh may be late, and the last NOTIFY under way (RFC 6665 4.1.2.3,
// timer N: 64*T1).
const grace = 32 * time.Second

// usually is the time of a subscription for which nobody says one, in seconds.
const usually = 3600

// maxNotices bounds the NOTIFYs of a subscription that wait for the subscriber's answer.
const maxNotices = 8

// subscribe makes a subscription of a SUBSCRIBE; the code is that of a refusal, 0 for none.
func (e *errand) subscribe() int {
	s := &subscription{m: e.m, snap: e.snap, queue: e.queue, event: e.event, names: e.names}
	s.near = &side{sub: s, tag: msg.NewTag(), user: msg.NewTag()}
	if e.from != nil {
		s.near.subscriberID = e.from.Entry.Subscriber.ID
	}
	s.near.agree(e.snap, e.trunk)
	s.near.heard(e.in.Hop)
	d, err := dialog.NewUAS(e.in, s.near.tag)
	if err != nil {
		return 400
	}
	s.near.d = d
	if !e.m.add(s) {
		return 503
	}
	e.sub = s
	return 0
}

// attempt readies the far side for an attempt.
func (s *subscription) attempt(out *outbound, t *sbc.Trunk) {
	old := s.far
	s.far = &side{sub: s, tag: out.req.From.Tag(), user: msg.NewTag()}
	s.far.agree(s.snap, t)
	out.contact = s.far.user
	s.m.know(s.far, old)
}

// accepted is the 2xx to our SUBSCRIBE; reply is the subscriber's.
func (s *subscription) accepted(e *errand, reply, res *msg.Message) {
	if s.far.d == nil {
		s.far.d = dialog.NewUAC(s.asked, res)
	}
	s.far.heard(res.Hop)
	s.near.d.Confirm()
	for _, rr := range e.in.GetAll("Record-Route") {
		reply.Append("Record-Route", rr)
	}
	reply.Append("Contact", e.tx.Local().Contact(s.near.user))
	s.grant(reply, res, e.expires)
	s.queue.fault = func(r any) { // the errand is done
		s.m.fault("a subscription", r)
		s.end()
	}
}

// grant tells the subscriber the time that the notifier grants, never more than was asked for (RFC 6665 4.2.1.1), and keeps it.
func (s *subscription) grant(reply, res *msg.Message, asked int) {
	n := notify.Seconds(res.Get("Expires"))
	if asked < 0 {
		asked = usually
	}
	if n < 0 {
		n = asked
	}
	n = min(n, asked, longest)
	reply.Append("Expires", strconv.Itoa(n))
	if s.over { // the last NOTIFY came before
		return
	}
	s.arm(time.Now().Add(time.Duration(n)*time.Second + grace))
}

// arm lets the subscription end at a moment.
func (s *subscription) arm(until time.Time) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.until = until
	s.timer = time.AfterFunc(time.Until(until), func() { s.queue.do(s.expire) })
}

// expire ends the subscription unless it was refreshed while its timer ran out.
func (s *subscription) expire() {
	if !time.Now().Before(s.until) {
		s.end()
	}
}

// end forgets the subscription.
func (s *subscription) end() {
	if s.over {
		return
	}
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.m.remove(s)
}

// request is a request of a peer within one of the dialogs.
func (s *subscription) request(at *side, tx msg.ServerTx, req *msg.Message) {
	req = s.names.received(s.snap, at.trunk(), req)
	if s.over || at != s.near && at != s.far {
		s.answer(at, tx, 481)
		return
	}
	if at == s.far && at.d == nil && req.Method == msg.NOTIFY { // before the 2xx (RFC 6665 4.1.2.4)
		d, err := dialog.NewNotified(s.asked, req)
		if err != nil {
			s.answer(at, tx, 400)
			return
		}
		at.d = d
	}
	if at.d == nil {
		s.answer(at, tx, 481)
		return
	}
	switch err := at.d.Check(req); {
	case errors.Is(err, dialog.ErrStranger): // another notifier, or somebody who guesses
		s.answer(at, tx, 481)
		return
	case err != nil:
		s.answer(at, tx, 500)
		return
	}
	at.d.Learn(req.Hop)
	at.heard(req.Hop)
	switch {
	case at == s.near && req.Method == msg.SUBSCRIBE:
		s.refresh(tx, req)
	case at == s.far && req.Method == msg.NOTIFY:
		s.notify(tx, req)
	default:
		allow := "SUBSCRIBE"
		if at == s.far {
			allow = "NOTIFY"
		}
		s.answer(at, tx, 405, msg.Header{Name: "Allow", Value: allow})
	}
}

// within begins a request in the dialog of a side that stands for one of the other side.
func (s *subscription) within(to, from *side, in *msg.Message) *outbound {
	out := &outbound{m: s.m, req: to.d.Request(in.Method), contact: to.user, queue: s.queue, dialog: to.d}
	if in.MaxForwards >= 0 {
		out.req.SetMaxForwards(max(0, in.MaxForwards-1))
	}
	out.pass(s.snap.Header.Request(in, s.flow(from, to)))
	out.req.Append("User-Agent", s.m.o.ServerName)
	return out
}

// flow says between whom a message passes, with the words that tell the sending side apart.
func (s *subscription) flow(from, to *side) header.Flow {
	f := flowOf(s.snap, from.trunk(), to.trunk())
	if from.d != nil {
		f.Also = []string{from.d.CallID(), from.d.LocalTag(), from.d.RemoteTag(), from.user}
	}
	return f
}

// refresh is the subscriber's wish for more time, or for an end (RFC 6665 4.1.2.2, 4.1.2.3).
func (s *subscription) refresh(tx msg.ServerTx, req *msg.Message) {
	named, asked := notify.Parse(req), notify.Seconds(req.Get("Expires"))
	switch {
	case named != s.event: // another subscription would need a dialog of its own
		s.answer(s.near, tx, 481)
		return
	case s.far == nil || s.far.d == nil || s.near.d == nil || !s.near.d.Confirmed():
		s.answer(s.near, tx, 500, msg.Header{Name: "Retry-After", Value: "1"})
		return
	case !s.agree():
		s.end()
		s.answer(s.near, tx, 481)
		return
	}
	if asked < 0 {
		asked = usually
	}
	out := s.within(s.far, s.near, req)
	out.req.Append("Event", s.event.Name)
	out.req.Append("Expires", strconv.Itoa(min(asked, longest)))
	notify.Accepts(out.req, req)
	out.settle(s.names, s.snap, s.far.trunk(), s.flow(s.near, s.far))
	out.send(s.far.d.Target(), msg.Timers{}, func(res *msg.Message) {
		s.queue.do(func() { s.refreshed(tx, req, s.names.received(s.snap, s.far.trunk(), res), asked) })
	}, func(error) {
		s.queue.do(func() { s.refused(tx, req, 408, nil) })
	})
}

// agree takes the configuration of the day, lest the subscription keep the one it began with as long as it is refreshed; false if
// by that it may not be any more.
func (s *subscription) agree() bool {
	snap := s.m.o.Snapshot()
	for _, x := range [...]*side{s.near, s.far} {
		id := x.trunk().ID
		if !snap.ActiveTrunk(id) || !s.event.In(snap.Signalling(snap.Trunk(id))) {
			return false
		}
		x.agree(snap, snap.Trunk(id))
	}
	s.snap = snap
	return true
}

// refreshed is the notifier's answer.
func (s *subscription) refreshed(tx msg.ServerTx, req, res *msg.Message, asked int) {
	if res.Status/100 != 2 {
		s.refused(tx, req, res.Status, res)
		return
	}
	s.far.heard(res.Hop)
	s.far.d.Refresh(res)
	s.near.d.Refresh(req)
	reply := s.m.response(req, 200)
	reply.Append("Contact", tx.Local().Contact(s.near.user))
	s.grant(reply, res, asked)
	s.reply(s.near, tx, reply)
}

// refused passes a failure of a refresh back. The dialog is gone after 481 and silence; after anything else the subscription
// runs on until its time is over (RFC 6665 4.1.2.2).
func (s *subscription) refused(tx msg.ServerTx, req *msg.Message, code int, res *msg.Message) {
	if code == 481 || code == 408 {
		s.end()
		s.answer(s.near, tx, 481)
		return
	}
	reply := s.m.response(req, translate(code))
	if code == 423 && res != nil {
		if n := notify.Seconds(res.Get("Min-Expires")); n > 0 {
			reply.Append("Min-Expires", strconv.Itoa(n))
		}
	}
	s.reply(s.near, tx, reply)
}

// notify carries a NOTIFY to the subscriber, and the answer back.
func (s *subscription) notify(tx msg.ServerTx, req *msg.Message) {
	n, ok := notify.ParseState(req)
	switch {
	case notify.Parse(req).Name != s.event.Name:
		s.answer(s.far, tx, 489, allowEvents(s.snap.Signalling(s.far.trunk())))
		return
	case !ok:
		s.answer(s.far, tx, 400)
		return
	case s.notices >= maxNotices:
		s.answer(s.far, tx, 500, msg.Header{Name: "Retry-After", Value: "1"})
		return
	}
	out := s.within(s.near, s.far, req)
	out.req.Append("Event", s.event.String())
	out.req.Append("Subscription-State", n.String())
	if len(req.Body) > 0 {
		kind, body, ok := s.cleaner(req).Rewrite()
		if !ok { // RFC 3261 8.2.3
			s.answer(s.far, tx, 415, msg.Header{Name: "Accept", Value: notify.Kinds})
			return
		}
		out.carries(kind, body)
	}
	s.notices++
	out.settle(s.names, s.snap, s.near.trunk(), s.flow(s.far, s.near))
	out.send(s.near.d.Target(), msg.Timers{}, func(res *msg.Message) {
		s.queue.do(func() { s.notified(tx, req, n, res.Status, s.names.received(s.snap, s.near.trunk(), res)) })
	}, func(error) {
		s.queue.do(func() { s.notified(tx, req, n, 408, nil) })
	})
}

// notified is the subscriber's answer to a NOTIFY. Who does not know the subscription, or does not answer, has none any more (RFC
// 6665 4.2.2): the notifier is told so by a 481.
func (s *subscription) notified(tx msg.ServerTx, req *msg.Message, n notify.State, code int, res *msg.Message) {
	s.notices--
	if res != nil {
		s.near.heard(res.Hop)
	}
	if code == 408 || code == 481 || code == 489 {
		code = 481
		s.end()
	} else if code >= 300 {
		code = translate(code)
	}
	s.answer(s.far, tx, code)
	switch {
	case s.over:
	case n.Name == "terminated":
		s.end()
	case n.Expires >= 0 && s.timer != nil: // RFC 6665 4.1.3: the time the NOTIFY says counts, if that makes it shorter
		if until := time.Now().Add(time.Duration(n.Expires)*time.Second + grace); until.Before(s.until) {
			s.arm(until)
		}
	}
}

// cleaner judges what may show of the notifier's side.
func (s *subscription) cleaner(req *msg.Message) *notify.Cleaner {
	return &notify.Cleaner{Clean: s.snap.Header.Judge(req, s.flow(s.far, s.near)), In: req, Secret: s.near.user}
}
