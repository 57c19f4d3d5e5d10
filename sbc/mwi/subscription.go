package mwi

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// subscription is one phone's to its own account.
type subscription struct {
	s *Service
	// tag and user are ours; id is the subscriber's, account its address, event the Event header.
	tag, user, id, account, event string
	peer                          netip.Addr // whence it came

	mu    sync.Mutex
	d     *dialog.Dialog
	until time.Time
	timer *time.Timer
	busy  bool   // a NOTIFY is under way
	again bool   // there is something new to be told after it
	end   string // why it ended, "" while it lasts
	last  sbc.VoicemailCount
	known bool // last was looked up
}

// from is the address that the phone's requests come from.
func (u *subscription) from() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.d.Peer().Remote.String()
}

// accept answers a SUBSCRIBE, the first or a later one, then tells the state (RFC 6665 4.2.1.2).
func (u *subscription) accept(tx msg.ServerTx, req *msg.Message, seconds int) {
	res := msg.NewResponse(req, 200, "")
	if req.To.Tag() == "" {
		res.SetToTag(u.tag)
	}
	for _, rr := range req.GetAll("Record-Route") {
		res.Append("Record-Route", rr)
	}
	res.Append("Contact", tx.Local().Contact(u.user))
	res.Append("Expires", strconv.Itoa(seconds))
	res.Append("Server", u.s.o.ServerName)
	u.mu.Lock()
	u.d.Confirm()
	u.until = time.Now().Add(time.Duration(seconds) * time.Second)
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	if seconds > 0 {
		u.timer = time.AfterFunc(time.Duration(seconds)*time.Second, u.expired)
	} else {
		u.end = "timeout"
	}
	u.mu.Unlock()
	if seconds == 0 {
		u.s.remove(u)
	}
	u.s.respond(tx, res)
	u.s.o.Count(u.id, func(n sbc.VoicemailCount, err error) {
		if err != nil {
			u.s.o.Log.Warn("a phone is not told of messages", "subscriber_id", u.id, "error", err)
			return
		}
		u.changed(n)
	})
}

// request is one within the subscription.
func (u *subscription) request(tx msg.ServerTx, req *msg.Message) {
	u.mu.Lock()
	wrong := 0
	switch {
	case !u.d.Matches(req) || u.end != "":
		wrong = 481
	case u.d.Check(req) != nil: // RFC 3261 12.2.2
		wrong = 500
	case req.Method != msg.SUBSCRIBE:
		wrong = 405
	default:
		u.d.Learn(req.Hop)
		u.d.Refresh(req)
	}
	u.mu.Unlock()
	seconds, code := span(req)
	switch {
	case wrong == 405:
		u.s.respond(tx, u.s.response(req, 405, msg.Header{Name: "Allow", Value: "SUBSCRIBE"}))
	case wrong != 0:
		u.s.respond(tx, u.s.response(req, wrong))
	case code != 0:
		u.s.respond(tx, u.s.response(req, code, msg.Header{Name: "Min-Expires", Value: strconv.Itoa(least)}))
	default:
		u.accept(tx, req, seconds)
	}
}

// changed tells how many messages there are.
func (u *subscription) changed(n sbc.VoicemailCount) {
	u.mu.Lock()
	u.last, u.known = n, true
	due := u.due()
	u.mu.Unlock()
	u.s.send(due)
}

// expired is the end of the time that was agreed.
func (u *subscription) expired() {
	u.mu.Lock()
	if u.end != "" || time.Until(u.until) > 0 { // it was refreshed meanwhile
		u.mu.Unlock()
		return
	}
	u.end = "timeout"
	due := u.due()
	u.mu.Unlock()
	u.s.remove(u)
	u.s.send(due)
}

// due makes the NOTIFY that is due, nil while another one is under way. The lock is held.
func (u *subscription) due() *msg.Outbound {
	if u.busy {
		u.again = true
		return nil
	}
	u.busy = true
	req := u.d.Request(msg.NOTIFY)
	req.Append("Event", u.event)
	if u.end != "" {
		req.Append("Subscription-State", "terminated;reason="+u.end)
	} else {
		left := max(0, int(time.Until(u.until).Round(time.Second)/time.Second))
		req.Append("Subscription-State", "active;expires="+strconv.Itoa(left))
	}
	req.Append("User-Agent", u.s.o.ServerName)
	if u.known {
		req.SetBody(bodyType, summary(u.account, u.last))
	}
	return &msg.Outbound{Request: req, Target: u.d.Target(), Owner: &msg.OwnerFuncs{
		OnPrepare: func(req *msg.Message, local msg.Local) { req.Set("Contact", local.Contact(u.user)) },
		OnResponse: func(_ msg.ClientTx, res *msg.Message) {
			if res.Status >= 200 {
				u.sent(res.Status)
			}
		},
		OnFailed: func(msg.ClientTx, error) { u.sent(408) },
	}}
}

// sent is the answer to a NOTIFY. Whoever does not want it has no subscription any more (RFC 6665 4.2.2).
func (u *subscription) sent(status int) {
	u.mu.Lock()
	u.busy = false
	over := status >= 300 && status != 500 && status != 503 && status != 491
	if over && u.end == "" {
		u.end = "noresource"
		if u.timer != nil {
			u.timer.Stop()
		}
	}
	var due *msg.Outbound
	if u.again && !over {
		u.again = false
		due = u.due()
	}
	u.mu.Unlock()
	if over {
		u.s.remove(u)
	}
	u.s.send(due)
}
