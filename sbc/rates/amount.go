package rates

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// Unit is one unit of a currency in the billionths that amounts are counted in.
const Unit = 1_000_000_000

// maxAmount is the most that a minute or a call as such may cost: 10,000 units.
const maxAmount = 10_000 * Unit

// decimals is how many digits after the point an amount has.
const decimals = 9

// ParseAmount reads "0.0125": digits, and at most nine after a point.
func ParseAmount(s string) (int64, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || len(part) > decimals || len(whole) > 5 || !isDigits(whole) || !isDigits(part) {
		return 0, fmt.Errorf("%q is not an amount such as 0.0125, with at most %d digits after the point", clip(s), decimals)
	}
	amount := int64(0)
	for _, c := range []byte(whole + part) {
		amount = amount*10 + int64(c-'0')
	}
	for range decimals - len(part) {
		amount *= 10
	}
	if amount > maxAmount {
		return 0, fmt.Errorf("%s is more than %d", s, maxAmount/Unit)
	}
	return amount, nil
}

// FormatAmount writes an amount with nine digits after the point.
func FormatAmount(amount int64) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	part := strconv.FormatInt(amount%Unit, 10)
	return sign + strconv.FormatInt(amount/Unit, 10) + "." + strings.Repeat("0", decimals-len(part)) + part
}

// Billed is the duration in seconds that a rate charges for one in milliseconds: begun seconds count, at least the minimum, and beyond it
// whole increments.
func Billed(r *sbc.Rate, ms int64) int {
	s := int((max(0, ms) + 999) / 1000)
	if s <= r.MinimumS {
		return r.MinimumS
	}
	if step := r.IncrementS; step > 1 {
		s = r.MinimumS + (s-r.MinimumS+step-1)/step*step
	}
	return s
}

// Amount is what a rate makes of a billed duration in seconds, in billionths, a half of one rounded up.
func Amount(r *sbc.Rate, billedS int) int64 {
	hi, lo := bits.Mul64(uint64(r.PerMinute), uint64(billedS))
	lo, carry := bits.Add64(lo, 30, 0)
	hi += carry
	if hi >= 60 {
		return math.MaxInt64
	}
	if sum, _ := bits.Div64(hi, lo, 60); sum <= math.MaxInt64-uint64(r.Connection) {
		return int64(sum) + r.Connection
	}
	return math.MaxInt64
}

// ChargeFor is what an answered call costs by a rate; ms is its billable duration in milliseconds.
func ChargeFor(deckID, currency string, r *sbc.Rate, ms int64) *sbc.Charge {
	billed := Billed(r, ms)
	return &sbc.Charge{
		Amount: FormatAmount(Amount(r, billed)), Currency: currency, RateDeckID: deckID, Prefix: r.Prefix, BilledS: billed,
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// clip bounds what of a bad field is shown.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "?") + "…"
	}
	return s
}
