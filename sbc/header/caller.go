package header

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The headers that say who calls, besides From.
const (
	hdrAsserted  = "P-Asserted-Identity"
	hdrPreferred = "P-Preferred-Identity"
	hdrParty     = "Remote-Party-ID"
)

// usual is the policy of trunks that have none: rows older than the field. It is only read.
var usual = usualPolicy()

func usualPolicy() sbc.CallerIdentity {
	var t sbc.Trunk
	t.Defaults()
	return t.CallerIdentity
}

// Policy gives the caller identity policy of a trunk as it counts: what was never written has the defaults.
func Policy(t *sbc.Trunk) sbc.CallerIdentity {
	if t == nil {
		return usual
	}
	p := t.CallerIdentity
	if p.Accept == nil {
		p.Accept = usual.Accept
	}
	if p.Send == nil {
		p.Send = usual.Send
	}
	if p.Privacy == "" {
		p.Privacy = usual.Privacy
	}
	return p
}

// Caller is who calls, as far as the trunk a message came from is believed.
type Caller struct {
	// Number and Display as they were written; "" where there was none.
	Number, Display string
	// Field is where they were read.
	Field sbc.IdentityField
}

// CallerOf reads who calls from the first field that the trunk's policy accepts and that holds a number; it is From where none
// does, and in realms that are not trusted (RFC 3325 5: what untrusted sides assert is not believed).
func CallerOf(in *msg.Message, trunk *sbc.Trunk, trust sbc.Trust) Caller {
	from := Caller{Number: in.From.URI.Number(), Display: in.From.Display, Field: sbc.IdentityFrom}
	if !trusts(trust) || !claimsCaller(in) {
		return from
	}
	for _, f := range Policy(trunk).Accept {
		if f == sbc.IdentityFrom && from.Number != "" && !strings.EqualFold(from.Number, "anonymous") {
			return from
		}
		if a, ok := claim(in, f); ok {
			return Caller{Number: a.URI.Number(), Display: a.Display, Field: f}
		}
	}
	return from
}

// claimsCaller tells whether a message has anything but From that says who calls.
func claimsCaller(in *msg.Message) bool {
	return in.Has(hdrAsserted) || in.Has(hdrParty) || in.Has(hdrPreferred)
}

// claim reads the first identity of a field other than From.
func claim(in *msg.Message, f sbc.IdentityField) (msg.NameAddr, bool) {
	for _, v := range in.Values(fieldHeader(f)) {
		a, err := msg.ParseNameAddr(v)
		if err != nil || a.URI.Number() == "" {
			continue
		}
		if party, ok := msg.Param(a.Params, "party"); f == sbc.IdentityRPID && ok && !strings.EqualFold(party, "calling") {
			continue
		}
		return a, true
	}
	return msg.NameAddr{}, false
}

// fieldHeader names the header of a field; "" for From, which has rules of its own.
func fieldHeader(f sbc.IdentityField) string {
	switch f {
	case sbc.IdentityPAI:
		return hdrAsserted
	case sbc.IdentityPPI:
		return hdrPreferred
	case sbc.IdentityRPID:
		return hdrParty
	}
	return ""
}

// wishes reads the values of Privacy that exist (RFC 3323 4.2, RFC 3325 9.3, RFC 7044 10.1), in lower case.
func wishes(in *msg.Message) []string {
	var keep []string
	for _, value := range in.Values("Privacy") {
		for v := range strings.SplitSeq(value, ";") {
			switch v = strings.ToLower(strings.TrimSpace(v)); v {
			case "user", "header", "session", "none", "critical", "id", "history":
				if len(keep) < 7 {
					keep = append(keep, v)
				}
			}
		}
	}
	return keep
}

// wantsHiding tells whether the caller of a message asks to stay unnamed: by Privacy user or id, or, where the trunk's policy
// reads it, by the privacy of a Remote-Party-ID.
func wantsHiding(in *msg.Message, accept []sbc.IdentityField) bool {
	if w := wishes(in); len(w) > 0 {
		return slices.Contains(w, "id") || slices.Contains(w, "user")
	}
	if !slices.Contains(accept, sbc.IdentityRPID) {
		return false
	}
	a, ok := claim(in, sbc.IdentityRPID)
	if !ok {
		return false
	}
	p, _ := msg.Param(a.Params, "privacy")
	p, _, _ = strings.Cut(strings.ToLower(p), ";")
	return p == "full" || p == "uri" || p == "name"
}

// Wish is what the caller of a message wishes for its privacy, as one Privacy header spells it (RFC 3323 4.2), "" for nothing;
// unnamed tells whether it wishes to stay unnamed.
func Wish(in *msg.Message, from *sbc.Trunk) (privacy string, unnamed bool) {
	w := wishes(in)
	if unnamed = wantsHiding(in, Policy(from).Accept); unnamed && len(w) == 0 {
		return "id", true
	}
	return strings.Join(w, ";"), unnamed
}

// Withheld tells whether the caller must be made anonymous towards the trunk a message goes to: it wishes so, and that trunk is
// one that is not trusted to keep a secret (RFC 3325 7), or whose policy has us carry the wish out (RFC 3323 5).
func Withheld(in *msg.Message, f Flow) bool {
	mode := Policy(f.ToTrunk).Privacy
	if mode == sbc.PrivacyIgnore || mode == sbc.PrivacyPass && trusts(f.ToTrust) {
		return false
	}
	return wantsHiding(in, Policy(f.FromTrunk).Accept)
}

