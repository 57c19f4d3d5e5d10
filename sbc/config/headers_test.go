package config

import (
	"errors"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestHeaderProfiles: a rule that cannot be compiled is refused where it stands; one that can serves the trunks that name it.
func TestHeaderProfiles(t *testing.T) {
	profile := func(id, value string, on bool) *sbc.HeaderProfile {
		p := &sbc.HeaderProfile{Rules: []sbc.HeaderRule{{Stage: sbc.HeaderOut, Messages: "both", Action: sbc.HeaderAdd,
			Header: "X-A", Value: value}}}
		p.ID, p.Name, p.Enabled, p.Revision, p.TenantID = id, id, on, 3, sbc.DefaultTenantID
		return p
	}
	_, err := Compile([]sbc.Resource{profile("hdp_1", "{nothing}", true)}, 3)
	var e *sbc.Error
	if !errors.As(err, &e) || e.Code != sbc.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Pointer != "#/rules/0/value" {
		t.Fatalf("%+v", e)
	}
	s, err := Compile([]sbc.Resource{profile("hdp_1", "1", true), profile("hdp_2", "2", false)}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"hdp_1": true, "hdp_2": false, "": false} {
		if got := s.HeaderRules(&sbc.Trunk{Terms: sbc.Terms{HeaderProfileID: id}}) != nil; got != want {
			t.Errorf("a trunk with profile %q has rules: %v", id, got)
		}
	}
	if s.HeaderRules(nil) != nil {
		t.Error("no trunk has rules")
	}
}
