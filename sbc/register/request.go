package register

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// digest stands for a Call-ID: all that is asked of one is whether it is the same.
type digest [16]byte

func digestOf(callID string) (d digest) {
	sum := sha256.Sum256([]byte(callID))
	copy(d[:], sum[:])
	return d
}

// Bounds of what is kept of a contact, in octets.
const (
	maxContact  = 512
	maxInstance = 256
	maxAgent    = 128
	maxPath     = 1024
	maxPaths    = 8
)

// ask is what a REGISTER asks for, as far as it can be told without the bindings there are.
type ask struct {
	m        *msg.Message
	callID   digest
	cseq     uint32
	wildcard bool
	wishes   []wish
	agent    string
	path     string
	// gruu, outbound, paths: the extensions that the phone supports (RFC 5627, 5626, 3327).
	gruu, outbound, paths bool
}

// wish is one Contact of a REGISTER.
type wish struct {
	addr     msg.NameAddr
	expires  time.Duration // 0 takes the binding away
	q        uint16        // thousandths
	instance string
	regID    uint16
	tests    natTests
	direct   bool
}

// refusal is the answer to a REGISTER that changes nothing.
type refusal struct {
	code    int
	reason  string
	headers []msg.Header
	// contact and why are told as an event, where why is not "".
	contact, why string
}

func refuse(code int, reason string, headers ...msg.Header) *refusal {
	return &refusal{code: code, reason: reason, headers: headers}
}

// extensions are those that a REGISTER may require of us.
func extensions(d *sbc.Domain) []string {
	p := &d.Registration
	list := make([]string, 0, 3)
	if p.Path != sbc.PathOff {
		list = append(list, "path")
	}
	if p.GRUU && !d.Upstream() { // who routes its calls knows none of ours
		list = append(list, "gruu")
	}
	if p.Outbound {
		list = append(list, "outbound")
	}
	return list
}

// read takes a REGISTER apart (RFC 3261 10.3 steps 2 and 6, RFC 3327 5.3, RFC 5626 6).
func (r *Registrar) read(m *msg.Message, d *sbc.Domain) (*ask, *refusal) {
	p := &d.Registration
	served := extensions(d)
	if bad := slices.DeleteFunc(m.Values("Require"), func(tag string) bool { return holds(served, tag) }); len(bad) > 0 {
		return nil, refuse(420, "", msg.Header{Name: "Unsupported", Value: strings.Join(bad, ", ")})
	}
	a := &ask{m: m, callID: digestOf(m.CallID), cseq: m.CSeq.Seq, agent: clip(m.Get("User-Agent"), maxAgent)}
	supported := append(m.Values("Supported"), m.Values("Require")...)
	a.gruu = p.GRUU && !d.Upstream() && holds(supported, "gruu")
	a.outbound = p.Outbound && holds(supported, "outbound")
	a.paths = p.Path != sbc.PathOff && holds(supported, "path")
	if no := a.readPath(p); no != nil {
		return nil, no
	}
	return a, a.readContacts(p)
}

// readPath takes the way back, where the domain wants it.
func (a *ask) readPath(p *sbc.RegistrationPolicy) *refusal {
	values := a.m.Values("Path")
	if p.Path == sbc.PathOff || len(values) == 0 {
		return nil
	}
	if p.Path == sbc.PathNeed && !a.paths {
		return refuse(420, "", msg.Header{Name: "Unsupported", Value: "path"})
	}
	if len(values) > maxPaths {
		return refuse(400, "Too Many Path Values")
	}
	for _, v := range values {
		if n, err := msg.ParseNameAddr(v); err != nil || !n.URI.IsSIP() {
			return refuse(400, "Malformed Path")
		}
	}
	if a.path = strings.Join(values, "\n"); len(a.path) > maxPath {
		return refuse(400, "Path Too Long")
	}
	return nil
}

// readContacts takes the contacts with their times.
func (a *ask) readContacts(p *sbc.RegistrationPolicy) *refusal {
	contacts, err := a.m.Contacts()
	if err != nil {
		return refuse(400, "Malformed Contact")
	}
	flows := 0
	for _, c := range contacts {
		if c.URI.Wildcard {
			a.wildcard = true
			continue
		}
		w, no := a.wish(p, c)
		if no != nil {
			return no
		}
		if w.regID > 0 && w.expires > 0 {
			flows++
		}
		a.wishes = append(a.wishes, w)
	}
	switch {
	case a.wildcard && (len(contacts) > 1 || strings.TrimSpace(a.m.Get("Expires")) != "0"): // RFC 3261 10.2.2
		return refuse(400, "Wildcard Contact Needs Expires 0 And Nothing Else")
	case len(a.wishes) > p.MaxContacts+100: // some may be taken away
		return refuse(403, "Too Many Contacts")
	case flows > 1: // RFC 5626 6
		return refuse(400, "Only One Flow In A Request")
	case flows == 1:
		return a.firstHop()
	}
	return nil
}

