package dialog

import (
	"fmt"

	"github.com/sallyport/sallyport/sbc/msg"
)

// State is a Dialog as it is kept for a later process: addresses and URIs as text, made for encoding/json.
type State struct {
	CallID, Local, Remote string
	LocalSeq, RemoteSeq   uint32
	RemoteSent            bool `json:",omitempty"`
	Owner                 bool `json:",omitempty"`
	Confirmed             bool
	Routes                []string `json:",omitempty"`
	Target                string
	// Contact is the peer's, where it says more than Target; Unnamed says that Target is no Contact of the peer's.
	Contact string `json:",omitempty"`
	Unnamed bool   `json:",omitempty"`
	Peer    msg.Hop
}

// State gives what a later process needs to go on. A connection does not survive: it is left out of Peer.
func (d *Dialog) State() *State {
	s := &State{
		CallID: d.callID, Local: d.local.String(), Remote: d.remote.String(), LocalSeq: d.localSeq, RemoteSeq: d.remoteSeq,
		RemoteSent: d.remoteSent, Owner: d.owner, Confirmed: d.confirmed, Target: d.target.String(), Peer: d.peer,
	}
	s.Peer.Conn, s.Unnamed = 0, !d.named
	if len(d.params) > 0 {
		s.Contact = msg.NameAddr{URI: d.target, Params: d.params}.String()
	}
	for _, r := range d.routes {
		s.Routes = append(s.Routes, r.String())
	}
	return s
}

// skipped is how far a restored dialog's sequence numbers jump: further than requests can have been sent after its state was kept.
// Numbers may be left out (RFC 3261 12.2.2), but a lower one is refused.
const skipped = 1000

// Restore makes a dialog of an earlier process. An error says what cannot be read.
func Restore(s *State) (*Dialog, error) {
	d := &Dialog{
		callID: s.CallID, localSeq: s.LocalSeq + skipped, remoteSeq: s.RemoteSeq, remoteSent: s.RemoteSent, owner: s.Owner,
		confirmed: s.Confirmed, peer: s.Peer,
	}
	var err error
	for _, a := range []struct {
		to   *msg.NameAddr
		text string
	}{{&d.local, s.Local}, {&d.remote, s.Remote}} {
		if *a.to, err = msg.ParseNameAddr(a.text); err != nil {
			return nil, fmt.Errorf("dialog: restore: %w", err)
		}
	}
	if d.target, err = msg.ParseURI(s.Target); err != nil {
		return nil, fmt.Errorf("dialog: restore the target: %w", err)
	}
	if d.named = !s.Unnamed; s.Contact != "" {
		c, err := msg.ParseNameAddr(s.Contact)
		if err != nil {
			return nil, fmt.Errorf("dialog: restore the contact: %w", err)
		}
		d.params = c.Params
	}
	for _, r := range s.Routes {
		n, err := msg.ParseNameAddr(r)
		if err != nil {
			return nil, fmt.Errorf("dialog: restore the route set: %w", err)
		}
		d.routes = append(d.routes, n)
	}
	return d, nil
}
