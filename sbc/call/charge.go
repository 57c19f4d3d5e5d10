package call

import "github.com/sallyport/sallyport/sbc"

// charge finds by which rates the call is charged: those that hold at its answer, whatever becomes of the decks afterwards. The price is that
// of the number which the caller called, the cost that of the one which the leg that answered is for.
func (c *Call) charge() {
	find := c.m.o.Charge
	if find == nil || c.rec.free || c.b == nil {
		return
	}
	called, sent := c.rec.normalised, c.rec.normalised
	switch {
	case c.b.detour != nil: // a redirection or forwarding led there
		sent = c.b.detour.number
	case c.b.number != "":
		sent = c.b.number
	}
	at := c.rec.answeredAt
	if t := c.b.trunk; t != nil && t.CostDeckID != "" {
		c.rec.cost = find(c.snap.Deck(t.CostDeckID), sent, at)
	}
	if t := c.decision.trunk; t != nil && t.PriceDeckID != "" {
		c.rec.price = find(c.snap.Deck(t.PriceDeckID), called, at)
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
