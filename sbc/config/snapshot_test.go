package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/route"
)

func compileText(t testing.TB, text string, revision int64) (*Snapshot, error) {
	t.Helper()
	rows, err := rowtext.Rows(text)
	if err != nil {
		t.Fatal(err)
	}
	return Compile(rows, revision)
}

func TestCompile(t *testing.T) {
	s, err := compileText(t, basic, 7)
	if err != nil {
		t.Fatal(err)
	}
	caller, ok := s.Identify.Identify(identify.Source{Addr: netip.MustParseAddr("192.0.2.1"), Port: 5060, Interface: "sif_1",
		Transport: "udp"}, "4930")
	if !ok || caller.TrunkID != "trk_1" {
		t.Errorf("%+v", caller)
	}
	plan := s.Route.Plan(route.Query{PlanID: s.Trunk("trk_1").RoutingPlanID, Number: caller.Number})
	if len(plan.Attempts) != 1 || plan.Attempts[0].RealmID != "rlm_2" ||
		s.Endpoint(plan.Attempts[0].EndpointID).Address != "192.0.2.2" {
		t.Errorf("%+v", plan)
	}
	if s.Revision != 7 || s.Realm("rlm_1") == nil || s.Realm("rlm_9") != nil || s.Trunk("trk_9") != nil ||
		s.Endpoint("end_9") != nil ||
		s.Interface("sif_2").BindAddress != "127.0.0.2" || s.RealmOf("sif_2").ID != "rlm_2" || s.RealmOf("sif_9") != nil {
		t.Error("look-up by id")
	}
	if !slices.Equal(s.InterfacesOf("rlm_1"), []string{"sif_1"}) || !slices.Equal(s.PoolsOf("rlm_2"), []string{"mpl_2"}) ||
		s.PoolsOf("rlm_9") != nil {
		t.Error("look-up by realm")
	}
}

// TestOutOfService: what is disabled, or in a realm or tenant that is, is not served, and nothing that refers to it is a fault.
func TestOutOfService(t *testing.T) {
	tests := []struct{ off, interfaces, pools, trunks string }{
		{"", "sif_1 sif_2", "mpl_1 mpl_2", "trk_1 trk_2"},
		{"realm rlm_1", "sif_2", "mpl_2", "trk_2"},
		{"tenant ten_1", "", "", ""},
		{"interface sif_1", "sif_2", "mpl_1 mpl_2", "trk_1 trk_2"},
		{"pool mpl_1", "sif_1 sif_2", "mpl_2", "trk_1 trk_2"},
		{"trunk trk_2", "sif_1 sif_2", "mpl_1 mpl_2", "trk_1"},
	}
	for _, tt := range tests {
		var text strings.Builder
		for line := range strings.Lines(basic) {
			if tt.off != "" && strings.HasPrefix(line, tt.off+" ") || tt.off != "" && strings.TrimSpace(line) == tt.off {
				line = strings.TrimSpace(line) + " disabled\n"
			}
			text.WriteString(line)
		}
		s, err := compileText(t, text.String(), 1)
		if err != nil {
			t.Errorf("%s: %v", tt.off, err)
			continue
		}
		var interfaces, pools, trunks []string
		for _, i := range s.ActiveInterfaces() {
			interfaces = append(interfaces, i.ID)
		}
		for _, p := range s.ActivePools() {
			pools = append(pools, p.ID)
		}
		for _, tr := range s.Rows.Trunks {
			if s.ActiveTrunk(tr.ID) {
				trunks = append(trunks, tr.ID)
			}
		}
		got := [3]string{strings.Join(interfaces, " "), strings.Join(pools, " "), strings.Join(trunks, " ")}
		if got != [3]string{tt.interfaces, tt.pools, tt.trunks} {
			t.Errorf("%s off: %q", tt.off, got)
		}
		_, known := s.Identify.Identify(identify.Source{Addr: netip.MustParseAddr("192.0.2.1"), Interface: "sif_1"}, "1")
		if want := strings.Contains(tt.trunks, "trk_1") && strings.Contains(tt.interfaces, "sif_1"); known != want {
			t.Errorf("%s off: caller known %v", tt.off, known)
		}
		plan := s.Route.Plan(route.Query{PlanID: "rpl_1", Number: "1", Trace: true})
		if want := strings.Contains(tt.trunks, "trk_2"); (plan.Reject == nil) != want {
			t.Errorf("%s off: %+v", tt.off, plan)
		}
	}
}

