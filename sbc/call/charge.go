package call

import (
	"cmp"

	"github.com/sallyport/sallyport/sbc"
)

// charge finds by which rates the call with the leg that answered is charged: those that hold at its answer, whatever becomes of the decks
// afterwards. The cost is that of the number which the leg is for. The price is what whoever pays for the leg is charged for that number: who
// redirects a call has the caller pay for it, a subscriber that forwards one pays itself. Where nothing is charged of that one, the caller
// pays for the number which it called.
func (c *Call) charge(l *leg) {
	find := c.m.o.Charge
	if find == nil || c.rec.free || l == nil {
		return
	}
	payer, called, sent := c.decision.trunk, c.rec.normalised, c.rec.normalised
	switch w := l.detour; {
	case w != nil: // a redirection or forwarding led there
		sent = cmp.Or(w.routed, w.number)
		if by, _ := w.forwarder(); by == nil {
			called = sent
		} else if t := c.snap.Trunk(by.Domain.ID); t != nil && t.PriceDeckID != "" {
			payer, called = t, sent
		}
	case l.number != "" && c.plan == nil:
		sent = l.number
	}
	at := c.rec.answeredAt
	if t := l.trunk; t != nil && t.CostDeckID != "" {
		c.rec.cost = find(c.snap.Deck(t.CostDeckID), sent, at)
	}
	if payer != nil && payer.PriceDeckID != "" {
		c.rec.price = find(c.snap.Deck(payer.PriceDeckID), called, at)
	}
}

// bill puts into the record what the call cost.
func (r *record) bill(d *sbc.CDR) {
	d.Cost, d.Price = r.cost, r.price
	if r.free {
		d.Cost, d.Price = nil, nil
	} else if !r.endAt.IsZero() {
		d.Cost, d.Price = r.cost.Bill(d.BillableMS), r.price.Bill(d.BillableMS)
	}
}
