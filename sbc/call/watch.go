package call

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
)

// watch is a subscription that shares the dialogs of the call (RFC 6665 4.5.2): made by a SUBSCRIBE, or by a REFER that was carried
// to the other side. NOTIFYs go from to, the notifier, to from.
type watch struct {
	from, to *leg
	// name is the event package. in and out are the ids that the two sides know the subscription by, "" for none: of event refer the
	// CSeq numbers of the two REFERs (RFC 3515 2.4.6), else what the subscriber chose and what we made of it.
	name, in, out string
	// until is when it is forgotten; the zero time is the end of the call, for a REFER.
	until time.Time
	// fresh says that its SUBSCRIBE was not answered yet.
	fresh bool
}

// maxWatches bounds the subscriptions of a call.
const maxWatches = 16

const (
	// longestWatch is what is granted at most, in seconds; usualWatch is for a subscription for which nobody says a time.
	longestWatch, usualWatch = 7200, 3600
	// watchGrace is how long a subscription outlives its time: a refresh may be late, and the last NOTIFY under way (RFC 6665
	// 4.1.2.3, timer N: 64*T1).
	watchGrace = 32 * time.Second
)

// watching finds a subscription that is not over.
func (c *Call) watching(is func(w *watch) bool) *watch {
	t := now()
	c.watches = slices.DeleteFunc(c.watches, func(w *watch) bool { return !w.until.IsZero() && t.After(w.until) })
	if i := slices.IndexFunc(c.watches, is); i >= 0 {
		return c.watches[i]
	}
	return nil
}

// unwatch forgets a subscription.
func (c *Call) unwatch(w *watch) {
	c.watches = slices.DeleteFunc(c.watches, func(other *watch) bool { return other == w })
}

// watchRefer notes a REFER that was carried: what the other side tells of it is carried back.
func (c *Call) watchRefer(from, to *leg, in, out uint32) {
	if len(c.watches) >= maxWatches {
		c.watches = c.watches[1:]
	}
	c.watches = append(c.watches, &watch{from: from, to: to, name: eventRefer, in: seq(in), out: seq(out)})
}

const eventRefer = "refer"

// allowEvents is Allow-Events of a trunk (RFC 6665 8.2.2); refer is always among them.
func (c *Call) allowEvents(l *leg) msg.Header {
	names := c.snap.Signalling(l.trunk).PassEvents
	if !slices.Contains(names, eventRefer) {
		names = append([]string{eventRefer}, names...)
	}
	return msg.Header{Name: "Allow-Events", Value: strings.Join(names, ", ")}
}

// subscribed is a SUBSCRIBE within the call's dialog: a new subscription, a refresh, or the end of one (RFC 6665 4.1.2).
func (c *Call) subscribed(l *leg, tx msg.ServerTx, req *msg.Message) {
	e, to := notify.Parse(req), c.other(l)
	if c.resubscribed(l, tx, req, e) {
		return
	}
	w := c.watching(func(w *watch) bool { return w.from == l && w.name == e.Name && w.in == e.ID })
	here := c.snap.Signalling(l.trunk)
	switch {
	case w == nil && len(here.PassEvents) == 0:
		c.send(tx, c.reply(l, req, 405, msg.Header{Name: "Allow", Value: allowFor(l.trunk)}))
		return
	case w == nil && (!e.In(here) || to != nil && !e.In(c.snap.Signalling(to.trunk))): // RFC 6665 8.3.2
		c.send(tx, c.reply(l, req, 489, c.allowEvents(l)))
		return
	case w != nil && w.to != to, w == nil && len(c.watches) >= maxWatches:
		c.send(tx, c.reply(l, req, 500, msg.Header{Name: "Retry-After", Value: "1"}))
		return
	}
	rl := c.relayed(l, tx, req)
	if rl == nil {
		return
	}
	asked := notify.Seconds(req.Get("Expires"))
	if asked < 0 {
		asked = usualWatch
	}
	if w == nil {
		w = &watch{from: l, to: to, name: e.Name, in: e.ID, fresh: true, until: now().Add(watchGrace)}
		if e.ID != "" {
			c.watchIDs++
			w.out = strconv.Itoa(c.watchIDs)
		}
		c.watches = append(c.watches, w)
	}
	rl.watch = w
	r := c.carryOn(l, to, req, reqRelay)
	r.rl, r.contact = rl, true
	r.req.Append("Event", notify.Event{Name: w.name, ID: w.out}.String())
	r.req.Append("Expires", strconv.Itoa(min(asked, longestWatch)))
	notify.Accepts(r.req, req)
	r.send(to.d.Target(), msg.Timers{})
}

