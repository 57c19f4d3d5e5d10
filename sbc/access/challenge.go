package access

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// answer is what a request brings to a challenge of ours.
type answer struct {
	digest.Credentials
	nonce digest.Nonce
	// user is the name without the domain that may follow it; long says that one did (ha1b).
	user string
	long bool
}

// What an answer is worth before anybody was looked up.
type worth int

const (
	answerNone    worth = iota // there is none for the domain's realm
	answerBroken               // it cannot be read, or is one to another question
	answerForeign              // its nonce was not made here, or for somebody else
	answerStale                // its nonce is too old
	answerFresh
)

// maxAnswers bounds the credentials that are looked at in one request.
const maxAnswers = 8

// readAnswer reads the credentials for the domain's realm, and judges their nonce.
func (v *visit) readAnswer() worth {
	a, w := v.credentials()
	if w != answerFresh {
		return w
	}
	v.answer = answer{Credentials: a, user: a.Username}
	if user, host, ok := strings.Cut(a.Username, "@"); ok { // of any name of the domain: it may have been the first once
		if d := v.snap.DomainOf(v.realm, host); d != nil && d.ID == v.domain.ID {
			v.answer.user, v.answer.long = user, true
		}
	}
	if !v.offered(&a) {
		return answerNone
	}
	if !v.about(a.URI) {
		v.d.metrics.refused.WithLabelValues("uri").Inc()
		return answerBroken
	}
	life := time.Duration(v.domain.Digest.NonceLifetimeS) * time.Second
	nonce, fresh := v.d.o.Nonces.Read(a.Nonce, v.req.Hop.Remote.Addr(), a.Realm, life)
	v.answer.nonce = nonce
	switch fresh {
	case digest.Fresh:
		return answerFresh
	case digest.Stale:
		return answerStale
	}
	return answerForeign
}

// credentials finds those for the domain's realm; others may be for proxies that the request passed (RFC 3261 22.3).
func (v *visit) credentials() (c digest.Credentials, w worth) {
	seen := 0
	for _, h := range v.req.Headers {
		if !strings.EqualFold(h.Name, "Proxy-Authorization") && !strings.EqualFold(h.Name, "Authorization") {
			continue
		}
		if seen++; seen > maxAnswers {
			return c, answerBroken
		}
		one, err := digest.ParseCredentials(h.Value)
		switch {
		case err == nil && one.Realm == v.domain.DigestRealm():
			return one, answerFresh
		case err != nil && !errors.Is(err, digest.ErrScheme) && !errors.Is(err, digest.ErrAlgorithm):
			w = answerBroken
		}
	}
	return c, w
}

// offered tells whether the answer is one to a challenge of ours: who answers in another way than was offered is asked again.
func (v *visit) offered(a *digest.Credentials) bool {
	p := &v.domain.Digest
	switch {
	case a.Session, a.UserHash, !slices.Contains(p.Algorithms, sbc.DigestAlgorithm(a.Algorithm)):
		return false
	case a.QOP == digest.AuthInt:
		return p.AuthInt
	case a.QOP == digest.None:
		return p.AllowNoQOP
	}
	return a.Count > 0
}

// challenge asks for a proof: one challenge for each algorithm of the domain, in its order (RFC 8760 2.4), or of those given.
func (v *visit) challenge(stale bool, algorithms []sbc.DigestAlgorithm) msg.Decision {
	if algorithms == nil {
		algorithms = v.domain.Digest.Algorithms
	}
	status, name := 407, "Proxy-Authenticate"
	if v.req.Method == msg.REGISTER {
		status, name = 401, "WWW-Authenticate"
	}
	realm := v.domain.DigestRealm()
	c := digest.Challenge{
		Realm: realm, Nonce: v.d.o.Nonces.Make(v.req.Hop.Remote.Addr(), realm), QOP: []digest.QOP{digest.Auth}, Stale: stale,
	}
	if v.domain.Digest.AuthInt {
		c.QOP = append(c.QOP, digest.AuthInt)
	}
	headers := make([]msg.Header, len(algorithms))
	for i, a := range algorithms {
		c.Algorithm = digest.Algorithm(a)
		headers[i] = msg.Header{Name: name, Value: c.String()}
	}
	reason := "none"
	if stale {
		reason = "stale"
	}
	v.d.metrics.challenges.WithLabelValues(reason).Inc()
	return refuse(status, headers...)
}
