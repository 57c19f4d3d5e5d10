package sbc

import "testing"

// TestContactView: nothing shows by default, and parameters that route cannot be named.
func TestContactView(t *testing.T) {
	p := SignallingProfile{Meta: Meta{ID: "sgp_1", TenantID: DefaultTenantID, Name: "x"}}
	p.Defaults()
	if p.Shows() {
		t.Error("the default shows something")
	}
	p.ContactParams = []string{"+sip.instance", "isfocus", "X-app"}
	if f := p.Validate(); len(f) != 0 || !p.Shows() || !p.ShowsParam("x-APP") || p.ShowsParam("x") {
		t.Errorf("faults %v", f)
	}
	for _, name := range []string{"transport", "MADDR", "ob", "lr", "gr", "tag", "", "a b", "reg-id"} {
		p.ContactParams = []string{name}
		if f := p.Validate(); len(f) != 1 || f[0].Pointer != "#/contact_params/0" || p.ShowsParam(name) && name != "a b" && name != "" {
			t.Errorf("%q: faults %v", name, f)
		}
	}
}
