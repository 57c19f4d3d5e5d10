package call

import (
	"errors"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// replaces names a dialog (RFC 3891 3): toTag is that of whoever gets the INVITE with it, which is us.
type replaces struct {
	callID, toTag, fromTag string
	// early says that an answered dialog is not meant.
	early bool
}

// parseReplaces reads the value of a Replaces header.
func parseReplaces(value string) (r replaces, ok bool) {
	parts := strings.Split(value, ";")
	r.callID = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		name, v, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			r.toTag = strings.TrimSpace(v)
		case "from-tag":
			r.fromTag = strings.TrimSpace(v)
		case "early-only":
			r.early = true
		}
	}
	return r, r.callID != "" && r.toTag != "" && r.fromTag != ""
}

// replacesOf reads the Replaces header that a Refer-To URI asks for (RFC 3261 19.1.1); named tells whether there is one.
func replacesOf(u msg.URI) (r replaces, named, ok bool) {
	value, named := msg.Param(u.Headers, "Replaces")
	if !named {
		return r, false, false
	}
	plain, err := url.PathUnescape(value)
	if err != nil {
		return r, true, false
	}
	r, ok = parseReplaces(plain)
	return r, true, ok
}

// names tells whether it is that dialog.
func (r replaces) names(d *dialog.Dialog) bool {
	return d != nil && d.CallID() == r.callID && d.LocalTag() == r.toTag && d.RemoteTag() == r.fromTag
}

// tokens find the dialogs that one side was told of by a token: Call-ID and tags are the other side's.
type tokens struct {
	mu  sync.Mutex
	all map[string]*endpoint
}

// maxTokens bounds the tokens; beyond it those of dialogs that are over are forgotten first.
const maxTokens = 10_000

// dialogToken names an endpoint's dialog where another side than its own is to name it (see passRefer); it is made once for each. ok is
// false if there are too many.
func (m *Manager) dialogToken(e *endpoint) (token string, ok bool) {
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	if t := e.token.Load(); t != nil {
		return *t, true
	}
	if len(m.tokens.all) >= maxTokens {
		maps.DeleteFunc(m.tokens.all, func(_ string, e *endpoint) bool { return e.over.Load() })
	}
	if len(m.tokens.all) >= maxTokens {
		return "", false
	}
	if m.tokens.all == nil {
		m.tokens.all = map[string]*endpoint{}
	}
	token = msg.NewTag() + msg.NewTag()
	e.token.Store(&token)
	m.tokens.all[token] = e
	return token, true
}

// named finds the endpoint that somebody names, by our tag or by a token.
func (m *Manager) named(r replaces) *endpoint {
	if e := m.calls.tag(r.toTag); e != nil {
		return e
	}
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	return m.tokens.all[r.toTag]
}

// knows tells whether somebody names the dialog by the token that we gave out.
func (e *endpoint) knows(r replaces) bool {
	token := e.token.Load()
	return token != nil && *token == r.callID && *token == r.fromTag && *token == r.toTag
}

// replace is an INVITE whose sender wants to take the place of somebody in a call of ours (RFC 3891 3). It must come from the trunk
// of that side, or name the dialog as only we could have told it.
func (m *Manager) replace(tx msg.ServerTx, req *msg.Message) {
	who, known := m.o.Snapshot().Identify.Identify(source(req.Hop), number(req.RequestURI))
	values := req.GetAll("Replaces")
	r, ok := parseReplaces(values[0])
	e := m.named(r)
	code := 0
	switch {
	case len(values) != 1 || !ok:
		code = 400
	case !known:
		code = 403
	case e == nil:
		code = 481
	case e.gone.Load() || e.over.Load(): // RFC 3891 3: it was one
		code = 603
	case who.TrunkID != e.trunkID && !e.knows(r):
		code = 403
	}
	if code != 0 {
		m.respond(tx, m.response(req, code))
		return
	}
	e.owner().postReplace(e, who, tx, req, r)
}

// postReplace puts an INVITE with Replaces in the call's queue.
func (c *Call) postReplace(e *endpoint, who identify.Caller, tx msg.ServerTx, req *msg.Message, r replaces) {
	c.post(job{kind: jobRun, run: func() {
		if code, hs := c.replaced(e, who, tx, req, r); code != 0 {
			res := c.m.response(req, code)
			for _, h := range hs {
				res.Append(h.Name, h.Value)
			}
			c.m.respond(tx, res)
		}
		c.run()
	}})
}