// resubscribed refreshes or ends the subscription that a REFER to us made (RFC 3515 2.4.4); false if it is not about one.
func (c *Call) resubscribed(l *leg, tx msg.ServerTx, req *msg.Message, e notify.Event) bool {
	if c.tr == nil || c.tr.refer == nil || c.tr.refer.leg != l || e.Name != eventRefer || e.ID != "" && e.ID != c.tr.refer.id {
		return false
	}
	rf, most := c.tr.refer, int(referLifetime/time.Second)
	if rf.over || rf.silent {
		c.send(tx, c.reply(l, req, 481))
		return true
	}
	asked := notify.Seconds(req.Get("Expires"))
	if asked < 0 || asked > most {
		asked = most
	}
	res := c.reply(l, req, 200, msg.Header{Name: "Expires", Value: strconv.Itoa(asked)})
	res.Append("Contact", c.contact(l, tx.Local()))
	c.send(tx, res)
	code := max(c.tr.code, 100)
	if asked > 0 {
		c.notify(rf, code, false)
		return true
	}
	if c.notify(rf, code, true) { // the end of the subscription, not of the transfer
		rf.last = nil
	}
	return true
}

// answeredWatch is the answer to a SUBSCRIBE or NOTIFY that was carried on; res is nil where there was none. It gives the code to
// answer with.
func (c *Call) answeredWatch(rl *relay, res *msg.Message, code int) int {
	w := rl.watch
	switch {
	case rl.req.Method == msg.NOTIFY:
		if status(res) == 481 || status(res) == 489 || res == nil { // RFC 6665 4.2.2: the subscriber knows nothing of it
			c.unwatch(w)
			return 481
		}
	case status(res)/100 == 2:
		w.fresh = false
	case w.fresh:
		c.unwatch(w)
	case status(res) == 481 || res == nil: // RFC 6665 4.1.2.2: it is gone
		c.unwatch(w)
		return 481
	}
	return code
}

// status is that of a response, 0 for none.
func status(res *msg.Message) int {
	if res == nil {
		return 0
	}
	return res.Status
}

// answerWatch puts on the answer what a subscription needs.
func (c *Call) answerWatch(rl *relay, res, out *msg.Message) {
	switch {
	case res.Status/100 == 2: // both refresh the targets (RFC 6665 4.1.2.2, 4.2.2)
		rl.to.d.Refresh(res)
		rl.from.d.Refresh(rl.req)
		out.Append("Contact", c.contact(rl.from, rl.tx.Local()))
		if rl.req.Method == msg.SUBSCRIBE {
			c.grant(rl, res, out)
		}
	case out.Status == 423:
		if n := notify.Seconds(res.Get("Min-Expires")); n > 0 {
			out.Append("Min-Expires", strconv.Itoa(n))
		}
	case out.Status == 489:
		h := c.allowEvents(rl.from)
		out.Append(h.Name, h.Value)
	}
}