// TestContradictions: rows of revision 1, a write of revision 2, and the faults.
func TestContradictions(t *testing.T) {
	tests := []struct {
		name, row string
		want      []string
	}{
		{"same socket", "interface sif_x realm=rlm_2 bind=127.0.0.1", []string{"conflict", "#/port conflict"}},
		{"all addresses", "interface sif_x realm=rlm_2 bind=0.0.0.0", []string{"conflict", "#/port conflict"}},
		{"mapped", "interface sif_x realm=rlm_2 bind=::ffff:127.0.0.1", []string{"conflict", "#/port conflict"}},
		{"other port", "interface sif_x realm=rlm_2 bind=127.0.0.1 port=5080", nil},
		{"other transport", "interface sif_x realm=rlm_2 bind=127.0.0.1 transport=tcp", nil},
		{"other family", "interface sif_x realm=rlm_2 bind=::", nil},
		{"disabled", "interface sif_x realm=rlm_2 bind=127.0.0.1 disabled", nil},
		{"pools overlap", "pool mpl_x realm=rlm_2 address=127.0.0.1 port_min=39990 port_max=40100", []string{"conflict",
			"#/port_min conflict"}},
		{"pools side by side", "pool mpl_x realm=rlm_2 address=127.0.0.1 port_min=40000 port_max=40100", nil},
		{"pools on other addresses", "pool mpl_x realm=rlm_2 address=127.0.0.3", nil},
		{"SIP in a pool", "interface sif_x realm=rlm_2 bind=0.0.0.0 port=30000", []string{"conflict", "#/port conflict",
			"#/port conflict"}},
		{"a pool over SIP", "pool mpl_x realm=rlm_2 address=127.0.0.1 port_min=5000 port_max=6000", []string{"conflict",
			"#/port_min conflict"}},
		{"TCP in a pool", "interface sif_x realm=rlm_2 bind=127.0.0.1 port=30000 transport=tcp", nil},
		{"identities", "trunk trk_x realm=rlm_1\nidentity idn_x trunk=trk_x cidr=192.0.2.1/32", []string{"conflict",
			"#/cidr conflict"}},
		{"identity in another realm", "identity idn_x trunk=trk_2 cidr=192.0.2.1/32", nil},
		{"identity on another realm's interface", "identity idn_x trunk=trk_2 cidr=192.0.2.1/32 interface=sif_1",
			[]string{"invalid", "#/sip_interface_id realm_mismatch"}},
		{"nothing there", "trunk trk_x realm=rlm_x plan=rpl_x", []string{"invalid", "#/realm_id reference",
			"#/routing_plan_id reference"}},
		{"rule to nothing", "rule rul_x plan=rpl_x list=rls_x", []string{"invalid", "#/routing_plan_id reference",
			"#/route_list_id reference"}},
		{"forbidden header", "trunk trk_x realm=rlm_1 headers=X-Ok,Refer-To", []string{"invalid", "#/pass_headers/1 forbidden"}},
		// Moving a trunk to another realm breaks an identity that was not written: no pointer, but its name.
		{"by the way", "identity idn_y trunk=trk_2 cidr=192.0.2.1 revision=1\ntrunk trk_2 realm=rlm_1", []string{"conflict",
			" conflict"}},
	}
	for _, tt := range tests {
		before, err := compileText(t, basic, 1)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := rowtext.Rows(tt.row)
		if err != nil {
			t.Fatal(err)
		}
		all, err := rowtext.Rows(basic)
		if err != nil {
			t.Fatal(err)
		}
		var edits []edit
		for _, r := range rows {
			if r.Base().Revision == 0 {
				r.Base().Revision = 2
			}
			edits = append(edits, edit{kind: r.Kind(), id: r.Base().ID, new: r})
			all = slices.DeleteFunc(all, func(o sbc.Resource) bool { return o.Base().ID == r.Base().ID })
			all = append(all, r)
		}
		_, whole := Compile(all, 2)
		_, little := before.with(edits, 2)
		for how, err := range map[string]error{"compile": whole, "change": little} {
			switch {
			case tt.want == nil && err != nil:
				t.Errorf("%s (%s): %v", tt.name, how, err)
			case tt.want != nil && !slices.Equal(faultsOf(err), tt.want):
				t.Errorf("%s (%s): %q, want %q (%v)", tt.name, how, faultsOf(err), tt.want, err)
			}
		}
		if tt.name == "by the way" && !strings.Contains(whole.Error(), "identity idn_") {
			t.Errorf("the identity is not named: %v", whole)
		}
	}
}

