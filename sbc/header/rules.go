package header

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// place is where a header may occur.
type place uint8

const (
	inRequests place = 1 << iota
	inResponses
	withBodies
)

// rule says how one header of the built-in list passes.
type rule struct {
	name  string
	where place
	// asserted headers pass between trusted realms only.
	asserted bool
	// build adds what may pass of the header to the collector.
	build func(c *collector, name string)
}

// builtin is the list, in the order in which headers are written. It is read only.
var builtin = []rule{
	{"P-Asserted-Identity", inRequests | inResponses, true, identity},
	{"P-Preferred-Identity", inRequests, true, identity},
	{"Privacy", inRequests | inResponses, false, privacy},
	{"Priority", inRequests, false, priority},
	{"Subject", inRequests, false, subject},
	{"Alert-Info", inRequests | inResponses, false, alert},
	{"Accept-Language", inRequests, false, languages},
	{"Reason", inRequests | inResponses, false, reason},
	{"Retry-After", inResponses, false, retryAfter},
	{"Content-Disposition", withBodies, false, disposition},
	{"Content-Encoding", withBodies, false, tokens},
	{"Content-Language", withBodies, false, languages},
	{"MIME-Version", withBodies, false, mimeVersion},
}

// The grammars of values; all are read only.
var (
	userPart = regexp.MustCompile(`^[A-Za-z0-9+*#._-]{1,64}$`)
	telPart  = regexp.MustCompile(`^\+?[0-9A-Fa-f*#().-]{1,40}$`)
	// Languages with script and region (RFC 5646 2.1) and nothing else: the rest of the grammar takes any words.
	language = regexp.MustCompile(`^(\*|[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?)( *; *q *= *[01](\.[0-9]{0,3})?)?$`)
	urnAlert = regexp.MustCompile(`^<urn:alert:[a-z]{1,20}(:[a-z0-9-]{1,40}){1,4}>$`)
	bellcore = regexp.MustCompile(`^<Bellcore-dr[1-9]>$`)
	token    = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)
	version  = regexp.MustCompile(`^[0-9]\.[0-9]$`)
	handling = regexp.MustCompile(`^(?i)handling *= *(optional|required)$`)
)

// maxIdentities bounds asserted identities: one SIP and one tel (RFC 3325 9.1).
const maxIdentities = 2

// identity passes asserted identities (RFC 3325) written anew: display name, number, our host.
func identity(c *collector, name string) {
	if !c.believes(name) || !c.sends(name) {
		return
	}
	taken := 0
	for _, value := range c.in.Values(name) {
		if taken == maxIdentities {
			return
		}
		a, err := msg.ParseNameAddr(value)
		if err != nil {
			continue
		}
		uri := c.identityURI(a.URI)
		if uri == "" {
			continue
		}
		taken++
		if d := a.Display; d != "" && len(d) <= 128 && c.clean(d) {
			c.add(name, quote(d)+" <"+uri+">")
		} else {
			c.add(name, "<"+uri+">")
		}
	}
}

// identityURI keeps the number, or the name that stands for one; "" where there is nothing to keep.
func (c *collector) identityURI(u msg.URI) string {
	// What follows a semicolon in the user part (RFC 3261 19.1.6) may hold a host (phone-context).
	user, _, _ := strings.Cut(u.User, ";")
	to := Policy(c.flow.ToTrunk)
	switch {
	case u.IsTel():
		if telPart.MatchString(user) && !c.secrets().Shows(user) {
			return "tel:" + Format(user, to.Format)
		}
	case u.IsSIP():
		if !userPart.MatchString(user) || holdsAddress(user) || c.secrets().Shows(user) {
			return ""
		}
		uri := "sip:" + Format(user, to.Format) + "@" + HostToken
		if v, ok := u.Param("user"); ok && strings.EqualFold(v, "phone") || to.UserPhone && IsNumber(user) {
			uri += ";user=phone"
		}
		return uri
	}
	return ""
}

// priority passes the values of RFC 3261 20.26 and RFC 7090.
func priority(c *collector, name string) {
	switch v := strings.ToLower(c.in.Get(name)); v {
	case "emergency", "urgent", "normal", "non-urgent", "psap-callback":
		c.add(name, v)
	}
}

