package call

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

const (
	// maxContacts bounds the contacts of one redirection that are looked at.
	maxContacts = 16
	// maxHunt bounds the attempts of a call with those that redirections add.
	maxHunt = 2 * route.MaxAttempts
)

// detour is how an attempt came about that redirections led to: the number it is for, who sent the call there and why, and how
// the call had come to that one.
type detour struct {
	number string
	header.Detour
	before *detour
	// routed is the number as the payer's number plan and dialplan made it, "" before it was routed.
	routed string
	// by is the subscriber that had the call forwarded, and reason why; nil for a redirection.
	by     *Origin
	reason string
}

// redirection is a number to which a callee sent the call, with the weight that it has for the callee (RFC 3261 20.10).
type redirection struct {
	number string
	q      float64
}

// mapped gives the failure that stands for one that came from the leg's trunk: the response itself for most.
func (c *Call) mapped(l *leg, res *msg.Message) *msg.Message {
	to, reason := c.snap.Signalling(l.trunk).Mapped(res.Status)
	if to == res.Status && reason == "" {
		return res
	}
	other := res.Clone()
	other.Status, other.Reason = to, reason
	return other
}

// redirected deals with a 3xx as the trunk's profile says; false leaves it to count as a failure.
func (c *Call) redirected(l *leg, res *msg.Message) bool {
	if res.Status < 300 || res.Status > 302 { // RFC 3261 21.3.4, 21.3.5: a proxy and other services are not other numbers
		return false
	}
	p := c.snap.Signalling(l.trunk)
	switch p.Redirects {
	case sbc.RedirectFollow:
		if l.who != nil {
			return c.divert(&c.hunt.pursuit, l, res, p.MaxRedirects)
		}
		return c.follow(&c.hunt.pursuit, l, res, p.MaxRedirects)
	case sbc.RedirectPass:
		return c.passRedirect(l, res)
	}
	return false
}

// around finds the ways to the contacts of a redirection. They are in the name of whoever pays for the leg: its lists and groups must let it
// call them.
func (c *Call) around(p *pursuit, l *leg, res *msg.Message) (ways []*detour) {
	by, here := l.payer(), p.routed(l)
	if by == nil {
		by = p.d.who
	}
	for _, r := range redirections(res) {
		if r.number == p.d.caller.Number || slices.Contains(p.followed, r.number) || !by.calls(c.snap, r.number) {
			continue
		}
		p.followed = append(p.followed, r.number)
		way := &detour{number: r.number, Detour: header.Detour{Number: here, Cause: header.DivertedBy(res)}, before: l.detour}
		ways = append(ways, way)
	}
	return ways
}

// routed is the number that an attempt is for, as it was routed.
func (p *pursuit) routed(l *leg) string {
	switch {
	case l.detour != nil:
		return l.detour.number
	case p.t != nil:
		return p.t.number
	}
	return p.d.caller.Number
}

// passRedirect lets the caller have the redirection, if nothing better comes: the numbers, at our own host. A contact that is the
// number it called would send it here again.
func (c *Call) passRedirect(l *leg, res *msg.Message) bool {
	h := &c.hunt
	hs := c.contacts(res, c.flow(l, c.a), c.tx.Local(), c.hunt.routed(l), c.rec.callee)
	if len(hs) == 0 {
		return false
	}
	h.failed(l, res.Status, msg.StatusText(res.Status), 0, "")
	h.stop = !l.trunk.Advances(res.Status)
	if !h.fixed && better(res.Status, h.code) {
		h.code, h.reason, h.end, h.res, h.leg, h.cause, h.headers = res.Status, "", sbc.EndRejected, res, l, q850(res), hs
	}
	return true
}

// contacts are those of a redirection as somebody behind our address local may have them, but for the numbers that it called.
func (c *Call) contacts(res *msg.Message, f header.Flow, local msg.Local, called ...string) (hs []msg.Header) {
	for _, r := range redirections(res) {
		if slices.Contains(called, r.number) || !c.snap.Header.Clean(res, f, r.number) {
			continue
		}
		value := local.Contact(r.number)
		if r.q < 1 {
			value += ";q=" + strconv.FormatFloat(r.q, 'f', -1, 64)
		}
		hs = append(hs, msg.Header{Name: "Contact", Value: value})
	}
	return hs
}

// numbers of redirections are those that can be dialled; it is only read.
var redirectable = regexp.MustCompile(`^[+0-9A-Za-z*#._-]{1,32}$`)

// redirections reads the contacts of a 3xx, the most wanted first (RFC 3261 8.1.3.4).
func redirections(res *msg.Message) []redirection {
	contacts, err := res.Contacts()
	if err != nil {
		return nil
	}
	var out []redirection
	for _, a := range contacts[:min(len(contacts), maxContacts)] {
		r := redirection{number: number(a.URI), q: 1}
		if v, ok := msg.Param(a.Params, "q"); ok {
			if q, err := strconv.ParseFloat(v, 64); err == nil && q >= 0 && q <= 1 {
				r.q = q
			}
		}
		if redirectable.MatchString(r.number) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(x, y redirection) int { return cmp.Compare(y.q, x.q) })
	return out
}

// detourOf finds how the attempt about to be made came about, the one before next; nil for those of the plan.
func detourOf(detours []*detour, next int) *detour {
	if i := next - 1; i >= 0 && i < len(detours) {
		return detours[i]
	}
	return nil
}

// retargeted puts on the INVITE of an attempt what its trunk wants to know of earlier destinations of in, which a caller's leg sent.
func (c *Call) retargeted(r *request, at *route.Attempt, in *msg.Message, caller *leg) {
	mode := c.snap.Signalling(r.leg.trunk).Retargeting
	if mode == sbc.RetargetDrop {
		return
	}
	var own []header.Detour
	for d := r.leg.detour; d != nil; d = d.before {
		own = append(own, d.Detour)
	}
	slices.Reverse(own)
	r.req.Remove("Diversion") // what pass_headers let through
	r.req.Remove("History-Info")
	r.pass(c.snap.Header.Retargeted(in, c.flow(caller, r.leg), mode, own, at.Number))
}