func TestDoubleIDs(t *testing.T) {
	if _, err := compileText(t, basic+"realm rlm_1 revision=3", 3); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
}

// TestLittleChangesEqualCompile: whatever is written, the Snapshot made from the change is the one made from everything.
func TestLittleChangesEqualCompile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all, err := rowtext.Rows(basic)
		if err != nil {
			rt.Fatal(err)
		}
		rows := map[touch]sbc.Resource{}
		for _, r := range all {
			rows[touch{r.Kind(), r.Base().ID}] = r
		}
		s, err := Compile(all, 1)
		if err != nil {
			rt.Fatal(err)
		}
		for revision := int64(2); revision < 12; revision++ {
			var edits []edit
			for range rapid.IntRange(1, 4).Draw(rt, "writes") {
				n := rapid.IntRange(1, 5).Draw(rt, "n")
				text := rapid.SampledFrom([]string{
					"rule rul_x%d plan=rpl_1 list=rls_1 prefix=%d", "rule rul_x%d plan=rpl_1 list=rls_1 prefix=4%d disabled",
					"endpoint end_x%d trunk=trk_2 address=192.0.2.%d", "identity idn_x%d trunk=trk_1 cidr=198.51.100.%d",
					"target tgt_x%d list=rls_1 trunk=trk_1 priority=%d", "interface sif_x%d realm=rlm_1 bind=127.0.1.%d",
					"trunk trk_x%d realm=rlm_2 max_calls=%d", "list rls_x%d name=n%d", "plan rpl_x%d name=n%d",
				}).Draw(rt, "row")
				r, err := rowtext.Row(fmt.Sprintf(text, n, n))
				if err != nil {
					rt.Fatal(err)
				}
				k := touch{r.Kind(), r.Base().ID}
				e := edit{kind: k.kind, id: k.id, old: rows[k], new: r}
				if rapid.IntRange(0, 2).Draw(rt, "delete") == 0 {
					e.new = nil
					delete(rows, k)
				} else {
					r.Base().Revision = revision
					rows[k] = r
				}
				if i := slices.IndexFunc(edits, func(o edit) bool { return o.kind == e.kind && o.id == e.id }); i >= 0 {
					edits[i].new = e.new
				} else {
					edits = append(edits, e)
				}
			}
			list := make([]sbc.Resource, 0, len(rows))
			for _, r := range rows {
				list = append(list, r)
			}
			want, err := Compile(list, revision)
			if err != nil {
				rt.Fatal(err)
			}
			got, err := s.with(edits, revision)
			if err != nil {
				rt.Fatal(err)
			}
			if !reflect.DeepEqual(got.Rows, want.Rows) && fmt.Sprint(got.Rows) != fmt.Sprint(want.Rows) {
				rt.Fatalf("rows differ:\n%v\n%v", got.Rows, want.Rows)
			}
			if !reflect.DeepEqual(got.Route, want.Route) || !reflect.DeepEqual(got.Header, want.Header) {
				rt.Fatal("tables differ")
			}
			for n := range 8 {
				src := identify.Source{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), Interface: "sif_1"}
				a, _ := got.Identify.Identify(src, "1")
				if b, _ := want.Identify.Identify(src, "1"); a != b {
					rt.Fatalf("%+v and %+v", a, b)
				}
			}
			s = got
		}
	})
}

func manyRules(n int) []sbc.Resource {
	all, err := rowtext.Rows(basic)
	if err != nil {
		return nil
	}
	for i := range n {
		r := &sbc.Rule{RoutingPlanID: "rpl_1", RouteListID: "rls_1", Action: sbc.ActionRoute, Prefix: fmt.Sprintf("%d", 1_000_000+i*7)}
		r.ID, r.Enabled = fmt.Sprintf("rul_%026d", i), true
		all = append(all, r)
	}
	return all
}

func BenchmarkCompile10000Rules(b *testing.B) {
	all := manyRules(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(all, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileMillionRules(b *testing.B) {
	all := manyRules(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(all, 1); err != nil {
			b.Fatal(err)
		}
	}
}
