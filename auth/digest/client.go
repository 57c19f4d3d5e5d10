package digest

import "crypto/rand"

// Why a challenge is not answered.
const (
	// ErrUnanswerable says that none of the challenges is one that the client may answer: another realm, an algorithm nobody knows.
	ErrUnanswerable = syntaxError("no challenge that may be answered")
	// ErrRefused says that the credentials were refused: they are wrong.
	ErrRefused = syntaxError("the credentials are refused")
	// ErrLoop says that one request was challenged again and again, with a new nonce each time.
	ErrLoop = syntaxError("challenged again and again")
)

const (
	// maxAnswers bounds how often one request answers challenges.
	maxAnswers = 3
	// maxRealms bounds the realms that ask at the same time: a server and the proxies before it.
	maxRealms = 4
)

// Client is one who answers challenges, with one name and password, and remembers them: the next request brings its credentials
// unasked (RFC 3261 22.2), with the next count (RFC 7616 3.4). It is for one goroutine at a time.
type Client struct {
	Username, Password string
	// Realm, where set, is the only one that is answered.
	Realm string
	asked []asked
}

// asked is the newest challenge of a realm.
type asked struct {
	realm
	challenge   Challenge
	ha1, cnonce string
	count       uint32
}

// realm is who asks: servers (401) and proxies (407) are told apart.
type realm struct {
	proxy bool
	name  string
}

// Try is what one request, sent again with each answer, has been asked. The zero Try is one that was asked nothing.
type Try struct {
	answered []realm
	answers  int
}

// Heard takes the challenges of a 401 or 407 to a request: the values of WWW-Authenticate and of Proxy-Authenticate. Of several of one
// realm the first counts that is understood (RFC 8760 2.3). nil says that the request may be sent again with what Proofs gives. Errors:
// ErrUnanswerable, ErrRefused, ErrLoop.
func (c *Client) Heard(t *Try, www, proxy []string) error {
	var list []asked
	for i, values := range [...][]string{www, proxy} {
		for _, v := range values {
			ch, err := ParseChallenge(v)
			r := realm{proxy: i == 1, name: ch.Realm}
			if err == nil && (c.Realm == "" || c.Realm == ch.Realm) && find(list, r) < 0 && len(list) < maxRealms {
				list = append(list, asked{realm: r, challenge: ch})
			}
		}
	}
	if len(list) == 0 {
		return ErrUnanswerable
	}
	for i := range list {
		if list[i].challenge.Stale {
			continue
		}
		for _, r := range t.answered {
			if r == list[i].realm {
				c.forget(list)
				return ErrRefused
			}
		}
	}
	if t.answers++; t.answers > maxAnswers {
		c.forget(list)
		return ErrLoop
	}
	for i := range list {
		t.answered = append(t.answered, list[i].realm)
		c.remember(list[i])
	}
	return nil
}

// remember puts a challenge in the place of an older one of its realm, or of the oldest.
func (c *Client) remember(a asked) {
	a.ha1, a.cnonce = HA1(a.challenge.Algorithm, c.Username, a.challenge.Realm, c.Password), rand.Text()
	if i := find(c.asked, a.realm); i >= 0 {
		c.asked[i] = a
		return
	}
	if len(c.asked) >= maxRealms {
		c.asked = c.asked[1:]
	}
	c.asked = append(c.asked, a)
}

// forget has the next request come without credentials for these realms.
func (c *Client) forget(list []asked) {
	for _, a := range list {
		if i := find(c.asked, a.realm); i >= 0 {
			c.asked = append(c.asked[:i], c.asked[i+1:]...)
		}
	}
}

func find(list []asked, r realm) int {
	for i := range list {
		if list[i].realm == r {
			return i
		}
	}
	return -1
}

// Proof is what one request answers one realm with. It does not change.
type Proof struct {
	username, ha1, cnonce string
	proxy                 bool
	count                 uint32
	challenge             Challenge
}

// Proofs gives the answers that the next request brings to all that was asked so far; nil for nothing.
func (c *Client) Proofs() []Proof {
	if len(c.asked) == 0 {
		return nil
	}
	list := make([]Proof, len(c.asked))
	for i := range c.asked {
		a := &c.asked[i]
		a.count++
		list[i] = Proof{
			username: c.Username, ha1: a.ha1, cnonce: a.cnonce, proxy: a.proxy, count: a.count, challenge: a.challenge,
		}
	}
	return list
}

// Header gives the header for a request with a method, a Request-URI and a body.
func (p *Proof) Header(method, uri string, body []byte) (name, value string) {
	name = "Authorization"
	if p.proxy {
		name = "Proxy-Authorization"
	}
	return name, p.challenge.Answer(Request{
		Username: p.username, HA1: p.ha1, Method: method, URI: uri, Body: body, CNonce: p.cnonce, Count: p.count,
	}).String()
}
