package digest

import (
	"crypto/subtle"
	"encoding/hex"
	"strconv"
	"strings"
)

// Credentials are the value of Authorization or Proxy-Authorization: the answer to a challenge.
type Credentials struct {
	Username string
	// UserHash says that Username is a hash (RFC 7616 3.4.4).
	UserHash bool
	Realm    string
	// Nonce, URI, CNonce and Opaque are as they stood between the quotes: so they were hashed.
	Nonce, URI, CNonce, Opaque string
	// Response is in hexadecimal.
	Response  string
	Algorithm Algorithm
	Session   bool
	QOP       QOP
	// NC is the count as written, Count what it says; "" and 0 without qop.
	NC    string
	Count uint32
}

// ParseCredentials reads the value of Authorization or Proxy-Authorization. Errors: ErrScheme, ErrSyntax, ErrDouble, ErrLong,
// ErrMissing, ErrAlgorithm.
func ParseCredentials(value string) (c Credentials, err error) {
	rest, err := scheme(value)
	if err != nil {
		return c, err
	}
	c.Algorithm = MD5
	seen, err := fields(rest, c.set)
	if err != nil {
		return c, err
	}
	if c.QOP == None { // RFC 7616 3.4: a count means nothing without it
		c.NC, c.Count = "", 0
	}
	switch {
	case seen.has("username") && seen.has("username*"): // RFC 7616 3.4
		return c, ErrDouble
	case c.Username == "" || !seen.has("realm") || c.Nonce == "" || c.URI == "" || c.Response == "":
		return c, ErrMissing
	case c.QOP != None && (c.NC == "" || c.CNonce == ""), c.Session && c.CNonce == "":
		return c, ErrMissing
	}
	return c, nil
}

func (c *Credentials) set(name, v string) (err error) {
	switch {
	case strings.EqualFold(name, "username"):
		c.Username = unescape(v)
	case strings.EqualFold(name, "username*"):
		c.Username, err = extended(v)
	case strings.EqualFold(name, "realm"):
		c.Realm = unescape(v)
	case strings.EqualFold(name, "nonce"):
		c.Nonce = v
	case strings.EqualFold(name, "uri"):
		c.URI = v
	case strings.EqualFold(name, "response"):
		c.Response = v
	case strings.EqualFold(name, "cnonce"):
		c.CNonce = v
	case strings.EqualFold(name, "opaque"):
		c.Opaque = v
	case strings.EqualFold(name, "userhash"):
		c.UserHash = strings.EqualFold(v, "true")
	case strings.EqualFold(name, "algorithm"):
		var ok bool
		if c.Algorithm, c.Session, ok = parseAlgorithm(v); !ok {
			err = ErrAlgorithm
		}
	case strings.EqualFold(name, "qop"):
		if c.QOP = QOP(strings.ToLower(v)); c.QOP != Auth && c.QOP != AuthInt {
			err = ErrSyntax
		}
	case strings.EqualFold(name, "nc"):
		n, bad := strconv.ParseUint(v, 16, 32)
		if bad != nil || len(v) > 8 {
			return ErrSyntax
		}
		c.NC, c.Count = v, uint32(n)
	}
	return err
}

// AppendTo writes the credentials as RFC 7616 3.4 wants them: qop, nc and algorithm without quotes.
func (c *Credentials) AppendTo(b []byte) []byte {
	b = appendQuoted(append(b, "Digest "...), "username", c.Username)
	b = appendQuoted(append(b, ", "...), "realm", c.Realm)
	for _, f := range [...]struct{ name, value string }{
		{"nonce", c.Nonce}, {"uri", c.URI}, {"response", c.Response}, {"cnonce", c.CNonce}, {"opaque", c.Opaque},
	} {
		if f.value != "" {
			b = append(append(append(b, ", "...), f.name...), '=', '"')
			b = append(append(b, f.value...), '"')
		}
	}
	b = append(append(b, ", algorithm="...), c.Algorithm...)
	if c.Session {
		b = append(b, session...)
	}
	if c.QOP != None {
		b = append(append(b, ", qop="...), c.QOP...)
		b = append(append(b, ", nc="...), c.NC...)
	}
	return b
}