// replaced begins to put the sender of an INVITE in the place of a leg. The code is a refusal.
func (c *Call) replaced(e *endpoint, who identify.Caller, tx msg.ServerTx, req *msg.Message, r replaces) (int, []msg.Header) {
	l := e.leg
	offer, ok := sessionBody(req)
	bad := unsupported(req, optionTimer)
	switch {
	case e.owner() != c || c.st.ended || !c.present(l) || !r.names(l.d) && !e.knows(r):
		return 481, nil
	case r.early: // RFC 3891 3: the dialog is confirmed
		return 486, nil
	case !ready(c.st):
		return 500, []msg.Header{{Name: "Retry-After", Value: "2"}}
	case c.transfers >= maxTransfers || req.MaxForwards == 0:
		return 483, nil
	case bad != "":
		return 420, []msg.Header{{Name: "Unsupported", Value: bad}}
	case !ok:
		return 415, []msg.Header{{Name: "Accept", Value: accepted}}
	case offer == nil:
		return 488, nil
	}
	n := c.newLeg(l.side, who.TrunkID, c.snap.Trunk(who.TrunkID), 0)
	if n.trunk == nil || !c.snap.ActiveTrunk(who.TrunkID) {
		return 403, nil
	}
	if n.accept(req) != nil {
		return 400, nil
	}
	if least, small := c.timerTooSmall(n, req); small {
		return 422, []msg.Header{{Name: "Min-SE", Value: strconv.Itoa(least)}}
	}
	if v := c.takePlace(n, admit.In); !v.OK {
		return v.Code, nil
	}
	if n.number = number(req.From.URI); req.Has("Privacy") {
		n.number = anonymousUser
	}
	c.ladder.add(n.side, false, 0, req.Raw, req.Hop)
	c.listen(n, tx, req)
	n.party = c.session.Party(c.partyOptions(n, req.Hop.Remote.Addr()))
	t := &transfer{place: c.placeOf(l), old: l, target: n, invite: req, tx: tx, by: "replaces", number: n.number}
	c.begun(t)
	c.raiseAt(evReplace, t.place)
	return 0, nil
}

// listen ties the transaction of an INVITE to the call and makes its leg findable.
func (c *Call) listen(n *leg, tx msg.ServerTx, req *msg.Message) {
	n.end.heard(req.Hop)
	c.m.calls.addTag(n.tag, n.end)
	c.hunt.tags = append(c.hunt.tags, n.tag)
	tx.SetTag(n.tag)
	tx.OnCancel(func(cancel *msg.Message) { c.post(job{kind: jobCancel, tx: tx, msg: cancel}) })
	tx.OnFailed(func(err error) { c.post(job{kind: jobTxFailed, tx: tx, err: err}) })
	side := n.side // told from outside the queue
	tx.OnSent(func(raw []byte, hop msg.Hop) { c.ladder.add(side, true, 0, raw, hop) })
	c.send(tx, msg.NewResponse(req, 100, ""))
}

// offerTarget offers what the sender of the INVITE says to the side that stays.
func (c *Call) offerTarget(t *transfer) {
	offer, _ := sessionBody(t.invite)
	p := &proposal{leg: t.kept, offer: func() (Exchange, error) {
		if c.tr != t { // its sender gave up before the turn came
			return nil, errOver
		}
		x, err := c.session.Offer(t.target.party, t.kept.party, offer)
		t.offered = err == nil
		return x, err
	}}
	p.done = func(err error) {
		t.offered = err == nil
		if c.tr != t {
			return
		}
		if t.answer = p.answer; err == nil {
			c.raise(evTargetAgreed)
			return
		}
		t.code = 488
		var refused *refusedError
		if errors.As(err, &refused) {
			t.code = translate(refused.code)
		}
		c.raise(evTargetFailed)
	}
	c.propose(p)
}

// answerTarget is the 200 to the INVITE with Replaces.
func (c *Call) answerTarget(t *transfer) {
	out := c.reply(t.target, t.invite, 200)
	for _, rr := range t.invite.GetAll("Record-Route") {
		out.Append("Record-Route", rr)
	}
	out.Append("Contact", t.tx.Local().Contact(t.target.user))
	out.Append("Allow", t.target.allow)
	out.SetBody(accepted, t.answer)
	c.answerTimer(t.target, t.invite, out)
	c.send(t.tx, out)
	t.target.d.Confirm()
}

// refuseTarget is the final failure of the INVITE with Replaces. The side that stays may have been told of its media already.
func (c *Call) refuseTarget(t *transfer) {
	if t.code == 0 {
		t.code = 487
	}
	c.send(t.tx, c.reply(t.target, t.invite, t.code))
	if t.offered && stays(c.st) && c.present(t.old) {
		c.introduce(t.old, t.kept)
	}
}
