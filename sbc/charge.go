package sbc

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// MoneyUnit is one unit of a currency in the billionths that amounts are counted in.
const MoneyUnit = 1_000_000_000

// maxMoney is the most that a minute or a call as such may cost: 10,000 units.
const maxMoney = 10_000 * MoneyUnit

// moneyDecimals is how many digits after the point an amount has.
const moneyDecimals = 9

// Charge is what a call costs by one rate of a deck.
type Charge struct {
	// Amount is in Currency with nine decimals: "0.012500000".
	Amount     string `json:"amount"`
	Currency   string `json:"currency"`
	RateDeckID string `json:"rate_deck_id"`
	// Prefix, PerMinute, Connection, MinimumS and IncrementS are those of the rate, the amounts with nine decimals.
	Prefix     string `json:"prefix"`
	PerMinute  string `json:"per_minute"`
	Connection string `json:"connection"`
	MinimumS   int    `json:"minimum_s"`
	IncrementS int    `json:"increment_s"`
	// BilledS is the duration that was charged, with minimum and increment, in seconds.
	BilledS int `json:"billed_s"`
}

// Charge is what a call costs by a rate of a deck, before anything of it is billed.
func (r *Rate) Charge(d *RateDeck) *Charge {
	return &Charge{
		Amount: FormatMoney(0), Currency: d.Currency, RateDeckID: d.ID, Prefix: r.Prefix, PerMinute: FormatMoney(r.PerMinute),
		Connection: FormatMoney(r.Connection), MinimumS: r.MinimumS, IncrementS: r.IncrementS,
	}
}

// Bill gives the charge of an answered call that lasted so many milliseconds: begun seconds count, at least the minimum, and beyond it whole
// increments; half a billionth is rounded up. Nil stays nil.
func (c *Charge) Bill(ms int64) *Charge {
	if c == nil {
		return nil
	}
	billed := *c
	billed.BilledS = chargedSeconds(int((max(0, ms)+999)/1000), c.MinimumS, c.IncrementS)
	perMinute, err := ParseMoney(c.PerMinute)
	if err == nil {
		var connection int64
		connection, err = ParseMoney(c.Connection)
		billed.Amount = FormatMoney(price(perMinute, connection, billed.BilledS))
	}
	if err != nil { // no rate has such amounts
		return nil
	}
	return &billed
}

// CallPrice is what an answered call of so many seconds costs by the rate, with its connection, minimum and increment, in billionths.
func (r *Rate) CallPrice(seconds int) int64 {
	return price(r.PerMinute, r.Connection, chargedSeconds(max(0, seconds), r.MinimumS, r.IncrementS))
}

// chargedSeconds is how many seconds are charged of a call that lasted so many.
func chargedSeconds(seconds, minimum, increment int) int {
	switch {
	case seconds <= minimum:
		return minimum
	case increment > 1:
		return minimum + (seconds-minimum+increment-1)/increment*increment
	}
	return seconds
}

// price is what so many seconds cost.
func price(perMinute, connection int64, seconds int) int64 {
	hi, lo := bits.Mul64(uint64(perMinute), uint64(seconds))
	lo, carry := bits.Add64(lo, 30, 0)
	if hi += carry; hi >= 60 {
		return math.MaxInt64
	}
	if sum, _ := bits.Div64(hi, lo, 60); sum <= uint64(math.MaxInt64-connection) {
		return int64(sum) + connection
	}
	return math.MaxInt64
}

// ParseMoney reads "0.0125": digits, and at most nine after a point. The amount is in billionths.
func ParseMoney(s string) (int64, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || len(part) > moneyDecimals || len(whole) > 5 || !digits.MatchString(whole) ||
		part != "" && !digits.MatchString(part) {
		if len(s) > 40 {
			s = strings.ToValidUTF8(s[:40], "?") + "…"
		}
		return 0, fmt.Errorf("%q is not an amount such as 0.0125, with at most %d digits after the point", s, moneyDecimals)
	}
	amount := int64(0)
	for _, c := range []byte(whole + part) {
		amount = amount*10 + int64(c-'0')
	}
	for range moneyDecimals - len(part) {
		amount *= 10
	}
	if amount > maxMoney {
		return 0, fmt.Errorf("%s is more than %d", s, maxMoney/MoneyUnit)
	}
	return amount, nil
}

// FormatMoney writes billionths with nine digits after the point.
func FormatMoney(amount int64) string {
	part := strconv.FormatInt(amount%MoneyUnit, 10)
	return strconv.FormatInt(amount/MoneyUnit, 10) + "." + strings.Repeat("0", moneyDecimals-len(part)) + part
}