// String is the credentials as a header's value.
func (c *Credentials) String() string { return string(c.AppendTo(make([]byte, 0, 256))) }

// Check tells whether the response was made with a secret of which ha1 is the hash (HA1) in the credentials' algorithm, for a
// request of this method and body. It takes the same time whether the response is right or wrong, and allocates nothing. A hash
// of another length than the algorithm's is checked all the same, and is wrong.
func (c *Credentials) Check(ha1, method string, body []byte) bool {
	want := c.response(ha1, method, body)
	var given [2 * 64]byte
	n, err := hex.Decode(given[:], []byte(c.Response[:min(len(c.Response), len(given))]))
	var right [64]byte
	m, _ := hex.Decode(right[:], want.bytes()) // of our own making
	return subtle.ConstantTimeCompare(given[:n],
		right[:m])&equal(err == nil)&equal(len(ha1) == 2*c.Algorithm.Size())&equal(m > 0) == 1
}

func equal(b bool) int {
	if b {
		return 1
	}
	return 0
}

// response is the request-digest of RFC 7616 3.4.1.
func (c *Credentials) response(ha1, method string, body []byte) sum {
	var room [512]byte
	a1 := append(room[:0], ha1...)
	if c.Session { // RFC 7616 3.4.2
		a1 = append(append(a1, ':'), c.Nonce...)
		a1 = append(append(a1, ':'), c.CNonce...)
		s := c.Algorithm.hash(a1)
		a1 = append(room[:0], s.bytes()...)
	}
	a2 := c.a2(method, body)
	b := append(append(a1, ':'), c.Nonce...)
	if c.QOP != None {
		b = append(append(b, ':'), c.NC...)
		b = append(append(b, ':'), c.CNonce...)
		b = append(append(b, ':'), c.QOP...)
	}
	b = append(append(b, ':'), a2.bytes()...)
	return c.Algorithm.hash(b)
}

// a2 is H(A2) of RFC 7616 3.4.3.
func (c *Credentials) a2(method string, body []byte) sum {
	var room [512]byte
	b := append(append(room[:0], method...), ':')
	b = append(b, c.URI...)
	if c.QOP == AuthInt {
		s := c.Algorithm.hash(body)
		b = append(append(b, ':'), s.bytes()...)
	}
	return c.Algorithm.hash(b)
}

// Request is what a client proves: who it is, for which request.
type Request struct {
	Username string
	// HA1 is the hash of its secret in the challenge's algorithm.
	HA1, Method, URI string
	Body             []byte
	// CNonce is chance of the client's; Count how often the nonce was used, from 1.
	CNonce string
	Count  uint32
}

// Answer makes the credentials for a request. Of the qualities that the challenge offers auth is taken before auth-int.
func (c *Challenge) Answer(r Request) *Credentials {
	a := &Credentials{
		Username: r.Username, Realm: c.Realm, Nonce: c.Nonce, URI: r.URI, Opaque: c.Opaque, Algorithm: c.Algorithm, Session: c.Session,
	}
	for _, q := range c.QOP {
		if a.QOP == None || q == Auth {
			a.QOP = q
		}
	}
	if a.QOP != None {
		a.NC, a.Count = count(r.Count), r.Count
	}
	if a.QOP != None || a.Session {
		a.CNonce = r.CNonce
	}
	s := a.response(r.HA1, r.Method, r.Body)
	a.Response = string(s.bytes())
	return a
}

// count writes nc: eight digits in hexadecimal (RFC 7616 3.4).
func count(n uint32) string {
	s := strconv.FormatUint(uint64(n), 16)
	return "00000000"[len(s):] + s
}
