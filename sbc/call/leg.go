package call

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// leg is one side of a call: a dialog and a party of the media. Both directions have the same type.
type leg struct {
	side    sbc.Side
	attempt int // from 1 on the callee's side, 0 on the caller's
	// tag is ours in every dialog of the leg; user is the user part of our Contact, which tells nobody anything.
	tag, user  string
	end        *endpoint
	trunk      *sbc.Trunk
	who        *Origin // the subscriber at its end, nil for a trunk
	allow      string  // the methods that its peer is told
	endpointID string
	party      *media.Party
	// d is the leg's dialog: on the callee's side the one that answered, before that the newest early one. forks are the others of
	// the same INVITE.
	d     *dialog.Dialog
	forks []*dialog.Dialog
	// invite is the callee's INVITE, nil on the caller's side, uri its Request-URI when it was answered, and ackBody what the ACK of its 2xx brought.
	invite  *request
	uri     *msg.URI
	ackBody []byte
	// branches are the INVITEs to the phones of a subscriber until one of them has answered, nil for others (branch.go); invite is the
	// one that was heard last then.
	branches []*request
	agent    string
	timer    sessionTimer
	ping     ping
	// inviteSeq is the CSeq number of the INVITE that made the leg; acked tells that the 2xx to ours was acknowledged.
	inviteSeq uint32
	acked     bool
	// untaken counts the NOTIFYs and PRACKs of ours that the peer has not answered, dismissed the dialogs of its INVITE that nobody
	// wanted.
	untaken, dismissed uint16
	// held says that the peer was told not to send, paused that the API wants it so.
	held, paused bool
	// sealed says that the peer's signalling is encrypted, unsealed that its media are not, although its profile would have it so.
	sealed, unsealed bool
	gone             bool // nobody is there: it goes on in another call, has not come yet, or is served by us
	// updates tells whether the peer takes UPDATE, as far as its Allow and its own requests say.
	updates answer
	// assurance says, on the caller's side, what its INVITE said of reliable provisional responses; earlies are, on the callee's,
	// what is known of the dialogs before the 2xx.
	assurance assurance
	earlies   []*fork
	playing   playing
	signalled heardDigit
	// place is the leg's on its trunk, nil before and after.
	place *admit.Place
	// number is that of a peer who came later than the call; role, joined and toll are set on legs that took part in a transfer: toll
	// is the place of the new call on the trunk of who asked for it.
	number, role string
	joined       time.Time
	toll         *admit.Place
	// words tell the peer apart; they are those of the dialog worded and of earlier ones. contact is the name the peer has for itself.
	words   []string
	worded  *dialog.Dialog
	contact string
	// changing is the session change on its way to the peer, nil for none: it may outlive the wish that it was for (RFC 3261 14.1).
	changing *request
	// late is the offer that we made in the 200 to the peer's INVITE; its answer comes in the ACK. nil for most.
	late Exchange
	// hidden is what the peer must not see of the other side's caller, who wishes so; nil for most.
	hidden []string
	// rules are those of the trunk's header profile, nil for none.
	rules *header.Profile
	// view is what the trunk's profile shows of the other side to the peer, and of the peer there, nil for nothing; face is what it
	// was shown last.
	view *sbc.ContactView
	face *face
	// detour says which redirections led to the leg's attempt, nil for none.
	detour *detour
	// prover answers the challenges of the leg's trunk, nil before the first.
	prover *prover
	// desk is who of ours answers, on a callee's leg without a dialog; nil for most.
	desk *desk
}

// newLeg makes a leg and how it is found.
func (c *Call) newLeg(side sbc.Side, trunkID string, trunk *sbc.Trunk, attempt int) *leg {
	l := &leg{side: side, attempt: attempt, trunk: trunk, tag: msg.NewTag(), user: msg.NewTag(), rules: c.snap.HeaderRules(trunk)}
	l.allow = allowFor(trunk)
	profile := c.snap.Signalling(trunk)
	if profile.Shows() {
		l.view = &profile.ContactView
	}
	l.end = &endpoint{leg: l, trunkID: trunkID, policy: profile.InDialogSource}
	l.end.call.Store(c)
	return l
}

// other is the leg on the other side, nil before the first attempt.
func (c *Call) other(l *leg) *leg {
	if l == c.a {
		return c.b
	}
	return c.a
}

// accept makes the caller's dialog. The error is a 400.
func (l *leg) accept(invite *msg.Message) error {
	d, err := dialog.NewUAS(invite, l.tag)
	if err != nil {
		return err
	}
	l.d, l.inviteSeq, l.agent = d, invite.CSeq.Seq, invite.Get("User-Agent")
	l.contact = ownName(invite)
	l.hears(invite)
	return nil
}

