package config

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestCredentials: a trunk's own credentials answer; without any those of its first registrant that is enabled and has some.
func TestCredentials(t *testing.T) {
	registrant := func(id, trunk, user, password string, on bool) *sbc.Registrant {
		r := &sbc.Registrant{Meta: sbc.Meta{ID: id, Enabled: on}, TrunkID: trunk, AORUser: "aor-" + id}
		r.Credentials = sbc.ClientCredentials{Username: user, Password: password, Realm: "r"}
		return r
	}
	rows := Rows{Registrants: []*sbc.Registrant{
		registrant("rgt_4", "trk_b", "late", "p", true), registrant("rgt_1", "trk_b", "off", "p", false),
		registrant("rgt_2", "trk_b", "", "", true), registrant("rgt_3", "trk_b", "", "secret", true),
		registrant("rgt_5", "trk_a", "other", "p", true),
	}}
	s := &Snapshot{index: &index{credentials: credentials(&rows)}}
	own := &sbc.Trunk{Meta: sbc.Meta{ID: "trk_a"}, Credentials: sbc.ClientCredentials{Username: "own", Password: "p"}}
	for id, want := range map[string]string{"trk_a": "other", "trk_b": "aor-rgt_3", "trk_c": ""} {
		k := s.Credentials(&sbc.Trunk{Meta: sbc.Meta{ID: id}})
		if got := k; got == nil && want != "" || got != nil && got.Username != want {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}
	if k := s.Credentials(own); k == nil || k.Username != "own" {
		t.Errorf("%+v", k)
	}
	if rows.Registrants[3].Credentials.Username != "" {
		t.Error("the row is changed")
	}
}