// subject passes free text (RFC 3261 20.36) that tells nothing.
func subject(c *collector, name string) {
	if v := c.in.Get(name); len(v) <= 256 && c.clean(v) {
		c.add(name, v)
	}
}

// alert passes ring tones by name (RFC 7462); those by URL name a host.
func alert(c *collector, name string) {
	for i, value := range c.in.Values(name) {
		// What follows are parameters that devices invent.
		uri, _, _ := strings.Cut(value, ";")
		if uri = strings.TrimSpace(uri); i < maxSame && (urnAlert.MatchString(uri) || bellcore.MatchString(uri)) && c.clean(uri) {
			c.add(name, uri)
		}
	}
}

// languages passes a list of RFC 3261 20.3 or 20.13.
func languages(c *collector, name string) {
	var keep []string
	for _, v := range c.in.Values(name) {
		if len(keep) < maxSame && language.MatchString(v) && c.clean(v) {
			keep = append(keep, strings.ReplaceAll(v, " ", ""))
		}
	}
	c.add(name, strings.Join(keep, ", "))
}

// reason passes cause and text of RFC 3326, of the protocols that mean something on the other side.
func reason(c *collector, name string) {
	seen := map[string]bool{}
	for _, value := range c.in.Values(name) {
		protocol, params, _ := cutQuoted(value, ';')
		switch strings.ToUpper(strings.TrimSpace(protocol)) {
		case "SIP":
			protocol = "SIP"
		case "Q.850":
			protocol = "Q.850"
		default:
			continue
		}
		if line := c.reasonParams(protocol, params); line != "" && !seen[protocol] {
			seen[protocol] = true
			c.add(name, line)
		}
	}
}

// reasonParams writes one value anew; "" without a cause.
func (c *collector) reasonParams(protocol, params string) string {
	cause, text := 0, ""
	for params != "" {
		var p string
		p, params, _ = cutQuoted(params, ';')
		k, v, _ := strings.Cut(p, "=")
		v = strings.TrimSpace(v)
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "cause":
			if n, err := strconv.ParseUint(v, 10, 16); err == nil {
				cause = int(n)
			}
		case "text":
			text = unquote(v)
		}
	}
	if cause < 1 || cause > 699 || protocol == "Q.850" && cause > 127 || protocol == "SIP" && cause < 100 {
		return ""
	}
	line := protocol + ";cause=" + strconv.Itoa(cause)
	if text != "" && len(text) <= 128 && c.clean(text) {
		line += ";text=" + quote(text)
	}
	return line
}

// retryAfter passes the seconds (RFC 3261 20.33) without comment and parameters.
func retryAfter(c *collector, name string) {
	v := c.in.Get(name)
	end := 0
	for end < len(v) && v[end] >= '0' && v[end] <= '9' {
		end++
	}
	if n, err := strconv.ParseUint(v[:end], 10, 32); err == nil && n <= 86400 {
		c.add(name, strconv.FormatUint(n, 10))
	}
}

// disposition passes what is to be done with a body (RFC 3261 20.11).
func disposition(c *collector, name string) {
	kind, params, _ := cutQuoted(c.in.Get(name), ';')
	if kind = strings.TrimSpace(kind); !token.MatchString(kind) || !c.clean(kind) {
		return
	}
	for params != "" {
		var p string
		p, params, _ = cutQuoted(params, ';')
		if p = strings.TrimSpace(p); handling.MatchString(p) {
			kind += ";" + strings.ToLower(strings.ReplaceAll(p, " ", ""))
			break
		}
	}
	c.add(name, kind)
}

// tokens passes a list of tokens.
func tokens(c *collector, name string) {
	var keep []string
	for _, v := range c.in.Values(name) {
		if len(keep) < maxSame && token.MatchString(v) && c.clean(v) {
			keep = append(keep, v)
		}
	}
	c.add(name, strings.Join(keep, ", "))
}

// mimeVersion passes RFC 3261 20.24.
func mimeVersion(c *collector, name string) {
	if v := c.in.Get(name); version.MatchString(v) {
		c.add(name, v)
	}
}

// cutQuoted cuts at the first sep outside quotes.
func cutQuoted(s string, sep byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// unquote reads a quoted string (RFC 3261 25.1); what is not quoted stays as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// quote writes a quoted string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
