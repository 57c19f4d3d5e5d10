package registrant

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// order is a REGISTER on its way to the wire. Its methods are called by edge, from outside the lock.
type order struct {
	m        *Manager
	e        *entry
	number   int
	req      *msg.Message
	target   msg.Target
	user     string
	seconds  int
	proofs   []digest.Proof
	patience time.Duration
}

// token is the user part of a contact: nothing that could be guessed, and the same in every process.
func (m *Manager) token(id string) string {
	mac := hmac.New(sha256.New, m.o.Secret)
	_, _ = mac.Write([]byte("registrant " + id)) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil)[:15]))
}

// begin sends a new REGISTER of an entry.
func (m *Manager) begin(e *entry) {
	e.try, e.raised, e.busy, e.again = digest.Try{}, false, true, false
	m.send(e)
}

// send sends the REGISTER under way, anew if it was before.
func (m *Manager) send(e *entry) { m.sendTo(e, nil) }

// sendTo is send to a server that has been heard; nil is wherever registrations go.
func (m *Manager) sendTo(e *entry, at *msg.Target) {
	e.number++
	e.seq++
	if !e.leaving {
		e.target = m.targetOf(e)
	}
	target := e.target
	if at != nil {
		target = *at
	}
	o := &order{
		m: m, e: e, number: e.number, target: target, user: e.user, seconds: e.expires(), proofs: e.client.Proofs(), patience: patience,
	}
	if e.leaving {
		o.seconds, o.patience = 0, farewell
	}
	o.req = m.register(e, o.seconds)
	e.said = e.leaving
	m.orders = append(m.orders, o)
}

// targetOf says where the REGISTERs of an entry go.
func (m *Manager) targetOf(e *entry) msg.Target {
	t := msg.Target{Host: e.r.Registrar, Port: e.r.Port, Transport: e.r.Transport}
	if host, port, ok := sbc.SplitHost(e.proxy); ok && e.proxy != "" {
		t.Host, t.Port = host, port
	}
	t.Interfaces = []string{e.r.SIPInterfaceID}
	snap := m.o.Snapshot()
	if trunk := snap.Trunk(e.r.TrunkID); trunk != nil {
		if t.TLSProfile = trunk.TLSProfileID; e.r.SIPInterfaceID == "" {
			t.Interfaces = snap.InterfacesOf(trunk.RealmID)
		}
	}
	return t
}

// register builds a REGISTER (RFC 3261 10.2), without its Contact.
func (m *Manager) register(e *entry, seconds int) *msg.Message {
	var home, aor msg.URI
	home.Scheme, home.Host, home.Port = "sip", e.r.Registrar, e.r.Port
	aor.Scheme, aor.User, aor.Host = "sip", msg.EscapeUser(e.r.AORUser), cmp.Or(e.r.AORDomain, e.r.Registrar)
	req := msg.NewRequest(msg.REGISTER, home)
	req.SetMaxForwards(70)
	req.SetFrom(msg.NameAddr{URI: aor}.WithTag(e.tag))
	req.SetTo(msg.NameAddr{URI: aor})
	req.SetCallID(e.callID)
	req.SetCSeq(e.seq, msg.REGISTER)
	req.Append("Expires", strconv.Itoa(seconds))
	req.Append("Supported", "path") // RFC 3327 5.1: whoever stands between may say so
	req.Append("User-Agent", m.o.ServerName)
	return req
}

// Prepare puts what depends on the interface by which the REGISTER leaves.
func (o *order) Prepare(req *msg.Message, local msg.Local) {
	req.Set("Contact", local.Contact(o.user)+";expires="+strconv.Itoa(o.seconds))
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		req.Remove(name)
	}
	for i := range o.proofs {
		req.Append(o.proofs[i].Header(string(req.Method), req.RequestURI.String(), req.Body))
	}
}

// Response takes a final response to the entry.
func (o *order) Response(tx msg.ClientTx, res *msg.Message) {
	if res.Status < 200 {
		return
	}
	local := tx.Local()
	o.ends(func() {
		if o.seconds > 0 {
			o.e.local, o.e.status.Contact = local, strings.Trim(local.Contact(o.user), "<>")
		}
		o.m.answered(o.e, res)
	})
}

// Failed tells the entry that there is no answer.
func (o *order) Failed(_ msg.ClientTx, err error) {
	o.ends(func() {
		o.m.metrics.requests.WithLabelValues("none").Inc()
		reason := "the registrar does not answer"
		switch {
		case errors.Is(err, msg.ErrTransport):
			reason = "no address of the registrar can be reached"
		case errors.Is(err, msg.ErrClosed):
			reason = "no SIP interface of the trunk's realm is in service"
		case errors.Is(err, msg.ErrForbidden):
			reason = "the registrar's name leads where nothing may be sent"
		}
		o.m.failed(o.e, sbc.RegistrantUnreachable, 0, reason, 0)
	})
}

// ends hands on what became of the request, unless the entry has gone on without it.
func (o *order) ends(f func()) {
	o.m.do(func() {
		if o.e.busy && o.e.number == o.number {
			f()
		}
	})
}

// Sent hears nothing that it needs.
func (*order) Sent([]byte, msg.Hop) {}
