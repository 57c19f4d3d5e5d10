package dialog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Why a message cannot make a dialog, or does not fit in one.
var (
	// ErrNoContact says that the message lacks exactly one Contact with a SIP URI (RFC 3261 8.1.1.8); a request with it gets 400.
	ErrNoContact = errors.New("dialog: a Contact with one SIP URI is needed")
	// ErrOldSequence says that a request's CSeq is below one already seen; it gets 500 (RFC 3261 12.2.2).
	ErrOldSequence = errors.New("dialog: sequence number below the last one")
	// ErrStranger says that the tags are not this dialog's; the request gets 481 (RFC 3261 12.2.2).
	ErrStranger = errors.New("dialog: tags do not match")
)

// maxForwards is what our requests begin with (RFC 3261 8.1.1.6).
const maxForwards = 70

// firstSequence begins our sequence numbers. Any value below 2^31 would do (RFC 3261 8.1.1.5).
const firstSequence = 1

// Dialog is one side's view of a dialog: ours.
type Dialog struct {
	callID        string
	local, remote msg.NameAddr // From and To of the requests we send, with tags
	localSeq      uint32       // of the last request we sent
	remoteSeq     uint32       // of the last request that came
	remoteSent    bool         // whether remoteSeq holds anything
	owner         bool         // whether the Call-ID is ours
	confirmed     bool
	routes        []msg.NameAddr
	target        msg.URI
	named         bool       // whether target is a Contact of the peer's
	params        msg.Params // of that Contact, beside those of its URI
	peer          msg.Hop
}

// NewUAS makes the early dialog of an INVITE that we answer with tag (RFC 3261 12.1.1). Error: ErrNoContact.
func NewUAS(invite *msg.Message, tag string) (*Dialog, error) {
	contact, err := soleContact(invite)
	if err != nil {
		return nil, err
	}
	routes, err := invite.RecordRoutes()
	if err != nil {
		return nil, fmt.Errorf("dialog: Record-Route: %w", err)
	}
	return &Dialog{
		callID: invite.CallID, local: invite.To.WithTag(tag), remote: invite.From,
		remoteSeq: invite.CSeq.Seq, remoteSent: true, routes: routes, target: contact.URI, named: true, params: contact.Params,
		peer: invite.Hop,
	}, nil
}

// NewUAC makes the dialog that a response opens for an INVITE we sent (RFC 3261 12.1.2): early for a provisional response,
// confirmed for a 2xx. It is nil for a provisional response without a To tag. What a 2xx lacks is made up for, because the call
// exists: without a Contact the Request-URI stays the target, without a tag the peer is older than RFC 3261 (12.1.2).
func NewUAC(invite, res *msg.Message) *Dialog {
	first := Dialog{callID: invite.CallID, local: invite.From}
	return first.Fork(invite.RequestURI, invite.CSeq.Seq, res)
}

// Fork is NewUAC for another response to the INVITE that made d; uri and seq are the Request-URI and the number of that INVITE.
func (d *Dialog) Fork(uri msg.URI, seq uint32, res *msg.Message) *Dialog {
	if res.To.Tag() == "" && res.Status < 200 {
		return nil
	}
	f := &Dialog{
		callID: d.callID, local: d.local, remote: res.To, localSeq: seq, owner: true, target: uri, peer: res.Hop,
	}
	f.Answered(res)
	return f
}

// NewNotified makes the dialog that a NOTIFY opens for a SUBSCRIBE we sent, which may come before the 2xx (RFC 6665 4.4.1). Errors:
// ErrNoContact.
func NewNotified(subscribe, notify *msg.Message) (*Dialog, error) {
	contact, err := soleContact(notify)
	if err != nil {
		return nil, err
	}
	routes, err := notify.RecordRoutes()
	if err != nil {
		return nil, fmt.Errorf("dialog: Record-Route: %w", err)
	}
	return &Dialog{
		callID: subscribe.CallID, local: subscribe.From, remote: notify.From, localSeq: subscribe.CSeq.Seq, owner: true,
		confirmed: true, routes: routes, target: contact.URI, named: true, params: contact.Params, peer: notify.Hop,
	}, nil
}

