package sbc

import (
	"fmt"
	"regexp"
)

// NumberPlan is how people of a country dial: it brings numbers to the normal form of E.164 ("+4930123456") and sorts them into classes.
type NumberPlan struct {
	Meta
	// CountryCode is without + and zeros: "49".
	CountryCode string `json:"country_code"`
	// AreaCode is put before numbers that have neither prefix, without NationalPrefix: "30"; "" leaves them as they are.
	AreaCode string `json:"area_code,omitempty"`
	// InternationalPrefixes and NationalPrefix are what people dial before a number of another country, or of another area.
	InternationalPrefixes []string `json:"international_prefixes"`
	NationalPrefix        string   `json:"national_prefix"`
	// MinDigits is how many digits a number must have to be brought to the normal form: shorter ones are services and stay as they are.
	MinDigits int `json:"min_digits"`
	// NationalDigits is how many digits a number has that is whole without NationalPrefix, and is dialled so from another area, too (10 in
	// North America); 0 where there is no such way to dial.
	NationalDigits int `json:"national_digits"`
	// Classes sort the number as it was dialled, then, if that fits none, its normal form; the longest prefix decides. A whole number that
	// stands here as it is dialled ("116117$") stays as it is.
	Classes []ClassPrefix `json:"classes"`
}

// Kind names the kind.
func (*NumberPlan) Kind() Kind { return KindNumberPlan }

// Base gives the common fields.
func (p *NumberPlan) Base() *Meta { return &p.Meta }

// Defaults are those of most countries: 00 and 0, four digits, and a table of classes to begin with.
func (p *NumberPlan) Defaults() {
	p.InternationalPrefixes, p.NationalPrefix, p.MinDigits = []string{"00"}, "0", 4
	p.Classes = DefaultNumberClasses()
}

var digits = regexp.MustCompile(`^[0-9]*$`)

// Validate checks digits and lengths.
func (p *NumberPlan) Validate() []Fault {
	f := faults(p.Meta.validate())
	only := func(pointer, s string, least, most int) {
		if n := len(s); n < least || n > most || !digits.MatchString(s) {
			f.add(pointer, "pattern", fmt.Sprintf("%q must be %d to %d digits", s, least, most))
		}
	}
	only("#/country_code", p.CountryCode, 1, 3)
	only("#/area_code", p.AreaCode, 0, 8)
	only("#/national_prefix", p.NationalPrefix, 0, 4)
	f.atMost("#/international_prefixes", len(p.InternationalPrefixes), 8)
	for i, s := range p.InternationalPrefixes {
		only(fmt.Sprintf("#/international_prefixes/%d", i), s, 1, 6)
	}
	f.between("#/min_digits", p.MinDigits, 1, 15)
	f.between("#/national_digits", p.NationalDigits, 0, 15)
	validateClasses(&f, "#/classes", p.Classes)
	return f
}

// References lists the resources it needs.
func (p *NumberPlan) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}

// Number is a number of ours, or a range of them (DIDs), and where calls to it go: what the rule action "number" finds.
type Number struct {
	Meta
	// Number is as it stands after the dialplan, in the normal form of E.164 for example; RangeEnd, where set, is the last of a range of
	// numbers of the same length. A number goes before the range that it is in, and a range before a wider one around it. The same number or
	// range twice, and ranges that are partly within each other, are refused, as far as they are enabled and of one tenant.
	Number   string `json:"number"`
	RangeEnd string `json:"range_end,omitempty"`
	// SubscriberID or RouteListID is where calls go; FailoverRouteListID where they go if nobody there takes them: of trunks the failover
	// codes decide what counts as that, of a subscriber every failure does but 6xx, unless it has the call forwarded.
	SubscriberID        string `json:"subscriber_id,omitempty"`
	RouteListID         string `json:"route_list_id,omitempty"`
	FailoverRouteListID string `json:"failover_route_list_id,omitempty"`
}

// Kind names the kind.
func (*Number) Kind() Kind { return KindNumber }

// Base gives the common fields.
func (n *Number) Base() *Meta { return &n.Meta }

// Defaults has nothing to set.
func (*Number) Defaults() {}

var phoneNumber = regexp.MustCompile(`^\+?[0-9]{1,32}$`)

// Validate checks number, range and destination.
func (n *Number) Validate() []Fault {
	f := faults(n.Meta.validate())
	if !phoneNumber.MatchString(n.Number) {
		f.add("#/number", "pattern", fmt.Sprintf("%q is not a number: digits, with a + before them or without", n.Number))
	}
	if e := n.RangeEnd; e != "" && (!phoneNumber.MatchString(e) || len(e) != len(n.Number) || e < n.Number || (e[0] == '+') != (n.Number[0] == '+')) {
		f.add("#/range_end", "out_of_range", "must be a number of the same length and form that is not less than number")
	}
	if (n.SubscriberID == "") == (n.RouteListID == "") {
		f.add("#/route_list_id", "required", "one of subscriber_id and route_list_id must be given")
	}
	return f
}

// References lists the resources it needs.
func (n *Number) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: n.TenantID},
		Reference{Pointer: "#/subscriber_id", Kind: KindSubscriber, ID: n.SubscriberID},
		Reference{Pointer: "#/route_list_id", Kind: KindRouteList, ID: n.RouteListID},
		Reference{Pointer: "#/failover_route_list_id", Kind: KindRouteList, ID: n.FailoverRouteListID},
	)
}
