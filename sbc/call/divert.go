package call

import (
	"slices"

	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/service"
)

// A phone that answers 302 forwards the call as its subscriber's settings would: on the subscriber's account, by the plan of its domain,
// with its permissions, within its limit of calls and among the forwards that the domain allows. What it names is a number; the host that
// stands beside it is never asked.

// divert notes where a phone of the subscriber sends the call: the first of its contacts that can be. Phones that ring already go on; no
// other is tried. False leaves the answer to count as a failure.
func (c *Call) divert(p *pursuit, l *leg, res *msg.Message, most int) bool {
	if p.d == nil || p.d.dest == nil || p.d.dest.entry.Subscriber.ID != l.who.subscriberID() {
		return false
	}
	if p.diverted != "" { // another phone was quicker
		c.turnedAway(p, l, res)
		return true
	}
	if p.redirects >= most {
		return false
	}
	t, found := p.d.dest, redirections(res)
	call := c.m.services(c.snap, p.d)
	i := slices.IndexFunc(found, func(r redirection) bool {
		return r.number != t.number && service.Redirect(t.entry.Subscriber, call, r.number).Action == service.Forward &&
			l.who.unlisted(c.snap, r.number)
	})
	if i < 0 {
		return false
	}
	p.redirects++
	c.turnedAway(p, l, res)
	p.diverted, p.next = found[i].number, len(p.plan)
	return true
}

// diverts is where a phone had the call forwarded, when all have answered; false if none had, or one declined for all (RFC 3261 16.7).
func (c *Call) diverts(p *pursuit, code int) (v service.Verdict, ok bool) {
	if p.diverted == "" || code/100 == 6 {
		return v, false
	}
	return service.Redirect(p.d.dest.entry.Subscriber, c.m.services(c.snap, p.d), p.diverted), true
}

// payer is on whose account a redirection of the leg goes on: the subscriber's that redirects, or else of who had the call forwarded to
// there; nil if it is the caller's.
func (l *leg) payer() *Origin {
	if l.who != nil {
		return l.who
	}
	by, _ := l.detour.forwarder()
	return by
}

// calls tells whether the groups and the lists of a subscriber let it call a number.
func (o *Origin) calls(snap *config.Snapshot, number string) bool {
	ok, _, _ := o.may(snap, number, number, "")
	return ok && o.unlisted(snap, number)
}

// unlisted tells whether the lists of a subscriber let it call a number.
func (o *Origin) unlisted(snap *config.Snapshot, number string) bool {
	if o == nil || len(o.Entry.Subscriber.OutgoingListIDs) == 0 || snap.Screen(o.Entry.Subscriber.OutgoingListIDs, number) {
		return true
	}
	d := snap.Domain(o.Domain.ID)
	return d != nil && (&Origin{Domain: d}).emergency(snap, number)
}
