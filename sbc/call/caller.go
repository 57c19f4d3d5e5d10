package call

import (
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// anonymousHost stands for nobody's host (RFC 3323 4.1.1.3); a caller who asked for it keeps it.
const anonymousHost = "anonymous.invalid"

// callerAddr is the caller as the callee sees it: display name and number, without a host.
func callerAddr(in *msg.Message) msg.NameAddr {
	var u msg.URI
	u.Scheme, u.User = "sip", number(in.From.URI)
	host := in.From.URI.Host
	switch {
	case strings.EqualFold(host, anonymousHost):
		u.Host = anonymousHost
	case u.User == "", strings.EqualFold(u.User, host), !literal(u.User).IsUnspecified() && literal(u.User).IsValid():
		u.User = "anonymous" // an address instead of a number
	}
	u.User = escape(u.User)
	display := in.From.Display
	if !harmless(display, host) {
		display = ""
	}
	return msg.NameAddr{Display: display, URI: u}
}

// anonymous is the From of a caller who must not be known (RFC 3323 4.1.1.3).
func anonymous() msg.NameAddr {
	var u msg.URI
	u.Scheme, u.User, u.Host = "sip", "anonymous", anonymousHost
	return msg.NameAddr{Display: "Anonymous", URI: u}
}

// callerTo is the caller as the callee's trunk wants to be told of callers, or as the caller wants to be told of. The host is
// empty where it is ours. What the leg must not show is noted on it, for every message that follows.
func (c *Call) callerTo(l *leg, in *msg.Message, caller *leg) msg.NameAddr {
	f := c.flow(caller, l)
	if header.Withheld(in, f) {
		if f.ToTrust != sbc.TrustPeer && f.ToTrust != sbc.TrustCore {
			l.hidden = header.Names(in)
		}
		return anonymous()
	}
	from, policy := callerAddr(in), header.Policy(l.trunk)
	if from.URI.Host != "" { // the caller is anonymous by its own doing
		return from
	}
	if len(policy.Send) == 0 { // From is all there is to tell the number by
		if who := header.CallerOf(in, caller.trunk, f.FromTrust); who.Field != sbc.IdentityFrom {
			from.URI.User, from.Display = escape(who.Number), ""
			if harmless(who.Display, in.From.URI.Host) {
				from.Display = who.Display
			}
		}
	}
	from.URI.User = header.Format(from.URI.User, policy.Format)
	if policy.FromUser != "" {
		from.URI.User = escape(policy.FromUser)
	}
	from.URI.Host = policy.FromHost
	if policy.UserPhone && header.IsNumber(from.URI.User) {
		from.URI.UriParams = msg.SetParam(from.URI.UriParams, "user", "phone")
	}
	return from
}
