package sbc

import "fmt"

// ContactView are the opt-outs of topology hiding: what of the dialog on one side of a call shows in the dialog on the other. Each
// holds between two trunks only if the profiles of both say so, and not for a caller who wishes to be unnamed. Its zero value hides
// everything.
type ContactView struct {
	// KeepUserInContact shows the user part of the peer's Contact in ours.
	KeepUserInContact bool `json:"keep_user_in_contact"`
	// KeepCallID begins the other side's dialog with the same Call-ID, where that INVITE is ours.
	KeepCallID bool `json:"keep_call_id"`
	// ContactParams are the parameters of the Contact header and of its URI that show, by name.
	ContactParams []string `json:"contact_params"`
}

// neverShown are parameters of Contact that say how its sender is reached, or that belong to its registration or connection (RFC 3261
// 19.1.1, 20.10; RFC 3327, RFC 3486, RFC 5626, RFC 5627, RFC 5923, RFC 6140, RFC 8599): they would send the other side's requests astray.
func neverShown(param string) bool {
	switch lower(param) {
	case "transport", "maddr", "ttl", "method", "lr", "received", "rport", "alias", "branch", "tag", "comp", "sigcomp-id",
		"ob", "reg-id", "gr", "opaque", "grid", "pub-gruu", "temp-gruu", "temp-gruu-cookie", "bnc", "sg", "keep", "expires", "q",
		"pn-provider", "pn-param", "pn-prid", "pn-purr":
		return true
	}
	return false
}

// validate checks the list.
func (v *ContactView) validate(f *faults) {
	f.entries("#/contact_params", len(v.ContactParams))
	for i, name := range v.ContactParams {
		switch p := fmt.Sprintf("#/contact_params/%d", i); {
		case !headerName.MatchString(name):
			f.add(p, "pattern", fmt.Sprintf("%q is not the name of a parameter", name))
		case neverShown(name):
			f.add(p, "forbidden", fmt.Sprintf("%q says how its side is reached and never passes", name))
		}
	}
}

// Shows tells whether anything is shown at all.
func (v *ContactView) Shows() bool {
	return v.KeepUserInContact || v.KeepCallID || len(v.ContactParams) > 0
}

// ShowsParam tells whether a parameter is on the list. Names know no case (RFC 3261 7.3.1).
func (v *ContactView) ShowsParam(name string) bool {
	for _, n := range v.ContactParams {
		if lower(n) == lower(name) && !neverShown(name) {
			return true
		}
	}
	return false
}
