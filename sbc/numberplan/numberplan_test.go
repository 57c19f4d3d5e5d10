package numberplan

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func plan(country, area, national string, least int, abroad ...string) *Plan {
	row := &sbc.NumberPlan{}
	row.Defaults()
	row.CountryCode, row.AreaCode, row.NationalPrefix, row.MinDigits, row.InternationalPrefixes = country, area, national, least, abroad
	row.Classes = append(row.Classes, sbc.ClassPrefix{Prefix: "+491", Class: sbc.ClassMobile},
		sbc.ClassPrefix{Prefix: "115115$", Class: sbc.ClassEmergency})
	return Compile(row)
}

func TestNormalForm(t *testing.T) {
	berlin, open := plan("49", "30", "0", 4, "00"), plan("49", "", "0", 4, "00")
	spain, us := plan("34", "", "", 6, "00"), plan("1", "", "1", 7, "011")
	for _, x := range []struct {
		plan           *Plan
		number, normal string
	}{
		{berlin, "+4930123456", "+4930123456"},
		{berlin, "+49 (30) 123-456", "+4930123456"},
		{berlin, "004930123456", "+4930123456"},
		{berlin, "0089123456", "+89123456"},
		{berlin, "089123456", "+4989123456"},
		{berlin, "123456", "+4930123456"},
		{berlin, "123-456", "+4930123456"},
		{berlin, "112", "112"},
		{berlin, "110", "110"},
		{berlin, "115115", "115115"},
		{berlin, "*21*1234#", "*21*1234#"},
		{berlin, "alice", "alice"},
		{berlin, "", ""},
		{berlin, "+", "+"},
		{berlin, "0000", "+00"},
		{berlin, "1234567890123456", "1234567890123456"},
		{open, "123456", "123456"},
		{open, "0301234", "+49301234"},
		{spain, "912345678", "+34912345678"},
		{spain, "0033123456", "+33123456"},
		{us, "12125550100", "+12125550100"},
		{us, "0114930123456", "+4930123456"},
		{us, "2125550100", "2125550100"},
	} {
		if got := x.plan.Normal(x.number); got != x.normal {
			t.Errorf("%s with country %s: %q, want %q", x.number, x.plan.row.CountryCode, got, x.normal)
		}
	}
}

func TestClasses(t *testing.T) {
	p := plan("49", "30", "0", 4, "00")
	for number, want := range map[string]sbc.NumberClass{
		"112": sbc.ClassEmergency, "1121": sbc.ClassNational, "0800123": sbc.ClassFreephone, "0900123": sbc.ClassPremium,
		"0033123": sbc.ClassInternational, "+33123": sbc.ClassInternational, "+491711": sbc.ClassMobile, "123456": sbc.ClassNational,
		"01711": sbc.ClassNational, "+49301": sbc.ClassNational,
	} {
		if got, _ := p.Class(number, p.Normal(number)); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
	if class, found := p.Class("alice", "alice"); found {
		t.Errorf("a name: %s", class)
	}
}

// TestServicesAndWholeNumbersStay: what is dialled without any prefix is a number of the area, unless it is a service or whole already.
func TestServicesAndWholeNumbersStay(t *testing.T) {
	row := &sbc.NumberPlan{CountryCode: "1", AreaCode: "212", NationalPrefix: "1", MinDigits: 6, NationalDigits: 10,
		InternationalPrefixes: []string{"011"},
		Classes: []sbc.ClassPrefix{{Prefix: "116117$", Class: sbc.ClassNational}, {Prefix: "218", Class: sbc.ClassPremium},
			{Prefix: "+", Class: sbc.ClassInternational}}}
	p := Compile(row)
	for number, want := range map[string]string{
		"5550100": "+12125550100", "4165550100": "+14165550100", "14165550100": "+14165550100", "116117": "116117", "218118": "218118",
		"1161170": "+1161170", "012345": "+1212012345",
	} {
		if got := p.Normal(number); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
	// One digit more than E.164 has does not make a call abroad a local one.
	for number, want := range map[string]sbc.NumberClass{
		"0114930123456789012": sbc.ClassInternational, "011-4930123456789012": sbc.ClassInternational,
		"1416555010012345678": sbc.ClassNational,
	} {
		if got, _ := p.Class(number, p.Normal(number)); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
}

func TestMostNumbersAreNotCopied(t *testing.T) {
	p := plan("49", "30", "0", 4, "00")
	if n := testing.AllocsPerRun(100, func() { p.Class("+4930123456", p.Normal("+4930123456")) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