// dialogOf finds the leg's dialog that a request belongs to by both tags.
func (l *leg) dialogOf(req *msg.Message) *dialog.Dialog {
	if l.d != nil && l.d.Matches(req) {
		return l.d
	}
	for _, d := range l.forks {
		if d.Matches(req) {
			return d
		}
	}
	return nil
}

// fork finds the leg's dialog of a response by its To tag, and makes it where there is none. It is nil for provisional
// responses without a tag.
func (l *leg) fork(res *msg.Message) *dialog.Dialog {
	tag := res.To.Tag()
	for _, d := range append([]*dialog.Dialog{l.d}, l.forks...) {
		if d != nil && d.RemoteTag() == tag {
			d.Answered(res)
			return d
		}
	}
	d := l.invite.opens(res)
	if d == nil {
		return nil
	}
	if len(l.forks) >= maxForks {
		l.forks = l.forks[1:]
	}
	if l.d != nil {
		l.forks = append(l.forks, l.d)
	}
	l.d, l.contact = d, ownName(res)
	return d
}

// maxForks bounds the dialogs that one INVITE may open.
const maxForks = 8

// choose makes a dialog the leg's.
func (l *leg) choose(d *dialog.Dialog) {
	if l.d == d {
		return
	}
	for i, f := range l.forks {
		if f == d {
			l.forks[i] = l.d
		}
	}
	l.d = d
}

// partyOptions are those of a leg's media.
func (c *Call) partyOptions(l *leg, signalling netip.Addr) media.PartyOptions {
	o := media.PartyOptions{Signalling: signalling}
	if l.trunk == nil {
		return o
	}
	o.Pools = c.snap.PoolsOf(l.trunk.RealmID)
	if r := c.snap.Realm(l.trunk.RealmID); r != nil {
		o.Latch = media.Latch(r.Latching)
	}
	if l.gone { // nobody speaks there
		o.Latch = media.LatchSDP
	}
	profile := c.snap.Media(l.trunk)
	c.listenFor(profile)
	o.DTMF, o.Audible = partyDTMF(profile.DTMF), profile.Hold != sbc.HoldPass
	o.Secure = l.secureMedia(profile)
	o.Secure.NoZRTP = profile.ZRTP == sbc.ZRTPStrip
	l.reachMedia(profile, &o)
	o.Policy, o.SilenceEither = mediaPolicy(profile), profile.Silence == sbc.SilenceEither
	return o
}

// flow says between whom a message passes.
func (c *Call) flow(from, to *leg) header.Flow {
	f := header.Flow{
		FromTrunk: from.trunk, ToTrunk: to.trunk, FromTrust: c.trust(from), ToTrust: c.trust(to), Also: c.words(from),
		Vouched: from.who != nil,
	}
	if to.hidden != nil {
		f.Also = slices.Concat(f.Also, to.hidden)
	}
	return f
}

// trust is how far the leg's realm is believed; no realm is believed least.
func (c *Call) trust(l *leg) sbc.Trust {
	if l.trunk != nil {
		if r := c.snap.Realm(l.trunk.RealmID); r != nil {
			return r.Trust
		}
	}
	return sbc.TrustAccess
}

// words are what tells the leg's peer apart and must not show on the other side.
func (c *Call) words(l *leg) []string {
	if l.d == l.worded {
		return l.words
	}
	if l.worded = l.d; l.d == nil {
		return l.words
	}
	l.words = slices.Grow(l.words, 6)
	l.words = append(l.words, l.d.CallID(), l.d.LocalTag(), l.d.RemoteTag(), l.user, l.contact)
	if p := l.d.Peer(); p.Remote.IsValid() {
		l.words = append(l.words, p.Remote.Addr().String())
	}
	return l.words
}

// ownName is the user part of a Contact, where it is a device's name for itself and not a number: "" else. Short ones are words
// that any text may hold.
func ownName(m *msg.Message) string {
	const short = 8
	contact, ok := m.Contact()
	if !ok {
		return ""
	}
	user := contact.URI.User
	if len(user) < short || strings.Trim(user, "+0123456789") == "" || user == m.From.URI.User || user == m.To.URI.User {
		return ""
	}
	return user
}

// reply builds a response to a request of a leg.
func (c *Call) reply(l *leg, req *msg.Message, code int, headers ...msg.Header) *msg.Message {
	res := msg.NewResponse(req, code, "")
	if code > 100 && req.To.Tag() == "" {
		res.SetToTag(l.tag)
	}
	res.Append("Server", c.m.o.ServerName)
	for _, h := range headers {
		res.Append(h.Name, h.Value)
	}
	return res
}