// grant tells the subscriber the time that the notifier grants, never more than was asked for (RFC 6665 4.2.1.1), and keeps it.
func (c *Call) grant(rl *relay, res, out *msg.Message) {
	asked := notify.Seconds(rl.req.Get("Expires"))
	if asked < 0 {
		asked = usualWatch
	}
	n := notify.Seconds(res.Get("Expires"))
	if n < 0 || n > asked {
		n = asked
	}
	n = min(n, longestWatch)
	out.Append("Expires", strconv.Itoa(n))
	rl.watch.until = now().Add(time.Duration(n)*time.Second + watchGrace)
}

// told is a NOTIFY of a peer: it is carried to who subscribed, its body written anew. One that nobody subscribed to gets 481.
func (c *Call) told(l *leg, tx msg.ServerTx, req *msg.Message) {
	e := notify.Parse(req)
	state, ok := notify.ParseState(req)
	w := c.watching(func(w *watch) bool {
		return w.to == l && w.name == e.Name && (w.out == e.ID || e.ID == "" && w.name == eventRefer)
	})
	code, hs := 0, []msg.Header(nil)
	switch {
	case w == nil && e.Name != eventRefer && !e.In(c.snap.Signalling(l.trunk)):
		code, hs = 489, []msg.Header{c.allowEvents(l)}
	case w == nil || w.from != c.other(l) || !c.present(w.from) || w.from.d == nil:
		code = 481
	case !ok:
		code = 400
	}
	if code != 0 {
		c.send(tx, c.reply(l, req, code, hs...))
		return
	}
	var sheet *sheet
	if len(req.Body) > 0 {
		if sheet = c.sheet(l, w.from, req); sheet == nil { // RFC 3261 8.2.3
			c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: notify.Kinds}))
			return
		}
	}
	rl := c.relayed(l, tx, req)
	if rl == nil {
		return
	}
	rl.watch = w
	r := c.carryOn(l, w.from, req, reqRelay)
	r.rl, r.contact, r.sheet = rl, true, sheet
	r.req.Append("Event", notify.Event{Name: w.name, ID: w.in}.String())
	r.req.Append("Subscription-State", state.String())
	switch {
	case state.Name == "terminated":
		c.unwatch(w)
	case state.Expires >= 0 && !w.until.IsZero(): // RFC 6665 4.1.3: the time the NOTIFY says counts
		if until := now().Add(time.Duration(state.Expires)*time.Second + watchGrace); until.Before(w.until) {
			w.until = until
		}
	}
	r.send(w.from.d.Target(), msg.Timers{})
}

// unwatchLeg ends the subscriptions of a side that goes while the call goes on: who subscribed to it is told to do so again (RFC
// 6665 4.1.3, deactivated), if it likes, with who came instead.
func (c *Call) unwatchLeg(gone *leg) {
	if len(c.watches) == 0 {
		return
	}
	old := c.watches
	c.watches = nil
	for _, w := range old {
		switch {
		case w.to == gone && w.name != eventRefer && c.present(w.from) && w.from.d != nil:
			req := w.from.d.Request(msg.NOTIFY)
			c.own(req)
			req.Append("Event", notify.Event{Name: w.name, ID: w.in}.String())
			req.Append("Subscription-State", "terminated;reason=deactivated")
			r := &request{c: c, leg: w.from, kind: reqTold, req: req, contact: true}
			r.send(w.from.d.Target(), msg.Timers{})
		case w.to != gone && w.from != gone:
			c.watches = append(c.watches, w)
		}
	}
}

// sheet is a body with places for our host, which is another for each interface the request is tried on.
type sheet struct{ kind, body string }

// sheet writes the body of a NOTIFY anew; nil for one that must not pass.
func (c *Call) sheet(from, to *leg, req *msg.Message) *sheet {
	cleaner := &notify.Cleaner{Clean: c.snap.Header.Judge(req, c.flow(from, to)), In: req, Secret: from.user}
	kind, body, ok := cleaner.Rewrite()
	if !ok {
		return nil
	}
	return &sheet{kind: kind, body: string(body)}
}