// Names lists everything in a message by which its caller is known: numbers as they stand and without a leading plus, and display
// names. It is what must not show where the caller is withheld.
func Names(in *msg.Message) []string {
	var names []string
	take := func(a msg.NameAddr) {
		n := a.URI.Number()
		for _, w := range []string{n, strings.TrimPrefix(n, "+"), a.Display} {
			if w != "" && !strings.EqualFold(w, "anonymous") && !slices.Contains(names, w) {
				names = append(names, w)
			}
		}
	}
	for ; in != nil; in = in.Original { // a rule may have moved a name to where nobody looks for one
		named(in, take)
	}
	return names
}

// named gives everybody to take by whom a message calls its caller.
func named(in *msg.Message, take func(msg.NameAddr)) {
	take(in.From)
	for _, h := range []string{hdrAsserted, hdrPreferred, hdrParty} {
		for i, v := range in.Values(h) {
			if a, err := msg.ParseNameAddr(v); err == nil && i < maxSame {
				take(a)
			}
		}
	}
}

// IsNumber tells a telephone number from a name: digits, with a plus before them or not.
func IsNumber(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Format writes a number as a trunk wants numbers to be; names stay as they are.
func Format(number string, f sbc.NumberFormat) string {
	if !IsNumber(number) {
		return number
	}
	switch f {
	case sbc.NumberPlus:
		return "+" + strings.TrimPrefix(number, "+")
	case sbc.NumberDigits:
		return strings.TrimPrefix(number, "+")
	}
	return number
}

// sends tells whether identities that the peer asserted are written to the trunk a message goes to. P-Preferred-Identity is
// written where either header is.
func (c *collector) sends(name string) bool {
	to := Policy(c.flow.ToTrunk).Send
	if name == hdrPreferred && slices.Contains(to, sbc.IdentityPPI) {
		return true
	}
	return slices.Contains(to, sbc.IdentityPAI)
}

// believes tells whether an asserted identity counts: the trunk it comes from has to accept it. A preferred one is a wish.
func (c *collector) believes(name string) bool {
	return name == hdrPreferred || slices.Contains(Policy(c.flow.FromTrunk).Accept, sbc.IdentityPAI)
}

// callers writes the caller to the fields that the trunk's policy names and that did not pass by themselves. An INVITE that opens
// a dialog says it; later requests and responses have nothing to add.
func (c *collector) callers() {
	if c.in.Method != msg.INVITE || c.in.To.Tag() != "" || !trusts(c.flow.ToTrust) {
		return
	}
	to := Policy(c.flow.ToTrunk)
	var who Caller
	for _, f := range to.Send {
		name := fieldHeader(f)
		if name == "" || c.has(name) {
			continue
		}
		if who.Field == "" {
			who = CallerOf(c.in, c.flow.FromTrunk, c.flow.FromTrust)
		}
		if f == sbc.IdentityPAI && !c.vouches(who, to) {
			continue
		}
		if value := c.callerValue(who); value != "" {
			c.add(name, value+c.party(f, who, to))
		}
	}
}

// vouches tells whether the border asserts an identity (RFC 3325 5): the side it comes from is trusted, and said who calls by
// more than a From; or that side's policy puts From first; or a From of our own hides the number that it held.
func (c *collector) vouches(who Caller, to sbc.CallerIdentity) bool {
	if c.flow.Vouched {
		return true
	}
	if !trusts(c.flow.FromTrust) {
		return false
	}
	accept := Policy(c.flow.FromTrunk).Accept
	return who.Field != sbc.IdentityFrom || to.FromUser != "" || len(accept) > 0 && accept[0] == sbc.IdentityFrom
}

// callerValue writes a caller as the value of an identity header; "" where there is no number that may show.
func (c *collector) callerValue(who Caller) string {
	var u msg.URI
	u.Scheme, u.User = "sip", who.Number
	uri := c.identityURI(u)
	if uri == "" || strings.EqualFold(who.Number, "anonymous") {
		return ""
	}
	if d := who.Display; d != "" && len(d) <= 128 && c.clean(d) {
		return quote(d) + " <" + uri + ">"
	}
	return "<" + uri + ">"
}

// party gives the parameters of a Remote-Party-ID: whether the number was checked, and whether it may be shown.
func (c *collector) party(f sbc.IdentityField, who Caller, to sbc.CallerIdentity) string {
	if f != sbc.IdentityRPID {
		return ""
	}
	screen, private := "no", "off"
	if who.Field != sbc.IdentityFrom || c.flow.Vouched {
		screen = "yes"
	}
	if to.Privacy != sbc.PrivacyIgnore && wantsHiding(c.in, Policy(c.flow.FromTrunk).Accept) {
		private = "full"
	}
	return ";party=calling;screen=" + screen + ";privacy=" + private
}

// privacy passes the caller's wish to trusted realms: others get neither the wish nor the identity, so that there is nothing to
// wish for. Where we carry the wish out, what is done is taken off it (RFC 3323 5), and the asserted identity that goes along
// must not go further (RFC 3325 7).
func privacy(c *collector, name string) {
	w := wishes(c.in)
	switch mode := Policy(c.flow.ToTrunk).Privacy; {
	case mode == sbc.PrivacyIgnore:
		return
	case !trusts(c.flow.ToTrust):
		if slices.ContainsFunc(w, func(v string) bool { return v != "none" }) {
			return
		}
	case mode == sbc.PrivacyEnforce:
		hide := slices.Contains(w, "id") || slices.Contains(w, "user")
		w = slices.DeleteFunc(w, func(v string) bool { return v != "none" && v != "history" })
		if hide {
			w = append(w, "id")
		}
	}
	c.add(name, strings.Join(w, ";"))
}
