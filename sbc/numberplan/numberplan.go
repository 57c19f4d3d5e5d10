// Package numberplan knows how people of a country dial: it brings numbers to the normal form of E.164 and sorts them into classes.
package numberplan

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// maxE164 is how many digits a number of E.164 has at most.
const maxE164 = 15

// Plan is a compiled number plan. It is immutable and safe for concurrent use.
type Plan struct {
	row *sbc.NumberPlan
	// abroad are the international prefixes, the longest first.
	abroad []string
	// whole and begins are the classes of whole numbers and of prefixes; longest is the longest of the latter.
	whole, begins map[string]sbc.NumberClass
	longest       int
}

// Compile compiles a plan; of two classes with the same prefix the first counts. Numbers of the country itself are national where no class
// says otherwise.
func Compile(row *sbc.NumberPlan) *Plan {
	p := &Plan{row: row, abroad: slices.Clone(row.InternationalPrefixes), whole: map[string]sbc.NumberClass{},
		begins: make(map[string]sbc.NumberClass, len(row.Classes))}
	slices.SortStableFunc(p.abroad, func(a, b string) int { return len(b) - len(a) })
	for _, c := range row.Classes {
		list := p.begins
		prefix, whole := strings.CutSuffix(c.Prefix, "$")
		if whole {
			list = p.whole
		} else {
			p.longest = max(p.longest, len(prefix))
		}
		if _, there := list[prefix]; !there {
			list[prefix] = c.Class
		}
	}
	if home := "+" + row.CountryCode; p.begins[home] == "" { // "+" alone is what is abroad
		p.begins[home], p.longest = sbc.ClassNational, max(p.longest, len(home))
	}
	return p
}

// Row is what the plan was compiled from.
func (p *Plan) Row() *sbc.NumberPlan { return p.row }

// Normal brings a number to the normal form of E.164, "+" and digits. What is none of the plan's stays as it is: names, codes with * or #,
// services that are shorter than MinDigits or stand in the plan as whole numbers, emergency numbers, and what would be longer than E.164
// allows.
func (p *Plan) Normal(number string) string {
	plus := strings.HasPrefix(number, "+")
	digits := strings.TrimPrefix(number, "+")
	if strings.ContainsAny(digits, "-.() ") {
		digits = strings.Map(separators, digits)
	}
	if len(digits) < p.row.MinDigits || !allDigits(digits) {
		return number
	}
	normal := digits
	if !plus {
		if _, service := p.whole[digits]; service {
			return number
		}
		if class, found := p.class(digits); found && class == sbc.ClassEmergency {
			return number
		}
		var ok bool
		if normal, ok = p.complete(digits); !ok {
			return number
		}
	}
	if len(normal) > maxE164 {
		return number
	}
	if plus && len(digits)+1 == len(number) {
		return number // as it is in most calls: nothing is copied
	}
	return "+" + normal
}

// separators takes away what people write between digits (RFC 3966 3).
func separators(c rune) rune {
	if strings.ContainsRune("-.() ", c) {
		return -1
	}
	return c
}

// complete puts before a number what it lacks; ok is false where that is not known.
func (p *Plan) complete(digits string) (normal string, ok bool) {
	for _, prefix := range p.abroad {
		if rest, found := strings.CutPrefix(digits, prefix); found && rest != "" {
			return rest, true
		}
	}
	rest, national := strings.CutPrefix(digits, p.row.NationalPrefix)
	switch {
	case p.row.NationalPrefix == "": // everyone dials whole numbers, within an area those of the area
		return p.row.CountryCode + p.row.AreaCode + digits, true
	case national && rest != "":
		return p.row.CountryCode + rest, true
	case len(digits) == p.row.NationalDigits:
		return p.row.CountryCode + digits, true
	case p.row.AreaCode != "" && !p.service(digits):
		return p.row.CountryCode + p.row.AreaCode + digits, true
	}
	return "", false
}

// service tells whether a number without any prefix is no subscriber's: there are no local numbers among what is dear or free.
func (p *Plan) service(digits string) bool {
	class, found := p.class(digits)
	return found && (class == sbc.ClassPremium || class == sbc.ClassFreephone)
}

// Class sorts a number: as it was dialled, else by its normal form. found is false where neither has a class.
func (p *Plan) Class(dialled, normal string) (class sbc.NumberClass, found bool) {
	if class, found = p.class(dialled); !found && normal != dialled {
		class, found = p.class(normal)
	}
	if found {
		return class, true
	}
	if digits := strings.Map(separators, dialled); len(digits) >= p.row.MinDigits && allDigits(digits) {
		// Too long for E.164: digits that are one too many must not make a call abroad a local one, for a carrier may cut them off.
		if full, ok := p.complete(digits); ok {
			return p.class("+" + full)
		}
	}
	return class, found
}

// class gives what the longest prefix says.
func (p *Plan) class(number string) (class sbc.NumberClass, found bool) {
	if class, found = p.whole[number]; found {
		return class, true
	}
	for n := min(p.longest, len(number)); n >= 0; n-- {
		if class, found = p.begins[number[:n]]; found {
			return class, true
		}
	}
	return "", false
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
