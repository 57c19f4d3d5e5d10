package access

import (
	"strings"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// maxGuest bounds the user name of a subscriber that has no row, in octets.
const maxGuest = 64

// guestName is the user part of a request's address of record as that of a subscriber that an upstream registrar knows; ok is
// false for what is none.
func guestName(user string) (ok bool) {
	return user != "" && len(user) <= maxGuest && !strings.ContainsFunc(user, func(c rune) bool {
		return c <= ' ' || c == 0x7f || c == '\uFFFD' || c == '@'
	})
}

// admitGuest decides on a request of a domain whose accounts are an upstream registrar's. There is no challenge of ours,
// since no secret is known here: a REGISTER is for the registrar to judge, and everything else is let in from where somebody
// has registered.
func (v *visit) admitGuest() msg.Decision {
	switch {
	case v.req.Method == msg.REGISTER && !guestName(v.record()):
		v.d.metrics.refused.WithLabelValues("identity").Inc()
		return refuse(404)
	case v.req.Method == msg.REGISTER && v.barred():
		v.d.metrics.refused.WithLabelValues(failedBarred).Inc()
		return refuse(403)
	case v.req.Method != msg.REGISTER && v.registered() == nil:
		v.d.metrics.refused.WithLabelValues("unregistered").Inc()
		return refuse(403)
	}
	return msg.Decision{Action: msg.Serve}
}

// guest goes on with a request that admitGuest let in. Configuration or time may have changed since.
func (v *visit) guest() {
	if v.req.Method == msg.REGISTER {
		if !guestName(v.record()) || !v.here(v.req.To.URI) {
			v.respond(refuse(404))
			return
		}
		v.then(Caller{Domain: v.domain, Entry: v.domain.Guest(v.record()), How: ByUpstream})
		return
	}
	e := v.registered()
	if e == nil {
		v.respond(refuse(403))
		return
	}
	v.enter(e, ByRegistration)
}

// registered finds who has registered by the way that a request came by: the one that it is from, or, where its From names
// nobody, one that it names as its own identity (RFC 3325 9.2).
func (v *visit) registered() *sbc.Entry {
	if v.d.o.Registered == nil {
		return nil
	}
	names := []string{v.req.From.URI.Number()}
	if anonymous(v.req.From.URI) {
		names = names[:0]
		for _, header := range [...]string{"P-Preferred-Identity", "P-Asserted-Identity"} {
			for _, value := range v.req.Values(header) {
				if a, err := msg.ParseNameAddr(value); err == nil {
					names = append(names, a.URI.Number())
				}
			}
		}
	}
	for _, name := range names[:min(len(names), maxAnswers)] {
		if !guestName(name) {
			continue
		}
		if e := v.domain.Guest(name); v.d.o.Registered(e.Subscriber.ID, v.req.Hop) {
			return e
		}
	}
	return nil
}

// barred tells whether a REGISTER brings a password for an account for which too many wrong ones came from there.
func (v *visit) barred() bool {
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		values := v.req.GetAll(name)
		for _, value := range values[:min(len(values), maxAnswers)] {
			if c, err := digest.ParseCredentials(value); err == nil && v.d.o.Guard.Barred(v.req.Hop, v.domain.ID, c.Username) {
				return true
			}
		}
	}
	return false
}
