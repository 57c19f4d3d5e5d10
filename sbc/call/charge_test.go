package call

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestCallsAreChargedByTheRateAtTheAnswer: cost by the deck of the trunk that answers, price by that of the caller's; what becomes of the decks
// during the call is nothing to it. A call that nobody answers costs nothing.
func TestCallsAreChargedByTheRateAtTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := resources(func(id string, r sbc.Resource) {
			if x, ok := r.(*sbc.Trunk); ok {
				x.CostDeckID, x.PriceDeckID = "rdk_cost_"+id, "rdk_price_"+id
			}
		})
		for _, id := range []string{"rdk_cost_trk_a", "rdk_cost_trk_b", "rdk_price_trk_a", "rdk_price_trk_b"} {
			rows = append(rows, &sbc.RateDeck{Meta: meta(id), Currency: "EUR"})
		}
		w := newWorldOf(t, rows)
		perMinute, asked := int64(60*sbc.MoneyUnit), []string{}
		w.m.o.Charge = func(d *sbc.RateDeck, number string, at time.Time) *sbc.Charge {
			asked = append(asked, fmt.Sprint(d.ID, " ", number, " ", at.Equal(time.Now())))
			r := &sbc.Rate{Prefix: "49", PerMinute: perMinute, MinimumS: 60, IncrementS: 1}
			return r.Charge(d)
		}
		a, _, _, _ := w.talk()
		c := w.call()
		c.look(func() {
			kept := c.rec.keep()
			if again := kept.record(); again.cost == nil || *again.cost != *c.rec.cost || *again.price != *c.rec.price {
				t.Errorf("a restart would lose %+v and %+v", c.rec.cost, c.rec.price)
			}
		})
		perMinute = 0 // a new deck
		time.Sleep(61_500 * time.Millisecond)
		w.end(a)
		d := w.cdr()
		if d.Cost == nil || d.Cost.RateDeckID != "rdk_cost_trk_b" || d.Cost.Amount != "62.000000000" || d.Cost.BilledS != 62 {
			t.Errorf("cost %+v", d.Cost)
		}
		if d.Price == nil || d.Price.RateDeckID != "rdk_price_trk_a" || d.Price.Amount != "62.000000000" || d.Price.Currency != "EUR" {
			t.Errorf("price %+v", d.Price)
		}
		if want := fmt.Sprintf("[rdk_cost_trk_b %[1]s true rdk_price_trk_a %[1]s true]", d.CalleeNormalised); fmt.Sprint(asked) != want {
			t.Errorf("asked for %v, want %s", asked, want)
		}
		synctest.Wait()
		w.clean()
	})
}
