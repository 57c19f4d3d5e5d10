package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/identify"
)

// faultList gives the faults of an error.
func faultList(t *testing.T, err error) []sbc.Fault {
	t.Helper()
	var e *sbc.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no fault of a write", err)
	}
	return e.Faults
}

// TestADialplanProvesItself: what a test of a dialplan wants holds, or the write is refused: of the dialplan, of its time profile and of the
// calendar behind that.
func TestADialplanProvesItself(t *testing.T) {
	calendar := &sbc.HolidayCalendar{Meta: sbc.Meta{ID: "cal_1", Name: "days", Enabled: true, Revision: 1}}
	profile := &sbc.TimeProfile{Meta: sbc.Meta{ID: "tpf_1", Name: "day", Enabled: true, Revision: 1}, TimeZone: "Europe/Berlin",
		Windows:            []sbc.TimeWindow{{Start: "2026-01-05T09:00:00", DurationS: 28800, RRule: "FREQ=DAILY"}},
		HolidayCalendarIDs: []string{"cal_1"}, Holidays: sbc.HolidaysExclude}
	at := time.Date(2026, 7, 1, 7, 0, 0, 0, time.UTC) // 09:00 in Berlin
	plan := &sbc.Dialplan{Meta: sbc.Meta{ID: "dpl_1", Name: "plan", Enabled: true, Revision: 1}, NoMatch: sbc.NoMatchPass,
		Rules: []sbc.DialplanRule{{Name: "day", Field: sbc.DialplanCallee, Match: sbc.MatchPrefix, Pattern: "5", SetCallee: "+4930$1",
			TimeProfileID: "tpf_1"}},
		Tests: []sbc.DialplanTest{{Name: "desk", Callee: "51", WantCallee: "+49301", At: &at}}}
	first, err := Compile([]sbc.Resource{calendar, profile, plan}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Dialplan("dpl_1"); got == nil || first.Dialplan("") != nil || first.Dialplan("dpl_2") != nil {
		t.Fatal("the dialplan is not served")
	}
	change := func(r sbc.Resource) error {
		r.Base().Revision = 2
		next, err := first.with([]edit{{kind: r.Kind(), id: r.Base().ID, new: r}}, 2)
		if err == nil && next.Dialplan("dpl_1") == nil {
			t.Error("the dialplan went out of service")
		}
		return err
	}

	broken := *plan
	broken.Rules = []sbc.DialplanRule{plan.Rules[0]}
	broken.Rules[0].SetCallee = "+4940$1"
	if f := faultList(t, change(&broken)); len(f) != 1 || f[0].Pointer != "#/tests/0" || !strings.Contains(f[0].Detail, `"desk"`) {
		t.Errorf("a rule that breaks a test: %+v", f)
	}
	night := *profile
	night.Windows = []sbc.TimeWindow{{Start: "2026-01-05T21:00:00", DurationS: 28800, RRule: "FREQ=DAILY"}}
	if f := faultList(t, change(&night)); len(f) != 1 || f[0].Pointer != "" || !strings.Contains(f[0].Detail, "dpl_1") {
		t.Errorf("a time profile that breaks a test: %+v", f)
	}
	feast := *calendar
	feast.Days = []sbc.Holiday{{Date: "07-01"}}
	if f := faultList(t, change(&feast)); len(f) != 1 || !strings.Contains(f[0].Detail, "dpl_1") {
		t.Errorf("a calendar that breaks a test: %+v", f)
	}
	wrong := *profile
	wrong.TimeZone = "Mars"
	if f := faultList(t, change(&wrong)); len(f) != 1 || f[0].Pointer != "#/time_zone" {
		t.Errorf("a time zone that is none: %+v", f)
	}
	other := *calendar
	other.Days = []sbc.Holiday{{Date: "07-02"}}
	if err := change(&other); err != nil {
		t.Errorf("a calendar that breaks nothing: %v", err)
	}
	if in, why := first.Within("tpf_1", at); !in || why == "" {
		t.Errorf("within: %v, %q", in, why)
	}
}

// TestPermissionsOfTranslatedNumbers: a group's prefixes are those of the number as it was dialled, else as it became.
func TestPermissionsOfTranslatedNumbers(t *testing.T) {
	group := &sbc.Group{Meta: sbc.Meta{ID: "grp_1", Name: "g", Enabled: true}, Classes: []sbc.NumberClass{sbc.ClassNational},
		Allow: []string{"+4433"}, Deny: []string{"0900", "+4932"}}
	s, err := Compile([]sbc.Resource{group}, 1)
	if err != nil {
		t.Fatal(err)
	}
	sub := &sbc.Subscriber{GroupIDs: []string{"grp_1"}}
	for _, x := range []struct {
		dialled, number string
		class           sbc.NumberClass
		want            bool
	}{
		{"030123", "+4930123", sbc.ClassNational, true},
		{"030123", "+4930123", sbc.ClassPremium, false},
		{"0900123", "+49900123", sbc.ClassNational, false},
		{"032123", "+4932123", sbc.ClassNational, false},
		{"0044331", "+44331", sbc.ClassInternational, true},
		{"0044341", "+44341", sbc.ClassInternational, false},
		{"110", "110", sbc.ClassEmergency, true},
	} {
		if got, _, why := s.PermittedAs(&sbc.Domain{}, sub, x.dialled, x.number, x.class); got != x.want {
			t.Errorf("%+v: %v (%s)", x, got, why)
		}
	}
}

// TestEmergencyNumbersOfATrunk: the number plan of a trunk says which of its calls are for help.
func TestEmergencyNumbersOfATrunk(t *testing.T) {
	meta := func(id string) sbc.Meta {
		return sbc.Meta{ID: id, Name: id, Enabled: true, TenantID: sbc.DefaultTenantID}
	}
	realm, plan := &sbc.Realm{Meta: meta("rlm_1")}, &sbc.NumberPlan{Meta: meta("npl_1")}
	realm.Defaults()
	plan.Defaults()
	plan.CountryCode = "33"
	plan.Classes = []sbc.ClassPrefix{{Prefix: "15$", Class: sbc.ClassEmergency}, {Prefix: "911", Class: sbc.ClassLocal}}
	trunk := &sbc.Trunk{Meta: meta("trk_1"), RealmID: "rlm_1"}
	trunk.Defaults()
	trunk.NumberPlanID = "npl_1"
	door := &sbc.SIPInterface{Meta: meta("sif_1")}
	door.Defaults()
	door.RealmID, door.BindAddress = "rlm_1", "192.0.2.9"
	s, err := Compile([]sbc.Resource{realm, plan, trunk, door, &sbc.Identity{Meta: meta("idn_1"), TrunkID: "trk_1", CIDR: "192.0.2.1"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	src := identify.Source{Addr: netip.MustParseAddr("192.0.2.1"), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP}
	for number, want := range map[string][2]bool{"15": {true, true}, "911": {false, true}, "777": {false, false}} {
		if emergency, known := s.Emergency(src, number); emergency != want[0] || known != want[1] {
			t.Errorf("%s: emergency %v, known %v", number, emergency, known)
		}
	}
	src.Addr = netip.MustParseAddr("192.0.2.2")
	if _, known := s.Emergency(src, "15"); known {
		t.Error("a stranger has no number plan")
	}
}
