package call

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// ownMethods are the methods of the call itself; a trunk's PassMethods come besides.
const ownMethods = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER, NOTIFY"

// accepted is what we read in bodies of our own.
const accepted = "application/sdp"

// allow lists the methods served, with those that some trunk may pass.
func allow() string { return ownMethods + ", INFO, MESSAGE" }

// allowFor lists the methods served on a trunk.
func allowFor(t *sbc.Trunk) string {
	if t == nil || len(t.PassMethods) == 0 {
		return ownMethods
	}
	var b strings.Builder
	b.Grow(len(ownMethods) + 64)
	b.WriteString(ownMethods)
	for _, m := range t.PassMethods {
		b.WriteString(", ")
		b.WriteString(m)
	}
	return b.String()
}

// Admit decides on a request before a transaction exists for it. Who is not known gets no service: silence, or 403 where the
// realm says so. Known sources get 481 for dialogs that do not exist and 405 for methods outside a dialog that are not served.
// Nothing it refuses leaves state behind (RFC 3261 8.2.7).
func (m *Manager) Admit(req *msg.Message) msg.Decision {
	snap := m.o.Snapshot()
	if tag := req.To.Tag(); tag != "" {
		return m.admitInDialog(snap, req, tag)
	}
	src := source(req.Hop)
	if req.Method == msg.INVITE {
		if _, ok := m.recognised(snap, req); !ok {
			return m.stranger(snap, req)
		}
		return msg.Decision{Action: msg.Serve}
	}
	if _, ok := snap.Identify.Known(src); !ok && !m.forUs(req) {
		return m.stranger(snap, req)
	}
	switch req.Method {
	case msg.OPTIONS, msg.CANCEL:
		return msg.Decision{Action: msg.Serve}
	case msg.ACK:
		return msg.Decision{Action: msg.Silence}
	}
	m.metrics.blocked.WithLabelValues("method").Inc()
	return msg.Decision{Action: msg.Refuse, Status: 405, Headers: []msg.Header{{Name: "Allow", Value: allow()}}}
}

// admitInDialog lets a request in that bears a tag of ours and comes from that leg's peer or trunk; nothing is ever routed by
// Request-URI or Route. A BYE for a foreign call is not told from one for no call.
func (m *Manager) admitInDialog(snap *config.Snapshot, req *msg.Message, tag string) msg.Decision {
	e := m.calls.tag(tag)
	if e != nil && m.fromPeer(snap, e, req) {
		return msg.Decision{Action: msg.Serve}
	}
	if e != nil && !e.gone.Load() {
		m.intruded(e, req, badSource)
	}
	if _, ok := snap.Identify.Known(source(req.Hop)); !ok {
		return m.stranger(snap, req)
	}
	m.metrics.blocked.WithLabelValues("dialog").Inc()
	if req.Method == msg.ACK {
		return msg.Decision{Action: msg.Silence}
	}
	return msg.Decision{Action: msg.Refuse, Status: 481}
}

// stranger is what a request gets that no identity claims.
func (m *Manager) stranger(snap *config.Snapshot, req *msg.Message) msg.Decision {
	m.metrics.blocked.WithLabelValues("unknown_source").Inc()
	if req.Method != msg.ACK {
		if i := snap.Interface(req.Hop.Interface); i != nil {
			if r := snap.Realm(i.RealmID); r != nil && r.UnknownSource == sbc.UnknownReject {
				return msg.Decision{Action: msg.Refuse, Status: 403}
			}
		}
	}
	return msg.Decision{Action: msg.Silence}
}

// unsupported lists the extensions that a request demands and that are not among those we have (RFC 3261 8.2.2.3).
func unsupported(req *msg.Message, have ...string) string {
	if req.Method == msg.ACK || req.Method == msg.CANCEL {
		return ""
	}
	return strings.Join(slices.DeleteFunc(req.Values("Require"), func(o string) bool {
		return understood(req.Method, o) || slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, o) })
	}), ", ")
}

// understood tells whether an extension that a request demands is one that we have for its method wherever it comes from.
func understood(m msg.Method, tag string) bool {
	switch strings.ToLower(tag) {
	case "replaces": // RFC 3891
		return m == msg.INVITE
	case "norefersub": // RFC 4488
		return m == msg.REFER
	}
	return false
}
