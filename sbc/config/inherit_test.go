package config

import (
	"slices"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

const profileRows = basic + `
domain dom_1 realm=rlm_1 tenant=ten_1 name=example.com
signalling-profile sgp_own tenant=ten_1
signalling-profile sgp_realm tenant=ten_1
signalling-profile sgp_tenant tenant=ten_1
signalling-profile sgp_off tenant=ten_1 disabled
media-profile mdp_tenant tenant=ten_1
header-profile hdp_realm tenant=ten_1
header-profile hdp_off tenant=ten_1 disabled
limit-profile lmp_own tenant=ten_1
limit-profile lmp_off tenant=ten_1 disabled
limit-profile lmp_realm tenant=ten_1
limit-profile lmp_tenant tenant=ten_1
`

// inheriting compiles profileRows after a change of them.
func inheriting(t *testing.T, change func(ten *sbc.Tenant, rlm *sbc.Realm, trk *sbc.Trunk, dom *sbc.Domain)) *Snapshot {
	t.Helper()
	rows, err := rowtext.Rows(profileRows)
	if err != nil {
		t.Fatal(err)
	}
	change(rowtext.Of[*sbc.Tenant](rows)[0], rowtext.Of[*sbc.Realm](rows)[0], rowtext.Of[*sbc.Trunk](rows)[0], rowtext.Of[*sbc.Domain](rows)[0])
	s, err := Compile(rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// counts tells by id which profiles a trunk's calls use, as calls look them up.
func counts(s *Snapshot, trunkID string) (signalling, media string, headers bool, limits []string) {
	trunk := s.Trunk(trunkID)
	s.EachLimit(trunk, func(l *sbc.LimitProfile) { limits = append(limits, l.ID) })
	return s.Signalling(trunk).ID, s.Media(trunk).ID, s.HeaderRules(trunk) != nil, limits
}

// TestProfilesAreInherited: the trunk's own, then the realm's, then the tenant's, then the defaults; and what is shown is what counts.
func TestProfilesAreInherited(t *testing.T) {
	type chain struct{ own, realm, tenant string }
	tests := []struct {
		name                              string
		signalling, media, header, limits chain
		want                              [4]string // ids
		from                              [4]sbc.Origin
	}{
		{"nothing named", chain{}, chain{}, chain{}, chain{}, [4]string{},
			[4]sbc.Origin{"system", "system", "system", "system"}},
		{"all levels", chain{"sgp_own", "sgp_realm", "sgp_tenant"}, chain{"", "", "mdp_tenant"}, chain{"", "hdp_realm", ""},
			chain{"lmp_own", "lmp_realm", "lmp_tenant"}, [4]string{"sgp_own", "mdp_tenant", "hdp_realm", "lmp_own"},
			[4]sbc.Origin{"own", "tenant", "realm", "own"}},
		{"disabled is as if not named", chain{"sgp_off", "sgp_realm", "sgp_tenant"}, chain{}, chain{"hdp_off", "hdp_realm", ""},
			chain{"lmp_off", "lmp_realm", ""}, [4]string{"sgp_realm", "", "hdp_realm", ""},
			[4]sbc.Origin{"realm", "system", "realm", "own"}},
		{"from the tenant", chain{"", "sgp_off", "sgp_tenant"}, chain{}, chain{}, chain{"", "", "lmp_tenant"},
			[4]string{"sgp_tenant", "", "", "lmp_tenant"}, [4]sbc.Origin{"tenant", "system", "system", "tenant"}},
	}
	list := func(id string) []string {
		if id == "" {
			return nil
		}
		return []string{id}
	}
	for _, tt := range tests {
		s := inheriting(t, func(ten *sbc.Tenant, rlm *sbc.Realm, trk *sbc.Trunk, dom *sbc.Domain) {
			for _, x := range []*sbc.Terms{&trk.Terms, &dom.Terms} {
				x.SignallingProfileID, x.MediaProfileID, x.HeaderProfileID = tt.signalling.own, tt.media.own, tt.header.own
				x.LimitProfileIDs = list(tt.limits.own)
			}
			rlm.DefaultProfiles = sbc.DefaultProfiles{SignallingProfileID: tt.signalling.realm, MediaProfileID: tt.media.realm,
				HeaderProfileID: tt.header.realm, LimitProfileIDs: list(tt.limits.realm)}
			ten.DefaultProfiles = sbc.DefaultProfiles{SignallingProfileID: tt.signalling.tenant, MediaProfileID: tt.media.tenant,
				HeaderProfileID: tt.header.tenant, LimitProfileIDs: list(tt.limits.tenant)}
		})
		for kind, id := range map[sbc.Kind]string{sbc.KindTrunk: "trk_1", sbc.KindDomain: "dom_1"} {
			signalling, media, headers, limits := counts(s, id)
			if signalling != tt.want[0] || media != tt.want[1] || headers != (tt.want[2] != "") || !slices.Equal(limits, list(tt.want[3])) {
				t.Errorf("%s, %s: calls use %q %q %v %q", tt.name, kind, signalling, media, headers, limits)
			}
			e, ok := s.Effective(kind, id)
			shown := [4]string{e.Signalling.ProfileID, e.Media.ProfileID, e.Header.ProfileID}
			from := [4]sbc.Origin{e.Signalling.Origin, e.Media.Origin, e.Header.Origin, tt.from[3]}
			for _, l := range e.Limits {
				shown[3], from[3] = l.ProfileID, l.Origin
			}
			if !ok || shown != tt.want || from != tt.from {
				t.Errorf("%s, %s: shown %q from %q", tt.name, kind, shown, from)
			}
		}
	}
}

// TestEffectiveValues: what is shown are the settings, the defaults where nothing is named; a realm's own are "own".
func TestEffectiveValues(t *testing.T) {
	s := inheriting(t, func(_ *sbc.Tenant, rlm *sbc.Realm, _ *sbc.Trunk, _ *sbc.Domain) {
		rlm.SignallingProfileID = "sgp_realm"
	})
	e, ok := s.Effective(sbc.KindRealm, "rlm_1")
	if !ok || e.Signalling.Origin != sbc.OriginOwn || e.Signalling.ProfileID != "sgp_realm" || e.Media.Origin != sbc.OriginSystem {
		t.Errorf("%v %+v", ok, e)
	}
	if e.Signalling.Values["ping_interval_s"] == nil || e.Signalling.Values["name"] != nil || len(e.Media.Values) == 0 {
		t.Errorf("%v", e.Signalling.Values)
	}
	if _, ok := s.Effective(sbc.KindTrunk, "trk_9"); ok {
		t.Error("a trunk that is not there has profiles")
	}
}