// send responds; a broken transport is told by the transaction itself.
func (c *Call) send(tx msg.ServerTx, res *msg.Message) {
	if err := tx.Respond(c.ruledResponse(tx, res)); err != nil {
		c.m.o.Log.Debug("response not sent", "call_id", c.id, "status", res.Status, "error", err)
	}
}

// request is a request of a peer within a dialog (RFC 3261 12.2.2).
func (c *Call) request(l *leg, tx msg.ServerTx, req *msg.Message) {
	c.ladder.add(l.side, false, l.attempt, req.Raw, req.Hop)
	req = c.received(l, req)
	side, attempt := l.side, l.attempt // told from outside the queue
	tx.OnSent(func(raw []byte, hop msg.Hop) { c.ladder.add(side, true, attempt, raw, hop) })
	d := l.dialogOf(req)
	switch {
	case d == nil:
		c.m.intruded(l.end, req, badTags)
		c.send(tx, c.reply(l, req, 481))
		return
	case d.Check(req) != nil: // RFC 3261 12.2.2
		c.m.intruded(l.end, req, badSequence)
		c.send(tx, c.reply(l, req, 500))
		return
	}
	if bad := unsupported(req, c.extensions(l)...); bad != "" && req.Method != msg.BYE { // a call that is over is over whatever the BYE demands
		c.send(tx, c.reply(l, req, 420, msg.Header{Name: "Unsupported", Value: bad}))
		return
	}
	if misplaced(req) {
		c.send(tx, c.reply(l, req, 400))
		return
	}
	d.Learn(req.Hop)
	l.end.heard(req.Hop)
	l.hears(req)
	switch {
	case l == c.former && req.Method == msg.BYE && d == l.d && !c.st.ended:
		c.in, c.inTx = req, tx
		c.raise(evFormerBye)
		return
	case req.Method == msg.PRACK && l == c.a && !c.st.ended: // for any of its dialogs
		c.pracked(l, tx, req)
		return
	case req.Method == msg.UPDATE && l == c.b && c.st.a == callerInviting && c.st.b == calleeRinging: // of any fork
		l.choose(d)
	case req.Method == msg.UPDATE && c.tr != nil && l == c.tr.target && c.st.t == targetRinging:
		c.updatedEarly(l, d, tx, req)
		return
	}
	if d != l.d || c.st.ended || !c.present(l) { // a fork that lost, an attempt that is over, somebody who was replaced
		code := 481
		if req.Method == msg.BYE {
			code = 200
		}
		c.send(tx, c.reply(l, req, code))
		return
	}
	c.dispatch(l, tx, req)
}

// dispatch gives a request of a leg's dialog to whom it concerns.
func (c *Call) dispatch(l *leg, tx msg.ServerTx, req *msg.Message) {
	if c.served() && c.serveRequest(l, tx, req) {
		return
	}
	switch req.Method {
	case msg.BYE:
		c.hungUp(l, tx, req)
	case msg.INVITE:
		tx.OnFailed(func(err error) { c.post(job{kind: jobTxFailed, tx: tx, err: err}) })
		tx.OnCancel(func(cancel *msg.Message) { c.post(job{kind: jobCancel, tx: tx, msg: cancel}) })
		c.send(tx, msg.NewResponse(req, 100, ""))
		c.change(l, tx, req)
	case msg.UPDATE:
		if len(req.Body) > 0 {
			c.change(l, tx, req)
		} else if !c.refreshed(l, tx, req) {
			c.relay(l, tx, req)
		}
	case msg.REFER:
		c.referred(l, tx, req)
	case msg.SUBSCRIBE:
		c.subscribed(l, tx, req)
	case msg.NOTIFY:
		c.told(l, tx, req)
	case msg.INFO, msg.MESSAGE:
		c.passOn(l, tx, req)
	case msg.OPTIONS:
		c.send(tx, c.m.capabilities(req))
	case msg.PRACK: // RFC 3262 3: no provisional of ours was reliable on this leg
		c.send(tx, c.reply(l, req, 481))
	default:
		c.send(tx, c.reply(l, req, 405, msg.Header{Name: "Allow", Value: l.allow}))
	}
}

// opposite is the other side.
func opposite(s sbc.Side) sbc.Side {
	if s == sbc.SideCaller {
		return sbc.SideCallee
	}
	return sbc.SideCaller
}

// legAt finds the leg of a side. The machine's caller is not always the side that the call came from: who takes a place by an
// INVITE is our client, and in a call of ours the first one called is.
func (c *Call) legAt(s sbc.Side) *leg {
	if c.b != nil && c.b.side == s {
		return c.b
	}
	if c.a.side == s {
		return c.a
	}
	return nil
}
