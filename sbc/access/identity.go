package access

import (
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Identity is who calls, in two versions: a subscriber is known within its domain by the name that it is called by there, and
// elsewhere by a number.
type Identity struct {
	Inside, Outside string
	Display         string
	// Anonymous says that its From names nobody (RFC 3323 4.1.1.3), which is the wish to stay unnamed.
	Anonymous bool
}

// owns tells whether the address of record of a REGISTER is the account's own (RFC 3261 10.3 step 4).
func (v *visit) owns(e *sbc.Entry) bool {
	to := v.req.To.URI.Number()
	if !v.here(v.req.To.URI) {
		return false
	}
	return to == e.Subscriber.Username || alias(e, to) != nil
}

// here tells whether a URI is one of the domain: by its host, or because it has none.
func (v *visit) here(u msg.URI) bool {
	if !u.IsSIP() {
		return u.IsTel()
	}
	of := v.snap.DomainOf(v.realm, u.Host)
	return of != nil && of.ID == v.domain.ID || of == nil && v.ours(u.Host)
}

// identity finds who calls. Stranger is a name that the request claims and that is not the account's, "" if there is none.
func (v *visit) identity(e *sbc.Entry) (i Identity, stranger string) {
	from := v.req.From
	said := from.URI.Number()
	i.Anonymous = anonymous(from.URI)
	free := v.domain.AllowForeignIdentity
	if !i.Anonymous && !free && !(v.here(from.URI) && own(e, said)) {
		return i, said
	}
	for _, name := range [...]string{"P-Preferred-Identity", "P-Asserted-Identity", "Remote-Party-ID"} {
		for _, value := range v.req.Values(name) {
			a, err := msg.ParseNameAddr(value)
			switch number := a.URI.Number(); {
			case err != nil:
				return i, value
			case anonymous(a.URI):
			case !free && !own(e, number):
				return i, number
			case name == "P-Preferred-Identity": // RFC 3325 9.2: which of its identities it wants to call under
				said = number
			}
		}
	}
	if anonymous(from.URI) && said == from.URI.Number() {
		said = ""
	}
	return v.shown(e, i, said), ""
}

// shown fills in what others see of a caller that calls itself by one of its names, "" for none.
func (v *visit) shown(e *sbc.Entry, i Identity, said string) Identity {
	s := e.Subscriber
	i.Inside, i.Outside, i.Display = s.Username, s.Username, s.DisplayName
	for k := range e.Aliases {
		if e.Aliases[k].CallerID {
			i.Outside = e.Aliases[k].Name
		}
	}
	if s.CallerID != "" {
		i.Outside = s.CallerID
	}
	if said != "" && said != s.Username { // it says itself which of its names it wants
		i.Inside, i.Outside = said, said
	}
	if i.Display == "" && !i.Anonymous {
		i.Display = v.req.From.Display
	}
	return i
}

// anonymous tells whether a URI names nobody.
func anonymous(u msg.URI) bool {
	return u.IsSIP() && (strings.EqualFold(u.Host, "anonymous.invalid") || strings.EqualFold(u.User, "anonymous"))
}

// own tells whether a name or number is one that the account may call under.
func own(e *sbc.Entry, name string) bool {
	s := e.Subscriber
	if alike(name, s.Username) || alike(name, s.CallerID) || alias(e, name) != nil {
		return true
	}
	for _, c := range s.CallerIdentities {
		if alike(name, c) {
			return true
		}
	}
	return false
}

// alias finds an alias of the account.
func alias(e *sbc.Entry, name string) *sbc.Alias {
	for i := range e.Aliases {
		if alike(name, e.Aliases[i].Name) {
			return &e.Aliases[i]
		}
	}
	return nil
}

// alike compares two names; that one of two numbers has a plus makes no difference. No name is like none, nor is a plus alone.
func alike(a, b string) bool {
	a = strings.TrimPrefix(a, "+")
	return a != "" && a == strings.TrimPrefix(b, "+")
}
