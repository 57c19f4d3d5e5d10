package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
)

// maxENUM bounds the records of a number that are looked at.
const maxENUM = 16

// ENUM finds the SIP URIs that DNS has for a number (RFC 6116, RFC 3764), by order and preference. The number's digits are looked up
// below suffix, "e164.arpa" for example; its leading + may be missing. Records that are not terminal, of other services, or whose
// expression does not fit the number are passed over. No URI and no error means that there is none. It takes at most the budget.
func (d *DNS) ENUM(ctx context.Context, number, suffix string) ([]string, error) {
	digits := strings.TrimPrefix(number, "+")
	if digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" { // E.164 6.2.1
		return nil, nil
	}
	name := make([]byte, 0, 2*len(digits)+len(suffix)+1)
	for _, c := range slices.Backward([]byte(digits)) {
		name = append(name, c, '.')
	}
	ctx, cancel := context.WithTimeout(ctx, d.budget)
	defer cancel()
	records, err := d.cache.get(ctx, question{dns.Fqdn(string(name) + suffix), dns.TypeNAPTR})
	if errors.Is(err, ErrNoAddress) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("NAPTR of %s: %w", number, err)
	}
	var kept []*dns.NAPTR
	for _, r := range records {
		if n, ok := r.(*dns.NAPTR); ok && strings.EqualFold(n.Flags, "u") && enumService(n.Service) && len(kept) < maxENUM {
			kept = append(kept, n)
		}
	}
	slices.SortStableFunc(kept, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var found []string
	for _, n := range kept {
		if uri := substitute(unescaped(n.Regexp), "+"+digits); uri != "" {
			found = append(found, uri)
		}
	}
	return found, nil
}

// enumService tells whether a service field has SIP among its enumservices: "E2U+sip", "E2U+voice:tel+sip", or "sip+E2U" as RFC 2916
// wrote it.
func enumService(s string) bool {
	parts := strings.Split(strings.ToLower(s), "+")
	return slices.Contains(parts, "e2u") && slices.Contains(parts, "sip")
}

// unescaped takes back how a zone file writes a text: \" and \\ and \DDD (RFC 1035 5.1).
func unescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			out = append(out, s[i])
		case i+3 < len(s) && strings.Trim(s[i+1:i+4], "0123456789") == "":
			out = append(out, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		default:
			out = append(out, s[i+1])
			i++
		}
	}
	return string(out)
}

var backReference = regexp.MustCompile(`\\([1-9])`)

// substitute carries out the substitution of a NAPTR record (RFC 3402 3.2), "" where it does not fit or is none.
func substitute(expression, on string) string {
	if len(expression) < 3 || len(expression) > 255 {
		return ""
	}
	parts := strings.Split(expression[1:], expression[:1])
	if len(parts) != 3 || parts[2] != "" && parts[2] != "i" {
		return ""
	}
	pattern := parts[0]
	if parts[2] == "i" {
		pattern = "(?i)" + pattern
	}
	fits, err := sbc.Expression(pattern)
	if err != nil {
		return ""
	}
	at := fits.FindStringSubmatchIndex(on)
	if at == nil {
		return ""
	}
	template := backReference.ReplaceAllString(strings.ReplaceAll(parts[1], "$", "$$"), "$${$1}")
	return string(fits.ExpandString(nil, template, on, at))
}
