package media

import (
	"errors"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// Keys agreed on by a handshake beside the media (DTLS-SRTP, RFC 5763, RFC 5764). Descriptions tell the fingerprints of
// certificates and who begins; see gate for the handshake itself.

// ErrFingerprint says that the certificate of a handshake is not the one that signalling told of.
var ErrFingerprint = secure.ErrFingerprint

// ErrNoHandshake says that the party did not make keys with us in time.
var ErrNoHandshake = errors.New("media: no handshake in time")

// Keying is a way to agree on keys.
type Keying uint8

// The ways.
const (
	SDES Keying = iota // in descriptions (RFC 4568)
	DTLS               // by a handshake (RFC 5763)
)

// shake is what two descriptions said of one handshake. Two rounds with the same one share it, and its keys (RFC 8842 3.1).
type shake struct {
	peer   []secure.Fingerprint
	id     string // a=tls-id of the peer (RFC 8842 4), "" without one
	active bool   // we begin
	own    *secure.Identity
}

// same says whether nothing asks for another handshake.
func (h *shake) same(o *shake) bool {
	return h.active == o.active && h.id == o.id && h.own == o.own && slices.Equal(h.peer, o.peer)
}

// setup is the role of ours as an answer tells it (RFC 4145 4).
func (h *shake) setup() string {
	if h.active {
		return "active"
	}
	return "passive"
}

// mostFingerprints bounds those that are read of a line.
const mostFingerprints = 8

// heard reads what a line says of its handshake; nil if that is nothing we take: no fingerprint of a hash that still proves
// something.
func heard(d *sdp.Description, i int) *shake {
	h := &shake{}
	for n, value := range d.Inherited(i, "fingerprint") {
		if n == mostFingerprints {
			break
		}
		if f, err := secure.ParseFingerprint(value); err == nil {
			h.peer = append(h.peer, f)
		}
	}
	if len(h.peer) == 0 {
		return nil
	}
	if id := d.Inherited(i, "tls-id"); len(id) > 0 {
		h.id = strings.Clone(id[0])
	}
	return h
}

// role is what a line says of who begins, "" if nothing that is one.
func role(d *sdp.Description, i int, unsaid string) string {
	said := d.Inherited(i, "setup")
	if len(said) == 0 {
		return unsaid
	}
	switch r := strings.ToLower(said[0]); r {
	case "active", "passive", "actpass":
		return r
	}
	return "" // holdconn: there is nothing to hold
}

// shakes takes the handshake that a line of an offer asks for; nil if none, or in no way that we take. To who leaves it to us
// we are passive, or what we were: a browser begins when it has a path, which we cannot know.
func (p *Party) shakes(d *sdp.Description, i int) (*shake, error) {
	h := heard(d, i)
	r := role(d, i, "active")
	if h == nil || r == "" {
		return nil, nil
	}
	now := p.keyed(i)
	var err error
	if h.own, err = p.identity(); err != nil {
		return nil, err
	}
	switch {
	case r == "passive":
		h.active = true
	case r == "actpass" && now != nil && now.dtls != nil:
		h.active = now.dtls.active
	}
	if now != nil && now.dtls != nil && now.dtls.same(h) {
		return now.dtls, nil
	}
	return h, nil
}

// answers is shakes for an answer to an offer that left it to the party. Errors: ErrDeclined.
func (p *Party) answers(d *sdp.Description, i int) (*shake, error) {
	h := heard(d, i)
	r := role(d, i, "active")
	if h == nil || r == "" {
		return nil, ErrDeclined
	}
	var err error
	if h.own, err = p.identity(); err != nil {
		return nil, err
	}
	h.active = r == "passive"
	if e := p.end(i); e != nil && e.gate != nil {
		for _, before := range e.gate.deals { // another fork may have answered meanwhile
			if before.same(h) {
				return before.shake, nil
			}
		}
	}
	return h, nil
}

// identity is the certificate that the party was told the fingerprint of, or will be.
func (p *Party) identity() (*secure.Identity, error) {
	if p.own509 == nil {
		var err error
		if p.own509, err = p.s.e.certificates.identity(); err != nil {
			return nil, err
		}
	}
	return p.own509, nil
}

// lines are what we say of a handshake: in an answer our role, in an offer that the party chooses.
func shakeLines(own *secure.Identity, setup string) []string {
	return []string{"fingerprint:" + own.Fingerprint().String(), "setup:" + setup}
}

// agree puts a handshake to use.
func (e *end) agree(p *Party, h *shake) {
	e.open(p.s.e).agree(h, p.o.Secure.Suites, p.broken)
}

// broken tells the session's owner that the party's media will have no keys. It is called by a goroutine of the association.
func (p *Party) broken(err error) {
	if f := p.onBroken.Load(); f != nil {
		(*f)(err)
	}
}

// alarm sets who is told of it: another session may take the party.
func (p *Party) alarm(to func(p *Party, err error)) {
	if to == nil {
		p.onBroken.Store(nil)
		return
	}
	f := func(err error) { to(p, err) }
	p.onBroken.Store(&f)
}
