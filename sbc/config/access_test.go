package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
	"github.com/sallyport/sallyport/sbc/identify"
)

// access is basic with what the access side has; change may alter or add rows.
func access(t testing.TB, text string, change func(r sbc.Resource)) []sbc.Resource {
	t.Helper()
	rows, err := rowtext.Rows(basic + `
domain dom_1 realm=rlm_1 tenant=ten_1 plan=rpl_1 name=example.com
group grp_1 tenant=ten_1
number-list nls_1 tenant=ten_1
flood-profile flp_1 tenant=ten_1
` + text)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if change != nil {
			change(r)
		}
	}
	return rows
}

func compiled(t testing.TB, rows []sbc.Resource) *Snapshot {
	t.Helper()
	s, err := Compile(rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDomainIsATrunk: calls of subscribers find their domain where those of trunks find the trunk.
func TestDomainIsATrunk(t *testing.T) {
	s := compiled(t, access(t, "", nil))
	trunk := s.Trunk("dom_1")
	if trunk == nil || trunk.RoutingPlanID != "rpl_1" || trunk.RealmID != "rlm_1" || !s.ActiveTrunk("dom_1") ||
		s.Domain("dom_1") == nil {
		t.Fatalf("%+v", trunk)
	}
	if s.Signalling(trunk) == nil || len(s.DomainsOf("rlm_1")) != 1 || s.DomainsOf("rlm_2") != nil || s.Domain("dom_9") != nil {
		t.Error("look-ups")
	}
	off := compiled(t, access(t, "", func(r sbc.Resource) {
		if r.Base().ID == "rlm_1" {
			r.Base().Enabled = false
		}
	}))
	if off.ActiveTrunk("dom_1") || off.DomainOf("rlm_1", "example.com") != nil || off.Domain("dom_1") == nil {
		t.Error("a domain in a realm that is off is in service")
	}
}

func TestDomainOf(t *testing.T) {
	named := func(r sbc.Resource) {
		if d, ok := r.(*sbc.Domain); ok && d.ID == "dom_1" {
			d.Aliases, d.AcceptSubdomains = []string{"Example.NET", "2001:db8::1"}, true
		}
		if i, ok := r.(*sbc.SIPInterface); ok && i.ID == "sif_1" {
			i.AdvertisedAddress = "198.51.100.7"
		}
	}
	alone := compiled(t, access(t, "", named))
	shared := compiled(t, access(t, "domain dom_2 realm=rlm_1 tenant=ten_1 name=other.example.com\n"+
		"domain dom_3 realm=rlm_2 tenant=ten_1 name=third.example", named))
	for _, tt := range []struct{ realm, host, alone, shared string }{
		{"rlm_1", "example.com", "dom_1", "dom_1"},
		{"rlm_1", "EXAMPLE.com.", "dom_1", "dom_1"},
		{"rlm_1", "example.net", "dom_1", "dom_1"},
		{"rlm_1", "[2001:DB8:0::1]", "dom_1", "dom_1"},
		{"rlm_1", "a.b.example.com", "dom_1", "dom_1"},
		{"rlm_1", "other.example.com", "dom_1", "dom_2"},
		{"rlm_1", "x.other.example.com", "dom_1", "dom_1"},
		{"rlm_1", "notexample.com", "", ""},
		{"rlm_1", "com", "", ""},
		{"rlm_1", "", "", ""},
		{"rlm_1", "127.0.0.1", "dom_1", ""},
		{"rlm_1", "198.51.100.7", "dom_1", ""},
		{"rlm_1", "third.example", "", ""},
		{"rlm_2", "example.com", "", ""},
		{"rlm_2", "127.0.0.2", "", "dom_3"},
	} {
		for _, x := range []struct {
			s    *Snapshot
			want string
		}{{alone, tt.alone}, {shared, tt.shared}} {
			got := ""
			if d := x.s.DomainOf(tt.realm, tt.host); d != nil {
				got = d.ID
			}
			if got != x.want {
				t.Errorf("%s in %s: %q, want %q", tt.host, tt.realm, got, x.want)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { alone.DomainOf("rlm_1", "example.com") }); n != 0 {
		t.Errorf("%v allocations for a host that is spelt as usual", n)
	}
}

// TestNamesOfDomainsAreUnique over all tenants, and what another tenant has is not told.
func TestNamesOfDomainsAreUnique(t *testing.T) {
	for _, tt := range []struct{ row, want string }{
		{"domain dom_2 realm=rlm_2 tenant=ten_1 name=EXAMPLE.com revision=1", "#/name taken"},
		{"tenant ten_2\ndomain dom_2 realm=rlm_2 tenant=ten_2 name=example.com. revision=1", "#/name taken"},
	} {
		_, err := Compile(access(t, tt.row, nil), 1)
		if got := faultsOf(err); len(got) != 2 || got[0] != "conflict" || got[1] != tt.want {
			t.Errorf("%s: %v", tt.row, got)
		}
		if strings.Contains(tt.row, "ten_2") && strings.Contains(err.Error(), "dom_1") {
			t.Errorf("another tenant hears of dom_1: %v", err)
		}
	}
	_, err := Compile(access(t, "domain dom_2 realm=rlm_2 tenant=ten_1 name=b.example revision=1", func(r sbc.Resource) {
		if d, ok := r.(*sbc.Domain); ok && d.ID == "dom_2" {
			d.Aliases = []string{"c.example", "example.com"}
		}
	}), 1)
	if got := faultsOf(err); len(got) != 2 || got[1] != "#/aliases/1 taken" {
		t.Errorf("%v", got)
	}
}

// TestAccessRule: who is known by the address is known with the subscriber; two subscribers cannot claim one address.
func TestAccessRule(t *testing.T) {
	rule := func(id, cidr, subscriber string) sbc.Resource {
		r := &sbc.AccessRule{Meta: sbc.Meta{ID: id, Name: id, TenantID: "ten_1", Enabled: true, Revision: 1}, DomainID: "dom_1",
			SubscriberID: subscriber, CIDR: cidr}
		return r
	}
	s := compiled(t, append(access(t, "", nil), rule("acr_1", "192.0.2.77", "sub_1")))
	src := identify.Source{Addr: netip.MustParseAddr("192.0.2.77"), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP}
	caller, ok := s.Identify.Identify(src, "4930")
	if !ok || caller.TrunkID != "dom_1" || caller.SubscriberID != "sub_1" || caller.IdentityID != "acr_1" {
		t.Errorf("%+v", caller)
	}
	if !s.FromTrunk(src, "dom_1", "sub_1") || s.FromTrunk(src, "dom_1", "sub_2") || s.FromTrunk(src, "dom_1", "") {
		t.Error("the address is not sub_1's alone")
	}
	src.Addr = netip.MustParseAddr("192.0.2.1")
	if caller, ok := s.Identify.Identify(src, "4930"); !ok || caller.SubscriberID != "" || caller.TrunkID != "trk_1" {
		t.Errorf("a trunk's caller is %+v", caller)
	}
	for _, other := range []sbc.Resource{rule("acr_2", "192.0.2.77/32", "sub_2"), rule("acr_2", "192.0.2.1", "sub_2")} {
		_, err := Compile(append(access(t, "", nil), rule("acr_1", "192.0.2.77", "sub_1"), other), 1)
		if got := faultsOf(err); len(got) != 2 || got[0] != "conflict" || got[1] != "#/cidr conflict" {
			t.Errorf("%v", got)
		}
	}
}

func TestPermitted(t *testing.T) {
	s := compiled(t, access(t, "group grp_2 tenant=ten_1\ngroup grp_off tenant=ten_1 disabled", func(r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Domain:
			r.DefaultGroupIDs = []string{"grp_1"}
			r.NumberClasses = append(r.NumberClasses, sbc.ClassPrefix{Prefix: "017", Class: sbc.ClassMobile},
				sbc.ClassPrefix{Prefix: "00999$", Class: sbc.ClassPremium})
		case *sbc.Group:
			if r.ID == "grp_1" {
				r.Classes = []sbc.NumberClass{sbc.ClassLocal}
				r.Allow, r.Deny = []string{"0030", "00305", "77"}, []string{"00305", "4930"}
			}
			if r.ID == "grp_2" {
				r.Classes = []sbc.NumberClass{sbc.ClassMobile}
			}
			if r.ID == "grp_off" {
				r.Classes = sbc.NumberClasses()
			}
		}
	}))
	d := s.Domain("dom_1")
	none, mobile := &sbc.Subscriber{}, &sbc.Subscriber{GroupIDs: []string{"grp_2"}}
	off := &sbc.Subscriber{GroupIDs: []string{"grp_off"}}
	for _, tt := range []struct {
		sub    *sbc.Subscriber
		number string
		want   bool
		class  sbc.NumberClass
	}{
		{none, "112", true, sbc.ClassEmergency},
		{off, "112", true, sbc.ClassEmergency},
		{none, "1123", true, sbc.ClassLocal},
		{none, "555", true, sbc.ClassLocal},
		{none, "4930555", false, sbc.ClassLocal},
		{none, "030555", false, sbc.ClassNational},
		{none, "0017", false, sbc.ClassInternational},
		{none, "003044", true, sbc.ClassInternational},
		{none, "00305", false, sbc.ClassInternational},
		{none, "00999", false, sbc.ClassPremium},
		{none, "009991", false, sbc.ClassInternational},
		{none, "+4930", false, sbc.ClassInternational},
		{none, "0800123", false, sbc.ClassFreephone},
		{none, "017123", false, sbc.ClassMobile},
		{mobile, "017123", true, sbc.ClassMobile},
		{mobile, "555", false, sbc.ClassLocal},
		{off, "555", false, sbc.ClassLocal},
		{nil, "555", true, sbc.ClassLocal},
	} {
		got, class, reason := s.Permitted(d, tt.sub, tt.number)
		if got != tt.want || class != tt.class || reason == "" {
			t.Errorf("%+v dials %s: %v %s %s", tt.sub, tt.number, got, class, reason)
		}
	}
	free := compiled(t, access(t, "", nil))
	if ok, _, _ := free.Permitted(free.Domain("dom_1"), none, "0900"); !ok {
		t.Error("without groups all is permitted")
	}
}

func TestScreen(t *testing.T) {
	s := compiled(t, access(t, "number-list nls_2 tenant=ten_1\nnumber-list nls_3 tenant=ten_1 disabled", func(r sbc.Resource) {
		if l, ok := r.(*sbc.NumberList); ok {
			switch l.ID {
			case "nls_1":
				l.Entries = []sbc.NumberEntry{{Prefix: "0900", Verdict: sbc.ListDeny}, {Prefix: "09001$", Verdict: sbc.ListAllow}}
			default:
				l.Default, l.Entries = sbc.ListDeny, []sbc.NumberEntry{{Prefix: "0", Verdict: sbc.ListAllow}}
			}
		}
	}))
	for _, tt := range []struct {
		lists, number string
		want          bool
	}{
		{"", "0900", true}, {"nls_1", "0900", false}, {"nls_1", "09001", true}, {"nls_1", "090011", false}, {"nls_1", "44", true},
		{"nls_2", "44", false}, {"nls_2", "044", true}, {"nls_1 nls_2", "0900", false}, {"nls_1 nls_2", "09001", true},
		{"nls_3", "44", true}, {"nls_9", "44", true}, {"nls_2", "", false},
	} {
		if got := s.Screen(strings.Fields(tt.lists), tt.number); got != tt.want {
			t.Errorf("%q %s: %v", tt.lists, tt.number, got)
		}
	}
}

func TestFlood(t *testing.T) {
	s := compiled(t, access(t, "realm rlm_3 tenant=ten_1\nflood-profile flp_2 tenant=ten_1 disabled", func(r sbc.Resource) {
		if x, ok := r.(*sbc.Realm); ok {
			switch x.ID {
			case "rlm_1":
				x.Trust, x.FloodProfileID = sbc.TrustAccess, "flp_2"
			case "rlm_2":
				x.FloodProfileID = "flp_1"
			}
		}
	}))
	if p := s.Flood("rlm_1"); p == nil || p.ID != "" || p.Register != 10 || !p.Enabled {
		t.Errorf("an access realm without a profile that is enabled has %+v", p)
	}
	if p := s.Flood("rlm_2"); p == nil || p.ID != "flp_1" {
		t.Errorf("%+v", p)
	}
	if s.Flood("rlm_3") != nil || s.Flood("rlm_9") != nil {
		t.Error("a realm of peers without a profile is bounded")
	}
}

// TestAccessWith: a Snapshot made from changes answers as one made from everything, and what did not change is not compiled
// again.
func TestAccessWith(t *testing.T) {
	rows := access(t, "", nil)
	before := compiled(t, rows)
	domain := *before.Domain("dom_1")
	domain.Name = "new.example"
	after, err := before.with([]edit{{kind: sbc.KindDomain, id: "dom_1", new: &domain}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if after.DomainOf("rlm_1", "new.example") == nil || after.DomainOf("rlm_1", "example.com") != nil ||
		after.Trunk("dom_1").Name != "new.example" {
		t.Error("the change is not there")
	}
	if after.index.permissions.groups["grp_1"] != before.index.permissions.groups["grp_1"] {
		t.Error("a group that did not change is compiled again")
	}
	gone, err := after.with([]edit{{kind: sbc.KindDomain, id: "dom_1"}}, 3)
	if err != nil || gone.Domain("dom_1") != nil || gone.Trunk("dom_1") != nil || gone.index.permissions.classes["dom_1"] != nil {
		t.Errorf("the domain is still there: %v", err)
	}
}
