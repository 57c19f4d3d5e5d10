package call

import (
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// By default our Contact and Call-ID tell nobody anything (sbc.ContactView). What profiles let show is taken from the other side's dialog
// whenever a message is built, so that every message shows the same, after a restart and after a target refresh, too. Nothing is ever
// found by it: dialogs are found by our tag, which is random.

// face is what of the other side's Contact shows in ours.
type face struct {
	user        string // "" shows a word of our own
	uri, params msg.Params
}

const (
	// maxShown bounds a user part or parameter that is shown, in octets, and maxShownCallID a Call-ID.
	maxShown, maxShownCallID = 256, 256
	// maxShownParams bounds the parameters that are shown.
	maxShownParams = 16
)

// contact is our Contact for a leg's peer.
func (c *Call) contact(l *leg, local msg.Local) string {
	if l.view == nil {
		return local.Contact(l.user)
	}
	return c.faceFor(l, nil).contact(l, local)
}

// contact spells it for one interface.
func (f *face) contact(l *leg, local msg.Local) string {
	if f == nil {
		return local.Contact(l.user)
	}
	user := f.user
	if user == "" {
		user = l.user
	}
	return local.ContactLike(user, f.uri, f.params)
}

// faceFor gives what shows to a leg's peer, nil for nothing. carried is the request of the other side that is passed on, whose Contact is
// newer than the dialog's; nil for none.
func (c *Call) faceFor(l *leg, carried *msg.Message) *face {
	from := c.other(l)
	switch {
	case c.tr != nil && l == c.tr.target:
		from = c.tr.kept
	case l != c.a && l != c.b: // it was replaced: it hears nothing of who came
		return l.face
	}
	l.face = nil
	if !c.showsTo(from, l) || from.d == nil {
		return nil
	}
	contact, ok := from.d.Contact()
	if carried != nil {
		if n, one := carried.Contact(); one && n.URI.IsSIP() {
			contact, ok = n, true
		}
	}
	if !ok {
		return nil
	}
	f := &face{}
	if l.view.KeepUserInContact && from.view.KeepUserInContact && c.mayShowUser(from, contact.URI.User) {
		f.user = contact.URI.User
	}
	flow := c.flow(from, l)
	f.uri = c.shownParams(from, l, flow, contact.URI.UriParams)
	f.params = c.shownParams(from, l, flow, contact.Params)
	l.face = f
	return f
}

// showsTo tells whether the profiles of both sides show something of the one's dialog to the other, and the wishes of the caller let
// them.
func (c *Call) showsTo(from, l *leg) bool {
	if from == nil || from.view == nil || l.view == nil || l.hidden != nil || from.who != nil && from.who.Anonymous {
		return false
	}
	original := from.number == "" && from.side == sbc.SideCaller
	return !original || (c.rec.privacy == "" || c.rec.privacy == "none") && !c.rec.hidden && !c.rec.unnamed
}

// mayShowUser tells whether a user part is one: an address or host of its side in its place is not shown.
func (c *Call) mayShowUser(from *leg, user string) bool {
	if user == "" || len(user) > maxShown {
		return false
	}
	f := header.Flow{FromTrunk: from.trunk}
	if p := from.d.Peer(); p.Remote.IsValid() {
		f.Also = []string{p.Remote.Addr().String()}
	}
	return c.snap.Header.May(f, "Contact", user)
}

// shownParams picks those parameters that both profiles name and that tell nothing else of their side.
func (c *Call) shownParams(from, l *leg, f header.Flow, all msg.Params) (shown msg.Params) {
	for _, p := range all {
		if len(shown) < maxShownParams && len(p.K)+len(p.V) <= maxShown && l.view.ShowsParam(p.K) && from.view.ShowsParam(p.K) &&
			c.snap.Header.May(f, "Contact", p.V) {
			shown = append(shown, p)
		}
	}
	return shown
}

// callIDFor gives the Call-ID with which a dialog towards l begins, "" for one of our own.
func (c *Call) callIDFor(l, from *leg) string {
	if l.view == nil || !l.view.KeepCallID || !c.showsTo(from, l) || !from.view.KeepCallID || from.d == nil {
		return ""
	}
	id := from.d.CallID()
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' || r == ';' }
	if len(id) > maxShownCallID || strings.ContainsFunc(id, odd) { // RFC 3261 25.1 "callid" has none of them
		return ""
	}
	return id
}

// carried is the request of the other side that a request passes on, nil for none.
func (r *request) carried() *msg.Message {
	switch {
	case r.up != nil:
		return r.up.req // nil for a change of ours
	case r.rl != nil:
		return r.rl.req
	}
	return nil
}