// Answered takes over what a response to our INVITE says. The route set is taken from each response until a 2xx confirms the
// dialog (RFC 3261 13.2.2.4), then it stays (12.2.1.2). A Record-Route that cannot be read counts as none.
func (d *Dialog) Answered(res *msg.Message) {
	d.Refresh(res)
	d.Learn(res.Hop)
	if d.confirmed {
		return
	}
	routes, err := res.RecordRoutes()
	if err != nil {
		routes = nil
	}
	slices.Reverse(routes)
	d.routes = routes
	d.confirmed = res.Status/100 == 2
}

// soleContact gives the one Contact.
func soleContact(m *msg.Message) (msg.NameAddr, error) {
	contact, ok := m.Contact()
	if !ok || !contact.URI.IsSIP() || contact.URI.Host == "" {
		return msg.NameAddr{}, ErrNoContact
	}
	return contact, nil
}

// Confirm makes the dialog of a UAS confirmed: its 2xx was sent.
func (d *Dialog) Confirm() { d.confirmed = true }

// Confirmed tells confirmed dialogs from early ones.
func (d *Dialog) Confirmed() bool { return d.confirmed }

// CallID is the dialog's Call-ID.
func (d *Dialog) CallID() string { return d.callID }

// Owner tells whether the Call-ID is ours, which decides how long to wait after a 491 (RFC 3261 14.1).
func (d *Dialog) Owner() bool { return d.owner }

// LocalTag is ours, RemoteTag the peer's ("" from peers older than RFC 3261).
func (d *Dialog) LocalTag() string { return d.local.Tag() }

// RemoteTag is the peer's; "" from peers older than RFC 3261.
func (d *Dialog) RemoteTag() string { return d.remote.Tag() }

// Peer is where the peer's last message came from.
func (d *Dialog) Peer() msg.Hop { return d.peer }

// Sequence is the CSeq number of the last request we sent.
func (d *Dialog) Sequence() uint32 { return d.localSeq }

// Matches tells whether a request belongs to the dialog by both tags (RFC 3261 12.2.2). The Call-ID is not asked: our tag is
// random and tells more, and gateways on the way are known to rewrite it.
func (d *Dialog) Matches(req *msg.Message) bool {
	return req.To.Tag() == d.LocalTag() && req.From.Tag() == d.RemoteTag()
}

// Check judges a request of the peer and, if it is in order, takes its sequence number. Numbers may jump (RFC 3261 12.2.2) and
// may repeat, because devices are found that do not count; retransmissions never come here. Errors: ErrStranger,
// ErrOldSequence.
func (d *Dialog) Check(req *msg.Message) error {
	if !d.Matches(req) {
		return ErrStranger
	}
	if req.Method == msg.ACK || req.Method == msg.CANCEL { // they carry the number of their INVITE
		return nil
	}
	if d.remoteSent && req.CSeq.Seq < d.remoteSeq {
		return ErrOldSequence
	}
	d.remoteSeq, d.remoteSent = req.CSeq.Seq, true
	return nil
}

// Learn takes the address the peer's newest message came from, so that ours find their way back when a translator moved it.
func (d *Dialog) Learn(h msg.Hop) {
	if h.Remote.IsValid() {
		d.peer = h
	}
}

// Refresh takes the remote target from a target refresh: an INVITE or UPDATE that we answered with 2xx, or the 2xx to ours
// (RFC 3261 12.2.1.2, 12.2.2, RFC 3311 5.1). A message without a usable Contact leaves the target as it is.
func (d *Dialog) Refresh(m *msg.Message) {
	if contact, err := soleContact(m); err == nil {
		d.target, d.named, d.params = contact.URI, true, contact.Params
	}
}

// Contact gives the peer's newest Contact, as Refresh took it; false if it has sent none.
func (d *Dialog) Contact() (c msg.NameAddr, ok bool) {
	return msg.NameAddr{URI: d.target, Params: d.params}, d.named
}