// firstHop is RFC 5626 6: where a REGISTER came through others, the one next to the phone must keep its flow and say so.
func (a *ask) firstHop() *refusal {
	vias, err := a.m.Vias()
	if err != nil || len(vias) < 2 {
		return nil
	}
	values := strings.Split(a.path, "\n")
	if n, err := msg.ParseNameAddr(values[len(values)-1]); err == nil {
		if _, kept := n.URI.Param("ob"); kept {
			return nil
		}
	}
	return refuse(439, "First Hop Lacks Outbound Support")
}

// wish reads one Contact.
func (a *ask) wish(p *sbc.RegistrationPolicy, c msg.NameAddr) (w wish, no *refusal) {
	w = wish{addr: c, q: 1000, expires: time.Duration(p.DefaultExpiresS) * time.Second}
	if len(c.URI.Raw) > maxContact {
		return w, refuse(400, "Contact Too Long")
	}
	text, given := msg.Param(c.Params, "expires")
	if !given {
		text, given = a.m.Get("Expires"), a.m.Has("Expires")
	}
	if given {
		if w.expires, no = granted(p, text); no != nil {
			return w, no
		}
	}
	if text, given = msg.Param(c.Params, "q"); given {
		q, err := strconv.ParseFloat(text, 64)
		if err != nil || !(q >= 0 && q <= 1) || len(text) > 5 { // RFC 3261 25.1: three digits
			return w, refuse(400, "Malformed q")
		}
		w.q = uint16(q*1000 + .5)
	}
	if text, given = msg.Param(c.Params, "+sip.instance"); given && len(text) <= maxInstance {
		w.instance = strings.TrimSuffix(strings.TrimPrefix(text, "<"), ">")
	}
	if text, given = msg.Param(c.Params, "reg-id"); given && w.instance != "" && a.outbound {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n == 0 || n > 65535 {
			return w, refuse(400, "Malformed reg-id")
		}
		w.regID = uint16(n)
	}
	return w, nil
}

// granted is what a phone gets that asks for so many seconds (RFC 3261 10.3 step 7). What cannot be read counts as nothing said
// (RFC 3261 20.19 in the spirit of 10.2.1.1).
func granted(p *sbc.RegistrationPolicy, text string) (time.Duration, *refusal) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	switch {
	case err != nil:
		n = uint64(p.DefaultExpiresS)
	case n == 0:
		return 0, nil
	case n < uint64(p.MinExpiresS) && n < 3600: // who asks for an hour may not be told that it is too brief
		return 0, refuse(423, "", msg.Header{Name: "Min-Expires", Value: strconv.Itoa(p.MinExpiresS)})
	}
	return time.Duration(min(n, uint64(p.MaxExpiresS))) * time.Second, nil
}

// holds tells whether a list of option tags names one, without regard to case.
func holds(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// clip bounds a text from outside, whole characters and no control characters only.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// names are what a subscriber is called by in its address of record.
func isName(e *sbc.Entry, user string) bool {
	if user == e.Subscriber.Username {
		return true
	}
	return slices.ContainsFunc(e.Aliases, func(a sbc.Alias) bool { return a.Enabled && a.Name == user })
}

// belongs tells whether a REGISTER is for the account that it came from (RFC 3261 10.3 steps 4 and 5).
func (r *Registrar) belongs(m *msg.Message, d *sbc.Domain, e *sbc.Entry) *refusal {
	to := m.To.URI
	switch {
	case !to.IsSIP():
		return refuse(404, "")
	case !isName(e, to.Number()):
		return &refusal{
			code: 403, reason: "Not Your Address", contact: clip(to.String(), maxContact), why: "another subscriber's address",
		}
	case r.o.Hosts != nil && !r.o.Hosts(d, m.Hop.Interface, to.Host):
		return refuse(404, "")
	}
	return nil
}

func (x *refusal) String() string { return fmt.Sprintf("%d %s", x.code, x.reason) }
