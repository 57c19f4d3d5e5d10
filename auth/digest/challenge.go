package digest

import "strings"

// QOP is a quality of protection (RFC 7616 3.4.3).
type QOP string

// The qualities.
const (
	None    QOP = ""         // RFC 2069: no count, no cnonce
	Auth    QOP = "auth"     // method and URI are covered
	AuthInt QOP = "auth-int" // and the body
)

// Challenge is the value of WWW-Authenticate or Proxy-Authenticate.
type Challenge struct {
	Realm, Nonce, Opaque string
	Algorithm            Algorithm
	// Session asks for the -sess variant of the algorithm.
	Session bool
	// QOP is what may be chosen from; none at all is RFC 2069.
	QOP []QOP
	// Stale says that only the nonce was wrong, so that nobody need be asked for a password.
	Stale bool
}

// AppendTo writes the challenge as RFC 8760 2.4 shows it: algorithm and stale without quotes, qop with them.
func (c *Challenge) AppendTo(b []byte) []byte {
	b = appendQuoted(append(b, "Digest "...), "realm", c.Realm)
	b = appendQuoted(append(b, ", "...), "nonce", c.Nonce)
	if c.Opaque != "" {
		b = appendQuoted(append(b, ", "...), "opaque", c.Opaque)
	}
	if c.Stale {
		b = append(b, ", stale=true"...)
	}
	b = append(append(b, ", algorithm="...), c.Algorithm...)
	if c.Session {
		b = append(b, session...)
	}
	for i, q := range c.QOP {
		if i == 0 {
			b = append(b, `, qop="`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, q...)
	}
	if len(c.QOP) > 0 {
		b = append(b, '"')
	}
	return b
}

// String is the challenge as a header's value.
func (c *Challenge) String() string { return string(c.AppendTo(make([]byte, 0, 160))) }

// ParseChallenge reads the value of WWW-Authenticate or Proxy-Authenticate. Qualities that are unknown are left out. Errors:
// ErrScheme, ErrAlgorithm (ignore the challenge), ErrSyntax, ErrDouble, ErrLong, ErrMissing.
func ParseChallenge(value string) (c Challenge, err error) {
	rest, err := scheme(value)
	if err != nil {
		return c, err
	}
	c.Algorithm = MD5
	seen, err := fields(rest, c.set)
	if err != nil {
		return c, err
	}
	if c.Nonce == "" || !seen.has("realm") {
		return c, ErrMissing
	}
	return c, nil
}

func (c *Challenge) set(name, v string) error {
	switch strings.ToLower(name) {
	case "realm":
		c.Realm = unescape(v)
	case "nonce":
		c.Nonce = v
	case "opaque":
		c.Opaque = v
	case "stale":
		c.Stale = strings.EqualFold(v, "true")
	case "algorithm":
		var ok bool
		if c.Algorithm, c.Session, ok = parseAlgorithm(v); !ok {
			return ErrAlgorithm
		}
	case "qop":
		for q := range strings.SplitSeq(v, ",") {
			switch q := QOP(strings.ToLower(strings.TrimSpace(q))); q {
			case Auth, AuthInt:
				c.QOP = append(c.QOP, q)
			}
		}
	}
	return nil
}

// doubles remembers which of the parameters that matter were seen.
type doubles uint16

// parameters are the names that decide something, each with a bit of its own.
var parameters = [...]string{
	"username", "username*", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "opaque", "qop", "nc", "userhash", "stale",
}

func bit(name string) doubles {
	for i, p := range parameters {
		if strings.EqualFold(p, name) {
			return 1 << i
		}
	}
	return 0
}

// add tells whether a parameter that matters was there before.
func (d *doubles) add(name string) bool {
	b := bit(name)
	was := *d&b != 0
	*d |= b
	return was
}

func (d doubles) has(name string) bool { return d&bit(name) != 0 }
